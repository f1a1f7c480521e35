//! `/api/operator/plans`: the plans that organizations can have.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use resly_core::plan::PlanId;
use resly_service::{App, plans};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::Plan;
use crate::{
    body,
    guard::Operator,
    plan_terms::{NewPlanRequest, PlanUpdate},
    problem::Problem,
    query::{NoParameters, Query},
};

impl From<NewPlanRequest> for plans::PlanSpec {
    fn from(mut request: NewPlanRequest) -> Self {
        let terms = request.take_terms();
        let NewPlanRequest { id, title, features, .. } = request;
        Self { id, title, terms, features }
    }
}

impl From<PlanUpdate> for plans::PlanChange {
    fn from(mut update: PlanUpdate) -> Self {
        let terms = update.take_terms();
        let PlanUpdate { title, features, retired, .. } = update;
        Self { title, terms, features, retired }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Plans {
    plans: Vec<Plan>,
}

/// Makes a plan. What isn't named is unlimited; logs are kept for 30 days, 64 MiB a day.
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

/// Changes a plan, for its organizations too. What isn't named stays. Limits hold from their next request on, features
/// within a second. What an operator set for one organization goes before.
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
