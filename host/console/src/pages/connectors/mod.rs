//! `/console/connectors`: the installed connections, and the catalogue.

pub mod install;
pub mod permissions;
pub mod show;

use std::collections::HashMap;

use axum::extract::{Query, State};
use maud::{Markup, html};
use resly_core::{connector::connection::Environment, id::ConnectionId, member::Permission, time::Timestamp};
use resly_http::{Api, problem::Problem};
use resly_service::{
    catalogue::{CatalogEntry, NotInstallable},
    connections::{self, DescribedConnection},
    connectors::{self, FoundConnector},
};
use resly_store::Trust;
use serde::Deserialize;

use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    pages::connections::words,
    parts::{Field, Table, Tone, badge, button, date, empty, pager},
};

/// Connections on one page.
const PAGE: usize = 50;

#[derive(Deserialize)]
pub struct Parameters {
    q: Option<String>,
    before: Option<String>,
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(Parameters { q, before }): Query<Parameters>,
) -> Result<Page, PageError> {
    let organization = member.session.organization;
    let mut installed = connections::list(&api.app, organization).await.map_err(Problem::from)?;
    installed.reverse();
    let catalogue = connectors::catalogue(&api.app, organization).await.map_err(Problem::from)?;
    let sought = q.as_deref().unwrap_or_default().trim().to_owned();
    let (shown, next) = found(&installed, &catalogue, &sought, before.as_deref());
    let ids: Vec<ConnectionId> = shown.iter().map(|each| each.connection.id).collect();
    let calls = connections::last_calls(&api.app, organization, &ids).await?;
    let body = html! {
        (search(&sought))
        section class="section" {
            h2 { "Installed" }
            (connections_table(&shown, &calls, &catalogue, &sought, next.as_deref()))
        }
        section class="section" {
            h2 { "Catalogue" }
            (cards(&catalogue, &installed, &sought))
        }
    };
    let actions = html! {
        @if member.may(Permission::Manage) { (button("/console/connectors/new", "Add your own")) }
    };
    let lead = html! { "What the AI can look up and do in the services that you run on." };
    Ok(Page::new(member, "Connectors", body).lead(lead).actions(actions))
}

fn search(sought: &str) -> Markup {
    html! {
        form class="filters" role="search" action="/console/connectors" {
            (Field { kind: "search", name: "q", label: "Search", value: sought, length: Some(100), ..Field::default() }.draw())
            button class="button" { "Search" }
        }
    }
}

/// Whether one of these texts has what is looked for. Case doesn't matter.
fn finds(sought: &str, texts: &[&str]) -> bool {
    let sought = sought.to_lowercase();
    texts.iter().any(|text| text.to_lowercase().contains(&sought))
}

fn name_of<'c>(catalogue: &'c [FoundConnector], id: &'c str) -> &'c str {
    let found = catalogue.iter().find(|found| found.chosen.installable.manifest.id == id);
    found.map_or(id, |found| found.chosen.installable.manifest.name.as_str())
}

/// The connections of a page that have what is looked for, and where the next page begins. The list is newest first.
fn found<'i>(
    installed: &'i [DescribedConnection],
    catalogue: &[FoundConnector],
    sought: &str,
    before: Option<&str>,
) -> (Vec<&'i DescribedConnection>, Option<String>) {
    let before: Option<ConnectionId> = before.and_then(|id| id.parse().ok());
    // Ids grow with time.
    let mut rest = installed.iter().filter(|each| {
        let connection = &each.connection;
        before.is_none_or(|before| connection.id < before)
            && finds(sought, &[&connection.name, &connection.connector, name_of(catalogue, &connection.connector)])
    });
    let shown: Vec<&DescribedConnection> = rest.by_ref().take(PAGE).collect();
    let next = rest.next().and(shown.last()).map(|last| last.connection.id.to_string());
    (shown, next)
}

fn connections_table(
    shown: &[&DescribedConnection],
    calls: &HashMap<ConnectionId, Timestamp>,
    catalogue: &[FoundConnector],
    sought: &str,
    next: Option<&str>,
) -> Markup {
    if shown.is_empty() {
        return if sought.is_empty() {
            let text = "An installed connector lets the AI look things up while it answers, such as a customer's order. \
                        Choose one below: its sandbox answers with sample data, so you can try it without an account.";
            empty("No connector is installed yet", text, &Markup::default())
        } else {
            html! { p class="quiet" { "No installed connection has “" (sought) "”." } }
        };
    }
    let mut table =
        Table::new("Installed connections", &["Name", "Connector", "Environment", "Status", "Health", "Last call"]);
    for described in shown {
        let connection = &described.connection;
        let health = match connection.environment {
            Environment::Sandbox => html! { span class="quiet" { "sample data" } },
            Environment::Production => words::health(described.health),
        };
        table.row(vec![
            html! { a href={ "/console/connections/" (connection.id) } { (connection.name) } },
            html! { span { (name_of(catalogue, &connection.connector)) " " span class="quiet" { (connection.version) } } },
            words::environment(connection.environment),
            words::status(connection.status),
            health,
            date(calls.get(&connection.id).copied(), "none"),
        ]);
    }
    let path = if sought.is_empty() {
        "/console/connectors".to_owned()
    } else {
        let sought: String = url::form_urlencoded::byte_serialize(sought.as_bytes()).collect();
        format!("/console/connectors?q={sought}")
    };
    html! { (table.draw()) (pager(&path, next)) }
}

fn cards(catalogue: &[FoundConnector], installed: &[DescribedConnection], sought: &str) -> Markup {
    let fits = |found: &&FoundConnector| {
        let manifest = &found.chosen.installable.manifest;
        let titles = manifest.actions.iter().map(|action| action.title.as_str());
        let mut texts =
            vec![manifest.id.as_str(), manifest.name.as_str(), manifest.description.as_deref().unwrap_or_default()];
        texts.extend(titles);
        finds(sought, &texts)
    };
    let found: Vec<&FoundConnector> = catalogue.iter().filter(fits).collect();
    html! {
        @if found.is_empty() {
            p class="quiet" { "No connector does “" (sought) "”. You can describe one of your own." }
        } @else {
            ul class="cards" { @for found in found { (card(found, installed)) } }
        }
    }
}

fn card(found: &FoundConnector, installed: &[DescribedConnection]) -> Markup {
    let manifest = &found.chosen.installable.manifest;
    let count = installed.iter().filter(|each| each.connection.connector == manifest.id).count();
    let actions = manifest.actions.len();
    html! {
        li class="card" {
            h3 { a href={ "/console/connectors/" (manifest.id) } { (manifest.name) } }
            p class="quiet" { (manifest.description.as_deref().unwrap_or("It says nothing about itself.")) }
            p class="row foot" {
                (state(&found.chosen, &found.trust))
                @for other in newer(found) { (state(other, &found.trust)) }
                @if count > 0 { (badge(Tone::Good, "installed")) }
                span class="hint" { (actions) @if actions == 1 { " action" } @else { " actions" } }
            }
        }
    }
}

/// The versions that are newer than the one that can be installed.
fn newer(found: &FoundConnector) -> impl Iterator<Item = &CatalogEntry> {
    let chosen = &found.chosen.installable.manifest.version;
    found.versions.iter().take_while(move |other| &other.installable.manifest.version != chosen).take(1)
}

/// Why a version can't be installed, as a badge; nothing when it can.
pub fn state(entry: &CatalogEntry, trust: &Trust) -> Markup {
    let version = &entry.installable.manifest.version;
    let (tone, text) = match entry.check(trust) {
        Ok(()) => return Markup::default(),
        Err(NotInstallable::Compiling(_)) => (Tone::Quiet, format!("{version} is being compiled")),
        Err(NotInstallable::Refused { .. }) => (Tone::Bad, format!("{version} was refused")),
        Err(NotInstallable::Pending(_)) => (Tone::Warn, format!("{version} waits for approval")),
        Err(NotInstallable::Rejected(_)) => (Tone::Quiet, format!("{version} was rejected")),
        Err(NotInstallable::Untrusted(_)) => (Tone::Warn, format!("{version} has no trusted publisher")),
        Err(NotInstallable::Missing | NotInstallable::NoVersion(_) | NotInstallable::Store(_)) => {
            (Tone::Quiet, format!("{version} is gone"))
        }
    };
    badge(tone, &text)
}

/// The same as a sentence, with what to do.
pub fn obstacle(entry: &CatalogEntry, trust: &Trust) -> Option<String> {
    Some(match entry.check(trust) {
        Ok(()) => return None,
        Err(NotInstallable::Compiling(version)) => {
            format!("Version {version} is being compiled. Look again in a moment.")
        }
        Err(NotInstallable::Refused { version, reason }) => format!("Version {version} was refused: {reason}"),
        Err(NotInstallable::Pending(version)) => {
            format!("An admin has to approve what version {version} asks for before it can be installed.")
        }
        Err(NotInstallable::Rejected(version)) => {
            format!("An admin rejected version {version}. They can still approve it.")
        }
        Err(NotInstallable::Untrusted(version)) => {
            format!("Version {version} isn't signed by a publisher that your organization trusts, which it requires.")
        }
        Err(NotInstallable::Missing | NotInstallable::NoVersion(_) | NotInstallable::Store(_)) => {
            "This version is gone.".to_owned()
        }
    })
}
