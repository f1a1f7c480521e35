//! A clock that a test can move forward.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use resly_core::time::{Clock, Timestamp};

/// 2026-06-10T09:00:00Z: no test is run at the end of a day or of a month, where usage is counted anew.
const START_MICROS: i64 = 1_781_082_000_000_000;
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Runs from the same moment in every run, as fast as the machine's, for all hosts of a process alike; plus the time by
/// which it was moved forward.
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
        let ahead = Duration::from_micros(self.ahead_micros.load(Ordering::SeqCst));
        Timestamp::from_micros(START_MICROS).plus(STARTED.elapsed() + ahead)
    }
}
