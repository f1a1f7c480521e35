//! The body of an operation: chooses the content type to send, and adds the body's values to the action's input.

use serde_json::{Map, Value, json};

use super::{
    document::{Document, Operation},
    media::{essence, is_json},
    names::line,
    parameters::{Input, properties, separator},
    schema::{Direction, inline},
    shape::{Shape, shape_of},
};

/// The body of a request.
#[derive(Default)]
pub struct Body {
    /// The members of `request`: `body`, `body_type`, `list_style`.
    pub members: Map<String, Value>,
    /// The separators of lists that a form sends as one value.
    pub separators: Map<String, Value>,
    /// The content type, when it isn't the default of `body_type`.
    pub content_type: Option<String>,
}

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Text,
}

/// Adds the body of an operation to its input, if it has one.
///
/// # Errors
/// Why the body can't be sent, when the operation needs it.
pub fn place(document: &Document, operation: Operation<'_>, input: &mut Input) -> Result<Body, String> {
    let Some(body) = operation.value.get("requestBody") else { return Ok(Body::default()) };
    let body = document.resolve(body)?;
    let required = body.get("required") == Some(&Value::Bool(true));
    // A body has no meaning with these methods (RFC 9110, section 9.3.1), and the host sends none.
    if matches!(operation.method, "get" | "head") {
        let method = operation.method.to_ascii_uppercase();
        if required {
            return Err(format!("it needs a body, and a {method} request is sent without one"));
        }
        input.warnings.push(format!("its body is left out: a {method} request is sent without one"));
        return Ok(Body::default());
    }
    let content = body.get("content").and_then(Value::as_object);
    let chosen = content.and_then(|content| choose(document, content));
    let Some((name, media, kind)) = chosen else {
        let message = refusal(content.into_iter().flatten().map(|(name, _)| name.as_str()));
        // A body that isn't marked as required may still be the operation's purpose, as in uploads.
        return if content.is_none_or(Map::is_empty) { Ok(Body::default()) } else { Err(message) };
    };
    let schema = media.get("schema").unwrap_or(&Value::Null);
    let inlined = inline(document, schema, Direction::Request);
    if inlined.recursive {
        input.warnings.push("its body's schema contains itself: it is left open there".to_owned());
    }
    if inlined.cut {
        input.warnings.push("its body's schema is large: what lies deep is left open".to_owned());
    }
    let mut schema = inlined.schema;
    if kind == Kind::Form && schema.get("type").is_none() {
        schema["type"] = json!("object");
    }
    let value = input.add("body", schema, required);
    let (mut members, mut separators) = (Map::new(), Map::new());
    members.insert("body".to_owned(), json!(format!("{{{{ input.{value} }}}}")));
    match kind {
        Kind::Json => {}
        Kind::Text => drop(members.insert("body_type".to_owned(), json!("text"))),
        Kind::Form => {
            members.insert("body_type".to_owned(), json!("form"));
            if repeats_lists(document, media) {
                members.insert("list_style".to_owned(), json!("repeat"));
            }
            separators = self::separators(document, media);
        }
    }
    let usual = match kind {
        Kind::Json => "application/json",
        Kind::Form => "application/x-www-form-urlencoded",
        Kind::Text => "text/plain",
    };
    let content_type = (essence(name) != usual && !name.contains('*')).then(|| name.to_owned());
    let content_type =
        content_type.filter(|name| name.len() <= 200 && name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'{'));
    Ok(Body { members, separators, content_type })
}

/// Why a body of these content types can't be sent.
fn refusal<'d>(names: impl Iterator<Item = &'d str>) -> String {
    let names: Vec<&str> = names.take(4).collect();
    if names.iter().any(|name| essence(name) == "application/x-www-form-urlencoded") {
        return "its body is a form whose schema is no object, so its fields have no names".to_owned();
    }
    let shown =
        names.iter().map(|name| if name.is_empty() { "of a type without a name".to_owned() } else { line(name, 60) });
    format!("its body is {}; JSON, forms and texts are sent", shown.collect::<Vec<_>>().join(", "))
}

/// Chooses the content type to send: JSON before forms before plain text.
fn choose<'d>(document: &'d Document, content: &'d Map<String, Value>) -> Option<(&'d str, &'d Value, Kind)> {
    let of = |kind: Kind, fits: &dyn Fn(&str) -> bool| {
        content.iter().find(|(name, _)| fits(&essence(name))).map(|(name, media)| (name.as_str(), media, kind))
    };
    let is_object = |media: &Value| {
        let schema = media.get("schema").unwrap_or(&Value::Null);
        matches!(shape_of(document, schema, 0), Shape::Object | Shape::Any)
    };
    let has_members = |media: &Value| {
        let schema = media.get("schema").unwrap_or(&Value::Null);
        matches!(shape_of(document, schema, 0), Shape::Object | Shape::List)
    };
    of(Kind::Json, &|name| name == "application/json")
        .or_else(|| of(Kind::Json, &|name| is_json(name)))
        .or_else(|| {
            of(Kind::Form, &|name| name == "application/x-www-form-urlencoded").filter(|(_, media, _)| is_object(media))
        })
        .or_else(|| of(Kind::Json, &|name| name == "*/*" || name == "application/*"))
        .or_else(|| of(Kind::Text, &|name| name == "text/plain"))
        // Any other text is sent unchanged, unless its schema says that it has members.
        .or_else(|| of(Kind::Text, &|name| name.starts_with("text/")).filter(|(_, media, _)| !has_members(media)))
}

/// Whether a form's lists repeat the name. They do unless `encoding` asks for brackets.
fn repeats_lists(document: &Document, media: &Value) -> bool {
    let encodings = media.get("encoding").and_then(Value::as_object);
    let deep = encodings
        .into_iter()
        .flatten()
        .any(|(_, encoding)| encoding.get("style").is_some_and(|style| style == "deepObject"));
    let schema = media.get("schema").unwrap_or(&Value::Null);
    let lists = properties(document, schema).iter().any(|(_, property)| shape_of(document, property, 0) == Shape::List);
    lists && !deep
}

/// The separators that `encoding` sets for a form's lists.
fn separators(document: &Document, media: &Value) -> Map<String, Value> {
    let Some(encodings) = media.get("encoding").and_then(Value::as_object) else { return Map::new() };
    let schema = media.get("schema").unwrap_or(&Value::Null);
    let joined = properties(document, schema).into_iter().filter_map(|(name, property)| {
        let encoding = encodings.get(&name)?;
        let style = encoding.get("style").and_then(Value::as_str).unwrap_or("form");
        let explode = encoding.get("explode").and_then(Value::as_bool).unwrap_or(style == "form");
        let may_be_list = matches!(shape_of(document, property, 0), Shape::List | Shape::Any);
        let separator = separator(style).filter(|_| may_be_list && !explode)?;
        Some((name, json!(separator)))
    });
    joined.collect()
}
