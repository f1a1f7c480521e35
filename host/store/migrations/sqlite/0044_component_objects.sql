-- The code of uploads that is in an object store instead of `component_parts`. The row is written before the object, as
-- 'writing', and deleted after it, as 'deleting'; in between it is 'stored'. So no object is without a row.
CREATE TABLE component_objects (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    digest BLOB NOT NULL,
    length INTEGER NOT NULL,
    state TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX component_objects_digest ON component_objects (digest, organization_id);
CREATE INDEX component_objects_unstored ON component_objects (created_at) WHERE state <> 'stored';
