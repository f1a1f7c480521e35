-- Crawls of sites. A run has a number; it asks for the pages that it found, one after the other.
CREATE TABLE crawls (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    url TEXT NOT NULL,
    settings JSONB NOT NULL,
    status TEXT NOT NULL,
    failure TEXT,
    run BIGINT NOT NULL,
    -- Whether the run has read the site's rules for crawlers.
    started BOOLEAN NOT NULL DEFAULT FALSE,
    rules JSONB,
    bytes BIGINT NOT NULL DEFAULT 0,
    left_out BIGINT NOT NULL DEFAULT 0,
    tries BIGINT NOT NULL DEFAULT 0,
    due_at TIMESTAMPTZ,
    lease UUID,
    lease_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    UNIQUE (organization_id, url)
);
CREATE INDEX crawls_due ON crawls (due_at) WHERE due_at IS NOT NULL;

-- Pages and sitemaps that a crawl found, with the newest run that did.
CREATE TABLE crawl_pages (
    crawl_id UUID NOT NULL REFERENCES crawls (id) ON DELETE CASCADE,
    organization_id UUID NOT NULL,
    kind TEXT NOT NULL,
    url TEXT NOT NULL,
    depth BIGINT NOT NULL,
    run BIGINT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    -- The page isn't to be known, so its source is deleted when the run ends.
    gone BOOLEAN NOT NULL DEFAULT FALSE,
    tries BIGINT NOT NULL DEFAULT 0,
    source_id UUID,
    links JSONB,
    PRIMARY KEY (crawl_id, kind, url)
);
CREATE INDEX crawl_pages_state ON crawl_pages (crawl_id, run, state);
CREATE INDEX knowledge_sources_crawl ON knowledge_sources (crawl_id) WHERE crawl_id IS NOT NULL;
