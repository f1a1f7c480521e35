//! Lines to Markdown: headings by size, paragraphs by gaps, and without what repeats on every page.

use std::collections::{HashMap, HashSet};

use crate::{html::escape, pipe_table};

use super::{
    cells::Table,
    lines::{Line, is_wide, join},
    running,
};

pub struct LaidOut {
    pub text: String,
    pub title: Option<String>,
}

/// Letters of a heading.
const HEADING_MOST: usize = 120;

pub fn markdown(mut pages: Vec<Vec<Line>>) -> LaidOut {
    running::keep_once(&mut pages);
    pages.iter_mut().for_each(|page| page.retain(|line| line.table.is_some() || !is_contents(&line.text)));
    let body = body_size(&pages);
    let sizes = heading_sizes(&pages, body);
    let mut out = Out { text: String::new(), title: None, fresh: true, table: None };
    for page in &pages {
        let gap = usual_gap(page).min(body * 2.0);
        for (n, line) in page.iter().enumerate() {
            let before = n.checked_sub(1).map(|n| &page[n]);
            out.add(line, before, gap, body, &sizes);
        }
    }
    let Out { text, title, .. } = out;
    LaidOut { text: text.trim().to_owned(), title }
}

struct Out {
    text: String,
    title: Option<String>,
    /// The next line begins a block.
    fresh: bool,
    /// The table that ends the text, without its rows but the first.
    table: Option<Table>,
}

impl Out {
    fn add(&mut self, line: &Line, before: Option<&Line>, gap: f32, body: f32, sizes: &[i32]) {
        let table = self.table.take();
        if let Some(new) = &line.table {
            self.add_table(new, table.filter(|_| before.is_none()));
            return;
        }
        let text = line.text.as_str();
        let short = text.chars().count() <= HEADING_MOST && !text.ends_with(['.', ',', ';']) && !line.row;
        let level = sizes.iter().position(|size| *size == rounded(line.size)).filter(|_| short && has_letters(text));
        let apart = before.is_none_or(|before| {
            (before.y - line.y).abs() > gap * 1.3 || before.y < line.y || before.bold != line.bold
        });
        let bold = level.is_none() && line.bold && short && apart && has_letters(text) && text.chars().count() < 80;
        if let Some(level) = level.or(bold.then_some(sizes.len())) {
            let level = level.min(5) + 1;
            // A heading of two lines is one.
            let goes_on = before.is_some_and(|before| {
                before.bold == line.bold
                    && rounded(before.size) == rounded(line.size)
                    && (before.y - line.y).abs() < line.size * 1.45
            });
            let mark = format!("{} ", "#".repeat(level));
            let last = self.text.rfind('\n').map_or(0, |at| at + 1);
            if goes_on && self.text[last..].starts_with(&mark) {
                self.text.push(' ');
                self.text.push_str(&escape(text));
            } else {
                self.block(&format!("{mark}{}", escape(text)));
                if self.title.is_none() && level == 1 {
                    self.title = Some(text.to_owned());
                }
            }
            self.fresh = true;
            return;
        }
        if let Some(item) = item(text) {
            let tight = self.text.rfind("\n\n").is_none_or(|at| self.text[at..].trim_start().starts_with("- "))
                && item.starts_with("- ");
            if tight && !self.text.is_empty() && !self.fresh {
                self.text.push('\n')
            } else {
                self.start()
            }
            self.text.push_str(&escape(&item));
            self.fresh = false;
            return;
        }
        let row = line.row || before.is_some_and(|before| before.row);
        // A line that ends early ends its paragraph, when the next one begins like a sentence.
        // A paragraph may go on in the next column or on the next page.
        let paragraph = before.map_or_else(
            || !goes_on(&self.text, text),
            |before| {
                let down = before.y - line.y;
                down > gap * 1.35
                    || (down < 0.0 && !goes_on(&self.text, text))
                    || line.x > before.x + line.size * 0.8 && down > gap * 0.8 && line.size >= body * 0.9
            },
        );
        if self.fresh || (paragraph && !row) {
            self.start();
        } else if row {
            self.text.push_str(if before.is_some_and(|before| before.row) && line.row { "  \n" } else { "\n\n" });
        } else {
            join(&mut self.text, text);
        }
        self.text.push_str(&escape(text));
        self.fresh = false;
    }

    /// Adds a table. One that begins a page after one that ended the page before goes on with it, if its columns are the
    /// same.
    fn add_table(&mut self, table: &Table, before: Option<Table>) {
        let escaped = |row: &Vec<String>| row.iter().map(|cell| escape(cell)).collect::<Vec<_>>();
        let rows: Vec<Vec<String>> = table.rows.iter().map(escaped).collect();
        match before.filter(|before| table.goes_on(before)) {
            Some(before) => {
                let repeated = usize::from(table.rows.first() == before.rows.first());
                for row in &rows[repeated..] {
                    self.text.push('\n');
                    self.text.push_str(&pipe_table::row(row, row.len()));
                }
                self.table = Some(before);
            }
            None => {
                self.block(&pipe_table::write(&rows));
                let rows = table.rows.iter().take(1).cloned().collect();
                self.table = Some(Table { rows, xs: table.xs.clone(), top: table.top });
            }
        }
        self.fresh = true;
    }

    fn start(&mut self) {
        self.text.truncate(self.text.trim_end().len());
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
    }

    fn block(&mut self, text: &str) {
        self.start();
        self.text.push_str(text);
    }
}

/// Whether a sentence that is open goes on in a line.
fn goes_on(open: &str, line: &str) -> bool {
    !open.trim_end().ends_with(['.', '!', '?', ':', '。', '！', '？'])
        && line.starts_with(|c: char| c.is_lowercase() || c.is_numeric() || is_wide(c))
}

/// An item of a list, with Markdown's mark.
fn item(text: &str) -> Option<String> {
    const MARKS: [char; 12] = ['•', '◦', '▪', '‣', '●', '○', '■', '–', '·', '\u{f0b7}', '\u{f0a7}', '*'];
    if let Some(rest) = text.strip_prefix(MARKS) {
        let rest = rest.trim_start();
        return (!rest.is_empty() && (rest.len() < text.len() - 1 || !text.starts_with('*')))
            .then(|| format!("- {rest}"));
    }
    if text.starts_with("- ") {
        return Some(text.to_owned());
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let numbered =
        (1..=2).contains(&digits) && text[digits..].starts_with([')', '.']) && text[digits + 1..].starts_with(' ');
    numbered.then(|| format!("{}.{}", &text[..digits], &text[digits + 1..]))
}

fn has_letters(text: &str) -> bool {
    text.chars().filter(|c| c.is_alphabetic()).count() >= 2
}

/// A size in halves of a point.
fn rounded(size: f32) -> i32 {
    (size * 2.0).round() as i32
}

/// The size of most letters.
fn body_size(pages: &[Vec<Line>]) -> f32 {
    let mut letters: HashMap<i32, usize> = HashMap::new();
    for line in pages.iter().flatten() {
        *letters.entry(rounded(line.size)).or_default() += line.text.len();
    }
    let most = letters.into_iter().max_by_key(|(size, count)| (*count, -*size));
    most.map_or(10.0, |(size, _)| size as f32 / 2.0)
}

/// Sizes that are clearly above the body's, the largest first.
fn heading_sizes(pages: &[Vec<Line>], body: f32) -> Vec<i32> {
    let lines = pages.iter().flatten().filter(|line| line.table.is_none());
    let above = lines.map(|line| line.size).filter(|size| *size > body * 1.12);
    let mut sizes: Vec<i32> = above.map(rounded).collect::<HashSet<_>>().into_iter().collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    sizes.truncate(4);
    sizes
}

/// The usual distance of a page's lines.
fn usual_gap(lines: &[Line]) -> f32 {
    let gaps = lines.windows(2).map(|pair| pair[0].y - pair[1].y).filter(|gap| *gap > 1.0);
    let mut gaps: Vec<f32> = gaps.collect();
    gaps.sort_by(f32::total_cmp);
    gaps.get(gaps.len() / 3).copied().unwrap_or(14.0)
}

/// A line of a table of contents: a leader of dots, then a page's number.
fn is_contents(text: &str) -> bool {
    let before = text.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let leader = before
        .chars()
        .rev()
        .take_while(|c| matches!(c, '.' | ':' | '·' | ' ' | '…' | '_'))
        .filter(|c| *c != ' ')
        .count();
    before.len() < text.len() && leader >= 4
}
