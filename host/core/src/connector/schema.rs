//! JSON Schema (2020-12) as connectors use it: for inputs, outputs and settings.

use jsonschema::PatternOptions;
use serde_json::Value;

/// Where and how a value differs from its schema, one line each, at most eight. The value itself is never quoted: it may
/// be a customer's, and these lines end in logs.
pub type Differences = Vec<String>;

/// What strangers write as a pattern costs this much at most, each time it is compiled and each time it is tried.
const PATTERN_BYTES: usize = 256 << 10;
const PATTERN_STEPS: usize = 100_000;

/// A schema ready to check values with. References to anything outside the schema are refused, so a schema can't
/// reach the network.
pub struct Schema(jsonschema::Validator);

impl Schema {
    pub fn new(schema: &Value) -> Result<Self, String> {
        let patterns = PatternOptions::fancy_regex().backtrack_limit(PATTERN_STEPS).size_limit(PATTERN_BYTES);
        let validator = jsonschema::options().with_pattern_options(patterns).build(schema);
        validator.map(Self).map_err(|error| format!("the schema is not valid: {error}"))
    }

    pub fn check(&self, value: &Value) -> Result<(), Differences> {
        let differences: Differences = self
            .0
            .iter_errors(value)
            .take(8)
            .map(|error| {
                let path = error.instance_path().to_string();
                let path = if path.is_empty() { "the value" } else { path.as_str() };
                format!("{path}: {}", error.masked_with("it"))
            })
            .collect();
        if differences.is_empty() { Ok(()) } else { Err(differences) }
    }
}

/// Checks one value against a schema that is used once.
pub fn validate(schema: &Value, value: &Value) -> Result<(), Differences> {
    Schema::new(schema).map_err(|error| vec![error])?.check(value)
}

/// How many patterns a schema has, as far as they are found by name.
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

/// Checks that a schema is one.
pub fn check_schema(schema: &Value) -> Result<(), String> {
    Schema::new(schema).map(|_| ())
}
