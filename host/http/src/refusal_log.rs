//! Logs refused requests. Anybody can make any number of them, so the log is sampled.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use resly_core::time::Timestamp;

/// The most lines within a [`WINDOW`]. Further refusals are only counted.
const LINES: u32 = 30;
const WINDOW: Duration = Duration::from_secs(60);

/// Counts the lines of the current window.
#[derive(Default)]
pub struct RefusalLog(Mutex<Option<Window>>);

struct Window {
    since: Timestamp,
    lines: u32,
    left_out: u64,
}

impl RefusalLog {
    /// Decides whether a refusal is logged. If so, returns how many were left out since the last line.
    pub fn admit(&self, now: Timestamp) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = window.get_or_insert(Window { since: now, lines: 0, left_out: 0 });
        if now.since(current.since) >= WINDOW {
            *current = Window { since: now, lines: 0, ..*current };
        }
        if current.lines == LINES {
            current.left_out += 1;
            return None;
        }
        current.lines += 1;
        Some(std::mem::take(&mut current.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_told_with_the_next_line() {
        let log = RefusalLog::default();
        let now = Timestamp::from_micros(1_000_000);
        for _ in 0..LINES {
            assert_eq!(log.admit(now), Some(0));
        }
        assert_eq!((log.admit(now), log.admit(now.plus(WINDOW / 2))), (None, None));
        let later = now.plus(WINDOW);
        assert_eq!((log.admit(later), log.admit(later)), (Some(2), Some(0)));
    }
}
