//! `/console/connections/{id}/versions`: the connector's versions, what another one asks for beside this one, and moving
//! to it.

use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use maud::{Markup, html};
use resly_core::{connector::connection::Origin, member::Permission};
use resly_http::{Api, problem::Problem};
use resly_manifest::{Change, Changes, compare};
use resly_service::{
    catalogue::CatalogEntry,
    connections::{self, ConnectionPatch, ConnectionSetup},
    connectors::{self, FoundConnector},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Tab, credentials::said, frame, open};
use crate::{
    access::{Admin, Viewer},
    error::PageError,
    fields::Submitted,
    frame::Page,
    member::Member,
    pages::connectors::{obstacle, state},
    parts::{Table, Tone, badge, date, form, icon},
    reply,
};

#[derive(Deserialize)]
pub struct Parameters {
    /// The version to compare with.
    to: Option<String>,
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(Parameters { to }): Query<Parameters>,
) -> Result<Page, PageError> {
    let setup = open(&api, &member, &id).await?;
    let connector = &setup.described.connection.connector;
    let found = connectors::find(&api.app, member.session.organization, connector, None).await;
    let found = found.map_err(Problem::from)?;
    let wanted = to.and_then(|to| found.versions.iter().find(|entry| entry.installable.manifest.version == to));
    let body = html! {
        @if let Some(entry) = wanted { section class="panel" { (difference(&member, &setup, &found, entry)) } }
        section class="panel" {
            h2 { "Versions of " (setup.manifest().name) }
            (table(&setup, &found))
        }
        @if found.chosen.installable.origin == Origin::Bundled {
            p class="quiet" { "It comes with Resly, so a newer version comes with a newer host." }
        }
    };
    Ok(frame(member, &setup, Tab::Versions, body))
}

/// The version that runs. A bundled connector has the host's, whichever it was installed with.
fn current(setup: &ConnectionSetup) -> &str {
    &setup.manifest().version
}

fn table(setup: &ConnectionSetup, found: &FoundConnector) -> Markup {
    let path = Tab::Versions.path(setup.described.connection.id);
    let mut table = Table::new("Versions", &["Version", "State", "Added", ""]);
    for entry in &found.versions {
        let version = &entry.installable.manifest.version;
        let used = version == current(setup);
        table.row(vec![
            html! { (version) },
            html! {
                @if used { (badge(Tone::Good, "in use here")) }
                @else if entry.check(&found.trust).is_ok() { "can be installed" }
                @else { (state(entry, &found.trust)) }
            },
            date(entry.created_at, "with the host"),
            html! { @if !used { a href={ (path) "?to=" (version) } { "Compare" } } },
        ]);
    }
    table.draw()
}

fn difference(member: &Member, setup: &ConnectionSetup, found: &FoundConnector, entry: &CatalogEntry) -> Markup {
    let manifest = &entry.installable.manifest;
    let Changes { wider, other } = compare(setup.manifest(), manifest);
    let action = Tab::Versions.path(setup.described.connection.id);
    let obstacle = obstacle(entry, &found.trust);
    html! {
        h2 { "From " (current(setup)) " to " (manifest.version) }
        @if wider.is_empty() { p { (icon("done")) " It asks for no more than what runs now." } }
        @else { h3 { "It asks for more" } (changes(&wider)) }
        @if !other.is_empty() { details { summary { "What else is different (" (other.len()) ")" } (changes(&other)) } }
        @match &obstacle {
            Some(why) => { p class="quiet" { (why) } }
            None if member.may(Permission::Manage) => {
                p class="hint" { "If it leads to other hosts, the credentials are dropped, and you enter them anew." }
                (form(&member.form_token, &action, &html! {
                    input type="hidden" name="version" value=(manifest.version);
                    input type="hidden" name="revision" value=(setup.described.connection.revision);
                    p class="form-end" { button class="button primary" { "Move to " (manifest.version) } }
                }))
            }
            None => {}
        }
    }
}

/// Changes in words, with what was there and what is.
pub fn changes(changes: &[Change]) -> Markup {
    let mut table = Table::new("Changes", &["What", "Before", "After"]);
    for Change { path, before, after, what } in changes {
        let name = if path.is_empty() { "/" } else { path };
        table.row(vec![html! { (what) " " span class="hint" { code { (name) } } }, value(before), value(after)]);
    }
    table.draw()
}

fn value(value: &Value) -> Markup {
    match value {
        Value::Null => html! { span class="quiet" { "—" } },
        Value::String(text) => html! { code { (short(text)) } },
        other => html! { code { (short(&other.to_string())) } },
    }
}

fn short(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Moves the connection to another version.
pub async fn change(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let id = super::parse(&id)?;
    let version = fields.text("version").to_owned();
    let notice = format!("It runs version {version} now.");
    let patch = ConnectionPatch {
        version: Some(version),
        revision: fields.text("revision").parse().ok(),
        ..ConnectionPatch::default()
    };
    let changed = connections::change(&api.app, member.session.organization, id, patch).await.map_err(Problem::from)?;
    Ok(reply::done(&Tab::Overview.path(id), &said(&notice, &changed.revocation)))
}
