//! One call's story: who asked, what was sent to where, what came, what it cost, and what to do about it.

use axum::extract::{Path, State};
use maud::{Markup, html};
use resly_core::connector::{
    call::{CallRecord, CallStatus},
    sandbox::{LogLevel, LogLine},
};
use resly_http::Api;
use resly_service::logs::{self, CallStory};
use resly_store::LoggedCall;
use serde_json::Value;

use super::words;
use crate::{
    access::Viewer,
    error::{PageError, sentence},
    frame::Page,
    parts::{Table, Tone, badge, facts, when},
};

pub async fn page(Viewer(member): Viewer, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    let missing = || PageError::missing("There is no such call. Calls are kept for as many days as the plan says.");
    let id = id.parse().map_err(|_| missing())?;
    let story = logs::find(&api.app, member.session.organization, id).await?.ok_or_else(missing)?;
    let call = &story.logged.call;
    let title = format!("{} · {}", story.connection.as_deref().unwrap_or(&call.connector), call.action);
    let body = html! {
        section class="panel" { h2 { "The call" } (facts(&told(&story))) }
        @if let Some(advice) = advice(call) { (advice) }
        section class="panel" { h2 { "What was sent, and what came" } (requests(call)) }
        section class="panel" { h2 { "What the connector logged" } (lines(&call.log)) }
    };
    Ok(Page::new(member, title, body).above("/console/logs", "Logs").lead(words::result(call)))
}

fn told(story: &CallStory) -> Vec<(&'static str, Markup)> {
    let CallStory { logged: LoggedCall { call, key_name }, connection, visitor } = story;
    let mut told = vec![("When", when(call.created_at)), ("Asked by", html! { (words::caller(call.caller)) })];
    if let Some(conversation) = call.conversation {
        told.push(("Conversation", html! { a href={ "/console/conversations/" (conversation) } { (conversation) } }));
    }
    if let Some(visitor) = visitor {
        told.push(("Visitor", html! { (visitor) }));
    }
    if call.key.is_some() {
        told.push(("Key", html! { (key_name.as_deref().unwrap_or("deleted")) }));
    }
    let connection = match connection {
        Some(name) => html! { a href={ "/console/connections/" (call.connection) } { (name) } },
        None => html! { "deleted" },
    };
    told.extend([
        ("Connection", connection),
        ("Connector", html! { a href={ "/console/connectors/" (call.connector) "/versions" } { (call.connector) } " " (call.version) }),
        ("Environment", html! { (call.environment.name()) }),
        ("Time", html! { (format!("{:.1} ms", call.cost.duration_ms())) }),
        ("Fuel", html! { (call.cost.fuel) }),
        ("HTTP calls", html! { (call.cost.http_calls) }),
        ("Bytes read", html! { (call.cost.response_bytes) }),
        ("Id", html! { code { (call.id) } }),
    ]);
    if call.cached {
        told.push(("Answered from", html! { "the host's memory; the service wasn't called" }));
    }
    told
}

/// What happened and what to do next, of a call that failed.
fn advice(call: &CallRecord) -> Option<Markup> {
    let CallStatus::Failed(kind) = call.status else { return None };
    Some(html! {
        section class="panel" {
            h2 { "What went wrong, and what to do" }
            p { strong { (kind.name()) } @if let Some(message) = &call.message { ": " (sentence(message)) } }
            @if let Some(reason) = call.reason {
                p { (reason.advice()) }
                p { a href={ "/console/logs?connection=" (call.connection) "&result=" (reason.name()) } { "Calls that failed alike" } }
            }
        }
    })
}

fn requests(call: &CallRecord) -> Markup {
    if call.requests.is_empty() {
        let why = if call.cached { "The answer was remembered." } else { "The call ended before a request was sent." };
        return html! { p class="quiet" { (why) } };
    }
    let mut table = Table::new("Requests, in their order", &["Request", "Answer"]);
    for request in &call.requests {
        let text = |member: &str| request.get(member).and_then(Value::as_str).unwrap_or_default();
        let answer = match (request.get("status").and_then(Value::as_u64), text("error")) {
            (Some(status), _) => status_badge(status),
            (None, error) => html! { (badge(Tone::Bad, "no answer")) " " (error) },
        };
        table.row(vec![html! { code { (text("method")) " " (text("host")) (text("path")) } }, answer]);
    }
    html! {
        p class="hint" { "Queries, headers, bodies and credentials are left out." }
        (table.draw())
    }
}

fn status_badge(status: u64) -> Markup {
    let tone = match status {
        0..400 => Tone::Good,
        400..500 => Tone::Warn,
        _ => Tone::Bad,
    };
    badge(tone, &status.to_string())
}

fn lines(log: &[LogLine]) -> Markup {
    if log.is_empty() {
        return html! { p class="quiet" { "Nothing." } };
    }
    html! {
        ol class="log" {
            @for LogLine { level, message } in log { li { (level_badge(*level)) " " code { (message) } } }
        }
    }
}

fn level_badge(level: LogLevel) -> Markup {
    match level {
        LogLevel::Debug => badge(Tone::Quiet, "debug"),
        LogLevel::Info => badge(Tone::Quiet, "info"),
        LogLevel::Warn => badge(Tone::Warn, "warn"),
        LogLevel::Error => badge(Tone::Bad, "error"),
    }
}
