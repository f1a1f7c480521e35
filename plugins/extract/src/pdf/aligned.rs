//! Tables without lines around their cells: lines of text whose pieces stand under each other.

use super::{
    cells::Table,
    lines::{Line, Piece, is_mark, join},
};

/// Rows of a table. Fewer may stand under each other by chance.
const ROWS_LEAST: usize = 3;
const COLUMNS_MOST: usize = 60;
/// Letters of a cell on average. Two columns of longer ones are text in columns.
const CELL_MOST: usize = 40;
/// How much space is between columns at least, in sizes. Where it is less than it mostly is, more rows have to agree.
const GUTTER: f32 = 0.25;
const GUTTER_MOSTLY: f32 = 0.7;
const ROWS_NARROW: usize = 4;
/// How far places differ that are meant as one, in the page's units.
const SAME: f32 = 1.5;

/// The lines, those that make a table as one line, and those of text in columns column by column.
pub fn with_tables(lines: Vec<Line>) -> Vec<Line> {
    let mut out = Vec::with_capacity(lines.len());
    let mut rest = lines.as_slice();
    while let Some(first) = rest.first() {
        let run = Run::of(rest);
        let (used, after) = rest.split_at(run.as_ref().map_or(1, |run| run.used));
        match run.map(|run| (run.table(), run.columns_of_text(used))) {
            Some((Some(table), _)) => out.push(Line::of_table(table, first.size)),
            Some((None, Some(columns))) => out.extend(columns),
            _ => out.extend_from_slice(used),
        }
        rest = after;
    }
    out
}

/// Lines one below the other with the same columns.
struct Run {
    /// Where each column begins and ends.
    columns: Vec<(f32, f32)>,
    rows: Vec<Vec<Option<Piece>>>,
    top: f32,
    size: f32,
    /// Lines that it has, those among them that only go on with a cell.
    used: usize,
}

impl Run {
    /// The run that the first of these lines begins.
    fn of(lines: &[Line]) -> Option<Self> {
        let first = lines.first().filter(|line| (2..=COLUMNS_MOST).contains(&line.pieces.len()))?;
        let columns = first.pieces.iter().map(|piece| (piece.x, piece.end)).collect();
        let rows = vec![first.pieces.iter().cloned().map(Some).collect()];
        let size = first.size.max(1.0);
        let mut run = Self { columns, rows, top: first.y + size, size, used: 1 };
        for pair in lines.windows(2) {
            let down = pair[0].y - pair[1].y;
            let near = down > 0.0 && down < pair[1].size.max(1.0) * 3.5;
            if !near || !(run.add(&pair[1]) || run.go_on(&pair[1], down)) {
                break;
            }
            run.used += 1;
        }
        Some(run)
    }

    /// Adds a row, if each of its pieces is in a column and space is left between the columns.
    fn add(&mut self, line: &Line) -> bool {
        if !(2..=self.columns.len()).contains(&line.pieces.len()) {
            return false;
        }
        let mut columns = self.columns.clone();
        let mut row: Vec<Option<Piece>> = vec![None; columns.len()];
        let mut next = 0;
        for piece in &line.pieces {
            let overlaps = |(x, end): &(f32, f32)| piece.x < *end && piece.end > *x;
            let column = if line.pieces.len() == columns.len() {
                Some(next)
            } else {
                (next..columns.len()).find(|column| overlaps(&self.columns[*column]))
            };
            let Some(column) = column else { return false };
            columns[column] = (columns[column].0.min(piece.x), columns[column].1.max(piece.end));
            row[column] = Some(piece.clone());
            next = column + 1;
        }
        // The header again is the next table's.
        let first = self.rows.first().into_iter().flatten().flatten();
        if line.pieces.len() == columns.len() && first.zip(&line.pieces).all(|(one, other)| one.text == other.text) {
            return false;
        }
        let gutter = line.size.max(1.0) * GUTTER;
        if columns.windows(2).any(|pair| pair[1].0 - pair[0].1 < gutter) {
            return false;
        }
        self.columns = columns;
        self.rows.push(row);
        true
    }

    /// Goes on with a cell of the last row, in any column but the first.
    fn go_on(&mut self, line: &Line, down: f32) -> bool {
        let [piece] = line.pieces.as_slice() else { return false };
        let begins = |(x, _): &(f32, f32)| (x - piece.x).abs() < SAME;
        let Some(column) = self.columns.iter().position(begins).filter(|column| *column > 0) else { return false };
        let room = self.columns.get(column + 1).is_none_or(|(x, _)| piece.end < *x);
        let cell = self.rows.last_mut().and_then(|row| row[column].as_mut());
        let Some(cell) = cell.filter(|_| room && down < line.size.max(1.0) * 1.4) else { return false };
        join(&mut cell.text, &piece.text);
        cell.text.push_str(&piece.text);
        self.columns[column].1 = self.columns[column].1.max(piece.end);
        true
    }

    /// The pieces of a column.
    fn column(&self, column: usize) -> impl Iterator<Item = &Piece> {
        self.rows.iter().filter_map(move |row| row[column].as_ref())
    }

    fn is_long(&self, column: usize) -> bool {
        let (letters, count) = self
            .column(column)
            .fold((0, 0), |(letters, count), piece| (letters + piece.text.chars().count(), count + 1));
        letters > CELL_MOST * count
    }

    /// Whether most of a column's pieces, or all of them, begin, end or have their middle in one place.
    fn is_aligned(&self, column: usize, all_of_them: bool) -> bool {
        let places: [fn(&Piece) -> f32; 3] = [|piece| piece.x, |piece| piece.end, |piece| (piece.x + piece.end) / 2.0];
        places.iter().any(|place| {
            let mut all: Vec<f32> = self.column(column).map(place).collect();
            all.sort_by(f32::total_cmp);
            let Some(usual) = all.get(all.len() / 2) else { return false };
            let same = all.iter().filter(|place| (*place - usual).abs() < SAME).count();
            if all_of_them { same == all.len() } else { same * 3 >= all.len() * 2 }
        })
    }

    fn table(&self) -> Option<Table> {
        let columns = 0..self.columns.len();
        let listed = self.column(0).filter(|piece| is_mark(&piece.text)).count() * 2 >= self.rows.len();
        let long = columns.clone().filter(|column| self.is_long(*column)).count();
        let full = self.rows.iter().filter(|row| row.iter().all(Option::is_some)).count();
        if self.rows.len() < ROWS_LEAST || full * 2 < self.rows.len() || listed || long > 1 {
            return None;
        }
        let narrow = self.columns.windows(2).any(|pair| pair[1].0 - pair[0].1 < self.size * GUTTER_MOSTLY);
        if narrow && self.rows.len() < ROWS_NARROW || !columns.clone().all(|column| self.is_aligned(column, narrow)) {
            return None;
        }
        let text = |cell: &Option<Piece>| cell.as_ref().map_or_else(String::new, |piece| piece.text.clone());
        let rows = self.rows.iter().map(|row| row.iter().map(text).collect()).collect();
        let end = self.columns.last().map(|(_, end)| *end);
        let xs = self.columns.iter().map(|(x, _)| *x).chain(end).collect();
        Some(Table { rows, xs, top: self.top })
    }

    /// Text in columns that a program wrote line by line.
    fn columns_of_text(&self, lines: &[Line]) -> Option<Vec<Line>> {
        let columns = self.columns.len();
        let long = (0..columns).filter(|column| self.is_long(*column)).count();
        if self.rows.len() < ROWS_LEAST || long < columns || self.used > self.rows.len() {
            return None;
        }
        let part = |column: usize| {
            let rows = self.rows.iter().zip(lines);
            rows.filter_map(move |(row, line)| {
                Line::of_pieces(vec![row[column].clone()?], line.y, line.size, line.bold)
            })
        };
        Some((0..columns).flat_map(part).collect())
    }
}
