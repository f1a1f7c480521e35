//! HTML within Markdown, as the text that a reader sees.

use std::{borrow::Cow, ops::Range};

use pulldown_cmark::{Event, Parser, Tag};

/// No tag of a page that people write is longer.
const LONGEST_TAG: usize = 1 << 10;

/// The elements of HTML (HTML Living Standard, "Indices"). Other names in angle brackets may be placeholders.
const ELEMENTS: &str = " a abbr address area article aside audio b base bdi bdo big blockquote body br button canvas \
    caption center cite code col colgroup data datalist dd del details dfn dialog div dl dt em embed fieldset \
    figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input ins kbd label \
    legend li link main map mark menu meta meter nav noscript object ol optgroup option output p param picture pre \
    progress q rp rt ruby s samp script search section select slot small source span strike strong style sub summary \
    sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr ";

/// Replaces the HTML of a Markdown text. Headings, items and links become those of Markdown. Comments, scripts and
/// styles go.
pub(super) fn to_markdown(text: &str) -> Cow<'_, str> {
    if !text.contains('<') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut replace = |range: Range<usize>, by: String| {
        if range.start >= copied {
            out.push_str(&text[copied..range.start]);
            out.push_str(&by);
            copied = range.end;
        }
    };
    let mut link = None;
    let mut depth = 0_usize;
    for (event, range) in Parser::new_ext(text, super::markdown::options()).into_offset_iter() {
        match event {
            // A block outside of all others is taken as a whole, because a tag may stand on several lines.
            Event::Start(Tag::HtmlBlock) if depth == 0 => {
                let block = Converter::block(&text[range.clone()]);
                replace(range, block);
                depth += 1;
            }
            Event::Html(_) => {
                let line = Converter::block(&text[range.clone()]);
                replace(range, line);
            }
            Event::InlineHtml(_) => {
                let before = text[..range.start].chars().next_back();
                let mut converter = Converter { link: std::mem::take(&mut link), before, ..Converter::default() };
                converter.convert(&text[range.clone()]);
                link = converter.link;
                replace(range, converter.out);
            }
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

#[derive(Default)]
struct Converter {
    out: String,
    /// Where the open link leads.
    link: Option<String>,
    /// What stands before the HTML.
    before: Option<char>,
    /// Within a block, white space and entities are those of HTML.
    block: bool,
    preformatted: bool,
}

impl Converter {
    fn block(html: &str) -> String {
        let mut converter = Self { block: true, ..Self::default() };
        converter.convert(html);
        if converter.preformatted {
            converter.out.push_str("\n```\n");
        }
        // What follows is no part of the block, and mustn't become one.
        if html.ends_with('\n') && !converter.out.ends_with('\n') {
            converter.out.push('\n');
        }
        converter.out
    }

    fn convert(&mut self, html: &str) {
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            self.text(&rest[..at]);
            rest = &rest[at..];
            if let Some(comment) = rest.strip_prefix("<!--") {
                rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
                continue;
            }
            let Some(end) = tag_end(rest) else {
                self.text("<");
                rest = &rest[1..];
                continue;
            };
            let (tag, after) = rest.split_at(end);
            rest = after;
            let name = tag_name(tag);
            if matches!(name.as_str(), "script" | "style") {
                let close = format!("</{name}");
                rest = find_ignoring_case(rest, &close).map_or("", |at| &rest[at..]);
            }
            let before = self.out.chars().next_back().or(self.before);
            match is_placeholder(tag, &name, before) {
                true => self.text(tag),
                false => self.tag(tag, &name),
            }
        }
        self.text(rest);
    }

    fn text(&mut self, text: &str) {
        if !self.block || self.preformatted {
            self.out.push_str(text);
            return;
        }
        for (n, line) in text.split('\n').enumerate() {
            if n > 0 {
                self.out.push('\n');
            }
            // Markdown takes an indented line for code.
            let line = if self.out.is_empty() || self.out.ends_with('\n') { line.trim_start() } else { line };
            push_decoded(&mut self.out, line);
        }
    }

    fn tag(&mut self, tag: &str, name: &str) {
        let closing = tag.starts_with("</");
        match name {
            "br" if self.block => self.out.push('\n'),
            "br" => self.out.push(' '),
            "img" => self.out.push_str(attribute(tag, "alt").unwrap_or_default()),
            "a" if closing => {
                if let Some(target) = self.link.take() {
                    self.out.push_str("](");
                    self.out.push_str(&target);
                    self.out.push(')');
                }
            }
            "a" => {
                let target = attribute(tag, "href").filter(|href| !href.contains(['(', ')', ' ', '<', '\n']));
                if let Some(target) = target.filter(|_| self.link.is_none()) {
                    self.out.push('[');
                    self.link = Some(target.to_owned());
                }
            }
            _ if !self.block => {}
            "pre" if self.preformatted == closing => {
                self.preformatted = !closing;
                self.out.push_str("\n```\n");
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.out.push_str("\n\n");
                if !closing {
                    let level = usize::from(name.as_bytes()[1] - b'0');
                    self.out.push_str(&"#".repeat(level));
                    self.out.push(' ');
                }
            }
            "li" if !closing => self.out.push_str("\n- "),
            "td" | "th" if closing => self.out.push_str(" | "),
            "p" | "div" | "ul" | "ol" | "table" | "section" | "article" | "details" | "summary" | "blockquote"
            | "dl" | "dd" | "dt" | "figure" | "figcaption" | "header" | "footer" | "main" | "nav" | "aside" | "hr" => {
                self.out.push_str("\n\n");
            }
            "tr" | "li" => self.out.push('\n'),
            _ => {}
        }
    }
}

/// The length of the tag that a text begins with. `None` when it begins with none.
fn tag_end(text: &str) -> Option<usize> {
    let starts = text[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
    let mut quote = None;
    starts.then_some(())?;
    for (at, c) in text.bytes().enumerate().take(LONGEST_TAG) {
        match (quote, c) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// Whether a tag is none, but text such as `<your-key>` or the end of `Vec<String>`. Components such as `<Note>` are tags.
fn is_placeholder(tag: &str, name: &str, before: Option<char>) -> bool {
    let element = ELEMENTS.contains(&format!(" {name} "));
    let markup = tag.starts_with("</") || tag.ends_with("/>") || tag.contains('=') || tag.starts_with("<!");
    let component = tag[1..].starts_with(char::is_uppercase) && !before.is_some_and(char::is_alphanumeric);
    !name.is_empty() && !element && !markup && !component
}

fn tag_name(tag: &str) -> String {
    let name = tag.trim_start_matches(['<', '/']);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(name.len());
    name[..end].to_ascii_lowercase()
}

/// The value of an attribute.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    loop {
        let at = from + find_ignoring_case(&tag[from..], name)?;
        from = at + name.len();
        let value = tag[from..].trim_start().strip_prefix('=').map(str::trim_start);
        if let Some(value) = value.filter(|_| tag[..at].ends_with(|c: char| c.is_ascii_whitespace())) {
            return Some(match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
                _ => value.split(|c: char| c.is_ascii_whitespace() || c == '>').next().unwrap_or_default(),
            });
        }
    }
}

fn find_ignoring_case(text: &str, what: &str) -> Option<usize> {
    text.as_bytes().windows(what.len()).position(|window| window.eq_ignore_ascii_case(what.as_bytes()))
}

/// Adds text with its character references resolved: those that pages have for signs of HTML and for white space, and
/// numbers.
fn push_decoded(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest[1..].bytes().take(10).position(|byte| byte == b';').map(|end| &rest[1..=end]);
        match reference.and_then(|name| Some((name, character(name)?))) {
            Some((name, c)) => {
                out.push(c);
                rest = &rest[name.len() + 2..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
}

fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "euro" => '€',
        "pound" => '£',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "rarr" => '→',
        "bull" | "middot" => '·',
        "shy" => '\u{ad}',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            return char::from_u32(code).filter(|c| !c.is_control());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_text_stays() {
        for (html, markdown) in [
            ("Press <kbd>Ctrl</kbd> now.", "Press Ctrl now."),
            ("<div class=\"a>b\">\n  Some <b>bold</b> text\n</div>\n", "\n\n\nSome bold text\n\n\n\n"),
            ("<!-- secret -->\n", "\n"),
            ("<script>\nlet x = 1 < 2;\n</script>\n", "\n"),
            ("<h2 id=x>Refunds</h2>\n", "\n\n## Refunds\n\n\n"),
            ("See <a href=\"https://a.example/b\">this</a>.", "See [this](https://a.example/b)."),
            ("An <img src=x alt=\"open lock\"> icon", "An open lock icon"),
            ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
            ("Send <your-key> as <code-here>.", "Send <your-key> as <code-here>."),
            ("A Vec<String> of <my-icon name=x></my-icon> <Note>notes</Note>", "A Vec<String> of  notes"),
            ("`<b>` is bold", "`<b>` is bold"),
            ("<p>Tom &amp; Ann&nbsp;&#8364;&#x41;&bogus;</p>\n", "\n\nTom & Ann €A&bogus;\n\n\n"),
            ("```\n<div>\n```\n", "```\n<div>\n```\n"),
        ] {
            assert_eq!(to_markdown(html), markdown, "{html}");
        }
    }

    #[test]
    fn tags_without_end_are_text() {
        let many = "<a ".repeat(100_000);
        assert!(to_markdown(&many).len() >= many.trim_end().len());
        let block = format!("<div>\n{}", "<b \"".repeat(50_000));
        assert!(to_markdown(&block).contains("<b"));
        let scripts = format!("<div>\n{}", "<script>".repeat(50_000));
        to_markdown(&scripts);
    }
}
