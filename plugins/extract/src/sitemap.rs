//! Sitemaps (sitemaps.org): XML, an index of others, one URL a line, RSS or Atom; plain or gzipped.

use std::{borrow::Cow, collections::HashSet, io::Read};

use flate2::read::MultiGzDecoder;
use quick_xml::{Reader, XmlVersion, events::Event};

use crate::{
    charset,
    document::{Document, Failure, UNPACKED_MOST},
    urls::{Base, absolute, resolve},
    xml,
};

/// Entries of one sitemap, as the protocol bounds it.
const ENTRIES_MOST: usize = 50_000;
const DEPTH_MOST: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub url: String,
    pub modified: Option<String>,
    pub is_sitemap: bool,
}

pub fn read(document: Document<'_>) -> Result<Vec<Entry>, Failure> {
    let bytes = unpacked(document.bytes)?;
    let label = charset::declared_within(&bytes);
    let text = charset::decode(&bytes, &[charset::of_content_type(document.content_type), label.as_deref()]);
    let start = text.trim_start();
    let mut entries = if start.starts_with('<') { xml(start, document.name)? } else { lines(start)? };
    let mut seen = HashSet::new();
    entries.retain(|entry| seen.insert(entry.url.clone()));
    entries.truncate(ENTRIES_MOST);
    Ok(entries)
}

/// The text of a file that may be gzipped.
fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Failure> {
    if !bytes.starts_with(b"\x1f\x8b") {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(UNPACKED_MOST as u64 + 1).read_to_end(&mut text);
    if text.len() > UNPACKED_MOST {
        return Err(Failure::too_large("the sitemap has more than 64 MiB unpacked"));
    }
    match read {
        Ok(_) => Ok(Cow::Owned(text)),
        // A cut file still has its first entries.
        Err(_) if !text.is_empty() => Ok(Cow::Owned(text)),
        Err(_) => Err(Failure::damaged("the gzipped sitemap is damaged")),
    }
}

fn lines(text: &str) -> Result<Vec<Entry>, Failure> {
    let entry = |line| Some(Entry { url: absolute(line)?, modified: None, is_sitemap: false });
    let entries: Vec<Entry> = text.lines().filter_map(entry).take(ENTRIES_MOST).collect();
    if entries.is_empty() { Err(none()) } else { Ok(entries) }
}

fn none() -> Failure {
    Failure::damaged("the file is no sitemap: it has no entries of XML, RSS or Atom, and no lines with URLs")
}

/// An entry as far as it was read.
#[derive(Default)]
struct Open {
    url: Option<String>,
    modified: Option<String>,
}

fn xml(text: &str, name: Option<&str>) -> Result<Vec<Entry>, Failure> {
    let base = name.and_then(Base::parse);
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    let mut entries = Vec::new();
    let mut known = false;
    let mut path: Vec<String> = Vec::new();
    let mut open = Open::default();
    let mut words = String::new();
    // A sitemap that is cut or broken still has the entries before.
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(start) => {
                let local = xml::local(start.name().as_ref());
                known |= matches!(local.as_str(), "urlset" | "sitemapindex" | "rss" | "feed" | "RDF");
                if matches!(local.as_str(), "url" | "sitemap" | "item" | "entry") {
                    open = Open::default();
                }
                link(&local, &start, &path, &mut open);
                path.push(local);
                words.clear();
                if path.len() > DEPTH_MOST {
                    return Err(Failure::too_large("the sitemap nests its elements too deep"));
                }
            }
            Event::Empty(start) => link(&xml::local(start.name().as_ref()), &start, &path, &mut open),
            Event::Text(piece) => words.push_str(&piece.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(piece) => words.push_str(&piece),
            Event::GeneralRef(entity) => words.push_str(&xml::entity(&entity)),
            Event::End(_) => {
                let local = path.pop().unwrap_or_default();
                let parent = path.last().map_or("", String::as_str);
                let said = words.trim();
                match (local.as_str(), parent) {
                    ("loc", "url" | "sitemap") | ("link", "item") => open.url = Some(said.to_owned()),
                    ("guid", "item") if open.url.is_none() => open.url = Some(said.to_owned()),
                    ("lastmod", "url" | "sitemap") | ("pubDate" | "date", "item") | ("updated", "entry") => {
                        open.modified = Some(said.chars().take(64).collect());
                    }
                    ("url" | "sitemap" | "item" | "entry", _) => {
                        let Open { url, modified } = std::mem::take(&mut open);
                        if let Some(url) = url.and_then(|url| resolve(base, &url)) {
                            entries.push(Entry { url, modified, is_sitemap: local == "sitemap" });
                        }
                        if entries.len() == ENTRIES_MOST {
                            return Ok(entries);
                        }
                    }
                    _ => {}
                }
                words.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if known || !entries.is_empty() { Ok(entries) } else { Err(none()) }
}

/// Atom's links are attributes.
fn link(local: &str, start: &quick_xml::events::BytesStart<'_>, path: &[String], open: &mut Open) {
    if local == "link" && path.last().is_some_and(|parent| parent == "entry") {
        let kind = xml::attribute(start, "rel");
        if kind.is_none_or(|kind| kind == "alternate") && open.url.is_none() {
            open.url = xml::attribute(start, "href");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::FailureKind;

    fn read_as(bytes: &[u8]) -> Result<Vec<(String, Option<String>, bool)>, Failure> {
        let document = Document { bytes, content_type: None, name: Some("https://a.example/feeds/x.xml") };
        let tuple = |entry: Entry| (entry.url, entry.modified, entry.is_sitemap);
        read(document).map(|entries| entries.into_iter().map(tuple).collect())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_kind_gives_its_entries() {
        let one = |url: &str, modified: Option<&str>, index| (url.to_owned(), modified.map(str::to_owned), index);
        let map = b"<?xml version='1.0'?><urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>\
            <url><loc> https://a.example/?a=1&amp;b=2 </loc><lastmod>2026-01-02</lastmod></url>\
            <url><loc><![CDATA[https://a.example/c]]></loc></url><url><loc>ftp://x/</loc></url></urlset>";
        let expected =
            vec![one("https://a.example/?a=1&b=2", Some("2026-01-02"), false), one("https://a.example/c", None, false)];
        assert_eq!(read_as(map).unwrap(), expected);
        assert_eq!(read_as(&gzip(map)).unwrap(), expected);
        let index = b"<sitemapindex><sitemap><loc>https://a.example/1.xml.gz</loc></sitemap></sitemapindex>";
        assert_eq!(read_as(index).unwrap(), [one("https://a.example/1.xml.gz", None, true)]);
        let rss = b"<rss><channel><link>https://a.example/</link><item><link>/p</link><pubDate>Mon</pubDate></item></channel></rss>";
        assert_eq!(read_as(rss).unwrap(), [one("https://a.example/p", Some("Mon"), false)]);
        let atom = b"<feed><entry><link rel='self' href='s'/><link href='q'/><updated>2026</updated></entry></feed>";
        assert_eq!(read_as(atom).unwrap(), [one("https://a.example/feeds/q", Some("2026"), false)]);
        assert_eq!(read_as(b"https://a.example/1\r\nhttps://a.example/2\n").unwrap().len(), 2);
    }

    #[test]
    fn bombs_and_pages_are_refused_and_cut_files_read() {
        let bomb = gzip(&vec![b' '; UNPACKED_MOST + 2]);
        assert_eq!(read_as(&bomb).unwrap_err().kind, FailureKind::TooLarge);
        assert_eq!(read_as(b"<html><body>Not found").unwrap_err().kind, FailureKind::Damaged);
        assert_eq!(read_as("<a>".repeat(100).as_bytes()).unwrap_err().kind, FailureKind::TooLarge);
        assert_eq!(read_as(b"<urlset><url><loc>https://a.example/1</loc></url><url><lo").unwrap().len(), 1);
    }
}
