//! Facts that take a sentence or a list: a name beside each.

use maud::{Markup, html};

pub fn rows(rows: &[(&str, Markup)]) -> Markup {
    html! { dl class="rows" { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}
