//! The list of calls, newest first, with its filters.

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{connector::connection::Environment, id::ConnectionId};
use resly_http::{Api, pagination};
use resly_service::logs::{self, Logs};
use resly_store::{Cursor, LoggedCall};

use super::{
    filters::{self, Filters},
    words,
};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    parts::{Choice, Field, Table, Tone, badge, button, empty, pager, select, when},
};

/// The most characters of a message in the list.
const MESSAGE: usize = 140;

type Names = [(ConnectionId, String)];

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    RawQuery(raw): RawQuery,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let filters = Filters::read(&raw.unwrap_or_default());
    let names = logs::connections(&api.app, organization).await?;
    let found = match &filters.query {
        Some(query) => Some(logs::list(&api.app, organization, query.clone()).await?),
        None => None,
    };
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let body = html! {
        (form(&filters, &names))
        @if let Some(logs) = &found { (calls(&filters, &names, logs)) }
    };
    let page = Page::new(member, "Logs", body).status(status).lead(html! {
        "Every call of a connector: who asked, where it went, what came, and what to do when it failed. Queries, headers, \
         bodies and credentials are never logged."
    });
    Ok(page.into_response())
}

fn form(filters: &Filters, names: &Names) -> Markup {
    let ids: Vec<(String, &str)> = names.iter().map(|(id, name)| (id.to_string(), name.as_str())).collect();
    let connections: Vec<(&str, &str)> =
        [("", "All")].into_iter().chain(ids.iter().map(|(id, name)| (id.as_str(), *name))).collect();
    let field = |kind: &'static str, name: &'static str, label: &'static str| {
        let (value, error) = (filters.value(name), filters.mistake(name));
        Field { kind, name, label, value, error, ..Field::default() }
    };
    let list = |name: &'static str, label: &'static str, options: &[(&str, &str)]| {
        let options: Vec<Choice<'_>> =
            options.iter().map(|(value, label)| Choice { value, label, hint: None }).collect();
        select(&field("", name, label), &options)
    };
    let text = Field {
        placeholder: Some("message, log line, host or path"),
        length: Some(200),
        ..field("search", "q", "Search")
    };
    html! {
        form method="get" action="/console/logs" class="filters" {
            (list("connection", "Connection", &connections))
            (list("result", "Result", &filters::results()))
            (list("environment", "Environment", &filters::environments()))
            (list("caller", "Asked by", &filters::callers()))
            (Field { placeholder: Some("find_order"), ..field("text", "action", "Action") }.draw())
            (field("datetime-local", "from", "From (UTC)").draw())
            (field("datetime-local", "to", "Until (UTC)").draw())
            (text.draw())
            // Links to these come from other pages.
            @for name in ["connector", "conversation"] {
                @if !filters.value(name).is_empty() { input type="hidden" name=(name) value=(filters.value(name)); }
            }
            p class="row" {
                button class="button" { "Show" }
                @if !filters.is_empty() { a href="/console/logs" { "Clear" } }
            }
        }
    }
}

fn calls(filters: &Filters, names: &Names, logs: &Logs) -> Markup {
    let calls = &logs.page.calls;
    let cursor = |logged: &LoggedCall| (logged.call.created_at, logged.call.id.0);
    let towards_newer = filters.query.as_ref().is_some_and(|query| query.after.is_some());
    let first = calls.first().map(|logged| {
        let (at, id) = cursor(logged);
        pagination::encode(Cursor { at, id })
    });
    // Where newer calls end the page, older ones are known to be there.
    let next =
        if towards_newer { pagination::next(calls, true, cursor) } else { logs.page.next().map(pagination::encode) };
    let begins = filters.query.as_ref().is_none_or(|query| query.before.is_none());
    html! {
        @if let Some(first) = &first {
            p class="row tail" {
                a href=(filters.path_after(first)) class="button" data-newer { "Newer" }
                @if begins { button type="button" class="button" data-follow aria-pressed="false" hidden { "Follow" } }
                span class="quiet" role="status" data-followed {}
            }
            (table(names, calls))
        } @else if towards_newer {
            (empty("Nothing newer", "No call has been made since.", &button(&filters.path(), "The newest calls")))
        } @else if filters.is_empty() {
            (empty("No calls yet", "When a chat, an admin or a health check calls a connector, the call is here with its \
                    cost, its requests and the reason if it failed.", &button("/console/connectors", "Connectors")))
        } @else if logs.page.searched_to.is_none() {
            (empty("Nothing matches", "No call that is still kept fits these filters.", &button("/console/logs", "All calls")))
        }
        @if let Some(end) = &logs.page.searched_to {
            p class="quiet" {
                @if calls.is_empty() { "No call fits these filters since " } @else { "These are all since " } (when(end.at))
                ". Older calls weren't looked at yet."
            }
        }
        (pager(&filters.path(), next.as_deref()))
        (left_out(logs))
    }
}

fn table(names: &Names, calls: &[LoggedCall]) -> Markup {
    let mut table = Table::new("Calls, newest first", &["When", "Call", "Result", "Asked by", "#ms", "#Fuel"]);
    for LoggedCall { call, key_name } in calls {
        let name = names.iter().find(|(id, _)| *id == call.connection).map(|(_, name)| name.as_str());
        table.row(vec![
            html! { a href={ "/console/logs/" (call.id) } { (when(call.created_at)) } },
            html! {
                div {
                    (name.unwrap_or(&call.connector)) " · " code { (call.action) }
                    @if call.environment == Environment::Sandbox { " " (badge(Tone::Quiet, "sandbox")) }
                    @if let Some(message) = &call.message { p class="hint" { (short(message)) } }
                }
            },
            words::result(call),
            html! { (words::caller(call.caller)) @if let Some(key) = key_name { " · " (key) } },
            html! { (format!("{:.1}", call.cost.duration_ms())) },
            html! { (call.cost.fuel) },
        ]);
    }
    table.draw()
}

fn short(message: &str) -> String {
    if message.chars().count() <= MESSAGE {
        return message.to_owned();
    }
    message.chars().take(MESSAGE).chain(['…']).collect()
}

/// Says that the log is not whole.
fn left_out(logs: &Logs) -> Markup {
    html! {
        @for day in logs.today.iter().filter(|day| day.left_out > 0) {
            p class="hint" {
                (day.left_out) " calls of today in " (day.environment.name()) " were left out or shortened: the log may take "
                (day.limit >> 20) " MiB a day on this plan."
            }
        }
    }
}
