//! `/console/connectors/new`: the ways to a connector of one's own, side by side.

pub mod builder;
mod definition;
mod mistakes;
pub mod openapi;
pub mod text;
mod trial;
pub mod upload;

use maud::{Markup, html};

use crate::{frame::Page, member::Member, parts::tabs};

const BUILDER: &str = "/console/connectors/new";
const TEXT: &str = "/console/connectors/new/text";
const OPENAPI: &str = "/console/connectors/new/openapi";
const UPLOAD: &str = "/console/connectors/new/upload";

/// A page of one of the ways.
fn way(member: Member, path: &str, lead: Markup, body: Markup) -> Page {
    let ways = [
        (BUILDER.to_owned(), "Describe a request"),
        (TEXT.to_owned(), "Definition as text"),
        (OPENAPI.to_owned(), "Import OpenAPI"),
        (UPLOAD.to_owned(), "Upload .wasm"),
    ];
    Page::new(member, "Custom connector", body).above("/console/connectors", "Connectors").lead(lead).tabs(tabs(
        "Ways to a connector",
        path,
        &ways,
    ))
}

/// Where the handbook tells more.
fn handbook(page: &str, what: &str) -> Markup {
    html! { a href={ "/docs/" (page) } { (what) } }
}

/// What the enter key does in a form with several buttons. A browser takes the first one.
fn by_default(does: &str) -> Markup {
    html! { button class="hidden" name="do" value=(does) tabindex="-1" aria-hidden="true" {} }
}
