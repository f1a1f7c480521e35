//! Documents for suites and benchmarks: a page, a table, a PDF and a Word document, each as large as wanted.

use std::io::{Cursor, Write};

use flate2::{Compression, write::GzEncoder, write::ZlibEncoder};
use zip::{ZipWriter, write::SimpleFileOptions};

/// A section's words, other ones for each number.
fn words(n: usize) -> String {
    let kinds = ["hub", "sensor", "camera", "siren", "doorbell", "remote"];
    let kind = kinds[n % kinds.len()];
    format!(
        "Hold the button of the {kind} for {} seconds until the light turns green. If it blinks {} times instead, move the \
         {kind} closer to the router and try again; a wall of concrete takes half of the range.",
        n % 17 + 2,
        n % 5 + 2
    )
}

/// A help centre's page with so many sections, and what such pages have around them.
pub fn html(sections: usize) -> Vec<u8> {
    let menu: String = (0..40).map(|n| format!("<li><a href=\"/articles/{n}\">Article number {n}</a></li>")).collect();
    let section = |n| {
        format!(
            "<h2 id=\"s{n}\">Part {n}</h2><p>{}</p><ul><li>Step <b>one</b></li><li>Step <a href=\"/x/{n}\">two</a></li></ul>\
             <table><tr><th>Code</th><th>Meaning</th></tr><tr><td>E-{n}</td><td>no connection</td></tr></table>",
            words(n)
        )
    };
    let sections: String = (0..sections).map(section).collect();
    format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><title>Pairing | Help</title><style>.a{{color:red}}</style></head>\
         <body><header><nav><ul>{menu}</ul></nav></header><main><article><h1>Pairing</h1>{sections}</article></main>\
         <aside class=\"sidebar\"><ul>{menu}</ul></aside><footer>Imprint</footer><script>var a = 1;</script></body></html>"
    )
    .into_bytes()
}

pub fn csv(rows: usize) -> Vec<u8> {
    let row = |n| format!("E-{n},\"{}\",{}\n", words(n), n * 3);
    format!("Code,What to do,Price\n{}", (0..rows).map(row).collect::<String>()).into_bytes()
}

pub fn sitemap(entries: usize) -> Vec<u8> {
    let entry = |n| format!("<url><loc>https://a.example/{n}</loc><lastmod>2026-01-01</lastmod></url>");
    format!("<?xml version=\"1.0\"?><urlset>{}</urlset>", (0..entries).map(entry).collect::<String>()).into_bytes()
}

/// A Word document with so many paragraphs, each under a heading, and a row of a table for each.
pub fn docx(paragraphs: usize) -> Vec<u8> {
    let paragraph = |n| {
        format!(
            "<w:p><w:pPr><w:pStyle w:val=\"Heading2\"/></w:pPr><w:r><w:t>Part {n}</w:t></w:r></w:p>\
             <w:p><w:r><w:t>{}</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>Code</w:t></w:r></w:p></w:tc>\
             <w:tc><w:p><w:r><w:t>E-{n}</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
            words(n)
        )
    };
    docx_of(&format!("<w:body>{}</w:body>", (0..paragraphs).map(paragraph).collect::<String>()))
}

/// A Word document of this XML.
pub fn docx_of(body: &str) -> Vec<u8> {
    zip(&[
        ("word/document.xml", format!("<w:document>{body}</w:document>").as_bytes()),
        ("docProps/core.xml", b"<cp:coreProperties><dc:title>Pairing</dc:title></cp:coreProperties>"),
    ])
}

pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        // Writing to memory doesn't fail.
        drop(writer.start_file(*name, SimpleFileOptions::default()));
        drop(writer.write_all(bytes));
    }
    writer.finish().map(Cursor::into_inner).unwrap_or_default()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    drop(encoder.write_all(bytes));
    encoder.finish().unwrap_or_default()
}

pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    drop(encoder.write_all(bytes));
    encoder.finish().unwrap_or_default()
}

/// The content stream of a page of text.
pub fn pdf_text(page: usize) -> Vec<u8> {
    let mut content = format!("BT /F1 18 Tf 50 790 Td (Chapter {page}) Tj ET\n");
    for line in 0..50 {
        let text = words(page * 50 + line);
        let text: String = text.chars().take(90).collect();
        content.push_str(&format!("BT /F1 10 Tf 50 {} Td ({text}) Tj ET\n", 760 - 14 * line));
    }
    content.into_bytes()
}

/// A PDF with so many pages, whose content is packed.
pub fn pdf(pages: usize) -> Vec<u8> {
    let mut objects: Vec<Vec<u8>> = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        Vec::new(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_vec(),
    ];
    let mut kids = String::new();
    for page in 0..pages {
        let id = objects.len() + 1;
        kids.push_str(&format!("{id} 0 R "));
        objects.push(format!("<</Type/Page/Parent 2 0 R/Contents {} 0 R>>", id + 1).into_bytes());
        objects.push(pdf_stream("/Filter/FlateDecode", &deflate(&pdf_text(page))));
    }
    objects[1] =
        format!("<</Type/Pages/Count {pages}/Kids[{kids}]/Resources<</Font<</F1 3 0 R>>>>/MediaBox[0 0 595 842]>>")
            .into_bytes();
    pdf_of(&objects, "")
}

pub fn pdf_stream(entries: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = format!("<<{entries}/Length {}>>stream\n", bytes.len()).into_bytes();
    stream.extend_from_slice(bytes);
    stream.extend_from_slice(b"\nendstream");
    stream
}

/// A PDF of these objects, the first of which is its catalog. `trailer` are further entries of its trailer.
pub fn pdf_of(objects: &[Vec<u8>], trailer: &str) -> Vec<u8> {
    let mut pdf = b"%PDF-1.5\n".to_vec();
    let mut offsets = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        offsets.push(pdf.len());
        pdf.extend_from_slice(format!("{} 0 obj\n", n + 1).as_bytes());
        pdf.extend_from_slice(object);
        pdf.extend_from_slice(b"\nendobj\n");
    }
    let start = pdf.len();
    pdf.extend_from_slice(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).as_bytes());
    for offset in offsets {
        pdf.extend_from_slice(format!("{offset:010} 00000 n \n").as_bytes());
    }
    let end = format!("trailer\n<</Root 1 0 R/Size {}{trailer}>>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1);
    pdf.extend_from_slice(end.as_bytes());
    pdf
}
