-- What became of conversations, and the numbers for dashboards. A job derives all of it from what is stored, so a chat writes
-- none of it: see `store/src/outcomes`.

-- What visitors say of answers.
CREATE TABLE answer_ratings (
    message_id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    rating TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX answer_ratings_conversation ON answer_ratings (conversation_id);

-- One row for each conversation. `day` is the day in UTC on which it began, `seen_at` the conversation's `updated_at` when its
-- outcome was computed, and `look_again_at` when time alone may change that.
CREATE TABLE conversation_outcomes (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    outcome TEXT NOT NULL,
    person INTEGER NOT NULL,
    reopened INTEGER NOT NULL,
    day TEXT NOT NULL,
    started_at TEXT NOT NULL,
    key_id TEXT NOT NULL,
    language TEXT NOT NULL,
    tags TEXT NOT NULL,
    messages INTEGER NOT NULL,
    questions INTEGER NOT NULL,
    answers INTEGER NOT NULL,
    unanswered INTEGER NOT NULL,
    rated_up INTEGER NOT NULL,
    rated_down INTEGER NOT NULL,
    first_answer_ms INTEGER,
    rules_version INTEGER NOT NULL,
    seen_at TEXT NOT NULL,
    look_again_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX conversation_outcomes_conversation ON conversation_outcomes (conversation_id);
CREATE INDEX conversation_outcomes_started ON conversation_outcomes (organization_id, started_at, id);
CREATE INDEX conversation_outcomes_outcome ON conversation_outcomes (organization_id, outcome, started_at, id);
CREATE INDEX conversation_outcomes_rated ON conversation_outcomes (organization_id, started_at, id)
    WHERE rated_up > 0 OR rated_down > 0;
CREATE INDEX conversation_outcomes_again ON conversation_outcomes (organization_id, look_again_at)
    WHERE look_again_at IS NOT NULL;
CREATE INDEX conversation_outcomes_updated ON conversation_outcomes (organization_id, updated_at, id);
CREATE TRIGGER conversation_outcomes_touched AFTER UPDATE ON conversation_outcomes WHEN new.updated_at IS old.updated_at BEGIN
    UPDATE conversation_outcomes SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;

-- The sums of the rows above: those of all conversations under the tag '', and those of each tag. A row of
-- `conversation_outcomes` and its share of these change in one transaction.
CREATE TABLE outcome_days (
    organization_id TEXT NOT NULL,
    tag TEXT NOT NULL,
    day TEXT NOT NULL,
    key_id TEXT NOT NULL,
    language TEXT NOT NULL,
    outcome TEXT NOT NULL,
    conversations INTEGER NOT NULL,
    persons INTEGER NOT NULL,
    reopened INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    answers INTEGER NOT NULL,
    unanswered INTEGER NOT NULL,
    rated INTEGER NOT NULL,
    rated_up INTEGER NOT NULL,
    rated_down INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    first_answer_ms INTEGER NOT NULL,
    PRIMARY KEY (organization_id, tag, day, key_id, language, outcome)
) STRICT, WITHOUT ROWID;

-- Questions that the knowledge didn't answer, each with the id of its message. Those that ask about the same have one
-- `group_id`.
CREATE TABLE unanswered_questions (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    answer_id TEXT NOT NULL,
    question TEXT NOT NULL,
    language TEXT NOT NULL,
    gap TEXT NOT NULL,
    group_id TEXT,
    asked_at TEXT NOT NULL
) STRICT;
CREATE INDEX unanswered_questions_asked ON unanswered_questions (organization_id, asked_at, id);
CREATE INDEX unanswered_questions_conversation ON unanswered_questions (conversation_id);
CREATE INDEX unanswered_questions_group ON unanswered_questions (organization_id, group_id, asked_at);

-- Calls of connectors by day, as the log has them in production. The nil connection stands for all: its rows have one
-- `bucket` for each number of binary digits of the duration in milliseconds. A connection's own rows have the bucket -1.
CREATE TABLE connector_call_days (
    organization_id TEXT NOT NULL,
    day TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    PRIMARY KEY (organization_id, day, connection_id, bucket)
) STRICT, WITHOUT ROWID;

-- How far the job is. Outcomes that were computed before `redo_at` are computed again.
CREATE TABLE outcome_progress (
    organization_id TEXT NOT NULL PRIMARY KEY,
    rules_version INTEGER NOT NULL,
    seen_at TEXT NOT NULL,
    seen_id TEXT NOT NULL,
    redo_at TEXT NOT NULL,
    logged_at TEXT NOT NULL,
    logged_id TEXT NOT NULL,
    lease TEXT,
    lease_until TEXT,
    taken_at TEXT
) STRICT;

-- As migration 37 has them for other tables.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('answer_ratings', 'sqlite_autoindex_answer_ratings_1', '30000 1'),
    ('answer_ratings', 'answer_ratings_conversation', '30000 1'),
    ('conversation_outcomes', 'sqlite_autoindex_conversation_outcomes_1', '300000 1'),
    ('conversation_outcomes', 'conversation_outcomes_conversation', '300000 1'),
    ('conversation_outcomes', 'conversation_outcomes_started', '300000 30000 1 1'),
    ('conversation_outcomes', 'conversation_outcomes_outcome', '300000 30000 7500 1 1'),
    ('conversation_outcomes', 'conversation_outcomes_rated', '30000 3000 1 1'),
    ('conversation_outcomes', 'conversation_outcomes_again', '30000 3000 1'),
    ('conversation_outcomes', 'conversation_outcomes_updated', '300000 30000 50 1'),
    ('unanswered_questions', 'sqlite_autoindex_unanswered_questions_1', '60000 1'),
    ('unanswered_questions', 'unanswered_questions_asked', '60000 6000 1 1'),
    ('unanswered_questions', 'unanswered_questions_conversation', '60000 1'),
    ('unanswered_questions', 'unanswered_questions_group', '60000 6000 3 1');
