-- A source that is read later than it is sent: its state, the content that it has now, and its place in the queue.
ALTER TABLE knowledge_sources ADD COLUMN kind TEXT NOT NULL DEFAULT 'text';
ALTER TABLE knowledge_sources ADD COLUMN status TEXT NOT NULL DEFAULT 'ready';
ALTER TABLE knowledge_sources ADD COLUMN failure_kind TEXT;
ALTER TABLE knowledge_sources ADD COLUMN failure_message TEXT;
ALTER TABLE knowledge_sources ADD COLUMN note TEXT;
ALTER TABLE knowledge_sources ADD COLUMN embedded BIGINT NOT NULL DEFAULT 0;
ALTER TABLE knowledge_sources ADD COLUMN to_embed BIGINT NOT NULL DEFAULT 0;
-- What makes it the same source when it is sent again: `url:` and its URL, or `key:` and the sender's own key.
ALTER TABLE knowledge_sources ADD COLUMN identity TEXT;
-- The title that was sent with it, which wins over the document's own.
ALTER TABLE knowledge_sources ADD COLUMN given_title TEXT;
ALTER TABLE knowledge_sources ADD COLUMN content_hash BYTEA;
-- The content as of one change. The search index knows a revision, and never the source.
ALTER TABLE knowledge_sources ADD COLUMN revision UUID;
UPDATE knowledge_sources SET revision = id;
CREATE INDEX knowledge_sources_revision ON knowledge_sources (revision);
ALTER TABLE knowledge_sources ADD COLUMN updated_at TIMESTAMPTZ;
UPDATE knowledge_sources SET updated_at = created_at;
ALTER TABLE knowledge_sources ADD COLUMN checked_at TIMESTAMPTZ;
-- The queue. A source waits for a host when it has a `due_at`; a host that reads it holds a lease.
ALTER TABLE knowledge_sources ADD COLUMN due_at TIMESTAMPTZ;
ALTER TABLE knowledge_sources ADD COLUMN lease UUID;
ALTER TABLE knowledge_sources ADD COLUMN lease_until TIMESTAMPTZ;
ALTER TABLE knowledge_sources ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE knowledge_sources ADD COLUMN deadline_at TIMESTAMPTZ;
CREATE INDEX knowledge_sources_due ON knowledge_sources (due_at) WHERE due_at IS NOT NULL;
-- A page of the web: how often it is read again, and what the server said of the version that is known.
ALTER TABLE knowledge_sources ADD COLUMN refresh_every_s BIGINT;
ALTER TABLE knowledge_sources ADD COLUMN etag TEXT;
ALTER TABLE knowledge_sources ADD COLUMN last_modified TEXT;
ALTER TABLE knowledge_sources ADD COLUMN misses BIGINT NOT NULL DEFAULT 0;
ALTER TABLE knowledge_sources ADD COLUMN crawl_id UUID;
CREATE UNIQUE INDEX knowledge_sources_identity ON knowledge_sources (organization_id, identity)
    WHERE identity IS NOT NULL;

-- Files that wait to be read. They are deleted when they are.
CREATE TABLE source_documents (
    source_id UUID NOT NULL PRIMARY KEY REFERENCES knowledge_sources (id) ON DELETE CASCADE,
    organization_id UUID NOT NULL,
    content_type TEXT,
    name TEXT,
    bytes BYTEA NOT NULL,
    size BIGINT NOT NULL
);
CREATE INDEX source_documents_organization ON source_documents (organization_id);

-- When a host last took one of its sources to read, so that organizations take turns.
ALTER TABLE organizations ADD COLUMN sources_read_at TIMESTAMPTZ;
