//! One operation as an action.

use serde_json::{Map, Value, json};

use super::{
    body::{self, Body, is_json},
    document::{Document, Operation},
    names::{line, plain},
    parameters::{self, Carriers, Input, Placed},
    schema::outline,
    servers::{self, Server},
};

/// An operation that can be imported.
pub struct Plan<'d> {
    operation: Operation<'d>,
    pub server: Server,
    input: Input,
    placed: Placed,
    body: Body,
}

impl<'d> Plan<'d> {
    /// # Errors
    /// Why it can't be imported.
    pub fn new(
        document: &'d Document,
        operation: Operation<'d>,
        server: Option<&str>,
        carriers: &Carriers,
    ) -> Result<Self, String> {
        if matches!(operation.method, "options" | "trace") {
            return Err(format!("{} is nothing that connectors ask", operation.method.to_ascii_uppercase()));
        }
        let server = match server {
            Some(url) => servers::of(url)?,
            None => {
                let own = operation.value.get("servers").or_else(|| operation.item.get("servers"));
                servers::choose(own.or_else(|| document.root().get("servers")))?
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

    /// The action, as a definition has it.
    pub fn action(self, document: &Document, id: &str) -> Value {
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
        let (accept, output) = answer(document, operation);
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
        action
    }
}

/// When to use it, in the document's words.
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

/// The `accept` header, when it isn't the usual one, and what the answer looks like.
fn answer(document: &Document, operation: Operation<'_>) -> (Option<String>, Option<Value>) {
    let responses = operation.value.get("responses").and_then(Value::as_object);
    let good = |status: &str| status.starts_with('2') || status == "default";
    let mut found: Vec<(&String, &Value)> =
        responses.into_iter().flatten().filter(|(status, _)| good(status)).collect();
    found.sort_by_key(|(status, _)| (*status == "default", status.as_str()));
    let content = found.into_iter().find_map(|(_, response)| {
        document.resolve(response).ok()?.get("content")?.as_object().filter(|content| !content.is_empty())
    });
    let Some(content) = content else { return (None, None) };
    let plain = |name: &&String| name.len() <= 200 && name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'{');
    match content.iter().find(|(name, _)| is_json(name)) {
        Some((name, media)) => {
            let accept = Some(name).filter(plain).filter(|name| !name.starts_with("application/json")).cloned();
            (accept, media.get("schema").and_then(|schema| outline(document, schema)))
        }
        None => (content.keys().next().filter(plain).cloned(), None),
    }
}
