//! `/console/connectors/{id}`: what a connector is, what it asks for, and what it does.

use axum::extract::{Path, Query, State};
use maud::{Markup, html};
use resly_core::{connector::connection::Origin, member::Permission};
use resly_http::{Api, problem::Problem};
use resly_manifest::{Action, SideEffect};
use resly_service::{
    connections,
    connectors::{self, FoundConnector},
};
use serde::Deserialize;

use super::{obstacle, permissions::permissions};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    member::Member,
    pages::connections::words,
    parts::{Table, Tone, badge, button, date, facts, icon, prose},
};

#[derive(Deserialize)]
pub struct Parameters {
    version: Option<String>,
}

/// The connector of a page's path, in a version.
pub async fn find(api: &Api, member: &Member, id: &str, version: Option<&str>) -> Result<FoundConnector, PageError> {
    let found = connectors::find(&api.app, member.session.organization, id, version).await;
    Ok(found.map_err(Problem::from)?)
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(Parameters { version }): Query<Parameters>,
) -> Result<Page, PageError> {
    let found = find(&api, &member, &id, version.as_deref()).await?;
    let connections = connections::list(&api.app, member.session.organization).await.map_err(Problem::from)?;
    let manifest = &found.chosen.installable.manifest;
    let obstacle = obstacle(&found.chosen, &found.trust);
    let mut installed = Table::new("Installed as", &["Name", "Environment", "Status"]);
    for connection in connections.iter().map(|described| &described.connection).filter(|of| of.connector == manifest.id)
    {
        installed.row(vec![
            html! { a href={ "/console/connections/" (connection.id) } { (connection.name) } },
            words::environment(connection.environment),
            words::status(connection.status),
        ]);
    }
    let uploaded = found.chosen.installable.origin != Origin::Bundled;
    let versions = format!("/console/connectors/{id}/versions");
    let body = html! {
        @if let Some(obstacle) = &obstacle {
            div class="notice warn" { (icon("warn")) span { (obstacle) " " @if uploaded { a href=(versions) { "Its versions" } } } }
        }
        section class="panel" { (about(&found)) }
        section class="panel" {
            h2 { "What it asks for" }
            (permissions(manifest, &manifest.auth))
        }
        section class="panel" { h2 { "Actions" } (actions(&manifest.actions)) }
        @if !installed.is_empty() { section class="panel" { h2 { "Installed as" } (installed.draw()) } }
    };
    let install = format!("/console/connectors/{id}/install?version={}", manifest.version);
    let buttons = html! {
        @if uploaded { (button(&versions, "Versions")) }
        @if obstacle.is_none() && member.may(Permission::Manage) { a href=(install) class="button primary" { "Install" } }
    };
    let lead = html! { (manifest.description.as_deref().unwrap_or("It says nothing about itself.")) };
    Ok(Page::new(member, manifest.name.clone(), body)
        .lead(lead)
        .above("/console/connectors", "Connectors")
        .actions(buttons))
}

fn about(found: &FoundConnector) -> Markup {
    let entry = &found.chosen;
    let manifest = &entry.installable.manifest;
    let kind = match entry.installable.origin {
        Origin::Bundled => "comes with Resly",
        Origin::Declarative => "described by your organization",
        Origin::Uploaded => "uploaded by your organization",
    };
    facts(&[
        ("Version", html! { (manifest.version) }),
        ("Author", html! { (manifest.author.as_deref().unwrap_or("not named")) }),
        ("Where it is from", html! { (kind) }),
        ("Added", html! { (date(entry.created_at, "with the host")) }),
        (
            "Sandbox",
            html! { @if manifest.fixtures.is_empty() { "has no sample data" } @else { "answers with sample data" } },
        ),
    ])
}

fn actions(all: &[Action]) -> Markup {
    let mut table = Table::new("Actions", &["Action", "What it does", ""]);
    for action in all {
        table.row(vec![html! { (action.title) }, prose(&action.description), effect(action)]);
    }
    table.draw()
}

/// Whether an action reads or changes something.
pub fn effect(action: &Action) -> Markup {
    match action.side_effect {
        SideEffect::Read => badge(Tone::Quiet, "reads"),
        SideEffect::Write => badge(Tone::Warn, "changes"),
    }
}
