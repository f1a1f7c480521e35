//! Forms: each carries the session's token.

use maud::{Markup, html};

use crate::csrf::{self, FormToken};

/// A form that posts to an address of the console.
pub fn form(token: &FormToken, action: &str, body: &Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name=(csrf::FIELD) value=(token.as_str());
            (body)
        }
    }
}

/// The button that sends a form, with what it does as its text.
pub fn submit(text: &str) -> Markup {
    html! { p class="form-end" { button class="button primary" { (text) } } }
}

/// A link that looks like a button.
pub fn button(path: &str, text: &str) -> Markup {
    html! { a href=(path) class="button" { (text) } }
}
