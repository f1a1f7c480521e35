//! JSON Schema (2020-12) as connectors use it: for inputs, outputs and settings.

use serde_json::Value;

/// Where and how a value differs from its schema, one line each, at most eight.
pub type Differences = Vec<String>;

/// Checks one value. References to anything outside the schema are refused, so a schema can't reach the network.
pub fn validate(schema: &Value, value: &Value) -> Result<(), Differences> {
    let validator = compile(schema).map_err(|error| vec![error])?;
    let differences: Differences = validator
        .iter_errors(value)
        .take(8)
        .map(|error| {
            let path = error.instance_path().to_string();
            let path = if path.is_empty() { "the value" } else { path.as_str() };
            format!("{path}: {error}")
        })
        .collect();
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

/// Checks that a schema is one.
pub fn check_schema(schema: &Value) -> Result<(), String> {
    compile(schema).map(|_| ())
}

fn compile(schema: &Value) -> Result<jsonschema::Validator, String> {
    jsonschema::options().build(schema).map_err(|error| format!("the schema is not valid: {error}"))
}
