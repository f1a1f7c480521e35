//! `/` and `/docs`: the front page, the handbook, and the pages of problems, to which a problem's `type` leads.
//! Browsers get HTML, and programs get Markdown.

mod answer;
mod layout;
mod search;

use axum::{
    extract::{Path, RawQuery},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use self::answer::{MARKDOWN, PageFormat};
use super::{
    negotiation::prefers_html,
    problem::{Problem, kinds},
};

/// The front page: HTML for browsers, JSON for programs.
#[utoipa::path(get, path = "/", tag = "host", operation_id = "home", security(()),
    responses((status = 200, description = "Where to go from here: an HTML page for who prefers `text/html`, else an object of paths",
        content((std::collections::BTreeMap<String, String> = "application/json"), (String = "text/html"))),
        (status = 304, description = "It is what `If-None-Match` names")))]
pub async fn home(headers: HeaderMap) -> Response {
    let form = if prefers_html(&headers, "application/json") { PageFormat::Html } else { PageFormat::Json };
    answer::home(form, &headers)
}

/// The handbook's pages, or what they say about something.
#[utoipa::path(get, path = "/docs", tag = "host", operation_id = "handbook", security(()),
    params(("q" = Option<String>, Query, description = "Words to search for, of which the first 200 characters are read")),
    responses((status = 200, description = "The list of the handbook's pages, or of the places that a search found: Markdown, or HTML for who prefers `text/html`",
        content((String = "text/markdown"), (String = "text/html"))),
        (status = 304, description = "It is what `If-None-Match` names")))]
pub async fn index(RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let pairs = url::form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
    match pairs.into_iter().find(|(name, text)| name == "q" && !text.trim().is_empty()) {
        Some((_, query)) => answer::found(&query, prefers_html(&headers, MARKDOWN), &headers),
        None => handbook("", &headers),
    }
}

/// The handbook for language models: <https://llmstxt.org>.
#[utoipa::path(get, path = "/llms.txt", tag = "host", operation_id = "handbookForModels", security(()),
    responses((status = 200, description = "The pages' addresses as Markdown, with what each is about", body = String, content_type = "text/markdown"),
        (status = 304, description = "It is what `If-None-Match` names")))]
pub async fn for_models(headers: HeaderMap) -> Response {
    answer::for_models(&headers)
}

/// One page of the handbook.
#[utoipa::path(get, path = "/docs/{page}", tag = "host", operation_id = "handbookPage", security(()),
    params(("page" = String, Path, description = "A page's name, or `problems`; with `.md` at its end it is Markdown, whatever `Accept` says")),
    responses((status = 200, description = "Markdown, or HTML for who prefers `text/html`",
        content((String = "text/markdown"), (String = "text/html"))),
        (status = 304, description = "It is what `If-None-Match` names"),
        (status = "default", description = "A problem (RFC 9457), or a page for who prefers `text/html`", body = crate::problem::members::ProblemBody, content_type = "application/problem+json")))]
pub async fn page(Path(page): Path<String>, headers: HeaderMap) -> Response {
    handbook(&page, &headers)
}

/// One problem: what it means and what to do next.
#[utoipa::path(get, path = "/docs/problems/{slug}", tag = "host", operation_id = "problemPage", security(()),
    params(("slug" = String, Path, description = "The end of a problem's `type`; with `.md` at its end the answer is Markdown, whatever `Accept` says")),
    responses((status = 200, description = "Markdown, or HTML for who prefers `text/html`",
        content((String = "text/markdown"), (String = "text/html"))),
        (status = 304, description = "It is what `If-None-Match` names"),
        (status = "default", description = "A problem (RFC 9457), or a page for who prefers `text/html`", body = crate::problem::members::ProblemBody, content_type = "application/problem+json")))]
pub async fn problem(Path(slug): Path<String>, headers: HeaderMap) -> Response {
    handbook(&format!("problems/{slug}"), &headers)
}

/// The problem of a path without a route.
pub const NOTHING_HERE: &str = "nothing answers at this path; /openapi.json lists what does";

/// Answers for a path without a route: with a page for browsers, else with a problem. The path isn't repeated, because
/// people paste keys into it.
pub async fn not_found(headers: HeaderMap) -> Response {
    missing(prefers_html(&headers, "application/problem+json"), NOTHING_HERE)
}

fn handbook(path: &str, headers: &HeaderMap) -> Response {
    let (name, form) = match path.strip_suffix(".md") {
        Some(name) => (name, PageFormat::Markdown),
        None if prefers_html(headers, MARKDOWN) => (path, PageFormat::Html),
        None => (path, PageFormat::Markdown),
    };
    let page = answer::handbook(name, form, headers);
    page.unwrap_or_else(|| missing(form == PageFormat::Html, "the handbook has no such page; /docs lists those it has"))
}

fn missing(html: bool, detail: &'static str) -> Response {
    let mut response = if html {
        let mut page = (StatusCode::NOT_FOUND, layout::not_found()).into_response();
        layout::protect(page.headers_mut());
        page.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        page
    } else {
        Problem::new(&kinds::NOT_FOUND, detail).into_response()
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}
