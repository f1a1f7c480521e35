//! Answers with pages. Each page is made once, at its first use. A revisit sends the ETag and gets a 304.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, OnceLock},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{layout, search};
use crate::handbook;

pub const MARKDOWN: &str = "text/markdown";

/// The format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFormat {
    Html,
    Markdown,
    Json,
}

impl PageFormat {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Json => "application/json",
        })
    }
}

/// A finished body with its validator.
struct Made {
    body: Bytes,
    tag: HeaderValue,
}

impl Made {
    fn new(text: String) -> Self {
        let digest = Sha256::digest(&text);
        let tag = format!("\"{}\"", BASE64URL_NOPAD.encode(&digest[..16]));
        // Base64 in quotes is always a header's value.
        let tag = HeaderValue::try_from(tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { body: text.into(), tag }
    }
}

/// A page in both forms.
#[derive(Default)]
struct Page {
    html: OnceLock<Made>,
    other: OnceLock<Made>,
}

/// The page in both forms. `None` when the handbook has no such page.
pub fn handbook(path: &str, form: PageFormat, headers: &HeaderMap) -> Option<Response> {
    static PAGES: LazyLock<BTreeMap<String, Page>> =
        LazyLock::new(|| handbook::paths().map(|path| (path, Page::default())).collect());
    let page = PAGES.get(path)?;
    let markdown = || handbook::markdown(path).unwrap_or_default();
    let made = match form {
        PageFormat::Html => page.html.get_or_init(|| Made::new(layout::handbook(path, &markdown()))),
        PageFormat::Markdown | PageFormat::Json => page.other.get_or_init(|| Made::new(markdown().into_owned())),
    };
    Some(respond(made, form, headers))
}

/// What the handbook says about a query.
pub fn found(query: &str, html: bool, headers: &HeaderMap) -> Response {
    let places = search::find(query);
    let (form, text) = match html {
        true => (PageFormat::Html, layout::found(query, &places)),
        false => (PageFormat::Markdown, search::markdown(&places)),
    };
    respond(&Made::new(text), form, headers)
}

pub fn for_models(headers: &HeaderMap) -> Response {
    static LIST: LazyLock<Made> = LazyLock::new(|| Made::new(handbook::for_models()));
    respond(&LIST, PageFormat::Markdown, headers)
}

pub fn home(form: PageFormat, headers: &HeaderMap) -> Response {
    static HOME: LazyLock<Page> = LazyLock::new(Page::default);
    let made = match form {
        PageFormat::Html => HOME.html.get_or_init(|| Made::new(layout::home())),
        PageFormat::Markdown | PageFormat::Json => HOME.other.get_or_init(|| Made::new(paths())),
    };
    respond(made, form, headers)
}

fn paths() -> String {
    let paths = json!({
        "handbook": "/docs", "handbook_for_models": "/llms.txt", "problems": "/docs/problems", "openapi": "/openapi.json", "console": "/console",
        "health": "/healthz", "ready": "/readyz",
    });
    format!("{paths}\n")
}

fn respond(made: &Made, form: PageFormat, asked: &HeaderMap) -> Response {
    let known = is_known(&made.tag, asked);
    let mut response = Response::new(if known { Body::empty() } else { Body::from(made.body.clone()) });
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(header::ETAG, made.tag.clone());
    // Another version of the host may have other pages, so each visit asks.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if form == PageFormat::Html {
        layout::protect(headers);
    } else {
        headers.insert(header::CONTENT_TYPE, form.content_type());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    if known {
        headers.remove(header::CONTENT_TYPE);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}

/// Whether `If-None-Match` names the tag (RFC 9110, section 13.1.2: compared weakly, since proxies that compress weaken tags).
fn is_known(tag: &HeaderValue, headers: &HeaderMap) -> bool {
    let Ok(tag) = tag.to_str() else { return false };
    let named = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut named = named.flat_map(|value| value.split(',')).map(str::trim);
    named.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}
