//! `/api/operator/organizations/{id}/subscription` and `/overrides`: which plan an organization has, until when it is
//! served, and what holds for it alone.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    meter::Meter,
    plan::{self, SubscriptionStatus},
    time::Timestamp,
};
use resly_service::{
    App, plan as terms,
    subscriptions::{self, SubscriptionPatch},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::organization_id;
use crate::{body, guard::Operator, openapi_enums, plan_view::Plan, present::present, problem::Problem};

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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOverrides {
    /// By meter, for a calendar month; `null` is unlimited. What isn't named is the plan's.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
    limits: BTreeMap<Meter, Option<u64>>,
    /// By meter, within a minute; `null` is unlimited. What isn't named is the plan's.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
    per_minute: BTreeMap<Meter, Option<u64>>,
    log_days: Option<u32>,
    log_bytes_per_day: Option<u64>,
    /// After how many days a conversation that nobody continued is deleted: 1 to 3,650; `null` keeps it for ever.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    conversation_days: Option<Option<u32>>,
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
    request_body = NewOverrides,
    responses((status = 200, description = "What holds for the organization now", body = Plan)))]
pub async fn replace_overrides(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    Path(id): Path<String>,
    body::Json(overrides): body::Json<NewOverrides>,
) -> Result<Json<Plan>, Problem> {
    let NewOverrides { limits, per_minute, log_days, log_bytes_per_day, conversation_days } = overrides;
    let overrides = plan::Overrides { limits, per_minute, log_days, log_bytes_per_day, conversation_days };
    let plan = terms::replace(&app.store, &*app.clock, organization_id(&id)?, overrides).await?;
    Ok(Json(Plan::at(plan, app.clock.now())))
}
