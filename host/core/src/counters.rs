//! Counts events for operators. Any part of a host can count; `/metrics` shows every counter of [`ALL`].

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// A kind of event, which is counted by the values of one label.
#[derive(Debug)]
pub struct Counter {
    pub name: &'static str,
    pub help: &'static str,
    pub label: &'static str,
}

pub static TURNS: Counter = Counter {
    name: "resly_turns_total",
    help: "Turns that ended: complete, cancelled, or the problem with which they failed.",
    label: "outcome",
};
pub static MODEL_ERRORS: Counter =
    Counter { name: "resly_model_errors_total", help: "Errors of the language model, after retries.", label: "kind" };
pub static CONNECTOR_CALLS: Counter = Counter {
    name: "resly_connector_calls_total",
    help: "Connector calls, with those that were refused or answered from the cache.",
    label: "caller",
};
pub static CONNECTOR_FAULTS: Counter =
    Counter { name: "resly_connector_faults_total", help: "Connector calls that failed.", label: "kind" };
pub static WEBHOOK_ATTEMPTS: Counter =
    Counter { name: "resly_webhook_attempts_total", help: "Attempts to deliver a webhook's message.", label: "result" };

pub static SHED: Counter = Counter {
    name: "resly_shed_total",
    help: "Chats and searches that were refused because the host was overloaded.",
    label: "reason",
};

/// All counters, in the order in which they are shown.
pub static ALL: [&Counter; 6] = [&TURNS, &MODEL_ERRORS, &CONNECTOR_CALLS, &CONNECTOR_FAULTS, &WEBHOOK_ATTEMPTS, &SHED];

/// The counts of one host. They belong to a host and not to the process, because tests run several hosts in one process.
#[derive(Debug, Default)]
pub struct Counters(Mutex<BTreeMap<(&'static str, &'static str), u64>>);

impl Counters {
    /// Counts one event. `value` is one of few, because each one is kept.
    pub fn count(&self, counter: &Counter, value: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((counter.name, value)).or_default();
        *count = count.saturating_add(1);
    }

    /// The label's values that were counted, with their counts.
    pub fn of(&self, counter: &Counter) -> Vec<(&'static str, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_counter = counts.iter().filter(|((name, _), _)| *name == counter.name);
        of_counter.map(|((_, value), count)| (*value, *count)).collect()
    }
}
