//! `/openapi.json`, which is generated from the routes. A test compares the committed `host/http/openapi.json` with it.
//!
//! [`router`](super::router) registers each operation together with its route. This file has what all of them share.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, PathItem, Ref, ResponseBuilder,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::problem::members::{Members, ProblemBody};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Resly",
        description = "Answers customers from what a company knows and from the services it runs on. Errors are RFC 9457 problems.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemBody, Members)),
    tags(
        (name = "chat", description = "Ask, follow, cancel, confirm; keys with the scope `chat`"),
        (name = "search", description = "Search the organization's knowledge; keys with the scope `search`"),
        (name = "admin", description = "Everything of one organization; keys with the scope `admin`"),
        (name = "operator", description = "All organizations of the host, and their plans; keys with the scope `operator`"),
        (name = "data", description = "The organization's tables in PostgREST's dialect; keys with the scope `data:read` or `data:write`"),
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

/// The text of a document that has the routes' operations.
pub(super) fn text(mut document: utoipa::openapi::OpenApi) -> String {
    document.paths.paths.values_mut().flat_map(operations).for_each(answer_problems);
    // A document made of plain structs always serializes.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::router::openapi_document as document;

    /// What may be any JSON, or any object: members of schemas, and bodies of operations.
    const FREE_FORM: &[&str] = &[
        "ActionResult.output",
        "Answer.steps",
        "Approval.input",
        "ApprovalOutcome.output",
        "AuditEntry.after",
        "AuditEntry.before",
        "Connection.settings",
        "ConnectionPatch.settings",
        "ConnectorAction.input",
        "ConnectorAction.output",
        "ConnectorChange.after",
        "ConnectorChange.before",
        "ConversationMessage.steps",
        "CrawlList.input",
        "CrawlListRequest.input",
        "DryRun.output",
        "DryRunRequest.definition",
        "DryRunRequest.input",
        "DryRunRequest.settings",
        "ImportRequest.document",
        "ImportedDefinition.definition",
        "InstallRequest.settings",
        "ListedConnector.auth",
        "ListedConnector.auth_alternatives",
        "ListedConnector.settings",
        "LoggedCall.requests",
        "MappingPreview.input",
        "MappingPreview.output",
        "PreviewRequest.sample",
        "ReceivedData.object",
        "Sample.output",
        "callAction request",
        "checkDefinition request",
        "createConnector request",
        "dryRunAction request",
    ];

    #[test]
    fn the_committed_document_is_fresh() {
        let committed =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap_or_default();
        assert!(
            committed == document(),
            "host/http/openapi.json is stale: write it anew with `resly openapi > host/http/openapi.json`"
        );
    }

    #[test]
    fn only_what_is_free_form_has_no_type() {
        let document: Value = serde_json::from_str(document()).unwrap();
        let mut found = BTreeSet::new();
        for operation in document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap()) {
            let id = operation.1["operationId"].as_str().unwrap();
            let answers = operation.1["responses"].as_object().unwrap();
            for (status, answer) in answers.iter().chain([(&"request".to_owned(), &operation.1["requestBody"])]) {
                for content in answer["content"].as_object().into_iter().flat_map(|content| content.values()) {
                    untyped(&content["schema"], &format!("{id} {status}"), &mut found);
                }
            }
        }
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            untyped(schema, name, &mut found);
        }
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, FREE_FORM);
    }

    /// The places in a schema where anything is allowed.
    fn untyped(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
        const TYPES: [&str; 4] = ["type", "$ref", "allOf", "oneOf"];
        let members = schema["properties"].as_object();
        let rest = schema.get("additionalProperties");
        let object = schema["type"] == "object" || schema["type"][0] == "object";
        let is_map = rest.is_some_and(|rest| rest.is_object());
        if !TYPES.iter().any(|name| schema.get(name).is_some()) || (object && members.is_none() && !is_map) {
            found.insert(at.to_owned());
        }
        for (name, member) in members.into_iter().flatten() {
            untyped(member, &format!("{at}.{name}"), found);
        }
        let lists = ["allOf", "oneOf"].into_iter().flat_map(|name| schema[name].as_array().into_iter().flatten());
        for part in lists.chain(schema.get("items")).chain(rest.filter(|_| is_map)) {
            untyped(part, at, found);
        }
    }
}
