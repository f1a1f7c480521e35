-- What a passage is written in, as a BCP-47 code. Null is not known yet.
ALTER TABLE passages ADD COLUMN language TEXT;
