//! PDFs that are made here, and the Markdown that comes of them.

use lopdf::{
    Dictionary, Document as Pdf, EncryptionState, EncryptionVersion, Object, Permissions, Stream, StringFormat,
    dictionary,
};

use crate::{Document, Extracted, Failure, FailureKind, extract};

/// A PDF with these contents as its pages. `F1` is Helvetica, `F2` bold, `F3` has two bytes a letter.
pub fn pdf(contents: &[&str]) -> Pdf {
    let mut pdf = Pdf::with_version("1.5");
    let pages_id = pdf.new_object_id();
    let map = b"1 beginbfrange <0001> <001a> <0061> endbfrange 1 beginbfchar <0020> <00DF> endbfchar".to_vec();
    let map = pdf.add_object(Stream::new(Dictionary::new(), map));
    let descendant = pdf.add_object(dictionary! { "Type" => "Font", "Subtype" => "CIDFontType2", "DW" => 500 });
    let fonts = dictionary! {
        "F1" => dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica",
            "Encoding" => dictionary! { "Differences" => vec![200.into(), "Euro".into(), "uni00E9".into(), "f_i".into()] } },
        "F2" => dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica-Bold" },
        "F3" => dictionary! { "Type" => "Font", "Subtype" => "Type0", "BaseFont" => "X", "Encoding" => "Identity-H",
            "ToUnicode" => map, "DescendantFonts" => vec![Object::Reference(descendant)] },
    };
    let image = Stream::new(dictionary! { "Subtype" => "Image", "Width" => 1, "Height" => 1 }, vec![0]);
    let image = pdf.add_object(image);
    let resources = pdf.add_object(dictionary! { "Font" => fonts, "XObject" => dictionary! { "Im" => image } });
    let kids: Vec<Object> = contents
        .iter()
        .map(|content| {
            let content = pdf.add_object(Stream::new(Dictionary::new(), content.as_bytes().to_vec()));
            let link = dictionary! { "Subtype" => "Link", "A" => dictionary! { "S" => "URI",
            "URI" => Object::String(b"https://a.example/x".to_vec(), StringFormat::Literal) } };
            pdf.add_object(dictionary! { "Type" => "Page", "Parent" => pages_id, "Contents" => content,
            "Annots" => vec![Object::Dictionary(link)] })
                .into()
        })
        .collect();
    let pages = dictionary! { "Type" => "Pages", "Count" => kids.len() as i64, "Kids" => kids, "Resources" => resources,
    "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()] };
    pdf.objects.insert(pages_id, Object::Dictionary(pages));
    let catalog = pdf.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages_id });
    pdf.trailer.set("Root", catalog);
    pdf
}

fn bytes(mut pdf: Pdf) -> Vec<u8> {
    let mut bytes = Vec::new();
    pdf.save_to(&mut bytes).unwrap();
    bytes
}

fn read(contents: &[&str]) -> Result<Extracted, Failure> {
    extract(Document { bytes: &bytes(pdf(contents)), content_type: None, name: None })
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
    for (password, kind) in [("secret", Some(FailureKind::Encrypted)), ("", None)] {
        let mut pdf = pdf(&[&lines(&[("F1", 10.0, 50.0, 700.0, "Text.")])]);
        let id = || Object::String(vec![7; 16], StringFormat::Literal);
        pdf.trailer.set("ID", vec![id(), id()]);
        let version = EncryptionVersion::V2 {
            document: &pdf,
            owner_password: "owner",
            user_password: password,
            key_length: 128,
            permissions: Permissions::all(),
        };
        let state = EncryptionState::try_from(version).unwrap();
        pdf.encrypt(&state).unwrap();
        let read = extract(Document { bytes: &bytes(pdf), content_type: None, name: None });
        assert_eq!(
            read.map(|read| read.text).map_err(|error| Some(error.kind)),
            kind.map_or(Ok("Text.".to_owned()), |kind| Err(Some(kind)))
        );
    }
}

#[test]
fn what_is_cut_or_goes_in_circles_ends() {
    let whole = bytes(pdf(&[&lines(&[("F1", 10.0, 50.0, 700.0, "Text.")])]));
    for length in (0..whole.len()).step_by(97) {
        let _ = extract(Document { bytes: &whole[..length], content_type: Some("application/pdf"), name: None });
    }
    let mut circle = pdf(&["/Fm Do"]);
    let ids: Vec<_> = circle.page_iter().collect();
    let form = circle.new_object_id();
    let resources = dictionary! { "XObject" => dictionary! { "Fm" => form } };
    let stream =
        Stream::new(dictionary! { "Subtype" => "Form", "Resources" => resources.clone() }, b"/Fm Do /Fm Do".to_vec());
    circle.objects.insert(form, Object::Stream(stream));
    circle.get_dictionary_mut(ids[0]).unwrap().set("Resources", resources);
    let error = extract(Document { bytes: &bytes(circle), content_type: None, name: None }).unwrap_err();
    assert_eq!(error.kind, FailureKind::Empty);
}
