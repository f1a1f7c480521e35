//! Turns a document's schemas into those of a definition: references are inlined within bounds, and only keywords of
//! JSON Schema 2020-12 are kept. A part that was cut accepts anything, and is reported.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    budget::{Inlined, bytes_left},
    document::Document,
    names::plain,
};

/// The most bytes of JSON and the most places of one action's schemas.
const MOST_BYTES: usize = 24 << 10;
const MOST_PLACES: usize = 3_000;
/// Depths that are tried one after the other until the schema fits.
const DEPTHS: [usize; 6] = [8, 6, 4, 3, 2, 1];
/// The longest chain of references.
const CHAIN: usize = 48;
const DESCRIPTION: usize = 300;
const MOST_ENUM: usize = 200;

/// The use of a schema. Members that belong only to the other use are left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Request,
    Answer,
}

/// Inlines a schema within the document's budget. A part that can't be read accepts anything.
pub fn inline(document: &Document, schema: &Value, of: Direction) -> Inlined {
    let budget = document.budget();
    if !budget.keeps() {
        return Inlined { schema: json!({}), bytes: 2, recursive: false, cut: false };
    }
    // A reference with a description beside it gives another schema, so it isn't shared.
    let only = |members: &Map<String, Value>| members.len() == 1 && of == Direction::Request;
    let named = schema.as_object().filter(|members| only(members)).and_then(|members| members.get("$ref")?.as_str());
    let known = named.and_then(|reference| budget.known(reference));
    let inlined = known.clone().unwrap_or_else(|| walk(document, schema, of));
    if of == Direction::Request {
        budget.take_bytes(inlined.bytes);
    }
    if let Some(reference) = named.filter(|_| known.is_none()) {
        budget.remember(reference, &inlined);
    }
    inlined
}

fn walk(document: &Document, schema: &Value, of: Direction) -> Inlined {
    let mut recursive = false;
    for (nth, depth) in DEPTHS.into_iter().enumerate() {
        let mut walk =
            Walk { document, of, places: 0, bytes: 0, names: Vec::new(), recursive: false, cut: false, most: depth };
        let inlined = walk.schema(schema, 0);
        recursive |= walk.recursive;
        if document.budget().is_exhausted() {
            break;
        }
        let bytes = if walk.is_over() { usize::MAX } else { inlined.to_string().len() };
        if bytes <= MOST_BYTES {
            return Inlined { schema: inlined, bytes, recursive, cut: nth > 0 || walk.cut };
        }
    }
    Inlined { schema: json!({}), bytes: 2, recursive, cut: true }
}

struct Walk<'d> {
    document: &'d Document,
    of: Direction,
    places: usize,
    /// Bytes of JSON so far, roughly, before the whole is measured.
    bytes: usize,
    /// The references that were followed to this place.
    names: Vec<&'d str>,
    recursive: bool,
    cut: bool,
    most: usize,
}

impl<'d> Walk<'d> {
    /// Whether this attempt is given up for a shallower schema. The whole can become smaller than its parts when one
    /// text replaces another, so some excess is allowed.
    fn is_over(&self) -> bool {
        self.places > MOST_PLACES || self.bytes > 2 * MOST_BYTES || self.document.budget().is_exhausted()
    }

    fn schema(&mut self, schema: &'d Value, depth: usize) -> Value {
        self.places += 1;
        if self.is_over() {
            return json!({});
        }
        if !self.document.budget().take_places(1) {
            return json!({});
        }
        let Some(members) = schema.as_object() else {
            // In OpenAPI 3.1, `true` and `false` are schemas.
            return if schema.is_boolean() { schema.clone() } else { json!({}) };
        };
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            if self.names.contains(&reference) {
                self.recursive = true;
                return json!({});
            }
            if self.names.len() >= CHAIN {
                self.cut = true;
                return json!({});
            }
            let Ok(target) = self.document.follow(reference) else { return json!({}) };
            self.names.push(reference);
            let mut inlined = self.schema(target, depth);
            self.names.pop();
            // Members beside a reference add to it in 3.1. In 3.0 they are ignored, and only texts are written there.
            if let (Some(own), Some(inlined)) = (description(members), inlined.as_object_mut()) {
                inlined.insert("description".to_owned(), own);
            }
            return inlined;
        }
        self.members(members, depth)
    }

    fn members(&mut self, members: &'d Map<String, Value>, depth: usize) -> Value {
        let nullable = members.get("nullable") == Some(&Value::Bool(true));
        let mut made = Map::new();
        let types = types(members, nullable);
        if let Some(types) = types.clone() {
            made.insert("type".to_owned(), types);
        }
        if let Some(description) = description(members) {
            made.insert("description".to_owned(), description);
        }
        scalars(members, nullable, &mut made);
        self.bytes += made.iter().map(|(name, value)| name.len() + weight(value)).sum::<usize>();
        let composed = ["properties", "items", "allOf", "anyOf", "oneOf", "additionalProperties"];
        if depth >= self.most && composed.iter().any(|name| members.contains_key(*name)) {
            self.cut = true;
            return Value::Object(made);
        }
        self.properties(members, depth, &mut made);
        // Lists of schemas meant something else in each draft.
        if let Some(items) = members.get("items").filter(|items| items.is_object()) {
            made.insert("items".to_owned(), self.schema(items, depth + 1));
        }
        self.branches(members, depth, nullable && types.is_none(), &mut made);
        Value::Object(made)
    }

    fn properties(&mut self, members: &'d Map<String, Value>, depth: usize, made: &mut Map<String, Value>) {
        let mut hidden = BTreeSet::new();
        if let Some(Value::Object(properties)) = members.get("properties") {
            let mut kept = Map::new();
            for (name, property) in properties {
                if self.is_over() {
                    break;
                }
                self.bytes += name.len();
                if self.is_hidden(property) {
                    hidden.insert(name.as_str());
                } else {
                    kept.insert(name.clone(), self.schema(property, depth + 1));
                }
            }
            made.insert("properties".to_owned(), Value::Object(kept));
        }
        if let Some(required) = members.get("required").and_then(Value::as_array) {
            let names = required.iter().filter_map(Value::as_str).filter(|name| !hidden.contains(name));
            let names: BTreeSet<&str> = names.take(MOST_PLACES).collect();
            self.bytes += names.iter().map(|name| name.len()).sum::<usize>();
            if !names.is_empty() {
                made.insert("required".to_owned(), json!(names));
            }
        }
        match members.get("additionalProperties") {
            Some(Value::Bool(open)) => {
                made.insert("additionalProperties".to_owned(), json!(open));
            }
            Some(schema @ Value::Object(_)) => {
                made.insert("additionalProperties".to_owned(), self.schema(schema, depth + 1));
            }
            _ => {}
        }
    }

    /// Whether a property belongs to the other use: `readOnly` ones aren't in requests, and `writeOnly` ones aren't in
    /// answers.
    fn is_hidden(&self, property: &'d Value) -> bool {
        let mark = if self.of == Direction::Request { "readOnly" } else { "writeOnly" };
        let marked = |property: &Value| property.get(mark) == Some(&Value::Bool(true));
        marked(property) || self.document.resolve(property).is_ok_and(marked)
    }

    fn branches(
        &mut self,
        members: &'d Map<String, Value>,
        depth: usize,
        or_null: bool,
        made: &mut Map<String, Value>,
    ) {
        // Branches in real documents often overlap, which `oneOf` would refuse.
        let mut any: Vec<Value> = Vec::new();
        for name in ["anyOf", "oneOf"] {
            for branch in members.get(name).and_then(Value::as_array).into_iter().flatten() {
                if self.is_over() {
                    break;
                }
                any.push(self.schema(branch, depth + 1));
            }
        }
        let all: Vec<&Value> = members.get("allOf").and_then(Value::as_array).into_iter().flatten().collect();
        let mut all: Vec<Value> =
            all.into_iter().take(MOST_PLACES + 1).map(|part| self.schema(part, depth + 1)).collect();
        if or_null && (!any.is_empty() || !all.is_empty()) {
            let null = json!({"type": "null"});
            if any.is_empty() {
                any = vec![json!({"allOf": std::mem::take(&mut all)})];
            }
            any.push(null);
        }
        if !any.is_empty() {
            made.insert("anyOf".to_owned(), Value::Array(any));
        }
        match (all.len(), all.first()) {
            (0, _) => {}
            (1, Some(Value::Object(only)))
                if only.keys().all(|name| !made.contains_key(name) || name == "description") =>
            {
                let own = made.get("description").cloned();
                made.extend(only.clone());
                made.extend(own.map(|own| ("description".to_owned(), own)));
            }
            _ => {
                made.insert("allOf".to_owned(), Value::Array(all));
            }
        }
    }
}

fn description(members: &Map<String, Value>) -> Option<Value> {
    let text = plain(members.get("description")?.as_str()?, DESCRIPTION);
    (!text.is_empty()).then_some(Value::String(text))
}

/// The types that JSON Schema knows. `None` for `file`, `any` and others.
fn types(members: &Map<String, Value>, nullable: bool) -> Option<Value> {
    const KNOWN: [&str; 7] = ["null", "boolean", "object", "array", "number", "integer", "string"];
    let given = match members.get("type")? {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().map(|one| one.as_str().unwrap_or_default()).collect(),
        _ => return None,
    };
    if given.is_empty() || given.iter().any(|name| !KNOWN.contains(name)) {
        return None;
    }
    let mut types: Vec<&str> = Vec::new();
    for name in given.into_iter().chain(nullable.then_some("null")) {
        if !types.contains(&name) {
            types.push(name);
        }
    }
    Some(if let [only] = types.as_slice() { json!(only) } else { json!(types) })
}

/// Copies keywords with a scalar, if the value is valid. Patterns are left out, because a document's are regular
/// expressions of another language.
fn scalars(members: &Map<String, Value>, nullable: bool, made: &mut Map<String, Value>) {
    for name in ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"] {
        if let Some(bound) = members.get(name).and_then(Value::as_u64) {
            made.insert(name.to_owned(), json!(bound));
        }
    }
    for (name, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        // In 3.0 a boolean beside the bound, in 3.1 the bound itself.
        let bound = members.get(name).filter(|bound| bound.is_number());
        match (bound, members.get(exclusive)) {
            (Some(bound), Some(Value::Bool(true))) => drop(made.insert(exclusive.to_owned(), bound.clone())),
            (Some(bound), _) => drop(made.insert(name.to_owned(), bound.clone())),
            (None, Some(bound @ Value::Number(_))) => drop(made.insert(exclusive.to_owned(), bound.clone())),
            _ => {}
        }
    }
    if let Some(Value::Array(options)) = members.get("enum")
        && (1..=MOST_ENUM).contains(&options.len())
        && options.iter().try_fold(MOST_BYTES, |bytes, option| bytes_left(option, bytes)).is_some()
    {
        let mut distinct: Vec<Value> = Vec::new();
        for option in options.iter().chain(nullable.then_some(&Value::Null)) {
            if !distinct.contains(option) {
                distinct.push(option.clone());
            }
        }
        made.insert("enum".to_owned(), Value::Array(distinct));
    }
    for name in ["format", "const"] {
        let value = members.get(name).filter(|value| name == "const" || value.is_string());
        if let Some(value) = value.filter(|value| is_short(value, DESCRIPTION)) {
            made.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(default) = members.get("default").filter(|value| !value.is_null() && is_short(value, 100)) {
        made.insert("default".to_owned(), default.clone());
    }
}

/// Whether a value has at most `most` bytes of JSON. A longer one is neither written nor compared.
fn is_short(value: &Value, most: usize) -> bool {
    // `left` counts four bytes for each value, which is more than short ones have.
    bytes_left(value, 4 * most).is_some() && value.to_string().len() <= most
}

/// The bytes of the texts in a value that is known to be short.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(members) => members.iter().map(|(name, member)| name.len() + weight(member)).sum(),
        _ => 1,
    }
}

/// An outline of an answer for people and models: names and descriptions of its members. It doesn't hold a service to
/// its document: anything passes except another type at the top.
pub fn outline(document: &Document, schema: &Value) -> Option<Value> {
    const DEPTH: usize = 3;
    const BYTES: usize = 6 << 10;
    let inlined = inline(document, schema, Direction::Answer).schema;
    let kind =
        inlined.get("type").and_then(Value::as_str).filter(|kind| matches!(*kind, "object" | "array"))?.to_owned();
    for depth in (1..=DEPTH).rev() {
        let mut outline = outlined(&inlined, depth);
        outline.insert("type".to_owned(), json!([kind, "null"]));
        let outline = Value::Object(outline);
        if outline.to_string().len() <= BYTES {
            return Some(outline);
        }
    }
    None
}

fn outlined(schema: &Value, depth: usize) -> Map<String, Value> {
    let mut made = Map::new();
    if let Some(description) = schema.get("description") {
        made.insert("description".to_owned(), description.clone());
    }
    if depth == 0 {
        return made;
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let properties = properties.iter().map(|(name, property)| (name.clone(), outlined(property, depth - 1).into()));
        made.insert("properties".to_owned(), Value::Object(properties.collect()));
    }
    if let Some(items) = schema.get("items") {
        made.insert("items".to_owned(), outlined(items, depth).into());
    }
    made
}
