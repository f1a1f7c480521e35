//! `/api/admin/plan`: what the organization may use. An admin reads it, an operator sets what holds beside the plan.

use std::sync::Arc;

use axum::{Json, extract::State};
use resly_service::{App, plan};

use crate::{
    body,
    guard::{Admin, Operator},
    plan_terms::OwnTerms,
    plan_view::Plan,
    problem::Problem,
    query::{NoParameters, Query},
};

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

/// Sets terms of the organization's own, which hold from the next request on: limits, and how long logs and conversations are
/// kept. What isn't named stays. A change of the plan leaves them.
#[utoipa::path(patch, path = "/api/admin/plan", tag = "admin", operation_id = "changePlan",
    request_body = OwnTerms,
    responses((status = 200, description = "The plan as it is now", body = Plan)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Operator(principal): Operator,
    body::Json(mut newer): body::Json<OwnTerms>,
) -> Result<Json<Plan>, Problem> {
    let plan = plan::change(&app, principal.organization, newer.take_terms()).await?;
    Ok(Json(Plan::at(plan, app.clock.now())))
}
