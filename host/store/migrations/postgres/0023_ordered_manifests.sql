-- `jsonb` sorts members and spells numbers anew; a connector's request has them as its author wrote them.
ALTER TABLE connector_versions ALTER COLUMN manifest TYPE JSON USING manifest::json;
