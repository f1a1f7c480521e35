-- The sums of the journal for bills by day (UTC), so that a page of a busy organization reads hundreds of rows and not a
-- month's journal. Each entry counts in its transaction: under the key that asked (`key`), under its connection, if it has
-- one (`connection`), and once more if it belongs to no conversation (`outside`). `part` is the key's lineage or the
-- connection, and zeros stand for none. A page of the table keeps room, so that a row that is counted up stays in it.
CREATE TABLE usage_days (
    organization_id UUID NOT NULL,
    dimension TEXT NOT NULL,
    day TIMESTAMPTZ NOT NULL,
    part UUID NOT NULL,
    meter TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    PRIMARY KEY (organization_id, dimension, day, part, meter)
) WITH (fillfactor = 70);
SELECT resly_bind('usage_days');
INSERT INTO usage_days (organization_id, dimension, day, part, meter, quantity)
    SELECT organization_id, 'key', date_trunc('day', updated_at, 'UTC'),
        COALESCE(key_id, '00000000-0000-0000-0000-000000000000'), meter, SUM(quantity)::bigint
    FROM billing_events WHERE quantity <> 0 GROUP BY 1, 3, 4, 5;
INSERT INTO usage_days (organization_id, dimension, day, part, meter, quantity)
    SELECT organization_id, 'connection', date_trunc('day', updated_at, 'UTC'), connection_id, meter, SUM(quantity)::bigint
    FROM billing_events WHERE quantity <> 0 AND connection_id IS NOT NULL GROUP BY 1, 3, 4, 5;
INSERT INTO usage_days (organization_id, dimension, day, part, meter, quantity)
    SELECT organization_id, 'outside', date_trunc('day', updated_at, 'UTC'), '00000000-0000-0000-0000-000000000000'::uuid,
        meter, SUM(quantity)::bigint
    FROM billing_events WHERE quantity <> 0 AND conversation_id IS NULL GROUP BY 1, 3, 4, 5;

-- What was used by conversation is read from the journal. Nothing read the index that goes, so an entry writes as many as
-- before.
DROP INDEX billing_events_organization;
CREATE INDEX billing_events_conversation ON billing_events (organization_id, conversation_id, updated_at);

-- Calls that failed are few, and what people look for.
CREATE INDEX connector_logs_failed ON connector_logs (organization_id, created_at, id) WHERE status <> 'ok';

-- What agents filter tickets by.
CREATE INDEX tickets_priority ON tickets (organization_id, priority, created_at, id);
CREATE INDEX tickets_assignee ON tickets (organization_id, assignee_id, created_at, id) WHERE assignee_id IS NOT NULL;

CREATE INDEX audit_log_kind ON audit_log (organization_id, subject_kind, created_at, id);
CREATE INDEX audit_log_subject ON audit_log (organization_id, subject_id, created_at, id);
CREATE INDEX audit_log_actor ON audit_log (organization_id, actor_id, created_at, id);
