-- When a part was written, or sent again: those of an upload that was cut off are deleted once they are old.
ALTER TABLE component_parts ADD COLUMN created_at TIMESTAMPTZ NOT NULL DEFAULT 'epoch';
