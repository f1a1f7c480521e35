//! Decides when a request is sent again: only if a repeat changes nothing more, after a short wait, and no sooner than
//! the service asks.

use std::time::Duration;

use http::{HeaderMap, Method, header};
use resly_core::{connector::outbound::parse_retry_after, time::Random};

/// How often and how soon requests are repeated.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts after the first one, unless the manifest sets another number.
    pub retries: u32,
    /// The wait before the first retry. It doubles with each further one, and is random in its upper half.
    pub base: Duration,
    /// The longest `Retry-After` that is waited for. With a longer one, the guest gets the response.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { retries: 2, base: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }
}

impl RetryPolicy {
    /// The wait before retry number `nth` (from 0). `None` when the service asks for a wait over `longest`.
    pub fn wait(&self, nth: u32, asked: Option<Duration>, random: &dyn Random) -> Option<Duration> {
        let mut byte = [0];
        random.fill(&mut byte);
        let full = self.base.saturating_mul(1 << nth.min(8));
        let spread = full / 2 + full.mul_f64(f64::from(byte[0]) / 510.0);
        match asked {
            None => Some(spread),
            Some(asked) if asked > self.longest => None,
            // A little longer, so that clients that got the same answer don't return at the same moment.
            Some(asked) => Some(asked + spread / 4),
        }
    }
}

/// Whether a repeat changes nothing more: the request only reads, or has an idempotency key.
pub fn is_repeatable(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD) || headers.contains_key("idempotency-key")
}

/// How long a response asks to wait before the next request.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    parse_retry_after(text(header::RETRY_AFTER)?, text(header::DATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use resly_core::testing::ConstantRandom;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_wait_grows_and_is_spread() {
        let policy = RetryPolicy::default();
        let millis = |nth, chance| policy.wait(nth, None, &ConstantRandom(chance)).unwrap().as_millis();
        assert_eq!((millis(0, 0), millis(0, 255)), (50, 100));
        assert_eq!((millis(1, 0), millis(1, 255)), (100, 200));
        assert_eq!(policy.wait(0, Some(Duration::from_secs(6)), &ConstantRandom(0)), None);
        assert!(policy.wait(0, Some(Duration::from_secs(5)), &ConstantRandom(0)).unwrap() >= Duration::from_secs(5));
    }

    #[test]
    fn only_what_may_be_repeated_is() {
        assert!(is_repeatable(&Method::GET, &headers(&[])));
        assert!(!is_repeatable(&Method::POST, &headers(&[])));
        assert!(!is_repeatable(&Method::DELETE, &headers(&[])));
        assert!(is_repeatable(&Method::POST, &headers(&[("idempotency-key", "k")])));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(&headers(&[("retry-after", " 3 ")])), Some(Duration::from_secs(3)));
        let date =
            headers(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]);
        assert_eq!(retry_after(&date), Some(Duration::from_secs(30)));
        let past =
            headers(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]);
        assert_eq!(retry_after(&past), Some(Duration::ZERO));
        for text in ["", "-1", "soon", "99999999999999"] {
            assert_eq!(retry_after(&headers(&[("retry-after", text)])), None, "{text}");
        }
    }
}
