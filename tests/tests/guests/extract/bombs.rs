//! Documents that were made to break parsers, by hand.

use resly_tests::documents::{csv, deflate, docx_of, gzip, html, pdf, pdf_of, pdf_stream, pdf_text, sitemap, zip};

/// A document: what it is, its bytes, its content type. Sitemaps and rules for crawlers have their own functions.
pub type Named = (String, Vec<u8>, &'static str);

const MB: usize = 1 << 20;

pub fn all() -> Vec<Named> {
    [pages(), archives(), pdfs(), tables_and_texts(), mislabelled()].concat()
}

fn named(kind: &'static str, documents: Vec<(String, Vec<u8>)>) -> Vec<Named> {
    documents.into_iter().map(|(name, bytes)| (name, bytes, kind)).collect()
}

fn page(name: &str, body: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    let mut bytes = b"<!doctype html><p>Some text.".to_vec();
    bytes.extend(body.into());
    (name.to_owned(), bytes)
}

fn pages() -> Vec<Named> {
    let mut documents = Vec::new();
    for tag in [
        "<div>",
        "<b>",
        "<p><b>",
        "<table><tr><td>",
        "<ul><li>",
        "<blockquote>",
        "<a><b>",
        "<font>",
        "<svg><g>",
        "<math><mi>",
        "<svg><foreignObject><div>",
        "<template>",
        "<select><option>",
        "<details><summary>",
        "<h1>",
        "<pre>",
        "<dl><dt>",
        "<button>",
        "<form>",
        "<ruby><rt>",
        "<object>",
        "<span><div>",
        "<nobr>",
        "<frameset>",
    ] {
        for depth in [200, 4_000, 60_000] {
            documents.push(page(&format!("{tag} {depth} deep"), tag.repeat(depth)));
        }
    }
    documents.extend([
        page("misnested formats", "<b><i><p></b></i>".repeat(20_000)),
        page("formats around blocks", "<b><p>x</b>".repeat(20_000)),
        page("links in links", "<a href=x><p>y".repeat(20_000)),
        page("a million elements", "<i>x</i>".repeat(400_000)),
        page("a million cells", format!("<table>{}", "<tr><td>1<td>2".repeat(100_000))),
        page("spans over everything", format!("<table>{}", "<tr><td rowspan=65534 colspan=1000>x<th>y".repeat(2_000))),
        page("attributes without end", format!("<p {}>", "a=b ".repeat(200_000))),
        page("different attributes", format!("<p {}>x", (0..50_000).map(|n| format!("a{n}=b ")).collect::<String>())),
        page("an attribute of 8 MB", format!("<p title='{}'>x", "y".repeat(8 * MB))),
        page("a comment that never ends", format!("<!--{}", "-".repeat(4 * MB))),
        page("a script that never ends", format!("<script>{}", "<!--<script>".repeat(100_000))),
        page("text of 9 MB", "word ".repeat(9 * MB / 5)),
        page("one word of 9 MB", "w".repeat(9 * MB)),
        page(
            "references to characters",
            "&amp;&#x1F600;&CounterClockwiseContourIntegral;&#99999999;&nosuch;".repeat(20_000),
        ),
        page("links without end", (0..100_000).map(|n| format!("<a href=/{n}>x</a>")).collect::<String>()),
        page("a link of 4 MB", format!("<a href='{}'>x</a>", "../".repeat(4 * MB / 3))),
        page("bases", "<base href='javascript:x'><base href='http://[::1'><a href='//'>x</a>".repeat(1_000)),
        page("zeros", vec![0; MB]),
        page("code of backticks", format!("<pre>{}</pre>", "`".repeat(MB))),
        page("classes of 2 MB", format!("<div class='{}'>x", "nav ".repeat(MB / 2))),
        page("text in no language", (0..MB).map(|n| (n * 7 % 256) as u8).collect::<Vec<u8>>()),
        page("plaintext", format!("<plaintext>{}", "</plaintext>".repeat(50_000))),
        page("hidden parts that open each other", "<div hidden id=a><a href=#a>x</a>".repeat(3_000)),
    ]);
    for charset in
        ["utf-7", "iso-2022-jp", "hz-gb-2312", "x-user-defined", "replacement", "utf-16", "utf-32", "nonsense"]
    {
        documents.push(page(charset, format!("<meta charset={charset}>{}", "\x1b$B~{+ADw-\x0e".repeat(1_000))));
    }
    named("text/html", documents)
}

fn archives() -> Vec<Named> {
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

fn pdfs() -> Vec<Named> {
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
