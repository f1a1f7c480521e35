//! Word documents that are made here, and the Markdown that comes of them.

use std::io::{Cursor, Write};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{Document, Extracted, Failure, FailureKind, extract};

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

const RELATIONS: &str = r#"<Relationships><Relationship Id="r1" Type="http://x/styles" Target="styles.xml"/>
    <Relationship Id="r2" Type="http://x/numbering" Target="numbering.xml"/>
    <Relationship Id="r3" Type="http://x/hyperlink" Target="https://a.example/x" TargetMode="External"/>
    <Relationship Id="r4" Type="http://x/footnotes" Target="/word/footnotes.xml"/></Relationships>"#;
const STYLES: &str = r#"<w:styles><w:style w:styleId="Ueber1"><w:name w:val="heading 1"/></w:style>
    <w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="Ueber1"/></w:style>
    <w:style w:styleId="V1"><w:name w:val="toc 1"/></w:style>
    <w:style w:styleId="Loop"><w:name w:val="x"/><w:basedOn w:val="Loop"/></w:style></w:styles>"#;
const NUMBERING: &str = r#"<w:numbering><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/></w:lvl>
    <w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>
    <w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num></w:numbering>"#;
const NOTES: &str =
    r#"<w:footnotes><w:footnote w:id="2"><w:p><w:r><w:t>Only in Ohio.</w:t></w:r></w:p></w:footnote></w:footnotes>"#;

fn read(body: &str) -> Result<Extracted, Failure> {
    let document = format!("<?xml version=\"1.0\"?><w:document><w:body>{body}</w:body></w:document>");
    let bytes = zip(&[
        ("word/document.xml", &document),
        ("word/_rels/document.xml.rels", RELATIONS),
        ("word/styles.xml", STYLES),
        ("word/numbering.xml", NUMBERING),
        ("word/footnotes.xml", NOTES),
    ]);
    extract(Document { bytes: &bytes, content_type: None, name: None })
}

fn paragraph(properties: &str, text: &str) -> String {
    format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
}

#[test]
fn structure_becomes_markdown() {
    let item = |level: usize, text| {
        paragraph(&format!("<w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"5\"/></w:numPr>"), text)
    };
    let cell = |properties: &str, text| format!("<w:tc><w:tcPr>{properties}</w:tcPr>{}</w:tc>", paragraph("", text));
    let body = [
        paragraph("<w:pStyle w:val=\"V1\"/>", "Contents 3"),
        paragraph("<w:pStyle w:val=\"Mine\"/>", "Terms &amp; &lt;prices&gt;"),
        "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>One</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t xml:space=\"preserve\"> two </w:t></w:r>\
         <w:hyperlink r:id=\"r3\"><w:r><w:t>three</w:t></w:r></w:hyperlink><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>\
         <w:r><w:t>four</w:t><w:footnoteReference w:id=\"2\"/></w:r></w:p>".to_owned(),
        item(0, "a"), item(1, "b"), item(0, "c"),
        format!("<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>", cell("", "A"), cell("", "B"),
            cell("<w:vMerge w:val=\"restart\"/>", "x|y"), cell("", "1"), cell("<w:vMerge/>", ""), cell("", "2")),
        paragraph("<w:outlineLvl w:val=\"1\"/>", "Second"),
        paragraph("<w:pStyle w:val=\"Loop\"/>", "Last"),
    ];
    let extracted = read(&body.concat()).unwrap();
    let expected = "# Terms & \\<prices>\n\n**One two** [three](https://a.example/x)four*\n\n\\* Only in Ohio.\n\n\
        1. a\n   - b\n2. c\n\n| A | B |\n| --- | --- |\n| x\\|y | 1 |\n| x\\|y | 2 |\n\n## Second\n\nLast";
    assert_eq!(extracted.text, expected);
    assert_eq!(extracted.title.as_deref(), Some("Terms & <prices>"));
    assert_eq!(extracted.links, ["https://a.example/x"]);
}

#[test]
fn what_is_no_word_document_is_told_by_what_it_is() {
    let kind =
        |files: &[(&str, &str)]| extract(Document { bytes: &zip(files), content_type: None, name: None }).unwrap_err();
    assert!(kind(&[("xl/workbook.xml", "")]).message.contains("CSV"));
    assert!(kind(&[("ppt/presentation.xml", "")]).message.contains("PDF"));
    assert!(kind(&[("a.txt", "")]).message.contains("one by one"));
    assert_eq!(read("").unwrap_err().kind, FailureKind::Empty);
    assert_eq!(read("<w:p>").unwrap_err().kind, FailureKind::Damaged);
    assert_eq!(read(&"<w:p>".repeat(600)).unwrap_err().kind, FailureKind::TooLarge);
    let mut cut = zip(&[("word/document.xml", "<w:document/>")]);
    cut.truncate(40);
    assert_eq!(
        extract(Document { bytes: &cut, content_type: None, name: None }).unwrap_err().kind,
        FailureKind::Damaged
    );
}
