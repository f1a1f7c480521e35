//! The answer of an operation: its `accept` header, its output schema, and the document's example.

use serde_json::{Map, Value, json};

use super::{
    budget::bytes_left,
    document::{Document, Operation},
    media::is_json,
    schema::outline,
};

/// The most bytes of one example. With larger ones nobody could review the definition.
const MOST_BYTES: usize = 16 << 10;
/// How many places of a schema are searched for examples, and how deep.
const MOST_PLACES: usize = 1_000;
const DEPTH: usize = 12;

/// The answer of an operation that succeeds.
#[derive(Default)]
pub struct Answer {
    /// The `accept` header, when it isn't the default.
    pub accept: Option<String>,
    pub output: Option<Value>,
    /// In the form of a fixture's `response`.
    pub example: Option<Value>,
}

pub fn of(document: &Document, operation: Operation<'_>) -> Answer {
    let responses = operation.value.get("responses").and_then(Value::as_object);
    let good = |status: &str| status.starts_with('2') || status == "default";
    let mut found: Vec<(&String, &Value)> =
        responses.into_iter().flatten().filter(|(status, _)| good(status)).collect();
    found.sort_by_key(|(status, _)| (*status == "default", status.as_str()));
    let with_content = found.iter().find_map(|(status, response)| {
        let content = document.resolve(response).ok()?.get("content")?.as_object()?;
        (!content.is_empty()).then_some((*status, content))
    });
    let bodiless = operation.method == "head";
    let Some((status, content)) = with_content.filter(|_| !bodiless) else {
        // An answer without a body in the document has none in the sandbox, too.
        let silent = found.first().filter(|(status, _)| status.starts_with('2'));
        let example = silent.map(|(status, _)| json!({"status": code(status)}));
        return Answer { example, ..Answer::default() };
    };
    let plain = |name: &&String| name.len() <= 200 && name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'{');
    match content.iter().find(|(name, _)| is_json(name)) {
        Some((name, media)) => {
            let accept = Some(name).filter(plain).filter(|name| !name.starts_with("application/json")).cloned();
            let output = media.get("schema").and_then(|schema| outline(document, schema));
            let example = example(document, media).and_then(|example| fitting(example, output.as_ref()));
            Answer { accept, output, example: example.map(|body| json!({"status": code(status), "json": body})) }
        }
        None => {
            let first = content.iter().next();
            let text = first.and_then(|(_, media)| example(document, media)?.as_str().map(str::to_owned));
            let example = text.map(|text| json!({"status": code(status), "text": text}));
            Answer { accept: first.map(|(name, _)| name).filter(plain).cloned(), output: None, example }
        }
    }
}

/// A status code. `2XX`, `default` and invalid ones give the usual code.
fn code(status: &str) -> u16 {
    status.parse().ok().filter(|code| (200..300).contains(code)).unwrap_or(200)
}

/// An example in the declared type of the output. Some documents write JSON as a text.
fn fitting(example: Value, output: Option<&Value>) -> Option<Value> {
    let fits = |value: &Value| match output.and_then(|output| output.pointer("/type/0")?.as_str()) {
        Some("array") => value.is_array(),
        Some(_) => value.is_object(),
        None => !value.is_null(),
    };
    if fits(&example) {
        return Some(example);
    }
    serde_json::from_str(example.as_str()?).ok().filter(fits)
}

/// An example answer: the document's own, or one made of the examples, constants and defaults in the schema. `None`
/// when a required value has none of these.
fn example(document: &Document, media: &Value) -> Option<Value> {
    let mut known = Known { document, names: Vec::new(), places: 0, bytes: MOST_BYTES };
    let among = || {
        let examples = media.get("examples")?.as_object()?.values();
        examples.filter_map(|example| document.resolve(example).ok()?.get("value")).next()
    };
    match media.get("example").or_else(among) {
        Some(example) => known.take(example),
        None => known.of(media.get("schema")?, 0).filter(|made| !is_empty(made)),
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

/// Collects the values that a schema suggests.
struct Known<'d> {
    document: &'d Document,
    /// The references that were followed to this place.
    names: Vec<&'d str>,
    places: usize,
    /// Bytes that are left.
    bytes: usize,
}

impl<'d> Known<'d> {
    fn of(&mut self, schema: &'d Value, depth: usize) -> Option<Value> {
        self.places += 1;
        if !self.document.budget().take_places(1) || self.places > MOST_PLACES || depth > DEPTH {
            return None;
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            if self.names.contains(&reference) {
                return None;
            }
            let target = self.document.follow(reference).ok()?;
            self.names.push(reference);
            let found = self.of(target, depth + 1);
            self.names.pop();
            return found;
        }
        let first = || schema.get("examples")?.as_array()?.first();
        let stated = schema.get("example").or_else(first).or_else(|| schema.get("const"));
        if let Some(stated) = stated.or_else(|| schema.get("default")).filter(|stated| !stated.is_null()) {
            return self.take(stated);
        }
        if let Some(branches) = ["oneOf", "anyOf"].iter().find_map(|name| schema.get(*name)?.as_array()) {
            return branches.iter().find_map(|branch| self.of(branch, depth + 1));
        }
        match schema.get("items") {
            Some(items) => Some(json!([self.of(items, depth + 1).filter(|item| !is_empty(item))?])),
            None => self.members(schema, depth),
        }
    }

    /// An object of the members with known values. `None` when a required member has none.
    fn members(&mut self, schema: &'d Value, depth: usize) -> Option<Value> {
        let mut made = Map::new();
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            match self.of(part, depth + 1)? {
                Value::Object(members) => made.extend(members),
                other => return Some(other),
            }
        }
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if self.places > MOST_PLACES {
                break;
            }
            if property.get("writeOnly") == Some(&Value::Bool(true)) {
                continue;
            }
            if let Some(value) = self.of(property, depth + 1).filter(|value| !is_empty(value)) {
                self.bytes = self.bytes.checked_sub(name.len())?;
                made.insert(name.clone(), value);
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        required.filter_map(Value::as_str).all(|name| made.contains_key(name)).then_some(Value::Object(made))
    }

    /// A value of the document, if enough bytes are left.
    fn take(&mut self, value: &Value) -> Option<Value> {
        self.bytes = bytes_left(value, self.bytes)?;
        Some(value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(responses: Value, schemas: Value) -> Option<Value> {
        let document = Document::new(json!({"openapi": "3.1.0", "components": {"schemas": schemas},
            "paths": {"/a": {"get": {"responses": responses}}}}))
        .unwrap();
        of(&document, document.operations()[0]).example
    }

    fn with_schema(schema: Value, schemas: Value) -> Option<Value> {
        let answer = answered(json!({"200": {"content": {"application/json": {"schema": schema}}}}), schemas)?;
        assert_eq!(answer["status"], 200);
        Some(answer["json"].clone())
    }

    #[test]
    fn an_example_is_the_document_s_own() {
        let json = |media: Value| json!({"201": {"content": {"application/json": media}}});
        let made = |body: Value| Some(json!({"status": 201, "json": body}));
        assert_eq!(answered(json(json!({"example": {"a": 1}})), json!({})), made(json!({"a": 1})));
        let several = json!({"examples": {"far": {"externalValue": "https://a.example"}, "near": {"value": [1]}}});
        assert_eq!(answered(json(several), json!({})), made(json!([1])));
        let text = json!({"schema": {"type": "object"}, "example": "{\"a\": 1}"});
        assert_eq!(answered(json(text), json!({})), made(json!({"a": 1})));
        let other = json!({"schema": {"type": "array"}, "example": {"a": 1}});
        assert_eq!(answered(json(other), json!({})), None, "the output would be refused");
        assert_eq!(answered(json(json!({"example": "x".repeat(MOST_BYTES)})), json!({})), None);
        assert_eq!(answered(json!({"204": {"description": "gone"}}), json!({})), Some(json!({"status": 204})));
        let plain = json!({"default": {"content": {"text/plain": {"example": "hello"}}}});
        assert_eq!(answered(plain, json!({})), Some(json!({"status": 200, "text": "hello"})));
        assert_eq!(answered(json!({"404": {"description": "no"}}), json!({})), None);
        for status in ["2XX", "2", "2000", "20000000"] {
            assert_eq!(answered(json!({(status): {}}), json!({})), Some(json!({"status": 200})), "{status}");
        }
    }

    #[test]
    fn a_schema_s_examples_make_one_and_nothing_is_invented() {
        let pet = json!({"type": "object", "required": ["id"], "properties": {
            "id": {"type": "integer", "example": 7}, "kind": {"type": "string", "default": "cat"},
            "secret": {"type": "string", "example": "x", "writeOnly": true}, "free": {"type": "string"},
            "parent": {"$ref": "#/components/schemas/Pet"}}});
        let schemas = json!({"Pet": pet, "Named": {"allOf": [{"$ref": "#/components/schemas/Pet"},
            {"properties": {"name": {"examples": ["Rex", "Tom"]}}}]}});
        let list = json!({"type": "array", "items": {"$ref": "#/components/schemas/Named"}});
        assert_eq!(with_schema(list, schemas.clone()), Some(json!([{"id": 7, "kind": "cat", "name": "Rex"}])));
        let needs = json!({"type": "object", "required": ["free"], "properties": {"free": {"type": "string"}, "a": {"example": 1}}});
        assert_eq!(with_schema(needs, schemas.clone()), None);
        assert_eq!(with_schema(json!({"type": "object"}), schemas), None);
    }

    #[test]
    fn examples_that_multiply_stay_small() {
        let mut schemas = Map::new();
        for n in 0..40 {
            let next = json!({"$ref": format!("#/components/schemas/s{}", n + 1)});
            schemas.insert(
                format!("s{n}"),
                json!({"properties": {"a": next, "b": next, "c": {"example": "x".repeat(9_000)}}}),
            );
        }
        let made = with_schema(json!({"$ref": "#/components/schemas/s0"}), Value::Object(schemas));
        assert!(made.is_none_or(|made| made.to_string().len() <= 2 * MOST_BYTES));
    }
}
