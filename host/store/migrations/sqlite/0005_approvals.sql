-- Writes that a person was asked to confirm. `input` and `outcome` are JSON texts, exactly as they were; `state` is decided
-- once, by one conditional statement.
CREATE TABLE approvals (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    message_id TEXT NOT NULL,
    call TEXT NOT NULL,
    key_id TEXT NOT NULL,
    visitor TEXT,
    connection_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    action TEXT NOT NULL,
    input TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT,
    decided_at TEXT,
    reason TEXT,
    outcome TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX approvals_organization ON approvals (organization_id, created_at);
