//! The queue of messages to a webhook. A message is queued in the transaction of the event that it tells. Any host delivers
//! it, at least once: a host may die after the delivery and before it is stored.

use resly_core::{
    alert::Event,
    boxed,
    error::StoreError,
    id::{AlertId, DeliveryId, OrganizationId},
    time::Timestamp,
};

use super::{Webhook, find};
use crate::{
    RowScope, Store,
    error::failed,
    page::{self, Cursor},
    row_id::row_id,
    sql::{Conn, execute, rows},
    types::{Count, Id, Text, Time, name_of, named},
};

/// How long an ended delivery is kept.
const REMEMBERED_MICROS: i64 = 30 * 24 * 3600 * 1_000_000;

/// The state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It is due for the first or another try.
    Pending,
    Delivered,
    /// No further try is made.
    Failed,
}

/// A message as an admin sees it.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: DeliveryId,
    pub event: Event,
    pub alert: Option<AlertId>,
    pub state: DeliveryState,
    pub tries: u32,
    pub next_try_at: Option<Timestamp>,
    /// The status of the newest answer.
    pub last_status: Option<u16>,
    /// Why the newest try failed: it got no answer, or one that isn't 2xx.
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// A message to deliver now, taken by this host until its lease ends.
#[derive(Clone, Debug)]
pub struct DueDelivery {
    pub id: DeliveryId,
    pub organization: OrganizationId,
    /// The JSON text to send, as it is signed.
    pub payload: String,
    /// The number of earlier tries.
    pub tries: u32,
    /// When the lease ends. It also names the lease, since the next one ends later.
    pub lease_until: Timestamp,
    pub webhook: Webhook,
}

/// The result of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAttempt {
    pub status: Option<u16>,
    pub error: Option<String>,
    /// When to try again after an error. `None` gives the message up.
    pub again_at: Option<Timestamp>,
}

#[derive(sqlx_macros::FromRow)]
struct DeliveryRow {
    id: Id,
    event: String,
    alert_id: Option<Id>,
    state: String,
    tries: Count,
    next_try_at: Time,
    last_status: Option<Count>,
    last_error: Option<String>,
    created_at: Time,
    ended_at: Option<Time>,
}

impl DeliveryRow {
    fn delivery(self) -> Result<Delivery, sqlx::Error> {
        let state = named(self.state)?;
        Ok(Delivery {
            id: DeliveryId(self.id.0),
            event: named(self.event)?,
            alert: self.alert_id.map(|id| AlertId(id.0)),
            state,
            tries: u32::try_from(self.tries.0).unwrap_or(u32::MAX),
            next_try_at: (state == DeliveryState::Pending).then_some(self.next_try_at.0),
            last_status: self.last_status.and_then(|status| u16::try_from(status.0).ok()),
            last_error: self.last_error,
            created_at: self.created_at.0,
            ended_at: self.ended_at.map(|at| at.0),
        })
    }
}

/// Queues a message for the organization's webhook, if it has one that gets this event.
pub(crate) async fn enqueue(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    event: Event,
    alert: Option<AlertId>,
    payload: String,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let Some(webhook) = find(db, organization).await? else { return Ok(()) };
    if webhook.events.is_some_and(|wanted| !wanted.contains(&event)) {
        return Ok(());
    }
    insert(db, organization, event, alert, &payload, None, now).await.map(drop)
}

async fn insert(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    event: Event,
    alert: Option<AlertId>,
    payload: &str,
    lease_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<DeliveryId, sqlx::Error> {
    let id = row_id(now);
    execute!(
        db,
        "INSERT INTO webhook_deliveries (id, organization_id, event, alert_id, payload, state, tries, next_try_at,
                                         lease_until, created_at)
         VALUES ($1, $2, $3, $4, $5, 'pending', 0, $6, $7, $6)",
        id,
        Id(organization.0),
        event.name(),
        alert.map(|alert| Id(alert.0)),
        Text(payload),
        Time(now),
        lease_until.map(Time)
    )?;
    Ok(DeliveryId(id.0))
}

async fn take_due(
    db: &mut Conn<'_>,
    now: Timestamp,
    lease_until: Timestamp,
    most: u32,
) -> Result<Vec<DueDelivery>, sqlx::Error> {
    let sql = db.pick(
        "UPDATE webhook_deliveries SET lease_until = $2 WHERE id IN (
             SELECT id FROM webhook_deliveries
             WHERE state = 'pending' AND next_try_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
             ORDER BY next_try_at LIMIT $3)
         RETURNING id, organization_id, payload, tries",
        "UPDATE webhook_deliveries SET lease_until = $2 WHERE id IN (
             SELECT id FROM webhook_deliveries
             WHERE state = 'pending' AND next_try_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
             ORDER BY next_try_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, organization_id, payload, tries",
    );
    let taken = rows!(db, (Id, Id, String, Count), sql, Time(now), Time(lease_until), i64::from(most))?;
    let mut due = Vec::with_capacity(taken.len());
    for (id, organization, payload, tries) in taken {
        let organization = OrganizationId(organization.0);
        // Deleting a webhook also gave up its messages.
        if let Some(webhook) = find(db, organization).await? {
            let tries = u32::try_from(tries.0).unwrap_or(u32::MAX);
            due.push(DueDelivery { id: DeliveryId(id.0), organization, payload, tries, lease_until, webhook });
        }
    }
    Ok(due)
}

async fn settle(
    db: &mut Conn<'_>,
    due: &DueDelivery,
    tried: &DeliveryAttempt,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let state = match (&tried.error, tried.again_at) {
        (None, _) => DeliveryState::Delivered,
        (Some(_), Some(_)) => DeliveryState::Pending,
        (Some(_), None) => DeliveryState::Failed,
    };
    execute!(
        db,
        "UPDATE webhook_deliveries
         SET state = $3, tries = tries + 1, next_try_at = COALESCE($4, next_try_at), lease_until = NULL,
             last_status = $5, last_error = $6, ended_at = $7
         WHERE id = $1 AND organization_id = $2 AND state = 'pending' AND (lease_until = $8 OR $3 = 'delivered')",
        Id(due.id.0),
        Id(due.organization.0),
        name_of(&state)?,
        tried.again_at.map(Time),
        tried.status.map(|status| Count(status.into())),
        tried.error.as_deref().map(Text),
        (state != DeliveryState::Pending).then_some(Time(now)),
        Time(due.lease_until)
    )
    .map(drop)
}

impl Store {
    /// Queues a message that this host delivers at once. Other hosts leave it alone until `lease_until`. `None` when
    /// there is no webhook.
    #[boxed]
    pub async fn begin_delivery(
        &self,
        organization: OrganizationId,
        event: Event,
        payload: String,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<DueDelivery>, StoreError> {
        self.write(organization, "begin a webhook's delivery", move |mut db| {
            Box::pin(async move {
                let Some(webhook) = find(&mut db, organization).await? else { return Ok(None) };
                let id = insert(&mut db, organization, event, None, &payload, Some(lease_until), now).await?;
                Ok(Some(DueDelivery { id, organization, payload, tries: 0, lease_until, webhook }))
            })
        })
        .await
    }

    /// Takes at most `most` messages that are due. Other hosts leave them alone until `lease_until`.
    #[boxed]
    pub async fn take_due_deliveries(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        most: u32,
    ) -> Result<Vec<DueDelivery>, StoreError> {
        self.write(RowScope::Host, "take webhook deliveries", move |mut db| {
            Box::pin(async move { Ok(take_due(&mut db, now, lease_until, most).await?) })
        })
        .await
    }

    /// Stores the result of a try. A failure counts only while the lease is held: another host may be at it by then.
    #[boxed]
    pub async fn settle_delivery(
        &self,
        due: &DueDelivery,
        tried: DeliveryAttempt,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let due = due.clone();
        self.write(due.organization, "settle a webhook's delivery", move |mut db| {
            Box::pin(async move { Ok(settle(&mut db, &due, &tried, now).await?) })
        })
        .await
    }

    /// Queues a message once more that was delivered or given up, with the same id. False when there is no such message.
    #[boxed]
    pub async fn replay_delivery(
        &self,
        organization: OrganizationId,
        id: DeliveryId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(organization, "send a webhook's message again", move |mut db| {
            Box::pin(async move {
                if find(&mut db, organization).await?.is_none() {
                    return Ok(false);
                }
                let changed = execute!(
                    db,
                    "UPDATE webhook_deliveries
                     SET state = 'pending', tries = 0, next_try_at = $3, lease_until = NULL, ended_at = NULL
                     WHERE id = $1 AND organization_id = $2 AND state <> 'pending'",
                    Id(id.0),
                    Id(organization.0),
                    Time(now)
                )?;
                Ok(changed > 0)
            })
        })
        .await
    }

    /// The deliveries to the organization's webhook, newest first.
    #[boxed]
    pub async fn deliveries(
        &self,
        organization: OrganizationId,
        before: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let doing = "list the webhook's deliveries";
        let (before, before_id) = page::bounds(before);
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            DeliveryRow,
            "SELECT id, event, alert_id, state, tries, next_try_at, last_status, last_error, created_at, ended_at
             FROM webhook_deliveries WHERE organization_id = $1 AND ($2 IS NULL OR (created_at, id) < ($2, $3))
             ORDER BY created_at DESC, id DESC LIMIT $4",
            Id(organization.0),
            before,
            before_id,
            i64::from(limit)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(DeliveryRow::delivery).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// Deletes deliveries that ended a month ago.
    #[boxed]
    pub async fn expire_deliveries(&self, now: Timestamp) -> Result<u64, StoreError> {
        let before = Timestamp::from_micros(now.micros().saturating_sub(REMEMBERED_MICROS));
        self.write(RowScope::Host, "forget old webhook deliveries", move |mut db| {
            Box::pin(async move {
                let sql = "DELETE FROM webhook_deliveries WHERE ended_at < $1";
                Ok(execute!(db, sql, Time(before))?)
            })
        })
        .await
    }
}
