-- What keeps a large database as quick as a small one, and what makes it smaller: retention and deletion on request.

-- Days after which a conversation that nobody continued is deleted. Null keeps it for ever.
ALTER TABLE organizations ADD COLUMN conversation_days INTEGER;

-- Requests to delete a visitor's data. Once one is done, it names the visitor by a keyed hash alone.
CREATE TABLE deletion_requests (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    key_id TEXT NOT NULL,
    visitor_hash BLOB NOT NULL,
    -- The client's id of the visitor, and the visitor's row, until the request is done.
    visitor TEXT,
    visitor_id TEXT,
    state TEXT NOT NULL,
    conversations INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    tickets INTEGER NOT NULL DEFAULT 0,
    approvals INTEGER NOT NULL DEFAULT 0,
    connector_calls INTEGER NOT NULL DEFAULT 0,
    idempotency_results INTEGER NOT NULL DEFAULT 0,
    accounts INTEGER NOT NULL DEFAULT 0,
    -- Accounts whose service didn't confirm that it revoked their tokens.
    unconfirmed_revocations INTEGER NOT NULL DEFAULT 0,
    lease_until TEXT NOT NULL,
    created_at TEXT NOT NULL,
    completed_at TEXT
) STRICT;
CREATE INDEX deletion_requests_organization ON deletion_requests (organization_id, created_at, id);
CREATE INDEX deletion_requests_due ON deletion_requests (lease_until) WHERE state = 'pending';

-- What belongs to a conversation or a visitor is found without reading what belongs to others.
CREATE INDEX approvals_conversation ON approvals (conversation_id);
CREATE INDEX connection_accounts_visitor ON connection_accounts (organization_id, visitor);

-- The lists of the console are in this order, to the last column, so that no page sorts.
DROP INDEX conversations_organization;
CREATE INDEX conversations_organization ON conversations (organization_id, created_at, id);
DROP INDEX tickets_organization;
CREATE INDEX tickets_organization ON tickets (organization_id, created_at, id);
DROP INDEX connector_logs_organization;
CREATE INDEX connector_logs_organization ON connector_logs (organization_id, created_at, id);
DROP INDEX approvals_organization;
CREATE INDEX approvals_organization ON approvals (organization_id, created_at, id);
-- REST orders messages by time, and filters them by it.
CREATE INDEX messages_created ON messages (organization_id, created_at, id);

-- What SQLite's planner takes for granted of the large tables: without it, an organization has ten rows of everything, so
-- that a list of ids is looked for among all rows of the organization. The figures are fixed, so that each database runs a
-- statement in the same way; `ANALYZE` replaces them by its own.
ANALYZE organizations;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('messages', 'sqlite_autoindex_messages_1', '1000000 1'),
    ('messages', 'messages_conversation', '1000000 4 1'),
    ('messages', 'messages_updated', '1000000 100000 2 1'),
    ('messages', 'messages_created', '1000000 100000 2 1'),
    ('conversations', 'sqlite_autoindex_conversations_1', '300000 1'),
    ('conversations', 'conversations_name', '100000 10000 1 1'),
    ('conversations', 'conversations_organization', '300000 30000 1 1'),
    ('conversations', 'conversations_updated', '300000 30000 1 1'),
    ('conversations', 'conversations_visitor', '200000 3'),
    ('visitors', 'sqlite_autoindex_visitors_1', '100000 1'),
    ('visitors', 'sqlite_autoindex_visitors_2', '100000 10000 1'),
    ('visitors', 'visitors_updated', '100000 10000 1 1'),
    ('tickets', 'sqlite_autoindex_tickets_1', '30000 1'),
    ('tickets', 'tickets_organization', '30000 3000 1 1'),
    ('tickets', 'tickets_updated', '30000 3000 1 1'),
    ('tickets', 'tickets_conversation', '30000 1'),
    ('approvals', 'sqlite_autoindex_approvals_1', '30000 1'),
    ('approvals', 'approvals_organization', '30000 3000 1 1'),
    ('approvals', 'approvals_conversation', '30000 2'),
    ('connector_logs', 'sqlite_autoindex_connector_logs_1', '300000 1'),
    ('connector_logs', 'connector_logs_organization', '300000 30000 1 1'),
    ('connector_logs', 'connector_logs_updated', '300000 30000 1 1'),
    ('connector_logs', 'connector_logs_connection', '300000 10000 1'),
    ('connector_logs', 'connector_logs_conversation', '300000 3'),
    ('billing_events', 'sqlite_autoindex_billing_events_1', '1000000 1'),
    ('billing_events', 'billing_events_organization', '1000000 100000 10000'),
    ('billing_events', 'billing_events_updated', '1000000 100000 2 1'),
    ('passages', 'sqlite_autoindex_passages_1', '100000 1'),
    ('passages', 'passages_source', '100000 50'),
    ('passages', 'passages_embedder', '100000 10000 10000'),
    ('knowledge_sources', 'sqlite_autoindex_knowledge_sources_1', '3000 1'),
    ('knowledge_sources', 'knowledge_sources_organization', '3000 300 1'),
    ('knowledge_sources', 'knowledge_sources_updated', '3000 300 1 1'),
    ('knowledge_sources', 'knowledge_sources_revision', '3000 1'),
    ('turns', 'sqlite_autoindex_turns_1', '10000 1'),
    ('turns', 'turns_created', '10000 1'),
    ('connection_accounts', 'sqlite_autoindex_connection_accounts_1', '10000 1000 1'),
    ('connection_accounts', 'connection_accounts_organization', '10000 1000 1'),
    ('connection_accounts', 'connection_accounts_visitor', '10000 1000 2');
ANALYZE sqlite_schema;
