//! `/api/admin/alerts`: lists the alerts, and resolves one.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    alert::{AlertKind, AlertState, Severity},
    connector::failure_reason::FailureReason,
    id::{AlertId, ConnectionId},
    time::Timestamp,
};
use resly_service::App;
use resly_store::AlertQuery;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    guard::Admin,
    openapi_enums,
    pagination::{self, Page},
    problem::Problem,
    query::{FromQuery, Parameters, Query},
};

pub struct AlertParameters {
    state: Option<AlertState>,
    connection: Option<ConnectionId>,
    page: Page,
}

impl FromQuery for AlertParameters {
    fn from_query(parameters: &mut Parameters) -> Self {
        Self {
            state: parameters.choice("state", &AlertState::ALL, AlertState::name),
            connection: parameters.id("connection"),
            page: Page::from_query(parameters),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Alert {
    #[schema(value_type = String, format = "uuid")]
    id: AlertId,
    #[schema(required, value_type = Option<String>, format = "uuid")]
    connection: Option<ConnectionId>,
    #[schema(value_type = openapi_enums::AlertKind)]
    kind: AlertKind,
    #[schema(value_type = openapi_enums::Severity)]
    severity: Severity,
    #[schema(value_type = openapi_enums::AlertState)]
    state: AlertState,
    title: String,
    /// What happened.
    #[schema(required)]
    message: Option<String>,
    /// As in the log.
    #[schema(required, value_type = Option<openapi_enums::Reason>)]
    reason: Option<FailureReason>,
    /// What an admin does next.
    what_to_do: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    resolved_at: Option<Timestamp>,
}

impl From<resly_store::Alert> for Alert {
    fn from(alert: resly_store::Alert) -> Self {
        let resly_store::Alert { id, connection, kind, severity, state, title, message, .. } = alert;
        let resly_store::Alert { reason, created_at, resolved_at, .. } = alert;
        let what_to_do = kind.advice(reason);
        Self { id, connection, kind, severity, state, title, message, reason, what_to_do, created_at, resolved_at }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Alerts {
    alerts: Vec<Alert>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
}

/// The alerts, newest first.
#[utoipa::path(get, path = "/api/admin/alerts", tag = "admin", operation_id = "listAlerts",
    params(
        ("state" = Option<String>, Query, description = "`open` or `resolved`"),
        ("connection" = Option<String>, Query, description = "Only this connection's"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "A page, newest first", body = Alerts)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(AlertParameters { state, connection, page }): Query<AlertParameters>,
) -> Result<Json<Alerts>, Problem> {
    let query = AlertQuery { state, connection, before: page.before, limit: page.limit + 1 };
    let mut found = app.store.alerts(principal.organization, query).await?;
    let more = pagination::cut(&mut found, page.limit);
    let next = pagination::next(&found, more, |alert| (alert.created_at, alert.id.0));
    Ok(Json(Alerts { alerts: found.into_iter().map(Alert::from).collect(), next }))
}

/// Resolves an alert. It is raised again when its cause returns.
#[utoipa::path(post, path = "/api/admin/alerts/{id}/resolve", tag = "admin", operation_id = "resolveAlert",
    params(("id" = String, Path, description = "The alert's id")),
    responses((status = 200, description = "The alert as it is now", body = Alert)))]
pub async fn resolve(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<Json<Alert>, Problem> {
    let missing = || Problem::not_found("there is no such alert");
    let id: AlertId = id.parse().map_err(|_| missing())?;
    let resolved = app.store.resolve_alert(principal.organization, id, app.clock.now()).await?;
    Ok(Json(resolved.ok_or_else(missing)?.into()))
}
