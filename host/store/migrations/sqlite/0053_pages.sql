-- The sums of the journal for bills by day (UTC), so that a page of a busy organization reads hundreds of rows and not a
-- month's journal. Each entry counts in its transaction: under the key that asked (`key`), under its connection, if it has
-- one (`connection`), and once more if it belongs to no conversation (`outside`). `part` is the key's lineage or the
-- connection, and zeros stand for none.
CREATE TABLE usage_days (
    organization_id TEXT NOT NULL,
    dimension TEXT NOT NULL,
    day TEXT NOT NULL,
    part TEXT NOT NULL,
    meter TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (organization_id, dimension, day, part, meter)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_days (organization_id, dimension, day, part, meter, quantity)
    SELECT organization_id, 'key', substr(updated_at, 1, 10) || 'T00:00:00.000000Z' AS day,
        COALESCE(key_id, '00000000-0000-0000-0000-000000000000') AS part, meter, SUM(quantity)
    FROM billing_events WHERE quantity <> 0 GROUP BY organization_id, day, part, meter;
INSERT INTO usage_days (organization_id, dimension, day, part, meter, quantity)
    SELECT organization_id, 'connection', substr(updated_at, 1, 10) || 'T00:00:00.000000Z' AS day, connection_id, meter,
        SUM(quantity)
    FROM billing_events WHERE quantity <> 0 AND connection_id IS NOT NULL
    GROUP BY organization_id, day, connection_id, meter;
INSERT INTO usage_days (organization_id, dimension, day, part, meter, quantity)
    SELECT organization_id, 'outside', substr(updated_at, 1, 10) || 'T00:00:00.000000Z' AS day,
        '00000000-0000-0000-0000-000000000000', meter, SUM(quantity)
    FROM billing_events WHERE quantity <> 0 AND conversation_id IS NULL GROUP BY organization_id, day, meter;

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

-- As migration 37 has them.
DELETE FROM sqlite_stat1 WHERE idx = 'billing_events_organization';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('usage_days', 'usage_days', '100000 10000 5000 100 5 1'),
    ('billing_events', 'billing_events_conversation', '1000000 100000 10 1'),
    ('connector_logs', 'connector_logs_failed', '10000 1000 2 1'),
    ('tickets', 'tickets_priority', '30000 3000 750 1 1'),
    ('tickets', 'tickets_assignee', '30000 3000 100 1 1'),
    ('audit_log', 'audit_log_kind', '20000 2000 300 2 1'),
    ('audit_log', 'audit_log_subject', '20000 2000 20 2 1'),
    ('audit_log', 'audit_log_actor', '20000 2000 100 2 1'),
    ('audit_log', 'audit_log_newest', '20000 2000 2 1');
