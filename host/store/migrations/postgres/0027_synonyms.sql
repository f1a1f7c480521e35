-- The words that mean the same in an organization's knowledge, as `resly_core::knowledge::Synonyms`. None is none.
ALTER TABLE organizations ADD COLUMN synonyms JSONB;
