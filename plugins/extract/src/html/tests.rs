//! Pages and the Markdown that comes of them.

use super::*;

fn page(html: &str) -> Extracted {
    read(html, Some("https://help.example/en/articles/one.html?x=1#y")).unwrap()
}

fn markdown(body: &str) -> String {
    page(&format!("<!doctype html><body><main>{body}<p>{}</main>", "A page needs some prose to be one. ".repeat(5)))
        .text
}

#[test]
fn structure_becomes_markdown() {
    let text = markdown(
        "<h1>Title</h1><p>One <b>two</b>\n <a href='../b'>three</a> <code>x &lt; y</code>.<br>Four</p>\
         <ul><li>a<ul><li>b</li></ul></li><li><p>c</p><p>d</p></li></ul><ol start=3><li>e</ol>\
         <pre><code class='language-rust'>fn main() {\n    x();\n}</code></pre>\
         <table><tr><th>A<th>B</tr><tr><td>1<td>2|3</tr><tr><td rowspan=2>x<td>y</tr><tr><td>z</tr></table>\
         <blockquote><p>q</p></blockquote><dl><dt>Range<dd>Two walls</dl>",
    );
    let expected = "# Title\n\nOne **two** [three](https://help.example/en/b) `x < y`.  \nFour\n\n\
        - a\n  - b\n- c\n\n  d\n\n3. e\n\n```rust\nfn main() {\n    x();\n}\n```\n\n\
        | A | B |\n| --- | --- |\n| 1 | 2\\|3 |\n| x | y |\n| x | z |\n\n> q\n\n**Range**\n\nTwo walls\n\n";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn what_a_page_says_of_itself_is_read() {
    let page = page(
        "<title>Refunds | Kelvora</title><base href='/de/'><link rel=canonical href='refunds'>\
         <meta name=ROBOTS content='NoIndex, follow'><p>Text with <a href='a#b'>links</a>, <a href='a'>twice</a> and \
         <a href='mailto:x@y.z'>mail</a> and <a href='//cdn.example/x y'>more</a>.",
    );
    assert_eq!(page.title.as_deref(), Some("Refunds"));
    assert_eq!(page.canonical.as_deref(), Some("https://help.example/de/refunds"));
    assert!(page.noindex && !page.nofollow);
    assert_eq!(page.links, ["https://help.example/de/a", "https://cdn.example/x%20y"]);
}

#[test]
fn text_that_looks_like_marks_stays_text() {
    let text =
        markdown("<p># no heading</p><p>1. no list</p><p>- nor this</p><p>&lt;div&gt; &amp;amp; a &amp; b &lt; c</p>");
    assert!(
        text.starts_with("\\# no heading\n\n1\\. no list\n\n\\- nor this\n\n\\<div> \\&amp; a & b < c\n\n"),
        "{text}"
    );
}

#[test]
fn answers_that_buttons_open_are_kept() {
    let text = markdown(
        "<div><h3><button aria-controls=p1>How long?</button></h3><div id=p1 hidden><p>Five months.</p></div></div>\
         <div hidden>Secret</div><div aria-hidden=true>Also</div>",
    );
    assert!(text.contains("### How long?\n\nFive months."), "{text}");
    assert!(!text.contains("Secret") && !text.contains("Also"), "{text}");
}

#[test]
fn charsets_are_found() {
    let extract = |bytes: &[u8], content_type| extract(Document { bytes, content_type, name: None }).unwrap().text;
    let word = "Größe";
    assert!(extract(b"<meta charset=latin1><p>Gr\xf6\xdfe zwei", None).contains(word));
    assert!(extract(b"<p>Gr\xf6\xdfe zwei", Some("text/html; charset=iso-8859-1")).contains(word));
    let utf16: Vec<u8> = "\u{feff}<p>Größe zwei".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(extract(&utf16, Some("text/html")).contains(word));
}

#[test]
fn depth_is_bounded() {
    let deep = |tag: &str, depth: usize| format!("<p>{}</p>{}x", "Prose. ".repeat(40), tag.repeat(depth));
    let text = page(&deep("<div>", 1_000)).text;
    assert!(text.contains("Prose."));
    let error = read(&deep("<div>", 50_000), None).unwrap_err();
    assert_eq!(error.kind, crate::FailureKind::TooLarge);
    page(&deep("<ul><li>", 400));
    page(&deep("<b><blockquote>", 400));
    page(&deep("<table><tr><td>", 300));
}

#[test]
fn a_page_without_text_says_what_to_do() {
    let bytes = b"<html><body><script>render()</script><div id=app></div>";
    let error = extract(Document { bytes, content_type: None, name: None }).unwrap_err();
    assert_eq!(error.kind, crate::FailureKind::Empty);
    assert!(error.message.contains("scripts"), "{error:?}");
}

#[test]
fn a_page_that_is_a_list_of_links_keeps_them() {
    let items: String = (0..20).map(|n| format!("<li><a href=/help/{n}>How to do thing {n}</a></li>")).collect();
    let text = page(&format!(
        "<nav><a href=/>Home</a></nav><main><h1>All articles</h1><p>Choose one.</p><ul>{items}</ul></main>"
    ))
    .text;
    assert!(
        text.starts_with("# All articles\n\nChoose one.\n\n- [How to do thing 0](https://help.example/help/0)\n"),
        "{text}"
    );
    assert!(!text.contains("Home"), "{text}");
}

#[test]
fn a_title_that_a_program_made_is_none() {
    let title = |page: &str| {
        let page = format!("<!doctype html><html>{page}<p>It takes two days within the country.</p></html>");
        extract(Document { bytes: page.as_bytes(), content_type: None, name: None }).unwrap().title
    };
    assert_eq!(title("<title>Document</title><h2>Shipping</h2>").as_deref(), Some("Shipping"));
    assert_eq!(title("<title>Untitled Document</title><h2>EU</h2><p>a</p><h2>US</h2>"), None);
    assert_eq!(title("<title>Shipping | Kelvora</title><h2>EU</h2>").as_deref(), Some("Shipping"));
    assert_eq!(title("<title>untitled</title><p class=MsoTitle>Travel</p>").as_deref(), Some("Travel"));
}
