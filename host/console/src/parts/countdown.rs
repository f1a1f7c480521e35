//! How long until a moment. The server says it in words; the script goes on counting.

use std::time::Duration;

use maud::{Markup, html};
use resly_core::time::Timestamp;

/// The time that is left until `until`.
pub fn countdown(now: Timestamp, until: Timestamp) -> Markup {
    html! { span class="number" data-until=(until) { (left(until.since(now))) } }
}

/// A duration in its two largest units. `assets/countdown.js` writes the same.
pub fn left(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", seconds % 60),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        (1, ..) => format!("1 day {hours} h"),
        _ => format!("{days} days {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_two_units() {
        let told = [5, 125, 3600, 90_000, 200_000].map(|seconds| left(Duration::from_secs(seconds)));
        assert_eq!(told, ["5 s", "2 min 5 s", "1 h 0 min", "1 day 1 h", "2 days 7 h"]);
    }
}
