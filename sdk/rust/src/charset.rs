//! Decodes a response's bytes to text, by the charset that the response names.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// A decoded text.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded<'b> {
    /// Without a byte order mark.
    pub text: Cow<'b, str>,
    /// Why a part may be wrong: the charset has no character for some bytes, which are now U+FFFD.
    pub doubt: Option<String>,
}

/// Decodes a body. The charset is that of a byte order mark, or of the `Content-Type`, or of an XML declaration.
/// Without any of these it is UTF-8. A text that isn't valid UTF-8 is read as Windows-1252, as browsers do.
pub fn decode<'b>(content_type: Option<&str>, body: &'b [u8]) -> Decoded<'b> {
    if let Some((encoding, length)) = Encoding::for_bom(body) {
        return by(encoding, &body[length..]);
    }
    let kind = content_type.unwrap_or_default().to_ascii_lowercase();
    let declared = charset(&kind).map(str::to_owned).or_else(|| declared_by_xml(body));
    match declared.as_deref().map(|label| Encoding::for_label(label.as_bytes()).ok_or(label)) {
        Some(Ok(encoding)) => by(encoding, body),
        Some(Err(label)) => {
            let mut decoded = by(UTF_8, body);
            if decoded.doubt.is_some() {
                let label: String = label.chars().take(40).collect();
                decoded.doubt = Some(format!("its charset `{label}` is not known"));
            }
            decoded
        }
        // JSON is UTF-8 (RFC 8259, section 8.1), and so is everything that isn't declared as text.
        None if kind.starts_with("text/") && std::str::from_utf8(body).is_err() => by(WINDOWS_1252, body),
        None => by(UTF_8, body),
    }
}

fn by<'b>(encoding: &'static Encoding, body: &'b [u8]) -> Decoded<'b> {
    // Further byte order marks at the start are removed, too, because a text has no use for them.
    let (text, wrong) = encoding.decode_without_bom_handling(body);
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_start_matches('\u{feff}')),
        Cow::Owned(text) if text.starts_with('\u{feff}') => Cow::Owned(text.trim_start_matches('\u{feff}').to_owned()),
        Cow::Owned(text) => Cow::Owned(text),
    };
    let doubt = wrong.then(|| format!("some of its bytes are no {}", encoding.name()));
    Decoded { text, doubt }
}

/// The parameter `charset` of a media type in lower case (RFC 9110, section 8.3.1).
fn charset(kind: &str) -> Option<&str> {
    let mut rest = kind;
    // Earlier parameters may be quoted and contain a semicolon.
    loop {
        let semicolon = outside_quotes(rest, b';')?;
        rest = rest[semicolon + 1..].trim_start();
        let Some(value) = rest.strip_prefix("charset") else { continue };
        let Some(value) = value.trim_start().strip_prefix('=') else { continue };
        let value = value.trim_start();
        let end = outside_quotes(value, b';').unwrap_or(value.len());
        let value = value[..end].trim().trim_matches(['"', '\'']).trim();
        return Some(value).filter(|value| !value.is_empty());
    }
}

fn outside_quotes(text: &str, wanted: u8) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    text.bytes().position(|byte| {
        if escaped {
            escaped = false;
            return false;
        }
        escaped = quoted && byte == b'\\';
        quoted ^= byte == b'"';
        byte == wanted && !quoted
    })
}

/// The encoding in an XML declaration (XML 1.0, section 4.3.3).
fn declared_by_xml(body: &[u8]) -> Option<String> {
    let head = body.get(..body.len().min(200))?;
    let head = head.strip_prefix(b"<?xml")?;
    let head = String::from_utf8_lossy(head.split(|byte| *byte == b'>').next()?).to_ascii_lowercase();
    let value = head.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start().to_owned();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    value[1..].split(quote).next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: &str, body: &[u8]) -> String {
        let decoded = decode(Some(kind).filter(|kind| !kind.is_empty()), body);
        assert_eq!(decoded.doubt, None, "{kind} {body:?}");
        decoded.text.into_owned()
    }

    #[test]
    fn the_named_charset_is_read() {
        assert_eq!(text("text/csv; charset=ISO-8859-1", b"M\xfcller;\xa41"), "Müller;¤1");
        assert_eq!(text("application/json;charset=\"windows-1252\"", b"\"\x80 5\""), "\"€ 5\"");
        assert_eq!(text("text/plain; format=\"a;charset=x\" ; Charset = 'Shift_JIS'", b"\x93\xfa\x96\x7b"), "日本");
        assert_eq!(text("application/json; charset=utf-16le", b"[\x001\x00]\x00"), "[1]");
        assert_eq!(text("application/json; charset=utf-8", "ü".as_bytes()), "ü");
        assert_eq!(
            text("text/xml", b"<?xml version='1.0' encoding='iso-8859-15'?><a>\xa4</a>").chars().rev().nth(4),
            Some('€')
        );
    }

    #[test]
    fn a_byte_order_mark_counts_more_and_goes() {
        assert_eq!(text("application/json; charset=iso-8859-1", "\u{feff}\"ü\"".as_bytes()), "\"ü\"");
        assert_eq!(text("", "\u{feff}\u{feff}[]".as_bytes()), "[]");
        assert_eq!(text("text/csv", b"\xff\xfea\x00;\x00b\x00"), "a;b");
        assert_eq!(text("text/csv", b"\xfe\xff\x00a"), "a");
    }

    #[test]
    fn what_names_none_is_utf_8_or_a_text_of_windows() {
        assert_eq!(text("text/plain", "ü".as_bytes()), "ü");
        assert_eq!(text("text/plain", b"M\xfcller"), "Müller");
        let json = decode(Some("application/json"), b"\"M\xfcller\"");
        assert_eq!(json.text, "\"M\u{fffd}ller\"");
        assert!(json.doubt.is_some_and(|doubt| doubt.contains("UTF-8")));
        let unknown = decode(Some("text/plain; charset=x-none"), b"\xfc");
        assert!(unknown.doubt.is_some_and(|doubt| doubt.contains("x-none")));
        assert_eq!(text("text/plain; charset=x-none", b"plain"), "plain");
    }
}
