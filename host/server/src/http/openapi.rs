//! `/openapi.json`, generated from the routes; the committed `host/server/openapi.json` is held to it by a test.
//!
//! [`router`](super::router) registers each operation together with its route. Here is what is said once for all of them.

use std::sync::OnceLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, PathItem, Ref, ResponseBuilder,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{router, schema::Problem};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Resly",
        description = "Answers customers from what a company knows and from the services it runs on. Errors are RFC 9457 problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Problem)),
    tags(
        (name = "chat", description = "Ask, follow, cancel, confirm; keys with the scope `chat`"),
        (name = "search", description = "Search the organization's knowledge; keys with the scope `search`"),
        (name = "admin", description = "Everything of one organization; keys with the scope `admin`"),
        (name = "host", description = "For the people who run the host"),
    ),
    security(("key" = [])),
    modifiers(&Keys),
)]
pub(super) struct Document;

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
        let mut document = router::operations();
        document.paths.paths.values_mut().flat_map(operations).for_each(answer_problems);
        // A document made of plain structs always serializes.
        let mut text = document.to_pretty_json().unwrap_or_default();
        text.push('\n');
        text
    })
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Every operation may answer with a problem.
fn answer_problems(operation: &mut Operation) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let problem =
        ResponseBuilder::new().description("A problem (RFC 9457)").content("application/problem+json", content).build();
    operation.responses.responses.entry("default".to_owned()).or_insert_with(|| problem.into());
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
            "host/server/openapi.json is stale: write it anew with `resly openapi > host/server/openapi.json`"
        );
    }
}
