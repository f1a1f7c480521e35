//! `/api/admin/plan`: what the organization may use. An admin reads it, an operator sets what holds beside the plan.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use resly_core::{meter::Meter, plan::Overrides};
use resly_service::{App, plan};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    body,
    guard::{Admin, Operator},
    openapi_enums,
    plan_view::Plan,
    present::present,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanChange {
    /// By meter, for a month; `null` is unlimited. What isn't named stays. A limit on a model's tokens refuses the next
    /// question once it is reached; an answer that is running then is finished, and may go past it.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
    limits: BTreeMap<Meter, Option<u64>>,
    /// The same within a minute.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
    per_minute: BTreeMap<Meter, Option<u64>>,
    /// For how many days the log of connector calls is kept: 1 to 3,650.
    log_days: Option<u32>,
    /// How many bytes a day the log takes in each environment before it is sampled: 1 MiB to 1 TiB.
    log_bytes_per_day: Option<u64>,
    /// After how many days a conversation that nobody continued is deleted: 1 to 3,650. `null` keeps it for ever.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    conversation_days: Option<Option<u32>>,
}

/// The plan, its limits and the subscription.
#[utoipa::path(get, path = "/api/admin/plan", tag = "admin", operation_id = "getPlan",
    responses((status = 200, description = "The plan", body = Plan)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Plan>, Problem> {
    let plan = app.store.plan(principal.organization).await?;
    Ok(Json(Plan::at(plan, app.clock.now())))
}

/// Sets limits of the organization's own, which hold from the next request on, and how long logs and conversations are kept.
/// A change of the plan leaves them.
#[utoipa::path(patch, path = "/api/admin/plan", tag = "admin", operation_id = "changePlan",
    request_body = PlanChange,
    responses((status = 200, description = "The plan as it is now", body = Plan)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Operator(principal): Operator,
    body::Json(request): body::Json<PlanChange>,
) -> Result<Json<Plan>, Problem> {
    let PlanChange { limits, per_minute, log_days, log_bytes_per_day, conversation_days } = request;
    let newer = Overrides { limits, per_minute, log_days, log_bytes_per_day, conversation_days };
    let plan = plan::change(&app, principal.organization, newer).await?;
    Ok(Json(Plan::at(plan, app.clock.now())))
}
