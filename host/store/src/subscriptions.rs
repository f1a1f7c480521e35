//! Each organization's subscription: its plan, its own overrides, and until when it is served.

use resly_core::{
    alert::Event,
    boxed,
    error::StoreError,
    id::OrganizationId,
    meter::{Limits, Meter},
    plan::{Features, Overrides, PlanId, Subscription, SubscriptionChange, SubscriptionStatus, Terms},
    time::Timestamp,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    RowScope, Store,
    audit::{Author, Subject, view},
    billing,
    columns::{returning, select},
    error::{OperationError, failed, unexpected},
    sql::{Conn, execute, row},
    terms::{self, PlanTerms},
    types::{Count, Id, Json, Time, named},
};

/// What an organization may use, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub id: PlanId,
    /// Those of the plan, with the organization's overrides.
    pub terms: Terms,
    pub overrides: Overrides,
    pub subscription: Subscription,
}

/// Why a subscription can't be changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubscribeError {
    #[error("there is no such organization")]
    NoOrganization,
    #[error("there is no plan `{0}`")]
    NoPlan(PlanId),
    #[error("the plan `{0}` is retired: organizations that have it keep it, and no other gets it")]
    Retired(PlanId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(sqlx_macros::FromRow)]
pub(crate) struct PlanRow {
    plan: String,
    limit_messages: Option<Count>,
    limit_embeddings: Option<Count>,
    limit_connector_calls: Option<Count>,
    limit_fuel: Option<Count>,
    limit_model_input_tokens: Option<Count>,
    limit_model_cached_input_tokens: Option<Count>,
    limit_model_output_tokens: Option<Count>,
    messages_per_minute: Option<Count>,
    embeddings_per_minute: Option<Count>,
    connector_calls_per_minute: Option<Count>,
    fuel_per_minute: Option<Count>,
    model_input_tokens_per_minute: Option<Count>,
    model_cached_input_tokens_per_minute: Option<Count>,
    model_output_tokens_per_minute: Option<Count>,
    features: Option<Json<Vec<String>>>,
    log_days: Count,
    log_bytes_per_day: Count,
    conversation_days: Option<Count>,
    overrides: Json<Overrides>,
    subscription_status: String,
    subscription_ends_at: Option<Time>,
    trial_ends_at: Option<Time>,
    current_period_ends_at: Option<Time>,
    past_due_until: Option<Time>,
}

fn limits(by_meter: [(Meter, Option<Count>); 7]) -> Limits {
    by_meter.into_iter().filter_map(|(meter, limit)| Some((meter, limit?.0))).collect()
}

impl PlanRow {
    pub fn plan(self) -> Result<Plan, sqlx::Error> {
        let status: SubscriptionStatus = named(self.subscription_status)?;
        Ok(Plan {
            id: PlanId::stored(self.plan),
            terms: Terms {
                limits: limits([
                    (Meter::Messages, self.limit_messages),
                    (Meter::Embeddings, self.limit_embeddings),
                    (Meter::ConnectorCalls, self.limit_connector_calls),
                    (Meter::Fuel, self.limit_fuel),
                    (Meter::ModelInputTokens, self.limit_model_input_tokens),
                    (Meter::ModelCachedInputTokens, self.limit_model_cached_input_tokens),
                    (Meter::ModelOutputTokens, self.limit_model_output_tokens),
                ]),
                per_minute: limits([
                    (Meter::Messages, self.messages_per_minute),
                    (Meter::Embeddings, self.embeddings_per_minute),
                    (Meter::ConnectorCalls, self.connector_calls_per_minute),
                    (Meter::Fuel, self.fuel_per_minute),
                    (Meter::ModelInputTokens, self.model_input_tokens_per_minute),
                    (Meter::ModelCachedInputTokens, self.model_cached_input_tokens_per_minute),
                    (Meter::ModelOutputTokens, self.model_output_tokens_per_minute),
                ]),
                features: Features::from_names(self.features.map(|names| names.0)),
                log_days: u32::try_from(self.log_days.0).unwrap_or(u32::MAX),
                log_bytes_per_day: self.log_bytes_per_day.0,
                conversation_days: self.conversation_days.map(|days| u32::try_from(days.0).unwrap_or(u32::MAX)),
            },
            overrides: self.overrides.0,
            subscription: Subscription {
                status,
                trial_ends_at: self.trial_ends_at.map(|at| at.0),
                current_period_ends_at: self.current_period_ends_at.map(|at| at.0),
                past_due_until: self.past_due_until.map(|at| at.0),
                ended_at: self.subscription_ends_at.filter(|_| status == SubscriptionStatus::Expired).map(|at| at.0),
            },
        })
    }
}

const FIND: &str = select!(plan, "FROM organizations WHERE id = $1");

/// An organization's plan, which doesn't change until the transaction ends. In SQLite this writes, as
/// [`terms::of_plan`] does.
pub(crate) async fn lock(db: &mut Conn<'_>, organization: OrganizationId) -> Result<Option<Plan>, sqlx::Error> {
    let sql = db.pick(
        returning!(plan, "UPDATE organizations SET plan = plan WHERE id = $1"),
        select!(plan, "FROM organizations WHERE id = $1 FOR NO KEY UPDATE"),
    );
    row!(db, PlanRow, sql, Id(organization.0))?.map(PlanRow::plan).transpose()
}

/// The terms of a plan that an organization has. A plan that isn't there any more allows everything.
pub(crate) async fn terms_of(db: &mut Conn<'_>, plan: &PlanId) -> Result<PlanTerms, sqlx::Error> {
    let unlimited = PlanTerms { terms: Terms::default(), revision: Count(1), retired: false };
    Ok(terms::of_plan(db, plan).await?.unwrap_or(unlimited))
}

/// The terms of a plan for an organization that doesn't have it yet.
pub(crate) fn assignable(plan: &PlanId, terms: Option<PlanTerms>) -> Result<PlanTerms, SubscribeError> {
    match terms {
        None => Err(SubscribeError::NoPlan(plan.clone())),
        Some(terms) if terms.retired => Err(SubscribeError::Retired(plan.clone())),
        Some(terms) => Ok(terms),
    }
}

/// What the audit log shows of a plan.
#[derive(Serialize)]
struct PlanView<'p> {
    plan: &'p PlanId,
    overrides: &'p Overrides,
    status: &'static str,
    trial_ends_at: Option<Timestamp>,
    current_period_ends_at: Option<Timestamp>,
    past_due_until: Option<Timestamp>,
}

impl<'p> PlanView<'p> {
    fn of(plan: &'p Plan) -> Self {
        Self {
            plan: &plan.id,
            overrides: &plan.overrides,
            status: plan.subscription.status.name(),
            trial_ends_at: plan.subscription.trial_ends_at,
            current_period_ends_at: plan.subscription.current_period_ends_at,
            past_due_until: plan.subscription.past_due_until,
        }
    }
}

async fn set_overrides(
    db: &mut Conn<'_>,
    by: &Author,
    organization: OrganizationId,
    change: impl FnOnce(&mut Overrides),
    now: Timestamp,
) -> Result<Plan, OperationError<SubscribeError>> {
    let missing = || OperationError::Refused(SubscribeError::NoOrganization);
    // The plan before the organization, as a change of the plan locks them.
    let sql = db.pick(
        "UPDATE organizations SET plan = plan WHERE id = $1 RETURNING plan",
        "SELECT plan FROM organizations WHERE id = $1",
    );
    let has = row!(db, (String,), sql, Id(organization.0))?;
    let of = terms_of(db, &PlanId::stored(has.ok_or_else(missing)?.0)).await?;
    let before = lock(db, organization).await?.ok_or_else(missing)?;
    let mut overrides = before.overrides.clone();
    change(&mut overrides);
    let terms = terms::write(db, organization, &before.id, &of, &overrides, now).await?;
    if overrides != before.overrides {
        let detail = json!({"from": before.id, "to": before.id, "overrides": overrides});
        billing::announce(db, organization, Event::PlanChanged, detail, now).await?;
    }
    let old = view(&PlanView::of(&before))?;
    let plan = Plan { terms, overrides, ..before };
    by.changed(db, organization, "plan.change", Subject::only(), old, view(&PlanView::of(&plan))?).await?;
    Ok(plan)
}

/// Gives an organization another plan.
pub(crate) async fn subscribe(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    plan: &PlanId,
    now: Timestamp,
) -> Result<(), OperationError<SubscribeError>> {
    let of = terms::of_plan(db, plan).await?;
    let before = lock(db, organization).await?.ok_or(OperationError::Refused(SubscribeError::NoOrganization))?;
    if before.id == *plan {
        return Ok(());
    }
    let of = assignable(plan, of).map_err(OperationError::Refused)?;
    terms::write(db, organization, plan, &of, &before.overrides, now).await?;
    let detail = json!({"from": before.id, "to": plan});
    Ok(billing::announce(db, organization, Event::PlanChanged, detail, now).await?)
}

/// Changes the state and the dates of a subscription. The organization must be locked.
pub(crate) async fn set_state(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    before: Subscription,
    after: Subscription,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if before == after {
        return Ok(());
    }
    write_state(db, organization, &after).await?;
    let detail = json!({
        "from": before.status_at(now), "to": after.status_at(now), "trial_ends_at": after.trial_ends_at,
        "current_period_ends_at": after.current_period_ends_at, "past_due_until": after.past_due_until,
        "ends_at": after.ends_at(),
    });
    billing::announce(db, organization, Event::SubscriptionChanged, detail, now).await
}

pub(crate) async fn write_state(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    subscription: &Subscription,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "UPDATE organizations SET subscription_status = $2, trial_ends_at = $3, current_period_ends_at = $4,
             past_due_until = $5, subscription_ends_at = $6
         WHERE id = $1",
        Id(organization.0),
        subscription.status.name(),
        subscription.trial_ends_at.map(Time),
        subscription.current_period_ends_at.map(Time),
        subscription.past_due_until.map(Time),
        subscription.ends_at().map(Time)
    )
    .map(drop)
}

/// A change of an organization's subscription. What is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Resubscription {
    pub plan: Option<PlanId>,
    pub state: SubscriptionChange,
}

/// Applies a change, and returns the plan after it.
pub(crate) async fn change(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    to: &Resubscription,
    now: Timestamp,
) -> Result<Plan, OperationError<SubscribeError>> {
    let missing = || OperationError::Refused(SubscribeError::NoOrganization);
    if let Some(plan) = &to.plan {
        subscribe(db, organization, plan, now).await?;
    }
    let before = lock(db, organization).await?.ok_or_else(missing)?;
    let subscription = before.subscription.changed(to.state, now);
    set_state(db, organization, before.subscription, subscription, now).await?;
    Ok(Plan { subscription, ..before })
}

impl Store {
    #[boxed]
    pub async fn plan(&self, organization: OrganizationId) -> Result<Plan, StoreError> {
        let doing = "read the plan";
        let mut db = self.reader(organization, doing).await?;
        let plan = row!(db, PlanRow, FIND, Id(organization.0)).map_err(failed(doing))?;
        let plan = plan.ok_or_else(|| unexpected(format!("there is no organization {organization}")));
        plan.and_then(PlanRow::plan).map_err(failed(doing))
    }

    /// Adds overrides to those that the organization has.
    #[boxed]
    pub async fn change_plan(
        &self,
        organization: OrganizationId,
        newer: Overrides,
        now: Timestamp,
    ) -> Result<Plan, SubscribeError> {
        let by = Author::current();
        let changed = self.write(RowScope::Host, "change the plan", move |mut db| {
            Box::pin(
                async move { set_overrides(&mut db, &by, organization, |overrides| overrides.merge(newer), now).await },
            )
        });
        let plan = changed.await?;
        self.log_budget.forget(organization);
        Ok(plan)
    }

    /// Replaces the organization's overrides.
    #[boxed]
    pub async fn replace_overrides(
        &self,
        organization: OrganizationId,
        overrides: Overrides,
        now: Timestamp,
    ) -> Result<Plan, SubscribeError> {
        let by = Author::current();
        let changed = self.write(RowScope::Host, "replace the overrides of a plan", move |mut db| {
            Box::pin(async move { set_overrides(&mut db, &by, organization, |held| *held = overrides, now).await })
        });
        let plan = changed.await?;
        self.log_budget.forget(organization);
        Ok(plan)
    }

    /// Gives the organization another plan, another state, or other dates.
    #[boxed]
    pub async fn change_subscription(
        &self,
        organization: OrganizationId,
        to: Resubscription,
        now: Timestamp,
    ) -> Result<Plan, SubscribeError> {
        let by = Author::current();
        let changed = self.write(RowScope::Host, "change the subscription", move |mut db| {
            Box::pin(async move {
                // The plan that it gets is locked before the organization, so this reads without a lock.
                let before = row!(db, PlanRow, FIND, Id(organization.0))?.map(PlanRow::plan).transpose()?;
                let after = change(&mut db, organization, &to, now).await?;
                if let Some(before) = before {
                    let (before, after) = (view(&PlanView::of(&before))?, view(&PlanView::of(&after))?);
                    by.changed(&mut db, organization, "plan.change", Subject::only(), before, after).await?;
                }
                Ok(after)
            })
        });
        let plan = changed.await?;
        self.log_budget.forget(organization);
        Ok(plan)
    }
}
