//! What a response means: an error rule's fault, its status's, or a body.

use resly_sdk::{
    Fault, FaultKind, Result,
    http::{Response, fault_of_status},
};
use serde_json::{Value, json};

use crate::{
    Outside,
    definition::{ErrorRule, ResponseRule},
};

/// The body as JSON; `{"text"}` for one that isn't, null for none.
pub fn read(response: &Response, rule: &ResponseRule, outside: &Outside) -> Result<Value> {
    let body = body(response);
    for error in &rule.errors {
        if fits(error, response, &body, outside)? {
            return Err(fault(error, response.status));
        }
    }
    if !response.is_success() {
        return Err(fault_of_status(response.status));
    }
    if response.truncated {
        return Err(
            Fault::upstream("the service's answer is larger than a call may read; ask for less").retryable(false)
        );
    }
    Ok(body)
}

fn body(response: &Response) -> Value {
    if response.body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(&response.body).unwrap_or_else(|_| json!({"text": response.text()}))
}

fn fits(rule: &ErrorRule, response: &Response, body: &Value, outside: &Outside) -> Result<bool> {
    if rule.status.is_some_and(|status| status != response.status) {
        return Ok(false);
    }
    match &rule.when {
        Some(filter) => Ok(!matches!((outside.map)(filter, body)?, Value::Null | Value::Bool(false))),
        None => Ok(rule.status.is_some()),
    }
}

fn fault(rule: &ErrorRule, status: u16) -> Fault {
    let kind = match rule.fault.as_str() {
        "invalid-input" => FaultKind::InvalidInput,
        "not-found" => FaultKind::NotFound,
        "needs-auth" => FaultKind::NeedsAuth,
        "rate-limited" => FaultKind::RateLimited,
        "internal" => FaultKind::Internal,
        _ => FaultKind::Upstream,
    };
    let message = rule.message.clone().unwrap_or_else(|| {
        let told = fault_of_status(status).message;
        if (200..300).contains(&status) { format!("the service reported an error ({})", rule.fault) } else { told }
    });
    Fault::new(kind, message)
}
