-- The same tables as in migrations/sqlite. `src/lib.rs` tells what each table is for.
--
-- Every table that users see carries `organization_id`, so that row-level security can be keyed to it. Tables that every
-- chat writes have no foreign key to `organizations`: its row would be share-locked by all of them at once.

CREATE TABLE organizations (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    plan TEXT NOT NULL DEFAULT 'standard',
    limit_messages BIGINT,
    limit_embeddings BIGINT,
    limit_connector_calls BIGINT,
    limit_fuel BIGINT,
    subscription_ends_at TIMESTAMPTZ,
    knowledge_version BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX organizations_name ON organizations (name);

-- One row for each organization, month, meter and environment. `reserved` is set aside for calls that are running and
-- `granted` is the newest reservation; `plan_limit` is the limit as the newest count saw it.
CREATE TABLE usage (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    period_start TIMESTAMPTZ NOT NULL,
    meter TEXT NOT NULL,
    environment TEXT NOT NULL,
    used BIGINT NOT NULL,
    reserved BIGINT NOT NULL DEFAULT 0,
    granted BIGINT NOT NULL DEFAULT 0,
    plan_limit BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, period_start, meter, environment)
) WITH (fillfactor = 50);

-- What is billed: the sum of `quantity` is what `usage` counts for production.
CREATE TABLE billing_events (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    kind TEXT NOT NULL,
    meter TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    period_start TIMESTAMPTZ NOT NULL,
    subject_id UUID,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX billing_events_organization ON billing_events (organization_id, period_start);

CREATE TABLE api_keys (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    lineage UUID NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    scopes JSONB NOT NULL,
    origins JSONB NOT NULL,
    message_cap BIGINT,
    secret_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ
);
CREATE INDEX api_keys_organization ON api_keys (organization_id);

-- Messages that a key itself spent, when it has a cap. `key_id` is the key's lineage.
CREATE TABLE key_usage (
    key_id UUID NOT NULL,
    period_start TIMESTAMPTZ NOT NULL,
    organization_id UUID NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (key_id, period_start)
);

CREATE TABLE visitors (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    external_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, external_id)
);

CREATE TABLE conversations (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    key_id UUID NOT NULL,
    name TEXT,
    visitor_id UUID REFERENCES visitors (id),
    next_position BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX conversations_name ON conversations (key_id, name) WHERE name IS NOT NULL;
CREATE INDEX conversations_organization ON conversations (organization_id, created_at);

CREATE TABLE messages (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    conversation_id UUID NOT NULL REFERENCES conversations (id),
    position BIGINT NOT NULL,
    client_id TEXT,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    status TEXT NOT NULL,
    citations JSONB NOT NULL,
    steps JSONB NOT NULL,
    superseded_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX messages_conversation ON messages (conversation_id, position);

CREATE TABLE turns (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    key_id UUID NOT NULL,
    status TEXT NOT NULL,
    lease_until TIMESTAMPTZ NOT NULL,
    idempotency_key TEXT,
    fingerprint BYTEA,
    period_start TIMESTAMPTZ NOT NULL,
    counted BOOLEAN NOT NULL,
    key_counted BOOLEAN NOT NULL,
    billed BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX turns_idempotency ON turns (key_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX turns_streaming ON turns (lease_until) WHERE status = 'streaming';
CREATE INDEX turns_created ON turns (created_at);

CREATE TABLE tickets (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    conversation_id UUID,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX tickets_organization ON tickets (organization_id, created_at);

CREATE TABLE knowledge_sources (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    title TEXT NOT NULL,
    url TEXT,
    content_type TEXT NOT NULL,
    text TEXT NOT NULL,
    embedder TEXT NOT NULL,
    chunks BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX knowledge_sources_organization ON knowledge_sources (organization_id, created_at);

-- `english` stems as FTS5's porter tokenizer does in SQLite, and leaves out stop words.
CREATE TABLE passages (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    source_id UUID NOT NULL REFERENCES knowledge_sources (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    title TEXT NOT NULL,
    section TEXT NOT NULL,
    text TEXT NOT NULL,
    embedder TEXT NOT NULL,
    vector BYTEA NOT NULL,
    search TSVECTOR NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('english', title), 'A')
        || setweight(to_tsvector('english', section), 'B')
        || setweight(to_tsvector('english', text), 'C')
    ) STORED
);
CREATE INDEX passages_source ON passages (source_id);
CREATE INDEX passages_embedder ON passages (organization_id, embedder);
CREATE INDEX passages_search ON passages USING GIN (search);

CREATE TABLE components (
    digest BYTEA NOT NULL PRIMARY KEY,
    wasm BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE connector_versions (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    connector TEXT NOT NULL,
    version TEXT NOT NULL,
    manifest JSONB NOT NULL,
    origin TEXT NOT NULL,
    component BYTEA NOT NULL,
    content BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, connector, version)
);

CREATE TABLE connections (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    connector TEXT NOT NULL,
    version TEXT NOT NULL,
    name TEXT NOT NULL,
    environment TEXT NOT NULL,
    status TEXT NOT NULL,
    settings JSONB NOT NULL,
    credentials BYTEA,
    policy JSONB NOT NULL,
    mappings JSONB NOT NULL,
    revision BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX connections_organization ON connections (organization_id, created_at);

CREATE TABLE connector_state (
    organization_id UUID NOT NULL,
    connection_id UUID NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    connector TEXT NOT NULL,
    key TEXT NOT NULL,
    value BYTEA NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (connection_id, connector, key)
);

-- Calls that are counted and not yet settled.
CREATE TABLE call_reservations (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    period_start TIMESTAMPTZ NOT NULL,
    fuel BIGINT NOT NULL,
    released BOOLEAN NOT NULL DEFAULT FALSE,
    lease_until TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX call_reservations_lease ON call_reservations (lease_until);

CREATE TABLE connector_logs (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL,
    connection_id UUID NOT NULL,
    connector TEXT NOT NULL,
    action TEXT NOT NULL,
    environment TEXT NOT NULL,
    key_id UUID,
    conversation_id UUID,
    status TEXT NOT NULL,
    message TEXT,
    fuel BIGINT NOT NULL,
    http_calls BIGINT NOT NULL,
    response_bytes BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    log JSONB NOT NULL,
    requests JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX connector_logs_organization ON connector_logs (organization_id, created_at);
CREATE INDEX connector_logs_connection ON connector_logs (connection_id, created_at);

CREATE TABLE workflows (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    triggers JSONB NOT NULL,
    connection_id UUID REFERENCES connections (id) ON DELETE SET NULL,
    action TEXT,
    instructions TEXT,
    enabled BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX workflows_organization ON workflows (organization_id, created_at);

CREATE TABLE vault_keys (
    organization_id UUID NOT NULL PRIMARY KEY REFERENCES organizations (id),
    wrapped BYTEA NOT NULL
);
