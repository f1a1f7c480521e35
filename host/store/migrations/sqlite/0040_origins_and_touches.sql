-- The origins that publishable keys allow, so that a CORS preflight is answered by an index. Triggers keep it as `api_keys`
-- says. PostgreSQL has an index of the column itself instead.
CREATE TABLE key_origins (
    origin TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    PRIMARY KEY (origin, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_origins_key ON key_origins (key_id);
INSERT INTO key_origins (origin, key_id)
SELECT DISTINCT o.value, k.id FROM api_keys k, json_each(k.origins) o
WHERE k.kind = 'publishable' AND k.deleted_at IS NULL;
CREATE TRIGGER api_keys_origins_added AFTER INSERT ON api_keys
WHEN new.kind = 'publishable' AND new.deleted_at IS NULL BEGIN
    INSERT INTO key_origins (origin, key_id) SELECT DISTINCT value, new.id FROM json_each(new.origins);
END;
CREATE TRIGGER api_keys_origins_changed AFTER UPDATE OF origins, deleted_at ON api_keys
WHEN new.kind = 'publishable' BEGIN
    DELETE FROM key_origins WHERE key_id = new.id;
    INSERT INTO key_origins (origin, key_id)
    SELECT DISTINCT value, new.id FROM json_each(new.origins) WHERE new.deleted_at IS NULL;
END;

-- A source of knowledge, and a counter of usage, tell whenever anything changes that REST shows, as rows of the other tables
-- do: also that a source is being read again and was found the same. Leases and progress aren't shown.
DROP TRIGGER knowledge_sources_touched;
CREATE TRIGGER knowledge_sources_touched
AFTER UPDATE OF kind, status, title, url, content_type, text, chunks, failure_kind, failure_message, note, refresh_every_s, checked_at ON knowledge_sources
WHEN new.updated_at IS old.updated_at AND (
    new.kind IS NOT old.kind
    OR new.status IS NOT old.status
    OR new.title IS NOT old.title
    OR new.url IS NOT old.url
    OR new.content_type IS NOT old.content_type
    OR new.text IS NOT old.text
    OR new.chunks IS NOT old.chunks
    OR new.failure_kind IS NOT old.failure_kind
    OR new.failure_message IS NOT old.failure_message
    OR new.note IS NOT old.note
    OR new.refresh_every_s IS NOT old.refresh_every_s
    OR new.checked_at IS NOT old.checked_at
) BEGIN
    UPDATE knowledge_sources SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
DROP TRIGGER usage_touched;
CREATE TRIGGER usage_touched
AFTER UPDATE OF period_start, meter, environment, used, estimated, plan_limit ON usage
WHEN new.updated_at IS old.updated_at AND (
    new.period_start IS NOT old.period_start
    OR new.meter IS NOT old.meter
    OR new.environment IS NOT old.environment
    OR new.used IS NOT old.used
    OR new.estimated IS NOT old.estimated
    OR new.plan_limit IS NOT old.plan_limit
) BEGIN
    UPDATE usage SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
-- Entries that are written once tell as well what is done to them past the host.
CREATE TRIGGER billing_events_touched AFTER UPDATE ON billing_events WHEN new.updated_at IS old.updated_at BEGIN
    UPDATE billing_events SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
CREATE TRIGGER connector_logs_touched AFTER UPDATE ON connector_logs WHEN new.updated_at IS old.updated_at BEGIN
    UPDATE connector_logs SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
