//! A page's document: head, files, and the headers that say what a browser may do with it.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
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
    let mut response = (status, page.into_string()).into_response();
    protect(response.headers_mut());
    response
}

/// The response of a page without a menu.
pub fn alone(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        main id="main" class="alone" { p class="brand" { (icon("mark")) "Resly" } h1 { (title) } (body) }
    };
    respond(status, title, &page)
}

/// The headers of everything that is a person's own.
fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with it, browsers send forms with the origin `null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let isolated = HeaderValue::from_static("same-origin");
    headers.insert("cross-origin-opener-policy", isolated.clone());
    headers.insert("cross-origin-resource-policy", isolated);
}
