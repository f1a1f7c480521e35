//! What the operator's biller says of subscriptions. Its events may come twice, late and in any order: each is applied once,
//! and none that is older than what was applied.

use resly_core::{
    boxed,
    id::OrganizationId,
    plan::{PlanId, SubscriptionChange, SubscriptionStatus},
    time::Timestamp,
};

use crate::{
    RowScope, Store,
    error::OperationError,
    sql::{Conn, execute, row},
    subscriptions::{self, Resubscription, SubscribeError},
    terms,
    types::{Id, Text, Time},
};

/// How long the ids of events are remembered. Billers send an event again for some days.
const REMEMBERED_MICROS: i64 = 30 * 24 * 3600 * 1_000_000;

/// An event of the biller, about one of its subscriptions.
#[derive(Clone, Debug)]
pub struct BillerEvent {
    /// The biller's id of the event.
    pub id: String,
    /// When the biller made it.
    pub created_at: Timestamp,
    pub organization: OrganizationId,
    /// The biller's id of the subscription.
    pub subscription: String,
    /// The plan that it is for; `None` leaves the organization's.
    pub plan: Option<PlanId>,
    pub state: SubscriptionChange,
    /// It only says that a payment failed. That brings nobody back whose subscription has expired.
    pub payment_failed: bool,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillerOutcome {
    Applied,
    /// It was applied, or left out, before.
    Replayed,
    /// A newer event was applied.
    Outdated,
    /// It ends a subscription that another one has replaced, or a payment failed for one that has expired.
    Superseded,
}

#[derive(sqlx_macros::FromRow)]
struct BillerRow {
    biller_subscription: Option<String>,
    biller_event_at: Option<Time>,
}

async fn apply(
    db: &mut Conn<'_>,
    event: BillerEvent,
    now: Timestamp,
) -> Result<BillerOutcome, OperationError<SubscribeError>> {
    let new = execute!(
        db,
        "INSERT INTO biller_events (id, received_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
        Text(&event.id),
        Time(now)
    )?;
    if new == 0 {
        return Ok(BillerOutcome::Replayed);
    }
    // The plan before the organization, as a change of the plan locks them.
    if let Some(plan) = &event.plan {
        terms::of_plan(db, plan).await?;
    }
    let missing = || OperationError::Refused(SubscribeError::NoOrganization);
    let before = subscriptions::lock(db, event.organization).await?.ok_or_else(missing)?;
    let biller = row!(
        db,
        BillerRow,
        "SELECT biller_subscription, biller_event_at FROM organizations WHERE id = $1",
        Id(event.organization.0)
    )?;
    let BillerRow { biller_subscription, biller_event_at } = biller.ok_or_else(missing)?;
    if biller_event_at.is_some_and(|newest| newest.0 > event.created_at) {
        return Ok(BillerOutcome::Outdated);
    }
    let serves = matches!(event.state.status, Some(SubscriptionStatus::Trial | SubscriptionStatus::Active));
    let another = biller_subscription.is_some_and(|known| known != event.subscription);
    let expired = before.subscription.status_at(now) == SubscriptionStatus::Expired;
    if (another && !serves) || (event.payment_failed && expired) {
        return Ok(BillerOutcome::Superseded);
    }
    execute!(
        db,
        "UPDATE organizations SET biller_subscription = $2, biller_event_at = $3 WHERE id = $1",
        Id(event.organization.0),
        Text(&event.subscription),
        Time(event.created_at)
    )?;
    let to = Resubscription { plan: event.plan, state: event.state };
    subscriptions::change(db, event.organization, &to, now).await?;
    Ok(BillerOutcome::Applied)
}

impl Store {
    /// Applies an event of the biller, unless it was applied before or a newer one was.
    #[boxed]
    pub async fn apply_biller_event(
        &self,
        event: BillerEvent,
        now: Timestamp,
    ) -> Result<BillerOutcome, SubscribeError> {
        let organization = event.organization;
        let outcome = self.write(RowScope::Host, "apply an event of the biller", move |mut db| {
            Box::pin(async move { apply(&mut db, event, now).await })
        });
        let outcome = outcome.await?;
        self.log_budget.forget(organization);
        Ok(outcome)
    }
}

/// Forgets events that the biller doesn't send any more.
pub(crate) async fn forget(db: &mut Conn<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
    let before = Time(Timestamp::from_micros(now.micros().saturating_sub(REMEMBERED_MICROS)));
    execute!(db, "DELETE FROM biller_events WHERE received_at < $1", before).map(drop)
}
