//! The circuit breaker. After several failures in a row, it refuses a connection's requests for a while. A service that
//! is down so gets fewer requests, and chats don't wait for it again and again.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open the breaker.
const THRESHOLD: u32 = 5;
/// How long it is open at first. Each failed probe doubles this, up to `LONGEST`.
const OPEN: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(120);
/// How long a probe may take before another one is admitted.
const PROBE: Duration = Duration::from_secs(30);

/// The breaker of one connection. It starts closed.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Admits a request, or returns how long to wait. When that time is over, one request is admitted as a probe, and
    /// the others wait for its result.
    pub fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match self.open_until {
            Some(until) if now < until => Err(until - now),
            Some(_) => {
                self.open_until = Some(now + PROBE);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether a request would be refused. This doesn't use up the probe.
    pub fn is_open(&self, now: Instant) -> bool {
        self.open_for(now).is_some()
    }

    /// How long a request would have to wait.
    pub fn open_for(&self, now: Instant) -> Option<Duration> {
        self.open_until.filter(|until| now < *until).map(|until| until - now)
    }

    pub fn succeed(&mut self) {
        *self = Self::default();
    }

    pub fn fail(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if let Some(over) = self.failures.checked_sub(THRESHOLD) {
            self.open_until = Some(now + OPEN.saturating_mul(1 << over.min(8)).min(LONGEST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn it_opens_after_a_run_of_failures_and_lets_one_probe_through() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..THRESHOLD {
            assert_eq!(breaker.admit(start), Ok(()));
            breaker.fail(start);
        }
        assert_eq!(breaker.admit(start + secs(1)), Err(secs(9)));
        assert_eq!(breaker.admit(start + secs(10)), Ok(()));
        assert!(breaker.admit(start + secs(10)).is_err(), "one probe at a time");
        breaker.fail(start + secs(11));
        assert_eq!(breaker.admit(start + secs(11)), Err(secs(20)));
        assert_eq!(breaker.admit(start + secs(31)), Ok(()));
        breaker.succeed();
        assert_eq!(breaker.admit(start + secs(31)), Ok(()));
    }

    #[test]
    fn a_success_ends_the_run_and_a_lost_probe_blocks_nobody_for_ever() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..10 {
            breaker.fail(start);
            breaker.succeed();
        }
        assert_eq!(breaker.admit(start), Ok(()));
        for _ in 0..40 {
            breaker.fail(start);
        }
        assert_eq!(breaker.admit(start), Err(LONGEST));
        assert_eq!(breaker.admit(start + LONGEST), Ok(()));
        assert_eq!(breaker.admit(start + LONGEST + PROBE), Ok(()));
    }
}
