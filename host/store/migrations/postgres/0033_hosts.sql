-- The hosts that share the database. A row is one running process: it begins when the process serves, and ends with it or
-- with its lease.
CREATE TABLE hosts (
    id UUID NOT NULL PRIMARY KEY,
    -- Where the other hosts reach it. NULL when it has no such address.
    url TEXT,
    version TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL
);
ALTER TABLE hosts ENABLE ROW LEVEL SECURITY;

-- The host that writes the answer. Only this host may end the turn. NULL for turns of earlier versions.
ALTER TABLE turns ADD COLUMN host_id UUID;
