//! Which field each value of a schema gets.

use serde_json::{Map, Value};

/// How deep objects have fields of their own. Deeper ones are JSON.
const DEEPEST: u8 = 4;
/// A text that may be longer than this gets several lines.
const ONE_LINE: u64 = 400;

/// A value of the form.
pub struct Node<'s> {
    /// As mistakes name it, such as `settings.region`. It is the field's name, too.
    pub path: String,
    /// The name in the object that it is in.
    pub name: &'s str,
    pub label: String,
    pub hint: Option<String>,
    /// Whether its object needs it.
    pub needed: bool,
    /// Whether the form needs it: all objects that it is in are needed, too.
    pub required: bool,
    pub schema: &'s Value,
    pub shape: Shape<'s>,
}

pub enum Shape<'s> {
    Object(Vec<Node<'s>>),
    /// One of these.
    Choice(Vec<&'s Value>),
    /// Any of these.
    Choices(Vec<&'s Value>),
    /// A box to tick.
    Flag,
    /// Yes, no, or nothing said.
    OptionalFlag,
    Number {
        whole: bool,
    },
    /// With the kind of HTML's input, or several lines.
    Text {
        kind: &'static str,
        long: bool,
    },
    /// A list with one simple value on each line.
    Lines(Line),
    Json,
}

/// What a line of a list holds.
#[derive(Clone, Copy)]
pub enum Line {
    Text,
    Number { whole: bool },
}

/// The node of a whole schema, which is an object's.
pub fn root<'s>(prefix: &str, schema: &'s Value) -> Node<'s> {
    let open = schema.get("additionalProperties").is_some_and(|more| more != &Value::Bool(false));
    let shape = match properties(schema) {
        None if open => Shape::Json,
        None => Shape::Object(Vec::new()),
        Some(properties) => Shape::Object(children(prefix, schema, properties, true, 0)),
    };
    let label = "Values".to_owned();
    Node { path: prefix.to_owned(), name: "", label, hint: None, needed: true, required: true, schema, shape }
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object).filter(|properties| !properties.is_empty())
}

fn children<'s>(
    path: &str,
    schema: &'s Value,
    properties: &'s Map<String, Value>,
    required: bool,
    depth: u8,
) -> Vec<Node<'s>> {
    let needed: Vec<&str> = list(schema, "required").iter().filter_map(Value::as_str).collect();
    let node = |(name, schema): (&'s String, &'s Value)| {
        let path = format!("{path}.{name}");
        let needed = needed.contains(&name.as_str());
        let shape = shape(&path, schema, needed && required, required, depth);
        let label = schema.get("title").and_then(Value::as_str).map_or_else(|| words(name), str::to_owned);
        let hint = hint(schema, &shape);
        Node { path, name, label, hint, needed, required: needed && required, schema, shape }
    };
    properties.iter().map(node).collect()
}

fn shape<'s>(path: &str, schema: &'s Value, required: bool, in_required: bool, depth: u8) -> Shape<'s> {
    if let Some(values) = choices(schema) {
        return Shape::Choice(values);
    }
    match (kind(schema), properties(schema)) {
        (Some("object") | None, Some(properties)) if depth < DEEPEST => {
            Shape::Object(children(path, schema, properties, required, depth + 1))
        }
        _ if is_compound(schema) => Shape::Json,
        // A box that isn't ticked says no, so it would make an object of what nobody filled in.
        (Some("boolean"), _) if in_required && (required || schema.get("default").is_some()) => Shape::Flag,
        (Some("boolean"), _) => Shape::OptionalFlag,
        (Some("integer"), _) => Shape::Number { whole: true },
        (Some("number"), _) => Shape::Number { whole: false },
        (Some("string"), _) => text(schema),
        (Some("array"), _) => items(schema),
        _ => Shape::Json,
    }
}

/// The type, if there is one besides null.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            kinds.next().filter(|_| kinds.next().is_none())
        }
        _ => None,
    }
}

/// The values to choose from, when all are simple.
fn choices(schema: &Value) -> Option<Vec<&Value>> {
    let values: Vec<&Value> = match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => values.iter().filter(|value| !value.is_null()).collect(),
        (_, Some(only)) => vec![only],
        _ => return None,
    };
    let simple = |value: &&Value| value.is_string() || value.is_number() || value.is_boolean();
    (!values.is_empty() && values.iter().all(simple)).then_some(values)
}

/// Whether other schemas decide what it may be.
fn is_compound(schema: &Value) -> bool {
    const WORDS: [&str; 7] = ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "not"];
    WORDS.iter().any(|word| schema.get(word).is_some())
}

fn text(schema: &Value) -> Shape<'_> {
    let kind = match schema.get("format").and_then(Value::as_str) {
        Some("email") => "email",
        Some("uri" | "url") => "url",
        Some("date") => "date",
        Some("password") => "password",
        _ => "text",
    };
    let long = kind == "text" && schema.get("maxLength").and_then(Value::as_u64).is_some_and(|most| most > ONE_LINE);
    Shape::Text { kind, long }
}

fn items(schema: &Value) -> Shape<'_> {
    let Some(items) = schema.get("items") else { return Shape::Json };
    if let Some(values) = choices(items) {
        return Shape::Choices(values);
    }
    match kind(items) {
        _ if is_compound(items) => Shape::Json,
        Some("string") => Shape::Lines(Line::Text),
        Some("integer") => Shape::Lines(Line::Number { whole: true }),
        Some("number") => Shape::Lines(Line::Number { whole: false }),
        _ => Shape::Json,
    }
}

fn list<'s>(schema: &'s Value, word: &str) -> &'s [Value] {
    schema.get(word).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What a field is for, and how it is filled in.
fn hint(schema: &Value, shape: &Shape<'_>) -> Option<String> {
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default().trim();
    let how = match shape {
        Shape::Lines(_) => "One on each line.".to_owned(),
        Shape::Json => "As JSON.".to_owned(),
        Shape::Number { .. } => bounds(schema),
        _ => String::new(),
    };
    let stop = if about.is_empty() || about.ends_with(['.', '!', '?']) { "" } else { "." };
    let both = format!("{about}{stop} {how}");
    Some(both.trim().to_owned()).filter(|hint| !hint.is_empty())
}

fn bounds(schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!("From {least} to {most}."),
        (Some(least), None) => format!("{least} or more."),
        (None, Some(most)) => format!("{most} or less."),
        (None, None) => String::new(),
    }
}

/// A property's name as words: `verify_email` is “Verify email”.
fn words(name: &str) -> String {
    let spaced = name.replace(['_', '-'], " ");
    let mut letters = spaced.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// Whether a mistake's path is that of a value, or leads into it.
pub fn is_within(path: &str, value: &str) -> bool {
    path.strip_prefix(value).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A simple value as the text of an option or a line.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
