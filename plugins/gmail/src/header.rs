//! Header fields (RFC 5322, section 2.2): which text they may contain, and encoded words for text beyond ASCII (RFC
//! 2047).

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Characters that a line should not exceed (RFC 5322, section 2.1.1).
const LINE: usize = 78;
/// The most bytes in one encoded word. A line with one has at most 76 characters (RFC 2047, section 2), and the first
/// one follows the field's name.
const WORD: usize = 39;

/// Whether a text fits on one line: it has no control characters and no line ends of Unicode.
pub fn is_plain_text(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// A field of free text, with its line end. A long text, or one beyond plain ASCII, is encoded and folded.
pub fn unstructured(name: &str, text: &str) -> String {
    let as_it_is = text.is_ascii() && !text.contains("=?") && name.len() + 2 + text.len() <= LINE;
    let text = if as_it_is { text.to_owned() } else { encoded_words(text) };
    format!("{name}: {text}\r\n")
}

/// A text as encoded words, one in each line, cut between characters.
pub fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD));
        words.push(format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ascii_stays_readable() {
        assert_eq!(unstructured("Subject", "Your order #1001"), "Subject: Your order #1001\r\n");
        assert_eq!(unstructured("Subject", "Größe"), "Subject: =?UTF-8?B?R3LDtsOfZQ==?=\r\n");
        assert_eq!(unstructured("Subject", "=?x?="), "Subject: =?UTF-8?B?PT94Pz0=?=\r\n");
    }

    #[test]
    fn lines_stay_within_their_limit_and_characters_whole() {
        for text in ["ü".repeat(250), "日本語".repeat(80), "a".repeat(250), "👩‍👩‍👧‍👦".repeat(30), "x".repeat(70)]
        {
            let field = unstructured("Subject", &text);
            assert!(field.split("\r\n").all(|line| line.len() <= 76 && line.is_ascii()), "{field}");
            for word in field.trim_end().trim_start_matches("Subject: ").split("\r\n ") {
                let inner = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
                String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn a_line_end_of_any_kind_is_no_plain_text() {
        for c in ['\r', '\n', '\0', '\t', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}', '\u{7f}'] {
            assert!(!is_plain_text(&format!("a{c}b")), "{c:?}");
        }
        assert!(is_plain_text("Zoë, 日本 «!»"));
    }
}
