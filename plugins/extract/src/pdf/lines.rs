//! Pieces of text to lines, in the order in which people read them.

use super::content::Span;

/// A line of text.
#[derive(Clone, Debug)]
pub struct Line {
    pub text: String,
    pub x: f32,
    pub end: f32,
    pub y: f32,
    pub size: f32,
    pub bold: bool,
    /// It has gaps like a table's row.
    pub row: bool,
}

/// A page's lines.
pub fn of(spans: Vec<Span>) -> Vec<Line> {
    let spans = upright(spans);
    let mut lines: Vec<Line> = Vec::new();
    // Letters of the open line, and those that are bold.
    let (mut letters, mut bold) = (0, 0);
    for span in spans {
        let count = span.text.chars().filter(|c| !c.is_whitespace()).count();
        let size = span.size.max(1.0);
        if let Some(line) = lines.last_mut().filter(|line| continues(line, &span)) {
            let gap = span.x - line.end;
            if gap > size * 1.8 && !line.text.trim().is_empty() && count > 0 {
                line.text.push_str(" | ");
                line.row = true;
            } else if gap > size * 0.18 && !line.text.ends_with(' ') && !span.text.starts_with(' ') {
                line.text.push(' ');
            }
            line.text.push_str(&span.text);
            line.end = line.end.max(span.x + span.width);
            if count > 0 {
                line.size = line.size.max(span.size);
            }
            letters += count;
            bold += if span.bold { count } else { 0 };
            line.bold = bold * 10 > letters * 9;
            continue;
        }
        (letters, bold) = (count, if span.bold { count } else { 0 });
        let Span { text, x, y, width, size, bold, .. } = span;
        lines.push(Line { text, x, end: x + width, y, size, bold, row: false });
    }
    for line in &mut lines {
        line.text = line.text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    lines.retain(|line| !line.text.is_empty());
    in_order(merged(lines))
}

/// The spans in the page's usual direction, turned upright. Others are watermarks and labels beside the text.
fn upright(spans: Vec<Span>) -> Vec<Span> {
    let mut letters = [0_usize; 4];
    for span in &spans {
        letters[usize::from(span.turn % 4)] += span.text.len();
    }
    let usual = (0..4_u8).max_by_key(|turn| (letters[usize::from(*turn)], 4 - *turn)).unwrap_or(0);
    let turned = |span: Span| {
        let (x, y) = match usual {
            1 => (span.y, -span.x),
            2 => (-span.x, -span.y),
            3 => (-span.y, span.x),
            _ => (span.x, span.y),
        };
        Span { x, y, ..span }
    };
    spans.into_iter().filter(|span| span.turn == usual).map(turned).collect()
}

/// Whether a span goes on in a line: on its height, and not far behind its end.
fn continues(line: &Line, span: &Span) -> bool {
    let size = line.size.max(span.size).max(1.0);
    // A sign above or below the line, such as a footnote's, is smaller.
    let near = if span.size < line.size * 0.8 || line.size < span.size * 0.8 { 0.6 } else { 0.3 };
    (line.y - span.y).abs() < size * near && span.x > line.end - size * 1.5
}

/// Lines of one height that were shown apart, such as the cells of a row, become one, if they are neighbours in the page's
/// order.
fn merged(lines: Vec<Line>) -> Vec<Line> {
    let mut merged: Vec<Line> = Vec::new();
    for line in lines {
        if let Some(before) = merged.last_mut()
            && (before.y - line.y).abs() < before.size.max(1.0) * 0.3
            && line.end < before.x
        {
            before.text = format!("{} {}", line.text, before.text);
            before.x = line.x;
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
