//! The shape of a schema's values, as far as placing a parameter needs it.

use serde_json::Value;

use super::document::Document;

/// The shape of a value, as far as placing it needs it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Scalar,
    List,
    Object,
    /// Several of these, or not stated.
    Any,
}

/// The branches of a composed schema.
pub fn parts(schema: &Value) -> impl Iterator<Item = &Value> {
    ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|name| schema.get(name)?.as_array()).flatten()
}

/// The shape of a schema's values.
pub fn shape_of(document: &Document, schema: &Value, depth: usize) -> Shape {
    if !document.budget().take_places(1) {
        return Shape::Any;
    }
    let Ok(schema) = document.resolve(schema) else { return Shape::Any };
    let one = |name: &str| match name {
        "array" => Shape::List,
        "object" => Shape::Object,
        _ => Shape::Scalar,
    };
    match schema.get("type") {
        Some(Value::String(name)) => return one(name),
        Some(Value::Array(names)) => {
            return common_shape(names.iter().filter_map(Value::as_str).filter(|name| *name != "null").map(one));
        }
        _ => {}
    }
    if schema.get("properties").is_some() {
        return Shape::Object;
    }
    if schema.get("items").is_some() {
        return Shape::List;
    }
    if schema.get("enum").is_some() {
        return Shape::Scalar;
    }
    if depth >= 4 {
        return Shape::Any;
    }
    common_shape(parts(schema).take(16).map(|part| shape_of(document, part, depth + 1)))
}

/// The common shape of all, or `Any`.
fn common_shape(mut shapes: impl Iterator<Item = Shape>) -> Shape {
    match shapes.next() {
        Some(first) if shapes.all(|shape| shape == first) => first,
        _ => Shape::Any,
    }
}
