//! The table that `make bench` prints: Markdown, so that it can be quoted as it is.

use std::io::Write;

#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 3]>,
    notes: Vec<String>,
}

impl Table {
    pub fn row(&mut self, of: &str, what: &str, measured: String) {
        tracing::info!(of, what, measured);
        self.rows.push([of.to_owned(), what.to_owned(), measured]);
    }

    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "| of | what | measured |\n|---|---|---|")?;
        for [of, what, measured] in &self.rows {
            writeln!(out, "| {of} | {what} | {measured} |")?;
        }
        writeln!(out)?;
        for note in &self.notes {
            writeln!(out, "- {note}")?;
        }
        Ok(())
    }
}
