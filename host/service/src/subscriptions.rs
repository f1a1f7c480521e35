//! Subscriptions: an operator gives an organization a plan, a state and dates.

use resly_core::{
    boxed,
    id::OrganizationId,
    plan::{PlanId, SubscriptionChange, SubscriptionStatus},
    time::{Clock, Timestamp},
};
use resly_store::{Plan, Resubscription, Store};

use crate::{FieldError, plan::PlanError};

/// A change of a subscription. What is `None` stays; `Some(None)` removes a date.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionPatch {
    pub plan: Option<String>,
    pub status: Option<SubscriptionStatus>,
    pub trial_ends_at: Option<Option<Timestamp>>,
    pub current_period_ends_at: Option<Option<Timestamp>>,
    pub past_due_until: Option<Option<Timestamp>>,
}

impl SubscriptionPatch {
    /// The plan, and the state with its dates. A plan's id that can't be one is a mistake.
    pub(crate) fn read(self) -> Result<(Option<PlanId>, SubscriptionChange), PlanError> {
        let Self { plan, status, trial_ends_at, current_period_ends_at, past_due_until } = self;
        let plan = plan.map(|id| {
            PlanId::parse(&id).map_err(|error| PlanError::Invalid(vec![FieldError::new("plan", error.to_string())]))
        });
        let state = SubscriptionChange { status, trial_ends_at, current_period_ends_at, past_due_until };
        Ok((plan.transpose()?, state))
    }
}

/// Changes a subscription: all of it, or nothing.
#[boxed]
pub async fn change(
    store: &Store,
    clock: &dyn Clock,
    organization: OrganizationId,
    patch: SubscriptionPatch,
) -> Result<Plan, PlanError> {
    let (plan, state) = patch.read()?;
    Ok(store.change_subscription(organization, Resubscription { plan, state }, clock.now()).await?)
}
