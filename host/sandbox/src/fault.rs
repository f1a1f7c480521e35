//! Faults of calls that ended without the guest's answer.

use resly_core::connector::fault::{Fault, FaultKind};
use resly_manifest::Allowance;
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use crate::{
    error::ComponentError,
    guest::Guest,
    limits::{FAULT_MESSAGE, HANDLES},
    log::{prefix, shorten},
};

/// Traps a guest from a host call. The call's caller gets the fault.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HostTrap(pub Fault);

pub fn fault(kind: FaultKind, message: impl Into<String>) -> Fault {
    Fault::new(kind, message)
}

pub fn busy(message: &str) -> Fault {
    Fault::new(FaultKind::Busy, message).retryable(true)
}

pub fn deadline(allowance: &Allowance) -> Fault {
    let more = advice(allowance.deadline < Allowance::MOST.deadline, "limits.timeout_ms");
    fault(FaultKind::Deadline, format!("the call ran past its deadline; try again, or ask for less at once{more}"))
        .retryable(true)
}

pub fn fuel(allowance: &Allowance) -> Fault {
    let more = advice(allowance.fuel < Allowance::MOST.fuel, "limits.fuel");
    fault(FaultKind::Fuel, format!("the call used up its fuel; ask for less at once{more}"))
}

/// The advice to ask for more, while the allowance is below the most that there is.
pub fn advice(more: bool, limit: &str) -> String {
    if more { format!(", or have the connector's manifest ask for more (`{limit}`)") } else { String::new() }
}

pub fn too_large(what: &str) -> Fault {
    fault(FaultKind::TooLarge, format!("{what}; ask for less at once, or map it to what is needed"))
}

pub fn component(error: &ComponentError) -> Fault {
    match error {
        ComponentError::CompileQueue | ComponentError::Unreadable => busy(&error.to_string()),
        _ => fault(FaultKind::Component, error.to_string()).retryable(error.retryable()),
    }
}

/// The fault of an error that ended a guest. What the guest printed is in its log.
pub fn of(error: &wasmtime::Error, guest: &Guest) -> Fault {
    if let Some(HostTrap(fault)) = error.downcast_ref() {
        return fault.clone();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return fuel(&guest.allowance),
        Some(Trap::Interrupt) => return deadline(&guest.allowance),
        Some(Trap::StackOverflow) => {
            return fault(
                FaultKind::Trap,
                "the connector's calls nest too deep for its stack; its author has to bound the recursion",
            );
        }
        _ => {}
    }
    // A guest that gets no memory usually aborts. The missing memory explains more than the abort.
    if guest.limits.refused() {
        return fault(
            FaultKind::Memory,
            format!(
                "the call needs more memory than it may have; ask for less at once{}",
                advice(guest.allowance.memory_bytes < Allowance::MOST.memory_bytes, "limits.memory_bytes")
            ),
        );
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return fault(
            FaultKind::Trap,
            format!(
                "the connector ended itself with status {status} instead of returning; its author has to mend that"
            ),
        );
    }
    let cause = error.root_cause().to_string();
    // wasmtime has no public types for these errors, so their texts are compared.
    if cause.starts_with("too much data is being copied") {
        return too_large("the connector's output, or what it handed to the host, is over the cap");
    }
    if cause.contains("store handle limit exceeded") || cause.contains("resource table has no free keys") {
        return fault(
            FaultKind::Memory,
            format!("the connector holds more than {HANDLES} handles; its author has to drop them"),
        );
    }
    fault(
        FaultKind::Trap,
        format!(
            "the connector crashed ({}); the call's log may say more, its author has to mend that",
            prefix(&cause, 200)
        ),
    )
}

/// A guest's own message, redacted and shortened.
pub fn message(text: &str, redact: impl Fn(&str) -> String) -> String {
    let kept = prefix(text, FAULT_MESSAGE * 2);
    shorten(redact(kept), FAULT_MESSAGE, kept.len() < text.len())
}
