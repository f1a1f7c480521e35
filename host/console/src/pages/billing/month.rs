//! Calendar months and days (UTC) as people write them.

use std::time::Duration;

use resly_core::time::{Period, Timestamp};

const NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A day such as `1 December`.
pub fn day(at: Timestamp) -> String {
    let text = at.to_string();
    let part = |range| text.get(range).and_then(|part: &str| part.parse::<usize>().ok());
    let name = part(5..7).and_then(|month| NAMES.get(month.checked_sub(1)?));
    match (part(8..10), name) {
        (Some(day), Some(name)) => format!("{day} {name}"),
        _ => text,
    }
}

/// A month in an address: `2026-11`.
pub fn id(period: Period) -> String {
    period.start.to_string().get(..7).unwrap_or_default().to_owned()
}

/// A month for people: `November 2026`.
pub fn title(period: Period) -> String {
    let text = period.start.to_string();
    let year = text.get(..4).unwrap_or_default();
    day(period.start).split_once(' ').map_or_else(|| text.clone(), |(_, name)| format!("{name} {year}"))
}

/// The month of an address.
pub fn parse(id: &str) -> Option<Period> {
    let month = id.len() == 7 && id.is_ascii();
    month.then(|| format!("{id}-01T00:00:00Z").parse().ok().map(Period::containing)).flatten()
}

/// The latest twelve months, the newest first.
pub fn latest(now: Timestamp) -> Vec<Period> {
    let before = |period: &Period| Some(Period::containing(period.start.minus(Duration::from_micros(1))));
    std::iter::successors(Some(Period::containing(now)), before).take(12).collect()
}

/// The days of a month until now, as `2026-11-29`.
pub fn days(period: Period, now: Timestamp) -> Vec<String> {
    let end = period.end.min(now.plus(Duration::from_micros(1)));
    let days = std::iter::successors(Some(period.start), |day| Some(day.plus(DAY))).take_while(|day| *day < end);
    days.map(|day| day.to_string().get(..10).unwrap_or_default().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_named_and_counted_in_utc() {
        let now: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let latest = latest(now);
        let ids: Vec<String> = latest.iter().map(|period| id(*period)).collect();
        assert_eq!(
            (ids.len(), ids[0].as_str(), ids[2].as_str(), ids[11].as_str()),
            (12, "2026-03", "2026-01", "2025-04")
        );
        assert_eq!((title(latest[2]), day(latest[2].end)), ("January 2026".to_owned(), "1 February".to_owned()));
        assert_eq!(days(latest[0], now), ["2026-03-01", "2026-03-02"]);
        assert_eq!(days(latest[1], now).len(), 28);
        assert_eq!(parse("2026-01"), Some(latest[2]));
        for wrong in ["", "2026-13", "2026-1", "2026-01-01", "é026-0", "'; --x"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
