-- Plans, and the subscription of each organization to one of them.
--
-- `limits` and `per_minute` are objects by meter; a meter that isn't named is unlimited. `features` is NULL where a plan has
-- all, those of later releases too. `revision` counts the changes, so that organizations that don't have the newest yet are
-- found.
CREATE TABLE plans (
    id TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    limits JSONB NOT NULL,
    per_minute JSONB NOT NULL,
    features JSONB,
    log_days BIGINT NOT NULL,
    log_bytes_per_day BIGINT NOT NULL,
    conversation_days BIGINT,
    revision BIGINT NOT NULL,
    retired_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
ALTER TABLE plans ENABLE ROW LEVEL SECURITY;
INSERT INTO plans (id, title, limits, per_minute, log_days, log_bytes_per_day, revision, created_at, updated_at)
VALUES ('standard', 'Standard', '{}', '{}', 30, 67108864, 1, now(), now());

-- What an organization may use stands on its row, so that counting reads one row: the plan's terms with `overrides`, what an
-- operator set for this organization alone. `subscription_ends_at`, from which on chats are refused, follows from the
-- status and its dates.
ALTER TABLE organizations ADD COLUMN messages_per_minute BIGINT;
ALTER TABLE organizations ADD COLUMN embeddings_per_minute BIGINT;
ALTER TABLE organizations ADD COLUMN connector_calls_per_minute BIGINT;
ALTER TABLE organizations ADD COLUMN fuel_per_minute BIGINT;
ALTER TABLE organizations ADD COLUMN model_input_tokens_per_minute BIGINT;
ALTER TABLE organizations ADD COLUMN model_cached_input_tokens_per_minute BIGINT;
ALTER TABLE organizations ADD COLUMN model_output_tokens_per_minute BIGINT;
ALTER TABLE organizations ADD COLUMN features JSONB;
ALTER TABLE organizations ADD COLUMN overrides JSONB NOT NULL DEFAULT '{}';
ALTER TABLE organizations ADD COLUMN plan_revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE organizations ADD COLUMN subscription_status TEXT NOT NULL DEFAULT 'active';
ALTER TABLE organizations ADD COLUMN trial_ends_at TIMESTAMPTZ;
ALTER TABLE organizations ADD COLUMN current_period_ends_at TIMESTAMPTZ;
ALTER TABLE organizations ADD COLUMN past_due_until TIMESTAMPTZ;
-- The biller's own subscription, and when it made the newest event that was applied.
ALTER TABLE organizations ADD COLUMN biller_subscription TEXT;
ALTER TABLE organizations ADD COLUMN biller_event_at TIMESTAMPTZ;
CREATE INDEX organizations_plan ON organizations (plan, plan_revision, id);
CREATE INDEX organizations_created ON organizations (created_at, id);
UPDATE organizations
SET overrides = jsonb_strip_nulls(jsonb_build_object(
        'limits', jsonb_build_object('messages', limit_messages, 'embeddings', limit_embeddings,
            'connector_calls', limit_connector_calls, 'fuel', limit_fuel),
        'log_days', CASE WHEN log_days <> 30 THEN log_days END,
        'log_bytes_per_day', CASE WHEN log_bytes_per_day <> 67108864 THEN log_bytes_per_day END)),
    current_period_ends_at = subscription_ends_at, past_due_until = subscription_ends_at;

-- The minute of the newest count, in minutes since 1970, what was counted in it, and its limit as that count saw it.
ALTER TABLE usage ADD COLUMN minute BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN minute_used BIGINT NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN minute_limit BIGINT;

-- Events that the operator's biller sent, so that none is applied twice.
CREATE TABLE biller_events (
    id TEXT NOT NULL PRIMARY KEY,
    received_at TIMESTAMPTZ NOT NULL
);
ALTER TABLE biller_events ENABLE ROW LEVEL SECURITY;
CREATE INDEX biller_events_received ON biller_events (received_at);

-- Changes of plans and subscriptions, and thresholds, are events with the quantity 0. `detail` says more of them. A threshold,
-- in percent, is reached once for each meter and month.
ALTER TABLE billing_events ADD COLUMN threshold BIGINT;
ALTER TABLE billing_events ADD COLUMN detail JSONB;
CREATE UNIQUE INDEX billing_events_threshold ON billing_events (organization_id, period_start, meter, threshold)
    WHERE threshold IS NOT NULL;
-- Whose usage it was, for reports: the first key of a chain of rotations, the connection, the conversation.
ALTER TABLE billing_events ADD COLUMN key_id UUID;
ALTER TABLE billing_events ADD COLUMN connection_id UUID;
ALTER TABLE billing_events ADD COLUMN conversation_id UUID;

-- Messages of a visitor under a key that has a cap for each visitor, by day. `key_id` is the key's lineage.
CREATE TABLE visitor_usage (
    key_id UUID NOT NULL,
    visitor TEXT NOT NULL,
    day TIMESTAMPTZ NOT NULL,
    organization_id UUID NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (key_id, visitor, day)
);
ALTER TABLE visitor_usage ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON visitor_usage FOR SELECT
    USING (organization_id = (SELECT resly_organization()));
CREATE INDEX visitor_usage_day ON visitor_usage (day);
ALTER TABLE api_keys ADD COLUMN visitor_message_cap BIGINT;
ALTER TABLE turns ADD COLUMN visitor_counted BOOLEAN NOT NULL DEFAULT FALSE;
