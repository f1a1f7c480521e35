//! Tables as CSV (RFC 4180). A text that a spreadsheet would read as a formula is marked as text.

use std::fmt::Write;

/// One cell.
pub enum Cell {
    /// Somebody's words, or an id.
    Text(String),
    Number(i64),
}

/// A table under construction.
pub struct Csv(String);

impl Csv {
    pub fn new(columns: &[&str]) -> Self {
        let mut csv = Self(String::new());
        csv.row(columns.iter().map(|name| Cell::Text((*name).to_owned())));
        csv
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        for (at, cell) in cells.into_iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            match cell {
                Cell::Number(number) => {
                    let _ = write!(self.0, "{number}");
                }
                Cell::Text(text) => self.text(&text),
            }
        }
        self.0.push_str("\r\n");
    }

    fn text(&mut self, text: &str) {
        // Spreadsheets skip space before a formula's sign, and know its wide forms.
        let first = text.trim_start().chars().next();
        let formula = matches!(first, Some('=' | '+' | '-' | '@' | '|' | '＝' | '＋' | '－' | '＠'));
        let mark = if formula || text.starts_with(['\t', '\r', '\n']) { "'" } else { "" };
        if mark.is_empty() && !text.contains([',', '"', '\r', '\n', ';', '\t']) {
            self.0.push_str(text);
            return;
        }
        let _ = write!(self.0, "\"{mark}{}\"", text.replace('"', "\"\""));
    }

    /// The table's text.
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text() {
        let mut csv = Csv::new(&["name", "used"]);
        for name in
            ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "＝1", "|calc", "a,b", "say \"hi\"", "line\nbreak", "Shop"]
        {
            csv.row([Cell::Text(name.to_owned()), Cell::Number(-4)]);
        }
        let expected = "name,used\r\n\"'=1+1\",-4\r\n\"'+1\",-4\r\n\"'-1\",-4\r\n\"'@SUM(A1)\",-4\r\n\"' =1\",-4\r\n\"'\t=1\",-4\r\n\
                        \"'＝1\",-4\r\n\"'|calc\",-4\r\n\"a,b\",-4\r\n\"say \"\"hi\"\"\",-4\r\n\"line\nbreak\",-4\r\nShop,-4\r\n";
        assert_eq!(csv.0, expected);
    }
}
