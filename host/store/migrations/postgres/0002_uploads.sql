-- An uploaded version is compiled after it was stored; until that has ended well, nobody can install it.
ALTER TABLE connector_versions ADD COLUMN state TEXT NOT NULL DEFAULT 'ready';
ALTER TABLE connector_versions ADD COLUMN reason TEXT;
