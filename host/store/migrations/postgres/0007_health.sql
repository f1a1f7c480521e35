-- How each connection is, under the connection's own id, and when to look again. Whoever looks holds `lease_until`.
CREATE TABLE connection_health (
    id UUID NOT NULL PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    organization_id UUID NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    message TEXT,
    since TIMESTAMPTZ NOT NULL,
    checked_at TIMESTAMPTZ,
    next_check_at TIMESTAMPTZ NOT NULL,
    failures BIGINT NOT NULL,
    lease_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX connection_health_due ON connection_health (next_check_at);
CREATE INDEX connection_health_organization ON connection_health (organization_id);
CREATE INDEX connections_watched ON connections (id) WHERE status = 'enabled' AND environment = 'production';

-- When a credential ends, as far as an admin said so, and for which end an alert was raised.
ALTER TABLE connections ADD COLUMN credentials_expire_at TIMESTAMPTZ;
ALTER TABLE connections ADD COLUMN expiry_told_at TIMESTAMPTZ;
CREATE INDEX connections_expiring ON connections (credentials_expire_at) WHERE credentials_expire_at IS NOT NULL;

-- What an admin has to hear of: one is open for each cause. It outlives its connection.
CREATE TABLE alerts (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    connection_id UUID,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    cause TEXT NOT NULL,
    state TEXT NOT NULL,
    title TEXT NOT NULL,
    message TEXT,
    reason TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    resolved_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX alerts_open ON alerts (organization_id, cause) WHERE state = 'open';
CREATE INDEX alerts_organization ON alerts (organization_id, created_at);

-- Where an organization is told of alerts; at most one. The secrets are sealed.
CREATE TABLE webhooks (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL UNIQUE REFERENCES organizations (id),
    url TEXT NOT NULL,
    events JSONB,
    secret BYTEA NOT NULL,
    previous_secret BYTEA,
    previous_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);

-- What is to be told, written in the transaction of what it tells, and what became of it. Whoever sends it holds
-- `lease_until`.
CREATE TABLE webhook_deliveries (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    event TEXT NOT NULL,
    alert_id UUID,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    tries BIGINT NOT NULL,
    next_try_at TIMESTAMPTZ NOT NULL,
    lease_until TIMESTAMPTZ,
    last_status BIGINT,
    last_error TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_try_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_organization ON webhook_deliveries (organization_id, created_at);
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;
