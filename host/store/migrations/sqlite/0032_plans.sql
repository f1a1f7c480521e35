-- The same as in migrations/postgres, which tells why.
CREATE TABLE plans (
    id TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    limits TEXT NOT NULL,
    per_minute TEXT NOT NULL,
    features TEXT,
    log_days INTEGER NOT NULL,
    log_bytes_per_day INTEGER NOT NULL,
    conversation_days INTEGER,
    revision INTEGER NOT NULL,
    retired_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO plans (id, title, limits, per_minute, log_days, log_bytes_per_day, revision, created_at, updated_at)
VALUES ('standard', 'Standard', '{}', '{}', 30, 67108864, 1, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'),
        strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'));

ALTER TABLE organizations ADD COLUMN messages_per_minute INTEGER;
ALTER TABLE organizations ADD COLUMN embeddings_per_minute INTEGER;
ALTER TABLE organizations ADD COLUMN connector_calls_per_minute INTEGER;
ALTER TABLE organizations ADD COLUMN fuel_per_minute INTEGER;
ALTER TABLE organizations ADD COLUMN model_input_tokens_per_minute INTEGER;
ALTER TABLE organizations ADD COLUMN model_cached_input_tokens_per_minute INTEGER;
ALTER TABLE organizations ADD COLUMN model_output_tokens_per_minute INTEGER;
ALTER TABLE organizations ADD COLUMN features TEXT;
ALTER TABLE organizations ADD COLUMN overrides TEXT NOT NULL DEFAULT '{}';
ALTER TABLE organizations ADD COLUMN plan_revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE organizations ADD COLUMN subscription_status TEXT NOT NULL DEFAULT 'active';
ALTER TABLE organizations ADD COLUMN trial_ends_at TEXT;
ALTER TABLE organizations ADD COLUMN current_period_ends_at TEXT;
ALTER TABLE organizations ADD COLUMN past_due_until TEXT;
ALTER TABLE organizations ADD COLUMN biller_subscription TEXT;
ALTER TABLE organizations ADD COLUMN biller_event_at TEXT;
CREATE INDEX organizations_plan ON organizations (plan, plan_revision, id);
CREATE INDEX organizations_created ON organizations (created_at, id);
-- A merge patch leaves out what is null.
UPDATE organizations
SET overrides = json_patch('{}', json_object(
        'limits', json_object('messages', limit_messages, 'embeddings', limit_embeddings,
            'connector_calls', limit_connector_calls, 'fuel', limit_fuel),
        'log_days', CASE WHEN log_days <> 30 THEN log_days END,
        'log_bytes_per_day', CASE WHEN log_bytes_per_day <> 67108864 THEN log_bytes_per_day END)),
    current_period_ends_at = subscription_ends_at, past_due_until = subscription_ends_at;

ALTER TABLE usage ADD COLUMN minute INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN minute_used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN minute_limit INTEGER;

CREATE TABLE biller_events (
    id TEXT NOT NULL PRIMARY KEY,
    received_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX biller_events_received ON biller_events (received_at);

ALTER TABLE billing_events ADD COLUMN threshold INTEGER;
ALTER TABLE billing_events ADD COLUMN detail TEXT;
CREATE UNIQUE INDEX billing_events_threshold ON billing_events (organization_id, period_start, meter, threshold)
    WHERE threshold IS NOT NULL;
ALTER TABLE billing_events ADD COLUMN key_id TEXT;
ALTER TABLE billing_events ADD COLUMN connection_id TEXT;
ALTER TABLE billing_events ADD COLUMN conversation_id TEXT;

CREATE TABLE visitor_usage (
    key_id TEXT NOT NULL,
    visitor TEXT NOT NULL,
    day TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (key_id, visitor, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX visitor_usage_day ON visitor_usage (day);
ALTER TABLE api_keys ADD COLUMN visitor_message_cap INTEGER;
ALTER TABLE turns ADD COLUMN visitor_counted INTEGER NOT NULL DEFAULT FALSE;
