//! `/api/operator/plans`: the plans that organizations can have.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::{
    meter::Meter,
    plan::{Overrides, PlanId},
};
use resly_service::{App, plans};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::Plan;
use crate::{
    body,
    guard::Operator,
    openapi_enums,
    present::present,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlanRequest {
    /// 1 to 40 lower-case letters, digits and `-`.
    id: String,
    /// For people; the id when absent.
    title: Option<String>,
    /// By meter, for a calendar month. What isn't named, or `null`, is unlimited.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
    limits: BTreeMap<Meter, Option<u64>>,
    /// By meter, within a minute. What isn't named, or `null`, is unlimited.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
    per_minute: BTreeMap<Meter, Option<u64>>,
    /// All, those of later releases too, when absent.
    #[schema(value_type = Option<Vec<openapi_enums::Feature>>)]
    features: Option<Vec<String>>,
    /// For how many days the log of connector calls is kept: 1 to 3,650; 30 when absent.
    log_days: Option<u32>,
    /// How many bytes a day the log takes in each environment before it is sampled: 1 MiB to 1 TiB; 64 MiB when absent.
    log_bytes_per_day: Option<u64>,
    /// After how many days a conversation that nobody continued is deleted: 1 to 3,650; `null` keeps it for ever.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    conversation_days: Option<Option<u32>>,
}

impl From<NewPlanRequest> for plans::PlanSpec {
    fn from(request: NewPlanRequest) -> Self {
        let NewPlanRequest { id, title, limits, per_minute, features, .. } = request;
        let NewPlanRequest { log_days, log_bytes_per_day, conversation_days, .. } = request;
        let terms = Overrides { limits, per_minute, log_days, log_bytes_per_day, conversation_days };
        Self { id, title, terms, features }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanUpdate {
    title: Option<String>,
    /// By meter, for a calendar month; `null` is unlimited. What isn't named stays.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
    limits: BTreeMap<Meter, Option<u64>>,
    /// By meter, within a minute; `null` is unlimited. What isn't named stays.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
    per_minute: BTreeMap<Meter, Option<u64>>,
    /// All of its features, in the place of those that it has; `null` is all that there are.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<openapi_enums::Feature>>)]
    features: Option<Option<Vec<String>>>,
    log_days: Option<u32>,
    log_bytes_per_day: Option<u64>,
    /// After how many days a conversation that nobody continued is deleted: 1 to 3,650; `null` keeps it for ever.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    conversation_days: Option<Option<u32>>,
    /// `true` keeps further organizations from it; those that have it keep it.
    retired: Option<bool>,
}

impl From<PlanUpdate> for plans::PlanChange {
    fn from(update: PlanUpdate) -> Self {
        let PlanUpdate { title, limits, per_minute, features, retired, .. } = update;
        let PlanUpdate { log_days, log_bytes_per_day, conversation_days, .. } = update;
        let terms = Overrides { limits, per_minute, log_days, log_bytes_per_day, conversation_days };
        Self { title, terms, features, retired }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Plans {
    plans: Vec<Plan>,
}

/// Makes a plan.
#[utoipa::path(post, path = "/api/operator/plans", tag = "operator", operation_id = "createPlan",
    request_body = NewPlanRequest,
    responses((status = 201, description = "The plan", body = Plan)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    body::Json(request): body::Json<NewPlanRequest>,
) -> Result<(StatusCode, Json<Plan>), Problem> {
    let plan = plans::create(&app.store, &*app.clock, request.into()).await?;
    Ok((StatusCode::CREATED, Json(plan.into())))
}

/// All plans, by their ids.
#[utoipa::path(get, path = "/api/operator/plans", tag = "operator", operation_id = "listPlans",
    responses((status = 200, description = "The plans", body = Plans)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    _: Query<NoParameters>,
) -> Result<Json<Plans>, Problem> {
    let plans = app.store.plans().await?;
    Ok(Json(Plans { plans: plans.into_iter().map(Plan::from).collect() }))
}

/// One plan.
#[utoipa::path(get, path = "/api/operator/plans/{id}", tag = "operator", operation_id = "getPlanDefinition",
    params(("id" = String, Path, description = "The plan's id")),
    responses((status = 200, description = "The plan", body = Plan)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    _: Query<NoParameters>,
    Path(id): Path<String>,
) -> Result<Json<Plan>, Problem> {
    Ok(Json(plans::get(&app.store, parse(&id)?).await?.into()))
}

/// Changes a plan, for its organizations too. Limits hold from their next request on, features within a second. What an
/// operator set for one organization goes before.
#[utoipa::path(patch, path = "/api/operator/plans/{id}", tag = "operator", operation_id = "updatePlan",
    params(("id" = String, Path, description = "The plan's id")),
    request_body = PlanUpdate,
    responses((status = 200, description = "The plan as it is now", body = Plan)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    Path(id): Path<String>,
    body::Json(update): body::Json<PlanUpdate>,
) -> Result<Json<Plan>, Problem> {
    Ok(Json(plans::change(&app.store, &*app.clock, parse(&id)?, update.into()).await?.into()))
}

/// A text that is no id looks like an id that doesn't exist.
fn parse(id: &str) -> Result<PlanId, Problem> {
    PlanId::parse(id).map_err(|_| Problem::not_found("there is no such plan"))
}
