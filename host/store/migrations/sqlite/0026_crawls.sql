-- Crawls of sites. A run has a number; it asks for the pages that it found, one after the other.
CREATE TABLE crawls (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    url TEXT NOT NULL,
    settings TEXT NOT NULL,
    status TEXT NOT NULL,
    failure TEXT,
    run INTEGER NOT NULL,
    -- Whether the run has read the site's rules for crawlers.
    started INTEGER NOT NULL DEFAULT 0,
    rules TEXT,
    bytes INTEGER NOT NULL DEFAULT 0,
    left_out INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at TEXT,
    lease TEXT,
    lease_until TEXT,
    created_at TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT,
    UNIQUE (organization_id, url)
) STRICT;
CREATE INDEX crawls_due ON crawls (due_at) WHERE due_at IS NOT NULL;

-- Pages and sitemaps that a crawl found, with the newest run that did.
CREATE TABLE crawl_pages (
    crawl_id TEXT NOT NULL REFERENCES crawls (id) ON DELETE CASCADE,
    organization_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    url TEXT NOT NULL,
    depth INTEGER NOT NULL,
    run INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    -- The page isn't to be known, so its source is deleted when the run ends.
    gone INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    source_id TEXT,
    links TEXT,
    PRIMARY KEY (crawl_id, kind, url)
) STRICT;
CREATE INDEX crawl_pages_state ON crawl_pages (crawl_id, run, state);
CREATE INDEX knowledge_sources_crawl ON knowledge_sources (crawl_id) WHERE crawl_id IS NOT NULL;
