//! `GET /api/admin/usage`: what was used this month, and where it ends.

use std::sync::Arc;

use axum::{Json, extract::State};
use resly_core::meter::UsageReport;
use resly_service::App;

use crate::{
    guard::Admin,
    problem::Problem,
    query::{Nothing, Query},
};

/// The month's meters: `{period, meters, sandbox}`.
#[utoipa::path(get, path = "/api/admin/usage", tag = "admin", operation_id = "getUsage",
    responses((status = 200, description = "The meters", body = crate::schema::Usage),
        (status = "default", description = "A problem (RFC 9457)", body = crate::schema::Problem, content_type = "application/problem+json")))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<Nothing>,
) -> Result<Json<UsageReport>, Problem> {
    Ok(Json(app.store.usage(principal.organization, app.clock.now()).await?))
}
