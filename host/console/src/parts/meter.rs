//! How much of a limit is used: a bar that turns at 70 % and at 90 %, and the numbers.

use maud::{Markup, html};

/// A bar from 0 to `limit`. `name` says what is counted.
pub fn meter(name: &str, used: u64, limit: u64) -> Markup {
    let percent = if limit == 0 { 100 } else { (u128::from(used) * 100 / u128::from(limit)).min(100) };
    let class = match percent {
        0..70 => "bar",
        70..90 => "bar warn",
        _ => "bar bad",
    };
    let text = format!("{name}: {percent} % used");
    html! {
        svg class=(class) viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=(text) {
            rect class="track" width="100" height="4" {}
            rect class="fill" width=(percent) height="4" {}
        }
    }
}
