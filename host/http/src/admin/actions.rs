//! `/api/admin/connections/{id}/actions/{action}` and `…/test`: manual calls.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    connector::{connection::Environment, fault::FaultKind},
    principal::Principal,
};
use resly_service::{
    App,
    actions::{self, ManualCallReport, ManualCaller},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::connections;
use crate::{
    body,
    guard::Admin,
    log_line::LogLine,
    openapi_enums,
    problem::{Problem, call_problem},
    query::{FromQuery, Parameters, Query},
};

/// The result of a call.
#[derive(Serialize, ToSchema)]
pub struct ActionResult {
    output: Value,
    fuel: u64,
    http_calls: u32,
    duration_ms: f64,
    /// A model is told the lines of level `warn` together with the output.
    log: Vec<LogLine>,
    /// `sandbox`: the output is sample data from the connector's fixtures.
    #[schema(value_type = openapi_enums::Environment)]
    environment: Environment,
}

#[derive(Default, Serialize, ToSchema)]
pub struct TestResult {
    ok: bool,
    /// `sandbox`: nothing was asked of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi_enums::Environment>)]
    environment: Option<Environment>,
    /// As in the log; `no_test` when the manifest names no action to test with.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What an admin does next.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_to_do: Option<&'static str>,
    /// The fault's kind: finer than the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<openapi_enums::FaultKind>)]
    fault: Option<FaultKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Whether the same request may succeed soon.
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<f64>,
    /// Hints about a passed test, for example that a mapping found nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// The visitor whose account a manual call uses, if each visitor has one.
pub struct AccountOwner {
    visitor: Option<String>,
}

impl FromQuery for AccountOwner {
    fn from_query(parameters: &mut Parameters) -> Self {
        Self { visitor: parameters.text("visitor") }
    }
}

pub(super) fn caller(principal: &Principal, visitor: Option<String>) -> ManualCaller {
    ManualCaller { organization: principal.organization, key: Some(principal.key), visitor }
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
    let by = caller(&principal, whose.visitor);
    let ManualCallReport { report, environment } =
        actions::call(&app, by, connections::parse(&id)?, action, input).await?;
    match report.result {
        Ok(output) => Ok(Json(ActionResult {
            output,
            fuel: report.cost.fuel,
            http_calls: report.cost.http_calls,
            duration_ms: report.cost.duration_ms(),
            log: LogLine::all(report.log),
            environment,
        })),
        Err(ref fault) => Err(call_problem(fault, &report)),
    }
}

/// Calls the action that the connector's manifest names as its test.
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
    let tested = actions::test(&app, caller(&principal, whose.visitor), connections::parse(&id)?).await?;
    let Some(ManualCallReport { report, environment }) = tested else {
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
            environment: Some(environment),
            duration_ms,
            notes: report.notes(),
            ..TestResult::default()
        },
        Err(fault) => {
            let reason = fault.kind.reason();
            TestResult {
                reason: Some(reason.name()),
                what_to_do: Some(fault.advice()),
                fault: Some(fault.kind),
                message: Some(fault.for_admin()),
                retryable: Some(fault.retryable),
                duration_ms,
                ..TestResult::default()
            }
        }
    }))
}
