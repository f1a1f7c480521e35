//! Tables as text (CSV): each row as lines of `header: value`, so that a row means something by itself wherever the text is
//! cut.

use csv_core::{ReadRecordResult, ReaderBuilder};

use crate::{
    charset,
    document::{Document, Extracted, Failure, TEXT_MOST},
    html::escape,
};

const COLUMNS_MOST: usize = 2_000;
/// Bytes of one row.
const ROW_MOST: usize = 1 << 20;

pub fn extract(document: Document<'_>) -> Result<Extracted, Failure> {
    let text = charset::decode(document.bytes, &[charset::of_content_type(document.content_type)]);
    let (text, delimiter) = delimiter(&text);
    let rows = rows(text, delimiter)?;
    let empty = "the table holds no rows; check that the right file was chosen";
    Extracted { text: write(&rows)?, ..Extracted::default() }.checked(empty)
}

/// The character between the cells. Spreadsheets may name it in the first line: `sep=;`.
fn delimiter(text: &str) -> (&str, u8) {
    if let Some(rest) = text.strip_prefix("sep=")
        && let Some(&named) = rest.as_bytes().first()
        && named.is_ascii()
    {
        return (rest[1..].trim_start_matches(['\r', '\n']), named);
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(20).collect();
    // The one that most lines have as often as each other, and the more often the better.
    let score = |delimiter: &u8| {
        let counts: Vec<usize> = lines.iter().map(|line| outside_quotes(line, *delimiter)).collect();
        let same = |count: usize| counts.iter().filter(|other| **other == count).count();
        counts.iter().filter(|count| **count > 0).map(|count| (same(*count), *count)).max()
    };
    let best = [b',', b';', b'\t', b'|'].into_iter().filter(|delimiter| score(delimiter).is_some()).max_by_key(score);
    (text, best.unwrap_or(b','))
}

fn outside_quotes(line: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    let mut counts = |byte: &u8| {
        quoted ^= *byte == b'"';
        *byte == delimiter && !quoted
    };
    line.as_bytes().iter().filter(|byte| counts(byte)).count()
}

fn rows(text: &str, delimiter: u8) -> Result<Vec<Vec<String>>, Failure> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter).build();
    let mut rest = text.as_bytes();
    let (mut cells, mut ends) = (vec![0; 4 << 10], vec![0; 64]);
    let (mut written, mut ended) = (0, 0);
    let mut rows = Vec::new();
    loop {
        let (result, read, wrote, found) = reader.read_record(rest, &mut cells[written..], &mut ends[ended..]);
        rest = &rest[read..];
        written += wrote;
        ended += found;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull if cells.len() >= ROW_MOST => {
                return Err(Failure::too_large("a row of the table has more than 1 MiB"));
            }
            ReadRecordResult::OutputFull => cells.resize(cells.len() * 2, 0),
            ReadRecordResult::OutputEndsFull if ends.len() >= COLUMNS_MOST => {
                return Err(Failure::too_large("the table has more than 2000 columns"));
            }
            ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
            ReadRecordResult::Record => {
                let mut start = 0;
                let cell = |end: &usize| {
                    let cell = String::from_utf8_lossy(&cells[start..*end]).trim().to_owned();
                    start = *end;
                    cell
                };
                let row: Vec<String> = ends[..ended].iter().map(cell).collect();
                if row.iter().any(|cell| !cell.is_empty()) {
                    rows.push(row);
                }
                (written, ended) = (0, 0);
            }
            ReadRecordResult::End => return Ok(rows),
        }
    }
}

fn write(rows: &[Vec<String>]) -> Result<String, Failure> {
    let mut out = String::new();
    // A title may stand above the header, alone in its row.
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let titles =
        rows.iter().take_while(|row| width > 1 && row.iter().filter(|cell| !cell.is_empty()).count() == 1).count();
    let titles = if titles < rows.len() { titles } else { 0 };
    for row in &rows[..titles] {
        out.push_str(&row.concat());
        out.push_str("\n\n");
    }
    let mut rows = rows[titles..].iter();
    let Some(header) = rows.next() else { return Ok(out) };
    if rows.len() == 0 {
        out.push_str(&header.join(", "));
        return Ok(out);
    }
    for row in rows {
        if !out.is_empty() && !out.ends_with("\n\n") {
            out.push('\n');
        }
        for (n, cell) in row.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let cell = escape(&cell.split_whitespace().collect::<Vec<_>>().join(" "));
            match header.get(n).filter(|name| !name.is_empty()) {
                // Two spaces at the end keep the lines apart in Markdown.
                Some(name) => out.push_str(&format!("{name}: {cell}  \n")),
                None => out.push_str(&format!("{cell}  \n")),
            }
        }
        if out.len() > TEXT_MOST {
            return Err(Failure::too_large("the table's text has more than 8 MiB"));
        }
    }
    out.truncate(out.trim_end().len());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> String {
        extract(Document { bytes, content_type: Some("text/csv"), name: None }).unwrap().text
    }

    #[test]
    fn each_row_names_its_columns() {
        let text = read(b"Plan,Price,\"Note, if any\"\nBasic,3,\nPlus,9,\"two\nlines\"\n");
        assert_eq!(text, "Plan: Basic  \nPrice: 3  \n\nPlan: Plus  \nPrice: 9  \nNote, if any: two lines");
    }

    #[test]
    fn delimiter_charset_and_title_are_found() {
        let text = read(b"Preisliste 2026\nGr\xf6\xdfe;Preis\nL;9,50\nXL;10,50\n");
        assert_eq!(text, "Preisliste 2026\n\nGröße: L  \nPreis: 9,50  \n\nGröße: XL  \nPreis: 10,50");
        assert_eq!(read(b"a\tb\n1, 2\t3\n"), "a: 1, 2  \nb: 3");
        assert_eq!(read(b"sep=|\na|b\n1|2\n"), "a: 1  \nb: 2");
    }

    #[test]
    fn a_million_columns_are_too_large() {
        let failure =
            extract(Document { bytes: &b"a,".repeat(1_000_000), content_type: None, name: None }).unwrap_err();
        assert_eq!(failure.kind, crate::FailureKind::TooLarge);
    }
}
