//! `X-Citations`: an answer's citations as JSON in ASCII, small enough for a header field.

use std::io;

use http::{HeaderName, HeaderValue};
use resly_core::knowledge::Citation;
use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

pub const X_CITATIONS: HeaderName = HeaderName::from_static("x-citations");
/// Many proxies and clients refuse more.
const CAP: usize = 4096;

/// The field's value. What doesn't fit is left out from the end; `GET /api/messages/{id}` has it all.
pub fn header(citations: &[Citation]) -> HeaderValue {
    let mut all = vec![b'['];
    for citation in citations {
        let before = all.len();
        if before > 1 {
            all.push(b',');
        }
        let mut serializer = serde_json::Serializer::with_formatter(&mut all, Ascii);
        if citation.serialize(&mut serializer).is_err() || all.len() >= CAP {
            all.truncate(before);
            break;
        }
    }
    all.push(b']');
    HeaderValue::from_maybe_shared(bytes::Bytes::from(all)).unwrap_or_else(|_| HeaderValue::from_static("[]"))
}

/// Escapes everything beyond printable ASCII as `\uXXXX` (RFC 8259, section 7).
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, char) in fragment.char_indices().filter(|(_, char)| !matches!(char, ' '..='~')) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            plain = at + char.len_utf8();
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn citation(n: u32, title: &str, snippet: String) -> Citation {
        Citation { n, title: title.into(), url: None, source_id: "s".into(), snippet }
    }

    #[test]
    fn it_is_ascii_and_reads_back() {
        let citations = [citation(1, "Größe 😀\u{7f}\n\"", "x".into()), citation(2, "b", "y".into())];
        let value = header(&citations);
        let text = value.to_str().unwrap();
        assert!(text.contains("Gr\\u00f6\\u00dfe \\ud83d\\ude00\\u007f\\n"));
        assert_eq!(serde_json::from_str::<Vec<Citation>>(text).unwrap(), citations);
        assert_eq!(header(&[]), "[]");
    }

    #[test]
    fn it_fits_by_leaving_out_the_last() {
        let citations: Vec<_> = (1..=9).map(|n| citation(n, "title", "ü".repeat(120))).collect();
        let value = header(&citations);
        assert!(value.len() <= CAP, "{}", value.len());
        let read: Vec<Citation> = serde_json::from_slice(value.as_bytes()).unwrap();
        assert!(!read.is_empty() && read.len() < 9);
        assert_eq!(read, citations[..read.len()]);
    }
}
