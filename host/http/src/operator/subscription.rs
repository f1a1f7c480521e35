//! `/api/operator/organizations/{id}/subscription` and `/overrides`: which plan an organization has, until when it is
//! served, and what holds for it alone.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{plan::SubscriptionStatus, time::Timestamp};
use resly_service::{
    App, plan,
    subscriptions::{self, SubscriptionPatch},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::organization_id;
use crate::{
    body, guard::Operator, openapi_enums, plan_terms::OwnTerms, plan_view::Plan, present::present, problem::Problem,
};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionUpdate {
    /// The id of another plan.
    plan: Option<String>,
    /// `trial`, `active`, `past_due` or `expired`.
    #[schema(value_type = Option<openapi_enums::SubscriptionStatus>)]
    status: Option<SubscriptionStatus>,
    /// RFC 3339. `null` is never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    trial_ends_at: Option<Option<Timestamp>>,
    /// When what was paid for ends: it is `past_due` from then on. `null` is never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    current_period_ends_at: Option<Option<Timestamp>>,
    /// Until when it is served although a payment is due. Seven days after the period or the failed payment when it isn't
    /// set.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    past_due_until: Option<Option<Timestamp>>,
}

impl From<SubscriptionUpdate> for SubscriptionPatch {
    fn from(update: SubscriptionUpdate) -> Self {
        let SubscriptionUpdate { plan, status, trial_ends_at, current_period_ends_at, past_due_until } = update;
        Self { plan, status, trial_ends_at, current_period_ends_at, past_due_until }
    }
}

/// Gives an organization another plan, another state, or other dates. What isn't named stays.
#[utoipa::path(patch, path = "/api/operator/organizations/{id}/subscription", tag = "operator",
    operation_id = "changeSubscription",
    params(("id" = String, Path, description = "The organization's id")),
    request_body = SubscriptionUpdate,
    responses((status = 200, description = "What holds for the organization now", body = Plan)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    Path(id): Path<String>,
    body::Json(update): body::Json<SubscriptionUpdate>,
) -> Result<Json<Plan>, Problem> {
    let plan = subscriptions::change(&app.store, &*app.clock, organization_id(&id)?, update.into()).await?;
    Ok(Json(Plan::at(plan, app.clock.now())))
}

/// Sets all that holds for one organization in the place of its plan's terms; `{}` leaves the plan's.
#[utoipa::path(put, path = "/api/operator/organizations/{id}/overrides", tag = "operator",
    operation_id = "replaceOverrides",
    params(("id" = String, Path, description = "The organization's id")),
    request_body = OwnTerms,
    responses((status = 200, description = "What holds for the organization now", body = Plan)))]
pub async fn replace_overrides(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    Path(id): Path<String>,
    body::Json(mut overrides): body::Json<OwnTerms>,
) -> Result<Json<Plan>, Problem> {
    let terms = overrides.take_terms();
    let plan = plan::replace(&app.store, &*app.clock, organization_id(&id)?, terms).await?;
    Ok(Json(Plan::at(plan, app.clock.now())))
}
