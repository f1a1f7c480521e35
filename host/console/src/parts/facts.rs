//! Facts about one thing: names and values.

use maud::{Markup, html};

pub fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! { dl class="facts" { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } } }
}
