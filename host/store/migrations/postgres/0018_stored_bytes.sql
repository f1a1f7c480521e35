-- What an organization's connectors made the host keep, by day in UTC; of it, what the log of calls took; and how many calls
-- the log left out or shortened because it had as much as it may.
CREATE TABLE stored_bytes (
    organization_id UUID NOT NULL,
    day TIMESTAMPTZ NOT NULL,
    environment TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    log_bytes BIGINT NOT NULL,
    left_out BIGINT NOT NULL,
    PRIMARY KEY (organization_id, day, environment)
);
ALTER TABLE organizations ADD COLUMN log_bytes_per_day BIGINT NOT NULL DEFAULT 67108864;
-- What a call's row takes, so that a page of the log is bounded before its rows are read.
ALTER TABLE connector_logs ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
UPDATE connector_logs SET bytes = OCTET_LENGTH(log::text) + OCTET_LENGTH(requests::text);
