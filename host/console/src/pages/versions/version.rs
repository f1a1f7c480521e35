//! One version: its manifest laid open, how it differs from what was approved, and the decision.

use axum::extract::{Path, State};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{
    connector::{
        approval::{Approval, GrantChanges, import_warnings},
        connection::Origin,
    },
    member::Permission,
};
use resly_http::{Api, problem::Problem};
use resly_manifest::Change;
use resly_service::{
    catalogue::CatalogEntry,
    connectors::{self, FoundConnector},
};
use resly_store::VersionState;

use super::{manifest, path, state};
use crate::{
    access::Viewer,
    error::{PageError, sentence},
    frame::Page,
    member::Member,
    parts::{Field, Table, Tone, alert, badge, button, confirm, copyable, date, facts, form, icon},
};

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Path((id, version)): Path<(String, String)>,
) -> Result<Page, PageError> {
    draw(member, &api, &id, &version, None).await
}

/// The page; with a mistake, after a form that couldn't be done.
pub async fn draw(
    member: Member,
    api: &Api,
    id: &str,
    version: &str,
    mistake: Option<&str>,
) -> Result<Page, PageError> {
    let found = connectors::find(&api.app, member.session.organization, id, Some(version)).await;
    let found = found.map_err(Problem::from)?;
    let FoundConnector { chosen, versions, trust } = &found;
    let told = &chosen.installable.manifest;
    let manages = member.may(Permission::Manage);
    let uploaded = chosen.installable.origin == Origin::Uploaded;
    let body = html! {
        @if let Some(mistake) = mistake { (alert(&sentence(mistake))) }
        (standing(chosen))
        @if let Some(changes) = chosen.changes(versions) { (differences(&changes)) }
        @if manages && uploaded { (decision(&member, chosen)) }
        (manifest::draw(told))
        section class="panel" { h2 { "Where it comes from" } (facts(&origin(chosen, trust))) }
        section class="panel" {
            details {
                summary { "The manifest as it is" }
                pre class="code" tabindex="0" { (serde_json::to_string_pretty(&**told).unwrap_or_default()) }
            }
        }
    };
    let installs = chosen.check(trust).is_ok();
    let actions = html! {
        @if manages && installs { a href={ "/console/connectors/" (id) } class="button primary" { "Install it" } }
        @if manages && chosen.installable.origin == Origin::Declarative {
            (button(&format!("/console/connectors/new/text?from={id}&version={version}"), "Write a new version"))
        }
        @if manages && chosen.installable.origin != Origin::Bundled { (deletion(&member, id, version)) }
    };
    let status = if mistake.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
    let page = Page::new(member, format!("{} {version}", told.name), body)
        .above(format!("/console/connectors/{id}/versions"), "Versions")
        .lead(html! { (state::state(chosen)) @if let Some(description) = &told.description { " " (description) } })
        .actions(actions)
        .status(status);
    Ok(page)
}

/// What the state means for an admin, when there is something to do or to wait for.
fn standing(entry: &CatalogEntry) -> Markup {
    match (entry.state, entry.approval) {
        (VersionState::Compiling, _) => html! {
            p class="notice warn" data-reload { "The host compiles it. Load this page again in a moment." }
        },
        (VersionState::Refused, _) => html! {
            p class="notice bad" { (icon("warn")) "It can't run: " (sentence(entry.reason.as_deref().unwrap_or("no reason was kept"))) }
        },
        (VersionState::Ready, Approval::Pending) => html! {
            p class="notice warn" { (icon("warn")) "It waits for an admin: read what it asks for, then approve or reject it." }
        },
        (VersionState::Ready, Approval::Rejected) => html! {
            p class="notice bad" {
                (icon("warn")) "It was rejected"
                @if let Some(reason) = &entry.approval_reason { ": " (sentence(reason)) } @else { "." }
            }
        },
        _ => Markup::default(),
    }
}

fn differences(changes: &GrantChanges) -> Markup {
    let GrantChanges { against, changes } = changes;
    html! {
        section class="panel" {
            h2 { "Compared with " (against) ", which was approved" }
            @if changes.wider.is_empty() { p { "It asks for no more." } }
            @else { p { "It asks for more:" } (differing("What it asks for beyond that", &changes.wider, Tone::Warn)) }
            @if !changes.other.is_empty() { details { summary { "What else is different" } (differing("What else is different", &changes.other, Tone::Quiet)) } }
        }
    }
}

fn differing(caption: &str, changes: &[Change], tone: Tone) -> Markup {
    let mut table = Table::new(caption, &["What", "Where", "Before", "Now"]);
    for Change { path, before, after, what } in changes {
        table.row(vec![
            html! { (badge(tone, if tone == Tone::Warn { "more" } else { "other" })) " " (sentence(what)) },
            html! { code { (path) } },
            html! { code { (before) } },
            html! { code { (after) } },
        ]);
    }
    table.draw()
}

fn decision(member: &Member, entry: &CatalogEntry) -> Markup {
    let told = &entry.installable.manifest;
    let (at, sha256) = (path(&told.id, &told.version), entry.installable.component.to_string());
    let seen = html! { input type="hidden" name="sha256" value=(sha256); };
    let reason = Field { name: "reason", label: "Why", length: Some(500), ..Field::default() };
    html! {
        section class="panel" {
            h2 { "Your decision" }
            p class="hint" { "You decide about the file that this page shows: SHA-256 " code { (sha256) } "." }
            div class="row" {
                @if entry.approval != Approval::Approved && entry.state != VersionState::Refused {
                    (form(&member.form_token, &format!("{at}/approve"), &html! { (seen) button class="button primary" { "Approve what it asks for" } }))
                }
                @if entry.approval != Approval::Rejected {
                    (confirm(&member.form_token, "reject", "Reject", "Reject this version?", &html! {
                        (seen)
                        p { "It can't be installed then. You can still approve it later." }
                        (reason.draw())
                    }, &format!("{at}/reject"), "Reject it"))
                }
            }
        }
    }
}

fn deletion(member: &Member, id: &str, version: &str) -> Markup {
    let text = html! {
        p { "Version " (version) " leaves the catalogue. Its number stays taken: only the same content can come back under it." }
        p { "A version that a connection uses can't be deleted." }
    };
    confirm(
        &member.form_token,
        "delete",
        "Delete",
        "Delete this version?",
        &text,
        &format!("{}/delete", path(id, version)),
        "Delete it",
    )
}

fn origin(entry: &CatalogEntry, trust: &resly_store::Trust) -> Vec<(&'static str, Markup)> {
    let told = &entry.installable.manifest;
    let mut known = vec![
        ("Kind", html! { (state::origin(entry.installable.origin)) }),
        ("Author", html! { (told.author.as_deref().unwrap_or("not named")) }),
        ("Added", date(entry.created_at, "with the host")),
    ];
    if entry.installable.origin == Origin::Uploaded {
        let remarks = import_warnings(told, &entry.imports);
        known.extend([
            ("Signed by", html! { (state::signature(entry, trust)) }),
            ("SHA-256", copyable("the SHA-256", &entry.installable.component.to_string())),
            ("Decided", date(entry.decided_at, "not yet")),
            ("Imports", html! { ul class="plain" { @for import in &entry.imports { li { code { (import) } } } } }),
        ]);
        if !remarks.is_empty() {
            known.push((
                "Look at",
                html! { ul class="plain" { @for remark in remarks { li { (sentence(&remark)) } } } },
            ));
        }
    }
    known
}
