//! `GET /api/admin/usage`: what was used this month, and where it ends.

use std::sync::Arc;

use axum::{Json, extract::State};
use resly_core::meter::UsageReport;

use crate::{
    app::App,
    http::{
        guard::Admin,
        problem::Problem,
        query::{Nothing, Query},
    },
};

/// The month's meters: `{period, meters, sandbox}`.
#[utoipa::path(get, path = "/api/admin/usage", tag = "admin", operation_id = "getUsage",
    responses((status = 200, description = "The meters", body = crate::http::schema::Usage)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<Nothing>,
) -> Result<Json<UsageReport>, Problem> {
    Ok(Json(app.store.usage(principal.organization, app.clock.now()).await?))
}
