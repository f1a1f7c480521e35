//! A sentence of somebody else's, such as a connector's description.

use maud::{Markup, html};

/// A text in which what stands between backquotes is code.
pub fn prose(text: &str) -> Markup {
    let pieces: Vec<&str> = text.split('`').collect();
    // A backquote without a partner stands for itself.
    if pieces.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! {
        @for (at, piece) in pieces.iter().enumerate() {
            @if at.is_multiple_of(2) { (piece) } @else { code { (piece) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backquotes_are_code_in_pairs() {
        let drawn = |text| prose(text).into_string();
        assert_eq!(drawn("Use `acme`, not `<b>`."), "Use <code>acme</code>, not <code>&lt;b&gt;</code>.");
        assert_eq!(drawn("a ` b"), "a ` b");
        assert_eq!(drawn("plain"), "plain");
    }
}
