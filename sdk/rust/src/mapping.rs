//! jq, run by the host in a sandbox of its own on the call's fuel.

use serde_json::Value;

pub use crate::bindings::resly::connector::mapping::Failure;
use crate::{bindings::resly::connector::mapping as wit, fault::Fault};

/// Applies a jq filter. One output is returned as it is, several as an array, none as `null`.
pub fn apply(filter: &str, input: &Value) -> crate::Result<Value> {
    apply_text(filter, &input.to_string())
}

/// The same, for input that is JSON text already.
pub fn apply_text(filter: &str, input: &str) -> crate::Result<Value> {
    let output = wit::apply(filter, input).map_err(|failure| {
        let at = failure.offset.map(|at| format!(" (at byte {at} of the filter)")).unwrap_or_default();
        Fault::internal(format!("the mapping failed: {}{at}", failure.message))
    })?;
    Ok(serde_json::from_str(&output)?)
}
