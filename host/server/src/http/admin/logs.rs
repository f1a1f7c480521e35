//! `GET /api/admin/logs`: the connector calls, newest first.

use std::sync::Arc;

use axum::{Json, extract::State};
use resly_core::{
    connector::{
        connection::{CallerKind, Environment},
        reason::Reason,
        sandbox::FaultKind,
    },
    time::Timestamp,
};
use resly_store::{LogPage, LogQuery, LoggedCall};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    http::{
        guard::Admin,
        page,
        problem::Problem,
        query::{self, Query},
    },
};

/// The longest text that is searched for, in characters.
const LONGEST: usize = 200;

#[derive(Deserialize)]
pub struct LogParameters {
    connection: Option<String>,
    connector: Option<String>,
    action: Option<String>,
    status: Option<String>,
    reason: Option<String>,
    environment: Option<String>,
    caller: Option<String>,
    key: Option<String>,
    conversation: Option<String>,
    from: Option<String>,
    to: Option<String>,
    q: Option<String>,
    before: Option<String>,
    limit: Option<String>,
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
    responses((status = 200, description = "`{logs: [...], next, today}`; `today` has the bytes that the log took in each environment, their limit, and how many calls were left out or shortened beyond it", body = Object)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Query(parameters): Query<LogParameters>,
) -> Result<Json<Value>, Problem> {
    let LogPage { calls, more } = app.store.logs(principal.organization, query(parameters)?).await?;
    let next = page::next(&calls, more, |logged| (logged.call.created_at, logged.call.id.0));
    let logs: Vec<Value> = calls.iter().map(view).collect();
    let today = app.store.log_today(principal.organization, app.clock.now()).await?;
    let today: Map<String, Value> = today
        .iter()
        .map(|day| {
            let used = json!({"bytes": day.bytes, "limit": day.limit, "left_out": day.left_out});
            (day.environment.name().to_owned(), used)
        })
        .collect();
    Ok(Json(json!({"logs": logs, "next": next, "today": today})))
}

fn query(parameters: LogParameters) -> Result<LogQuery, Problem> {
    let page = page::read(parameters.before.as_deref(), parameters.limit.as_deref())?;
    let to: Option<Timestamp> = query::id_or_time("to", parameters.to.as_deref())?;
    if parameters.q.as_ref().is_some_and(|text| text.chars().count() > LONGEST) {
        return Err(query::wrong("q", &format!("has at most {LONGEST} characters")));
    }
    let statuses: Vec<&str> = ["ok"].into_iter().chain(FaultKind::ALL.map(FaultKind::name)).collect();
    let status = query::choice("status", parameters.status.as_deref(), &statuses, |name| name)?;
    let reason = query::choice("reason", parameters.reason.as_deref(), &Reason::ALL, Reason::name)?;
    let environment =
        query::choice("environment", parameters.environment.as_deref(), &Environment::ALL, Environment::name)?;
    let caller = query::choice("caller", parameters.caller.as_deref(), &CallerKind::ALL, CallerKind::name)?;
    Ok(LogQuery {
        connection: query::id_or_time("connection", parameters.connection.as_deref())?,
        connector: parameters.connector,
        action: parameters.action,
        status: status.map(str::to_owned),
        reason,
        environment,
        caller,
        key: query::id_or_time("key", parameters.key.as_deref())?,
        conversation: query::id_or_time("conversation", parameters.conversation.as_deref())?,
        from: query::id_or_time("from", parameters.from.as_deref())?,
        to,
        before: page.before,
        text: parameters.q.filter(|text| !text.trim().is_empty()),
        limit: page.limit,
    })
}

pub(super) fn view(LoggedCall { call, key_name }: &LoggedCall) -> Value {
    json!({
        "id": call.id, "connection": call.connection, "connector": call.connector, "version": call.version,
        "action": call.action, "environment": call.environment, "caller": call.caller, "key": call.key,
        "key_name": key_name, "conversation": call.conversation, "status": call.status, "reason": call.reason,
        "what_to_do": call.reason.map(Reason::what_to_do), "message": call.message, "cached": call.cached,
        "fuel": call.cost.fuel, "http_calls": call.cost.http_calls, "response_bytes": call.cost.response_bytes,
        "duration_ms": call.cost.duration_ms(), "log": call.log,
        "requests": call.requests, "created_at": call.created_at,
    })
}
