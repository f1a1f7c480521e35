//! The sections of a Markdown text: its headings, and the blocks under each.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag};

use super::{Block, Kind, SECTION, Section};

pub(super) fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
}

/// A heading or block at the top level of a Markdown text.
struct Item {
    start: usize,
    end: usize,
    what: What,
    /// Tables and code within the block, in a quote or a list.
    inner: Vec<(Range<usize>, Kind)>,
}

enum What {
    /// `long` when the title was cut.
    Heading {
        level: HeadingLevel,
        title: String,
        long: bool,
    },
    Block(Kind),
}

fn items(text: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut depth = 0usize;
    for (event, Range { start, end }) in Parser::new_ext(text, options()).into_offset_iter() {
        if depth == 0 {
            let what = match &event {
                Event::Start(Tag::Heading { level, .. }) => {
                    What::Heading { level: *level, title: String::new(), long: false }
                }
                Event::Start(Tag::CodeBlock(_)) => What::Block(Kind::Code),
                Event::Start(Tag::List(_)) => What::Block(Kind::List),
                Event::Start(Tag::Table(_)) => What::Block(Kind::Table),
                _ => What::Block(Kind::Prose),
            };
            items.push(Item { start: line_start(text, start), end, what, inner: Vec::new() });
        } else if let Event::Start(Tag::CodeBlock(_) | Tag::Table(_)) = &event
            && let Some(item) = items.last_mut()
        {
            let kind = if matches!(event, Event::Start(Tag::Table(_))) { Kind::Table } else { Kind::Code };
            let start = text[..start].rfind('\n').map_or(0, |end| end + 1);
            item.inner.push((start..end, kind));
        }
        match &event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(words) | Event::Code(words) | Event::InlineHtml(words) => add_to_title(&mut items, words),
            Event::SoftBreak | Event::HardBreak => add_to_title(&mut items, " "),
            _ => {}
        }
    }
    items
}

fn add_to_title(items: &mut [Item], words: &str) {
    if let Some(Item { what: What::Heading { title, long, .. }, .. }) = items.last_mut() {
        // Only the beginning of a path is kept, and a title is in the path of each heading under it.
        let room = (2 * SECTION).saturating_sub(title.len());
        *long |= words.len() > room;
        title.push_str(&words[..words.floor_char_boundary(room)]);
    }
}

/// The start of the line if only white space stands before `at`. The parser reports indented code after its
/// indentation.
fn line_start(text: &str, at: usize) -> usize {
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    if text[line..at].trim().is_empty() { line } else { at }
}

pub(super) fn sections(text: &str) -> Vec<Section<'_>> {
    let items = items(text);
    let first = items.first().map_or(text.len(), |item| item.start);
    let mut sections = vec![Section { path: String::new(), blocks: vec![Block::prose(&text[..first])] }];
    let mut path: Vec<(HeadingLevel, String)> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let next = items.get(n + 1);
        // A block ends where the next one starts. So text that the parser reports no event for, such as a link's
        // definition, stays with it.
        let end = next.map_or(text.len(), |next| next.start).max(item.start);
        let (from, kind) = match &item.what {
            What::Block(kind) => (item.start, *kind),
            What::Heading { level, title, long } => {
                while path.last().is_some_and(|(above, _)| above >= level) {
                    path.pop();
                }
                path.push((*level, title.split_whitespace().collect::<Vec<_>>().join(" ")));
                let titles: Vec<&str> =
                    path.iter().map(|(_, title)| title.as_str()).filter(|title| !title.is_empty()).collect();
                let whole = titles.join(" › ");
                let section = whole[..whole.floor_char_boundary(SECTION)].to_owned();
                // The heading is kept as text when its section is empty, because it is then in no other path, and when
                // its path was cut.
                let after = end.min(item.end.max(item.start));
                let leads = match next {
                    Some(Item { what: What::Heading { level: below, .. }, .. }) => below > level,
                    Some(_) => true,
                    None => false,
                } || !text[after..end].trim().is_empty();
                let fits = section.len() == whole.len() && !long;
                let from = if leads && fits { after } else { item.start };
                sections.push(Section { path: section, blocks: Vec::new() });
                (from, Kind::Prose)
            }
        };
        if let Some(section) = sections.last_mut() {
            let within = |(range, kind): &(Range<usize>, Kind)| {
                (range.start.saturating_sub(from)..range.end.saturating_sub(from), *kind)
            };
            let inner = item.inner.iter().map(within).collect();
            section.blocks.push(Block { text: &text[from..end], kind, inner });
        }
    }
    sections
}
