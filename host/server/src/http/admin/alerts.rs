//! `/api/admin/alerts`: what an admin has to hear of.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{alert::AlertState, id::AlertId};
use resly_store::{Alert, AlertQuery};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    http::{
        guard::Admin,
        page,
        problem::Problem,
        query::{self, Query},
    },
};

#[derive(Deserialize)]
pub struct AlertParameters {
    state: Option<String>,
    connection: Option<String>,
    before: Option<String>,
    limit: Option<String>,
}

/// The alerts, newest first.
#[utoipa::path(get, path = "/api/admin/alerts", tag = "admin", operation_id = "listAlerts",
    params(
        ("state" = Option<String>, Query, description = "`open` or `resolved`"),
        ("connection" = Option<String>, Query, description = "Only this connection's"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "`{alerts: [...], next}`", body = Object)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(parameters): Query<AlertParameters>,
) -> Result<Json<Value>, Problem> {
    let page = page::read(parameters.before.as_deref(), parameters.limit.as_deref())?;
    let query = AlertQuery {
        state: query::choice("state", parameters.state.as_deref(), &AlertState::ALL, AlertState::name)?,
        connection: query::id_or_time("connection", parameters.connection.as_deref())?,
        before: page.before,
        limit: page.limit + 1,
    };
    let mut found = app.store.alerts(principal.organization, query).await?;
    let more = page::cut(&mut found, page.limit);
    let next = page::next(&found, more, |alert| (alert.created_at, alert.id.0));
    let alerts: Vec<Value> = found.iter().map(view).collect();
    Ok(Json(json!({"alerts": alerts, "next": next})))
}

/// Takes an alert off the list of open ones. It comes back when its cause does.
#[utoipa::path(post, path = "/api/admin/alerts/{id}/resolve", tag = "admin", operation_id = "resolveAlert",
    params(("id" = String, Path, description = "The alert's id")),
    responses((status = 200, description = "The alert as it is now", body = Object)))]
pub async fn resolve(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let missing = || Problem::not_found("there is no such alert");
    let id: AlertId = id.parse().map_err(|_| missing())?;
    let resolved = app.store.resolve_alert(principal.organization, id, app.clock.now()).await?;
    Ok(Json(view(&resolved.ok_or_else(missing)?)))
}

fn view(alert: &Alert) -> Value {
    json!({
        "id": alert.id, "connection": alert.connection, "kind": alert.kind, "severity": alert.severity,
        "state": alert.state, "title": alert.title, "message": alert.message, "reason": alert.reason,
        "what_to_do": alert.kind.what_to_do(alert.reason), "created_at": alert.created_at,
        "resolved_at": alert.resolved_at,
    })
}
