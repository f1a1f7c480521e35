-- What authorizing a connection obtained: one row for each connection and visitor, '' for the organization's own. `sealed`
-- is NULL while the first token of a client-credentials grant is on its way. Whoever renews it holds `claimed_by`.
CREATE TABLE connection_accounts (
    organization_id UUID NOT NULL,
    connection_id UUID NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    visitor TEXT NOT NULL,
    sealed BYTEA,
    scope TEXT,
    expires_at TIMESTAMPTZ,
    renew_at TIMESTAMPTZ,
    refreshable BOOLEAN NOT NULL,
    refresh_expires_at TIMESTAMPTZ,
    version BIGINT NOT NULL,
    claimed_by UUID,
    claimed_until TIMESTAMPTZ,
    authorized_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (connection_id, visitor)
);
CREATE INDEX connection_accounts_organization ON connection_accounts (organization_id, expires_at);

-- Authorizations that a person was sent to give and hasn't yet. The three secrets of the browser's way are kept as hashes.
CREATE TABLE oauth_flows (
    nonce_hash BYTEA NOT NULL PRIMARY KEY,
    state_hash BYTEA UNIQUE,
    cookie_hash BYTEA,
    organization_id UUID NOT NULL,
    connection_id UUID NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    visitor TEXT NOT NULL,
    revision BIGINT NOT NULL,
    key_id UUID NOT NULL,
    verifier BYTEA NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX oauth_flows_expiry ON oauth_flows (expires_at);
CREATE INDEX oauth_flows_connection ON oauth_flows (connection_id);
