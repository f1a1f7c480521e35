-- The words of a conversation, for people who look for one: not the words themselves, but a short hash of each that differs
-- between organizations. A job writes them, and no chat pays for it. They go in the transaction that deletes the conversation.
CREATE TABLE conversation_words (
    -- For the index of words.
    number INTEGER PRIMARY KEY,
    conversation_id TEXT NOT NULL UNIQUE REFERENCES conversations (id) ON DELETE CASCADE,
    organization_id TEXT NOT NULL,
    -- The newest message that the job knows of.
    last_message_id TEXT NOT NULL,
    -- When the job reads the conversation next. NULL when its words are up to date.
    due_at TEXT,
    -- What the visitor writes in, as a BCP-47 code.
    language TEXT,
    -- With spaces between.
    words TEXT
) STRICT;
CREATE INDEX conversation_words_last ON conversation_words (last_message_id);
CREATE INDEX conversation_words_due ON conversation_words (due_at, conversation_id) WHERE due_at IS NOT NULL;
CREATE VIRTUAL TABLE conversation_fts USING fts5 (
    words, content = 'conversation_words', content_rowid = 'number', detail = none, columnsize = 0, tokenize = 'ascii'
);
-- What is deleted is overwritten at once, and not when segments are merged some day.
INSERT INTO conversation_fts (conversation_fts, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER conversation_words_indexed AFTER INSERT ON conversation_words WHEN new.words IS NOT NULL BEGIN
    INSERT INTO conversation_fts (rowid, words) VALUES (new.number, new.words);
END;
CREATE TRIGGER conversation_words_changed AFTER UPDATE OF words ON conversation_words BEGIN
    INSERT INTO conversation_fts (conversation_fts, rowid, words)
    SELECT 'delete', old.number, old.words WHERE old.words IS NOT NULL;
    INSERT INTO conversation_fts (rowid, words) SELECT new.number, new.words WHERE new.words IS NOT NULL;
END;
CREATE TRIGGER conversation_words_unindexed AFTER DELETE ON conversation_words WHEN old.words IS NOT NULL BEGIN
    INSERT INTO conversation_fts (conversation_fts, rowid, words) VALUES ('delete', old.number, old.words);
END;

-- Until when nobody has to look at a conversation, and where one goes on that was merged into another.
ALTER TABLE conversations ADD COLUMN snoozed_until TEXT;
ALTER TABLE conversations ADD COLUMN merged_into TEXT;
CREATE INDEX conversations_merged ON conversations (merged_into) WHERE merged_into IS NOT NULL;

-- What agents tell each other. Neither the visitor nor the assistant sees it.
CREATE TABLE conversation_notes (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    author_id TEXT,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX conversation_notes_conversation ON conversation_notes (conversation_id, created_at, id);

CREATE TABLE canned_replies (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    -- What agents type after a slash.
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (organization_id, name)
) STRICT;

-- Whether the member answers visitors now.
ALTER TABLE members ADD COLUMN available INTEGER NOT NULL DEFAULT 1;

-- How many days the audit log keeps an entry. NULL: the host's own number.
ALTER TABLE organizations ADD COLUMN audit_days INTEGER;

-- As migration 37 has them for the other indexes of these tables.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('conversation_words', 'sqlite_autoindex_conversation_words_1', '300000 1'),
    ('conversation_words', 'conversation_words_last', '300000 1'),
    ('conversation_words', 'conversation_words_due', '300 1 1'),
    ('conversations', 'conversations_merged', '300 2'),
    ('conversation_notes', 'sqlite_autoindex_conversation_notes_1', '60000 1'),
    ('conversation_notes', 'conversation_notes_conversation', '60000 3 1 1'),
    ('canned_replies', 'sqlite_autoindex_canned_replies_1', '600 1'),
    ('canned_replies', 'sqlite_autoindex_canned_replies_2', '600 60 1');
