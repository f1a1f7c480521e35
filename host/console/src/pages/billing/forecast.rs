//! What a month's usage comes to if it goes on as it did: a straight line from the month's start through now.

use std::time::Duration;

use resly_core::time::{Period, Timestamp};

/// Too early for a line: a few hours say nothing of a month.
const LEAST: Duration = Duration::from_secs(24 * 3600);

/// Where the line leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// At the period's end.
    pub used: u64,
    /// When the limit is reached, if that is before the period's end.
    pub reached_at: Option<Timestamp>,
}

/// `None` in the first day of the period.
pub fn forecast(used: u64, limit: Option<u64>, period: Period, now: Timestamp) -> Option<Forecast> {
    let (elapsed, whole) = (now.since(period.start), period.end.since(period.start));
    if elapsed < LEAST {
        return None;
    }
    let scaled = |value: u128, by: Duration, of: u128| value.saturating_mul(by.as_micros()).checked_div(of);
    let total = scaled(used.into(), whole, elapsed.as_micros())?;
    let reached = limit.filter(|limit| used < *limit && total > u128::from(*limit)).and_then(|limit| {
        let after = scaled(limit.into(), elapsed, used.into())?;
        Some(period.start.plus(Duration::from_micros(u64::try_from(after).ok()?)))
    });
    Some(Forecast { used: u64::try_from(total).unwrap_or(u64::MAX), reached_at: reached })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_goes_on_as_it_did() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let period = Period::containing(at("2026-11-05T00:00:00Z"));
        let tenth = at("2026-11-11T00:00:00Z");
        assert_eq!(forecast(100, None, period, at("2026-11-01T23:59:59Z")), None);
        let steady = Forecast { used: 300, reached_at: None };
        assert_eq!(forecast(100, Some(300), period, tenth), Some(steady));
        let over = forecast(100, Some(200), period, tenth).unwrap();
        assert_eq!((over.used, over.reached_at), (300, Some(at("2026-11-21T00:00:00Z"))));
        assert_eq!(forecast(200, Some(200), period, tenth).unwrap().reached_at, None, "it is reached already");
        assert_eq!(forecast(0, Some(0), period, tenth), Some(Forecast { used: 0, reached_at: None }));
        assert!(forecast(u64::MAX, Some(1), period, tenth).is_some());
    }
}
