//! `/api/admin/connections/{id}/actions/{action}` and `…/test`: a call by hand.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    connector::{
        call::{CallReport, CallRequest, Caller},
        connection::Connection,
    },
    id::KeyId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::connections;
use crate::{
    app::App,
    http::{
        body,
        guard::Admin,
        problem::{Problem, call_problem},
        query::Query,
    },
};

/// How long an answer waits for what is noted beside it.
const NOTE_TIME: Duration = Duration::from_secs(5);

/// Whose account a call by hand uses, where each visitor has one.
#[derive(Deserialize)]
pub struct Whose {
    visitor: Option<String>,
}

/// Who calls by hand, and with whose account.
pub struct By {
    pub key: KeyId,
    pub visitor: Option<String>,
}

/// Calls an action with the body as its input.
#[utoipa::path(post, path = "/api/admin/connections/{id}/actions/{action}", tag = "admin", operation_id = "callAction",
    params(("id" = String, Path, description = "The connection's id"), ("action" = String, Path, description = "The action's id"),
        ("visitor" = Option<String>, Query, description = "Whose account, where each visitor has one")),
    request_body = Object,
    responses((status = 200, description = "`{output, fuel, http_calls, duration_ms, log}`", body = crate::http::schema::ActionResult)))]
pub async fn call(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, action)): Path<(String, String)>,
    Query(whose): Query<Whose>,
    body::Json(input): body::Json<Value>,
) -> Result<Json<Value>, Problem> {
    let connection = connections::find(&app, &principal, &id).await?;
    let by = By { key: principal.key, visitor: whose.visitor };
    let report = run(&app, by, &connection, action, input).await?;
    match &report.result {
        Ok(output) => Ok(Json(json!({
            "output": output,
            "fuel": report.cost.fuel,
            "http_calls": report.cost.http_calls,
            "duration_ms": report.cost.duration_ms(),
            "log": report.log,
            "environment": connection.environment,
        }))),
        Err(fault) => Err(call_problem(fault, &report)),
    }
}

/// Calls the action that the connector's manifest names for this.
#[utoipa::path(post, path = "/api/admin/connections/{id}/test", tag = "admin", operation_id = "testConnection",
    params(("id" = String, Path, description = "The connection's id"),
        ("visitor" = Option<String>, Query, description = "Whose account, where each visitor has one")),
    responses((status = 200, description = "`{ok: true, environment, duration_ms}` or `{ok: false, reason, what_to_do, message}`", body = crate::http::schema::TestResult)))]
pub async fn test(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<Value>, Problem> {
    let connection = connections::find(&app, &principal, &id).await?;
    let by = By { key: principal.key, visitor: whose.visitor };
    let Some(report) = tested(&app, by, &connection).await? else {
        return Ok(Json(json!({"ok": false, "reason": "no_test",
            "message": "this connector's manifest names no action to test with; call one of its actions instead"})));
    };
    let duration_ms = report.cost.duration_ms();
    Ok(Json(match &report.result {
        Ok(_) => json!({"ok": true, "environment": connection.environment, "duration_ms": duration_ms}),
        Err(fault) => {
            let reason = fault.kind.reason();
            json!({"ok": false, "reason": reason, "what_to_do": reason.what_to_do(), "fault": fault.kind,
                "message": fault.for_admin(), "retryable": fault.retryable, "duration_ms": duration_ms})
        }
    }))
}

/// Calls the action that the manifest names as its test; `None` when it names none.
pub async fn tested(app: &App, by: By, connection: &Connection) -> Result<Option<CallReport>, Problem> {
    let prepared = app.connectors.prepare(connection).await?;
    let Some(test) = prepared.installable.manifest.test.clone() else { return Ok(None) };
    run(app, by, connection, test.action, test.input).await.map(Some)
}

async fn run(app: &App, by: By, connection: &Connection, action: String, input: Value) -> Result<CallReport, Problem> {
    let request = CallRequest {
        organization: connection.organization,
        connection: connection.id,
        action,
        input: if input.is_null() { json!({}) } else { input },
        caller: Caller::Admin { key: by.key },
        visitor: by.visitor,
    };
    let report = app.connectors.call(request).await?;
    if report.result.is_ok() {
        // What the call gave is worth more than this note: a test can be made again.
        let noted = timeout(NOTE_TIME, app.store.set_connection_tested(connection, app.clock.now())).await;
        if !matches!(noted, Ok(Ok(_))) {
            tracing::warn!(connection = %connection.id, "that a connection passed a test could not be noted");
        }
    }
    Ok(report)
}
