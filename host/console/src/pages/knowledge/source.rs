//! `/console/knowledge/{id}`: one source: its text, its passages, and the answers that cite it.

use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{
    id::SourceId,
    knowledge::{PassageText, Source, SourceKind, SourceStatus},
    member::Permission,
};
use resly_http::{Api, pagination, problem::Problem};
use resly_service::sources::{self, CITING_READ, PASSAGES_SHOWN, SourceDetails, SourceError};
use resly_store::CitingAnswers;
use serde::Deserialize;

use super::{
    is_waiting, kind, status,
    text_form::{TextForm, cut},
    what_to_do,
};
use crate::{
    access::{Admin, Viewer},
    error::PageError,
    fields::Submitted,
    frame::Page,
    member::Member,
    mistakes::Mistakes,
    numbers::{counted, every, thousands},
    parts::{Table, button, confirm, date, facts, icon, when},
    reply,
};

/// The longest text that is edited in place. A longer one is replaced by a file, or by the API.
const EDITED_MOST: usize = 200_000;
/// Bytes of a text that are shown.
const SHOWN: usize = 20_000;

#[derive(Default, Deserialize)]
pub struct SourceParameters {
    /// The first passage that is shown, from 0.
    #[serde(default)]
    from: u64,
    /// Where the search for citing answers goes on.
    cited_before: Option<String>,
}

pub async fn page(
    Viewer(member): Viewer,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(asked): Query<SourceParameters>,
) -> Result<Page, PageError> {
    draw(member, &api, id_of(&id)?, &asked, None).await
}

pub fn id_of(text: &str) -> Result<SourceId, PageError> {
    text.parse().map_err(|_| Problem::from(SourceError::Missing).into())
}

async fn draw(
    member: Member,
    api: &Api,
    id: SourceId,
    asked: &SourceParameters,
    refused: Option<(TextForm, Mistakes)>,
) -> Result<Page, PageError> {
    let before = asked.cited_before.as_deref().and_then(pagination::decode);
    let organization = member.session.organization;
    let details = sources::details(&api.app, organization, id, asked.from, before).await.map_err(Problem::from)?;
    let SourceDetails { stored, passages, cited } = details;
    let source = &stored.source;
    let edits = source.kind == SourceKind::Text && member.may(Permission::Manage) && stored.text.len() <= EDITED_MOST;
    let path = format!("/console/knowledge/{id}");
    let body = html! {
        section class="panel" id="source-state" data-refresh[is_waiting(source)] {
            @if let Some(failure) = &source.failure {
                div class={ "notice " (if source.status == SourceStatus::Failed { "bad" } else { "warn" }) } {
                    (icon("warn")) div { p { (failure.message) } p { (what_to_do(failure.kind)) (again(source)) } }
                }
            }
            @if let Some(note) = &source.note { p class="notice warn" { (icon("warn")) (note) } }
            (about(source))
        }
        section class="panel" {
            h2 { "Text" }
            @if edits {
                @let (form, mistakes) = refused.unwrap_or_else(|| (TextForm::stored(&stored), Mistakes::default()));
                (form.draw(&member.form_token, &path, "Save", &mistakes))
            } @else if stored.text.is_empty() {
                p class="quiet" { "It has no text yet." }
            } @else { (text(&stored.text, source.kind == SourceKind::Text)) }
        }
        (passages_of(&path, source, &passages, asked.from))
        (cited_by(&path, &cited))
    };
    let actions = html! {
        @if member.may(Permission::Converse) { (button("/console/playground", "Ask about it")) }
        @if member.may(Permission::Manage) { (delete_button(&member, source, &path)) }
    };
    let page = Page::new(member, source.title.clone(), body).above("/console/knowledge", "Knowledge").actions(actions);
    Ok(page)
}

/// The way to a new try, where there is one.
fn again(source: &Source) -> Markup {
    match (source.kind, &source.url) {
        (SourceKind::Page, Some(url)) => {
            let url: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
            html! { " " a href={ "/console/knowledge/new?kind=page&url=" (url) } { "Read it again" } "." }
        }
        (SourceKind::File, _) => html! { " " a href="/console/knowledge/new?kind=file" { "Upload a file" } "." },
        _ => Markup::default(),
    }
}

fn about(source: &Source) -> Markup {
    let mut list = vec![
        ("Status", status(source)),
        ("Kind", html! { (kind(source.kind)) }),
        ("Passages", html! { (thousands(source.chunks.into())) }),
        ("Last read", when(source.checked_at.unwrap_or(source.updated_at))),
        ("Added", when(source.created_at)),
    ];
    if let Some(url) = &source.url {
        list.push(("Address", link(url)));
    }
    if let Some(crawl) = source.crawl {
        list.push(("Kept by", html! { a href={ "/console/knowledge/crawls/" (crawl) } { "its site or list" } }));
    }
    if let Some(key) = sources::key_of(source.identity.as_deref()) {
        list.push(("Your key", html! { code { (key) } }));
    }
    if let Some(seconds) = source.refresh_every_s {
        list.push(("Read again", html! { (every(seconds)) ", next " (date(source.due_at, "soon")) }));
    }
    facts(&list)
}

/// A link to the web; the text alone where it isn't one.
pub fn link(url: &str) -> Markup {
    let is_web = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
    html! { @if is_web { a href=(url) rel="noreferrer noopener" { (url) } } @else { (url) } }
}

fn text(text: &str, is_ours: bool) -> Markup {
    let shown = &text[..text.floor_char_boundary(SHOWN)];
    html! {
        pre class="text" tabindex="0" aria-label="Text" { (shown) }
        @if shown.len() < text.len() {
            p class="hint" {
                "The beginning of " (thousands(text.len() as u64)) " bytes."
                @if is_ours { " It is too long to be edited here: upload a file in its place, or replace it by the API." }
            }
        }
    }
}

fn passages_of(path: &str, source: &Source, passages: &[PassageText], from: u64) -> Markup {
    let (shown, all) = (passages.len() as u64, u64::from(source.chunks));
    html! {
        section class="panel" id="passages" {
            div class="panel-head" {
                h2 { "Passages" }
                @if shown > 0 { span class="quiet" { (thousands(from + 1)) " to " (thousands(from + shown)) " of " (thousands(all)) } }
            }
            @if passages.is_empty() { p class="quiet" { "It has no passages here. They appear once its text is read." } }
            @for passage in passages { (drawn_passage(passage)) }
            nav class="pager row" aria-label="Passages" {
                @if from > 0 {
                    a class="button" href={ (path) "?from=" (from.saturating_sub(PASSAGES_SHOWN.into())) "#passages" } { "Earlier" }
                }
                @if from + shown < all && shown > 0 {
                    a class="button" href={ (path) "?from=" (from + shown) "#passages" } { "Next" }
                }
            }
        }
    }
}

fn drawn_passage(passage: &PassageText) -> Markup {
    html! {
        article class="passage" {
            h3 { span class="number" { (passage.position + 1) } " "
                @if passage.section.is_empty() { span class="quiet" { "before the first heading" } } @else { (passage.section) }
            }
            p { (passage.text) }
        }
    }
}

fn cited_by(path: &str, cited: &CitingAnswers) -> Markup {
    let mut table = Table::new("Answers that cite it", &["Answer", "When"]);
    for answer in &cited.answers {
        table.row(vec![
            html! { a href={ "/console/conversations/" (answer.conversation) } { (answer.excerpt) } },
            when(answer.created_at),
        ]);
    }
    html! {
        section class="panel" id="cited" {
            div class="panel-head" {
                h2 { "Answers that cite it" }
                @if let Some(older) = cited.older {
                    a class="button" href={ (path) "?cited_before=" (pagination::encode(older)) "#cited" } { "Look further back" }
                }
            }
            @if table.is_empty() {
                p class="quiet" {
                    "None"
                    @if cited.older.is_some() { " of these " (thousands(CITING_READ.into())) " messages" }
                    "."
                }
            } @else { (table.draw()) }
        }
    }
}

fn delete_button(member: &Member, source: &Source, path: &str) -> Markup {
    let text = html! {
        p { "Its " (counted(source.chunks.into(), "passage")) " won't be found any more. Answers that were given keep their citations. It can't be undone." }
        @if source.crawl.is_some() { p { "Its site or list adds it again when it is read next." } }
    };
    confirm(&member.form_token, "delete", "Delete", "Delete this source?", &text, &format!("{path}/delete"), "Delete")
}

pub async fn replace(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let (id, organization) = (id_of(&id)?, member.session.organization);
    let form = TextForm::submitted(&fields);
    let replaced = match cut(&api, organization, form.source()).await {
        Ok(new) => sources::replace(&api.app, organization, id, new).await.map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    match replaced {
        Ok(source) => {
            let notice = format!("It is saved, in {}.", counted(source.chunks.into(), "passage"));
            Ok(reply::done(&format!("/console/knowledge/{id}"), &notice))
        }
        Err(problem) => {
            let refused = Some((form, Mistakes::of(problem)?));
            let page = draw(member, &api, id, &SourceParameters::default(), refused).await?;
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
    }
}

pub async fn delete(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    if !api.app.library.remove(organization, id_of(&id)?).await? {
        return Err(Problem::from(SourceError::Missing).into());
    }
    Ok(reply::done("/console/knowledge", "The source is deleted."))
}
