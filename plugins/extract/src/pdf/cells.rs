//! The text in the cells of a grid: a table's rows.

use super::{
    content::Span,
    grid::Grid,
    lines::{self, Line},
};

/// Bytes of a cell. A grid with a longer one lays out a page.
const CELL_MOST: usize = 1_500;
/// Rows of a grid whose lines are only at its header and its ends, so that a row of it may hold many of the table's.
const UNRULED: usize = 3;
/// How far apart the lines of different rows are at least, in sizes. Those of one text are nearer.
const APART: f32 = 1.35;

/// How far the middle of a text may be from that of its cell, twice, in the page's units.
const MIDDLE: f32 = 4.0;

/// A table's text, row by row. The first row is its header.
#[derive(Clone, Debug)]
pub struct Table {
    pub rows: Vec<Vec<String>>,
    /// The edges of its columns.
    pub xs: Vec<f32>,
    pub top: f32,
}

impl Table {
    /// Whether this one has the columns of another.
    pub fn goes_on(&self, other: &Self) -> bool {
        let width = |table: &Self| table.rows.first().map(Vec::len);
        self.xs.len() == other.xs.len()
            && width(self) == width(other)
            && self.xs.iter().zip(&other.xs).all(|(one, other)| (one - other).abs() < 3.0)
    }
}

/// The table that a grid makes of the spans in it, and which they are: those that no other table has. `None` when it is
/// none, such as the lines of a chart.
pub fn table(grid: &Grid, spans: &[Span], within: &[Option<usize>]) -> Option<(Table, Vec<usize>)> {
    let mut cells = Cells { grid, spans, held: vec![Vec::new(); grid.rows() * grid.columns()] };
    for (n, span) in spans.iter().enumerate().filter(|(n, _)| within[*n].is_none()) {
        if let Some((row, column)) = grid.cell(span.x + span.width.min(span.size) / 2.0, span.y + span.size * 0.3) {
            cells.held[row * grid.columns() + column].push(n);
        }
    }
    cells.join_columns();
    let mut rows = cells.rows();
    if rows.iter().flatten().any(|cell| cell.len() > CELL_MOST) {
        return None;
    }
    rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
    let filled: Vec<bool> = (0..grid.columns()).map(|column| rows.iter().any(|row| !row[column].is_empty())).collect();
    for row in &mut rows {
        let mut filled = filled.iter();
        row.retain(|_| filled.next().copied().unwrap_or(false));
    }
    let full = rows.iter().filter(|row| row.iter().filter(|cell| !cell.is_empty()).count() > 1).count();
    if full < 2 || full * 2 < rows.len() {
        return None;
    }
    Some((Table { rows, xs: grid.xs.clone(), top: grid.ys[0] }, cells.held.concat()))
}

struct Cells<'a> {
    grid: &'a Grid,
    spans: &'a [Span],
    /// The spans of each cell, row by row.
    held: Vec<Vec<usize>>,
}

impl Cells<'_> {
    /// Where text goes over from one cell to the next, or stands in the middle of several, and no line is between them,
    /// they are one, and its text is in the first.
    fn join_columns(&mut self) {
        let columns = self.grid.columns();
        for row in 0..self.grid.rows() {
            let mut first = 0;
            while first < columns {
                let end = (first + 1..columns).find(|column| self.grid.has_left(row, *column)).unwrap_or(columns);
                self.join(row * columns + first..row * columns + end, &self.grid.xs[first..=end]);
                first = end;
            }
        }
    }

    /// Joins what is one of cells beside each other that have no lines between them.
    fn join(&mut self, cells: std::ops::Range<usize>, xs: &[f32]) {
        let bounds = |held: &[Vec<usize>]| {
            let spans = held.iter().flatten().map(|n| &self.spans[*n]);
            let (from, to) =
                spans.fold((f32::MAX, f32::MIN), |(from, to), span| (from.min(span.x), to.max(span.x + span.width)));
            (from, to)
        };
        let (from, to) = bounds(&self.held[cells.clone()]);
        let filled = self.held[cells.clone()].iter().filter(|held| !held.is_empty()).count();
        let middle = ((from + to) - (xs[0] + xs[xs.len() - 1])).abs() < MIDDLE;
        let mut first = cells.start;
        for cell in cells.start + 1..cells.end {
            let over = bounds(&self.held[first..cell]).1 > xs[cell - cells.start] + 1.0;
            if over || (filled == 1 && middle) {
                let more = std::mem::take(&mut self.held[cell]);
                self.held[first].extend(more);
            } else {
                first = cell;
            }
        }
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let columns = self.grid.columns();
        let held: Vec<Vec<Line>> = self.held.iter().map(|spans| self.lines(spans)).collect();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for cells in held.chunks(columns) {
            match unruled(cells).filter(|_| self.grid.rows() <= UNRULED) {
                Some(more) => rows.extend(more),
                None => rows.push(cells.iter().map(|lines| text(lines)).collect()),
            }
        }
        if rows.len() == self.grid.rows() {
            (0..columns).for_each(|column| self.repeat(&mut rows, column));
        }
        rows
    }

    fn lines(&self, spans: &[usize]) -> Vec<Line> {
        let mut lines = lines::assembled(spans.iter().map(|n| self.spans[*n].clone()));
        lines.sort_by(|one, other| other.y.total_cmp(&one.y));
        lines
    }

    /// A cell over several rows holds its text once, somewhere. It is that of each row.
    fn repeat(&self, rows: &mut [Vec<String>], column: usize) {
        let mut first = 0;
        while first < rows.len() {
            let more = (first + 1..rows.len()).take_while(|row| !self.grid.has_above(*row, column)).count();
            let cell = first..=first + more;
            // Rows with a text each are rows, although no line is between them.
            if !rows[cell.clone()].iter().all(|row| !row[column].is_empty()) {
                let text: Vec<String> =
                    rows[cell.clone()].iter_mut().map(|row| std::mem::take(&mut row[column])).collect();
                let text = text.join(" ").trim().to_owned();
                rows[cell].iter_mut().for_each(|row| row[column].clone_from(&text));
            }
            first += more + 1;
        }
    }
}

/// The rows that a row of a grid holds without lines between them: each begins in the first column and has another cell.
/// Two may be one text of two lines in each cell, unless each begins like another text.
fn unruled(cells: &[Vec<Line>]) -> Option<Vec<Vec<String>>> {
    let first = cells.first()?;
    let starts: Vec<f32> = first.iter().map(|line| line.y).collect();
    let apart = first.windows(2).all(|pair| pair[0].y - pair[1].y >= pair[0].size.max(1.0) * APART);
    let begins = |line: &Line| !line.text.starts_with(char::is_lowercase);
    if starts.len() < 2 || !apart || (starts.len() == 2 && !cells.iter().flatten().all(begins)) {
        return None;
    }
    let mut rows = vec![vec![Vec::new(); cells.len()]; starts.len()];
    for (column, lines) in cells.iter().enumerate() {
        for line in lines {
            let row = starts.iter().position(|y| (y - line.y).abs() < line.size * 0.5)?;
            rows[row][column].push(line.clone());
        }
    }
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|lines| text(lines)).collect()).collect();
    rows.iter().all(|row| row.iter().filter(|cell| !cell.is_empty()).count() > 1).then_some(rows)
}

fn text(cell: &[Line]) -> String {
    let mut text = String::new();
    for line in cell {
        lines::join(&mut text, &line.text);
        // A gap within a cell is no column.
        text.push_str(&line.text.replace(lines::GAP, " "));
    }
    text
}
