//! A clock that a test can move forward.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use resly_core::time::{Clock, SystemClock, Timestamp};

/// The machine's clock, plus the time by which it was moved forward.
#[derive(Debug, Default)]
pub struct TestClock {
    ahead_micros: AtomicU64,
}

impl TestClock {
    pub fn forward(&self, by: Duration) {
        self.ahead_micros.fetch_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_micros(self.ahead_micros.load(Ordering::SeqCst)))
    }
}
