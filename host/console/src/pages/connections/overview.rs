//! `/console/connections/{id}`: how a connection is, and what to do next.

use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use maud::{Markup, html};
use resly_core::{
    connector::{
        call::CallStatus,
        connection::{Connection, ConnectionStatus, Environment},
        health::HealthState,
    },
    member::Permission,
};
use resly_http::{Api, problem::Problem};
use resly_service::connections::{self, ConnectionHealth, ConnectionPatch, ConnectionSetup, SetupStep};
use resly_store::LoggedCall;

use super::{Tab, authorization::Ending, credentials, frame, open, setup, words};
use crate::{
    access::{Admin, Viewer},
    error::PageError,
    fields::Submitted,
    frame::Page,
    member::Member,
    parts::{Table, Tone, badge, button, date, dialog, facts, form, strip, when},
    reply,
};

/// Calls in the table. The strip shows all that health looks at.
const CALLS: usize = 8;

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(ending): Query<Ending>,
) -> Result<Page, PageError> {
    let setup = open(&api, &member, &id).await?;
    let connection = &setup.described.connection;
    let health = connections::health(&api.app, member.session.organization, connection.id).await;
    let health = health.map_err(Problem::from)?;
    let manages = member.may(Permission::Manage);
    let buttons = html! { @if manages { (switches(&member, &setup)) } };
    let body = html! {
        (ending.draw())
        (next(&setup, &health, manages))
        section class="panel" { h2 { "State" } (state(&setup, &health)) }
        section class="panel" { (calls(connection, &health)) }
        section class="panel" { (environment(&member, connection, manages)) }
    };
    Ok(frame(member, &setup, Tab::Overview, body).actions(buttons))
}

/// Test, enable and disable.
fn switches(member: &Member, setup: &ConnectionSetup) -> Markup {
    let connection = &setup.described.connection;
    let to = |action: &str| format!("{}/{action}", Tab::Overview.path(connection.id));
    html! {
        a href=(setup::path(setup, SetupStep::Test)) class="button" { "Test" }
        @if connection.status == ConnectionStatus::Enabled {
            (button("/console/playground", "Ask about it"))
            (form(&member.form_token, &to("disable"), &html! { button class="button" { "Disable" } }))
        } @else if setup.next() == Some(SetupStep::Enable) {
            (form(&member.form_token, &to("enable"), &html! { button class="button primary" { "Enable" } }))
        }
    }
}

/// What to do next, in words.
fn next(setup: &ConnectionSetup, health: &ConnectionHealth, manages: bool) -> Markup {
    let connection = &setup.described.connection;
    if let Some(step) = setup.next() {
        let (title, text, go) = match step {
            SetupStep::Authenticate => (
                "Next: its credentials",
                "In production the service is asked with your credentials. Chats get the connection when they are there and a test has passed.",
                "Authenticate",
            ),
            SetupStep::Test => (
                "Next: test it",
                "A test asks the service for something harmless, and shows that the settings and the credentials fit.",
                "Test",
            ),
            SetupStep::Enable if connection.status == ConnectionStatus::Disabled => {
                ("It is disabled", "Chats don't use it, and nothing but you enables it again.", "Enable")
            }
            SetupStep::Enable => ("Next: enable it", "Chats don't use it yet.", "Enable"),
        };
        return html! {
            section class="panel next" {
                h2 { (title) }
                p { (text) }
                @if manages { p class="form-end" { a href=(setup::path(setup, step)) class="button primary" { (go) } } }
            }
        };
    }
    let told =
        health.health.as_ref().and_then(|health| Some((health.reason?, health.message.as_deref(), health.state)));
    match told {
        Some((reason, message, state)) if state != HealthState::Healthy => html! {
            section class="panel next" {
                h2 { "What to do" }
                @if let Some(message) = message { p { strong { (crate::error::sentence(message)) } } }
                p { (words::advice(reason)) }
            }
        },
        _ => Markup::default(),
    }
}

fn state(setup: &ConnectionSetup, health: &ConnectionHealth) -> Markup {
    let described = &setup.described;
    let connection = &described.connection;
    let known = health.health.as_ref();
    let kind = setup.auth().kind();
    let next_check = match (health.unchecked, known) {
        (Some(why), _) => html! { "not planned: " (why) },
        (None, Some(known)) => when(known.next_check_at),
        (None, None) => html! { "soon" },
    };
    let breaker = match health.open_until {
        Some(until) => html! { (badge(Tone::Bad, "open")) " until " (when(until)) ": requests fail at once" },
        None => html! { "closed" },
    };
    let ends = described
        .credentials_expire_at
        .or_else(|| described.account.as_ref().and_then(resly_service::accounts::ends_at));
    let mut all = vec![("Status", words::status(connection.status))];
    // Sample data has no health.
    if connection.environment == Environment::Production {
        all.extend([
            ("Health", words::health(described.health)),
            ("Since", date(known.map(|known| known.since), "—")),
            ("Failures in a row", html! { (known.map_or(0, |known| known.failures)) }),
            ("Last check", date(known.and_then(|known| known.checked_at), "none")),
            ("Next check", next_check),
            ("Circuit breaker", breaker),
        ]);
    }
    all.extend([
        ("Last test passed", date(connection.tested_at, "not yet")),
        ("Authenticates by", html! { (credentials::way(kind)) }),
        ("Credentials end", date(ends, "no end known")),
        ("Installed", when(connection.created_at)),
    ]);
    facts(&all)
}

/// The last calls in production, as marks and as a table.
fn calls(connection: &Connection, health: &ConnectionHealth) -> Markup {
    let logs = format!("/console/logs?connection={}", connection.id);
    let (all, failed) = (health.recent.len(), health.failures());
    let text = format!("The last {all} calls in production: {failed} failed");
    let marks: Vec<Tone> = health.recent.iter().rev().map(mark).collect();
    let mut table = Table::new("The last calls", &["When", "Action", "Result", "#Duration"]);
    for logged in health.recent.iter().take(CALLS) {
        let call = &logged.call;
        table.row(vec![
            html! { a href={ "/console/logs/" (call.id) } { (when(call.created_at)) } },
            html! { (call.action) },
            badge(mark(logged), call.status.name()),
            html! { (format!("{:.0} ms", call.cost.duration_ms())) },
        ]);
    }
    html! {
        div class="panel-head" { h2 { "Calls" } a href=(logs) { "All in the log" } }
        @if all == 0 {
            p class="quiet" {
                @match connection.environment {
                    Environment::Sandbox => { "Sample data says nothing about the service, so calls in the sandbox are in the log only." },
                    Environment::Production => { "No call was made in production yet." },
                }
            }
        } @else {
            p { (text) "." }
            (strip(&text, &marks))
            (table.draw())
        }
    }
}

fn mark(logged: &LoggedCall) -> Tone {
    match logged.call.status {
        CallStatus::Ok => Tone::Good,
        CallStatus::Failed(resly_core::connector::fault::FaultKind::CircuitOpen) => Tone::Quiet,
        CallStatus::Failed(_) => Tone::Bad,
    }
}

fn environment(member: &Member, connection: &Connection, manages: bool) -> Markup {
    let (text, to, title, opens, does) = match connection.environment {
        Environment::Sandbox => (
            "Sample data answers. Nothing leaves this host, and nothing counts toward a limit.",
            "production",
            "Move to production",
            "The service itself is asked from then on. Chats lose the connection until it has its credentials, a test has passed and you have enabled it.",
            "Move to production",
        ),
        Environment::Production => (
            "The service itself is asked.",
            "sandbox",
            "Move to the sandbox",
            "Sample data answers from then on. Chats that use the connection get sample data, and are told so. Its credentials stay.",
            "Move to the sandbox",
        ),
    };
    let action = format!("{}/environment", Tab::Overview.path(connection.id));
    html! {
        h2 { "Environment" }
        p { (words::environment(connection.environment)) " " (text) }
        @if manages {
            p class="form-end" {
                (dialog("environment", "", title, title, &form(&member.form_token, &action, &html! {
                    input type="hidden" name="environment" value=(to);
                    p { (opens) }
                    p class="form-end" { button class="button primary" { (does) } }
                })))
            }
        }
    }
}

/// Moves the connection to the other environment.
pub async fn switch(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let id = super::parse(&id)?;
    let environment = match fields.text("environment") {
        "production" => Environment::Production,
        _ => Environment::Sandbox,
    };
    let patch = ConnectionPatch { environment: Some(environment), ..ConnectionPatch::default() };
    connections::change(&api.app, member.session.organization, id, patch).await.map_err(Problem::from)?;
    let notice = format!(
        "It is in the {} now.",
        match environment {
            Environment::Sandbox => "sandbox",
            Environment::Production => "production environment",
        }
    );
    Ok(reply::done(&Tab::Overview.path(id), &notice))
}
