//! Errors in PostgREST's form: a code that clients compare, and a text for people.

use std::borrow::Cow;

use serde::Serialize;

/// What a request is refused with. Its JSON is PostgREST's error body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestError {
    /// PostgREST's code (`PGRST…`) or PostgreSQL's (five characters).
    pub code: Cow<'static, str>,
    pub message: String,
    pub details: Option<String>,
    pub hint: Option<String>,
    /// The HTTP status.
    #[serde(skip)]
    pub status: u16,
}

impl RestError {
    /// An error without details.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), message: message.into(), details: None, hint: None, status }
    }

    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The query can't be parsed. `place` is what was being read, `details` is what was expected.
    pub fn syntax(place: &str, details: impl Into<String>) -> Self {
        Self::new(400, "PGRST100", format!("failed to parse {place}")).details(details)
    }

    /// PostgREST has it and Resly doesn't.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::new(400, "PGRST127", "Feature not implemented").details(what)
    }

    /// The request asks for more than may be.
    pub fn too_much(message: impl Into<String>) -> Self {
        Self::new(413, "54000", message)
    }

    /// There is no such column.
    pub fn no_column(table: &str, column: &str) -> Self {
        Self::new(400, "42703", format!("column {table}.{} does not exist", short(column)))
    }

    /// A value isn't of its column's type.
    pub fn invalid_value(kind: &str, text: &str) -> Self {
        let code = if kind.starts_with("timestamp") || kind == "date" { "22007" } else { "22P02" };
        Self::new(400, code, format!("invalid input syntax for type {kind}: \"{}\"", short(text)))
    }

    /// The key may not do this to the table or column.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "42501", message)
    }

    /// The column may not be written in this way.
    pub fn denied_column(table: &str, column: &str) -> Self {
        Self::denied(format!("permission denied for column {column} of table {table}"))
    }

    /// The result isn't the one object that was asked for.
    pub fn not_single(rows: usize) -> Self {
        Self::new(406, "PGRST116", "Cannot coerce the result to a single JSON object")
            .details(format!("The result contains {rows} rows"))
    }

    /// The operator can't be used on this type.
    pub fn no_operator(operator: &str, kind: &str) -> Self {
        Self::new(404, "42883", format!("operator does not exist: {kind} {operator}"))
            .hint("No operator matches the given name and argument types.")
    }
}

/// A text of a request as an error may repeat it.
pub(crate) fn short(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
    if text.chars().nth(100).is_some() {
        short.push('…');
    }
    short
}
