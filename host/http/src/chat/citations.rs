//! Citations in the chat's answers, and `X-Citations`, which holds them as ASCII JSON that fits into a header field.

use std::io;

use http::{HeaderName, HeaderValue};
use resly_core::knowledge;
use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};
use utoipa::ToSchema;

pub const X_CITATIONS: HeaderName = HeaderName::from_static("x-citations");
/// What an answer rests on.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[cfg_attr(test, derive(PartialEq, serde::Deserialize))]
#[serde(rename_all = "camelCase")]
pub struct Citation {
    /// As in the text's `[1]`.
    n: u32,
    title: String,
    #[schema(required)]
    url: Option<String>,
    /// The knowledge source, or the connection that was called.
    source_id: String,
    snippet: String,
}

impl Citation {
    pub fn all(citations: &[knowledge::Citation]) -> Vec<Self> {
        citations.iter().map(Self::from).collect()
    }
}

impl From<&knowledge::Citation> for Citation {
    fn from(citation: &knowledge::Citation) -> Self {
        let knowledge::Citation { n, title, url, source_id, snippet } = citation.clone();
        Self { n, title, url, source_id, snippet }
    }
}

/// The most bytes of the field, because many proxies and clients refuse more.
const CAP: usize = 4096;

/// The field's value. Citations at the end that don't fit are left out. `GET /api/messages/{id}` has them all.
pub fn header(citations: &[knowledge::Citation]) -> HeaderValue {
    let mut all = vec![b'['];
    for citation in citations {
        let before = all.len();
        if before > 1 {
            all.push(b',');
        }
        let mut serializer = serde_json::Serializer::with_formatter(&mut all, Ascii);
        if Citation::from(citation).serialize(&mut serializer).is_err() || all.len() >= CAP {
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

    fn citation(n: u32, title: &str, snippet: String) -> knowledge::Citation {
        knowledge::Citation { n, title: title.into(), url: None, source_id: "s".into(), snippet }
    }

    #[test]
    fn it_is_ascii_and_reads_back() {
        let citations = [citation(1, "Größe 😀\u{7f}\n\"", "x".into()), citation(2, "b", "y".into())];
        let value = header(&citations);
        let text = value.to_str().unwrap();
        assert!(text.contains("Gr\\u00f6\\u00dfe \\ud83d\\ude00\\u007f\\n"));
        assert_eq!(serde_json::from_str::<Vec<Citation>>(text).unwrap(), Citation::all(&citations));
        assert!(text.contains("\"sourceId\":\"s\""), "{text}");
        assert_eq!(header(&[]), "[]");
    }

    #[test]
    fn it_fits_by_leaving_out_the_last() {
        let citations: Vec<_> = (1..=9).map(|n| citation(n, "title", "ü".repeat(120))).collect();
        let value = header(&citations);
        assert!(value.len() <= CAP, "{}", value.len());
        let read: Vec<Citation> = serde_json::from_slice(value.as_bytes()).unwrap();
        assert!(!read.is_empty() && read.len() < 9);
        assert_eq!(read, Citation::all(&citations[..read.len()]));
    }
}
