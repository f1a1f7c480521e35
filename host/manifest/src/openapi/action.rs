//! Turns one operation into an action.

use serde_json::{Map, Value, json};

use super::{
    answer::{self, Answer},
    body::{self, Body},
    document::{Document, Operation},
    names::{line, plain},
    parameters::{self, CredentialParameters, Input, ParameterPlaces},
    servers::{self, PlainHttp, Server},
};

/// The servers on which operations may be called.
#[derive(Clone, Copy)]
pub struct Servers<'a> {
    /// Replaces the document's servers.
    pub given: Option<&'a Server>,
    pub plain_http: PlainHttp<'a>,
}

/// An operation that can be imported.
pub struct Plan<'d> {
    operation: Operation<'d>,
    pub server: Server,
    input: Input,
    placed: ParameterPlaces,
    body: Body,
}

impl<'d> Plan<'d> {
    /// # Errors
    /// Why it can't be imported.
    pub fn new(
        document: &'d Document,
        operation: Operation<'d>,
        servers: Servers<'_>,
        carriers: &CredentialParameters,
    ) -> Result<Self, String> {
        if !matches!(operation.method, "get" | "head" | "post" | "put" | "patch" | "delete") {
            return Err(format!(
                "{} is no method that connectors send",
                line(&operation.method.to_ascii_uppercase(), 20)
            ));
        }
        let server = match servers.given {
            Some(server) => server.clone(),
            None => {
                // An empty list counts as absent.
                let named = [operation.value, operation.item, document.root()].into_iter();
                let named = named.filter_map(|of| of.get("servers"));
                let mut named = named.filter(|servers| servers.as_array().is_none_or(|list| !list.is_empty()));
                servers::choose(named.next(), servers.plain_http)?
            }
        };
        let mut input = Input::default();
        let placed = parameters::place(document, operation, carriers, &mut input)?;
        let body = body::place(document, operation, &mut input)?;
        Ok(Self { operation, server, input, placed, body })
    }

    pub fn warnings(&self) -> &[String] {
        &self.input.warnings
    }

    /// The action of the definition, and the answer for a fixture if the document has an example.
    pub fn action(self, document: &Document, id: &str) -> (Value, Option<Value>) {
        let Self { operation, server, input, placed, body } = self;
        let text = |name: &str| operation.value.get(name).and_then(Value::as_str).unwrap_or_default();
        let method = operation.method.to_ascii_uppercase();
        let title = [line(text("summary"), 100), line(text("operationId"), 100), line(&operation.place(), 100)];
        let title = title.into_iter().find(|title| !title.is_empty()).unwrap_or_default();
        let mut request = Map::new();
        request.insert("method".to_owned(), json!(method));
        request.insert("url".to_owned(), json!(format!("{}{}", server.base, placed.path)));
        if !placed.query.is_empty() {
            request.insert("query".to_owned(), Value::Object(placed.query));
        }
        let separators =
            [("query", placed.separators.query), ("headers", placed.separators.headers), ("form", body.separators)];
        let separators: Map<String, Value> = separators
            .into_iter()
            .filter(|(_, lists)| !lists.is_empty())
            .map(|(place, lists)| (place.to_owned(), Value::Object(lists)))
            .collect();
        if !separators.is_empty() {
            request.insert("separators".to_owned(), Value::Object(separators));
        }
        let Answer { accept, output, example } = answer::of(document, operation);
        let mut headers = placed.headers;
        headers.extend(accept.map(|accept| ("accept".to_owned(), json!(accept))));
        headers.extend(body.content_type.map(|kind| ("content-type".to_owned(), json!(kind))));
        if !headers.is_empty() {
            request.insert("headers".to_owned(), Value::Object(headers));
        }
        request.extend(body.members);
        let reads = matches!(operation.method, "get" | "head");
        let mut action = json!({
            "id": id, "title": title, "description": description(operation),
            "side_effect": if reads { "read" } else { "write" },
            "input": input.schema(), "request": request,
        });
        // RFC 9110, section 9.2.2.
        if matches!(operation.method, "put" | "delete") {
            action["idempotent"] = json!(true);
        }
        if let Some(output) = output {
            action["output"] = output;
        }
        (action, example)
    }
}

/// The document's description of the operation.
fn description(operation: Operation<'_>) -> String {
    let text = |name: &str, most| {
        let text = operation.value.get(name).and_then(Value::as_str).map(|text| plain(text, most));
        text.filter(|text| !text.is_empty())
    };
    let (summary, description) = (text("summary", 300), text("description", 1_200));
    let mut told = match (summary, description) {
        (Some(summary), Some(description)) if description.starts_with(summary.trim_end_matches('.')) => description,
        (Some(summary), Some(description)) => format!("{}. {description}", summary.trim_end_matches('.')),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => operation.place(),
    };
    if operation.value.get("deprecated") == Some(&Value::Bool(true)) {
        told = format!("Deprecated by the service. {told}");
    }
    told
}
