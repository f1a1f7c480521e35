//! Changes of a key's rate limits.

use resly_core::rate::{RateLimit, RateLimits};

use crate::FieldError;

/// The highest limit. A limit that is `None` doesn't exist.
const MOST: u32 = 1_000_000;

/// Rates to change. What is absent stays.
#[derive(Default)]
pub struct RateLimitsPatch {
    pub key: RateLimitPatch,
    pub visitor: RateLimitPatch,
    pub address: RateLimitPatch,
}

/// `Some(None)` is unlimited.
#[derive(Default)]
pub struct RateLimitPatch {
    pub requests_per_minute: Option<Option<u32>>,
    pub streams: Option<Option<u32>>,
}

impl RateLimitsPatch {
    /// The rates after the change.
    pub(super) fn over(self, rates: RateLimits, mistakes: &mut Vec<FieldError>) -> RateLimits {
        RateLimits {
            key: self.key.over(rates.key, "key", mistakes),
            visitor: self.visitor.over(rates.visitor, "visitor", mistakes),
            address: self.address.over(rates.address, "address", mistakes),
        }
    }
}

impl RateLimitPatch {
    fn over(self, rate: RateLimit, subject: &str, mistakes: &mut Vec<FieldError>) -> RateLimit {
        let mut check = |name: &str, limit: Option<Option<u32>>| {
            if limit.flatten().is_some_and(|limit| !(1..=MOST).contains(&limit)) {
                let message = format!("1 to {MOST} is expected, or null for no limit");
                mistakes.push(FieldError::new(format!("rate_limits.{subject}.{name}"), message));
            }
        };
        check("requests_per_minute", self.requests_per_minute);
        check("streams", self.streams);
        RateLimit {
            requests_per_minute: self.requests_per_minute.unwrap_or(rate.requests_per_minute),
            streams: self.streams.unwrap_or(rate.streams),
        }
    }
}
