//! `/console`: what needs attention now, how far setting up is, and the numbers of today and of the month.

use std::collections::BTreeMap;

use axum::{
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use resly_core::{
    alert::Severity,
    knowledge::Source,
    member::Permission,
    meter::{Meter, MeterReading},
};
use resly_http::Api;
use resly_service::{
    members::links,
    overview::{self, Overview, PEOPLE, SetupStep},
};
use resly_store::QUESTIONS_READ;
use serde::Deserialize;

use super::billing::words as meter_words;
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    member::Member,
    numbers::{counted, thousands},
    parts::{Tone, badge, icon, meter},
};

#[derive(Deserialize)]
pub struct Parameters {
    /// A sign-in link's.
    token: Option<String>,
}

pub async fn page(
    viewer: Result<Viewer, Response>,
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
) -> Response {
    if let Some(token) = parameters.token {
        if !links::is_token(&token) {
            return crate::reply::to_sign_in("");
        }
        let token: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        return crate::reply::redirect(&format!("/console/sign-in/link?token={token}"));
    }
    match viewer {
        Ok(viewer) => draw(viewer, &api).await.into_response(),
        Err(elsewhere) => elsewhere,
    }
}

async fn draw(Viewer(member): Viewer, api: &Api) -> Result<Page, PageError> {
    let overview = overview::get(&api.app, member.session.organization).await?;
    let items: Vec<Item> = own_sign_in(&member).into_iter().chain(attention(&overview)).collect();
    let body = html! {
        @if overview.done.len() < SetupStep::ALL.len() && member.may(Permission::Manage) { (checklist(&overview.done)) }
        section class="panel" {
            h2 { "Needs attention" }
            @if items.is_empty() { p class="quiet" { (icon("done")) " Nothing now." } }
            @else { ul class="list" { @for item in &items { (drawn(item)) } } }
        }
        div class="columns" { (today(&overview)) (month(&overview)) }
    };
    let title = member.session.organization_name.clone();
    Ok(titled(member, title, body))
}

fn titled(member: Member, title: String, body: Markup) -> Page {
    Page::new(member, "Home", body).lead(html! { (title) })
}

/// Something that a person should look at, and where it is mended.
struct Item {
    tone: Tone,
    word: &'static str,
    what: String,
    /// What to do.
    how: String,
    to: String,
}

/// Who came by a link and has no e-mail can't come back.
fn own_sign_in(member: &Member) -> Option<Item> {
    member.session.person.email.is_none().then(|| Item {
        tone: Tone::Warn,
        word: "sign-in",
        what: "You can't sign in again yet".to_owned(),
        how: "You came by a one-time link. Set your e-mail and a password before this session ends.".to_owned(),
        to: "/console/account".to_owned(),
    })
}

fn attention(overview: &Overview) -> Vec<Item> {
    let mut items = Vec::new();
    items.extend(people(overview.conversations));
    items.extend(limits(&overview.usage.meters));
    for alert in &overview.alerts {
        items.push(Item {
            tone: if alert.severity == Severity::Critical { Tone::Bad } else { Tone::Warn },
            word: "alert",
            what: alert.title.clone(),
            how: alert.kind.advice(alert.reason).to_owned(),
            to: alert.connection.map_or("/console/connectors".to_owned(), |id| format!("/console/connections/{id}")),
        });
    }
    // A connection that an alert tells of isn't told twice.
    let told = |id| overview.alerts.iter().any(|alert| alert.connection == Some(id));
    for (id, name) in overview.waiting.unauthorized.iter().filter(|(id, _)| !told(*id)) {
        items.push(Item {
            tone: Tone::Bad,
            word: "connection",
            what: format!("{name} has no credential that its service takes"),
            how: "Connect the account, or set the credential again.".to_owned(),
            to: format!("/console/connections/{id}"),
        });
    }
    for (connector, version) in &overview.waiting.versions {
        items.push(Item {
            tone: Tone::Warn,
            word: "approval",
            what: format!("{connector} {version} waits for approval"),
            how: "Look at what it asks for, then approve or reject it.".to_owned(),
            to: format!("/console/connectors/{connector}/versions"),
        });
    }
    items.extend(overview.failed_sources.iter().map(failed));
    if let Some(delivery) = &overview.failing_webhook {
        let why = delivery.last_error.clone().unwrap_or_default();
        items.push(Item {
            tone: Tone::Bad,
            word: "webhook",
            what: "The newest messages to your webhook weren't taken".to_owned(),
            how: format!("The last try: {why}"),
            to: "/console/account/webhook".to_owned(),
        });
    }
    if overview.waiting.unanswered > 0 {
        let more = if overview.waiting.unanswered == u64::from(QUESTIONS_READ) { " or more" } else { "" };
        items.push(Item {
            tone: Tone::Quiet,
            word: "questions",
            what: format!("{}{more} this week", counted(overview.waiting.unanswered, "unanswered question")),
            how: "See what visitors ask that no source answers, and draft an article.".to_owned(),
            to: "/console/analytics/questions?days=7".to_owned(),
        });
    }
    if overview.waiting.open_tickets > 0 {
        items.push(Item {
            tone: Tone::Quiet,
            word: "tickets",
            what: format!("{} open", counted(overview.waiting.open_tickets, "ticket")),
            how: "Answer the oldest first.".to_owned(),
            to: "/console/tickets".to_owned(),
        });
    }
    items
}

/// Visitors who were told that a person answers.
fn people(conversations: u64) -> Option<Item> {
    let more = if conversations >= u64::from(PEOPLE) { " or more" } else { "" };
    (conversations > 0).then(|| Item {
        tone: Tone::Warn,
        word: "inbox",
        what: format!("For a person: {}{more}", counted(conversations, "conversation")),
        how: "The assistant is silent there. Take it over and answer.".to_owned(),
        to: "/console/conversations?state=waiting".to_owned(),
    })
}

/// The limits of which 70 % are used, or 90 %.
fn limits(meters: &BTreeMap<Meter, MeterReading>) -> impl Iterator<Item = Item> {
    meters.iter().filter_map(|(meter, reading)| {
        let limit = reading.limit?;
        let percent = percent(reading.used, limit);
        (percent >= 70).then(|| Item {
            tone: if percent >= 90 { Tone::Bad } else { Tone::Warn },
            word: "limit",
            what: format!("{percent} % of this month's {} are used", meter_words::meter(*meter).to_lowercase()),
            how: format!(
                "{} of {}. At the limit, requests are refused with 429.",
                thousands(reading.used),
                thousands(limit)
            ),
            to: "/console/account/billing".to_owned(),
        })
    })
}

fn percent(used: u64, limit: u64) -> u64 {
    if limit == 0 { 100 } else { u64::try_from(u128::from(used) * 100 / u128::from(limit)).unwrap_or(u64::MAX) }
}

fn failed(source: &Source) -> Item {
    let why = source.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default();
    let to = format!("/console/knowledge/{}", source.id);
    Item { tone: Tone::Bad, word: "source", what: format!("“{}” could not be read", source.title), how: why, to }
}

fn drawn(item: &Item) -> Markup {
    html! {
        li class="task" {
            (badge(item.tone, item.word))
            div { a href=(item.to) { (item.what) } p class="hint" { (item.how) } }
        }
    }
}

/// A step's title, what it is for, and where it is done.
fn step(step: SetupStep) -> [&'static str; 3] {
    match step {
        SetupStep::Key => ["Generate a key", "Your server asks with it.", "/console/deploy/api/new"],
        SetupStep::Knowledge => {
            ["Add knowledge", "A text, a file, a page or your whole help site.", "/console/knowledge/new"]
        }
        SetupStep::Connector => [
            "Connect a service",
            "So that answers know a customer's order. The sandbox needs no account.",
            "/console/connectors",
        ],
        SetupStep::Ask => ["Ask", "See an answer, and what it was made of.", "/console/playground"],
        SetupStep::Widget => ["Put it on your site", "A publishable key lets a page ask.", "/console/deploy/widget"],
    }
}

/// The steps of a newcomer, each ticked when the data says that it is done.
fn checklist(done: &[SetupStep]) -> Markup {
    // The first that isn't done.
    let next = SetupStep::ALL.into_iter().find(|step| !done.contains(step));
    html! {
        section class="panel" {
            div class="panel-head" { h2 { "Get started" } span class="quiet" { (done.len()) " of " (SetupStep::ALL.len()) " done" } }
            ol class="list todo" {
                @for (at, one) in SetupStep::ALL.into_iter().enumerate() {
                    @let [title, why, to] = step(one);
                    @let is_done = done.contains(&one);
                    li class="task" {
                        span class={ "tick" @if is_done { " done" } } {
                            @if is_done { (icon("done")) span class="hidden" { "Done: " } } @else { (at + 1) }
                        }
                        div { a href=(to) { (title) } p class="hint" { (why) } }
                        @if next == Some(one) { a href=(to) class="button primary" { "Begin" } }
                    }
                }
            }
        }
    }
}

fn today(overview: &Overview) -> Markup {
    let of = |meter| u64::try_from(overview.today.get(&meter).copied().unwrap_or_default()).unwrap_or_default();
    html! {
        section class="panel" {
            h2 { "Today" }
            dl class="facts" {
                @for meter in [Meter::Messages, Meter::ConnectorCalls, Meter::Embeddings, Meter::ModelOutputTokens] {
                    div { dt { (meter_words::meter(meter)) } dd class="figure" { (thousands(of(meter))) } }
                }
            }
            p class="hint" { "Since midnight UTC, without the sandbox." }
        }
    }
}

fn month(overview: &Overview) -> Markup {
    html! {
        section class="panel" {
            div class="panel-head" { h2 { "This month" } a href="/console/account/billing" { "Billing" } }
            @if overview.usage.meters.values().all(|reading| reading.limit.is_none() && reading.used == 0) {
                p class="quiet" { "Nothing was used yet." }
            }
            @for (counts, reading) in &overview.usage.meters {
                @match reading.limit {
                    Some(limit) => {
                        div class="measure" {
                            p { (meter_words::meter(*counts)) span class="number quiet" { (thousands(reading.used)) " of " (thousands(limit)) } }
                            (meter(meter_words::meter(*counts), reading.used, limit))
                        }
                    }
                    None => {
                        @if reading.used > 0 { div class="measure" { p { (meter_words::meter(*counts)) span class="number quiet" { (thousands(reading.used)) } } } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_needs_attention_from_70_percent_on() {
        let of = |used, limit| {
            let reading = MeterReading { used, limit, reserved: None, estimated: None };
            limits(&[(Meter::Messages, reading)].into()).next().map(|item| item.tone)
        };
        assert_eq!([of(69, Some(100)), of(70, Some(100))], [None, Some(Tone::Warn)]);
        assert_eq!(
            [of(89, Some(100)), of(90, Some(100)), of(0, Some(0))],
            [Some(Tone::Warn), Some(Tone::Bad), Some(Tone::Bad)]
        );
        assert_eq!(of(1_000_000, None), None);
    }
}
