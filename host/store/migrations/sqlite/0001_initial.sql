-- The same tables as in migrations/postgres, with ids, instants and JSON as text. Instants are RFC 3339 in UTC with
-- six decimals, so that they sort as text. `src/lib.rs` tells what each table is for.

CREATE TABLE organizations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    plan TEXT NOT NULL DEFAULT 'standard',
    limit_messages INTEGER,
    limit_embeddings INTEGER,
    limit_connector_calls INTEGER,
    limit_fuel INTEGER,
    subscription_ends_at TEXT,
    knowledge_version INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX organizations_name ON organizations (name);

-- One row for each organization, month, meter and environment. `reserved` is set aside for calls that are running and
-- `granted` is the newest reservation; `plan_limit` is the limit as the newest count saw it.
CREATE TABLE usage (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    period_start TEXT NOT NULL,
    meter TEXT NOT NULL,
    environment TEXT NOT NULL,
    used INTEGER NOT NULL,
    reserved INTEGER NOT NULL DEFAULT 0,
    granted INTEGER NOT NULL DEFAULT 0,
    plan_limit INTEGER,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (organization_id, period_start, meter, environment)
) STRICT;

-- What is billed: the sum of `quantity` is what `usage` counts for production.
CREATE TABLE billing_events (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    meter TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    period_start TEXT NOT NULL,
    subject_id TEXT,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX billing_events_organization ON billing_events (organization_id, period_start);

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    lineage TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    scopes TEXT NOT NULL,
    origins TEXT NOT NULL,
    message_cap INTEGER,
    secret_hash BLOB NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    last_used_at TEXT,
    deleted_at TEXT
) STRICT;
CREATE INDEX api_keys_organization ON api_keys (organization_id);

-- Messages that a key itself spent, when it has a cap. `key_id` is the key's lineage.
CREATE TABLE key_usage (
    key_id TEXT NOT NULL,
    period_start TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (key_id, period_start)
) STRICT, WITHOUT ROWID;

CREATE TABLE visitors (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    external_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    UNIQUE (organization_id, external_id)
) STRICT;

CREATE TABLE conversations (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    name TEXT,
    visitor_id TEXT REFERENCES visitors (id),
    next_position INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX conversations_name ON conversations (key_id, name) WHERE name IS NOT NULL;
CREATE INDEX conversations_organization ON conversations (organization_id, created_at);

CREATE TABLE messages (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES conversations (id),
    position INTEGER NOT NULL,
    client_id TEXT,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    status TEXT NOT NULL,
    citations TEXT NOT NULL,
    steps TEXT NOT NULL,
    superseded_at TEXT,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX messages_conversation ON messages (conversation_id, position);

CREATE TABLE turns (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    status TEXT NOT NULL,
    lease_until TEXT NOT NULL,
    idempotency_key TEXT,
    fingerprint BLOB,
    period_start TEXT NOT NULL,
    counted INTEGER NOT NULL,
    key_counted INTEGER NOT NULL,
    billed INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX turns_idempotency ON turns (key_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX turns_streaming ON turns (lease_until) WHERE status = 'streaming';
CREATE INDEX turns_created ON turns (created_at);

CREATE TABLE tickets (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    conversation_id TEXT,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX tickets_organization ON tickets (organization_id, created_at);

CREATE TABLE knowledge_sources (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    title TEXT NOT NULL,
    url TEXT,
    content_type TEXT NOT NULL,
    text TEXT NOT NULL,
    embedder TEXT NOT NULL,
    chunks INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX knowledge_sources_organization ON knowledge_sources (organization_id, created_at);

-- `tenant` is the organization's id as one word, so that a search reads the posting lists of that organization alone.
CREATE TABLE passages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL,
    source_id TEXT NOT NULL REFERENCES knowledge_sources (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    title TEXT NOT NULL,
    section TEXT NOT NULL,
    text TEXT NOT NULL,
    embedder TEXT NOT NULL,
    vector BLOB NOT NULL,
    tenant TEXT NOT NULL GENERATED ALWAYS AS (replace(organization_id, '-', '')) VIRTUAL
) STRICT;
CREATE INDEX passages_source ON passages (source_id);
CREATE INDEX passages_embedder ON passages (organization_id, embedder);

CREATE VIRTUAL TABLE passages_fts USING fts5 (
    tenant, title, section, text,
    content = 'passages', content_rowid = 'number', tokenize = 'porter unicode61'
);
CREATE TRIGGER passages_indexed AFTER INSERT ON passages BEGIN
    INSERT INTO passages_fts (rowid, tenant, title, section, text)
    VALUES (new.number, new.tenant, new.title, new.section, new.text);
END;
CREATE TRIGGER passages_unindexed AFTER DELETE ON passages BEGIN
    INSERT INTO passages_fts (passages_fts, rowid, tenant, title, section, text)
    VALUES ('delete', old.number, old.tenant, old.title, old.section, old.text);
END;

CREATE TABLE components (
    digest BLOB NOT NULL PRIMARY KEY,
    wasm BLOB NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE connector_versions (
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    connector TEXT NOT NULL,
    version TEXT NOT NULL,
    manifest TEXT NOT NULL,
    origin TEXT NOT NULL,
    component BLOB NOT NULL,
    content BLOB NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (organization_id, connector, version)
) STRICT;

CREATE TABLE connections (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    connector TEXT NOT NULL,
    version TEXT NOT NULL,
    name TEXT NOT NULL,
    environment TEXT NOT NULL,
    status TEXT NOT NULL,
    settings TEXT NOT NULL,
    credentials BLOB,
    policy TEXT NOT NULL,
    mappings TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX connections_organization ON connections (organization_id, created_at);

CREATE TABLE connector_state (
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    connector TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (connection_id, connector, key)
) STRICT;

-- Calls that are counted and not yet settled.
CREATE TABLE call_reservations (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    period_start TEXT NOT NULL,
    fuel INTEGER NOT NULL,
    released INTEGER NOT NULL DEFAULT 0,
    lease_until TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX call_reservations_lease ON call_reservations (lease_until);

CREATE TABLE connector_logs (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    connector TEXT NOT NULL,
    action TEXT NOT NULL,
    environment TEXT NOT NULL,
    key_id TEXT,
    conversation_id TEXT,
    status TEXT NOT NULL,
    message TEXT,
    fuel INTEGER NOT NULL,
    http_calls INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    log TEXT NOT NULL,
    requests TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX connector_logs_organization ON connector_logs (organization_id, created_at);
CREATE INDEX connector_logs_connection ON connector_logs (connection_id, created_at);

CREATE TABLE workflows (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    triggers TEXT NOT NULL,
    connection_id TEXT REFERENCES connections (id) ON DELETE SET NULL,
    action TEXT,
    instructions TEXT,
    enabled INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX workflows_organization ON workflows (organization_id, created_at);

CREATE TABLE vault_keys (
    organization_id TEXT NOT NULL PRIMARY KEY REFERENCES organizations (id),
    wrapped BLOB NOT NULL
) STRICT;
