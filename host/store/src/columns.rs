//! The columns of aggregates that several statements read. A new column is added here and to its row's type.

/// A query for an aggregate's columns; `$rest` begins with `FROM`, or with further columns.
macro_rules! select {
    ($aggregate:ident, $rest:literal) => {
        concat!("SELECT ", $crate::columns::columns!($aggregate), " ", $rest)
    };
}

/// A statement that returns an aggregate's columns.
macro_rules! returning {
    ($aggregate:ident, $change:literal) => {
        concat!($change, " RETURNING ", $crate::columns::columns!($aggregate))
    };
}

/// The columns, in the names of the row's type in the aggregate's file.
macro_rules! columns {
    // `AccountRow` in `accounts.rs`.
    (account) => {
        "connection_id, visitor, sealed, scope, expires_at, renew_at, refreshable, refresh_expires_at, version,
         claimed_until, renewal_failure, authorized_at"
    };
    // `AlertRow` in `alerts.rs`.
    (alert) => {
        "id, connection_id, kind, severity, state, title, message, reason, created_at, resolved_at"
    };
    // `ProviderRow` in `identity_providers.rs`.
    (identity_provider) => {
        "id, organization_id, issuer, client_id, client_secret, domains, new_role, required, created_at"
    };
    // `ObjectRow` in `components/objects.rs`.
    (component_object) => {
        "id, organization_id, digest, length"
    };
    // `ConnectorRow` in `catalogue.rs`.
    (version) => {
        "manifest, signer, origin, component, imports, state, reason, approval, approval_reason, decided_by,
         decided_at, created_at"
    };
    // `ConnectionRow` in `connections.rs`.
    (connection) => {
        "id, organization_id, connector, version, name, environment, status, settings, auth, owner,
         credentials, policy, mappings, tested_at, revision, created_at"
    };
    // `CrawlRow` in `crawls.rs`, of `crawls c`.
    (crawl) => {
        "c.id, c.url, c.settings, c.status, c.failure, c.run, c.bytes, c.found, c.left_out, c.created_at, c.started_at,
         c.ended_at, c.due_at"
    };
    // `DeletionRow` in `deletions.rs`.
    (deletion) => {
        "id, key_id, state, conversations, messages, tickets, approvals, connector_calls, idempotency_results, accounts,
         unconfirmed_revocations, created_at, completed_at"
    };
    // `FlowRow` in `flows.rs`.
    (flow) => {
        "organization_id, connection_id, visitor, revision, key_id, verifier, expires_at"
    };
    // `HealthRow` in `health.rs`.
    (health) => {
        "state, reason, message, since, checked_at, next_check_at, failures"
    };
    // `KeyRow` in `keys.rs`.
    (key) => {
        "id, organization_id, lineage, name, kind, scopes, origins, message_cap, visitor_message_cap, rate_limits,
         secret_hash, created_at, expires_at, last_used_at"
    };
    // `OrganizationRow` in `organizations.rs`.
    (organization) => {
        concat!("id, name, created_at, ", $crate::columns::columns!(plan))
    };
    // `PlanRow` in `subscriptions.rs`.
    (plan) => {
        "plan, limit_messages, limit_embeddings, limit_connector_calls, limit_fuel, limit_model_input_tokens,
         limit_model_cached_input_tokens, limit_model_output_tokens, messages_per_minute, embeddings_per_minute,
         connector_calls_per_minute, fuel_per_minute, model_input_tokens_per_minute, model_cached_input_tokens_per_minute,
         model_output_tokens_per_minute, features, log_days, log_bytes_per_day, conversation_days, overrides, subscription_status,
         subscription_ends_at, trial_ends_at, current_period_ends_at, past_due_until"
    };
    // `SourceRow` in `knowledge/sources.rs`.
    (source) => {
        "id, kind, crawl_id, status, failure_kind, failure_message, note, embedded, to_embed, title, url, identity,
         content_type, content_hash, embedder, revision, chunks, refresh_every_s, created_at, updated_at, checked_at, due_at"
    };
    // `DueRow` in `knowledge/queue.rs`.
    (due_source) => {
        "id, organization_id, kind, lease, given_title, title, url, site, content_hash, embedder, revision, chunks,
         refresh_every_s, etag, last_modified, misses, tries, deadline_at"
    };
    // `WebhookRow` in `webhooks.rs`.
    (webhook) => {
        "id, url, events, secret, previous_secret, previous_until, created_at"
    };
}

pub(crate) use {columns, returning, select};
