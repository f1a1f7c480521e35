//! The frame of the host's pages: head, navigation, style, and the policy that allows only this style.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, header};
use maud::{Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::{
    handbook::{self, GROUPS, render::render},
    html::document,
};

use super::search::Place;

const STYLE: &str = include_str!("style.css");
/// Buttons that copy code. Without it a page has all of its text.
const SCRIPT: &str = include_str!("script.js");

/// A page of the handbook at its path (see `handbook::markdown`). Anchors of headings have no dot, so the frame's own
/// anchors have one.
pub fn handbook(path: &str, markdown: &str) -> String {
    let page = render(markdown);
    let main = PreEscaped(page.html);
    if path.is_empty() {
        return frame("Handbook", &main, None, "");
    }
    let title = page.headings.first().map_or("Handbook", |heading| heading.text.as_str());
    let sections: Vec<_> = page.headings.iter().filter(|heading| heading.level == 2).collect();
    let aside = html! {
        @if sections.len() > 1 {
            nav aria-labelledby="nav.contents" {
                h2 id="nav.contents" { "On this page" }
                ul { @for heading in &sections { li { a href={ "#" (heading.anchor) } { (heading.text) } } } }
            }
        }
        (pages(path))
    };
    frame(title, &main, Some(&aside), "")
}

/// What the handbook says about a query.
pub fn found(query: &str, places: &[Place]) -> String {
    let main = html! {
        h1 { "Handbook" }
        @if places.is_empty() {
            p { "Nothing in the handbook has these words. Try fewer or other ones, or look through the list of pages." }
        } @else {
            p class="lead" { "What has these words, the best first:" }
            ol class="found" {
                @for place in places {
                    li {
                        h2 { a href=(address(place)) { (place.section) } }
                        p { (place.excerpt) }
                    }
                }
            }
        }
    };
    frame("Search in the handbook", &main, Some(&pages("")), query)
}

fn address(place: &Place) -> String {
    let mark = if place.anchor.is_empty() { "" } else { "#" };
    format!("/docs/{}{mark}{}", place.page, place.anchor)
}

/// The list of all pages, with the one at `current` marked.
fn pages(current: &str) -> Markup {
    let item = |path: &str, title: &str| {
        let mark = (path == current).then_some("page");
        html! { li { a href={ "/docs/" (path) } aria-current=[mark] { (title) } } }
    };
    html! {
        nav aria-labelledby="nav.pages" class="pages" {
            h2 id="nav.pages" { "Handbook" }
            @for (group, names) in GROUPS {
                h3 { (group) }
                ul { @for page in names.iter().filter_map(|name| handbook::page(name)) { (item(page.name, page.title())) } }
            }
            h3 { "Errors" }
            ul { (item("problems", "Problems")) }
        }
    }
}

/// The front page. Everybody who can reach the host sees it, so it says nothing about this host in particular.
pub fn home() -> String {
    let health = html! { "Whether the host runs. " a href="/readyz" { "Ready" } " tells whether it can answer." };
    let text = |text: &str| html! { (text) };
    let links = [
        ("/docs", "Handbook", text("How to ask, what to set, how to connect a service.")),
        ("/docs/getting-started", "Getting started", text("From the demo to your own organization in four steps.")),
        ("/openapi.json", "API description", text("OpenAPI, for tools that make clients and try requests.")),
        ("/docs/problems", "Problems", text("Every error this host can answer with, and what to do next.")),
        ("/console", "Console", text("Connectors, knowledge, keys, inbox and use, for the people of an organization.")),
        ("/healthz", "Health", health),
    ];
    let main = html! {
        h1 { "Resly" }
        p class="lead" { "This host answers customers from what a company knows and from the services it runs on." }
        p {
            "Apps ask it by " code { "POST /api/chat" } " with an API key. "
            a href="/docs/chat-api" { "The chat API" } " shows how."
        }
        ul class="cards" { @for (path, name, about) in links { li { h2 { a href=(path) { (name) } } p { (about) } } } }
    };
    frame("Resly", &main, None, "")
}

pub fn not_found() -> String {
    let main = html! {
        h1 { "Nothing is here" }
        p {
            "Nothing answers at this address. The " a href="/docs" { "handbook" } " lists its pages, and "
            a href="/openapi.json" { "the API description" } " what programs can ask for."
        }
    };
    frame("Nothing is here", &main, Some(&pages("not-found")), "")
}

/// `query` is what was searched for.
fn frame(title: &str, main: &Markup, aside: Option<&Markup>, query: &str) -> String {
    let head = html! {
        meta name="color-scheme" content="light dark";
        style { (PreEscaped(STYLE)) }
    };
    let body = html! {
        a href="#page.main" class="skip" { "Skip to the content" }
        header {
            a href="/" class="brand" { "Resly" }
            a href="/docs" { "Handbook" }
            a href="/openapi.json" { "API" }
            form action="/docs" role="search" {
                label for="nav.search" class="hidden" { "Search in the handbook" }
                input id="nav.search" type="search" name="q" value=(query) placeholder="Search in the handbook" maxlength="200";
            }
            @if aside.is_some() { a href="#nav.pages" class="jump" { "All pages" } }
        }
        div class="columns" {
            main id="page.main" tabindex="-1" { (main) }
            @if let Some(aside) = aside { div class="aside" { (aside) } }
        }
        script { (PreEscaped(SCRIPT)) }
    };
    document(title, &head, &body)
}

/// The headers of every page: it runs its own script alone, loads nothing, sends a query to this host alone and is shown
/// in no frame.
pub fn protect(headers: &mut HeaderMap) {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let [style, script] = [STYLE, SCRIPT].map(|text| STANDARD.encode(Sha256::digest(text)));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'"
        );
        // It is ASCII. Without it the page would only lose its style.
        HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
    });
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
