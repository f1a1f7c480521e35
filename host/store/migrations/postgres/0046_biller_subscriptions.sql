-- The biller's subscriptions of each organization, as their own events tell them, so that the order in which events come
-- doesn't matter. `event_at` is when the biller made the newest event about one, `failed_at` the newest about a payment that
-- failed. `organizations.biller_subscription` is the one that is served. `organizations.biller_event_at` isn't used any more.
CREATE TABLE biller_subscriptions (
    organization_id UUID NOT NULL,
    id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    event_at TIMESTAMPTZ,
    failed_at TIMESTAMPTZ,
    deleted BOOLEAN NOT NULL,
    plan TEXT,
    status TEXT NOT NULL,
    trial_ends_at TIMESTAMPTZ,
    current_period_ends_at TIMESTAMPTZ,
    past_due_until TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    PRIMARY KEY (organization_id, id)
);
SELECT resly_bind('biller_subscriptions');

-- When the biller made a subscription isn't known of those that there are. Its next event tells.
INSERT INTO biller_subscriptions
    (organization_id, id, created_at, event_at, deleted, plan, status, trial_ends_at, current_period_ends_at,
     past_due_until, ended_at)
SELECT id, biller_subscription, '1970-01-01T00:00:00Z', biller_event_at, FALSE, plan, subscription_status,
    trial_ends_at, current_period_ends_at, past_due_until,
    CASE WHEN subscription_status = 'expired' THEN subscription_ends_at END
FROM organizations WHERE biller_subscription IS NOT NULL;
