//! Times. The server writes UTC; the script shows the reader's own time.

use maud::{Markup, html};
use resly_core::time::Timestamp;

/// A moment.
pub fn when(at: Timestamp) -> Markup {
    let exact = at.to_string();
    html! { time datetime=(exact) { (short(&exact)) } }
}

/// A moment, or a word in its place.
pub fn date(at: Option<Timestamp>, otherwise: &str) -> Markup {
    html! { @match at { Some(at) => (when(at)), None => (otherwise) } }
}

/// `2026-11-29T22:41:05.123456Z` as `2026-11-29 22:41 UTC`.
fn short(exact: &str) -> String {
    match (exact.get(..10), exact.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => exact.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_short_for_people_and_exact_for_programs() {
        let drawn = when("2026-11-29T22:41:05.123456Z".parse().unwrap()).into_string();
        assert!(drawn.contains(">2026-11-29 22:41 UTC<") && drawn.contains("22:41:05.123456Z"), "{drawn}");
    }
}
