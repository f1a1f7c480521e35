//! Cuts a source into passages that are small enough to be found and quoted, and large enough to be understood.
//!
//! Markdown is cut at its headings, then between its blocks; the path of headings becomes the passage's section. Plain
//! text is cut between paragraphs. What is still too long is cut between lines or sentences, then between words. Every
//! word of the source is kept, in a passage or in its section.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag};

/// Blocks are joined up to this many bytes.
const FULL: usize = 1200;
/// The least bytes of a piece, where there is a choice of where to cut.
const ENOUGH: usize = 800;
/// A code block or a table up to this many bytes is kept whole.
const WHOLE: usize = 2400;
/// A last piece of fewer bytes is joined to the one before.
const SCRAP: usize = 200;
/// The most bytes of a heading path in a section. The rest is added to the text.
const SECTION: usize = 300;

/// A piece of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The heading path, such as `Billing › Refunds`; empty at the top and in plain text.
    pub section: String,
    pub text: String,
}

/// Cuts a source. `content_type` is `text/markdown` or, for plain text, anything else.
pub fn chunk(text: &str, content_type: &str) -> Vec<Chunk> {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n").replace('\0', "");
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let markdown = ["text/markdown", "text/x-markdown"].iter().any(|known| essence.eq_ignore_ascii_case(known));
    let sections = if markdown { markdown_sections(&text) } else { vec![plain_section(&text)] };
    let mut chunks = Vec::new();
    for section in sections {
        section.cut(&mut chunks);
    }
    chunks
}

/// The content under one heading.
struct Section<'a> {
    path: String,
    blocks: Vec<Block<'a>>,
}

struct Block<'a> {
    text: &'a str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Prose,
    /// Lines that belong together: code and lists.
    Lines,
    Table,
}

fn plain_section(text: &str) -> Section<'_> {
    let mut blocks = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim().is_empty() {
            blocks.push(Block { text: &text[start..at], kind: Kind::Prose });
            start = at;
        }
    }
    blocks.push(Block { text: &text[start..], kind: Kind::Prose });
    Section { path: String::new(), blocks }
}

/// A heading or block at the top level of a Markdown text.
struct Item {
    start: usize,
    end: usize,
    what: What,
}

enum What {
    Heading { level: HeadingLevel, title: String },
    Block(Kind),
}

fn markdown_items(text: &str) -> Vec<Item> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut items: Vec<Item> = Vec::new();
    let mut depth = 0usize;
    for (event, Range { start, end }) in Parser::new_ext(text, options).into_offset_iter() {
        if depth == 0 {
            let what = match &event {
                Event::Start(Tag::Heading { level, .. }) => What::Heading { level: *level, title: String::new() },
                Event::Start(Tag::CodeBlock(_) | Tag::List(_)) => What::Block(Kind::Lines),
                Event::Start(Tag::Table(_)) => What::Block(Kind::Table),
                _ => What::Block(Kind::Prose),
            };
            items.push(Item { start: line_start(text, start), end, what });
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
    if let Some(Item { what: What::Heading { title, .. }, .. }) = items.last_mut() {
        title.push_str(words);
    }
}

/// The start of the line if only white space stands before `at`. The parser reports indented code after its
/// indentation.
fn line_start(text: &str, at: usize) -> usize {
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    if text[line..at].trim().is_empty() { line } else { at }
}

fn markdown_sections(text: &str) -> Vec<Section<'_>> {
    let items = markdown_items(text);
    let first = items.first().map_or(text.len(), |item| item.start);
    let mut sections =
        vec![Section { path: String::new(), blocks: vec![Block { text: &text[..first], kind: Kind::Prose }] }];
    let mut path: Vec<(HeadingLevel, String)> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let next = items.get(n + 1);
        // A block ends where the next one starts. So text that the parser reports no event for, such as a link's
        // definition, stays with it.
        let end = next.map_or(text.len(), |next| next.start).max(item.start);
        let (from, kind) = match &item.what {
            What::Block(kind) => (item.start, *kind),
            What::Heading { level, title } => {
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
                let from = if leads && section.len() == whole.len() { after } else { item.start };
                sections.push(Section { path: section, blocks: Vec::new() });
                (from, Kind::Prose)
            }
        };
        if let Some(section) = sections.last_mut() {
            section.blocks.push(Block { text: &text[from..end], kind });
        }
    }
    sections
}

impl Section<'_> {
    fn cut(self, chunks: &mut Vec<Chunk>) {
        let mut texts: Vec<String> = Vec::new();
        let mut open = String::new();
        for block in &self.blocks {
            let text = block.text.trim_end();
            let text = text.trim_start_matches('\n');
            if text.trim().is_empty() {
                continue;
            }
            if open.len() + 2 + text.len() <= FULL {
                join(&mut open, text);
                continue;
            }
            let whole = block.kind != Kind::Prose && text.len() <= WHOLE;
            let mut pieces = if text.len() <= FULL || whole { vec![text.to_owned()] } else { pieces(block, text) };
            // The end of the open chunk and the start of a long block belong together, so a scrap isn't left on its
            // own.
            if let Some(first) = pieces.first_mut()
                && open.len() < SCRAP
                && open.len() + 2 + first.len() <= WHOLE
            {
                join(&mut open, first);
                *first = std::mem::take(&mut open);
            }
            if !open.is_empty() {
                texts.push(std::mem::take(&mut open));
            }
            open = pieces.pop().unwrap_or_default();
            texts.extend(pieces);
        }
        if !open.is_empty() {
            match texts.last_mut() {
                Some(last) if open.len() < SCRAP && last.len() + 2 + open.len() <= FULL + SCRAP => join(last, &open),
                _ => texts.push(open),
            }
        }
        chunks.extend(texts.into_iter().map(|text| Chunk { section: self.path.clone(), text }));
    }
}

fn join(open: &mut String, text: &str) {
    if !open.is_empty() {
        open.push_str("\n\n");
    }
    open.push_str(text);
}

/// Cuts a block that is too long for one chunk.
fn pieces(block: &Block<'_>, text: &str) -> Vec<String> {
    // Rows of a table mean little without its header.
    let header: String = match block.kind {
        Kind::Table => text.split_inclusive('\n').take(2).collect(),
        _ => String::new(),
    };
    let header = if header.len() < FULL - ENOUGH { header } else { String::new() };
    let mut pieces: Vec<String> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let lead = if pieces.is_empty() { "" } else { &header };
        let room = FULL - lead.len();
        let end = if rest.len() <= room { rest.len() } else { cut(rest, room, block.kind) };
        let (piece, more) = rest.split_at(end);
        let piece = if block.kind == Kind::Prose { piece.trim() } else { piece.trim_end() };
        if !piece.trim().is_empty() {
            pieces.push(format!("{lead}{piece}"));
        }
        rest = more;
    }
    pieces
}

/// Where to cut a text that is longer than `room`: after a line or sentence if one ends late enough, else after a word,
/// else between two characters. Never 0.
fn cut(text: &str, room: usize, kind: Kind) -> usize {
    let window = &text[..text.floor_char_boundary(room)];
    let late = |at: &usize| *at >= ENOUGH.min(room / 2);
    let line = || window.rfind('\n').map(|at| at + 1).filter(late);
    let sentence = || {
        window
            .char_indices()
            .zip(window.chars().skip(1).map(Some).chain([None]))
            .filter(|((_, c), next)| match c {
                '.' | '!' | '?' => next.is_some_and(char::is_whitespace),
                '。' | '！' | '？' => true,
                _ => false,
            })
            .map(|((at, c), _)| at + c.len_utf8())
            .last()
            .filter(late)
    };
    let word = || {
        let (at, c) = window.char_indices().rev().find(|(_, c)| c.is_whitespace())?;
        Some(at + c.len_utf8()).filter(|at| *at > room / 4)
    };
    let found = if kind == Kind::Prose { sentence().or_else(line) } else { line().or_else(sentence) };
    // `room` is far above the four bytes of the longest character, so the window is not empty.
    found.or_else(word).unwrap_or(window.len()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(text: &str) -> Vec<Chunk> {
        chunk(text, "text/markdown; charset=utf-8")
    }

    fn shown(chunks: &[Chunk]) -> Vec<(&str, &str)> {
        chunks.iter().map(|chunk| (chunk.section.as_str(), chunk.text.as_str())).collect()
    }

    #[test]
    fn headings_make_sections_with_their_path() {
        let text = "Before.\n\n# Billing\n\nAbout billing.\n\n## Refunds & `returns`\n\nIn 14 days.\n\n### Abroad\nIn 30.\n\n# Other\nX.";
        assert_eq!(
            shown(&markdown(text)),
            [
                ("", "Before."),
                ("Billing", "About billing."),
                ("Billing › Refunds & returns", "In 14 days."),
                ("Billing › Refunds & returns › Abroad", "In 30."),
                ("Other", "X."),
            ]
        );
    }

    #[test]
    fn an_empty_section_keeps_its_heading_as_text() {
        let found = markdown("# A\n\n## Soon\n\n## B\n\nText.\n\n# Last");
        assert_eq!(shown(&found), [("A › Soon", "## Soon"), ("A › B", "Text."), ("Last", "# Last")]);
    }

    #[test]
    fn paragraphs_are_joined_up_to_a_chunk() {
        let paragraph = "word ".repeat(80);
        let text = [paragraph.as_str(); 7].join("\n\n");
        let found = chunk(&text, "text/plain");
        assert!(found.iter().all(|chunk| chunk.text.len() <= FULL && chunk.section.is_empty()), "{found:?}");
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_long_paragraph_is_cut_after_a_sentence() {
        let text = "This sentence has some forty-odd characters. ".repeat(100);
        let found = chunk(&text, "text/plain");
        assert!(found.len() > 3);
        assert!(found.iter().all(|chunk| chunk.text.ends_with('.') && chunk.text.len() <= FULL), "{found:?}");
    }

    #[test]
    fn code_stays_whole_and_is_cut_between_lines_when_it_must() {
        let code = |lines: usize| format!("```rust\n{}```", "let answer = 42; // of course\n".repeat(lines));
        let fits = markdown(&format!("{}\n\n{}\n\nAfter.", "Before. ".repeat(100), code(60)));
        assert!(fits.iter().any(|chunk| chunk.text.contains(&code(60))), "{fits:?}");
        let cut = markdown(&code(300));
        assert!(cut.len() > 5);
        assert!(cut.iter().all(|chunk| chunk.text.len() <= FULL));
        assert!(cut[1].text.starts_with("let answer") && cut[1].text.ends_with("course"));
    }

    #[test]
    fn a_table_is_text_and_its_header_is_repeated() {
        let rows = "| some name | some longer value of this row |\n".repeat(100);
        let found = markdown(&format!("| Name | Value |\n|---|---|\n{rows}"));
        assert!(found.len() > 2);
        assert!(found.iter().all(|chunk| chunk.text.starts_with("| Name | Value |\n|---|---|\n| some")), "{found:?}");
    }

    #[test]
    fn link_definitions_and_front_matter_are_kept() {
        let found = markdown(
            "---\ntitle: T\n---\n\nSee [this][1].\n\n[1]: https://example.com/a\n\n# H\n\n[2]: https://example.com/b\n",
        );
        let all: String = found.iter().map(|chunk| chunk.text.as_str()).collect();
        for part in ["title: T", "https://example.com/a", "https://example.com/b"] {
            assert!(all.contains(part), "{part}: {all}");
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(markdown(" \n\n\0\r\n").is_empty());
        assert!(chunk("", "text/plain").is_empty());
    }

    #[test]
    fn words_without_end_are_cut_between_characters() {
        for word in ["x", "ü", "字", "\u{1F600}"] {
            let text = word.repeat(5000);
            let found = chunk(&text, "text/plain");
            assert!(found.iter().all(|chunk| chunk.text.len() <= FULL));
            assert_eq!(found.iter().map(|chunk| chunk.text.as_str()).collect::<String>(), text);
        }
    }

    /// Whatever is put together from pieces of Markdown, every word is in a passage or its section, in order of the
    /// source, and no passage is larger than the largest that is allowed.
    #[test]
    fn no_word_is_lost_and_no_chunk_is_too_large() {
        let mut state = 0x2545_f491_4f6c_dd1du64;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        for _ in 0..300 {
            let mut text = String::new();
            let mut words = 0;
            for _ in 0..random(14) {
                let start = [
                    "# ", "## ", "### ", "", "", "- ", "1. ", "> ", "    ", "```\n", "| ", "***\n", "<div>\n", "[w]: ",
                    "~~~\n", "---\n",
                ];
                let end = ["\n", "\n\n", "\n\n", "\r\n\r\n", "\n```\n", " |\n|---|\n", "\n===\n", "\n---\n", "  \n"];
                text.push_str(start[random(start.len() as u64) as usize]);
                for _ in 0..1 + random(300) {
                    text.push_str(&format!("w{words}"));
                    words += 1;
                    text.push_str([" ", " ", " ", ". ", "\n", " | "][random(6) as usize]);
                }
                text.push_str(end[random(end.len() as u64) as usize]);
            }
            for kind in ["text/markdown", "text/plain"] {
                let found = chunk(&text, kind);
                let have: std::collections::HashSet<&str> = found
                    .iter()
                    .flat_map(|chunk| [chunk.section.as_str(), chunk.text.as_str()])
                    .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
                    .collect();
                for word in (0..words).map(|n| format!("w{n}")) {
                    assert!(have.contains(word.as_str()), "{word} is lost as {kind} from:\n{text}\n{found:#?}");
                }
                for chunk in &found {
                    assert!(chunk.text.len() <= WHOLE + SCRAP && chunk.section.len() <= SECTION, "{chunk:?}");
                    assert!(!chunk.text.trim().is_empty());
                }
            }
        }
    }
}
