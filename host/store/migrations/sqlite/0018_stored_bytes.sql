-- What an organization's connectors made the host keep, by day in UTC; of it, what the log of calls took; and how many calls
-- the log left out or shortened because it had as much as it may.
CREATE TABLE stored_bytes (
    organization_id TEXT NOT NULL,
    day TEXT NOT NULL,
    environment TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    log_bytes INTEGER NOT NULL,
    left_out INTEGER NOT NULL,
    PRIMARY KEY (organization_id, day, environment)
) STRICT;
ALTER TABLE organizations ADD COLUMN log_bytes_per_day INTEGER NOT NULL DEFAULT 67108864;
-- What a call's row takes, so that a page of the log is bounded before its rows are read.
ALTER TABLE connector_logs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE connector_logs SET bytes = LENGTH(CAST(log AS BLOB)) + LENGTH(CAST(requests AS BLOB));
