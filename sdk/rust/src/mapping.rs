//! Runs jq through the host, in a sandbox of its own, on the call's fuel.

use serde_json::Value;

pub use crate::bindings::resly::connector::mapping::Failure;
use crate::{bindings::resly::connector::mapping as wit, fault::Fault};

/// Applies a jq filter. One output is returned as it is, several as an array, and none as `null`.
pub fn apply(filter: &str, input: &Value) -> crate::Result<Value> {
    Ok(serde_json::from_str(&apply_text(filter, &input.to_string())?)?)
}

/// The same with JSON texts, which avoids parsing them.
pub fn apply_text(filter: &str, input: &str) -> Result<String, Failure> {
    wit::apply(filter, input)
}

/// The author of the filter has to correct it, or to make it fit the service's answer.
impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let at = failure.offset.map(|at| format!(" (at byte {at} of the filter)")).unwrap_or_default();
        Self::internal(format!("the mapping failed: {}{at}", failure.message))
    }
}
