//! Time, ids and randomness as inputs, so that tests can choose them.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use jiff::{civil::Date, tz::Offset};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use uuid::Uuid;

/// An instant in UTC with whole microseconds, which both databases store without loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Timestamp(jiff::Timestamp);

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("it is no time as RFC 3339 has it, such as `2026-11-24T09:00:00Z`"))
    }
}

impl Timestamp {
    /// From microseconds since the Unix epoch. Values out of range become the nearest possible one.
    pub fn from_micros(micros: i64) -> Self {
        Self(jiff::Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        }))
    }

    /// Microseconds since the Unix epoch.
    pub fn micros(self) -> i64 {
        self.0.as_microsecond()
    }

    /// Whole seconds since the Unix epoch.
    pub fn seconds(self) -> i64 {
        self.0.as_second()
    }

    pub fn plus(self, duration: Duration) -> Self {
        Self::from_micros(self.micros().saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    pub fn minus(self, duration: Duration) -> Self {
        Self::from_micros(self.micros().saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.micros().saturating_sub(earlier.micros())).unwrap_or(0))
    }
}

/// RFC 3339 with six decimals and `Z`. The width is fixed, so texts sort like the times.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from_micros(text.parse::<jiff::Timestamp>()?.as_microsecond()))
    }
}

/// A billing period: one calendar month in UTC, `start` inclusive and `end` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Period {
    /// The month that contains `now`.
    pub fn containing(now: Timestamp) -> Self {
        let first = Offset::UTC.to_datetime(now.0).date().first_of_month();
        let at = |date: Date| {
            Offset::UTC
                .to_timestamp(date.at(0, 0, 0, 0))
                .map_or(now, |instant| Timestamp::from_micros(instant.as_microsecond()))
        };
        let next = first.last_of_month().tomorrow().unwrap_or(first);
        Self { start: at(first), end: at(next) }
    }
}

/// The source of the current time.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// An HTTP date in any of its three forms (RFC 9110, section 5.6.7), or one with a numeric zone, as mails have them: some
/// services send that.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = httpdate::parse_http_date(text) {
        return jiff::Timestamp::try_from(at).ok().map(Timestamp);
    }
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok().map(Timestamp)
}

/// The source of unpredictable bytes and of the ids made of them.
pub trait Random: Send + Sync + 'static {
    fn fill(&self, bytes: &mut [u8]);

    /// A UUID of version 7 (RFC 9562): sorts by `now`, otherwise unpredictable.
    fn uuid(&self, now: Timestamp) -> Uuid {
        let mut bytes = [0; 10];
        self.fill(&mut bytes);
        let millis = u64::try_from(now.micros() / 1000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_date_has_three_forms() {
        let expected = Timestamp::from_micros(784_111_777_000_000);
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            " Sun, 06 Nov 1994 09:49:37 +0100",
        ] {
            assert_eq!(parse_http_date(text), Some(expected), "{text}");
        }
        assert_eq!(parse_http_date("soon"), None);
    }

    #[test]
    fn a_period_is_a_calendar_month_in_utc() {
        let now: Timestamp = "2026-12-31T23:59:59.999999Z".parse().unwrap();
        let period = Period::containing(now);
        assert_eq!(period.start.to_string(), "2026-12-01T00:00:00.000000Z");
        assert_eq!(period.end.to_string(), "2027-01-01T00:00:00.000000Z");
    }

    #[test]
    fn text_sorts_as_time_does() {
        let early = Timestamp::from_micros(1_000_000).to_string();
        let late = Timestamp::from_micros(1_500_000).to_string();
        assert_eq!(early.len(), late.len());
        assert!(early < late);
    }
}
