//! A table of a Word document while its cells are read.

use crate::pipe_table;

const COLUMNS_MOST: usize = 60;

/// The rows so far, and what the open cell says of itself.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    /// Columns that the cell is wide.
    span: usize,
    /// The cell goes on with the one above it.
    pub continued: bool,
}

impl Table {
    pub fn begin_row(&mut self) {
        self.rows.push(Vec::new());
    }

    pub fn begin_cell(&mut self) {
        (self.span, self.continued) = (1, false);
    }

    pub fn span(&mut self, columns: usize) {
        self.span = columns.clamp(1, COLUMNS_MOST);
    }

    pub fn end_cell(&mut self, text: String) {
        let above = self.rows.len().checked_sub(2).and_then(|row| self.rows.get(row));
        let at = self.rows.last().map_or(0, Vec::len);
        let above = above.and_then(|row| row.get(at)).cloned();
        let text = if self.continued { above.unwrap_or_default() } else { text };
        if let Some(row) = self.rows.last_mut() {
            row.push(text);
            row.extend((1..self.span).map(|_| String::new()));
            row.truncate(COLUMNS_MOST);
        }
    }

    /// The table as Markdown, with its first row as its header. One of a single column only frames what is in it.
    pub fn write(self) -> String {
        if self.rows.iter().all(|row| row.len() <= 1) {
            return self.rows.concat().join("\n\n");
        }
        let filled = self.rows.into_iter().filter(|row| row.iter().any(|cell| !cell.is_empty()));
        pipe_table::write(&filled.collect::<Vec<_>>())
    }
}
