-- When a part was written, or sent again: those of an upload that was cut off are deleted once they are old.
ALTER TABLE component_parts ADD COLUMN created_at TEXT NOT NULL DEFAULT '1970-01-01T00:00:00.000000Z';
