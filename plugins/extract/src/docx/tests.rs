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
    <Relationship Id="r4" Type="http://x/footnotes" Target="/word/footnotes.xml"/>
    <Relationship Id="r5" Type="http://x/header" Target="header1.xml"/>
    <Relationship Id="r6" Type="http://x/footer" Target="footer1.xml"/>
    <Relationship Id="r7" Type="http://x/footer" Target="footer2.xml"/></Relationships>"#;
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
    read_with(body, &[])
}

fn read_with(body: &str, parts: &[(&str, &str)]) -> Result<Extracted, Failure> {
    let document = format!("<?xml version=\"1.0\"?><w:document><w:body>{body}</w:body></w:document>");
    let usual = [
        ("word/document.xml", document.as_str()),
        ("word/_rels/document.xml.rels", RELATIONS),
        ("word/styles.xml", STYLES),
        ("word/numbering.xml", NUMBERING),
        ("word/footnotes.xml", NOTES),
    ];
    let bytes = zip(&[&usual, parts].concat());
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
fn running_heads_and_feet_are_in_the_text_once() {
    let field = |kind: &str| format!("<w:r><w:fldChar w:fldCharType=\"{kind}\"/></w:r>");
    let page = format!(
        "<w:p><w:r><w:t>Page </w:t></w:r>{}<w:r><w:instrText> PAGE \\* MERGEFORMAT</w:instrText></w:r>{}<w:r><w:t>1</w:t></w:r>{}\
         <w:r><w:t> of </w:t></w:r><w:fldSimple w:instr=\"NUMPAGES\"><w:r><w:t>3</w:t></w:r></w:fldSimple></w:p>",
        field("begin"),
        field("separate"),
        field("end")
    );
    let head = format!("<w:hdr>{}{}</w:hdr>", paragraph("", "Kelvora Ltd"), paragraph("", "Terms"));
    let foot = format!("<w:ftr>{}{page}</w:ftr>", paragraph("", "Hotline: 0800 12345"));
    let body = paragraph("<w:pStyle w:val=\"Mine\"/>", "Terms") + &paragraph("", "In 14 days.");
    let parts = [("word/header1.xml", head.as_str()), ("word/footer1.xml", &foot), ("word/footer2.xml", &foot)];
    let extracted = read_with(&body, &parts).unwrap();
    assert_eq!(extracted.text, "Kelvora Ltd\n\n# Terms\n\nIn 14 days.\n\nHotline: 0800 12345");
    assert_eq!(extracted.title.as_deref(), Some("Terms"));
    assert_eq!(read_with("", &parts).unwrap_err().kind, FailureKind::Empty, "a letter's paper alone says nothing");
    // A field that never ends takes nothing with it.
    let open = format!("<w:p>{}<w:r><w:instrText>PAGE</w:instrText></w:r>{}</w:p>", field("begin"), field("separate"));
    assert_eq!(read(&(open + &body)).unwrap().text, "# Terms\n\nIn 14 days.");
}

#[test]
fn bold_paragraphs_are_headings_where_no_style_makes_any() {
    let bold = |text: &str| format!("<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>{text}</w:t></w:r></w:p>");
    let text = |text: &str| paragraph("", text);
    let body = bold("Delivery") + &text("By mail.") + &bold("Germany") + &text("Two days.") + &bold("Don\'t wait.");
    let extracted = read(&body).unwrap();
    assert_eq!(extracted.text, "# Delivery\n\nBy mail.\n\n## Germany\n\nTwo days.\n\n**Don't wait.**");
    assert_eq!(extracted.title.as_deref(), Some("Delivery"));
    let styled = paragraph("<w:outlineLvl w:val=\"1\"/>", "Second") + &body;
    assert!(read(&styled).unwrap().text.contains("**Germany**"));
}

#[test]
fn text_boxes_are_read_once() {
    let inside = |text: &str| format!("<w:txbxContent>{}</w:txbxContent>", paragraph("", text));
    let body = format!(
        "<w:p><w:r><w:t>Before.</w:t></w:r><w:r><mc:AlternateContent><mc:Choice><wps:txbx>{0}</wps:txbx></mc:Choice>\
         <mc:Fallback><w:pict><v:textbox>{0}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>\
         <w:p><w:r><w:pict><v:textbox>{1}</v:textbox></w:pict></w:r></w:p>",
        inside("Call us."),
        inside("Or write.")
    );
    let text = read(&body).unwrap().text;
    for once in ["Before.", "Call us.", "Or write."] {
        assert_eq!(text.matches(once).count(), 1, "{once}: {text}");
    }
}

#[test]
fn the_title_is_that_of_the_document() {
    let heading = |text: &str| paragraph("<w:pStyle w:val=\"Mine\"/>", text);
    let core = |title: &str| format!("<cp:coreProperties><dc:title>{title}</dc:title></cp:coreProperties>");
    let title = |body: &str, named: &str| {
        let core = core(named);
        read_with(&(body.to_owned() + &paragraph("", "Text.")), &[("docProps/core.xml", &core)]).unwrap().title
    };
    let parts = heading("Scope") + &heading("Prices");
    assert_eq!(title(&parts, "Terms &amp; prices").as_deref(), Some("Terms & prices"), "a heading is that of a part");
    assert_eq!(title(&heading("Returns"), "Old template").as_deref(), Some("Returns"), "it is the only one");
    for made in ["Word Document", "(anonymous)", "Microsoft Word - a.docx", ""] {
        assert_eq!(title(&parts, made).as_deref(), Some("Scope"), "{made}");
        assert_eq!(title("", made), None, "{made}");
    }
    let styled = paragraph("<w:pStyle w:val=\"Title\"/>", "The title");
    assert_eq!(title(&(parts + &styled), "Terms").as_deref(), Some("The title"));
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
