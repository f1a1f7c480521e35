//! Text to copy: a key, an address, a snippet. The button works with script; the text can be selected without.

use maud::{Markup, html};

use super::icon::icon;

/// A short text with a button that copies it. `what` names it for the button.
pub fn copyable(what: &str, text: &str) -> Markup {
    html! {
        span class="copyable" {
            code { (text) }
            button type="button" class="copy" data-copy=(text) hidden { (icon("copy")) span { "Copy" } span class="hidden" { " " (what) } }
        }
    }
}

/// Lines of code with a button that copies them.
pub fn snippet(what: &str, code: &str) -> Markup {
    html! {
        div class="snippet" {
            button type="button" class="copy" data-copy=(code) hidden { (icon("copy")) span { "Copy" } span class="hidden" { " " (what) } }
            pre tabindex="0" aria-label=(what) { code { (code) } }
        }
    }
}
