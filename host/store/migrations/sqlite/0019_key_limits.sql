-- `ends_at` is the expiry that an admin set, which a rotation keeps; `expires_at` is when the key really ends, which a
-- rotation moves to the end of its overlap. `rate_limits` is NULL where the defaults of the key's kind hold.
ALTER TABLE api_keys ADD COLUMN ends_at TEXT;
ALTER TABLE api_keys ADD COLUMN rate_limits TEXT;
