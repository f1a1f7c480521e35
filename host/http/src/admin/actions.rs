//! `/api/admin/connections/{id}/actions/{action}` and `…/test`: a call by hand.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    connector::{
        call::{CallReport, CallRequest, Caller},
        connection::{Connection, Environment},
        fault::FaultKind,
    },
    id::KeyId,
};
use resly_service::App;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{connections, logs::LogLine};
use crate::{
    body,
    guard::Admin,
    names,
    problem::{Problem, call_problem},
    query::Query,
};

/// How long an answer waits for what is noted beside it.
const NOTE_TIME: Duration = Duration::from_secs(5);

/// What a call gave.
#[derive(Serialize, ToSchema)]
pub struct ActionResult {
    output: Value,
    fuel: u64,
    http_calls: u32,
    duration_ms: f64,
    /// Those of level `warn` are what a model is told beside the output.
    log: Vec<LogLine>,
    /// `sandbox`: the output is sample data from the connector's fixtures.
    #[schema(value_type = names::Environment)]
    environment: Environment,
}

#[derive(Default, Serialize, ToSchema)]
pub struct TestResult {
    ok: bool,
    /// `sandbox`: nothing was asked of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<names::Environment>)]
    environment: Option<Environment>,
    /// As in the log; `no_test` when the manifest names no action to test with.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What an admin does next.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_to_do: Option<&'static str>,
    /// The fault's kind: finer than the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<names::FaultKind>)]
    fault: Option<FaultKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Whether the same may work in a moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<f64>,
    /// What to look at although it passed, such as a mapping that found nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// Whose account a call by hand uses, where each visitor has one.
#[derive(Deserialize)]
pub struct AccountOwner {
    visitor: Option<String>,
}

/// Who calls by hand, and with whose account.
pub struct ManualCaller {
    pub key: KeyId,
    pub visitor: Option<String>,
}

/// Calls an action with the body as its input.
#[utoipa::path(post, path = "/api/admin/connections/{id}/actions/{action}", tag = "admin", operation_id = "callAction",
    params(("id" = String, Path, description = "The connection's id"), ("action" = String, Path, description = "The action's id"),
        ("visitor" = Option<String>, Query, description = "Whose account, where each visitor has one")),
    request_body(content = BTreeMap<String, Value>, description = "The action's input"),
    responses((status = 200, description = "What it gave", body = ActionResult)))]
pub async fn call(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path((id, action)): Path<(String, String)>,
    Query(whose): Query<AccountOwner>,
    body::Json(input): body::Json<Value>,
) -> Result<Json<ActionResult>, Problem> {
    let connection = connections::find(&app, &principal, &id).await?;
    let by = ManualCaller { key: principal.key, visitor: whose.visitor };
    let report = run(&app, by, &connection, action, input).await?;
    match report.result {
        Ok(output) => Ok(Json(ActionResult {
            output,
            fuel: report.cost.fuel,
            http_calls: report.cost.http_calls,
            duration_ms: report.cost.duration_ms(),
            log: LogLine::all(report.log),
            environment: connection.environment,
        })),
        Err(ref fault) => Err(call_problem(fault, &report)),
    }
}

/// Calls the action that the connector's manifest names for this.
#[utoipa::path(post, path = "/api/admin/connections/{id}/test", tag = "admin", operation_id = "testConnection",
    params(("id" = String, Path, description = "The connection's id"),
        ("visitor" = Option<String>, Query, description = "Whose account, where each visitor has one")),
    responses((status = 200, description = "How it went", body = TestResult)))]
pub async fn test(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    Query(whose): Query<AccountOwner>,
) -> Result<Json<TestResult>, Problem> {
    let connection = connections::find(&app, &principal, &id).await?;
    let by = ManualCaller { key: principal.key, visitor: whose.visitor };
    let Some(report) = tested(&app, by, &connection).await? else {
        return Ok(Json(TestResult {
            reason: Some("no_test"),
            message: Some(
                "this connector's manifest names no action to test with; call one of its actions instead".to_owned(),
            ),
            ..TestResult::default()
        }));
    };
    let duration_ms = Some(report.cost.duration_ms());
    Ok(Json(match &report.result {
        Ok(_) => TestResult {
            ok: true,
            environment: Some(connection.environment),
            duration_ms,
            notes: report.notes(),
            ..TestResult::default()
        },
        Err(fault) => {
            let reason = fault.kind.reason();
            TestResult {
                reason: Some(reason.name()),
                what_to_do: Some(fault.what_to_do()),
                fault: Some(fault.kind),
                message: Some(fault.for_admin()),
                retryable: Some(fault.retryable),
                duration_ms,
                ..TestResult::default()
            }
        }
    }))
}

/// Calls the action that the manifest names as its test; `None` when it names none.
pub async fn tested(app: &App, by: ManualCaller, connection: &Connection) -> Result<Option<CallReport>, Problem> {
    let prepared = app.connectors.prepare(connection).await?;
    let Some(test) = prepared.installable.manifest.test.clone() else { return Ok(None) };
    run(app, by, connection, test.action, test.input).await.map(Some)
}

async fn run(
    app: &App,
    by: ManualCaller,
    connection: &Connection,
    action: String,
    input: Value,
) -> Result<CallReport, Problem> {
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
