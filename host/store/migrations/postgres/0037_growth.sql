-- What keeps a large database as quick as a small one, and what makes it smaller: retention and deletion on request.

-- Days after which a conversation that nobody continued is deleted. Null keeps it for ever.
ALTER TABLE organizations ADD COLUMN conversation_days BIGINT;

-- Requests to delete a visitor's data. Once one is done, it names the visitor by a keyed hash alone.
CREATE TABLE deletion_requests (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    key_id UUID NOT NULL,
    visitor_hash BYTEA NOT NULL,
    -- The client's id of the visitor, and the visitor's row, until the request is done.
    visitor TEXT,
    visitor_id UUID,
    state TEXT NOT NULL,
    conversations BIGINT NOT NULL DEFAULT 0,
    messages BIGINT NOT NULL DEFAULT 0,
    tickets BIGINT NOT NULL DEFAULT 0,
    approvals BIGINT NOT NULL DEFAULT 0,
    connector_calls BIGINT NOT NULL DEFAULT 0,
    idempotency_results BIGINT NOT NULL DEFAULT 0,
    accounts BIGINT NOT NULL DEFAULT 0,
    -- Accounts whose service didn't confirm that it revoked their tokens.
    unconfirmed_revocations BIGINT NOT NULL DEFAULT 0,
    lease_until TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    completed_at TIMESTAMPTZ
);
CREATE INDEX deletion_requests_organization ON deletion_requests (organization_id, created_at, id);
CREATE INDEX deletion_requests_due ON deletion_requests (lease_until) WHERE state = 'pending';

ALTER TABLE deletion_requests ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON deletion_requests FOR SELECT
    USING (organization_id = (SELECT resly_organization()));

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
