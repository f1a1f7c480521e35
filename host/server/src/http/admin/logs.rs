//! `GET /api/admin/logs`: the connector calls, newest first.

use std::{str::FromStr, sync::Arc};

use axum::{
    Json,
    extract::{Query, State},
};
use resly_core::{
    connector::{
        connection::{CallerKind, Environment},
        reason::Reason,
    },
    time::Timestamp,
};
use resly_store::{LogQuery, LoggedCall};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    app::App,
    http::{
        guard::Admin,
        page,
        problem::{Problem, kinds},
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
    let query = query(parameters)?;
    let limit = u64::from(query.limit);
    let calls = app.store.logs(principal.organization, query).await?;
    let full = calls.len() as u64 == limit;
    let next: Option<Timestamp> = calls.last().filter(|_| full).map(|logged| logged.call.created_at);
    let logs: Vec<Value> = calls.iter().map(view).collect();
    Ok(Json(json!({"logs": logs, "next": next})))
}

fn query(parameters: LogParameters) -> Result<LogQuery, Problem> {
    let page = page::read(parameters.before.as_deref(), parameters.limit.as_deref())?;
    let to: Option<Timestamp> = parsed("to", parameters.to.as_deref())?;
    if parameters.q.as_ref().is_some_and(|text| text.chars().count() > LONGEST) {
        return Err(Problem::new(&kinds::INVALID_HEADER, format!("`q` has at most {LONGEST} characters")));
    }
    Ok(LogQuery {
        connection: parsed("connection", parameters.connection.as_deref())?,
        connector: parameters.connector,
        action: parameters.action,
        status: parameters.status,
        reason: named::<Reason>("reason", parameters.reason)?,
        environment: named::<Environment>("environment", parameters.environment)?,
        caller: named::<CallerKind>("caller", parameters.caller)?,
        key: parsed("key", parameters.key.as_deref())?,
        conversation: parsed("conversation", parameters.conversation.as_deref())?,
        from: parsed("from", parameters.from.as_deref())?,
        before: page.before.into_iter().chain(to).min(),
        text: parameters.q.filter(|text| !text.trim().is_empty()),
        limit: page.limit,
    })
}

/// An id or a time.
pub(super) fn parsed<T: FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let bad =
        |_| Problem::new(&kinds::INVALID_HEADER, format!("`{name}` can't be read: ids are UUIDs, times RFC 3339"));
    text.map(str::parse).transpose().map_err(bad)
}

/// One of a few names.
pub(super) fn named<T: DeserializeOwned>(name: &str, text: Option<String>) -> Result<Option<T>, Problem> {
    let bad = |error| Problem::new(&kinds::INVALID_HEADER, format!("`{name}`: {error}"));
    text.map(|text| serde_json::from_value(Value::String(text))).transpose().map_err(bad)
}

pub(super) fn view(LoggedCall { call, key_name }: &LoggedCall) -> Value {
    json!({
        "id": call.id, "connection": call.connection, "connector": call.connector, "version": call.version,
        "action": call.action, "environment": call.environment, "caller": call.caller, "key": call.key,
        "key_name": key_name, "conversation": call.conversation, "status": call.status, "reason": call.reason,
        "what_to_do": call.reason.map(Reason::what_to_do), "message": call.message, "cached": call.cached,
        "fuel": call.cost.fuel, "http_calls": call.cost.http_calls, "response_bytes": call.cost.response_bytes,
        "duration_ms": super::actions::milliseconds(call.cost.duration_us), "log": call.log,
        "requests": call.requests, "created_at": call.created_at,
    })
}
