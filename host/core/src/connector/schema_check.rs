//! Checks values against JSON Schemas. Long checks don't block the other tasks of an async worker.

use resly_manifest::{Violation, json_schema::Schema};
use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Checks a value. A long check lets the worker's other tasks move to another thread, if the runtime has several.
pub fn check(schema: &Schema, value: &Value) -> Result<(), Vec<Violation>> {
    let check = schema.prepare(value)?;
    if !check.is_long() {
        return check.run();
    }
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| check.run()),
        _ => check.run(),
    }
}

/// Checks a value against a schema that is used only once.
pub fn validate(schema: &Value, value: &Value) -> Result<(), Vec<Violation>> {
    check(&Schema::new(schema).map_err(|error| vec![Violation::of_all(error)])?, value)
}

#[cfg(test)]
mod tests {
    use resly_manifest::json_schema::in_words;
    use serde_json::json;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_check_says_the_same_on_a_worker() {
        let schema = Schema::new(&json!({"items": {"type": "integer", "minimum": 0}})).unwrap();
        let mut values = vec![json!(1); 100_000];
        assert_eq!(check(&schema, &json!(values)), Ok(()));
        values[99_999] = json!("x");
        let said = check(&schema, &json!(values)).unwrap_err();
        assert_eq!(in_words(&said), "/99999: it is not of type \"integer\"");
    }
}
