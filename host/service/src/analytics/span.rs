//! A span of whole days in UTC.

use resly_core::time::Timestamp;

const DAY_MICROS: i64 = 24 * 3600 * 1_000_000;
/// The longest span.
pub const LONGEST_DAYS: i64 = 366;
/// The usual one.
const USUAL_DAYS: i64 = 30;
/// The days of a week begin on Monday; 1970-01-01 was a Thursday.
const MONDAY: i64 = 3;

/// Whole days in UTC, both inclusive, by their numbers since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    first: i64,
    last: i64,
}

/// Why two days are no span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    #[error("a day such as 2026-11-30 is expected")]
    NoDay,
    #[error("the first day is after the last one")]
    Reversed,
    #[error("a span has at most {LONGEST_DAYS} days")]
    TooLong,
}

impl Span {
    /// From one day to another one, such as `2026-11-01`. The last day is today when absent, and the first one 29 days before
    /// it.
    pub fn parse(first: Option<&str>, last: Option<&str>, now: Timestamp) -> Result<Self, SpanError> {
        let last = last.map_or(Ok(number(now)), parse)?;
        let first = first.map_or(Ok(last - USUAL_DAYS + 1), parse)?;
        if first > last {
            return Err(SpanError::Reversed);
        }
        if last - first >= LONGEST_DAYS {
            return Err(SpanError::TooLong);
        }
        Ok(Self { first, last })
    }

    /// So many days until today, today included.
    pub fn until(now: Timestamp, days: i64) -> Self {
        let last = number(now);
        Self { first: last - days.clamp(1, LONGEST_DAYS) + 1, last }
    }

    /// As many days right before.
    #[must_use]
    pub fn previous(self) -> Self {
        Self { first: self.first - self.days(), last: self.first - 1 }
    }

    pub fn days(self) -> i64 {
        self.last - self.first + 1
    }

    pub fn first(self) -> String {
        text(self.first)
    }

    pub fn last(self) -> String {
        text(self.last)
    }

    /// Inclusive.
    pub fn starts_at(self) -> Timestamp {
        at(self.first)
    }

    /// Exclusive.
    pub fn ends_at(self) -> Timestamp {
        at(self.last + 1)
    }

    /// The days, in order.
    pub fn each_day(self) -> impl Iterator<Item = String> {
        (self.first..=self.last).map(text)
    }

    pub fn has(self, day: &str) -> bool {
        parse(day).is_ok_and(|day| (self.first..=self.last).contains(&day))
    }
}

/// Whether a text is a day, such as `2026-11-30`.
pub fn is_day(text: &str) -> bool {
    parse(text).is_ok()
}

/// The Monday of a day's week. A text that is no day is its own.
pub fn week_of(day: &str) -> String {
    parse(day).map_or_else(|_| day.to_owned(), |number| text(number - (number + MONDAY).rem_euclid(7)))
}

fn parse(day: &str) -> Result<i64, SpanError> {
    let at: Option<Timestamp> = (day.len() == 10).then(|| format!("{day}T00:00:00Z").parse().ok()).flatten();
    at.map(number).ok_or(SpanError::NoDay)
}

fn number(at: Timestamp) -> i64 {
    at.micros().div_euclid(DAY_MICROS)
}

fn at(number: i64) -> Timestamp {
    Timestamp::from_micros(number.saturating_mul(DAY_MICROS))
}

fn text(number: i64) -> String {
    let mut text = at(number).to_string();
    text.truncate(10);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_utc() {
        let now: Timestamp = "2026-11-30T23:59:59.999999Z".parse().unwrap();
        let week = Span::until(now, 7);
        assert_eq!((week.first().as_str(), week.last().as_str(), week.days()), ("2026-11-24", "2026-11-30", 7));
        assert_eq!(
            (week.previous().first(), week.previous().last()),
            ("2026-11-17".to_owned(), "2026-11-23".to_owned())
        );
        assert_eq!(week.ends_at().to_string(), "2026-12-01T00:00:00.000000Z");
        assert_eq!(week.each_day().count(), 7);
        assert!(week.has("2026-11-24") && !week.has("2026-12-01"));
        assert_eq!(["2026-11-29", "2026-11-30", "x"].map(week_of), ["2026-11-23", "2026-11-30", "x"]);
    }

    #[test]
    fn what_is_no_span_is_told() {
        let now: Timestamp = "2026-03-01T08:00:00Z".parse().unwrap();
        let parse = |first, last| Span::parse(Some(first), Some(last), now);
        assert_eq!(parse("2026-02-30", "2026-03-01"), Err(SpanError::NoDay));
        assert_eq!(parse("2026-03-02", "2026-03-01"), Err(SpanError::Reversed));
        assert_eq!(parse("2025-03-02", "2026-03-03"), Err(SpanError::TooLong));
        assert_eq!(parse("2026-03-01", "2026-03-01").map(Span::days), Ok(1));
        assert_eq!(Span::parse(None, None, now), Ok(Span::until(now, 30)));
        assert!(is_day("2026-03-01") && !is_day("2026-3-1"));
    }
}
