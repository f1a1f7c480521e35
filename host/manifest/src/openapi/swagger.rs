//! Converts a Swagger 2.0 document to OpenAPI 3, so that the rest of the import handles one form only.
//!
//! Shared parts stay in place: `definitions`, `parameters` and `responses` aren't moved, so references to their schemas
//! remain valid. Nothing is copied, so a document grows only with its operations.

use serde_json::{Map, Value, json};

use super::media::is_json;

/// The longest chain of references.
const CHAIN: usize = 16;
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";
/// The most media types of an operation.
const MOST_TYPES: usize = 20;
const MOST_PARAMETERS: usize = 400;

/// Converts a document. Members of a wrong type stay, and are refused by their reader.
pub fn convert(mut root: Value) -> Value {
    let servers = servers(&root, root.get("schemes"));
    let shared = Shared {
        consumes: media_types(root.get("consumes")),
        produces: media_types(root.get("produces")),
        parameters: take(&mut root, "parameters"),
        host: root.get("host").cloned().unwrap_or_default(),
        base: root.get("basePath").cloned().unwrap_or_default(),
    };
    let mut paths = take(&mut root, "paths");
    for (path, item) in &mut paths {
        shared.item(&format!("#/paths/{}", step(path)), item);
    }
    let mut responses = take(&mut root, "responses");
    for response in responses.values_mut() {
        shared.response(response, shared.produces.as_deref());
    }
    let schemes = take(&mut root, "securityDefinitions");
    let schemes: Map<String, Value> = schemes.into_iter().map(|(name, scheme)| (name, security(scheme))).collect();
    let mut parameters = shared.parameters;
    for parameter in parameters.values_mut() {
        self::parameter(parameter);
    }
    if let Some(members) = root.as_object_mut() {
        members.remove("swagger");
        members.insert("openapi".to_owned(), json!("3.0.3"));
        members.insert("servers".to_owned(), servers);
        members.insert("paths".to_owned(), Value::Object(paths));
        members.insert("parameters".to_owned(), Value::Object(parameters));
        members.insert("responses".to_owned(), Value::Object(responses));
        members.insert("components".to_owned(), json!({"securitySchemes": schemes}));
    }
    root
}

fn take(root: &mut Value, name: &str) -> Map<String, Value> {
    match root.get_mut(name).map(Value::take) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn media_types(value: Option<&Value>) -> Option<Vec<String>> {
    let types = value?.as_array()?.iter().filter_map(Value::as_str);
    Some(types.take(MOST_TYPES).map(str::to_owned).collect())
}

/// A server for each scheme, `https` first. None without a host, because that would be the document's own address.
fn servers(root: &Value, schemes: Option<&Value>) -> Value {
    let text = |name: &str| root.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let (host, base) = (text("host"), text("basePath"));
    if host.is_empty() {
        return json!([]);
    }
    let slash = if base.is_empty() || base.starts_with('/') { "" } else { "/" };
    let named = schemes.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut schemes: Vec<&str> = named.iter().filter_map(Value::as_str).take(MOST_TYPES).collect();
    if schemes.is_empty() {
        schemes.push("https");
    }
    schemes.sort_by_key(|scheme| !scheme.eq_ignore_ascii_case("https"));
    schemes.into_iter().map(|scheme| json!({"url": format!("{scheme}://{host}{slash}{base}")})).collect()
}

/// What operations share.
struct Shared {
    consumes: Option<Vec<String>>,
    produces: Option<Vec<String>>,
    parameters: Map<String, Value>,
    host: Value,
    base: Value,
}

/// A parameter that is a part of the body.
#[derive(Clone)]
struct BodyPart {
    /// Its place, as a reference. The schema stays there, so it isn't copied.
    place: String,
    /// The parameter without its schema.
    value: Value,
}

impl BodyPart {
    fn new(place: String, parameter: &Value) -> Self {
        let kept = ["name", "in", "required", "type", "collectionFormat", "description"];
        let kept = kept.iter().filter_map(|name| Some(((*name).to_owned(), parameter.get(*name)?.clone())));
        Self { place, value: Value::Object(kept.collect()) }
    }

    fn is(&self, place: &str) -> bool {
        self.value.get("in").is_some_and(|found| found == place)
    }

    fn is_required(&self) -> bool {
        self.value.get("required") == Some(&Value::Bool(true))
    }

    fn is_file(&self) -> bool {
        self.value.get("type").is_some_and(|kind| kind == "file")
    }

    fn schema(&self) -> Value {
        json!({"$ref": format!("{}/schema", self.place)})
    }
}

impl Shared {
    fn item(&self, place: &str, item: &mut Value) {
        let Some(item) = item.as_object_mut() else { return };
        let inherited = self.split(place, item);
        for method in METHODS {
            if let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) {
                self.operation(&format!("{place}/{method}"), operation, &inherited);
            }
        }
    }

    fn operation(&self, place: &str, operation: &mut Map<String, Value>, inherited: &[BodyPart]) {
        let mut parts = self.split(place, operation);
        let own = parts.len();
        for part in inherited {
            let same = |known: &BodyPart| part.is("body") || known.value.get("name") == part.value.get("name");
            if !parts[..own].iter().any(|known| known.is("body") == part.is("body") && same(known)) {
                parts.push(part.clone());
            }
        }
        let consumes = media_types(operation.get("consumes")).or_else(|| self.consumes.clone());
        if let Some(body) = body(&parts, consumes.unwrap_or_default()) {
            operation.insert("requestBody".to_owned(), body);
        }
        let produces = media_types(operation.get("produces")).or_else(|| self.produces.clone());
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            for response in responses.values_mut() {
                self.response(response, produces.as_deref());
            }
        }
        if let Some(schemes) = operation.get("schemes").filter(|schemes| schemes.is_array()) {
            let servers = servers(&json!({"host": self.host, "basePath": self.base}), Some(schemes));
            operation.insert("servers".to_owned(), servers);
        }
    }

    /// Converts parameters in place, and removes those that make the body. The others keep their position, because
    /// references may use it.
    fn split(&self, place: &str, of: &mut Map<String, Value>) -> Vec<BodyPart> {
        let is_body = |value: &Value| value.get("in").is_some_and(|place| place == "body" || place == "formData");
        let mut parts = Vec::new();
        let parameters = of.get_mut("parameters").and_then(Value::as_array_mut);
        for (nth, parameter) in parameters.into_iter().flatten().enumerate().take(MOST_PARAMETERS) {
            if let Some(reference) = parameter.get("$ref").and_then(Value::as_str) {
                if let Some((place, shared)) = self.follow(reference).filter(|(_, shared)| is_body(shared)) {
                    parts.push(BodyPart::new(place.to_owned(), shared));
                    *parameter = json!({});
                }
                continue;
            }
            self::parameter(parameter);
            if is_body(parameter) {
                parts.push(BodyPart::new(format!("{place}/parameters/{nth}"), parameter));
                let schema = parameter.get_mut("schema").map(Value::take).unwrap_or_else(|| json!({}));
                *parameter = json!({"schema": schema});
            }
        }
        parts
    }

    /// A shared parameter, found through references.
    fn follow<'s>(&'s self, mut reference: &'s str) -> Option<(&'s str, &'s Value)> {
        for _ in 0..CHAIN {
            let name = reference.strip_prefix("#/parameters/")?.replace("~1", "/").replace("~0", "~");
            let found = self.parameters.get(&name)?;
            match found.get("$ref").and_then(Value::as_str) {
                Some(next) => reference = next,
                None => return Some((reference, found)),
            }
        }
        None
    }

    fn response(&self, response: &mut Value, produces: Option<&[String]>) {
        let Some(members) = response.as_object_mut().filter(|members| !members.contains_key("$ref")) else { return };
        let schema = members.remove("schema");
        let examples = match members.remove("examples") {
            Some(Value::Object(examples)) => examples,
            _ => Map::new(),
        };
        if schema.is_none() && examples.is_empty() {
            return;
        }
        let mut types = produces.unwrap_or_default().to_vec();
        let examples_types = examples.keys().filter(|kind| kind.contains('/')).take(MOST_TYPES);
        for kind in examples_types {
            if !types.contains(kind) {
                types.push(kind.clone());
            }
        }
        if types.is_empty() {
            types.push("application/json".to_owned());
        }
        // The schema belongs to one media type: the JSON one, if there is any.
        let described = types.iter().position(|kind| is_json(kind)).unwrap_or(0);
        let mut content = Map::new();
        let mut schema = schema;
        for (at, kind) in types.into_iter().enumerate() {
            let mut media = Map::new();
            if at == described
                && let Some(schema) = schema.take()
            {
                media.insert("schema".to_owned(), schema);
            }
            if let Some(example) = examples.get(&kind) {
                media.insert("example".to_owned(), example.clone());
            }
            content.insert(kind, Value::Object(media));
        }
        members.insert("content".to_owned(), Value::Object(content));
    }
}

/// A name as a step of a reference (RFC 6901, section 6).
fn step(name: &str) -> String {
    name.replace('%', "%25").replace('~', "~0").replace('/', "~1")
}

/// The body that these parameters make, in the media type that is sent.
fn body(parts: &[BodyPart], consumes: Vec<String>) -> Option<Value> {
    if let Some(part) = parts.iter().find(|part| part.is("body")) {
        let mut types = consumes;
        if types.is_empty() {
            types.push("application/json".to_owned());
        }
        let described = types.iter().position(|kind| is_json(kind)).unwrap_or(0);
        let mut schema = Some(part.schema());
        let content = types.into_iter().enumerate().map(|(at, kind)| {
            let schema = if at == described { schema.take() } else { None };
            (kind, schema.map_or_else(|| json!({}), |schema| json!({"schema": schema})))
        });
        let content: Map<String, Value> = content.collect();
        return Some(json!({"required": part.is_required(), "content": content}));
    }
    let parts: Vec<&BodyPart> = parts.iter().filter(|part| part.is("formData")).collect();
    if parts.is_empty() {
        // A form without values is still sent as a form.
        let form = consumes.len() == 1 && consumes[0].eq_ignore_ascii_case(FORM);
        return form.then(|| json!({"content": {FORM: {"schema": {"type": "object"}}}}));
    }
    let takes = |kind: &str| consumes.iter().any(|known| known.to_ascii_lowercase().starts_with(kind));
    let needs_file = parts.iter().any(|part| part.is_file() && part.is_required());
    let has_file = parts.iter().any(|part| part.is_file());
    let plain = takes(FORM) || (!takes(MULTIPART) && !has_file);
    if needs_file || !plain {
        return Some(json!({"required": true, "content": {MULTIPART: {}}}));
    }
    let (mut properties, mut encoding, mut required) = (Map::new(), Map::new(), Vec::new());
    for part in parts.into_iter().filter(|part| !part.is_file()) {
        let Some(name) = part.value.get("name").and_then(Value::as_str) else { continue };
        let mut schema = part.schema();
        if let (Some(members), Some(text)) = (schema.as_object_mut(), part.value.get("description")) {
            members.insert("description".to_owned(), text.clone());
        }
        properties.insert(name.to_owned(), schema);
        let (style, explode) = style(part.value.get("collectionFormat"), "form");
        encoding.insert(name.to_owned(), json!({"style": style, "explode": explode}));
        if part.is_required() {
            required.push(name.to_owned());
        }
    }
    let mut schema = json!({"type": "object", "properties": properties});
    let needed = !required.is_empty();
    if needed {
        schema["required"] = json!(required);
    }
    Some(json!({"required": needed, "content": {FORM: {"schema": schema, "encoding": encoding}}}))
}

/// Moves the schema members of a parameter into a `schema` member.
fn parameter(parameter: &mut Value) {
    let Some(members) = parameter.as_object_mut() else { return };
    let place = members.get("in").and_then(Value::as_str).unwrap_or_default().to_owned();
    if place == "body" || place.is_empty() || members.contains_key("$ref") {
        return;
    }
    let own = ["name", "in", "required", "description", "schema", "collectionFormat", "type"];
    let names: Vec<String> = members.keys().filter(|name| !own.contains(&name.as_str())).cloned().collect();
    let mut schema: Map<String, Value> =
        names.into_iter().filter_map(|name| Some((name.clone(), members.remove(&name)?))).collect();
    // The type stays, too, because it says that a part of a form is a file.
    if let Some(kind) = members.get("type") {
        schema.insert("type".to_owned(), kind.clone());
    }
    let usual = if matches!(place.as_str(), "path" | "header") { "simple" } else { "form" };
    if members.get("type").is_some_and(|kind| kind == "array") {
        let (style, explode) = style(members.get("collectionFormat"), usual);
        members.insert("style".to_owned(), json!(style));
        members.insert("explode".to_owned(), json!(explode));
    }
    members.insert("schema".to_owned(), Value::Object(schema));
}

/// A list's format in OpenAPI 3: its style, and whether the name is repeated. OpenAPI has no style for tabs.
fn style(format: Option<&Value>, usual: &'static str) -> (&'static str, bool) {
    match format.and_then(Value::as_str).unwrap_or("csv") {
        "multi" => (usual, true),
        "ssv" => ("spaceDelimited", false),
        "pipes" => ("pipeDelimited", false),
        "tsv" => ("tabDelimited", false),
        _ => (usual, false),
    }
}

fn security(scheme: Value) -> Value {
    let text = |name: &str| scheme.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("type") {
        "basic" => json!({"type": "http", "scheme": "basic"}),
        "oauth2" => {
            let flow = match text("flow") {
                "accessCode" => "authorizationCode",
                "application" => "clientCredentials",
                other => other,
            };
            let kept = ["authorizationUrl", "tokenUrl", "scopes"];
            let kept = kept.iter().filter_map(|name| Some(((*name).to_owned(), scheme.get(*name)?.clone())));
            json!({"type": "oauth2", "flows": {flow: kept.collect::<Map<_, _>>()}})
        }
        _ => scheme,
    }
}
