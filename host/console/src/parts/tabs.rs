//! Pages about one thing, side by side.

use maud::{Markup, html};

/// Links to the pages (path and title), with the current one marked.
pub fn tabs(label: &str, current: &str, pages: &[(String, &str)]) -> Markup {
    html! {
        nav class="tabs" aria-label=(label) {
            @for (path, title) in pages {
                @let mark = (path == current).then_some("page");
                a href=(path) aria-current=[mark] { (title) }
            }
        }
    }
}
