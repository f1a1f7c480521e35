//! Pieces of text to lines, in the order in which people read them.

use super::{
    aligned,
    cells::{self, Table},
    content::Span,
    grid,
    rules::{Point, Rule},
};

/// What stands for a gap between the cells of a row.
pub const GAP: &str = " | ";
/// How wide a gap is that may be one between columns, and one that is, in sizes. A space between words is narrower.
const NARROW: f32 = 0.45;
const WIDE: f32 = 1.8;

/// A line of text.
#[derive(Clone, Debug)]
pub struct Line {
    pub text: String,
    /// The parts of the text between gaps.
    pub pieces: Vec<Piece>,
    pub x: f32,
    pub end: f32,
    pub y: f32,
    pub size: f32,
    pub bold: bool,
    /// It has gaps like a table's row.
    pub row: bool,
    /// A whole table, whose place is that of its first row. The text is that of its cells.
    pub table: Option<Table>,
}

/// A part of a line.
#[derive(Clone, Debug)]
pub struct Piece {
    pub text: String,
    pub x: f32,
    pub end: f32,
}

/// A page's lines. A table is one of them, where the first of its cells is in the page's order.
pub fn of(spans: Vec<Span>, rules: &[Rule]) -> Vec<Line> {
    let (spans, rules) = upright(spans, rules);
    // For each span, the table that it is in.
    let mut within: Vec<Option<usize>> = vec![None; spans.len()];
    let mut tables: Vec<Option<Table>> = Vec::new();
    for grid in grid::find(&rules) {
        if let Some((table, held)) = cells::table(&grid, &spans, &within) {
            held.into_iter().for_each(|n| within[n] = Some(tables.len()));
            tables.push(Some(table));
        }
    }
    let mut lines = Vec::new();
    let mut rest = spans.into_iter().zip(within).peekable();
    while let Some((span, place)) = rest.next() {
        match place {
            None => {
                let more = std::iter::from_fn(|| rest.next_if(|(_, place)| place.is_none()).map(|(span, _)| span));
                lines.extend(assembled(std::iter::once(span).chain(more)));
            }
            Some(n) => lines.extend(tables[n].take().map(|table| Line::of_table(table, span.size))),
        }
    }
    aligned::with_tables(in_order(merged(lines)))
}

impl Line {
    pub fn of_table(table: Table, size: f32) -> Self {
        let text = table.rows.concat().join(" ");
        let (x, end) = (table.xs[0], table.xs[table.xs.len() - 1]);
        let (y, table) = (table.top, Some(table));
        Self { text, pieces: Vec::new(), x, end, y, size, bold: false, row: false, table }
    }

    /// A line of these pieces, which are in order.
    pub fn of_pieces(mut pieces: Vec<Piece>, y: f32, size: f32, bold: bool) -> Option<Self> {
        for piece in &mut pieces {
            piece.text = piece.text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        pieces.retain(|piece| !piece.text.is_empty());
        let (x, end) = (pieces.first()?.x, pieces.iter().map(|piece| piece.end).fold(f32::MIN, f32::max));
        let mut text = pieces[0].text.clone();
        let mut row = false;
        for (n, pair) in pieces.windows(2).enumerate() {
            let marked = n == 0 && is_mark(&pair[0].text);
            let wide = pair[1].x - pair[0].end > size.max(1.0) * WIDE && !marked;
            text.push_str(if wide { GAP } else { " " });
            text.push_str(&pair[1].text);
            row |= wide;
        }
        Some(Self { text, pieces, x, end, y, size, bold, row, table: None })
    }
}

/// A line that goes on.
struct Open {
    pieces: Vec<Piece>,
    end: f32,
    y: f32,
    /// The largest size in it.
    size: f32,
    /// The size of its longest text, and how many letters that has. A number before it may be larger.
    usual: (f32, usize),
    /// Its letters, and those that are bold.
    letters: usize,
    bold: usize,
}

impl Open {
    fn of(span: Span) -> Self {
        let letters = letters(&span);
        let Span { text, x, y, width, size, bold, .. } = span;
        let end = x + width;
        let bold = if bold { letters } else { 0 };
        Self { pieces: vec![Piece { text, x, end }], end, y, size, usual: (size, letters), letters, bold }
    }

    /// Whether a span goes on in the line: on its height, and not far behind its end.
    fn continues(&self, span: &Span) -> bool {
        let size = self.size.max(span.size).max(1.0);
        // A sign above or below the line, such as a footnote's, is smaller.
        let near = if span.size < self.size * 0.8 || self.size < span.size * 0.8 { 0.6 } else { 0.3 };
        (self.y - span.y).abs() < size * near && span.x > self.end - size * 1.5
    }

    fn add(&mut self, span: Span) {
        let (count, size, gap) = (letters(&span), span.size.max(1.0), span.x - self.end);
        let (x, end) = (span.x, span.x + span.width);
        let blank = self.letters == 0;
        match self.pieces.last_mut() {
            Some(piece) if count == 0 || blank || gap <= size * NARROW => {
                if gap > size * 0.18 && !piece.text.ends_with(' ') && !span.text.starts_with(' ') {
                    piece.text.push(' ');
                }
                piece.text.push_str(&span.text);
                if blank {
                    piece.x = x;
                }
                // Spaces at its end don't make it wider.
                if count > 0 {
                    piece.end = piece.end.max(end);
                }
            }
            _ => self.pieces.push(Piece { text: span.text, x, end }),
        }
        self.end = self.end.max(end);
        if count > 0 {
            self.size = self.size.max(span.size);
        }
        if count > self.usual.1 {
            self.usual = (span.size, count);
        }
        self.letters += count;
        self.bold += if span.bold { count } else { 0 };
    }

    fn close(self) -> Option<Line> {
        Line::of_pieces(self.pieces, self.y, self.usual.0, self.bold * 10 > self.letters * 9)
    }
}

fn letters(span: &Span) -> usize {
    span.text.chars().filter(|c| !c.is_whitespace()).count()
}

/// Lines of spans that follow each other.
pub fn assembled(spans: impl Iterator<Item = Span>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut open: Option<Open> = None;
    for span in spans {
        match &mut open {
            Some(line) if line.continues(&span) => line.add(span),
            _ => lines.extend(open.replace(Open::of(span)).and_then(Open::close)),
        }
    }
    lines.extend(open.and_then(Open::close));
    lines
}

/// The spans in the page's usual direction, and the page's lines, turned upright. Other spans are watermarks and labels
/// beside the text.
fn upright(spans: Vec<Span>, rules: &[Rule]) -> (Vec<Span>, Vec<Rule>) {
    let mut letters = [0_usize; 4];
    for span in &spans {
        letters[usize::from(span.turn % 4)] += span.text.len();
    }
    let usual = (0..4_u8).max_by_key(|turn| (letters[usize::from(*turn)], 4 - *turn)).unwrap_or(0);
    let turned = |(x, y): Point| match usual {
        1 => (y, -x),
        2 => (-x, -y),
        3 => (-y, x),
        _ => (x, y),
    };
    let spans = spans.into_iter().filter(|span| span.turn == usual).map(|span| {
        let (x, y) = turned((span.x, span.y));
        Span { x, y, ..span }
    });
    (spans.collect(), rules.iter().filter_map(|rule| Rule::between(turned(rule.from), turned(rule.to))).collect())
}

/// Lines of one height that were shown apart, such as the cells of a row, become one, if they are neighbours in the page's
/// order.
fn merged(lines: Vec<Line>) -> Vec<Line> {
    let mut merged: Vec<Line> = Vec::new();
    for line in lines {
        if let Some(before) = merged.last_mut()
            && before.table.is_none()
            && line.table.is_none()
            && (before.y - line.y).abs() < before.size.max(1.0) * 0.3
            && line.end < before.x
        {
            let pieces = line.pieces.into_iter().chain(std::mem::take(&mut before.pieces)).collect();
            let (y, size, bold) = (before.y, before.size, before.bold);
            merged.pop();
            merged.extend(Line::of_pieces(pieces, y, size, bold));
            continue;
        }
        merged.push(line);
    }
    merged
}

/// Most programs write a page in the order in which it is read. Where one doesn't, lines are ordered by their place: column
/// by column, from the top down.
fn in_order(lines: Vec<Line>) -> Vec<Line> {
    let up = |pair: &&[Line]| pair[1].y > pair[0].y + pair[0].size * 0.5 && pair[1].x < pair[0].end;
    let wrong = lines.windows(2).filter(up).count();
    if wrong * 5 <= lines.len() {
        return lines;
    }
    let mut ordered = Vec::with_capacity(lines.len());
    columns(lines, 0, &mut ordered);
    ordered
}

/// Cuts lines at a gap that goes from top to bottom, else orders them by height.
fn columns(mut lines: Vec<Line>, depth: usize, ordered: &mut Vec<Line>) {
    if depth < 4 && lines.len() >= 6 {
        lines.sort_by(|one, other| one.x.total_cmp(&other.x));
        let mut end = f32::MIN;
        let mut cut = None;
        for (n, line) in lines.iter().enumerate() {
            if n >= 3 && lines.len() - n >= 3 && line.x > end + line.size {
                cut = Some(n);
                break;
            }
            end = end.max(line.end);
        }
        if let Some(cut) = cut {
            let right = lines.split_off(cut);
            columns(lines, depth + 1, ordered);
            columns(right, depth + 1, ordered);
            return;
        }
    }
    lines.sort_by(|one, other| other.y.total_cmp(&one.y).then(one.x.total_cmp(&other.x)));
    ordered.extend(lines);
}

/// Makes a text ready for its next line: a word that was cut at the line's end goes on, else a space follows, except in
/// scripts that have none.
pub fn join(text: &mut String, next: &str) {
    text.truncate(text.trim_end().len());
    let cut = text.ends_with('-')
        && text.chars().rev().nth(1).is_some_and(char::is_alphabetic)
        && next.starts_with(char::is_lowercase);
    if cut || text.ends_with('\u{ad}') {
        text.pop();
    } else if !(text.is_empty() || text.ends_with(is_wide) && next.starts_with(is_wide)) {
        text.push(' ');
    }
}

/// Scripts that have no spaces between words.
pub fn is_wide(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}')
}

/// The sign or the number before an item of a list.
pub fn is_mark(text: &str) -> bool {
    let number = text.trim_matches(['(', ')', '.']);
    text.chars().count() == 1 && !text.contains(char::is_alphanumeric)
        || number.len() < text.len() && number.len() <= 3 && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
