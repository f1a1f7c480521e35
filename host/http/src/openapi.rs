//! `/openapi.json`, generated from the handlers; the committed `host/http/openapi.json` is held to it by a test.

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use super::{admin, chat, docs, health, messages, search};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Resly",
        description = "Answers customers from what a company knows and from the services it runs on. Errors are RFC 9457 problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        chat::post::handle, chat::follow::resume, chat::follow::cancel, chat::approvals::find,
        chat::approvals::decide, messages::get, search::handle,
        admin::keys::create, admin::keys::list, admin::keys::get, admin::keys::change, admin::keys::rotate,
        admin::keys::delete,
        admin::connectors::list, admin::connectors::get, admin::connectors::create,
        admin::versions::approve, admin::versions::reject, admin::versions::delete,
        admin::publishers::list, admin::publishers::create, admin::publishers::change, admin::publishers::delete,
        admin::definitions::check, admin::definitions::dry_run, admin::definitions::import,
        admin::connections::create, admin::connections::list, admin::connections::get, admin::connections::change,
        admin::connections::delete, admin::connections::enable, admin::connections::disable,
        admin::health::get, admin::alerts::list, admin::alerts::resolve, admin::webhook::put,
        admin::webhook::get, admin::webhook::delete, admin::webhook::rotate, admin::webhook::test,
        admin::webhook::deliveries, admin::oauth::start,
        admin::visitors::get, admin::visitors::start, admin::visitors::put, admin::visitors::delete, admin::actions::test, admin::actions::call,
        admin::trials::dry_run, admin::trials::sample, admin::trials::preview,
        admin::sources::create, admin::sources::list, admin::sources::delete,
        admin::workflows::create, admin::workflows::list, admin::workflows::replace, admin::workflows::delete,
        admin::logs::list, admin::approvals::list, admin::usage::get, admin::plan::get, admin::plan::change,
        admin::conversations::list, admin::conversations::get, admin::tickets::list,
        admin::vault::get, admin::vault::rotate,
        health::alive, health::ready, health::metrics, docs::home, docs::index, docs::page, docs::problem,
    ),
    tags(
        (name = "chat", description = "Ask, follow, cancel, confirm; keys with the scope `chat`"),
        (name = "search", description = "Search the organization's knowledge; keys with the scope `search`"),
        (name = "admin", description = "Everything of one organization; keys with the scope `admin`"),
        (name = "host", description = "For the people who run the host"),
    ),
    security(("key" = [])),
    modifiers(&Keys),
)]
struct Document;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`rsk_live_…` on servers, `rpk_live_…` in browsers on the key's own origins"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// The document as it is served and committed.
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        // A document made of plain structs always serializes.
        let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
        text.push('\n');
        text
    })
}

pub async fn get() -> Response {
    let mut response = document().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn the_committed_document_is_fresh() {
        let committed =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap_or_default();
        assert!(
            committed == document(),
            "host/http/openapi.json is stale: write it anew with `resly openapi > host/http/openapi.json`"
        );
    }
}
