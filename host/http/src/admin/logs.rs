//! `GET /api/admin/logs`: the connector calls, newest first.

use std::sync::Arc;

use axum::{Json, extract::State};
use resly_core::{
    connector::{
        call::{CallRecord, CallStatus},
        connection::{CallerKind, Environment},
        failure_reason::FailureReason,
    },
    id::{CallId, ConnectionId, ConversationId, KeyId},
    time::Timestamp,
};
use resly_service::{App, logs};
use resly_store::LogQuery;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    guard::Admin,
    log_line::LogLine,
    openapi_enums,
    pagination::{self, Page},
    problem::Problem,
    query::{FromQuery, Parameters, Query},
};

/// The longest text that is searched for, in characters.
const LONGEST: usize = 200;

/// A call of a connector.
#[derive(Serialize, ToSchema)]
pub struct LoggedCall {
    #[schema(value_type = String, format = "uuid")]
    id: CallId,
    #[schema(value_type = String, format = "uuid")]
    connection: ConnectionId,
    connector: String,
    version: String,
    action: String,
    #[schema(value_type = openapi_enums::Environment)]
    environment: Environment,
    #[schema(value_type = openapi_enums::CallerKind)]
    caller: CallerKind,
    #[schema(required, value_type = Option<String>, format = "uuid")]
    key: Option<KeyId>,
    /// Also when the key has been deleted.
    #[schema(required)]
    key_name: Option<String>,
    #[schema(required, value_type = Option<String>, format = "uuid")]
    conversation: Option<ConversationId>,
    /// `ok`, or the fault's kind.
    #[schema(value_type = String)]
    status: CallStatus,
    /// Why it failed.
    #[schema(required, value_type = Option<openapi_enums::Reason>)]
    reason: Option<FailureReason>,
    /// What an admin does next.
    #[schema(required)]
    what_to_do: Option<&'static str>,
    #[schema(required)]
    message: Option<String>,
    /// Answered from the host's memory: the service wasn't called.
    cached: bool,
    fuel: u64,
    http_calls: u32,
    response_bytes: u64,
    duration_ms: f64,
    log: Vec<LogLine>,
    /// Each with `method`, `host`, `path` and how it ended; never a query, a header or a body.
    #[schema(value_type = Vec<BTreeMap<String, Value>>)]
    requests: Vec<Value>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<resly_store::LoggedCall> for LoggedCall {
    fn from(resly_store::LoggedCall { call, key_name }: resly_store::LoggedCall) -> Self {
        let CallRecord { id, connection, connector, version, action, environment, caller, key, .. } = call;
        let CallRecord { conversation, status, reason, message, cached, cost, log, requests, created_at, .. } = call;
        Self {
            id,
            connection,
            connector,
            version,
            action,
            environment,
            caller,
            key,
            key_name,
            conversation,
            status,
            reason,
            what_to_do: reason.map(FailureReason::advice),
            message,
            cached,
            fuel: cost.fuel,
            http_calls: cost.http_calls,
            response_bytes: cost.response_bytes,
            duration_ms: cost.duration_ms(),
            log: LogLine::all(log),
            requests,
            created_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Logs {
    logs: Vec<LoggedCall>,
    /// `before` of the next page; `null` on the last.
    #[schema(required)]
    next: Option<String>,
    today: LogDays,
}

/// How much of its budget the log has used today.
#[derive(Serialize, ToSchema)]
pub struct LogDays {
    sandbox: LogDay,
    production: LogDay,
}

#[derive(Serialize, ToSchema)]
pub struct LogDay {
    bytes: u64,
    /// When it is used up, calls are left out or shortened.
    limit: u64,
    /// How many calls were left out or shortened.
    left_out: u64,
}

impl From<resly_store::LogDay> for LogDay {
    fn from(day: resly_store::LogDay) -> Self {
        let resly_store::LogDay { bytes, limit, left_out, .. } = day;
        Self { bytes, limit, left_out }
    }
}

/// The log of connector calls. It holds no query, header, body or credential.
#[utoipa::path(get, path = "/api/admin/logs", tag = "admin", operation_id = "listLogs",
    params(
        ("connection" = Option<String>, Query, description = "Only this connection's"),
        ("connector" = Option<String>, Query, description = "Only this connector's, by id"),
        ("action" = Option<String>, Query, description = "Only this action's, by id"),
        ("status" = Option<String>, Query, description = "`ok`, or a fault's kind"),
        ("reason" = Option<String>, Query, description = "`request_configuration`, `needs_auth`, `upstream`, `rate_limited`, `mapping`, `denied`, `limit` or `internal`"),
        ("environment" = Option<String>, Query, description = "`sandbox` or `production`"),
        ("caller" = Option<String>, Query, description = "`admin`, `chat` or `health`"),
        ("key" = Option<String>, Query, description = "Only calls with this key, by id"),
        ("conversation" = Option<String>, Query, description = "Only this conversation's"),
        ("from" = Option<String>, Query, description = "RFC 3339: not before then"),
        ("to" = Option<String>, Query, description = "RFC 3339: before then"),
        ("q" = Option<String>, Query, description = "A text in the message, a log line, or a request's host or path"),
        ("before" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 200; 50 when absent. A page ends earlier when its calls hold more than 2 MiB"),
    ),
    responses((status = 200, description = "A page, newest first", body = Logs)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(query): Query<LogQuery>,
) -> Result<Json<Logs>, Problem> {
    let logs::Logs { page, today: [sandbox, production] } = logs::list(&app, principal.organization, query).await?;
    let next = page.next().map(pagination::encode);
    let logs = page.calls.into_iter().map(LoggedCall::from).collect();
    Ok(Json(Logs { logs, next, today: LogDays { sandbox: sandbox.into(), production: production.into() } }))
}

impl FromQuery for LogQuery {
    fn from_query(parameters: &mut Parameters) -> Self {
        let statuses: Vec<CallStatus> = CallStatus::all().collect();
        let short = |text: &str| (text.chars().count() <= LONGEST).then(|| text.to_owned());
        let query = Self {
            connection: parameters.id("connection"),
            connector: parameters.text("connector"),
            action: parameters.text("action"),
            status: parameters.choice("status", &statuses, CallStatus::name),
            reason: parameters.choice("reason", &FailureReason::ALL, FailureReason::name),
            environment: parameters.choice("environment", &Environment::ALL, Environment::name),
            caller: parameters.choice("caller", &CallerKind::ALL, CallerKind::name),
            key: parameters.id("key"),
            conversation: parameters.id("conversation"),
            from: parameters.time("from"),
            to: parameters.time("to"),
            text: parameters
                .parsed("q", short, &format!("a text of {LONGEST} characters at most"))
                .filter(|text| !text.trim().is_empty()),
            ..Self::default()
        };
        let Page { before, limit } = Page::from_query(parameters);
        Self { before, limit, ..query }
    }
}
