//! Knowledge: sources, how they are read, and what a search finds in them. `/console/knowledge` is the list of sources.

pub mod add;
pub mod crawls;
pub mod search;
pub mod source;
pub mod synonyms;
mod text_form;

use axum::extract::{Query, State};
use maud::{Markup, html};
use resly_core::{
    knowledge::{FailureKind, Source, SourceKind, SourceStatus},
    member::Permission,
};
use resly_http::{Api, pagination, problem::Problem};
use resly_service::sources::{self, ListedSources};
use serde::Deserialize;

use crate::{
    access::Viewer,
    error::PageError,
    frame::Page,
    member::Member,
    numbers::{counted, thousands},
    parts::{Choice, Field, Table, Tone, badge, date, empty, icon, pager, select, tabs},
};

/// Sources of a page.
const LISTED: u32 = 50;
const LEAD: &str = "What answers rest on. Each source is cut into passages; an answer cites the passages it used.";

#[derive(Deserialize)]
pub struct ListParameters {
    #[serde(default)]
    status: String,
    before: Option<String>,
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Query(asked): Query<ListParameters>,
) -> Result<Page, PageError> {
    let status = SourceStatus::ALL.into_iter().find(|status| status.name() == asked.status);
    let before = asked.before.as_deref().and_then(pagination::decode);
    let listed = ListedSources { status, crawl: None, key_prefix: None, before, limit: LISTED + 1 };
    let mut found = sources::list(&api.app, member.session.organization, listed).await.map_err(Problem::from)?;
    let more = pagination::cut(&mut found, LISTED);
    let next = pagination::next(&found, more, |source| (source.created_at, source.id.0));
    let path =
        status.map_or("/console/knowledge".to_owned(), |status| format!("/console/knowledge?status={}", status.name()));
    let is_empty = found.is_empty() && status.is_none() && before.is_none();
    let body = html! {
        @if is_empty {
            (empty("Nothing is known yet", "Add a text, upload a file, or name a page or a site. Answers then rest on it and cite it.",
                &if member.may(Permission::Manage) { add_button() } else { Markup::default() }))
        } @else {
            (filter(&asked.status))
            @if found.is_empty() { (empty("No such source", "No source has this status now.", &html! { a href="/console/knowledge" class="button" { "Show all" } })) }
            @else { (table(&found)) (pager(&path, next.as_deref())) }
        }
    };
    let actions = if member.may(Permission::Manage) && !is_empty { add_button() } else { Markup::default() };
    Ok(framed(member, body).actions(actions))
}

/// A page of Knowledge that has a tab.
fn framed(member: Member, body: Markup) -> Page {
    let pages = [
        ("/console/knowledge", "Sources"),
        ("/console/knowledge/crawls", "Sites and lists"),
        ("/console/knowledge/search", "Search"),
        ("/console/knowledge/synonyms", "Synonyms"),
    ];
    let pages = pages.map(|(path, title)| (path.to_owned(), title));
    let bar = tabs("Knowledge", &member.path, &pages);
    Page::new(member, "Knowledge", body).lead(html! { (LEAD) }).tabs(bar)
}

fn add_button() -> Markup {
    html! { a href="/console/knowledge/new" class="button primary" { (icon("plus")) "Add knowledge" } }
}

fn filter(status: &str) -> Markup {
    let options =
        [("", "All"), ("ready", "Ready"), ("queued", "Waiting"), ("reading", "Being read"), ("failed", "Failed")];
    let options = options.map(|(value, label)| Choice { value, label, hint: None });
    html! {
        form class="filters" method="get" action="/console/knowledge" {
            (select(&Field { name: "status", label: "Status", value: status, required: true, ..Field::default() }, &options))
            button class="button" { "Show" }
        }
    }
}

fn table(found: &[Source]) -> Markup {
    let mut table = Table::new("Sources", &["Title", "Kind", "Status", "#Passages", "Last read"]);
    for source in found {
        table.row(vec![
            html! { a href={ "/console/knowledge/" (source.id) } { (source.title) } },
            html! { (kind(source.kind)) },
            html! { (status(source)) @if let Some(failure) = &source.failure { p class="hint" { (failure.message) } } },
            html! { (thousands(source.chunks.into())) },
            date(Some(source.checked_at.unwrap_or(source.updated_at)), ""),
        ]);
    }
    let refresh = found.iter().any(is_waiting);
    html! { div id="sources" data-refresh[refresh] { (table.draw()) } }
}

fn is_waiting(source: &Source) -> bool {
    matches!(source.status, SourceStatus::Queued | SourceStatus::Reading)
}

fn kind(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::Text => "Text",
        SourceKind::File => "File",
        SourceKind::Page => "Page",
        SourceKind::CrawledPage => "Page of a site",
        SourceKind::ListItem => "Item of a list",
    }
}

fn status(source: &Source) -> Markup {
    match source.status {
        SourceStatus::Ready => badge(Tone::Good, "ready"),
        SourceStatus::Failed => badge(Tone::Bad, "failed"),
        SourceStatus::Queued => badge(Tone::Quiet, "waiting to be read"),
        SourceStatus::Reading if source.progress.passages == 0 => badge(Tone::Quiet, "being read"),
        SourceStatus::Reading => {
            let of = counted(source.progress.passages.into(), "passage");
            badge(Tone::Quiet, &format!("being read: {} of {of}", source.progress.embedded))
        }
    }
}

/// What an admin does about a failure, beside what the failure itself says.
fn what_to_do(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::UnsupportedFormat => "Save it as PDF, DOCX, HTML, Markdown, CSV or plain text and upload that.",
        FailureKind::Damaged => "Open it in the program that made it, save it again, and upload the new file.",
        FailureKind::Encrypted => "Save it without a password and upload that.",
        FailureKind::Empty => "It may be pictures of text. Add its text, or a file that has text.",
        FailureKind::TooLarge => "Split it, and upload the parts.",
        FailureKind::LimitReached => "Wait for the next month, or have the plan's limit raised. Then add it again.",
        FailureKind::Unreachable => "Check that the address opens without a sign-in, then add it again.",
        FailureKind::Gone => "The page isn't there any more. Delete the source, or add the page's new address.",
        FailureKind::NotIndexable => "Let the page allow indexing, or add its text.",
        FailureKind::Interrupted | FailureKind::Embedder | FailureKind::Internal => {
            "Add it again. If it stays so, the operator of this host finds the cause in its log."
        }
    }
}
