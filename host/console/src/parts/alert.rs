//! Why something was refused or failed, where it is seen and heard first.

use maud::{Markup, html};

use super::icon::icon;

pub fn alert(text: &str) -> Markup {
    html! { p class="notice bad" role="alert" { (icon("warn")) span { (text) } } }
}
