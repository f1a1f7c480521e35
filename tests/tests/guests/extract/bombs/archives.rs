//! Archives and Word documents that were made to break parsers.

use resly_tests::documents::{docx_of, zip};

use super::{MB, Named, named};

pub fn all() -> Vec<Named> {
    let text = |text: &str| format!("<w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body>");
    let bomb = zip(&[("word/document.xml", &vec![b' '; 200 * MB])]);
    let nested = (0..6).fold(zip(&[("word/document.xml", b"<a/>")]), |inner, _| {
        zip(&[("word/document.xml", &inner), ("a.zip", &inner)])
    });
    let entities = "<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>";
    let files: Vec<(String, Vec<u8>)> = (0..25_000).map(|n| (format!("{n}"), Vec::new())).collect();
    let many: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let relations = |target: &str| {
        format!("<Relationships><Relationship Id='a' Type='x/officeDocument' Target='{target}'/></Relationships>")
    };
    let related = |target: &str| {
        zip(&[("_rels/.rels", relations(target).as_bytes()), ("word/document.xml", text("x").as_bytes())])
    };
    let styles = "<w:styles><w:style w:styleId='a'><w:basedOn w:val='b'/></w:style><w:style w:styleId='b'><w:basedOn w:val='a'/></w:style></w:styles>";
    let styled = |xml: &str| {
        zip(&[
            ("word/document.xml", xml.as_bytes()),
            ("word/_rels/document.xml.rels", b"<R><Relationship Id='s' Type='x/styles' Target='styles.xml'/></R>"),
            ("word/styles.xml", styles.as_bytes()),
        ])
    };
    let huge_count = {
        let mut bytes = zip(&[("word/document.xml", text("x").as_bytes())]);
        let end = bytes.len() - 22;
        bytes[end + 8..end + 12].fill(0xff);
        bytes
    };
    let wrong_sizes = {
        let mut bytes = zip(&[("word/document.xml", text("x").as_bytes())]);
        let at = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap_or(0);
        bytes[at + 20..at + 28].fill(0x7f);
        bytes
    };
    let locked = {
        let mut bytes = zip(&[("word/document.xml", text("x").as_bytes())]);
        let at = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap_or(0);
        (bytes[6], bytes[at + 8]) = (bytes[6] | 1, bytes[at + 8] | 1);
        bytes
    };
    let documents = [
        ("zip bomb", bomb),
        ("zips in zips", nested),
        ("25000 files", zip(&many)),
        ("an archive that says it has 65535 files", huge_count),
        ("wrong sizes", wrong_sizes),
        ("a file with a password", locked),
        ("a part outside", related("../../../../etc/passwd")),
        ("a part elsewhere", related("https://example.com/x")),
        ("a part that is missing", related("word/none.xml")),
        ("styles in a circle", styled("<w:document><w:p><w:pPr><w:pStyle w:val='a'/></w:pPr><w:r><w:t>x</w:t></w:r></w:p></w:document>")),
        ("entities", docx_of(&format!("{entities}{}", text("&c;&c;")))),
        ("an external entity", docx_of(&format!("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{}", text("&x;")))),
        ("deep paragraphs", docx_of(&"<w:p>".repeat(100_000))),
        ("deep tables", docx_of(&"<w:tbl><w:tr><w:tc>".repeat(100))),
        ("deeper tables", docx_of(&"<w:tbl><w:tr><w:tc><w:p>".repeat(100_000))),
        ("wide cells", docx_of(&format!("<w:tbl><w:tr>{}</w:tr></w:tbl>", "<w:tc><w:tcPr><w:gridSpan w:val='4294967295'/></w:tcPr></w:tc>".repeat(5_000)))),
        ("many rows", docx_of(&format!("<w:tbl>{}</w:tbl>", "<w:tr><w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc><w:tc/></w:tr>".repeat(50_000)))),
        ("rows that join", docx_of(&format!("<w:tbl>{}</w:tbl>", format!("<w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc><w:tc/></w:tr>", "x".repeat(1_000)).repeat(5_000)))),
        ("text of 12 MB", docx_of(&text(&"x ".repeat(6 * MB)))),
        ("ends without starts", docx_of("</w:p></w:r></w:tbl></w:tc></w:body>")),
        ("rows without tables", docx_of("<w:tr><w:tc><w:p/></w:tc></w:tr><w:hyperlink/><w:footnote w:id='1'/>")),
        ("numbers of lists", docx_of(&"<w:p><w:pPr><w:numPr><w:ilvl w:val='99999'/><w:numId w:val='7'/></w:numPr></w:pPr><w:r><w:t>x</w:t></w:r></w:p>".repeat(20_000))),
        ("attributes", docx_of(&format!("<w:p {}/>", "a='b' ".repeat(200_000)))),
        ("not closed", docx_of(&text("x")[..30])),
        ("an empty archive", zip(&[])),
    ];
    named("application/octet-stream", documents.map(|(name, bytes)| (name.to_owned(), bytes)).into())
}
