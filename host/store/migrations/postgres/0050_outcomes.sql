-- What became of conversations, and the numbers for dashboards. A job derives all of it from what is stored, so a chat writes
-- none of it: see `store/src/outcomes`.

-- What visitors say of answers.
CREATE TABLE answer_ratings (
    message_id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    rating TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX answer_ratings_conversation ON answer_ratings (conversation_id);
SELECT resly_bind('answer_ratings');

-- One row for each conversation. `day` is the day in UTC on which it began, `seen_at` the conversation's `updated_at` when its
-- outcome was computed, and `look_again_at` when time alone may change that.
CREATE TABLE conversation_outcomes (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    conversation_id UUID NOT NULL REFERENCES conversations (id),
    outcome TEXT NOT NULL,
    person BOOLEAN NOT NULL,
    reopened BOOLEAN NOT NULL,
    day TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    key_id UUID NOT NULL,
    language TEXT NOT NULL,
    tags TEXT[] NOT NULL,
    messages BIGINT NOT NULL,
    questions BIGINT NOT NULL,
    answers BIGINT NOT NULL,
    unanswered BIGINT NOT NULL,
    rated_up BIGINT NOT NULL,
    rated_down BIGINT NOT NULL,
    first_answer_ms BIGINT,
    rules_version BIGINT NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    look_again_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX conversation_outcomes_conversation ON conversation_outcomes (conversation_id);
CREATE INDEX conversation_outcomes_started ON conversation_outcomes (organization_id, started_at, id);
CREATE INDEX conversation_outcomes_outcome ON conversation_outcomes (organization_id, outcome, started_at, id);
CREATE INDEX conversation_outcomes_rated ON conversation_outcomes (organization_id, started_at, id)
    WHERE rated_up > 0 OR rated_down > 0;
CREATE INDEX conversation_outcomes_again ON conversation_outcomes (organization_id, look_again_at)
    WHERE look_again_at IS NOT NULL;
CREATE INDEX conversation_outcomes_updated ON conversation_outcomes (organization_id, updated_at, id);
CREATE TRIGGER conversation_outcomes_touched BEFORE UPDATE ON conversation_outcomes FOR EACH ROW EXECUTE FUNCTION resly_touch();
SELECT resly_bind('conversation_outcomes');

-- The sums of the rows above: those of all conversations under the tag '', and those of each tag. A row of
-- `conversation_outcomes` and its share of these change in one transaction.
CREATE TABLE outcome_days (
    organization_id UUID NOT NULL,
    tag TEXT NOT NULL,
    day TEXT NOT NULL,
    key_id UUID NOT NULL,
    language TEXT NOT NULL,
    outcome TEXT NOT NULL,
    conversations BIGINT NOT NULL,
    persons BIGINT NOT NULL,
    reopened BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    answers BIGINT NOT NULL,
    unanswered BIGINT NOT NULL,
    rated BIGINT NOT NULL,
    rated_up BIGINT NOT NULL,
    rated_down BIGINT NOT NULL,
    answered BIGINT NOT NULL,
    first_answer_ms BIGINT NOT NULL,
    PRIMARY KEY (organization_id, tag, day, key_id, language, outcome)
);
SELECT resly_bind('outcome_days');

-- Questions that the knowledge didn't answer, each with the id of its message. Those that ask about the same have one
-- `group_id`.
CREATE TABLE unanswered_questions (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    answer_id UUID NOT NULL,
    question TEXT NOT NULL,
    language TEXT NOT NULL,
    gap TEXT NOT NULL,
    group_id UUID,
    asked_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX unanswered_questions_asked ON unanswered_questions (organization_id, asked_at, id);
CREATE INDEX unanswered_questions_conversation ON unanswered_questions (conversation_id);
CREATE INDEX unanswered_questions_group ON unanswered_questions (organization_id, group_id, asked_at);
SELECT resly_bind('unanswered_questions');

-- Calls of connectors by day, as the log has them in production. The nil connection stands for all: its rows have one
-- `bucket` for each number of binary digits of the duration in milliseconds. A connection's own rows have the bucket -1.
CREATE TABLE connector_call_days (
    organization_id UUID NOT NULL,
    day TEXT NOT NULL,
    connection_id UUID NOT NULL,
    bucket BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    PRIMARY KEY (organization_id, day, connection_id, bucket)
);
SELECT resly_bind('connector_call_days');

-- How far the job is. Outcomes that were computed before `redo_at` are computed again.
CREATE TABLE outcome_progress (
    organization_id UUID NOT NULL PRIMARY KEY,
    rules_version BIGINT NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    seen_id UUID NOT NULL,
    redo_at TIMESTAMPTZ NOT NULL,
    logged_at TIMESTAMPTZ NOT NULL,
    logged_id UUID NOT NULL,
    lease UUID,
    lease_until TIMESTAMPTZ,
    taken_at TIMESTAMPTZ
);
SELECT resly_bind('outcome_progress');

-- As migration 45: no statistics of what customers write.
ALTER TABLE conversation_outcomes ALTER tags SET STATISTICS 0;
ALTER TABLE outcome_days ALTER tag SET STATISTICS 0;
ALTER TABLE unanswered_questions ALTER question SET STATISTICS 0;

-- Logins of dashboards that are there may read outcomes as well.
DO $$
DECLARE
    login TEXT;
BEGIN
    FOR login IN SELECT role_name FROM database_roles WHERE to_regrole(quote_ident(role_name)) IS NOT NULL LOOP
        EXECUTE format('GRANT SELECT ON conversation_outcomes TO %I', login);
    END LOOP;
END
$$;
