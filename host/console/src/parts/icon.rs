//! Icons: lines on a grid of 16, in the colour of the text. They are decoration: the text beside one says the same.

use maud::{Markup, html};

/// An icon by its name; nothing for a name that isn't one.
pub fn icon(name: &str) -> Markup {
    let path = match name {
        "mark" => "M3 13V3h5.2a3.1 3.1 0 0 1 0 6.2H3M8 9.2 13 13",
        "back" => "M9.5 3.5 5 8l4.5 4.5",
        "done" => "M3 8.5 6.5 12 13 4.5",
        "warn" => "M8 2.5 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.2",
        "copy" => "M5.5 5.5h7v8h-7zM3.5 10.5v-8h7",
        "next" => "M6.5 3.5 11 8l-4.5 4.5",
        "close" => "M4 4l8 8M12 4l-8 8",
        "search" => "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4M10.2 10.2 13.5 13.5",
        "plus" => "M8 3v10M3 8h10",
        _ => return Markup::default(),
    };
    html! {
        svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false" { path d=(path); }
    }
}
