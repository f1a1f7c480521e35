//! One call of a connector, on a guest thread: it makes a store and an instance, calls the guest, and judges the result.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use resly_core::connector::{
    fault::{Fault, FaultKind, Remedy},
    sandbox::{Cost, Invocation, Outcome},
};
use serde_json::Value;
use wasmtime::{Engine, Store};

use crate::{
    bindings::connector::{
        Connector,
        exports::resly::connector::action::{self, Call},
    },
    deadline::before,
    fault,
    guest::{self, Guest, ResponseSummary, Shared},
    loader::Loaded,
    slots::Slot,
    store::{cost, store},
};

/// Runs a call to its end. The slot is the instance's place in the pool. It is released after the instance is dropped.
pub async fn run(
    engine: Engine,
    shared: Arc<Shared>,
    loaded: Arc<Loaded>,
    invocation: Invocation,
    slot: Slot,
) -> Outcome {
    let started = Instant::now();
    let outcome = run_in_new_instance(&engine, shared, &loaded, invocation, started).await;
    drop(slot);
    outcome
}

pub async fn run_in_new_instance(
    engine: &Engine,
    shared: Arc<Shared>,
    loaded: &Loaded,
    invocation: Invocation,
    started: Instant,
) -> Outcome {
    let allowance = invocation.allowance;
    let deadline = started + allowance.deadline;
    let connector = guest::Connector { outbound: invocation.outbound, state: invocation.state };
    let guest = Guest::new(shared, invocation.organization, allowance, deadline, Some(connector));
    let guest = guest.with_reserve(invocation.reserve);
    let mut store = match store(engine, guest) {
        Ok(store) => store,
        Err(error) => return refused(fault::fault(FaultKind::Internal, error.to_string())),
    };
    let call = Call {
        action: invocation.action,
        input: invocation.input,
        settings: invocation.settings,
        context: invocation.context,
    };
    let pause_check = store.data().fuel.pause_check(engine);
    let end = before(deadline, &pause_check, async {
        match loaded.pre.instantiate_async(&mut store).await {
            Ok(connector) => invoke(&connector, &mut store, &call).await,
            Err(error) => CallEnd::Trapped(error),
        }
    })
    .await;
    outcome(&store, end.unwrap_or(CallEnd::Deadline), started)
}

/// How a guest's call ended.
pub enum CallEnd {
    Output(String),
    /// The guest itself reports a fault.
    Fault(action::Fault),
    Trapped(wasmtime::Error),
    Deadline,
}

pub async fn invoke(connector: &Connector, store: &mut Store<Guest>, call: &Call) -> CallEnd {
    match connector.resly_connector_action().call_invoke(store, call).await {
        Ok(Ok(output)) => CallEnd::Output(output),
        Ok(Err(fault)) => CallEnd::Fault(fault),
        Err(error) => CallEnd::Trapped(error),
    }
}

/// The outcome of a call: its checked output or its fault, what it cost, and its log.
pub fn outcome(store: &Store<Guest>, end: CallEnd, started: Instant) -> Outcome {
    let guest = store.data();
    let result = match end {
        CallEnd::Output(output) => check(output, guest),
        CallEnd::Fault(fault) => Err(cause(own_fault(fault, guest), guest)),
        CallEnd::Trapped(error) => Err(cause(fault::of(&error, guest), guest)),
        CallEnd::Deadline => Err(fault::deadline(&guest.allowance)),
    };
    Outcome { result, cost: cost(store, started), log: guest.log.finish(|text| guest.redact(text).into_owned()) }
}

fn check(output: String, guest: &Guest) -> Result<String, Fault> {
    let most = guest.allowance.output_bytes;
    if output.len() > most {
        return Err(fault::too_large(&format!("the connector's output has {} bytes of {most} allowed", output.len())));
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(&output) {
        Ok(_) => Ok(redacted(output, guest)),
        Err(error) => Err(fault::fault(
            FaultKind::Output,
            format!("the connector's output is not JSON: {error}; its author has to mend that"),
        )),
    }
}

/// Removes the call's credential from an output. The guest has decoded the service's response, so an encoded credential
/// may show only now.
fn redacted(output: String, guest: &Guest) -> String {
    let Cow::Owned(text) = guest.redact(&output) else { return output };
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
        return text;
    }
    // A number was replaced, so the text isn't JSON any more. Each text, name and number is redacted by itself.
    let Ok(value) = serde_json::from_str::<Value>(&output) else { return "null".to_owned() };
    redact_value(value, guest).to_string()
}

fn redact_value(value: Value, guest: &Guest) -> Value {
    match value {
        Value::String(text) => Value::String(guest.redact(&text).into_owned()),
        Value::Number(number) => {
            let text = number.to_string();
            match guest.redact(&text) {
                Cow::Owned(redacted) if redacted != text => Value::String(redacted),
                _ => Value::Number(number),
            }
        }
        Value::Array(items) => items.into_iter().map(|item| redact_value(item, guest)).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (guest.redact(&name).into_owned(), redact_value(value, guest)))
            .collect(),
        other => other,
    }
}

/// The longest wait after which a repeat is offered. When the service asks for a longer one, the fault isn't retryable.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A fault that the guest itself reports.
fn own_fault(said: action::Fault, guest: &Guest) -> Fault {
    let kind = match said.kind {
        action::FaultKind::InvalidInput => FaultKind::InvalidInput,
        action::FaultKind::NotFound => FaultKind::NotFound,
        action::FaultKind::Upstream => FaultKind::Upstream,
        action::FaultKind::NeedsAuth => FaultKind::NeedsAuth,
        action::FaultKind::RateLimited => FaultKind::RateLimited,
        action::FaultKind::Internal => FaultKind::Internal,
    };
    let message = fault::message(&said.message, |text| guest.redact(text).into_owned());
    if kind == FaultKind::Upstream
        && !said.retryable
        && let Some(answered) = &guest.answered
        && let Some(fault) = unexpected(answered, &message)
    {
        return fault;
    }
    let in_time = guest.requested_wait.is_none_or(|wait| wait <= LONGEST_WAIT);
    Fault::new(kind, message).retryable(said.retryable && in_time)
}

/// The fault of a guest that can't read the service's response. The guest reports a lasting fault of the service, but the
/// response reports none, so the service works. The WIT has no kind for that.
fn unexpected(answered: &ResponseSummary, message: &str) -> Option<Fault> {
    match (answered.status, &answered.redirects_to) {
        (200..300, _) => Some(Fault::new(FaultKind::UnexpectedAnswer, message)),
        (300..400, None) => Some(Fault::new(FaultKind::UnexpectedAnswer, message)),
        (300..400, Some(host)) => {
            let message = format!("{message}; it redirects to {host}");
            Some(Fault::new(FaultKind::UnexpectedAnswer, message).with_remedy(Remedy::AllowRedirects))
        }
        _ => None,
    }
}

/// The cause of a guest's fault. When the host refused the guest's last request, that refusal replaces the fault: the
/// WIT has no kind for it, so a guest reports it as its own fault or the service's. Faults of the input, and of used-up
/// resources, stay.
fn cause(fault: Fault, guest: &Guest) -> Fault {
    let unfit = matches!(
        fault.kind,
        FaultKind::Upstream
            | FaultKind::UnexpectedAnswer
            | FaultKind::NeedsAuth
            | FaultKind::RateLimited
            | FaultKind::Internal
            | FaultKind::Trap
    );
    match &guest.refusal {
        Some(refusal) if unfit => Fault {
            message: fault::message(&refusal.message, |text| guest.redact(text).into_owned()),
            ..refusal.clone()
        },
        _ => fault,
    }
}

/// The outcome of a call that wasn't run.
pub fn refused(fault: Fault) -> Outcome {
    Outcome { result: Err(fault), cost: Cost::default(), log: Vec::new() }
}
