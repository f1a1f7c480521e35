//! Describes how a value differs from its JSON Schema: where and why, without quoting the value. Values may be
//! customers' data, and these texts go to logs.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use serde_json::Value;

use crate::{manifest::step, mask};

/// The most failures of one alternative that are described, and the most alternatives.
const MISSED: usize = 3;
const ALTERNATIVES: usize = 8;

/// One place where a value differs from its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// A JSON Pointer (RFC 6901) into the value.
    pub path: String,
    pub message: String,
}

impl Difference {
    /// A difference of the whole value.
    pub fn of_all(message: String) -> Self {
        Self { path: String::new(), message }
    }

    pub(super) fn new(error: &ValidationError) -> Self {
        let path = mask::secrets(&error.instance_path().to_string()).into_owned();
        match error.kind() {
            // At the place that it should be in.
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                Self { path: step(&path, name), message: "it is missing".to_owned() }
            }
            _ => Self { path, message: mask::secrets(&words(error)).into_owned() },
        }
    }

    /// The path in the notation of request bodies, from a member on: `settings.regions[0].name`.
    pub fn under(&self, member: &str) -> String {
        self.path.split('/').skip(1).fold(member.to_owned(), |path, step| match step.parse::<usize>() {
            Ok(at) => format!("{path}[{at}]"),
            Err(_) => format!("{path}.{}", step.replace("~1", "/").replace("~0", "~")),
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the value" } else { &self.path };
        write!(f, "{path}: {}", self.message)
    }
}

/// All differences in one line.
pub fn in_words(differences: &[Difference]) -> String {
    differences.iter().map(Difference::to_string).collect::<Vec<_>>().join("; ")
}

/// Describes what a schema requires. For alternatives, it describes why each of them fails.
pub(crate) fn words(error: &ValidationError) -> String {
    let said = describe_shallow(error);
    let context = match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => context,
        _ => return said,
    };
    let here = error.instance_path().to_string();
    let each = context.iter().filter(|errors| !errors.is_empty()).take(ALTERNATIVES).map(|errors| {
        let missed: Vec<String> = errors.iter().take(MISSED).map(|error| missed(error, &here)).collect();
        missed.join(" and ")
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() { said } else { format!("{said}: {}", each.join(", or ")) }
}

/// The same without alternatives, because nested ones are too many to describe.
fn describe_shallow(error: &ValidationError) -> String {
    match error.kind() {
        ValidationErrorKind::AnyOf { .. } => "it fits none of the alternatives".to_owned(),
        ValidationErrorKind::OneOfNotValid { .. } => "it has to fit one of the alternatives, and fits none".to_owned(),
        ValidationErrorKind::OneOfMultipleValid { .. } => {
            "it has to fit one of the alternatives, and fits more than one".to_owned()
        }
        _ => error.masked_with("it").to_string(),
    }
}

/// What one alternative requires and the value lacks. Its path starts at the place of the alternatives.
fn missed(error: &ValidationError, here: &str) -> String {
    let path = error.instance_path().to_string();
    let path = path.strip_prefix(here).unwrap_or(&path).to_owned();
    let place = if path.is_empty() { "it".to_owned() } else { path };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("{place} needs `{}`", property.as_str().unwrap_or_default())
        }
        ValidationErrorKind::Type { kind } => format!("{place} has to be {}", types(kind).join(" or ")),
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().into_iter().flatten().map(Value::to_string);
            format!("{place} has to be one of {}", options.collect::<Vec<_>>().join(", "))
        }
        ValidationErrorKind::Constant { expected_value } => format!("{place} has to be {expected_value}"),
        _ => format!("{place}: {}", describe_shallow(error)),
    }
}

/// The types that a schema allows, with their articles.
pub(crate) fn types(kind: &TypeKind) -> Vec<String> {
    let names: Vec<&str> = match kind {
        TypeKind::Single(single) => vec![single.as_str()],
        TypeKind::Multiple(several) => several.iter().map(|one| one.as_str()).collect(),
    };
    let article = |name: &str| match name {
        "object" | "array" | "integer" => format!("an {name}"),
        "boolean" => "true or false".to_owned(),
        "null" => "null".to_owned(),
        name => format!("a {name}"),
    };
    names.into_iter().map(article).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json_schema::validate;

    fn describe(schema: &Value, value: &Value) -> String {
        in_words(&validate(schema, value).unwrap_err())
    }

    #[test]
    fn a_path_is_a_pointer_or_stands_under_a_member() {
        let schema = json!({"properties": {"a/b": {"items": {"properties": {"n": {"type": "integer"}}}}}});
        let differences = validate(&schema, &json!({"a/b": [{"n": 1}, {"n": "hunter2"}]})).unwrap_err();
        assert_eq!(in_words(&differences), "/a~1b/1/n: it is not of type \"integer\"");
        assert_eq!(differences[0].under("settings"), "settings.a/b[1].n");
        let missing = validate(&json!({"required": ["shop"]}), &json!({})).unwrap_err();
        assert_eq!(
            (missing[0].under("settings"), in_words(&missing)),
            ("settings.shop".to_owned(), "/shop: it is missing".to_owned())
        );
    }

    #[test]
    fn alternatives_are_told_in_words_and_the_value_is_not() {
        let either = json!({"type": "object", "properties": {"who": {"anyOf": [
            {"type": "object", "required": ["email"]},
            {"type": "object", "required": ["customer_id"]},
            {"type": "string"}]}}});
        assert_eq!(
            describe(&either, &json!({"who": {"phone": "hunter2"}})),
            "/who: it fits none of the alternatives: it needs `email`, or it needs `customer_id`, or it has to be a \
             string"
        );
        let one = json!({"oneOf": [
            {"properties": {"kind": {"const": "card"}, "last4": {"type": "string"}}, "required": ["kind", "last4"]},
            {"properties": {"kind": {"enum": ["bank", "cash"]}}, "required": ["kind"]}]});
        assert_eq!(
            describe(&one, &json!({"kind": "hunter2", "last4": 1234})),
            "the value: it has to fit one of the alternatives, and fits none: /kind has to be \"card\" and /last4 has \
             to be a string, or /kind has to be one of \"bank\", \"cash\""
        );
        let both = json!({"oneOf": [{"type": "string"}, {"minLength": 1}]});
        assert_eq!(
            describe(&both, &json!("hunter2")),
            "the value: it has to fit one of the alternatives, and fits more than one"
        );
        let nested = json!({"anyOf": [{"type": "array", "items": {"anyOf": [{"type": "null"}]}}]});
        let said = describe(&nested, &json!(["hunter2"]));
        assert!(said.ends_with("/0: it fits none of the alternatives"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
