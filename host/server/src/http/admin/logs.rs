//! `GET /api/admin/logs`: the connector calls, newest first.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
};
use resly_core::{connector::connection::CallRecord, id::ConnectionId, time::Timestamp};
use resly_store::LogQuery;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    http::{guard::Admin, page, problem::Problem},
};

#[derive(Deserialize)]
pub struct LogParameters {
    connection: Option<String>,
    status: Option<String>,
    before: Option<String>,
    limit: Option<String>,
}

/// The log of connector calls. It holds no query, header, body or credential.
#[utoipa::path(get, path = "/api/admin/logs", tag = "admin", operation_id = "listLogs",
    params(
        ("connection" = Option<String>, Query, description = "Only this connection's"),
        ("status" = Option<String>, Query, description = "`ok`, or a fault's kind"),
        ("before" = Option<String>, Query, description = "RFC 3339: only older ones; `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent"),
    ),
    responses((status = 200, description = "`{logs: [...], next}`", body = Object),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(parameters): Query<LogParameters>,
) -> Result<Json<Value>, Problem> {
    let connection: Option<ConnectionId> = match &parameters.connection {
        Some(id) => Some(id.parse().map_err(|_| Problem::not_found("there is no such connection"))?),
        None => None,
    };
    let page = page::read(parameters.before.as_deref(), parameters.limit.as_deref())?;
    let query = LogQuery { connection, status: parameters.status, before: page.before, limit: page.limit };
    let records = app.store.logs(principal.organization, query).await?;
    let next: Option<Timestamp> =
        records.last().filter(|_| records.len() as u64 == u64::from(page.limit)).map(|record| record.created_at);
    let logs: Vec<Value> = records.iter().map(view).collect();
    Ok(Json(json!({"logs": logs, "next": next})))
}

pub(super) fn view(record: &CallRecord) -> Value {
    json!({
        "id": record.id, "connection": record.connection, "connector": record.connector, "action": record.action,
        "environment": record.environment, "key": record.key, "conversation": record.conversation,
        "status": record.status, "message": record.message, "fuel": record.cost.fuel,
        "http_calls": record.cost.http_calls, "response_bytes": record.cost.response_bytes,
        "duration_ms": super::actions::milliseconds(record.cost.duration_us), "log": record.log,
        "requests": record.requests, "created_at": record.created_at,
    })
}
