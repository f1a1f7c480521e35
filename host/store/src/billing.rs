//! The journal for bills. While nothing is running, the sum of its quantities equals what `usage` counts for production.
//!
//! Changes of plans and subscriptions, and thresholds, are in it with the quantity 0. They are told to the organization's
//! webhook, too.

use resly_core::{
    alert::{Event, payload},
    id::{ConnectionId, ConversationId, KeyId, OrganizationId},
    meter::Meter,
    time::{Period, Timestamp},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    row_id::row_id,
    sql::{Conn, execute, row},
    types::{Count, Id, Json, Time},
    usage_days::{NO_PART, add_to_days, day_of},
    webhooks,
};

/// What an entry is for.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Chat,
    Search,
    Ingest,
    ConnectorCall,
    /// Takes back the entry of a chat that gave no answer.
    Refund,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Search => "search",
            Self::Ingest => "ingest",
            Self::ConnectorCall => "connector_call",
            Self::Refund => "refund",
        }
    }
}

/// Whose usage an entry is, for reports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    /// Any key of a chain of rotations.
    pub key: Option<KeyId>,
    pub connection: Option<ConnectionId>,
    pub conversation: Option<ConversationId>,
}

macro_rules! entry {
    () => {
        "INSERT INTO billing_events
             (id, organization_id, kind, meter, quantity, period_start, subject_id, key_id, connection_id,
              conversation_id, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, COALESCE((SELECT lineage FROM api_keys WHERE id = $8), $8), $9, $10, $11,
                 $11)"
    };
}

/// The entry's share of its day's sums.
macro_rules! days {
    () => {
        add_to_days!(
            "SELECT $2, d.dimension, $12, d.part, $4, $5
             FROM (SELECT 'key' AS dimension, COALESCE((SELECT lineage FROM api_keys WHERE id = $8), $8, $13) AS part
                   UNION ALL SELECT 'connection', $9 WHERE $9 IS NOT NULL
                   UNION ALL SELECT 'outside', $13 WHERE $10 IS NULL) AS d
             WHERE $5 <> 0"
        )
    };
}

/// Writes one entry for the month that starts at `period`. `subject` is the message, source or call that it is for.
#[expect(clippy::too_many_arguments, reason = "these are an entry's columns")]
pub(crate) async fn enter(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    kind: Kind,
    meter: Meter,
    quantity: i64,
    subject: Option<Uuid>,
    of: Origin,
    period: Time,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let sql = db.pick(
        concat!(entry!(), ";", days!()),
        // One trip to the server.
        concat!("WITH entered AS (", entry!(), ") ", days!()),
    );
    execute!(
        db,
        sql,
        row_id(now),
        Id(organization.0),
        kind.name(),
        meter.name(),
        quantity,
        period,
        subject.map(Id),
        of.key.map(|key| Id(key.0)),
        of.connection.map(|connection| Id(connection.0)),
        of.conversation.map(|conversation| Id(conversation.0)),
        Time(now),
        Time(day_of(now)),
        NO_PART
    )
    .map(drop)
}

/// The meter of an entry that is about none.
const NO_METER: &str = "none";

/// Writes that the plan or the subscription has changed, and tells the webhook.
pub(crate) async fn announce(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    event: Event,
    detail: Value,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let id = row_id(now);
    execute!(
        db,
        "INSERT INTO billing_events
             (id, organization_id, kind, meter, quantity, period_start, detail, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $7)",
        id,
        Id(organization.0),
        kind_of(event),
        NO_METER,
        Time(Period::containing(now).start),
        Json(&detail),
        Time(now)
    )?;
    tell(db, organization, event, id, detail, now).await
}

fn kind_of(event: Event) -> &'static str {
    match event {
        Event::SubscriptionChanged => "subscription_changed",
        Event::UsageThreshold => "usage_threshold",
        _ => "plan_changed",
    }
}

/// A threshold that a meter reached.
pub(crate) struct Threshold {
    pub meter: Meter,
    pub percent: u64,
    pub used: u64,
    pub limit: u64,
}

/// Writes that a meter reached a threshold in this month, and tells the webhook; nothing when that was written before.
pub(crate) async fn announce_threshold(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    reached: &Threshold,
    period: Period,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let Threshold { meter, percent, used, limit } = *reached;
    let detail = json!({"meter": meter, "percent": percent, "used": used, "limit": limit, "period": period});
    let written = row!(
        db,
        (Id,),
        "INSERT INTO billing_events
             (id, organization_id, kind, meter, quantity, period_start, threshold, detail, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $8)
         ON CONFLICT (organization_id, period_start, meter, threshold) WHERE threshold IS NOT NULL DO NOTHING
         RETURNING id",
        row_id(now),
        Id(organization.0),
        kind_of(Event::UsageThreshold),
        meter.name(),
        Time(period.start),
        Count(percent),
        Json(&detail),
        Time(now)
    )?;
    match written {
        Some((id,)) => tell(db, organization, Event::UsageThreshold, id, detail, now).await,
        None => Ok(()),
    }
}

/// Queues the webhook's message about an entry.
async fn tell(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    event: Event,
    id: Id,
    detail: Value,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut data = detail;
    data["billing_event"] = json!(id.0);
    webhooks::enqueue(db, organization, event, None, payload(event, now, data), now).await
}
