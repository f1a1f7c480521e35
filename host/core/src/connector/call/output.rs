//! Checks a guest's output against its schema, then applies the call's or the connection's mapping.

use std::sync::Arc;

use resly_manifest::Allowance;
use serde_json::Value;

use super::{CallRequest, Connectors, admit::AdmittedCall};
use crate::connector::{
    connection::Connection,
    fault::{Fault, FaultKind, Remedy},
    fuel::FuelReserve,
    sandbox::{LogLevel, LogLine, MappingFailure, Outcome},
};

pub(in crate::connector) const MAPPING_FUEL: u64 = 50_000_000;

impl Connectors {
    /// Checks the output against its schema and applies the call's mapping, or else the connection's, with the fuel that
    /// the call has left. Adds the cost of the mapping to the outcome.
    pub(super) async fn shape(
        &self,
        request: &CallRequest,
        passed: &AdmittedCall,
        connection: &Connection,
        allowance: Allowance,
        reserve: Option<&Arc<FuelReserve>>,
        outcome: &mut Outcome,
    ) -> Result<Value, Fault> {
        let action = passed.action();
        let text = std::mem::replace(&mut outcome.result, Ok(String::new()))?;
        let output = parse_output(&text)?;
        if let Some(fault) = passed.prepared.bad_output(&action.id, &output) {
            return Err(fault);
        }
        let (whose, filter) = match &request.mapping {
            Some(filter) => ("crawl", filter),
            None => match connection.mappings.get(&action.id) {
                Some(filter) => ("connection", filter),
                None => return Ok(output),
            },
        };
        let burnt = outcome.cost.fuel;
        let granted = reserve.map_or(allowance.fuel, |reserve| reserve.granted());
        let fuel = granted.saturating_sub(burnt).min(MAPPING_FUEL);
        let reserve = reserve.map(|reserve| Arc::new(FuelReserve::part(reserve, fuel, MAPPING_FUEL)));
        let allowance = Allowance { fuel, ..allowance };
        let mapped = self.sandbox.map_within(connection.organization, filter, &text, allowance, reserve).await;
        outcome.cost.fuel += mapped.cost.fuel;
        outcome.cost.duration_us += mapped.cost.duration_us;
        let mapped = mapped.result.map_err(|unmapped| bad_mapping(whose, &action.id, unmapped))?;
        let mapped = parse_output(&mapped)?;
        if found_nothing(&output, &mapped) {
            let message = format!("the {whose}'s mapping for `{}` {FOUND_NOTHING}", action.id);
            outcome.log.push(LogLine { level: LogLevel::Warn, message });
        }
        Ok(mapped)
    }
}

/// The warning about a mapping that [found nothing](found_nothing).
pub const FOUND_NOTHING: &str = "found nothing in the action's output: compare the two";

/// Whether a mapping left only null of an output that has values. A filter may intend that, so it is a warning and not
/// a fault.
pub fn found_nothing(output: &Value, mapped: &Value) -> bool {
    is_void(mapped) && !is_void(output)
}

/// Whether a value holds nothing but null. An empty list isn't void, because "no results" is an answer.
fn is_void(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(is_void),
        Value::Object(members) => members.values().all(is_void),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn parse_output(text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("the connector's output is not JSON: {error}; its author has to mend that");
        Fault::new(FaultKind::Output, message)
    })
}

/// Adds the action's name and the remedy to a fault of a mapping.
fn bad_mapping(whose: &str, action: &str, unmapped: MappingFailure) -> Fault {
    let wrong = matches!(unmapped, MappingFailure::Filter { .. });
    let fault = unmapped.into_fault();
    if !wrong {
        return fault;
    }
    let message = format!("the {whose}'s mapping for `{action}` failed: {}", fault.message);
    Fault { message, ..fault }.with_remedy(Remedy::MendMapping)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::found_nothing;

    #[test]
    fn a_mapping_finds_nothing_when_it_leaves_null_of_something() {
        let output = json!({"name": "Acme", "notes": []});
        for mapped in [json!(null), json!({"nme": null}), json!([{"a": null}]), json!({})] {
            assert!(found_nothing(&output, &mapped), "{mapped}");
            assert!(!found_nothing(&json!({"name": null}), &mapped), "{mapped}");
        }
        for mapped in [json!([]), json!({"name": "Acme", "nme": null}), json!(false), json!("")] {
            assert!(!found_nothing(&output, &mapped), "{mapped}");
        }
    }
}
