//! What the operator's biller says of subscriptions. Its events may come twice, late and in any order: each is applied once,
//! and every order ends in the same state.
//!
//! An organization may have several of the biller's subscriptions, such as while it moves to another plan. Each has a row,
//! which its own events alone change. One of them is served: see [`served`].

use resly_core::{
    boxed,
    id::OrganizationId,
    plan::{PlanId, Subscription, SubscriptionChange, SubscriptionStatus},
    time::Timestamp,
};

use crate::{
    RowScope, Store,
    error::OperationError,
    sql::{Conn, execute, row, rows},
    subscriptions::{self, Resubscription, SubscribeError},
    terms,
    types::{Id, Text, Time, named},
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
    pub news: BillerNews,
}

/// What an event says.
#[derive(Clone, Debug)]
pub enum BillerNews {
    /// The subscription as it is.
    Subscription {
        /// When the biller made the subscription.
        created_at: Timestamp,
        /// The plan that it is for; `None` leaves the organization's.
        plan: Option<PlanId>,
        state: SubscriptionChange,
        /// It is over, and never comes back.
        deleted: bool,
    },
    /// A payment failed. That brings nobody back whose subscription has expired.
    PaymentFailed,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillerOutcome {
    Applied,
    /// It was applied, or left out, before.
    Replayed,
    /// A newer event about the subscription was applied.
    Outdated,
    /// It is about a subscription that isn't served, or a payment failed for one that has expired.
    Superseded,
}

#[derive(sqlx_macros::FromRow)]
struct SubscriptionRow {
    id: String,
    created_at: Time,
    event_at: Option<Time>,
    failed_at: Option<Time>,
    deleted: bool,
    plan: Option<String>,
    status: String,
    trial_ends_at: Option<Time>,
    current_period_ends_at: Option<Time>,
    past_due_until: Option<Time>,
    ended_at: Option<Time>,
}

/// One of the biller's subscriptions, as its events tell it.
#[derive(Clone, Debug)]
struct Billed {
    id: String,
    created_at: Timestamp,
    /// When the biller made the newest event about the subscription. `None` until one came: only a payment failed.
    event_at: Option<Timestamp>,
    /// When the biller made the newest event about a failed payment.
    failed_at: Option<Timestamp>,
    deleted: bool,
    plan: Option<PlanId>,
    state: Subscription,
}

impl SubscriptionRow {
    fn billed(self) -> Result<Billed, sqlx::Error> {
        let at = |time: Option<Time>| time.map(|time| time.0);
        Ok(Billed {
            id: self.id,
            created_at: self.created_at.0,
            event_at: at(self.event_at),
            failed_at: at(self.failed_at),
            deleted: self.deleted,
            plan: self.plan.map(PlanId::stored),
            state: Subscription {
                status: named(self.status)?,
                trial_ends_at: at(self.trial_ends_at),
                current_period_ends_at: at(self.current_period_ends_at),
                past_due_until: at(self.past_due_until),
                ended_at: at(self.ended_at),
            },
        })
    }
}

impl Billed {
    fn unknown(id: String) -> Self {
        let created_at = Timestamp::from_micros(0);
        let state = Subscription::default();
        Self { id, created_at, event_at: None, failed_at: None, deleted: false, plan: None, state }
    }

    /// Takes what an event says, unless a newer one said so already.
    fn learn(&mut self, event: &BillerEvent, now: Timestamp) -> bool {
        let older = |known: Option<Timestamp>| known.is_some_and(|known| known > event.created_at);
        match &event.news {
            BillerNews::Subscription { created_at, plan, state, deleted } => {
                if self.deleted || (older(self.event_at) && !deleted) {
                    return false;
                }
                self.created_at = *created_at;
                self.event_at = Some(event.created_at);
                self.deleted = *deleted;
                self.plan = plan.clone().or_else(|| self.plan.take());
                self.state = self.state.changed(*state, now);
            }
            BillerNews::PaymentFailed if older(self.failed_at) || older(self.event_at) => return false,
            BillerNews::PaymentFailed => self.failed_at = Some(event.created_at),
        }
        // Of the same second, what the subscription itself says holds: the failure may have been made good in it.
        let failed = self.event_at.is_some() && self.failed_at > self.event_at;
        if failed && self.is_live(now) {
            let due = SubscriptionChange { status: Some(SubscriptionStatus::PastDue), ..SubscriptionChange::default() };
            self.state = self.state.changed(due, now);
        }
        true
    }

    fn is_live(&self, now: Timestamp) -> bool {
        self.state.status_at(now) != SubscriptionStatus::Expired
    }
}

/// The subscription that an organization is served by: the newest that hasn't ended, or else the newest. It depends on no
/// order of events, and not on which one is served now.
fn served(all: &[Billed], now: Timestamp) -> Option<&Billed> {
    let known = all.iter().filter(|billed| billed.event_at.is_some());
    known.max_by_key(|billed| (billed.is_live(now), billed.created_at, &billed.id))
}

/// Locks the plans that the organization may get by an event, before the organization, as a change of a plan locks them.
async fn lock_plans(db: &mut Conn<'_>, event: &BillerEvent) -> Result<(), sqlx::Error> {
    let sql = "SELECT DISTINCT plan FROM biller_subscriptions WHERE organization_id = $1 AND plan IS NOT NULL";
    let known = rows!(db, (String,), sql, Id(event.organization.0))?;
    let mut plans: Vec<PlanId> = known.into_iter().map(|(plan,)| PlanId::stored(plan)).collect();
    if let BillerNews::Subscription { plan: Some(plan), .. } = &event.news {
        plans.push(plan.clone());
    }
    plans.sort();
    plans.dedup();
    for plan in &plans {
        terms::of_plan(db, plan).await?;
    }
    Ok(())
}

async fn known(db: &mut Conn<'_>, organization: OrganizationId) -> Result<Vec<Billed>, sqlx::Error> {
    let all = rows!(
        db,
        SubscriptionRow,
        "SELECT id, created_at, event_at, failed_at, deleted, plan, status, trial_ends_at, current_period_ends_at,
                past_due_until, ended_at
         FROM biller_subscriptions WHERE organization_id = $1",
        Id(organization.0)
    )?;
    all.into_iter().map(SubscriptionRow::billed).collect()
}

async fn write(db: &mut Conn<'_>, organization: OrganizationId, billed: &Billed) -> Result<(), sqlx::Error> {
    let Billed { id, created_at, event_at, failed_at, deleted, plan, state } = billed;
    execute!(
        db,
        "INSERT INTO biller_subscriptions
             (organization_id, id, created_at, event_at, failed_at, deleted, plan, status, trial_ends_at,
              current_period_ends_at, past_due_until, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (organization_id, id) DO UPDATE
         SET created_at = excluded.created_at, event_at = excluded.event_at, failed_at = excluded.failed_at,
             deleted = excluded.deleted, plan = excluded.plan, status = excluded.status,
             trial_ends_at = excluded.trial_ends_at, current_period_ends_at = excluded.current_period_ends_at,
             past_due_until = excluded.past_due_until, ended_at = excluded.ended_at",
        Id(organization.0),
        Text(id),
        Time(*created_at),
        event_at.map(Time),
        failed_at.map(Time),
        *deleted,
        plan.as_ref().map(PlanId::as_str),
        state.status.name(),
        state.trial_ends_at.map(Time),
        state.current_period_ends_at.map(Time),
        state.past_due_until.map(Time),
        state.ended_at.map(Time)
    )
    .map(drop)
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
    lock_plans(db, &event).await?;
    let organization = event.organization;
    let missing = || OperationError::Refused(SubscribeError::NoOrganization);
    let before = subscriptions::lock(db, organization).await?.ok_or_else(missing)?;
    let sql = "SELECT biller_subscription FROM organizations WHERE id = $1";
    let (serving,) = row!(db, (Option<String>,), sql, Id(organization.0))?.ok_or_else(missing)?;

    let mut all = known(db, organization).await?;
    let at = all.iter().position(|billed| billed.id == event.subscription);
    let mut subject = at.map_or_else(|| Billed::unknown(event.subscription.clone()), |at| all.swap_remove(at));
    if !subject.learn(&event, now) {
        return Ok(BillerOutcome::Outdated);
    }
    write(db, organization, &subject).await?;
    all.push(subject);

    let Some(served) = served(&all, now) else { return Ok(BillerOutcome::Superseded) };
    let another = serving.as_ref() != Some(&served.id);
    let own = served.id == event.subscription;
    let failed = matches!(event.news, BillerNews::PaymentFailed);
    let expired = before.subscription.status_at(now) == SubscriptionStatus::Expired;
    if !another && (!own || (failed && expired)) {
        return Ok(BillerOutcome::Superseded);
    }
    let sql = "UPDATE organizations SET biller_subscription = $2 WHERE id = $1";
    execute!(db, sql, Id(organization.0), Text(&served.id))?;
    // An event that names no plan leaves what an operator gave.
    let names = another || matches!(event.news, BillerNews::Subscription { plan: Some(_), .. });
    let mut plan = served.plan.clone().filter(|_| names);
    // A plan that this event isn't about is no reason to refuse it.
    if let Some(given) = plan.as_ref().filter(|given| !own && **given != before.id) {
        plan = subscriptions::assignable(given, terms::of_plan(db, given).await?).is_ok().then(|| given.clone());
    }
    let Subscription { status, trial_ends_at, current_period_ends_at, past_due_until, .. } = served.state;
    // A grace that an operator made longer stays.
    let stays = !another && status == SubscriptionStatus::PastDue && before.subscription.status == status;
    let state = SubscriptionChange {
        status: Some(status),
        trial_ends_at: Some(trial_ends_at),
        current_period_ends_at: Some(current_period_ends_at),
        past_due_until: (!stays).then_some(past_due_until),
    };
    subscriptions::change(db, organization, &Resubscription { plan, state }, now).await?;
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
