-- The crawl was sent again while it ran, so it runs again.
ALTER TABLE crawls ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
-- The run gave up pages that it didn't ask for, so it doesn't know what is gone.
ALTER TABLE crawls ADD COLUMN cut INTEGER NOT NULL DEFAULT 0;
-- How often a host has taken the crawl since it stored a step. A page whose every step ends with its host is given up.
ALTER TABLE crawls ADD COLUMN takes INTEGER NOT NULL DEFAULT 0;
-- Sources that failed and are given up, of which the oldest are deleted.
CREATE INDEX knowledge_sources_failed ON knowledge_sources (organization_id, created_at)
    WHERE status = 'failed' AND chunks = 0 AND due_at IS NULL;
-- The fuel is set aside for reading a document, which is no call.
ALTER TABLE call_reservations ADD COLUMN reading INTEGER NOT NULL DEFAULT 0;
