//! jq, run by the host in a sandbox of its own on the call's fuel.

use serde_json::Value;

pub use crate::bindings::resly::connector::mapping::Failure;
use crate::{bindings::resly::connector::mapping as wit, fault::Fault};

/// Applies a jq filter. One output is returned as it is, several as an array, none as `null`.
pub fn apply(filter: &str, input: &Value) -> crate::Result<Value> {
    Ok(serde_json::from_str(&apply_text(filter, &input.to_string())?)?)
}

/// The same on JSON texts, for who has nothing to look up in them.
pub fn apply_text(filter: &str, input: &str) -> Result<String, Failure> {
    wit::apply(filter, input)
}

/// The connector's author (or the definition's) has to mend the filter, or to expect what the service answered.
impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let at = failure.offset.map(|at| format!(" (at byte {at} of the filter)")).unwrap_or_default();
        Self::internal(format!("the mapping failed: {}{at}", failure.message))
    }
}
