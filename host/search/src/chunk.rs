//! Cuts a source into passages that are small enough to be found and quoted, and large enough to be understood.
//!
//! Markdown is cut at its headings, then between its blocks; the path of headings becomes the passage's section. Plain
//! text is cut between paragraphs. What is still too long is cut between lines or sentences, then between words. A piece
//! of a list begins with the items that it stands under, and a piece of a table with the table's header.
//!
//! Every word that a reader of the source sees is kept, in a passage or in its section. Markup of HTML, comments and the
//! settings in front matter are not.

mod cut;
mod front_matter;
mod html;
mod markdown;
mod sentence;

use std::ops::Range;

/// Blocks are joined up to this many bytes.
const FULL: usize = 1200;
/// The least bytes of a piece, where there is a choice of where to cut.
const ENOUGH: usize = 800;
/// A code block, a list or a table up to this many bytes is kept whole.
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

/// A text has more markup than a document that people write, and reading it would take too much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text has {marks} lines and characters of markup, and {MARKS} are the most; split it")]
pub struct TooMuchMarkup {
    pub marks: usize,
}

/// Lines of one text, and characters that may be markup. Up to some 64 bytes are kept for each while it is cut.
const MARKS: usize = 1 << 20;

/// Cuts a source. `content_type` is `text/markdown` or, for plain text, anything else.
pub fn chunk(text: &str, content_type: &str) -> Result<Vec<Chunk>, TooMuchMarkup> {
    let text = text.trim_start_matches('\u{feff}');
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n").replace('\0', "");
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let markdown = ["text/markdown", "text/x-markdown"].iter().any(|known| essence.eq_ignore_ascii_case(known));
    let is_mark = |byte: &u8| match byte {
        b'\n' => true,
        byte => markdown && byte.is_ascii_punctuation() && !b".,;:?'\"()%@$/".contains(byte),
    };
    let marks = text.bytes().filter(is_mark).count();
    if marks > MARKS {
        return Err(TooMuchMarkup { marks });
    }
    let mut chunks = Vec::new();
    if markdown {
        let text = front_matter::to_markdown(&text);
        let text = html::to_markdown(&text);
        markdown::sections(&text).into_iter().for_each(|section| section.cut(&mut chunks));
    } else {
        plain_section(&text).cut(&mut chunks);
    }
    Ok(chunks)
}

/// The content under one heading.
struct Section<'a> {
    path: String,
    blocks: Vec<Block<'a>>,
}

struct Block<'a> {
    text: &'a str,
    kind: Kind,
    /// Tables and code within the block, as ranges of its text.
    inner: Vec<(Range<usize>, Kind)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Prose,
    Code,
    List,
    Table,
}

impl<'a> Block<'a> {
    const fn prose(text: &'a str) -> Self {
        Self { text, kind: Kind::Prose, inner: Vec::new() }
    }

    /// The block without empty lines around it.
    fn trimmed(&self) -> Self {
        let text = self.text.trim_start_matches('\n');
        let skipped = self.text.len() - text.len();
        let within = |(range, kind): &(Range<usize>, Kind)| {
            (range.start.saturating_sub(skipped)..range.end.saturating_sub(skipped), *kind)
        };
        Self { text: text.trim_end(), kind: self.kind, inner: self.inner.iter().map(within).collect() }
    }
}

fn plain_section(text: &str) -> Section<'_> {
    let mut blocks = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim().is_empty() {
            blocks.push(Block::prose(&text[start..at]));
            start = at;
        }
    }
    blocks.push(Block::prose(&text[start..]));
    Section { path: String::new(), blocks }
}

impl Section<'_> {
    fn cut(self, chunks: &mut Vec<Chunk>) {
        let mut texts: Vec<String> = Vec::new();
        let mut open = String::new();
        // The line before a list that says what it lists.
        let mut intro = "";
        for block in &self.blocks {
            let block = block.trimmed();
            let text = block.text;
            if text.trim().is_empty() {
                continue;
            }
            let lead = if block.kind == Kind::List { std::mem::take(&mut intro) } else { "" };
            intro = cut::intro(&block);
            if open.len() + 2 + text.len() <= FULL {
                join(&mut open, text);
                continue;
            }
            let whole = block.kind != Kind::Prose && text.len() <= WHOLE;
            let mut pieces =
                if text.len() <= FULL || whole { vec![text.to_owned()] } else { cut::pieces(&block, lead) };
            // The end of the open chunk and the start of a long block belong together, so a scrap isn't left on its
            // own.
            if let Some(first) = pieces.first_mut()
                && open.len() < SCRAP
                && open.len() + 2 + first.len() <= WHOLE
            {
                join(&mut open, first);
                *first = std::mem::take(&mut open);
            } else if let Some(first) = pieces.first_mut()
                && !lead.is_empty()
            {
                *first = format!("{lead}\n\n{first}");
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

#[cfg(test)]
mod tests;
