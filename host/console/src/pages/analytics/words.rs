//! Numbers of analytics as people read them.

use resly_core::outcome::{Gap, Outcome};
use resly_service::analytics::{Card, Share, language_name};

use crate::parts::Tone;

pub fn outcome(outcome: Outcome) -> (Tone, &'static str) {
    match outcome {
        Outcome::Durable => (Tone::Good, "Resolved durably"),
        Outcome::Autonomous => (Tone::Good, "Resolved"),
        Outcome::HandedOver => (Tone::Quiet, "Handed over"),
        Outcome::Abandoned => (Tone::Bad, "Abandoned"),
        Outcome::Open => (Tone::Quiet, "Open"),
    }
}

pub fn card(card: Card) -> &'static str {
    match card {
        Card::Conversations => "Conversations",
        Card::Resolved => "Resolved by the assistant",
        Card::Durable => "Resolved durably",
        Card::HandedOver => "Handed over",
        Card::Abandoned => "Abandoned",
        Card::Open => "Open",
        Card::Rated => "Rated",
        Card::Deflected => "Deflected",
    }
}

pub fn gap(gap: Gap) -> (Tone, &'static str) {
    match gap {
        Gap::NoSource => (Tone::Warn, "no source"),
        Gap::RatedDown => (Tone::Bad, "rated down"),
    }
}

pub fn language(code: &str) -> String {
    language_name(code).map_or_else(|| "Not known".to_owned(), str::to_owned)
}

/// `83 %`, or a dash of nothing.
pub fn percent(share: Share) -> String {
    share.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{} %", points(ratio)))
}

/// A ratio in whole hundredths.
#[expect(clippy::cast_possible_truncation, reason = "a ratio of counts is between 0 and 1")]
pub fn points(ratio: f64) -> i64 {
    (ratio * 100.0).round() as i64
}

/// How a share changed against the one before.
pub fn points_since(now: Share, before: Share) -> Option<String> {
    let change = points(now.ratio()?) - points(before.ratio()?);
    Some(match change {
        0 => "as before".to_owned(),
        1.. => format!("{change} points more than before"),
        _ => format!("{} points less than before", -change),
    })
}

/// How a count changed against the one before.
pub fn change_since(now: u64, before: u64) -> Option<String> {
    if before == 0 {
        return None;
    }
    let change = points(now as f64 / before as f64) - 100;
    Some(match change {
        0 => "as before".to_owned(),
        1.. => format!("{change} % more than before"),
        _ => format!("{} % less than before", -change),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_changes_are_told_in_words() {
        let share = |part, whole| Share { part, whole };
        assert_eq!(percent(share(5, 6)), "83 %");
        assert_eq!(percent(share(0, 0)), "–");
        assert_eq!(points_since(share(1, 2), share(1, 4)).as_deref(), Some("25 points more than before"));
        assert_eq!(points_since(share(1, 2), share(0, 0)), None);
        assert_eq!(change_since(3, 4).as_deref(), Some("25 % less than before"));
        assert_eq!((change_since(3, 0), change_since(4, 4).as_deref()), (None, Some("as before")));
        assert_eq!((language("de").as_str(), language("und").as_str()), ("German", "Not known"));
    }
}
