-- Requests of one subject (a key, a visitor or a client address under a key, as a hash) within the minute that began at
-- `started_at`, over all hosts. Hosts take requests in batches; `granted` is the newest batch.
CREATE TABLE rate_windows (
    subject TEXT NOT NULL PRIMARY KEY,
    started_at TEXT NOT NULL,
    used INTEGER NOT NULL,
    granted INTEGER NOT NULL
);
CREATE INDEX rate_windows_started ON rate_windows (started_at);
