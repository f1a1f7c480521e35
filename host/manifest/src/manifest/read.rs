//! Reads a manifest from a document and reports all its mistakes at once, each at its path.
//!
//! A document without a [`Manifest`]'s shape can still have other mistakes. So the wrong places are repaired in a copy,
//! the copy is checked, and mistakes of the repaired places are left out.

use std::sync::LazyLock;

use jsonschema::{
    Validator,
    error::{ValidationError, ValidationErrorKind},
};
use serde_json::{Map, Value, json};

use super::{Manifest, check::check};
use crate::{
    json_schema,
    violation::{MOST, Violation, Violations, step},
};

/// The JSON Schema (2020-12) of a definition, for editors and for checking the shape.
pub const SCHEMA: &str = include_str!("schema.json");

/// The result of reading a document.
#[derive(Debug)]
pub struct ParsedManifest {
    /// The manifest. With mistakes, it is what could be read, for finding more of them only.
    pub manifest: Option<Manifest>,
    /// All mistakes. Without any, the manifest can be used.
    pub violations: Vec<Violation>,
}

impl ParsedManifest {
    /// # Errors
    /// Every mistake.
    pub fn into_manifest(self) -> Result<Manifest, Vec<Violation>> {
        match self.manifest {
            Some(manifest) if self.violations.is_empty() => Ok(manifest),
            _ => Err(self.violations),
        }
    }

    fn nothing(message: &str) -> Self {
        Self { manifest: None, violations: vec![Violation::new("", message).masked()] }
    }
}

/// Reads a definition from JSON.
pub fn from_value(mut document: Value) -> ParsedManifest {
    if let Some(members) = document.as_object_mut() {
        members.remove("$schema");
    }
    let schema_violations = schema_violations(&document);
    if schema_violations.is_empty() {
        return match serde_json::from_value::<Manifest>(document) {
            Ok(manifest) => ParsedManifest { violations: check(&manifest), manifest: Some(manifest) },
            Err(error) => ParsedManifest::nothing(&error.to_string()),
        };
    }
    let mut repaired = document;
    for SchemaViolation { violation, unknown } in &schema_violations {
        repair(&mut repaired, &violation.path, *unknown);
    }
    let paths: Vec<String> =
        schema_violations.iter().map(|schema_violation| schema_violation.violation.path.clone()).collect();
    let mut violations: Violations =
        schema_violations.into_iter().map(|schema_violation| schema_violation.violation).collect();
    let manifest: Option<Manifest> = serde_json::from_value(repaired).ok();
    let further = manifest.as_ref().map(check).unwrap_or_default();
    violations.extend(further.into_iter().filter(|violation| !follows_from(&paths, &violation.path)));
    ParsedManifest { manifest, violations: violations.into_list() }
}

/// Reads a definition from TOML. Its paths are JSON Pointers, too.
pub fn from_toml(text: &str) -> ParsedManifest {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.parse::<toml::Table>() {
        Ok(table) => from_value(json_of(toml::Value::Table(table))),
        Err(error) => ParsedManifest::nothing(error.to_string().trim_end()),
    }
}

fn json_of(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        // JSON can't express infinity, and no member of a manifest needs it.
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => items.into_iter().map(json_of).collect(),
        toml::Value::Table(members) => {
            Value::Object(members.into_iter().map(|(name, member)| (name, json_of(member))).collect())
        }
    }
}

/// A place that doesn't have a manifest's shape.
struct SchemaViolation {
    violation: Violation,
    /// Whether it is an unknown member.
    unknown: bool,
}

/// Every place with a wrong shape. `request`, `response` and `pagination` of an action are left out: the check explains
/// their mistakes better.
fn schema_violations(document: &Value) -> Vec<SchemaViolation> {
    static VALIDATOR: LazyLock<Option<(Validator, Value)>> = LazyLock::new(|| {
        let schema: Value = serde_json::from_str(SCHEMA).ok()?;
        Some((jsonschema::options().build(&schema).ok()?, schema))
    });
    let Some((validator, schema)) = &*VALIDATOR else { return Vec::new() };
    let mut found: Vec<SchemaViolation> = Vec::new();
    for error in validator.iter_errors(document).take(MOST) {
        for schema_violation in into_list(&error, schema) {
            let path = &schema_violation.violation.path;
            // A single object may have any number of unknown members.
            if found.len() > MOST {
                return found;
            }
            if !is_checked_elsewhere(path) && found.iter().all(|known| known.violation.path != *path) {
                found.push(schema_violation);
            }
        }
    }
    found
}

fn is_checked_elsewhere(path: &str) -> bool {
    let mut steps = path.split('/').skip(1);
    steps.next() == Some("actions") && matches!(steps.nth(1), Some("request" | "response" | "pagination"))
}

/// Translates an error of the schema into this manifest's terms.
fn into_list(error: &ValidationError, whole: &Value) -> Vec<SchemaViolation> {
    let path = error.instance_path().to_string();
    let one = |path: String, message: String| {
        vec![SchemaViolation { violation: Violation::new(path, message), unknown: false }]
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            one(step(&path, name), format!("`{name}` is missing"))
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = known_beside(error, whole);
            let unknown = |name: &String| SchemaViolation {
                violation: Violation::new(step(&path, name), known.clone()),
                unknown: true,
            };
            unexpected.iter().map(unknown).collect()
        }
        ValidationErrorKind::Type { kind } => {
            let types: Vec<String> = json_schema::types(kind).into_iter().filter(|name| name != "null").collect();
            one(path, format!("this has to be {}", types.join(" or ")))
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            one(path, format!("this is one of {}", options.join(", ")))
        }
        _ => one(path, json_schema::words(error)),
    }
}

/// The known members in the place of an unknown one.
fn known_beside(error: &ValidationError, schema: &Value) -> String {
    let place = error.schema_path().to_string();
    let place = place.strip_suffix("/additionalProperties").unwrap_or(&place);
    let members = resolve(schema, place).and_then(|schema| schema.get("properties")?.as_object());
    let known: Vec<&str> =
        members.into_iter().flatten().map(|(name, _)| name.as_str()).filter(|name| *name != "$schema").collect();
    if known.is_empty() { "unknown".to_owned() } else { format!("unknown; here are known: {}", known.join(", ")) }
}

/// Finds a place in the schema, following its references.
fn resolve<'s>(schema: &'s Value, place: &str) -> Option<&'s Value> {
    let mut here = schema;
    for name in place.split('/').skip(1) {
        here = match name {
            "$ref" => schema.pointer(here.get("$ref")?.as_str()?.strip_prefix('#')?)?,
            name => match here {
                Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
                other => other.get(name)?,
            },
        };
    }
    Some(here)
}

/// Repairs a place without guessing. An unknown or optional member is removed, and a required one gets a placeholder.
fn repair(document: &mut Value, path: &str, unknown: bool) {
    let Some((parent, name)) = path.rsplit_once('/') else { return };
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    let name = name.replace("~1", "/").replace("~0", "~");
    let stand_in = if unknown { None } else { placeholder(&steps) };
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => set(members, name, stand_in),
        Some(Value::Array(items)) => {
            if let Some(item) = name.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                *item = stand_in.unwrap_or_default();
            }
        }
        _ => {}
    }
}

fn set(members: &mut Map<String, Value>, name: String, value: Option<Value>) {
    match value {
        Some(value) => drop(members.insert(name, value)),
        None => drop(members.remove(&name)),
    }
}

fn placeholder(steps: &[&str]) -> Option<Value> {
    Some(match steps {
        ["id" | "name"] | ["actions", _, "title" | "description"] | [.., "scopes", _] => json!("x"),
        ["version"] => json!("0.0.0"),
        // This is no host name, so the check knows that it doesn't know all hosts.
        ["hosts"] => json!([""]),
        ["hosts" | "auth_hosts", _] => json!(""),
        ["auth"] | ["auth_alternatives", _] => json!({"type": "none"}),
        ["auth", "type"] | ["auth_alternatives", _, "type"] => json!("none"),
        // The kind that needs nothing else.
        [.., "grant"] => json!("client_credentials"),
        [.., "token_url"] => json!("https://x.example/"),
        ["auth", "name"] | ["auth_alternatives", _, "name"] => json!("x"),
        ["actions"] => json!([]),
        ["actions", at] => json!({"id": format!("x{at}"), "title": "x", "description": "x"}),
        ["actions", at, "id"] => json!(format!("x{at}")),
        ["test", "action"] => json!(""),
        ["fixtures", _] => json!({"match": {}, "response": {}}),
        ["fixtures", _, "match" | "response"] => json!({}),
        _ => return None,
    })
}

/// Whether a mistake of the repaired copy is in a repaired place, or results from one.
fn follows_from(repaired: &[String], path: &str) -> bool {
    let within =
        |place: &String| path.strip_prefix(place.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // A repaired action may be the one that the test names, so it isn't known whether it exists, what it changes or
    // what it accepts.
    let of_test = |place: &String| {
        let Some(rest) = place.strip_prefix("/actions") else { return false };
        let member = rest.trim_start_matches('/').split_once('/').map(|(_, member)| member);
        match member {
            None | Some("id") => true,
            Some("side_effect") => path == "/test/action",
            Some(member) => path.starts_with("/test/input") && member.split('/').next() == Some("input"),
        }
    };
    repaired.iter().any(within) || (path.starts_with("/test") && repaired.iter().any(of_test))
}

#[cfg(test)]
mod tests;
