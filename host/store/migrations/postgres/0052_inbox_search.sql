-- The words of a conversation, for people who look for one: not the words themselves, but a short hash of each that differs
-- between organizations. A job writes them, and no chat pays for it. They go in the transaction that deletes the conversation.
CREATE TABLE conversation_words (
    conversation_id UUID NOT NULL PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
    organization_id UUID NOT NULL,
    -- The newest message that the job knows of.
    last_message_id UUID NOT NULL,
    -- When the job reads the conversation next. NULL when its words are up to date.
    due_at TIMESTAMPTZ,
    -- What the visitor writes in, as a BCP-47 code.
    language TEXT,
    -- With spaces between.
    words TEXT,
    search TSVECTOR GENERATED ALWAYS AS (array_to_tsvector(array_remove(string_to_array(words, ' '), ''))) STORED
);
CREATE INDEX conversation_words_last ON conversation_words (last_message_id);
CREATE INDEX conversation_words_due ON conversation_words (due_at, conversation_id) WHERE due_at IS NOT NULL;
CREATE INDEX conversation_words_search ON conversation_words USING gin (search);
SELECT resly_bind('conversation_words');

-- Finds an organization's conversations by the index of words, as `resly_search` finds passages: a condition of the host's
-- role can't use it, because policies come before it and `@@` isn't leakproof.
DO $do$
BEGIN
    EXECUTE format($function$
        CREATE FUNCTION resly_find_conversations(query TSQUERY, organization UUID DEFAULT NULL) RETURNS SETOF UUID
        LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100 SET search_path = %1$I, pg_temp
        AS $body$
        DECLARE
            own UUID := resly_organization();
        BEGIN
            IF own IS NULL AND pg_has_role(session_user, current_user, 'MEMBER') THEN
                own := organization;
            END IF;
            RETURN QUERY EXECUTE
                'SELECT conversation_id FROM conversation_words WHERE organization_id = $1 AND search @@ $2' USING own, query;
        END
        $body$
    $function$, current_schema());
END
$do$;

-- Until when nobody has to look at a conversation, and where one goes on that was merged into another.
ALTER TABLE conversations ADD COLUMN snoozed_until TIMESTAMPTZ;
ALTER TABLE conversations ADD COLUMN merged_into UUID;
CREATE INDEX conversations_merged ON conversations (merged_into) WHERE merged_into IS NOT NULL;

-- What agents tell each other. Neither the visitor nor the assistant sees it.
CREATE TABLE conversation_notes (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    conversation_id UUID NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    author_id UUID,
    body TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX conversation_notes_conversation ON conversation_notes (conversation_id, created_at, id);
SELECT resly_bind('conversation_notes');

CREATE TABLE canned_replies (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    -- What agents type after a slash.
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, name)
);
SELECT resly_bind('canned_replies');

-- Whether the member answers visitors now.
ALTER TABLE members ADD COLUMN available BOOLEAN NOT NULL DEFAULT true;

-- How many days the audit log keeps an entry. NULL: the host's own number.
ALTER TABLE organizations ADD COLUMN audit_days BIGINT;

-- As migration 45: no statistics of what customers write.
ALTER TABLE conversation_words ALTER language SET STATISTICS 0, ALTER words SET STATISTICS 0, ALTER search SET STATISTICS 0;
ALTER TABLE conversation_notes ALTER body SET STATISTICS 0;
ALTER TABLE canned_replies ALTER name SET STATISTICS 0, ALTER body SET STATISTICS 0;
