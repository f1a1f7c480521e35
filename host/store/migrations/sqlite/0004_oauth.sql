-- What authorizing a connection obtained: one row for each connection and visitor, '' for the organization's own. `sealed`
-- is NULL while the first token of a client-credentials grant is on its way. Whoever renews it holds `claimed_by`.
CREATE TABLE connection_accounts (
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    visitor TEXT NOT NULL,
    sealed BLOB,
    scope TEXT,
    expires_at TEXT,
    renew_at TEXT,
    refreshable INTEGER NOT NULL,
    refresh_expires_at TEXT,
    version INTEGER NOT NULL,
    claimed_by TEXT,
    claimed_until TEXT,
    authorized_at TEXT NOT NULL,
    PRIMARY KEY (connection_id, visitor)
) STRICT;
CREATE INDEX connection_accounts_organization ON connection_accounts (organization_id, expires_at);

-- Authorizations that a person was sent to give and hasn't yet. The three secrets of the browser's way are kept as hashes.
CREATE TABLE oauth_flows (
    nonce_hash BLOB NOT NULL PRIMARY KEY,
    state_hash BLOB UNIQUE,
    cookie_hash BLOB,
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    visitor TEXT NOT NULL,
    revision INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    verifier BLOB NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX oauth_flows_expiry ON oauth_flows (expires_at);
CREATE INDEX oauth_flows_connection ON oauth_flows (connection_id);
