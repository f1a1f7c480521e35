//! Renders a page's Markdown as HTML: headings get anchors, links between pages lead to pages, HTML is shown as text.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};
use resly_search::anchor::Anchors;

/// A page's Markdown, rendered.
pub struct Rendered {
    pub html: String,
    pub headings: Vec<Heading>,
}

/// A heading of a page.
pub struct Heading {
    /// 1 for the title.
    pub level: u8,
    pub anchor: String,
    /// Without markup.
    pub text: String,
}

pub fn render(markdown: &str) -> Rendered {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let headings = headings(Parser::new_ext(markdown, options));
    let mut anchors = headings.iter().map(|heading| heading.anchor.clone());
    let mut links = Vec::new();
    let events = Parser::new_ext(markdown, options).flat_map(|event| safe(event, &mut links, &mut anchors));
    let mut written = String::new();
    html::push_html(&mut written, events);
    Rendered { html: written, headings }
}

fn headings<'a>(events: impl Iterator<Item = Event<'a>>) -> Vec<Heading> {
    let mut anchors = Anchors::default();
    let mut headings = Vec::new();
    let mut open: Option<(u8, String)> = None;
    for event in events {
        match event {
            Event::Start(Tag::Heading { level, .. }) => open = Some((level as u8, String::new())),
            Event::End(TagEnd::Heading(_)) => {
                if let Some((level, text)) = open.take() {
                    headings.push(Heading { level, anchor: anchors.next(&text), text });
                }
            }
            Event::Text(words) | Event::Code(words) | Event::Html(words) | Event::InlineHtml(words) => {
                if let Some((_, text)) = &mut open {
                    text.push_str(&words);
                }
            }
            _ => {}
        }
    }
    headings
}

/// The words of Markdown, without markup.
pub fn words(markdown: &str) -> String {
    let mut text = String::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Text(words) | Event::Code(words) | Event::Html(words) | Event::InlineHtml(words) => {
                text.push_str(&words);
            }
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            Event::End(
                TagEnd::Paragraph | TagEnd::Item | TagEnd::TableCell | TagEnd::Heading(_) | TagEnd::CodeBlock,
            ) => text.push(' '),
            _ => {}
        }
    }
    text
}

/// Replaces an event. `links` holds for each open link whether it is kept.
fn safe<'a>(event: Event<'a>, links: &mut Vec<bool>, anchors: &mut impl Iterator<Item = String>) -> Vec<Event<'a>> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text)],
        Event::Start(Tag::HtmlBlock) => vec![Event::Start(Tag::Paragraph)],
        Event::End(TagEnd::HtmlBlock) => vec![Event::End(TagEnd::Paragraph)],
        // Only an image's text is kept, because a page loads nothing.
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => Vec::new(),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let target = target(&dest_url);
            links.push(target.is_some());
            let link = |dest: String| Event::Start(Tag::Link { link_type, dest_url: dest.into(), title, id });
            target.map(link).into_iter().collect()
        }
        Event::End(TagEnd::Link) => {
            let kept = links.pop().unwrap_or_default();
            kept.then_some(Event::End(TagEnd::Link)).into_iter().collect()
        }
        Event::Start(Tag::Heading { level, .. }) => {
            let id = anchors.next().map(CowStr::from);
            vec![Event::Start(Tag::Heading { level, id, classes: Vec::new(), attrs: Vec::new() })]
        }
        // Alignments become `style` attributes, which the pages' policy forbids.
        Event::Start(Tag::Table(columns)) => {
            let columns = vec![pulldown_cmark::Alignment::None; columns.len()];
            vec![raw("<div class=\"scroll\" tabindex=\"0\">"), Event::Start(Tag::Table(columns))]
        }
        Event::End(TagEnd::Table) => vec![Event::End(TagEnd::Table), raw("</div>\n")],
        // A block that is wider than the screen scrolls, by keyboard too.
        Event::Start(Tag::CodeBlock(kind)) => {
            vec![raw("<div class=\"code\"><div class=\"scroll\" tabindex=\"0\">"), Event::Start(Tag::CodeBlock(kind))]
        }
        Event::End(TagEnd::CodeBlock) => vec![Event::End(TagEnd::CodeBlock), raw("</div></div>\n")],
        other => vec![other],
    }
}

fn raw(html: &'static str) -> Event<'static> {
    Event::Html(html.into())
}

/// The address of a handbook's link on this host: a page's file becomes its path. `None` when the target is neither a
/// page, nor a place on this page, nor on the web.
fn target(link: &str) -> Option<String> {
    if link.starts_with('#') || link.starts_with("https://") || link.starts_with("http://") {
        return Some(link.to_owned());
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let name = file.strip_prefix("/docs/").unwrap_or(file).strip_suffix(".md")?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '/'));
    if !plain || name.starts_with('/') {
        return None;
    }
    Some(anchor.map_or_else(|| format!("/docs/{name}"), |anchor| format!("/docs/{name}#{anchor}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_in_a_page_is_shown_and_never_in_force() {
        let written = render(
            "# A <b>bold</b> title\n\n<script>alert(1)</script>\n\ntext <img src=x onerror=alert(1)> on\n\n\
             ```\"onclick=\"x <i>\n</code><script>\n```\n\n`<u>`\n\n[a](\"><script>)\n",
        )
        .html;
        for opened in ["<script", "<img", "<b>", "<i>", "<u>", "onclick=\"x"] {
            assert!(!written.contains(opened), "{opened}: {written}");
        }
        assert!(written.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{written}");
    }

    #[test]
    fn only_pages_places_and_the_web_are_linked() {
        let written = |link: &str| render(&format!("[to]({link})")).html;
        assert_eq!(written("chat-api.md#ask"), "<p><a href=\"/docs/chat-api#ask\">to</a></p>\n");
        assert_eq!(written("/docs/problems/not-found.md"), "<p><a href=\"/docs/problems/not-found\">to</a></p>\n");
        assert_eq!(written("#here"), "<p><a href=\"#here\">to</a></p>\n");
        assert_eq!(written("https://jqlang.org"), "<p><a href=\"https://jqlang.org\">to</a></p>\n");
        for link in ["javascript:alert(1)", "data:text/html,x", "//evil.example/x.md", "../secret.md", "a%2fb.md"] {
            assert_eq!(written(link), "<p>to</p>\n", "{link}");
        }
        assert_eq!(render("![a shop](https://evil.example/x.png)").html, "<p>a shop</p>\n");
    }

    #[test]
    fn headings_have_anchors_and_wide_blocks_scroll() {
        let page = render("# Keys\n\n## `request`\n\n## `request`\n\n| a |\n|:-:|\n| b |\n\n```sh\nls\n```\n");
        let found: Vec<_> = page.headings.iter().map(|h| (h.level, h.anchor.as_str(), h.text.as_str())).collect();
        assert_eq!(found, [(1, "keys", "Keys"), (2, "request", "request"), (2, "request-1", "request")]);
        assert!(page.html.contains("<h2 id=\"request-1\"><code>request</code></h2>"), "{}", page.html);
        assert!(!page.html.contains("style="), "{}", page.html);
        assert_eq!(page.html.matches("<div class=\"scroll\" tabindex=\"0\">").count(), 2);
    }
}
