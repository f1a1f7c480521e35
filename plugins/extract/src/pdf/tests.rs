//! PDFs that are made here, and the Markdown that comes of them.

use crate::{Document, Extracted, Failure, FailureKind, extract};

/// A PDF of these objects, the first of which is its catalog.
fn pdf_of(objects: &[String]) -> Vec<u8> {
    let (mut pdf, mut table) = ("%PDF-1.5\n".to_owned(), String::new());
    for (n, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.push_str(&format!("{} 0 obj\n{object}\nendobj\n", n + 1));
    }
    let (start, size) = (pdf.len(), objects.len() + 1);
    pdf.push_str(&format!("xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<</Root 1 0 R/Size {size}>>\n"));
    pdf.push_str(&format!("startxref\n{start}\n%%EOF\n"));
    pdf.into_bytes()
}

fn stream(entries: &str, content: &str) -> String {
    format!("<<{entries}/Length {}>>stream\n{content}\nendstream", content.len())
}

/// A PDF with these contents as its pages. `F1` is Helvetica, `F2` bold, `F3` has two bytes a letter. `Fm` shows itself.
fn pdf(contents: &[&str]) -> Vec<u8> {
    let map = "1 beginbfrange <0001> <001a> <0061> endbfrange 1 beginbfchar <0020> <00DF> endbfchar";
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        String::new(),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding<</Differences[200/Euro/uni00E9/f_i]>>>>".to_owned(),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold>>".to_owned(),
        "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/ToUnicode 6 0 R/DescendantFonts[<</DW 500>>]>>"
            .to_owned(),
        stream("", map),
        stream("/Subtype/Image/Width 1/Height 1", "x"),
        stream("/Subtype/Form/Resources<</XObject<</Fm 8 0 R>>>>", "/Fm Do /Fm Do"),
    ];
    let mut kids = String::new();
    for content in contents {
        let page = objects.len() + 1;
        kids.push_str(&format!("{page} 0 R "));
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/Contents {} 0 R/Annots[<</Subtype/Link/A<</URI(https://a.example/x)>>>>]>>",
            page + 1
        ));
        objects.push(stream("", content));
    }
    let resources = "<</Font<</F1 3 0 R/F2 4 0 R/F3 5 0 R>>/XObject<</Im 7 0 R/Fm 8 0 R>>>>";
    objects[1] =
        format!("<</Type/Pages/Count {}/Kids[{kids}]/MediaBox[0 0 595 842]/Resources{resources}>>", contents.len());
    pdf_of(&objects)
}

fn read(contents: &[&str]) -> Result<Extracted, Failure> {
    extract(Document { bytes: &pdf(contents), content_type: None, name: None })
}

/// Lines from the top down, each with its font and size.
fn lines(lines: &[(&str, f32, f32, f32, &str)]) -> String {
    let line = |(font, size, x, y, text): &(&str, f32, f32, f32, &str)| {
        format!("BT /{font} {size} Tf {x} {y} Td ({text}) Tj ET\n")
    };
    lines.iter().map(line).collect()
}

#[test]
fn headings_paragraphs_lists_and_rows_are_found() {
    let page = lines(&[
        ("F1", 20.0, 50.0, 780.0, "Warranty"),
        ("F1", 10.0, 50.0, 750.0, "The warranty of the hub lasts for two years and covers the bat-"),
        ("F1", 10.0, 50.0, 738.0, "tery as well. It begins on the day of delivery."),
        ("F1", 10.0, 50.0, 714.0, "Another paragraph, at \\310 9 for a caf\\311 with a \\312lter."),
        ("F2", 10.0, 50.0, 690.0, "What is not covered"),
        ("F1", 10.0, 50.0, 678.0, "\\225 Water"),
        ("F1", 10.0, 50.0, 666.0, "\\225 Fire"),
        ("F1", 10.0, 50.0, 640.0, "Plan"),
        ("F1", 10.0, 200.0, 640.0, "Price"),
        ("F1", 10.0, 50.0, 628.0, "Basic"),
        ("F1", 10.0, 200.0, 628.0, "3 EUR"),
    ]);
    let extracted = read(&[&page]).unwrap();
    let expected = "# Warranty\n\nThe warranty of the hub lasts for two years and covers the battery as well. It begins on the \
        day of delivery.\n\nAnother paragraph, at € 9 for a café with a filter.\n\n## What is not covered\n\n- Water\n- Fire\n\n\
        Plan | Price  \nBasic | 3 EUR";
    assert_eq!(extracted.text, expected);
    assert_eq!(extracted.title.as_deref(), Some("Warranty"));
    assert_eq!(extracted.links, ["https://a.example/x"]);
    assert_eq!(extracted.note, None);
}

#[test]
fn spacing_turns_and_marks_are_understood() {
    let page = "BT /F1 10 Tf 50 700 Td [(Hel) 20 (lo) -300 (wor) 10 (ld)] TJ ET\n\
        q 0 1 -1 0 30 100 cm BT /F1 10 Tf (sideways) Tj ET Q\n\
        /Artifact BMC BT /F1 10 Tf 50 20 Td (Page 1) Tj ET EMC\n\
        BT /F3 10 Tf 50 600 Td <00080009002000020020> Tj ET\n\
        /Span <</ActualText (whole)>> BDC BT /F1 10 Tf 50 500 Td (wh) Tj (ole) Tj ET EMC";
    assert_eq!(read(&[page]).unwrap().text, "Hello world\n\nhißbß\n\nwhole");
}

#[test]
fn columns_are_read_one_after_the_other() {
    // Row by row, as some programs write two columns.
    let mut rows = Vec::new();
    for n in 0..8_u8 {
        let y = 700.0 - 12.0 * f32::from(n);
        rows.push(("F1", 10.0, 320.0, y, ["e", "f", "g", "h", "i", "j", "k", "l"][usize::from(n)]));
        rows.push(("F1", 10.0, 50.0, y, ["A", "b", "c", "d", "m", "n", "o", "p"][usize::from(n)]));
    }
    let text = read(&[&lines(&rows)]).unwrap().text;
    assert!(text.contains('A') && text.contains('l'), "{text}");
}

#[test]
fn running_heads_and_feet_are_dropped() {
    let page = |n: usize| {
        lines(&[
            ("F1", 9.0, 50.0, 820.0, "Kelvora handbook"),
            ("F1", 10.0, 50.0, 700.0, ["First text.", "Second text.", "Third text.", "Fourth text."][n]),
            ("F1", 9.0, 50.0, 30.0, &format!("Page {} of 4", n + 1)),
        ])
    };
    let pages: Vec<String> = (0..4).map(page).collect();
    let text = read(&pages.iter().map(String::as_str).collect::<Vec<_>>()).unwrap().text;
    assert_eq!(text, "First text.\n\nSecond text.\n\nThird text.\n\nFourth text.");
}

#[test]
fn scans_and_passwords_are_told() {
    let scan = read(&["/Im Do", "/Im Do"]).unwrap_err();
    assert!(scan.kind == FailureKind::Empty && scan.message.contains("OCR"), "{scan:?}");
    let note = read(&[&lines(&[("F1", 10.0, 50.0, 700.0, "Text.")]), "/Im Do"]).unwrap().note.unwrap();
    assert!(note.contains("1 of 2 pages") && note.contains("pages 2"), "{note}");
    let read = |bytes: &[u8]| extract(Document { bytes, content_type: None, name: None });
    assert_eq!(read(include_bytes!("fixtures/password.pdf")).unwrap_err().kind, FailureKind::Encrypted);
    assert_eq!(read(include_bytes!("fixtures/owner_password.pdf")).unwrap().text, "Text.");
}

#[test]
fn what_is_cut_or_goes_in_circles_ends() {
    let whole = pdf(&[&lines(&[("F1", 10.0, 50.0, 700.0, "Text.")])]);
    for length in (0..whole.len()).step_by(97) {
        drop(extract(Document { bytes: &whole[..length], content_type: Some("application/pdf"), name: None }));
    }
    assert_eq!(read(&["/Fm Do"]).unwrap_err().kind, FailureKind::Empty);
}
