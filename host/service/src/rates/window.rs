//! Counts the requests of one subject within a minute, which begins with the first request.

use std::time::Duration;

use resly_core::{rate::WINDOW_S, time::Timestamp};
use resly_store::{RateClaim, Store};
use uuid::Uuid;

const WINDOW: Duration = Duration::from_secs(WINDOW_S);

/// A window as one host sees it.
#[derive(Debug, Default)]
pub struct Window {
    ends_at: Option<Timestamp>,
    /// Requests that this host has let in.
    spent: u64,
    /// Requests that it may let in without asking.
    allowed: u64,
    /// The part of `allowed` that the shared window knows of.
    told: u64,
    /// What other hosts had taken when this one last asked.
    elsewhere: u64,
    /// Nothing was left in the shared window.
    dry: bool,
    /// The limit when this was last asked for.
    limit: u64,
}

/// How many requests a host takes at a time.
fn batch(limit: u64) -> u64 {
    limit.div_ceil(20).clamp(1, 500)
}

impl Window {
    /// Begins a new window when this one is over.
    pub fn turn(&mut self, now: Timestamp) {
        // Another host's clock may be ahead, but not by a whole window. Then this host's clock was put back.
        let goes_on = self.ends_at.is_some_and(|end| now < end && end.since(now) <= WINDOW * 2);
        if !goes_on {
            *self = Self { ends_at: Some(now.plus(WINDOW)), ..Self::default() };
        }
    }

    pub fn ends_at(&self) -> Timestamp {
        self.ends_at.unwrap_or(Timestamp::from_micros(0))
    }

    pub fn remaining(&self, limit: u64) -> u64 {
        limit.saturating_sub(self.spent).saturating_sub(self.elsewhere)
    }

    /// Counts one request where this host counts alone.
    pub fn take(&mut self, limit: u64) -> bool {
        let room = self.spent < limit;
        self.spent += u64::from(room);
        room
    }

    /// Takes one request back.
    pub fn refund(&mut self, now: Timestamp) {
        if self.ends_at.is_some_and(|end| now < end) {
            self.spent = self.spent.saturating_sub(1);
        }
    }

    /// Counts one request against what this host may let in without asking, or against what the shared window gives it
    /// now.
    pub async fn take_shared(&mut self, store: &Store, subject: Uuid, limit: u64, now: Timestamp) -> bool {
        if std::mem::replace(&mut self.limit, limit) != limit {
            // What was allowed under another limit has to be asked for anew.
            self.dry = false;
            self.allowed = self.spent.min(self.allowed);
        }
        self.allowed = self.allowed.max(batch(limit));
        if self.spent >= self.allowed.min(limit) && !self.dry {
            self.claim(store, subject, limit, now).await;
        }
        self.take(self.allowed.min(limit))
    }

    async fn claim(&mut self, store: &Store, subject: Uuid, limit: u64, now: Timestamp) {
        let spent = self.spent.saturating_sub(self.told);
        let claim = RateClaim { subject, limit, spent, wanted: batch(limit), now };
        match store.claim_requests(claim).await {
            Ok(grant) => {
                self.allowed = self.spent + grant.granted;
                self.told = self.allowed;
                self.elsewhere = grant.used.saturating_sub(self.told);
                self.ends_at = Some(grant.started_at.plus(WINDOW));
                self.dry = grant.granted == 0;
            }
            Err(error) => {
                // The request itself needs the store and will fail there.
                tracing::warn!(%error, "this minute's requests can't be counted over all hosts");
                self.allowed = self.spent + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_a_minute_after_its_first_request() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut window = Window::default();
        window.turn(at(100));
        assert!((0..3).all(|_| window.take(3)));
        assert!(!window.take(3));
        assert_eq!((window.remaining(3), window.ends_at()), (0, at(160)));
        window.turn(at(159));
        assert!(!window.take(3));
        assert!(window.take(4), "a limit that was raised holds at once");
        window.turn(at(160));
        assert!(window.take(3));
        assert_eq!(window.remaining(3), 2);
        window.turn(at(5));
        assert_eq!(window.ends_at(), at(65), "a clock that was put back");
    }
}
