//! For tests of any crate: a clock and randomness that a test controls, an extractor of its own format, and an exporter that
//! keeps spans.

mod extractor;
mod span_collector;

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

pub use self::{extractor::ScriptedExtractor, span_collector::SpanCollector};
use crate::time::{Clock, Random, Timestamp};

/// A clock that stands still until it is put forward.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.micros()))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// 2023-11-14T22:13:20Z.
    fn default() -> Self {
        Self(AtomicI64::new(1_700_000_000_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Numbers that count up: no two calls give the same bytes, and what is made of them sorts in the order of the calls.
#[derive(Debug, Default)]
pub struct SequenceRandom(AtomicU64);

impl Random for SequenceRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::SeqCst).wrapping_add(1).to_be_bytes();
        bytes.fill(0);
        bytes.iter_mut().rev().zip(next.iter().rev()).for_each(|(byte, next)| *byte = *next);
    }
}

/// The same byte each time.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConstantRandom(pub u8);

impl Random for ConstantRandom {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}
