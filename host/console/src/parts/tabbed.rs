//! Several texts in one place, of which a reader chooses one: radio buttons that look like tabs, and need no script.

use maud::{Markup, html};

/// The most that the style sheet has a rule for.
pub const MOST: usize = 6;

/// The texts with their names. `id` is unique in the page.
pub fn tabbed(id: &str, label: &str, texts: &[(&str, Markup)]) -> Markup {
    html! {
        fieldset class="tabbed" {
            legend class="hidden" { (label) }
            @for (at, (name, _)) in texts.iter().enumerate().take(MOST) {
                input type="radio" name=(id) id={ (id) "-" (at) } value=(at) checked[at == 0];
                label for={ (id) "-" (at) } { (name) }
            }
            @for (_, text) in texts.iter().take(MOST) { div { (text) } }
        }
    }
}
