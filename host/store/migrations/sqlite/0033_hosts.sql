-- The hosts that share the database. SQLite has one host, which isn't listed.
CREATE TABLE hosts (
    id TEXT NOT NULL PRIMARY KEY,
    url TEXT,
    version TEXT NOT NULL,
    started_at TEXT NOT NULL,
    lease_until TEXT NOT NULL
);

-- The host that writes the answer. Only this host may end the turn. NULL for turns of earlier versions.
ALTER TABLE turns ADD COLUMN host_id TEXT;
