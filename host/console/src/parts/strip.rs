//! What happened lately, at a glance: a mark for each event, the oldest first. A table beside it says the same.

use maud::{Markup, html};

use super::badge::Tone;

/// `text` says what the marks show.
pub fn strip(text: &str, marks: &[Tone]) -> Markup {
    let width = marks.len() * 10;
    html! {
        svg class="strip" viewBox={ "0 0 " (width) " 32" } preserveAspectRatio="none" role="img" aria-label=(text) {
            @for (at, mark) in marks.iter().enumerate() {
                @let (class, height) = match mark {
                    Tone::Good => ("good", 20),
                    Tone::Quiet => ("quiet", 12),
                    Tone::Warn => ("warn", 26),
                    Tone::Bad => ("bad", 32),
                };
                rect class=(class) x=(at * 10 + 1) y=(32 - height) width="8" height=(height) rx="1.5" {}
            }
        }
    }
}
