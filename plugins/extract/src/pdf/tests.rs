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

/// The same, with properties.
fn titled(title: &str, contents: &[&str]) -> Vec<u8> {
    let pdf = String::from_utf8(pdf(contents)).unwrap();
    pdf.replace("trailer\n<<", &format!("trailer\n<</Info<</Title({title})>>")).into_bytes()
}

/// A table as reportlab draws it: each cell in a text object of its own, with six units between its text and its lines,
/// and then a line for each edge. Columns are `wide`, rows 18 high, and the table's top left corner is at 50, `top`.
fn grid(top: f32, wide: &[f32], rows: &[&[&str]]) -> String {
    let high = 18.0 * rows.len() as f32;
    let mut out = format!("q 1 0 0 1 50 {} cm\n", top - high);
    let mut edges = vec![0.0];
    wide.iter().for_each(|wide| edges.push(edges[edges.len() - 1] + wide));
    for (n, row) in rows.iter().enumerate() {
        for (cell, x) in row.iter().zip(&edges) {
            let y = high - 18.0 * n as f32 - 13.0;
            out.push_str(&format!("BT /F1 10 Tf 1 0 0 1 {} {y} Tm ({cell}) Tj T* ET\n", x + 6.0));
        }
    }
    let end = edges[edges.len() - 1];
    for n in 0..=rows.len() {
        let y = 18.0 * n as f32;
        out.push_str(&format!("n 0 {y} m {end} {y} l S\n"));
    }
    edges.iter().for_each(|x| out.push_str(&format!("n {x} 0 m {x} {high} l S\n")));
    out + "Q\n"
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

const PLANS: [&[&str]; 3] =
    [&["Plan", "Price", "Space", "Support"], &["Basic", "3 EUR", "10 GB", "E-mail"], &["Plus", "9 EUR", "a|b", "Chat"]];
const PLANS_TEXT: &str = "| Plan | Price | Space | Support |\n| --- | --- | --- | --- |\n\
    | Basic | 3 EUR | 10 GB | E-mail |\n| Plus | 9 EUR | a\\|b | Chat |";

#[test]
fn a_table_in_a_grid_keeps_its_columns() {
    // The columns are as narrow as their texts, so the gaps between them are those between words.
    let page = lines(&[("F1", 10.0, 50.0, 780.0, "These are the plans.")])
        + &grid(760.0, &[40.0, 45.0, 45.0, 60.0], &PLANS)
        + &lines(&[("F1", 10.0, 50.0, 690.0, "Each can be changed.")]);
    let expected = format!("These are the plans.\n\n{PLANS_TEXT}\n\nEach can be changed.");
    assert_eq!(read(&[&page]).unwrap().text, expected);
    // Lying on its side, as tables on wide pages are printed.
    let turned = format!("q 0 1 -1 0 800 0 cm\n{page}Q");
    assert_eq!(read(&[&turned]).unwrap().text, expected);
}

#[test]
fn boxes_and_thin_fillings_make_a_grid_too() {
    // Cells as boxes, and lines as thin boxes that are filled, in pieces.
    let mut boxes = String::new();
    let mut thin = String::new();
    let mut text = String::new();
    for (n, row) in PLANS.iter().enumerate() {
        for (m, cell) in row.iter().enumerate() {
            let (x, y) = (50.0 + 60.0 * m as f32, 700.0 - 20.0 * n as f32);
            text.push_str(&format!("BT /F1 10 Tf {} {} Td ({cell}) Tj ET\n", x + 5.0, y + 6.0));
            boxes.push_str(&format!("{x} {y} 60 20 re S\n"));
            thin.push_str(&format!("{x} {y} 59.5 0.5 re f {x} {} 59.5 0.5 re f {x} {y} 0.5 20 re f\n", y + 20.0));
            thin.push_str(&format!("{} {y} 0.5 20 re f\n", x + 60.0));
        }
    }
    assert_eq!(read(&[&(boxes + &text)]).unwrap().text, PLANS_TEXT);
    assert_eq!(read(&[&(text + &thin)]).unwrap().text, PLANS_TEXT);
}

#[test]
fn a_cell_may_have_lines_and_be_wide_or_high() {
    // The first column is one cell over two rows; the last row is one over two columns, with text across.
    let mut page = lines(&[
        ("F1", 10.0, 55.0, 745.0, "Fault"),
        ("F1", 10.0, 155.0, 745.0, "What to do"),
        ("F1", 10.0, 55.0, 712.0, "E-1"),
        ("F1", 10.0, 155.0, 727.0, "Hold the but-"),
        ("F1", 10.0, 155.0, 715.0, "ton down."),
        ("F1", 10.0, 155.0, 690.0, "Call us."),
        ("F1", 10.0, 120.0, 660.0, "Both are free of charge."),
    ]);
    for (x, y, to_x, to_y) in [
        (50, 760, 300, 760),
        (50, 740, 300, 740),
        (150, 705, 300, 705),
        (50, 675, 300, 675),
        (50, 650, 300, 650),
        (50, 650, 50, 760),
        (150, 675, 150, 760),
        (300, 650, 300, 760),
    ] {
        page.push_str(&format!("{x} {y} m {to_x} {to_y} l S\n"));
    }
    let expected = "| Fault | What to do |\n| --- | --- |\n| E-1 | Hold the button down. |\n| E-1 | Call us. |\n\
        | Both are free of charge. |  |";
    assert_eq!(read(&[&page]).unwrap().text, expected);
}

#[test]
fn rows_without_lines_between_them_stay_rows() {
    let mut page = String::new();
    for (n, row) in PLANS.iter().chain(&PLANS[1..]).enumerate() {
        for (m, cell) in row.iter().enumerate() {
            let (x, y) = (55.0 + 60.0 * m as f32, 700.0 - 16.0 * n as f32);
            page.push_str(&format!("BT /F1 10 Tf {x} {y} Td ({cell}) Tj ET\n"));
        }
    }
    // Lines around it, under its header and between its columns.
    page.push_str("50 630 240 83 re S 50 695 m 290 695 l S\n");
    [110, 170, 230].iter().for_each(|x| page.push_str(&format!("{x} 630 m {x} 713 l S\n")));
    let rows = &PLANS_TEXT[PLANS_TEXT.find("\n| Basic").unwrap()..];
    assert_eq!(read(&[&page]).unwrap().text, format!("{PLANS_TEXT}{rows}"));
}

#[test]
fn a_table_goes_on_with_the_next_page() {
    let wide = [40.0, 45.0, 45.0, 60.0];
    let pages = [
        lines(&[("F1", 10.0, 50.0, 780.0, "These are the plans.")]) + &grid(700.0, &wide, &PLANS),
        grid(800.0, &wide, &[PLANS[0], &["Pro", "29 EUR", "1 TB", "Phone"]]),
        grid(800.0, &[80.0, 110.0], &[&["Other", "Table"], &["a", "b"]]),
    ];
    let expected = format!(
        "These are the plans.\n\n{PLANS_TEXT}\n| Pro | 29 EUR | 1 TB | Phone |\n\n\
         | Other | Table |\n| --- | --- |\n| a | b |"
    );
    assert_eq!(read(&pages.each_ref().map(String::as_str)).unwrap().text, expected);
}

/// Rows of cells at these places, each cell in a text object of its own.
fn rows(top: f32, places: &[f32], rows: &[&[&str]]) -> String {
    let mut out = String::new();
    for (n, row) in rows.iter().enumerate() {
        for (cell, x) in row.iter().zip(places) {
            out.push_str(&format!("BT /F1 10 Tf {x} {} Td ({cell}) Tj ET\n", top - 14.0 * n as f32));
        }
    }
    out
}

#[test]
fn cells_under_each_other_are_a_table_without_any_line() {
    let narrow = rows(700.0, &[50.0, 90.0, 132.0, 172.0], &PLANS);
    assert_eq!(read(&[&narrow]).unwrap().text, PLANS_TEXT);
    // A cell goes on in the next line.
    let more = lines(&[("F1", 10.0, 172.0, 660.0, "on weekdays")]);
    assert_eq!(read(&[&(narrow + &more)]).unwrap().text, PLANS_TEXT.replace("Chat", "Chat on weekdays"));
}

#[test]
fn lists_and_prose_are_no_tables() {
    let list = rows(700.0, &[50.0, 68.0], &[&["\\225", "Water"], &["\\225", "Fire"], &["\\225", "A fall"]]);
    assert_eq!(read(&[list.as_str()]).unwrap().text, "- Water\n- Fire\n- A fall");
    // Two lists, the second with bare numbers.
    let more = rows(658.0, &[50.0, 68.0], &[&["1", "Open"], &["2", "Press"]]);
    assert!(!read(&[&(list + &more)]).unwrap().text.contains("---"));
    let numbers = rows(700.0, &[50.0, 72.0], &[&["1.", "Open"], &["2.", "Press"], &["3.", "Wait"]]);
    assert_eq!(read(&[&numbers]).unwrap().text, "1. Open\n\n2. Press\n\n3. Wait");
    // Words that are spread over a line stand anywhere.
    let spread = rows(700.0, &[50.0, 100.0, 150.0], &[&["It", "lasts", "for"]])
        + &rows(686.0, &[50.0, 84.0, 150.0], &[&["two", "years", "from"]])
        + &rows(672.0, &[50.0, 116.0, 140.0], &[&["the day of", "its", "delivery"]]);
    assert!(!read(&[&spread]).unwrap().text.contains("---"));
}

#[test]
fn two_columns_of_prose_are_read_one_after_the_other() {
    let left = [
        "Refunds are made within fourteen days of the day",
        "on which the parcel comes back to us, by the way",
        "in which it was paid, and without any further cost.",
    ];
    let right = [
        "Parcels that are lost are paid back in full, if we",
        "are told within ten days of the day on which they",
        "were to come, and if nobody else has signed for it.",
    ];
    let page = rows(700.0, &[50.0, 320.0], &[&[left[0], right[0]], &[left[1], right[1]], &[left[2], right[2]]]);
    let text = read(&[&page]).unwrap().text;
    assert_eq!(text, format!("{}\n\n{}", left.join(" "), right.join(" ")));
}

#[test]
fn a_chart_and_a_page_in_boxes_are_no_tables() {
    let chart = grid(700.0, &[50.0; 6], &[&[], &[], &["Sales"], &[]]);
    assert_eq!(read(&[&chart]).unwrap().text, "Sales");
    let long = "Refunds are made within fourteen days of the day on which the parcel comes back to us. ".repeat(20);
    let boxes = grid(700.0, &[200.0, 300.0], &[&["A", &long], &["B", &long]]);
    assert!(!read(&[&boxes]).unwrap().text.contains("---"));
    // A drawing has more lines than a table.
    let drawing = grid(700.0, &[40.0, 60.0], &[&["a", "b"], &["c", "d"]]) + &"0 0 m 9 0 l S\n".repeat(20_000);
    assert!(!read(&[&drawing]).unwrap().text.contains("---"));
}

#[test]
fn a_title_that_a_program_made_is_none() {
    let page = lines(&[("F1", 20.0, 50.0, 780.0, "Warranty"), ("F1", 10.0, 50.0, 750.0, "It lasts for two years.")]);
    let title = |title: &str, page: &str| {
        extract(Document { bytes: &titled(title, &[page]), content_type: None, name: None }).unwrap().title
    };
    assert_eq!(title("Warranty terms", &page).as_deref(), Some("Warranty terms"));
    for made in ["\\(anonymous\\)", "untitled", "Microsoft Word - warranty.docx", "warranty.indd"] {
        assert_eq!(title(made, &page).as_deref(), Some("Warranty"), "{made}");
    }
    let text = lines(&[("F1", 10.0, 50.0, 750.0, "It lasts for two years.")]);
    assert_eq!(title("\\(anonymous\\)", &text), None, "the file's name is its title then");
}

#[test]
fn a_cut_pdf_is_told_to_be_cut() {
    let page = lines(&[("F1", 10.0, 50.0, 700.0, "Text.")]);
    let whole = pdf(&[&page, &page.replace("Text", "More")]);
    let read = |bytes: &[u8]| extract(Document { bytes, content_type: None, name: None });
    assert_eq!(read(&whole).unwrap().note, None);
    assert_eq!(read(&[whole.as_slice(), &[0; 5_000]].concat()).unwrap().note, None, "filled up with zeros");
    for length in (200..whole.len() - 200).step_by(61) {
        match read(&whole[..length]) {
            Err(failure) => {
                assert_eq!(failure.kind, FailureKind::Damaged, "{length}: {failure:?}");
                assert!(failure.message.contains("cut"), "{length}: {failure:?}");
            }
            Ok(part) => assert!(part.note.unwrap().contains("end of the file is missing"), "{length}"),
        }
    }
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
fn running_heads_and_feet_are_in_the_text_once() {
    let page = |n: usize, of: usize| {
        let text = ["First text.", "Second text goes", "on. Third text.", "Fourth text."][n];
        lines(&[
            ("F1", 9.0, 50.0, 820.0, "Kelvora handbook"),
            ("F1", 9.0, 50.0, 40.0, "Hotline 0800 12345"),
            ("F1", 9.0, 300.0, 40.0, &format!("Page {} of {of}", n + 1)),
            ("F1", 10.0, 50.0, 700.0, text),
            ("F1", 9.0, 50.0, 30.0, &format!("{}", n + 1)),
        ])
    };
    let read = |count: usize| {
        let pages: Vec<String> = (0..count).map(|n| page(n, count)).collect();
        read(&pages.iter().map(String::as_str).collect::<Vec<_>>()).unwrap().text
    };
    let (head, foot) = ("Kelvora handbook\n\nFirst text.\n\n", "\n\nHotline 0800 12345");
    assert_eq!(read(4), format!("{head}Second text goes on. Third text.\n\nFourth text.{foot}"));
    assert_eq!(read(2), format!("{head}Second text goes{foot}"));
}

#[test]
fn sums_at_the_ends_of_pages_are_no_page_numbers() {
    let page = |sum: &str| lines(&[("F1", 10.0, 50.0, 700.0, "Text."), ("F1", 10.0, 50.0, 30.0, sum)]);
    let pages = [page("Sum: 120 EUR"), page("Sum: 90 EUR"), page("Sum: 7 EUR")];
    let text = read(&pages.each_ref().map(String::as_str)).unwrap().text;
    for sum in ["120", "90", "7 EUR"] {
        assert!(text.contains(sum), "{text}");
    }
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
