//! A document's format: by its first bytes, then by its content type, then by its name.

use crate::{
    document::{Document, Extracted, Failure, FailureKind},
    docx, html, pdf, table, text,
};

/// Bytes that are looked at.
const HEAD: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Html,
    Pdf,
    Docx,
    Csv,
    Markdown,
    Plain,
    /// What it is, for the admin.
    Other(&'static str),
}

pub fn extract(document: Document<'_>) -> Result<Extracted, Failure> {
    match format(&document) {
        // Office wraps what has a password into its older format.
        Format::Other(_) if is_encrypted_office(document.bytes) => {
            Err(Failure::new(FailureKind::Encrypted, "the document needs a password; save it without one"))
        }
        Format::Html => html::extract(document),
        Format::Csv => table::extract(document),
        Format::Markdown => text::markdown(document),
        Format::Plain => text::plain(document),
        Format::Pdf => pdf::extract(document),
        Format::Docx => docx::extract(document),
        Format::Other(what) => Err(unsupported(what)),
    }
}

fn is_encrypted_office(bytes: &[u8]) -> bool {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.starts_with(b"\xd0\xcf\x11\xe0") && bytes.windows(name.len()).any(|window| window == name)
}

fn unsupported(what: &str) -> Failure {
    let message = format!("{what} can't be read; save it as PDF, DOCX, HTML, CSV, Markdown or plain text");
    Failure::new(FailureKind::Unsupported, message)
}

/// Formats by their first bytes that aren't read.
const OTHERS: &[(&[u8], &str)] = &[
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of Office before 2007, or one with a password"),
    (b"{\\rtf", "an RTF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"RIFF", "a picture, sound or film"),
    (b"%!PS", "a PostScript file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\0asm", "a program"),
    (b"Rar!", "an archive"),
    (b"7z\xbc\xaf\x27\x1c", "an archive"),
    (b"\x1f\x8b", "a compressed file"),
    (b"BZh", "a compressed file"),
    (b"\xfd7zXZ", "a compressed file"),
    (b"\x28\xb5\x2f\xfd", "a compressed file"),
    (b"SQLite format 3", "a database"),
    (b"ID3", "sound"),
    (b"OggS", "sound or film"),
];

pub fn format(document: &Document<'_>) -> Format {
    let head = &document.bytes[..document.bytes.len().min(HEAD)];
    // The PDF's header may come after other bytes (ISO 32000-2, annex I).
    if head.windows(5).any(|window| window == b"%PDF-") {
        return Format::Pdf;
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Format::Docx;
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Format::Other(what);
    }
    if looks_like_html(head) {
        return Format::Html;
    }
    if looks_like_xml(head) {
        return Format::Other("an XML file");
    }
    by_type(document.content_type).or_else(|| by_name(document.name)).unwrap_or(Format::Plain)
}

fn looks_like_html(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head).replace('\0', "").to_ascii_lowercase();
    let mut text = text.trim_start_matches(|c: char| c == '\u{feff}' || c == '\u{fffd}' || c.is_whitespace());
    // Comments and a declaration may come first.
    while let Some(rest) = text.strip_prefix("<!--").or_else(|| text.strip_prefix("<?xml")) {
        let Some((_, after)) = rest.split_once('>') else { return false };
        text = after.trim_start();
    }
    ["<!doctype html", "<html", "<head", "<body", "<title", "<meta", "<div", "<h1", "<table"]
        .iter()
        .any(|tag| text.starts_with(tag))
}

fn looks_like_xml(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    ["<?xml", "<rss", "<feed", "<urlset", "<sitemapindex"].iter().any(|start| text.starts_with(start.as_bytes()))
}

fn by_type(content_type: Option<&str>) -> Option<Format> {
    let essence = content_type?.split(';').next()?.trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/html" | "application/xhtml+xml" => Some(Format::Html),
        "text/markdown" | "text/x-markdown" => Some(Format::Markdown),
        "text/csv" | "text/tab-separated-values" | "application/csv" => Some(Format::Csv),
        _ => None,
    }
}

fn by_name(name: Option<&str>) -> Option<Format> {
    let path = name?.split(['?', '#']).next()?;
    let extension = path.rsplit_once('.')?.1.to_ascii_lowercase();
    match extension.as_str() {
        "html" | "htm" | "xhtml" => Some(Format::Html),
        "md" | "markdown" | "mdx" => Some(Format::Markdown),
        "csv" | "tsv" | "tab" => Some(Format::Csv),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_before_the_type_and_the_type_before_the_name() {
        let format = |bytes: &[u8], content_type, name| format(&Document { bytes, content_type, name });
        assert_eq!(format(b"%PDF-1.7", Some("text/html"), Some("x.csv")), Format::Pdf);
        assert_eq!(format(b" <!-- x --><!DOCTYPE HTML>", Some("text/plain"), None), Format::Html);
        assert_eq!(format(b"a,b", Some("text/csv; header=present"), Some("x.html")), Format::Csv);
        assert_eq!(format(b"# A", Some("application/octet-stream"), Some("https://a/b.MD?x=.csv")), Format::Markdown);
        assert_eq!(format(b"words", None, None), Format::Plain);
        assert_eq!(format(b"<?xml version='1.0'?><html xmlns='x'>", None, None), Format::Html);
        assert_eq!(format(b"\n<rss><channel>", Some("text/html"), None), Format::Other("an XML file"));
        assert_eq!(format(b"\x89PNG", Some("text/plain"), None), Format::Other("a picture"));
    }
}
