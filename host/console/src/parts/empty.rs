//! What a list shows before it has anything: what would be here, and how to begin.

use maud::{Markup, html};

pub fn empty(title: &str, text: &str, action: &Markup) -> Markup {
    html! { div class="empty" { h2 { (title) } p { (text) } (action) } }
}
