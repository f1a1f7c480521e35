//! Documents that were made to break parsers, by hand.

mod archives;
mod pages;
mod pdfs;

use resly_tests::documents::{csv, docx_of, gzip, html, pdf, sitemap};

/// A document: what it is, its bytes, its content type. Sitemaps and rules for crawlers have their own functions.
pub type Named = (String, Vec<u8>, &'static str);

const MB: usize = 1 << 20;

pub fn all() -> Vec<Named> {
    [pages::all(), archives::all(), pdfs::all(), tables_and_texts(), mislabelled()].concat()
}

fn named(kind: &'static str, documents: Vec<(String, Vec<u8>)>) -> Vec<Named> {
    documents.into_iter().map(|(name, bytes)| (name, bytes, kind)).collect()
}

fn tables_and_texts() -> Vec<Named> {
    let long = format!("{},b\n{}", "h".repeat(10_000), "x,y\n".repeat(20_000));
    let tables = [
        ("a million columns", "a,".repeat(MB).into_bytes()),
        ("a million rows", "a,b\n".repeat(MB / 2).into_bytes()),
        ("a quote that never ends", format!("a,b\n\"{}", "x\n".repeat(4 * MB)).into_bytes()),
        ("quotes", b"\"".repeat(4 * MB)),
        ("delimiters", b";,|\t\n".repeat(MB)),
        ("zeros", vec![0; 4 * MB]),
        ("long names for short cells", long.into_bytes()),
        ("line breaks", b"\r\n\r".repeat(MB)),
        ("a delimiter of nonsense", b"sep=\"\n\"a\"\"b\"".to_vec()),
        ("UTF-16 without a mark", "a;b\nc;d\n".repeat(10_000).encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16 that is cut", b"\xff\xfea\0,\0b".to_vec()),
    ];
    let texts = [
        ("brackets", b"[".repeat(8 * MB)),
        ("noise", (0..2 * MB).map(|n| (n * 31 % 251) as u8).collect()),
        ("broken UTF-8", b"\xf0\x9f\xe2\x28\xa1\xc3".repeat(MB / 4)),
        ("escapes of ISO-2022", b"\x1b$B\x1b(J\x1b$@".repeat(MB / 8)),
        ("text of 16 MB", b"word\n".repeat((16 * MB - 200) / 5)),
        ("nothing", Vec::new()),
        ("a mark alone", b"\xef\xbb\xbf".to_vec()),
    ];
    let mut documents = named("text/csv", tables.map(|(name, bytes)| (name.to_owned(), bytes)).into());
    documents.extend(named("text/markdown", texts.map(|(name, bytes)| (name.to_owned(), bytes)).into()));
    documents
}

/// Good documents, called something else.
fn mislabelled() -> Vec<Named> {
    let documents = [html(2), csv(3), pdf(1), docx_of("<w:p><w:r><w:t>x</w:t></w:r></w:p>"), gzip(&sitemap(2))];
    let types = [
        "text/html; charset=utf-16",
        "application/pdf",
        "text/csv",
        "image/png",
        ";;;=\"",
        "text/plain; charset=gb18030",
    ];
    let with_types = |bytes: &Vec<u8>| types.map(|kind| (format!("as {kind}"), bytes.clone(), kind)).to_vec();
    documents.iter().flat_map(with_types).collect()
}

/// Sitemaps that were made to break parsers.
pub fn sitemaps() -> Vec<Named> {
    let entities = "<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]><urlset><url><loc>https://a.example/&b;</loc></url></urlset>";
    let external = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><urlset><url><loc>https://a.example/&x;</loc></url></urlset>";
    let mut cut = gzip(&sitemap(2_000));
    cut.truncate(cut.len() / 2);
    let documents = [
        ("a gzip bomb", gzip(&vec![b' '; 200 * MB])),
        (
            "a gzip bomb of entries",
            gzip("<urlset>".to_owned().as_bytes())
                .into_iter()
                .chain(gzip(&b"<url><loc>https://a.example/x</loc></url>".repeat(2 * MB)))
                .collect(),
        ),
        ("gzip in gzip", gzip(&gzip(&gzip(&sitemap(2))))),
        ("a cut gzip", cut),
        ("many gzips", gzip(b"<a>").repeat(20_000)),
        ("entities", entities.into()),
        ("an external entity", external.into()),
        ("deep elements", "<urlset>".repeat(MB).into_bytes()),
        ("a hundred thousand entries", sitemap(100_000)),
        (
            "an entry of 8 MB",
            format!("<urlset><url><loc>https://a.example/{}</loc></url></urlset>", "x".repeat(8 * MB)).into_bytes(),
        ),
        ("lines without end", b"https://a.example/\n".repeat(MB / 2)),
        ("attributes", format!("<feed><entry><link {}/></entry></feed>", "a='b' ".repeat(MB)).into_bytes()),
        ("not closed", b"<urlset><url><loc>https://a.example/1</loc><![CDATA[".to_vec()),
        ("a page", html(3)),
        ("a PDF", pdf(1)),
        ("noise", (0..MB).map(|n| (n * 31 % 251) as u8).collect()),
        ("nothing", Vec::new()),
    ];
    named("application/xml", documents.map(|(name, bytes)| (name.to_owned(), bytes)).into())
}

/// Rules for crawlers that were made to break parsers.
pub fn robots() -> Vec<Vec<u8>> {
    vec![
        b"User-agent: a\n".repeat(MB),
        format!("User-agent: *\n{}", "Disallow: /x\n".repeat(MB)).into_bytes(),
        format!("User-agent: *\nDisallow: /{}", "*".repeat(MB)).into_bytes(),
        b":\n".repeat(MB),
        vec![0xff; MB],
        b"Sitemap: https://a.example/\n".repeat(MB / 4),
        b"\r\r\n#".repeat(MB),
    ]
}
