//! The way through a task of several pages: what is done, where one is, what comes.

use maud::{Markup, html};

/// Steps by title, each with its address when it can be gone to. `current` counts from 0.
pub fn steps(label: &str, current: usize, steps: &[(&str, Option<String>)]) -> Markup {
    html! {
        nav class="steps" aria-label=(label) {
            ol {
                @for (at, (title, path)) in steps.iter().enumerate() {
                    @let state = match at.cmp(&current) {
                        std::cmp::Ordering::Less => "done",
                        std::cmp::Ordering::Equal => "now",
                        std::cmp::Ordering::Greater => "later",
                    };
                    li class=(state) {
                        @match path {
                            Some(path) if at != current => { a href=(path) { (title) } }
                            _ => { span aria-current=[(at == current).then_some("step")] { (title) } }
                        }
                    }
                }
            }
        }
    }
}
