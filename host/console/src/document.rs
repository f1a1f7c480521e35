//! A page's document: head, files, and the headers that say what a browser may do with it and with everything else.

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use crate::{assets, parts::icon};

/// What a page may do: its own script, style, images and requests, and nothing of another origin.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The response of a page with this body.
pub fn respond(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Resly" }
                link rel="icon" href=(assets::url("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(assets::url("console.css"));
                script type="module" src=(assets::url("console.js")) {}
            }
            body { (body) }
        }
    };
    (status, Html(page.into_string())).into_response()
}

/// The response of a page without a menu.
pub fn alone(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        main id="main" class="alone" { p class="brand" { (icon("mark")) "Resly" } h1 { (title) } (body) }
    };
    respond(status, title, &page)
}

/// The headers of everything that is a person's own, also of a part of a page, a file and a redirect.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with it, browsers send forms with the origin `null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
