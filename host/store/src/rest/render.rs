//! Rows of an answer: the JSON values of their members, and the answer made of them.

use resly_rest::media::Media;

/// A row: its members' values as JSON, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestRow {
    text: String,
    /// Where each value ends.
    ends: Vec<usize>,
}

/// The rows of an answer, with the names of their members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestRows {
    pub names: Vec<String>,
    pub rows: Vec<RestRow>,
    /// All rows for which the conditions hold, where they were counted.
    pub total: Option<u64>,
}

impl RestRow {
    pub(super) fn add(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        self.ends.push(self.text.len());
    }

    /// An empty row, with room for so many members of so many bytes together.
    pub(super) fn with_room(members: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(members) }
    }

    /// Adds a value, whose writing may fail.
    pub(super) fn try_add<T, E>(&mut self, write: impl FnOnce(&mut String) -> Result<T, E>) -> Result<T, E> {
        let written = write(&mut self.text)?;
        self.ends.push(self.text.len());
        Ok(written)
    }

    /// Adds the members of another row.
    pub(super) fn append(&mut self, other: &Self) {
        other.values().for_each(|value| self.add(|out| out.push_str(value)));
    }

    /// The values in order.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Writes the row as an object.
    pub(super) fn write(&self, keys: &[String], out: &mut String) {
        out.push('{');
        for (at, (key, value)) in keys.iter().zip(self.values()).enumerate() {
            if at > 0 {
                out.push(',');
            }
            out.extend([key, value]);
        }
        out.push('}');
    }
}

/// The members' names as they stand before values.
pub(super) fn keys(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("{}:", serde_json::to_string(name).unwrap_or_default())).collect()
}

/// Writes rows as an array.
pub(super) fn write_array<'r>(keys: &[String], rows: impl Iterator<Item = &'r RestRow>, out: &mut String) {
    out.push('[');
    for (at, row) in rows.enumerate() {
        if at > 0 {
            out.push(',');
        }
        row.write(keys, out);
    }
    out.push(']');
}

impl RestRows {
    /// The body of an answer in this form. One object has to be checked to be one before.
    pub fn body(&self, media: Media) -> String {
        let keys = keys(&self.names);
        // Keys, commas and braces.
        let around = keys.iter().map(|key| key.len() + 1).sum::<usize>() + 3;
        let mut out = String::with_capacity(2 + self.rows.iter().map(|row| row.len() + around).sum::<usize>());
        match media {
            Media::Array => write_array(&keys, self.rows.iter(), &mut out),
            Media::Object => self.rows.iter().take(1).for_each(|row| row.write(&keys, &mut out)),
            Media::Csv => self.write_csv(&mut out),
        }
        out
    }

    fn write_csv(&self, out: &mut String) {
        let line = |fields: &mut dyn Iterator<Item = String>, out: &mut String| {
            out.push_str(&fields.collect::<Vec<_>>().join(","));
        };
        line(&mut self.names.iter().map(|name| csv_field(name)), out);
        for row in &self.rows {
            out.push('\n');
            line(&mut row.values().map(csv_value), out);
        }
    }
}

/// A JSON value as a field of CSV: a text without its quotes, null as nothing.
fn csv_value(json: &str) -> String {
    match json {
        "null" => String::new(),
        text if text.starts_with('"') => csv_field(&serde_json::from_str::<String>(text).unwrap_or_default()),
        other => csv_field(other),
    }
}

/// A field in quotes where it needs them (RFC 4180).
fn csv_field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_in_each_form() {
        let mut row = RestRow::default();
        for value in ["1", "\"a,\\\"b\\\"\"", "null", "[1,2]"] {
            row.add(|out| out.push_str(value));
        }
        let names = ["n", "t\"", "e", "j"].map(str::to_owned).to_vec();
        let rows = RestRows { names, rows: vec![row], total: None };
        assert_eq!(rows.body(Media::Array), r#"[{"n":1,"t\"":"a,\"b\"","e":null,"j":[1,2]}]"#);
        assert_eq!(rows.body(Media::Csv), "n,\"t\"\"\",e,j\n1,\"a,\"\"b\"\"\",,\"[1,2]\"");
        assert_eq!(RestRows { rows: vec![], ..rows }.body(Media::Array), "[]");
    }
}
