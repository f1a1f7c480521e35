//! Other readings of a text, which show a secret that is written in pieces: character references of HTML and XML
//! decoded, JSON escapes decoded, ISO-2022 escape sequences removed, or line breaks within words removed. A match in
//! such a view is mapped back to the bytes of the text.

use zeroize::Zeroizing;

/// The most nested `&amp;` before a reference's name. Each is one more step of escaping.
const NESTED: usize = 8;
/// The most digits of a numeric reference, including leading zeros.
const DIGITS: usize = 12;

/// Another reading of a text.
pub struct DecodedText {
    pub text: Zeroizing<Vec<u8>>,
    edits: Vec<Edit>,
}

/// A part of the view that stands for another part of the text.
struct Edit {
    /// Position in the view.
    at: usize,
    len: usize,
    /// Start and end in the text.
    from: usize,
    to: usize,
}

impl DecodedText {
    /// The text with its character references decoded. `None` when it has none.
    pub fn decoded(text: &[u8]) -> Option<Self> {
        let mut builder = Builder::new(text);
        let mut from = 0;
        while let Some(at) = memchr::memchr2(b'&', b'\\', &text[from..]).map(|at| from + at) {
            from = at + 1;
            if let Some((len, character)) = reference(&text[at..]) {
                builder.edit(at, at + len, character.encode_utf8(&mut [0; 4]).as_bytes());
                from = at + len;
            }
        }
        builder.finish()
    }

    /// The text with JSON's escapes of single characters decoded (RFC 8259, section 7). JSON may escape any character,
    /// and once more at each step where JSON is a string within JSON. `None` when the text has no escapes.
    pub fn unescaped(text: &[u8]) -> Option<Self> {
        let mut builder = Builder::new(text);
        let mut from = 0;
        while let Some(at) = memchr::memchr(b'\\', &text[from..]).map(|at| from + at) {
            let slashes = text[at..].iter().take_while(|byte| **byte == b'\\').count();
            from = at + slashes;
            match text.get(from) {
                Some(b'/') => builder.edit(at, from, b""),
                Some(b'u') => {
                    if let Some((len, character)) = escaped_character(&text[from..], slashes) {
                        builder.edit(at, from + len, character.encode_utf8(&mut [0; 4]).as_bytes());
                        from += len;
                    }
                }
                _ => {}
            }
        }
        builder.finish()
    }

    /// The text without the escape sequences that change the state of ISO-2022 charsets. They stand for no character,
    /// so they may be within a word. `None` when it has none.
    pub fn unshifted(text: &[u8]) -> Option<Self> {
        const ESCAPE: u8 = 0x1b;
        let mut builder = Builder::new(text);
        let mut from = 0;
        while let Some(at) = memchr::memchr(ESCAPE, &text[from..]).map(|at| from + at) {
            // Intermediate bytes, then a final one (ECMA-35, section 13.1).
            let intermediate = text[at + 1..].iter().take_while(|byte| matches!(byte, 0x20..=0x2f)).count();
            from = (at + 2 + intermediate).min(text.len());
            builder.edit(at, from, b"");
        }
        builder.finish()
    }

    /// The text without line breaks in words, which writers of Base64 insert. They may be plain, escaped as in JSON, or
    /// between white space. `None` when it has none.
    pub fn unwrapped(text: &[u8]) -> Option<Self> {
        let mut builder = Builder::new(text);
        let mut from = 0;
        while let Some(at) = memchr::memchr3(b'\n', b'\r', b'\\', &text[from..]).map(|at| from + at) {
            from = at + 1;
            let Some(end) = line_break(text, at) else { continue };
            let start = at - text[..at].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            from = end;
            // Line breaks between JSON's members don't count: every body with several lines would be copied otherwise.
            let inside = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|byte| is_base64(*byte));
            if inside(start.checked_sub(1)) && inside(Some(end)) {
                builder.edit(start.max(builder.taken), end, b"");
            }
        }
        builder.finish()
    }

    /// The part of the text that a part of the view stands for.
    pub fn original(&self, start: usize, end: usize) -> (usize, usize) {
        let last = end.saturating_sub(1);
        let (from, _) = self.byte(start);
        let (_, to) = self.byte(last);
        (from, to)
    }

    /// The part of the text that one byte of the view stands for.
    fn byte(&self, at: usize) -> (usize, usize) {
        let after = self.edits.partition_point(|edit| edit.at <= at);
        match after.checked_sub(1).map(|before| &self.edits[before]) {
            None => (at, at + 1),
            Some(edit) if at < edit.at + edit.len => (edit.from, edit.to),
            Some(edit) => {
                let from = edit.to + (at - edit.at - edit.len);
                (from, from + 1)
            }
        }
    }
}

pub(super) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

struct Builder<'t> {
    source: &'t [u8],
    /// Bytes of the source that are in the view so far.
    taken: usize,
    text: Zeroizing<Vec<u8>>,
    edits: Vec<Edit>,
}

impl<'t> Builder<'t> {
    fn new(source: &'t [u8]) -> Self {
        Self { source, taken: 0, text: Zeroizing::new(Vec::new()), edits: Vec::new() }
    }

    fn edit(&mut self, from: usize, to: usize, with: &[u8]) {
        if self.edits.is_empty() {
            // One allocation, because growing would leave a copy of the secret in the old one.
            self.text.reserve_exact(self.source.len());
        }
        self.text.extend_from_slice(&self.source[self.taken..from]);
        self.edits.push(Edit { at: self.text.len(), len: with.len(), from, to });
        self.text.extend_from_slice(with);
        self.taken = to;
    }

    fn finish(mut self) -> Option<DecodedText> {
        if self.edits.is_empty() {
            return None;
        }
        self.text.extend_from_slice(&self.source[self.taken..]);
        Some(DecodedText { text: self.text, edits: self.edits })
    }
}

/// A character reference at the start of a text, with its length: `&quot;`, `&#34;`, `&#x22`, `&amp;#34;`. The
/// ampersand may be escaped as in JSON (`\u0026`).
fn reference(text: &[u8]) -> Option<(usize, char)> {
    let mut at = match text.first()? {
        b'&' => 1,
        _ => text.get(..6)?.eq_ignore_ascii_case(b"\\u0026").then_some(6)?,
    };
    for _ in 0..NESTED {
        match text.get(at..at + 4) {
            Some(amp) if amp.eq_ignore_ascii_case(b"amp;") => at += 4,
            _ => break,
        }
    }
    let nested = at > 6 || (text[0] == b'&' && at > 1);
    let rest = &text[at..];
    if let Some(number) = rest.strip_prefix(b"#") {
        let (radix, sign) =
            if number.first().is_some_and(|x| x.eq_ignore_ascii_case(&b'x')) { (16, 1) } else { (10, 0) };
        let digits = &number[sign..];
        let digits = &digits[..digits.iter().take(DIGITS).take_while(|byte| (**byte as char).is_digit(radix)).count()];
        let character = char::from_u32(u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?)?;
        let len = at + 1 + sign + digits.len();
        return Some((len + usize::from(text.get(len) == Some(&b';')), character));
    }
    let named = [("quot;", '"'), ("apos;", '\''), ("lt;", '<'), ("gt;", '>'), ("nbsp;", '\u{a0}')];
    let named = named
        .into_iter()
        .find(|(name, _)| rest.get(..name.len()).is_some_and(|have| have.eq_ignore_ascii_case(name.as_bytes())));
    match named {
        Some((name, character)) => Some((at + name.len(), character)),
        None => nested.then_some((at, '&')),
    }
}

/// The character of a `uXXXX` escape, with the length of the escape. A character beyond U+FFFF has two escapes, with
/// the same number of backslashes before each.
fn escaped_character(text: &[u8], slashes: usize) -> Option<(usize, char)> {
    let unit = |at: usize| -> Option<u32> {
        let digits = text.get(at..at + 5)?.strip_prefix(b"u")?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let high = unit(0)?;
    if let Some(character) = char::from_u32(high) {
        return Some((5, character));
    }
    let second = 5 + slashes;
    text[5..].get(..slashes)?.iter().all(|byte| *byte == b'\\').then_some(())?;
    let low = unit(second)?;
    let pair = (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
    let character = pair.then(|| char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)))??;
    Some((second + 5, character))
}

/// The end of the line break at `at`, including white space and further breaks after it. `None` when there is none.
fn line_break(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    let mut breaks = false;
    loop {
        match text.get(end) {
            Some(b'\n' | b'\r') => (end, breaks) = (end + 1, true),
            Some(b' ' | b'\t') if breaks => end += 1,
            Some(b'\\') => {
                let slashes = text[end..].iter().take_while(|byte| **byte == b'\\').count();
                match text.get(end + slashes) {
                    Some(b'n' | b'r') => (end, breaks) = (end + slashes + 1, true),
                    _ => break,
                }
            }
            _ => break,
        }
    }
    breaks.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> String {
        DecodedText::decoded(text.as_bytes())
            .map_or_else(|| text.to_owned(), |view| String::from_utf8_lossy(&view.text).into())
    }

    #[test]
    fn references_are_decoded_in_every_notation() {
        for (text, plain) in [
            ("a&#98;c", "abc"),
            ("a&#x62;c&#X62", "abcb"),
            ("&#0000098;&#x00062;", "bb"),
            ("&amp;#98;&amp;amp;#x62;", "bb"),
            ("\\u0026#98;", "b"),
            ("&quot;&apos;&lt;&GT;&amp;", "\"'<>&"),
            ("a & b &c; \\u0062", "a & b &c; \\u0062"),
            ("&#; &#x; &#xd800; &#99999999999;", "&#; &#x; &#xd800; &#99999999999;"),
        ] {
            assert_eq!(decoded(text), plain, "{text}");
        }
    }

    #[test]
    fn escapes_of_json_are_decoded_at_any_depth() {
        for (text, plain) in [
            (r"s\u0065cret", "secret"),
            (r"\u0073\u0065cret", "secret"),
            (r"s\\u0065cret and a\/b", "secret and a/b"),
            (r"\uD83D\uDE00 \\ud83d\\ude00", "😀 😀"),
            (r"\ud83d alone, \u00e", r"\ud83d alone, \u00e"),
        ] {
            let view = DecodedText::unescaped(text.as_bytes());
            let read = view.map_or_else(|| text.to_owned(), |view| String::from_utf8_lossy(&view.text).into());
            assert_eq!(read, plain, "{text}");
        }
        assert!(DecodedText::unescaped(br#"a line\n and a "quote\""#).is_none());
    }

    #[test]
    fn a_charset_s_escape_sequences_stand_for_nothing() {
        let view = DecodedText::unshifted(b"sec\x1b(Bret\x1b$B\x1b$(D").unwrap();
        assert_eq!(&**view.text, b"secret");
        assert_eq!(view.original(0, 6), (0, 9));
        assert!(DecodedText::unshifted(b"plain").is_none());
        assert!(DecodedText::unshifted(b"\x1b").is_some());
    }

    #[test]
    fn breaks_within_words_are_taken_out() {
        for (text, plain) in [
            ("YWJj\nZGVm", "YWJjZGVm"),
            ("YWJj\r\n  ZGVm", "YWJjZGVm"),
            (r#""YWJj\r\nZGVm\n""#, r#""YWJjZGVm\n""#),
            (r"YWJj\\nZGVm", "YWJjZGVm"),
        ] {
            let view = DecodedText::unwrapped(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8_lossy(&view.text), plain, "{text}");
        }
        for text in ["one line, and \\t a tab", "{\n  \"a\": 1,\n  \"b\": 2\n}\n"] {
            assert!(DecodedText::unwrapped(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_stretch_is_mapped_to_all_that_it_stands_for() {
        let text = b"x&#97;&#98;cd\nef";
        let view = DecodedText::decoded(text).unwrap();
        assert_eq!(&**view.text, b"xabcd\nef");
        assert_eq!(view.original(1, 3), (1, 11));
        assert_eq!(view.original(2, 5), (6, 13));
        assert_eq!(view.original(0, 1), (0, 1));
        let view = DecodedText::unwrapped(text).unwrap();
        assert_eq!(&**view.text, b"x&#97;&#98;cdef");
        let at = view.text.len() - 4;
        assert_eq!(view.original(at, view.text.len()), (11, text.len()));
    }
}
