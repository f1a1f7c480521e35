//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers), as structured fields (RFC 9651).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use resly_core::{
    meter::{LimitReached, LimitWindow, Remaining},
    rate::WINDOW_S,
    time::{Period, Timestamp},
};
use resly_service::rates::RateLeft;

pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds the fields of the limit with the least left, if there is a limit.
pub fn insert(headers: &mut HeaderMap, remaining: Option<Remaining>, now: Timestamp) {
    let Some(Remaining { meter, limit, remaining, per, resets_at }) = remaining else { return };
    let name = meter.name();
    let reset = seconds_until(resets_at, now);
    let window = window(per, resets_at, now);
    // Meter names are plain ASCII words, so these values are always valid. If one weren't, the field would be left out.
    if let Ok(value) = HeaderValue::try_from(format!("\"{name}\";r={remaining};t={reset}")) {
        headers.insert(RATE_LIMIT, value);
    }
    if let Ok(value) = HeaderValue::try_from(format!("\"{name}\";q={limit};w={window}")) {
        headers.insert(RATE_LIMIT_POLICY, value);
    }
}

/// The fields of a 429.
pub fn insert_reached(headers: &mut HeaderMap, reached: &LimitReached, now: Timestamp) {
    let LimitReached { meter, limit, per, resets_at, .. } = *reached;
    insert(headers, Some(Remaining { meter, limit, remaining: 0, per, resets_at }), now);
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds_until(resets_at, now).max(1)));
}

/// Adds the fields of a rate, unless there are fields of a limit already with less left.
pub fn insert_rate(headers: &mut HeaderMap, left: RateLeft, now: Timestamp) {
    let tighter = headers.get(RATE_LIMIT).and_then(remaining).is_some_and(|remaining| remaining <= left.remaining);
    if !tighter {
        for (name, value) in rate_fields(left, now) {
            headers.insert(name, value);
        }
    }
}

/// The fields of a rate. Its window is a minute.
pub fn rate_fields(left: RateLeft, now: Timestamp) -> Vec<(HeaderName, HeaderValue)> {
    let RateLeft { subject, limit, remaining, resets_at } = left;
    let (name, reset) = (subject.name(), seconds_until(resets_at, now));
    let fields = [
        (RATE_LIMIT, format!("\"{name}\";r={remaining};t={reset}")),
        (RATE_LIMIT_POLICY, format!("\"{name}\";q={limit};w={WINDOW_S}")),
    ];
    fields.into_iter().filter_map(|(field, text)| Some((field, HeaderValue::try_from(text).ok()?))).collect()
}

/// Reads the rest from a field that this module wrote.
fn remaining(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.split(';').find_map(|parameter| parameter.strip_prefix("r=")?.parse().ok())
}

/// Rounded up: a client that waits exactly this long finds the limit reset.
pub fn seconds_until(at: Timestamp, now: Timestamp) -> u64 {
    at.since(now).as_micros().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}

/// The length in seconds of the window that ends at `resets_at`.
fn window(per: LimitWindow, resets_at: Timestamp, now: Timestamp) -> u64 {
    match per {
        LimitWindow::Minute => 60,
        LimitWindow::Day => 24 * 3600,
        LimitWindow::Month => resets_at.since(Period::containing(now).start).as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use resly_core::{
        meter::{LimitLevel, Meter},
        rate::RateSubject,
    };

    use super::*;

    #[test]
    fn fields_follow_the_draft() {
        let now: Timestamp = "2026-04-30T23:59:30.000001Z".parse().unwrap();
        let resets_at = Period::containing(now).end;
        let mut headers = HeaderMap::new();
        let per = LimitWindow::Month;
        let left = Remaining { meter: Meter::Messages, limit: 5, remaining: 3, per, resets_at };
        insert(&mut headers, Some(left), now);
        assert_eq!(headers[RATE_LIMIT], "\"messages\";r=3;t=30");
        assert_eq!(headers[RATE_LIMIT_POLICY], "\"messages\";q=5;w=2592000");

        insert_reached(
            &mut headers,
            &LimitReached { of: LimitLevel::Plan, per, meter: Meter::Messages, limit: 5, used: 5, resets_at },
            now,
        );
        assert_eq!(headers[RATE_LIMIT], "\"messages\";r=0;t=30");
        assert_eq!(headers[header::RETRY_AFTER], "30");
        let (per, meter) = (LimitWindow::Minute, Meter::ConnectorCalls);
        let minute = LimitReached { of: LimitLevel::Plan, per, meter, limit: 9, used: 9, resets_at };
        insert_reached(&mut headers, &minute, now);
        assert_eq!(headers[RATE_LIMIT_POLICY], "\"connector_calls\";q=9;w=60");
    }

    #[test]
    fn the_tightest_is_told() {
        let now: Timestamp = "2026-04-30T23:59:30Z".parse().unwrap();
        let period = Period::containing(now);
        let left = |remaining| RateLeft { subject: RateSubject::Address, limit: 60, remaining, resets_at: period.end };
        let per = LimitWindow::Month;
        let month = Remaining { meter: Meter::Messages, limit: 500, remaining: 20, per, resets_at: period.end };
        let mut headers = HeaderMap::new();
        insert(&mut headers, Some(month), now);
        insert_rate(&mut headers, left(59), now);
        assert_eq!(headers[RATE_LIMIT], "\"messages\";r=20;t=30");
        insert_rate(&mut headers, left(19), now);
        assert_eq!(
            (&headers[RATE_LIMIT], &headers[RATE_LIMIT_POLICY]),
            (&HeaderValue::from_static("\"address\";r=19;t=30"), &HeaderValue::from_static("\"address\";q=60;w=60"),)
        );
        assert_eq!(headers.len(), 2);
    }
}
