//! Tables: those of data as Markdown's tables, those that only lay out a page as what they hold.

use crate::pipe_table;

use super::{
    dom::{Dom, Id},
    markdown::{Writer, flush, is_block, join},
};

const COLUMNS_MOST: usize = 60;
/// Rows that a cell may span.
const SPAN_MOST: usize = 500;

struct Cell {
    id: Id,
    header: bool,
    columns: usize,
    rows: usize,
}

pub fn write(writer: &Writer<'_>, table: Id, depth: usize) -> String {
    let mut out = String::new();
    let (rows, captions) = rows(writer, table);
    for caption in captions {
        let mut line = String::new();
        writer.add(caption, depth + 1, &mut out, &mut line);
        flush(&mut out, &mut line);
    }
    if is_layout(writer, table, &rows) {
        for cell in rows.iter().flatten() {
            let block = writer.blocks(cell.id, depth + 1);
            join(&mut out, &block);
        }
        return out;
    }
    join(&mut out, &data(writer, &rows, depth));
    out
}

/// The table's rows, without those of tables within, and what stands beside them.
fn rows(writer: &Writer<'_>, table: Id) -> (Vec<Vec<Cell>>, Vec<Id>) {
    let dom = writer.dom;
    let (mut rows, mut captions) = (Vec::new(), Vec::new());
    for part in dom.children(table).filter(|part| !writer.dropped[*part]) {
        match dom.name(part) {
            "caption" => captions.push(part),
            "tr" => rows.push(cells(writer, part)),
            "thead" | "tbody" | "tfoot" => {
                let within = dom.children(part).filter(|row| dom.name(*row) == "tr" && !writer.dropped[*row]);
                rows.extend(within.map(|row| cells(writer, row)));
            }
            _ => {}
        }
    }
    rows.retain(|row: &Vec<Cell>| !row.is_empty());
    (rows, captions)
}

fn cells(writer: &Writer<'_>, row: Id) -> Vec<Cell> {
    let span = |dom: &Dom, id, name, most| {
        dom.attribute(id, name).and_then(|value| value.trim().parse().ok()).unwrap_or(1_usize).clamp(1, most)
    };
    let dom = writer.dom;
    let cells = dom.children(row).filter(|cell| matches!(dom.name(*cell), "td" | "th") && !writer.dropped[*cell]);
    let cell = |id| Cell {
        id,
        header: dom.name(id) == "th",
        columns: span(dom, id, "colspan", COLUMNS_MOST),
        rows: span(dom, id, "rowspan", SPAN_MOST),
    };
    cells.map(cell).collect()
}

/// Whether a table only puts things beside each other.
fn is_layout(writer: &Writer<'_>, table: Id, rows: &[Vec<Cell>]) -> bool {
    let dom = writer.dom;
    if matches!(dom.attribute(table, "role"), Some("presentation" | "none")) {
        return true;
    }
    let widest = rows.iter().map(Vec::len).max().unwrap_or(0);
    if widest <= 1 {
        return true;
    }
    if rows.iter().flatten().any(|cell| cell.header) {
        return false;
    }
    // Cells with headings, tables, or several paragraphs are parts of a page.
    rows.iter().flatten().any(|cell| {
        let within = dom.within(cell.id).skip(1).filter(|id| !writer.dropped[*id]);
        let (mut paragraphs, mut other) = (0, false);
        for id in within {
            match dom.name(id) {
                "p" | "div" => paragraphs += 1,
                "table" | "ol" | "dl" | "pre" | "form" | "blockquote" => other = true,
                _ if writer.heading(id).is_some() => other = true,
                _ => {}
            }
        }
        other || paragraphs > 3
    })
}

fn data(writer: &Writer<'_>, rows: &[Vec<Cell>], depth: usize) -> String {
    let mut lines: Vec<Vec<String>> = Vec::new();
    // For each column, the text that still goes on from above, and for how many rows.
    let mut spans: Vec<(usize, String)> = Vec::new();
    for row in rows {
        let mut line: Vec<String> = Vec::new();
        for cell in row {
            continue_spans(&mut line, &mut spans);
            let text = text(writer, cell.id, depth);
            for column in 0..cell.columns {
                if line.len() >= COLUMNS_MOST {
                    break;
                }
                let shown = if column == 0 { text.clone() } else { String::new() };
                if spans.len() <= line.len() {
                    spans.resize(line.len() + 1, (0, String::new()));
                }
                spans[line.len()] = (cell.rows - 1, if cell.rows > 1 { shown.clone() } else { String::new() });
                line.push(shown);
            }
        }
        continue_spans(&mut line, &mut spans);
        if line.iter().any(|cell| !cell.is_empty()) {
            lines.push(line);
        }
    }
    let width = lines.iter().map(Vec::len).max().unwrap_or(0);
    if width == 0 {
        return String::new();
    }
    let has_header = rows.first().is_some_and(|row| row.iter().all(|cell| cell.header || is_bold(writer, cell.id)));
    if !has_header {
        lines.insert(0, vec![String::new(); width]);
    }
    pipe_table::write(&lines)
}

fn continue_spans(line: &mut Vec<String>, spans: &mut [(usize, String)]) {
    while let Some((left, text)) = spans.get_mut(line.len()).filter(|(left, _)| *left > 0) {
        *left -= 1;
        line.push(text.clone());
    }
}

/// A cell whose whole text is bold heads its column, as in tables that were drawn by hand.
fn is_bold(writer: &Writer<'_>, cell: Id) -> bool {
    let dom = writer.dom;
    let text = writer.visible(cell);
    let mut bold = dom.within(cell).filter(|id| matches!(dom.name(*id), "b" | "strong"));
    text.trim().is_empty() || bold.any(|id| writer.visible(id).trim() == text.trim())
}

fn text(writer: &Writer<'_>, cell: Id, depth: usize) -> String {
    let blocks = writer.dom.children(cell).any(|child| is_block(writer.dom.name(child)));
    let text = if blocks { writer.blocks(cell, depth + 1) } else { writer.line(cell, depth) };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
