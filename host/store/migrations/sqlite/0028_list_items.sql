-- The content of an item that a connector's list gave, until the run has read it.
ALTER TABLE crawl_pages ADD COLUMN content TEXT;
