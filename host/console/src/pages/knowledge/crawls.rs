//! `/console/knowledge/crawls`: sites and lists that are read, and how far each is.

use axum::{
    extract::{Path, State},
    response::Response,
};
use maud::{Markup, html};
use resly_core::{
    id::CrawlId,
    knowledge::crawl::{Crawl, CrawlCounts, CrawlStatus, CrawledPageState, OmittedPage},
    member::Permission,
    plan::Feature,
};
use resly_http::{Api, problem::Problem};
use resly_service::{
    crawls::{self, CrawlDetails, CrawlError},
    plans,
};

use super::{framed, source::link};
use crate::{
    access::{Admin, Viewer},
    error::PageError,
    fields::Submitted,
    frame::Page,
    numbers::{counted, every, thousands},
    parts::{Table, Tone, badge, confirm, date, empty, facts, form, icon},
    reply,
};

pub async fn page(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    let crawls = api.app.store.crawls(member.session.organization).await?;
    let may = member.may(Permission::Manage);
    let add = html! { @if may { a href="/console/knowledge/new?kind=site" class="button primary" { (icon("plus")) "Read a site" } } };
    let mut table = Table::new("Sites and lists", &["Starts at", "Status", "#Ready", "#Found", "Last run", "Next"]);
    for crawl in &crawls {
        table.row(vec![
            html! { a href={ "/console/knowledge/crawls/" (crawl.id) } { (name(crawl)) } },
            html! { (status(crawl.status)) @if let Some(failure) = &crawl.failure { p class="hint" { (failure) } } },
            html! { (thousands(crawl.counts.ready)) },
            html! { (thousands(crawl.counts.found)) },
            date(crawl.started_at, "not yet"),
            date(crawl.due_at, ""),
        ]);
    }
    let refresh = crawls.iter().any(is_moving);
    let body = html! {
        @if crawls.is_empty() {
            (empty("No site is read", "A site is crawled from its start or its sitemap, within bounds that you set, and read again as often as you like. Lists of a connector are set by the API.", &add))
        } @else { div id="crawls" data-refresh[refresh] { (table.draw()) } }
    };
    Ok(framed(member, body).actions(if crawls.is_empty() { Markup::default() } else { add }))
}

fn is_moving(crawl: &Crawl) -> bool {
    matches!(crawl.status, CrawlStatus::Queued | CrawlStatus::Running)
}

/// What a crawl reads.
fn name(crawl: &Crawl) -> Markup {
    html! {
        @match &crawl.settings.list {
            None => (crawl.url),
            Some(list) => { "List " code { (list.action) } },
        }
    }
}

fn status(status: CrawlStatus) -> Markup {
    match status {
        CrawlStatus::Queued => badge(Tone::Quiet, "about to run"),
        CrawlStatus::Running => badge(Tone::Quiet, "running"),
        CrawlStatus::Done => badge(Tone::Good, "done"),
        CrawlStatus::Failed => badge(Tone::Bad, "failed"),
    }
}

pub async fn one(Viewer(member): Viewer, State(api): State<Api>, Path(id): Path<String>) -> Result<Page, PageError> {
    let id = id_of(&id)?;
    let found = crawls::find(&api.app, member.session.organization, id).await.map_err(Problem::from)?;
    let CrawlDetails { crawl, omitted } = &found;
    let path = format!("/console/knowledge/crawls/{id}");
    let title = if crawl.settings.list.is_some() { "A list of a connector".to_owned() } else { crawl.url.clone() };
    let body = html! {
        section class="panel" id="crawl" data-refresh[is_moving(crawl)] {
            @if let Some(failure) = &crawl.failure { p class="notice bad" { (icon("warn")) (failure) } }
            (progress(&crawl.counts))
            (about(crawl))
        }
        (settings(crawl))
        (left_out(omitted))
    };
    let actions = html! {
        @if member.may(Permission::Manage) {
            (form(&member.form_token, &format!("{path}/run"), &html! { button class="button" { "Run now" } }))
            (confirm(&member.form_token, "delete", "Delete", "Delete it with its pages?",
                &html! { p { "Its " (counted(crawl.counts.ready, "page")) " won't be found any more. It can't be undone." } },
                &format!("{path}/delete"), "Delete"))
        }
    };
    Ok(Page::new(member, title, body).above("/console/knowledge/crawls", "Sites and lists").actions(actions))
}

fn id_of(text: &str) -> Result<CrawlId, PageError> {
    text.parse().map_err(|_| Problem::from(CrawlError::Missing).into())
}

fn progress(counts: &CrawlCounts) -> Markup {
    let read = counts.ready + counts.failed + counts.skipped;
    let percent = (read.min(counts.found) * 100).checked_div(counts.found).unwrap_or(0);
    let text = format!("{} of {} read", thousands(read), counted(counts.found, "page"));
    html! {
        p class="progress" {
            svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=(text) {
                rect class="track" width="100" height="4" {}
                rect class="fill" width=(percent) height="4" {}
            }
            span class="number" { (text) }
        }
    }
}

fn about(crawl: &Crawl) -> Markup {
    let CrawlCounts { ready, failed, skipped, left_out, .. } = crawl.counts;
    facts(&[
        ("Status", status(crawl.status)),
        ("Ready", html! { (thousands(ready)) }),
        ("Failed", html! { (thousands(failed)) }),
        ("Skipped", html! { (thousands(skipped)) }),
        ("Links beyond the bound", html! { (thousands(left_out)) }),
        ("Fetched", html! { (thousands(crawl.bytes >> 10)) " KiB" }),
        ("Run", html! { (thousands(crawl.run)) }),
        ("Began", date(crawl.started_at, "not yet")),
        ("Ended", date(crawl.ended_at, "not yet")),
        ("Next", date(crawl.due_at, "not planned")),
    ])
}

fn settings(crawl: &Crawl) -> Markup {
    let set = &crawl.settings;
    let texts = |texts: &[String], none: &str| html! { @if texts.is_empty() { (none) } @for text in texts { code { (text) } " " } };
    let mut list = vec![
        ("Most pages", html! { (thousands(set.most_pages.into())) }),
        ("Most bytes of a run", html! { (thousands(set.most_bytes >> 20)) " MiB" }),
        ("Read again", html! { @match set.refresh_every_s { Some(seconds) => (every(seconds)), None => "never" } }),
    ];
    match &set.list {
        Some(of) => list.extend([
            ("Connection", html! { a href={ "/console/connections/" (of.connection) } { "the connection" } }),
            ("Action", html! { code { (of.action) } }),
            ("Mapping", html! { code { (of.mapping) } }),
            ("Most calls", html! { (of.most_calls) }),
        ]),
        None => list.extend([
            ("Starts at", link(&crawl.url)),
            ("Links to follow", html! { (set.depth) }),
            ("Only paths", texts(&set.include, "all")),
            ("Not paths", texts(&set.exclude, "none")),
            ("Sitemap", html! { @match &set.sitemap { Some(url) => (link(url)), None => "as robots.txt says" } }),
        ]),
    }
    html! {
        section class="panel" {
            h2 { "Bounds" }
            (facts(&list))
            @if set.list.is_none() { p class="hint" { "To change them, add a site with the same address." } }
        }
    }
}

fn left_out(omitted: &[OmittedPage]) -> Markup {
    let mut table = Table::new("Pages that are no sources", &["Page", "State", "Why"]);
    for page in omitted {
        let state = match page.state {
            CrawledPageState::Failed => badge(Tone::Bad, "failed"),
            CrawledPageState::Skipped => badge(Tone::Quiet, "skipped"),
            CrawledPageState::Found => badge(Tone::Quiet, "found"),
            CrawledPageState::Ready => badge(Tone::Good, "ready"),
        };
        table.row(vec![html! { (page.url) }, state, html! { (page.reason) }]);
    }
    html! {
        @if !table.is_empty() {
            section class="panel" {
                h2 { "Pages that are no sources" }
                p class="quiet" { "Of the newest run, 200 at most." }
                (table.draw())
            }
        }
    }
}

pub async fn run(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let (id, organization) = (id_of(&id)?, member.session.organization);
    plans::require(&api.app.store, organization, Feature::Crawls).await.map_err(Problem::from)?;
    crawls::run_now(&api.app, organization, id).await.map_err(Problem::from)?;
    Ok(reply::done(&format!("/console/knowledge/crawls/{id}"), "It will run in a moment."))
}

pub async fn delete(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    crawls::delete(&api.app, organization, id_of(&id)?).await.map_err(Problem::from)?;
    Ok(reply::done("/console/knowledge/crawls", "It is deleted, with its pages."))
}
