//! JSON Schema (2020-12) for inputs, outputs and settings, with bounds on the cost of a check.

mod describe;
mod extent;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

pub use self::describe::in_words;
pub(super) use self::describe::{types, words};
use self::{describe::describe, extent::Extent};
use crate::violation::Violation;

/// The most bytes of a compiled pattern. Patterns have no look-around and no back-references, so matching takes time
/// that is linear in the text's length.
const PATTERN_BYTES: usize = 256 << 10;
/// The most that one check may take, about a second: places of the schema times values, and patterns times bytes of
/// text.
const MOST_STEPS: u64 = 16_000_000;
const MOST_MATCHED: u64 = 8_000_000;
/// A check of more steps than this is long.
const LONG: u64 = 200_000;

/// A schema that is ready to check values. It can't reach the network, because references to other documents are
/// refused. The cost of a check is bounded, because both author and caller may be strangers.
pub struct Schema {
    validator: Validator,
    extent: Extent,
}

impl Schema {
    pub fn new(schema: &Value) -> Result<Self, String> {
        let extent = extent::measure(schema)?;
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES);
        let options = jsonschema::options().with_draft(Draft::Draft202012).with_pattern_options(patterns);
        let validator = options.build(schema).map_err(|error| format!("the schema is not valid: {error}"))?;
        Ok(Self { validator, extent })
    }

    /// # Errors
    /// At most eight violations. They never quote the value itself.
    pub fn check(&self, value: &Value) -> Result<(), Vec<Violation>> {
        self.prepare(value)?.run()
    }

    /// Prepares a check whose cost is within the bounds.
    ///
    /// # Errors
    /// When the value is too large to be checked.
    pub fn prepare<'a>(&'a self, value: &'a Value) -> Result<Check<'a>, Vec<Violation>> {
        let Size { values, text } = size(value);
        let Extent { places, patterns } = self.extent;
        let (steps, matched) = (values.saturating_mul(places), text.saturating_mul(patterns));
        if steps > MOST_STEPS || matched > MOST_MATCHED {
            return Err(vec![Violation::of_all(format!(
                "it is too large to be checked: it has {values} values and {text} bytes of text, its schema {places} places \
                 and {patterns} patterns"
            ))]);
        }
        Ok(Check { schema: self, value, is_long: steps.max(matched) > LONG })
    }

    fn violations(&self, value: &Value) -> Vec<Violation> {
        self.validator.iter_errors(value).take(8).map(|error| describe(&error)).collect()
    }
}

/// A prepared check of one value.
pub struct Check<'a> {
    schema: &'a Schema,
    value: &'a Value,
    is_long: bool,
}

impl Check<'_> {
    /// Whether it takes so long that it should not block an async worker.
    pub fn is_long(&self) -> bool {
        self.is_long
    }

    pub fn run(&self) -> Result<(), Vec<Violation>> {
        let violations = self.schema.violations(self.value);
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }
}

#[derive(Default)]
struct Size {
    values: u64,
    /// Bytes of strings and of members' names.
    text: u64,
}

fn size(value: &Value) -> Size {
    let mut size = Size { values: 1, text: 0 };
    let mut add = |inner: &Value| {
        let Size { values, text } = self::size(inner);
        size.values += values;
        size.text += text;
    };
    match value {
        Value::Array(items) => items.iter().for_each(add),
        Value::Object(members) => {
            members.values().for_each(&mut add);
            size.text += members.keys().map(|name| name.len() as u64).sum::<u64>();
        }
        Value::String(text) => size.text = text.len() as u64,
        _ => {}
    }
    size
}

/// Checks a value against a schema that is used only once.
pub fn validate(schema: &Value, value: &Value) -> Result<(), Vec<Violation>> {
    Schema::new(schema).map_err(|error| vec![Violation::of_all(error)])?.check(value)
}

/// The number of patterns in a schema, as far as its keywords show them.
pub fn count_patterns(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => items.iter().map(count_patterns).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match (name.as_str(), value) {
                ("pattern", Value::String(_)) => 1,
                ("patternProperties", Value::Object(patterns)) => patterns.len() + count_patterns(value),
                _ => count_patterns(value),
            })
            .sum(),
        _ => 0,
    }
}

/// Checks that a value is a valid schema.
pub fn check_schema(schema: &Value) -> Result<(), String> {
    Schema::new(schema).map(|_| ())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_check_that_would_take_long_is_not_begun() {
        let wide: Vec<Value> = (0..2_000).map(|n| json!({"minimum": n})).collect();
        let schema = Schema::new(&json!({"items": {"anyOf": wide}})).unwrap();
        assert_eq!(schema.check(&json!([2_000, 3_000])), Ok(()));
        let said = schema.check(&json!(vec![0; 100_000])).unwrap_err();
        assert!(said[0].message.contains("100001 values") && said[0].message.contains("places"), "{said:?}");
    }

    #[test]
    fn patterns_take_linear_time_and_so_much_text() {
        let slow = Schema::new(&json!({"items": {"pattern": "^(a|a)*$"}})).unwrap();
        assert_eq!(slow.check(&json!(["a".repeat(100_000)])), Ok(()));
        assert!(slow.check(&json!(["a".repeat(9_000_000)])).unwrap_err()[0].message.contains("patterns"));
        assert!(Schema::new(&json!({"pattern": "^(?!b)"})).err().unwrap().contains("not valid"));
    }
}
