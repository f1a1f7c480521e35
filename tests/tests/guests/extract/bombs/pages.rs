//! Pages that were made to break parsers.

use super::{MB, Named, named};

fn page(name: &str, body: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    let mut bytes = b"<!doctype html><p>Some text.".to_vec();
    bytes.extend(body.into());
    (name.to_owned(), bytes)
}

pub fn all() -> Vec<Named> {
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
