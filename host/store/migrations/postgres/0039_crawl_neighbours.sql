-- What keeps the reading and the deleting of one organization's sources from its neighbours, and from its own files.

-- The site of a page that is read, as the origin of its URL (RFC 6454). A host asks each site for one page of an
-- organization at a time.
ALTER TABLE knowledge_sources ADD COLUMN site TEXT;
UPDATE knowledge_sources
SET site = substring(url FROM '^[a-z]+://[^/]+')
WHERE kind = 'page' AND url LIKE 'http%://%';

-- Sources and crawls that are being deleted, of which a job deletes what is left.
CREATE INDEX knowledge_sources_deleting ON knowledge_sources (id) WHERE status = 'deleting';
CREATE INDEX crawls_deleting ON crawls (id) WHERE status = 'deleting';

-- The pages and sitemaps of a crawl's newest run, so that no step counts them.
ALTER TABLE crawls ADD COLUMN found BIGINT NOT NULL DEFAULT 0;
ALTER TABLE crawls ADD COLUMN sitemaps BIGINT NOT NULL DEFAULT 0;
UPDATE crawls SET
    found = (SELECT COUNT(*) FROM crawl_pages p WHERE p.crawl_id = crawls.id AND p.run = crawls.run AND p.kind = 'page'),
    sitemaps =
        (SELECT COUNT(*) FROM crawl_pages p WHERE p.crawl_id = crawls.id AND p.run = crawls.run AND p.kind = 'sitemap');

-- Pages in the order in which a run asks for them, so that no step sorts them.
DROP INDEX crawl_pages_state;
CREATE INDEX crawl_pages_next ON crawl_pages (crawl_id, run, state, (kind = 'list'), kind DESC, tries, depth, url);
