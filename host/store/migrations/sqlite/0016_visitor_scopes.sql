-- A client's names of conversations and its idempotency keys belong to the key and the visitor; without a visitor, to the
-- key alone.
DROP INDEX conversations_name;
CREATE UNIQUE INDEX conversations_name ON conversations (key_id, COALESCE(visitor_id, key_id), name)
    WHERE name IS NOT NULL;
ALTER TABLE turns ADD COLUMN visitor TEXT;
DROP INDEX turns_idempotency;
CREATE UNIQUE INDEX turns_idempotency ON turns (key_id, idempotency_key, COALESCE(visitor, ''))
    WHERE idempotency_key IS NOT NULL;
