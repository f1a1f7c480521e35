//! Tables as Markdown writes them.

/// A table whose first row is its header.
pub fn write(rows: &[Vec<String>]) -> String {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = String::new();
    for (n, cells) in rows.iter().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        out.push_str(&row(cells, width));
        if n == 0 {
            out.push_str(&format!("\n|{}", " --- |".repeat(width)));
        }
    }
    out
}

/// A row of so many cells, which hold Markdown.
pub fn row(cells: &[String], width: usize) -> String {
    let mut out = "|".to_owned();
    for column in 0..width {
        let cell = cells.get(column).map_or("", String::as_str);
        let cell = cell.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        out.push_str(&format!(" {cell} |"));
    }
    out
}
