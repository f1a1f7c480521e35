//! An answer of the playground: its text, and beside it what it was made of.

use maud::{Markup, html};
use resly_core::{model::FinishReason, principal::KeyKind, turn::OfferedTools};
use resly_service::playground::{PlaygroundReport, TracedCall, TurnTrace};
use resly_store::LoggedCall;
use serde_json::Value;

use super::{
    super::knowledge::{search, source::link},
    PATH, SERVER, SITE, environment,
};
use crate::{
    error::sentence,
    member::Member,
    numbers::{counted, duration, thousands},
    parts::{Field, Table, Tone, alert, area, badge, facts, form, icon},
};

/// Characters of a call's input or output that are shown.
const SHOWN: usize = 8_000;

pub fn draw(member: &Member, report: &PlaygroundReport, kind: KeyKind, once: &str, replayed: bool) -> Markup {
    let trace = &report.trace;
    html! {
        div class="columns wide-first" {
            section class="panel" {
                p class="asked" { (trace.question) }
                @if replayed { p class="notice warn" { (icon("warn")) "This form was answered before: this is that answer again. It isn't counted twice, and its steps aren't kept." } }
                @if let Some(failure) = &trace.failure { (alert(&sentence(&failure.to_string()))) }
                div class="answer" { (trace.text) }
                (citations(trace))
                (approvals(trace))
                (continues(member, trace, kind, once))
            }
            section class="panel" { h2 { "Time and cost" } (cost(report)) }
        }
        (calls(trace))
        (logged(&report.calls))
        (search::passages(&report.search))
        (tools(&report.tools))
    }
}

/// In the place of what an answer was made of.
pub fn unexplained(why: &str) -> Markup {
    html! { p class="notice warn" { (icon("warn")) "The answer is stored, but how it was made can't be shown. " (why) } }
}

fn citations(trace: &TurnTrace) -> Markup {
    html! {
        @if !trace.citations.is_empty() {
            h3 class="apart" { "It cites" }
            ul class="plain" {
                @for citation in &trace.citations {
                    li { "[" (citation.n) "] "
                        (citation.title)
                        @if let Some(url) = &citation.url { " · " (link(url)) }
                    }
                }
            }
        } @else if trace.failure.is_none() { p class="quiet apart" { "It cites nothing." } }
    }
}

fn approvals(trace: &TurnTrace) -> Markup {
    html! {
        @for approval in &trace.approvals {
            p class="notice warn apart" { (icon("warn")) span { "It asks to confirm: " (approval.title) ". Go on with a plain yes or no." } }
        }
    }
}

/// The next question of the same conversation.
fn continues(member: &Member, trace: &TurnTrace, kind: KeyKind, once: &str) -> Markup {
    let field = Field {
        name: "question",
        label: "Go on with this conversation",
        id: Some("f-next"),
        required: true,
        ..Field::default()
    };
    let body = html! {
        input type="hidden" name="form" value=(once);
        input type="hidden" name="conversation" value=(trace.conversation);
        input type="hidden" name="as" value=(if kind == KeyKind::Publishable { SITE } else { SERVER });
        (area(&field, 2, false))
        p class="row" {
            button class="button" { "Go on" }
            a href={ "/console/conversations/" (trace.conversation) } { "Open the conversation" }
        }
    };
    html! { div class="apart" data-playground { (form(&member.form_token, PATH, &body)) } }
}

fn cost(report: &PlaygroundReport) -> Markup {
    let trace = &report.trace;
    let at = |time: Option<u64>| html! { @match time { Some(time) => (duration(time)), None => "–" } };
    let mut list = vec![("First words", at(trace.first_text_us)), ("In all", at(trace.ended_us))];
    if let Some(result) = &trace.result {
        let (timing, usage) = (result.timing, result.usage);
        list.extend([
            ("Accepting it", html! { (duration(timing.accept_us)) }),
            ("Search, beside it", html! { (duration(timing.retrieve_us)) }),
            ("Tools", html! { (duration(timing.tools_us)) }),
            ("Storing it", html! { (duration(timing.commit_us)) }),
            (
                "Input tokens",
                html! {
                    (thousands(usage.input))
                    @if usage.cached_input > 0 { ", " (thousands(usage.cached_input)) " of them cached" }
                    @if usage.estimated { " (estimated)" }
                },
            ),
            ("Output tokens", html! { (thousands(usage.output)) }),
            ("It ended", html! { (ending(result.finish)) }),
        ]);
    }
    let fuel: u64 = report.calls.iter().map(|logged| logged.call.cost.fuel).sum();
    list.push(("Fuel of connectors", html! { (thousands(fuel)) }));
    facts(&list)
}

fn ending(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Stop => "complete",
        FinishReason::ToolCalls => "with a question to confirm",
        FinishReason::Length => "cut: too long",
        FinishReason::ContentFilter => "cut by the provider's filter",
        FinishReason::Other => "early",
    }
}

fn calls(trace: &TurnTrace) -> Markup {
    html! {
        section class="panel" {
            h2 { "Calls" }
            @if trace.calls.is_empty() { p class="quiet" { "The model called no tool." } }
            @for call in &trace.calls { (one_call(call)) }
        }
    }
}

fn one_call(call: &TracedCall) -> Markup {
    let took = call.ended_us.map(|end| end.saturating_sub(call.started_us));
    html! {
        details class="call" {
            summary {
                code { (called(call)) } " "
                @match (&call.output, call.ok) {
                    (Some(_), true) => (badge(Tone::Good, "done")),
                    (Some(_), false) => (badge(Tone::Bad, "failed")),
                    (None, _) => (badge(Tone::Quiet, "not made")),
                }
                span class="quiet number" {
                    " after " (duration(call.started_us))
                    @if let Some(took) = took { ", took " (duration(took)) }
                }
            }
            h3 { "Input" } (json(&call.input))
            @if let Some(output) = &call.output { h3 { "Output" } (json(output)) }
        }
    }
}

/// The tool, or the action that a connector's call names.
fn called(call: &TracedCall) -> String {
    let name = |member: &str| call.input.get(member).and_then(Value::as_str);
    match (name("connection"), name("action")) {
        (Some(connection), Some(action)) => format!("{connection}.{action}"),
        _ => call.tool.clone(),
    }
}

fn json(value: &Value) -> Markup {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let shown = &text[..text.floor_char_boundary(SHOWN)];
    html! { pre class="text" tabindex="0" { code { (shown) @if shown.len() < text.len() { "…" } } } }
}

fn logged(calls: &[LoggedCall]) -> Markup {
    let columns = ["Action", "Environment", "Result", "#Time", "#Requests", "#Fuel"];
    let mut table = Table::new("Calls of connectors, as logged", &columns);
    for LoggedCall { call, .. } in calls {
        table.row(vec![
            html! { a href={ "/console/logs/" (call.id) } { (call.connector) "." (call.action) } },
            environment(call.environment),
            html! { (call.status.name()) @if let Some(reason) = call.reason { " (" (reason.name()) ")" } @if call.cached { " from the cache" } },
            html! { (duration(call.cost.duration_us)) },
            html! { (call.cost.http_calls) },
            html! { (thousands(call.cost.fuel)) },
        ]);
    }
    html! { @if !table.is_empty() { section class="panel" { h2 { "Calls of connectors, as logged" } (table.draw()) } } }
}

fn tools(offered: &OfferedTools) -> Markup {
    html! {
        details class="panel" {
            summary { "Tools that were offered: " (counted(offered.tools.len() as u64, "tool")) ", " (counted(offered.actions.len() as u64, "action")) }
            ul class="plain" {
                @for tool in &offered.tools { li { code { (tool.name) } @if tool.actions.is_empty() { " " (tool.description) } } }
                @for action in &offered.actions {
                    li { code { (action.action.connection) "." (action.action.action) } " "
                        (environment(action.environment)) " " (action.action.description)
                        @if action.action.confirmed { " A person confirms it." } @else if action.action.writes { " It changes something." }
                    }
                }
            }
        }
    }
}
