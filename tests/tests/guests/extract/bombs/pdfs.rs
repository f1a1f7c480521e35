//! PDFs that were made to break parsers.

use resly_tests::documents::{deflate, pdf, pdf_of, pdf_stream, pdf_text};

use super::{MB, Named, named};

/// A PDF of one page with this content, and further objects from number 6 on.
fn pdf_page(page: &str, content: &[u8], others: &[&str]) -> Vec<u8> {
    let mut objects: Vec<Vec<u8>> = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>".to_vec(),
        format!("<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources 5 0 R{page}>>").into_bytes(),
        pdf_stream("", content),
        b"<</Font<</F1 6 0 R>>/XObject<</X 7 0 R/Y 8 0 R>>/Properties<</P 9 0 R>>>>".to_vec(),
    ];
    objects.extend(others.iter().map(|object| object.as_bytes().to_vec()));
    pdf_of(&objects, "")
}

pub fn all() -> Vec<Named> {
    let helvetica = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>";
    let tree = |pages: &str, others: &[&str]| {
        let mut objects = vec![b"<</Type/Catalog/Pages 2 0 R>>".to_vec(), pages.as_bytes().to_vec()];
        objects.extend(others.iter().map(|object| object.as_bytes().to_vec()));
        pdf_of(&objects, "")
    };
    let packed = |filter: &str, bytes: &[u8]| {
        let mut objects = vec![
            b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
            b"<</Type/Pages/Count 1/Kids[3 0 R]>>".to_vec(),
            b"<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>".to_vec(),
        ];
        objects.push(pdf_stream(filter, bytes));
        objects.push(helvetica.as_bytes().to_vec());
        pdf_of(&objects, "")
    };
    let bomb = deflate(&vec![b' '; 120 * MB]);
    let twice = deflate(&bomb);
    let text = pdf_text(1);
    let form = |next: &str| format!("<</Subtype/Form/Resources 5 0 R/Length {}>>stream\n{next}\nendstream", next.len());
    let unicode = |map: &str| {
        format!(
            "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/ToUnicode 7 0 R/DescendantFonts[8 0 R]>>|<</Length {}>>stream\n{map}\nendstream",
            map.len()
        )
    };
    let with_map = |map: &str, widths: &str| {
        let (font, stream) =
            unicode(map).split_once('|').map(|(font, map)| (font.to_owned(), map.to_owned())).unwrap_or_default();
        pdf_page(
            "",
            b"BT /F1 9 Tf <0001000200FF> Tj ET",
            &[&font, &stream, &format!("<</Type/Font/DW 1e38/W{widths}>>")],
        )
    };
    let tail = |tail: &str| [pdf(1), tail.as_bytes().to_vec()].concat();
    let raw = |text: &str| text.as_bytes().to_vec();
    let shown = |content: &str| pdf_page("", content.as_bytes(), &[helvetica]);
    let object_stream = |entries: &str, bytes: &[u8]| {
        let mut pdf = b"%PDF-1.5\n1 0 obj\n".to_vec();
        pdf.extend(pdf_stream(&format!("/Type/ObjStm{entries}/Filter/FlateDecode"), bytes));
        pdf.extend(b"\nendobj\ntrailer<</Root 2 0 R>>\nstartxref\n9\n%%EOF");
        pdf
    };
    let xref_stream = |entries: &str, bytes: &[u8]| {
        let mut pdf = b"%PDF-1.5\n1 0 obj\n".to_vec();
        pdf.extend(pdf_stream(&format!("/Type/XRef/Root 2 0 R{entries}"), bytes));
        pdf.extend(b"\nendobj\nstartxref\n9\n%%EOF");
        pdf
    };
    let documents: Vec<(&str, Vec<u8>)> = vec![
        (
            "a page tree in a circle",
            tree("<</Type/Pages/Count 9/Kids[2 0 R 3 0 R]>>", &["<</Type/Pages/Kids[2 0 R]>>"]),
        ),
        (
            "a page a hundred thousand times",
            tree(&format!("<</Type/Pages/Kids[{}]>>", "3 0 R ".repeat(100_000)), &["<</Type/Page/Contents 3 0 R>>"]),
        ),
        (
            "parents in a circle",
            tree("<</Type/Pages/Kids[3 0 R]>>", &["<</Type/Page/Parent 4 0 R>>", "<</Parent 3 0 R>>"]),
        ),
        ("references in a circle", tree("3 0 R", &["4 0 R", "3 0 R"])),
        (
            "a length that is itself",
            tree(
                "<</Type/Pages/Kids[3 0 R]>>",
                &["<</Type/Page/Contents 4 0 R>>", "<</Length 4 0 R>>stream\nx\nendstream"],
            ),
        ),
        (
            "contents in a circle",
            tree("<</Type/Pages/Kids[3 0 R]>>", &["<</Type/Page/Contents[4 0 R 3 0 R]>>", "[4 0 R 4 0 R]"]),
        ),
        (
            "a stream of 1 GB, it says",
            tree(
                "<</Type/Pages/Kids[3 0 R]>>",
                &["<</Type/Page/Contents 4 0 R>>", "<</Length 1073741824>>stream\nx\nendstream"],
            ),
        ),
        (
            "a negative length",
            tree(
                "<</Type/Pages/Kids[3 0 R]>>",
                &["<</Type/Page/Contents 4 0 R>>", "<</Length -5>>stream\nx\nendstream"],
            ),
        ),
        (
            "a stream that never ends",
            tree("<</Type/Pages/Kids[3 0 R]>>", &["<</Type/Page/Contents 4 0 R>>", "<</Length 5>>stream\nx"]),
        ),
        ("packed zeros", packed("/Filter/FlateDecode", &bomb)),
        ("packed twice", packed("/Filter[/FlateDecode/FlateDecode]", &twice)),
        ("thirty filters", packed(&format!("/Filter[{}]", "/ASCIIHexDecode".repeat(30)), b"41>")),
        ("wrong filter", packed("/Filter/FlateDecode", &text)),
        ("LZW of noise", packed("/Filter/LZWDecode", &bomb[..bomb.len().min(200_000)])),
        ("ASCII85 of zeros", packed("/Filter/ASCII85Decode", &vec![b'z'; MB])),
        ("run lengths", packed("/Filter/RunLengthDecode", &[129, b' '].repeat(MB))),
        (
            "a predictor of wide rows",
            packed(
                "/Filter/FlateDecode/DecodeParms<</Predictor 15/Columns 999999999/Colors 32/BitsPerComponent 16>>",
                &deflate(&text),
            ),
        ),
        ("unknown filter", packed("/Filter/Nonsense", &text)),
        ("lists in lists", shown(&"[".repeat(200_000))),
        ("dictionaries in dictionaries", shown(&"<</A ".repeat(200_000))),
        ("a catalog of lists", tree(&"[".repeat(100_000), &[])),
        ("a catalog of dictionaries", tree(&"<</Kids ".repeat(100_000), &[])),
        ("brackets in a string", shown(&format!("BT /F1 9 Tf {} Tj ET", "(".repeat(100_000)))),
        ("states without end", shown(&"q ".repeat(500_000))),
        ("states that were never kept", shown(&"Q ".repeat(500_000))),
        ("marks without end", shown(&"/P /P BDC ".repeat(200_000))),
        ("a TJ of a million parts", shown(&format!("BT /F1 9 Tf [{}] TJ ET", "(a) -9 ".repeat(200_000)))),
        ("a quarter of a million words", shown(&format!("BT /F1 9 Tf {} ET", "1 0 Td (a) Tj ".repeat(250_000)))),
        (
            "numbers beyond numbers",
            shown(
                "BT /F1 1e38 Tf 1e38 1e38 1e38 1e38 1e38 1e38 Tm (a) Tj 999999999999999999999 0 Td (b) Tj -1e39 Tz (c) Tj ET",
            ),
        ),
        ("text of no size", shown("BT /F1 0 Tf (some text) Tj 0 0 0 0 0 0 Tm (more) Tj ET")),
        ("text far away", shown("BT /F1 9 Tf 1e30 1e30 Td (x) Tj 1 -1e30 Td (y) Tj ET")),
        ("a picture within", shown(&format!("BI /W 99999 /H 99999 ID {} EI", "x".repeat(100_000)))),
        (
            "a form that shows itself",
            pdf_page("", b"/X Do", &[helvetica, &form("/X Do /X Do /Y Do"), &form("/X Do /Y Do /Y Do")]),
        ),
        (
            "forms that double",
            pdf_page(
                "",
                "/X Do ".repeat(3_000).as_bytes(),
                &[helvetica, &form(&"/Y Do ".repeat(3_000)), &form("BT /F1 9 Tf (a) Tj ET")],
            ),
        ),
        (
            "a font that is itself",
            pdf_page(
                "",
                b"BT /F1 9 Tf (a) Tj ET",
                &["<</Type/Font/Encoding 6 0 R/ToUnicode 6 0 R/Widths 6 0 R/FontDescriptor 6 0 R>>"],
            ),
        ),
        (
            "an encoding in a circle",
            pdf_page(
                "",
                b"BT /F1 9 Tf (a) Tj ET",
                &[
                    "<</Type/Font/Subtype/Type1/Encoding 7 0 R>>",
                    "<</Type/Encoding/BaseEncoding 7 0 R/Differences[0 7 0 R 255/a/b/c 99999999999/d]>>",
                ],
            ),
        ),
        (
            "differences without end",
            pdf_page(
                "",
                b"BT /F1 9 Tf (a) Tj ET",
                &[&format!(
                    "<</Type/Font/Subtype/Type1/Encoding<</Differences[{}]>>>>",
                    "0/uni0041/a_b_c_d_e ".repeat(20_000)
                )],
            ),
        ),
        (
            "a map of everything",
            with_map("1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange", "[0 4294967295 500]"),
        ),
        (
            "a map of lists",
            with_map(
                &format!("1 beginbfrange <0000> <FFFF> [{}] endbfrange", "<0041>".repeat(100_000)),
                "[0[1 2 3]0 1 2 -5 5]",
            ),
        ),
        ("a map of nonsense", with_map(&"<<<>>>[[]]beginbfchar beginbfrange <41 %".repeat(5_000), "[[[[[[[[")),
        (
            "a map of many ranges",
            with_map(
                &(0..40_000)
                    .map(|n| format!("1 beginbfrange <{n:04x}> <{n:04x}> <0041> endbfrange\n"))
                    .collect::<String>(),
                "[]",
            ),
        ),
        ("packed objects of zeros", object_stream("/N 9/First 9", &bomb)),
        ("a million packed objects, it says", object_stream("/N 99999999/First 4", &deflate(b"2 0 <</Type/Catalog>>"))),
        ("packed objects that extend themselves", object_stream("/N 1/First 4/Extends 1 0 R", &deflate(b"1 0 1 0 R"))),
        ("a table of wide columns", xref_stream("/W[8 8 8]/Size 99999999/Index[0 99999999]", &[0xff; 64])),
        ("a table of negative columns", xref_stream("/W[-1 2 -9]/Size 5", &[1; 64])),
        ("a table of no columns", xref_stream("/W[0 0 0]/Size 99999999", b"x")),
        ("a table of zeros", xref_stream("/W[1 2 1]/Size 99999999/Filter/FlateDecode", &bomb)),
        (
            "a table of a billion rows, it says",
            raw("%PDF-1.4\nxref\n0 1000000000\n0000000000 65535 f \ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF"),
        ),
        (
            "tables in a circle",
            raw(
                "%PDF-1.4\nxref\n0 1\n0000000000 65535 f \ntrailer<</Root 1 0 R/Prev 9/XRefStm 9>>\nstartxref\n9\n%%EOF",
            ),
        ),
        ("a start beyond the end", raw("%PDF-1.4\nstartxref\n99999999999999999999\n%%EOF")),
        ("only a header", raw("%PDF-1.7")),
        ("many ends", tail(&"startxref\n0\n%%EOF\n".repeat(50_000))),
        (
            "many objects of one number",
            [b"%PDF-1.4\n".to_vec(), b"1 0 obj\n<</Type/Catalog/Pages 1 0 R>>\nendobj\n".repeat(30_000)].concat(),
        ),
        (
            "objects without a table",
            [b"%PDF-1.4\n".to_vec(), b"4294967295 65535 obj\n[\nendobj\n".repeat(30_000)].concat(),
        ),
        (
            "a password of nonsense",
            pdf_of(
                &[b"<</Type/Catalog>>".to_vec()],
                "/Encrypt<</Filter/Standard/V 5/R 6/O(x)/U(x)/P -1/CF 7/StmF/X>>/ID[(a)(b)]",
            ),
        ),
        (
            "a password of another kind",
            pdf_of(&[b"<</Type/Catalog>>".to_vec()], "/Encrypt<</Filter/Adobe.PubSec/V 4>>"),
        ),
        (
            "a key of 99999 bits",
            pdf_of(
                &[b"<</Type/Catalog>>".to_vec()],
                "/Encrypt<</Filter/Standard/V 2/R 3/Length 99999/O(x)/U(x)/P -1>>/ID[(a)(b)]",
            ),
        ),
        (
            "annotations in a circle",
            pdf_page("/Annots 6 0 R", &text, &["[6 0 R 7 0 R 6 0 R]", "<</A 7 0 R/URI 7 0 R>>"]),
        ),
        (
            "a title of nonsense",
            pdf_of(
                &[b"<</Type/Catalog/Pages 2 0 R>>".to_vec(), b"<</Kids[]>>".to_vec()],
                "/Info<</Title<feffd800d800>/Author 9 9 R>>",
            ),
        ),
        ("spaces", vec![b' '; 4 * MB]),
    ];
    named("application/pdf", documents.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect())
}
