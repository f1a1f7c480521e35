//! Checks an object of a definition that may have certain members only.

use serde_json::{Map, Value};

use super::{Violations, step};

/// The members of an object. Each unknown one is a mistake.
pub(super) fn members<'v>(
    path: &str,
    value: &'v Value,
    known: &[&str],
    violations: &mut Violations,
) -> Option<&'v Map<String, Value>> {
    let Some(members) = value.as_object() else {
        violations.add(path, "this has to be an object");
        return None;
    };
    for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
        violations.add(step(path, name), format!("unknown; here are known: {}", known.join(", ")));
    }
    Some(members)
}
