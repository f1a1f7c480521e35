//! Deploy → API: the organization's keys, and how programs use them.

use axum::extract::{Query, State};
use maud::{Markup, html};
use resly_core::{member::Permission, principal::KeyKind, time::Timestamp};
use resly_http::{Api, problem::Problem};
use resly_store::KeySummary;
use serde::Deserialize;

use super::{
    snippets,
    words::{State as KeyState, scopes},
};
use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    parts::{Table, Tone, badge, date, empty, icon, pager, part},
};

pub const PATH: &str = "/console/deploy/api";
/// Keys of a page.
const ROWS: usize = 50;

#[derive(Deserialize)]
pub struct Parameters {
    before: Option<String>,
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(Parameters { before }): Query<Parameters>,
) -> Result<Page, PageError> {
    let keys = api.app.store.list_keys(member.session.organization).await?;
    let url = api.app.public_url().map_err(Problem::from)?;
    let generate = html! {
        @if member.may(Permission::Manage) {
            a href="/console/deploy/api/new" class="button primary" { (icon("plus")) "Generate New Key" }
        }
    };
    let body = html! {
        section class="section" {
            h2 { "API keys" }
            (list(&keys, before.as_deref(), api.app.clock.now(), member.may(Permission::Manage)))
        }
        section class="panel" {
            h2 { "Use a key" }
            p {
                "Programs on your servers ask " code { (url) "/api/chat" } " with a secret key in the environment variable "
                code { "RESLY_API_KEY" } "."
            }
            (snippets::for_servers(url))
            p class="hint" {
                "More in the handbook: " a href="/docs/chat-api" { "the chat API" } ", " a href="/docs/search" { "search" } ", "
                a href="/docs/api-keys" { "API keys" } "."
            }
        }
        section class="panel" {
            h2 { "Keep keys safe" }
            ul class="plain" {
                li { "Keep a secret key in an environment variable or a secrets manager. Never commit it, and never send it to a browser or an app." }
                li { "A web page uses a publishable key, which works from your sites alone: " a href="/console/deploy/widget" { "make one" } "." }
                li { "Rotate a key whenever you like: the old and the new one both work until you are done." }
            }
        }
    };
    let lead = html! { "Install & Integrate: use the AI in your own applications." };
    Ok(Page::new(member, "API", body).lead(lead).actions(generate))
}

fn list(keys: &[KeySummary], before: Option<&str>, now: Timestamp, may_make: bool) -> Markup {
    if keys.is_empty() {
        let text = "A key lets a program of yours ask this organization's AI. Your keys will be here, with what each may do and when it was last used.";
        let begin =
            html! { @if may_make { a href="/console/deploy/api/new" class="button primary" { "Generate New Key" } } };
        return empty("No API keys yet", text, &begin);
    }
    let mut table = Table::new("API keys", &["Name", "May", "Last used", "State"]);
    let (shown, next) = part(keys, before, ROWS, |key| key.id.to_string());
    for key in shown {
        let name = html! {
            a href={ (PATH) "/" (key.id) } { (key.name) }
            @if key.kind == KeyKind::Publishable { " " (badge(Tone::Quiet, "publishable")) }
        };
        let state = KeyState::of(key, keys, now).draw(now);
        table.row(vec![name, scopes(key), date(key.last_used_at, "never"), state]);
    }
    html! { (table.draw()) (pager(PATH, next.as_deref())) }
}
