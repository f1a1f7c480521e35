//! The table that `make bench` prints: Markdown, so that it can be quoted as it is.

use std::io::Write;

#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 3]>,
    notes: Vec<String>,
    grids: Vec<Grid>,
}

/// A table of its own, with columns of its own.
struct Grid {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn row(&mut self, of: &str, what: &str, measured: String) {
        tracing::info!(of, what, measured);
        self.rows.push([of.to_owned(), what.to_owned(), measured]);
    }

    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub fn grid(&mut self, title: String, header: &[&str], rows: Vec<Vec<String>>) {
        self.grids.push(Grid { title, header: header.iter().map(|name| (*name).to_owned()).collect(), rows });
    }

    pub fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if !self.rows.is_empty() {
            writeln!(out, "| of | what | measured |\n|---|---|---|")?;
            for [of, what, measured] in &self.rows {
                writeln!(out, "| {of} | {what} | {measured} |")?;
            }
            writeln!(out)?;
        }
        for Grid { title, header, rows } in &self.grids {
            writeln!(out, "{title}\n\n| {} |\n|{}", header.join(" | "), "---|".repeat(header.len()))?;
            for row in rows {
                writeln!(out, "| {} |", row.join(" | "))?;
            }
            writeln!(out)?;
        }
        for note in &self.notes {
            writeln!(out, "- {note}")?;
        }
        Ok(())
    }
}
