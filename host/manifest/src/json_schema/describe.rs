//! Describes how a value differs from its JSON Schema: where and why, without quoting the value. Values may be
//! customers' data, and these texts go to logs.

use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use serde_json::Value;

use crate::{
    mask,
    violation::{Violation, step},
};

/// The most failures of one alternative that are described, and the most alternatives.
const MISSED: usize = 3;
const ALTERNATIVES: usize = 8;

/// One place where a value violates its schema.
pub(super) fn describe(error: &ValidationError) -> Violation {
    let path = mask::secrets(&error.instance_path().to_string()).into_owned();
    match error.kind() {
        // The path is that of the missing member.
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            Violation { path: step(&path, name), message: "it is missing".to_owned() }
        }
        _ => Violation { path, message: mask::secrets(&words(error)).into_owned() },
    }
}

/// All violations in one line.
pub fn in_words(violations: &[Violation]) -> String {
    let line = |Violation { path, message }: &Violation| match path.as_str() {
        "" => format!("the value: {message}"),
        path => format!("{path}: {message}"),
    };
    violations.iter().map(line).collect::<Vec<_>>().join("; ")
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
        let violations = validate(&schema, &json!({"a/b": [{"n": 1}, {"n": "hunter2"}]})).unwrap_err();
        assert_eq!(in_words(&violations), "/a~1b/1/n: it is not of type \"integer\"");
        assert_eq!(violations[0].under("settings"), "settings.a/b[1].n");
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
