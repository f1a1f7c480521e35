//! A state in a word: its colour repeats what the word says.

use maud::{Markup, html};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Quiet,
    Warn,
    Bad,
}

pub fn badge(tone: Tone, text: &str) -> Markup {
    let class = match tone {
        Tone::Good => "badge good",
        Tone::Quiet => "badge",
        Tone::Warn => "badge warn",
        Tone::Bad => "badge bad",
    };
    html! { span class=(class) { (text) } }
}
