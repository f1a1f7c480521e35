//! `/api/admin/plan`: the organization's limits. An admin reads them, an operator sets them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use resly_core::{meter::Meter, time::Timestamp};
use resly_service::{
    App,
    plan::{self, PlanPatch},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::connections::present;
use crate::{
    body,
    guard::{Admin, Operator},
    openapi_enums,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanChange {
    /// By meter; `null` is unlimited. What isn't named stays. A limit on a model's tokens refuses the next question once it
    /// is reached; an answer that is running then is finished, and may go past it.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<openapi_enums::Meter, Option<u64>>>)]
    limits: BTreeMap<Meter, Option<u64>>,
    /// For how many days the log of connector calls is kept: 1 to 3,650.
    log_days: Option<u32>,
    /// How many bytes a day the log takes in each environment before it is sampled: 1 MiB to 1 TiB.
    log_bytes_per_day: Option<u64>,
    /// After how many days a conversation that nobody continued is deleted: 1 to 3,650. `null` keeps it for ever.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    conversation_days: Option<Option<u32>>,
}

#[derive(Serialize, ToSchema)]
pub struct Plan {
    name: String,
    /// By meter, for a month; `null` is unlimited.
    #[schema(value_type = BTreeMap<openapi_enums::Meter, Option<u64>>)]
    limits: BTreeMap<Meter, Option<u64>>,
    /// For how many days the log of connector calls is kept.
    log_days: u32,
    /// How many bytes a day the log takes in each environment before it is sampled.
    log_bytes_per_day: u64,
    /// After how many days a conversation that nobody continued is deleted; `null` keeps it for ever.
    #[schema(required)]
    conversation_days: Option<u32>,
    /// From then on chats and searches are refused.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    subscription_ends_at: Option<Timestamp>,
}

impl From<resly_store::Plan> for Plan {
    fn from(plan: resly_store::Plan) -> Self {
        let resly_store::Plan { name, limits, log_days, log_bytes_per_day, conversation_days, subscription_ends_at } =
            plan;
        let limits = Meter::ALL.into_iter().map(|meter| (meter, limits.get(&meter).copied())).collect();
        Self { name, limits, log_days, log_bytes_per_day, conversation_days, subscription_ends_at }
    }
}

/// The plan and its limits.
#[utoipa::path(get, path = "/api/admin/plan", tag = "admin", operation_id = "getPlan",
    responses((status = 200, description = "The plan", body = Plan)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Plan>, Problem> {
    Ok(Json(app.store.plan(principal.organization).await?.into()))
}

/// Sets limits, which hold from the next request on, and how long logs and conversations are kept.
#[utoipa::path(patch, path = "/api/admin/plan", tag = "admin", operation_id = "changePlan",
    request_body = PlanChange,
    responses((status = 200, description = "The plan as it is now", body = Plan)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Operator(principal): Operator,
    body::Json(request): body::Json<PlanChange>,
) -> Result<Json<Plan>, Problem> {
    let PlanChange { limits, log_days, log_bytes_per_day, conversation_days } = request;
    let patch = PlanPatch { limits, log_days, log_bytes_per_day, conversation_days };
    Ok(Json(plan::change(&app, principal.organization, patch).await?.into()))
}
