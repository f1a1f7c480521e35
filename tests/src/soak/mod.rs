//! Faults under load: scenarios that kill, cut, fill and crowd real hosts, and then hold what is stored against what
//! really happened. `make soak` runs them in full, `make test` a short form of them.
//!
//! A figure of time is only as good as the machine is quiet; the short forms promise no times but generous ones.

mod audit;
pub mod cap;
mod customers;
mod dice;
pub mod disk;
mod fleet;
pub mod hung;
pub mod ledger;
pub mod overload;
mod question;
mod report;
pub mod restarts;
pub mod slow;
mod upstream;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::{fleet::Database, report::Report};

/// How much a run does.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Where chance begins. The same seed makes the same choices.
    pub seed: u64,
    /// How often a host is killed, or the disk is full.
    pub kills: u64,
    /// The least questions that are asked.
    pub chats: u64,
    /// How often PostgreSQL is restarted.
    pub restarts: u64,
    /// Clients that are slow.
    pub slow: usize,
    /// Seconds of each stretch that is measured.
    pub stretch_s: u64,
    /// Whether the figures of time are held against their promises.
    pub timed: bool,
}

impl Extent {
    /// For `make test`: what fits into a minute on two processors.
    pub const SHORT: Self = Self { seed: 1, kills: 6, chats: 80, restarts: 2, slow: 200, stretch_s: 1, timed: false };
    /// For `make soak`.
    pub const FULL: Self =
        Self { seed: 1, kills: 1000, chats: 10_000, restarts: 15, slow: 10_000, stretch_s: 10, timed: true };
}

/// Ignores poisoning: what is counted is still right after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
