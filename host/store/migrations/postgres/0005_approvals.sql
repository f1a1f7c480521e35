-- Writes that a person was asked to confirm. `input` and `outcome` are JSON texts, exactly as they were; `state` is decided
-- once, by one conditional statement.
CREATE TABLE approvals (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    conversation_id UUID NOT NULL REFERENCES conversations (id),
    message_id UUID NOT NULL,
    call TEXT NOT NULL,
    key_id UUID NOT NULL,
    visitor TEXT,
    connection_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    action TEXT NOT NULL,
    input TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    decided_by UUID,
    decided_at TIMESTAMPTZ,
    reason TEXT,
    outcome TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX approvals_organization ON approvals (organization_id, created_at);
