//! Values of rows, and how they are written as JSON, which is the same for both databases.

use std::{borrow::Cow, fmt::Write};

use resly_rest::{
    RestError,
    plan::{Cast, Step},
    registry::Type,
    value::Value,
};
use serde_json::Value as Json;
use sqlx::{Row, postgres::PgRow, sqlite::SqliteRow, types::Uuid};

use crate::types::{self, Id, Time};

/// A row of either database.
pub(super) enum AnyRow {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// The type of a column of a select.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellType {
    Column(Type),
    /// Digits, as text.
    Number,
    Float,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    /// An id as its text, as SQLite holds it.
    Uuid(String),
    Text(String),
    Int(i64),
    Bool(bool),
    /// A time as `resly_core::time::Timestamp` writes it, which is how SQLite holds it.
    Time(String),
    /// JSON as its text.
    Json(String),
    Texts(Vec<String>),
    Number(String),
    Float(f64),
}

impl Cell {
    pub fn read(row: &AnyRow, at: usize, kind: CellType) -> Result<Self, sqlx::Error> {
        macro_rules! get {
            ($type:ty, $make:expr) => {{
                let found: Option<$type> = match row {
                    AnyRow::Sqlite(row) => row.try_get(at)?,
                    AnyRow::Postgres(row) => row.try_get(at)?,
                };
                found.map_or(Self::Null, $make)
            }};
        }
        Ok(match kind {
            CellType::Column(Type::Uuid) => match row {
                AnyRow::Sqlite(row) => row.try_get::<Option<String>, _>(at)?.map_or(Self::Null, Self::Uuid),
                AnyRow::Postgres(row) => {
                    row.try_get::<Option<Id>, _>(at)?.map_or(Self::Null, |id| Self::Uuid(id.0.to_string()))
                }
            },
            CellType::Column(Type::Text) => get!(String, Self::Text),
            CellType::Column(Type::Bigint) => get!(i64, Self::Int),
            CellType::Column(Type::Boolean) => get!(bool, Self::Bool),
            CellType::Column(Type::Timestamp) => match row {
                AnyRow::Sqlite(row) => row.try_get::<Option<String>, _>(at)?.map_or(Self::Null, Self::Time),
                AnyRow::Postgres(row) => {
                    row.try_get::<Option<Time>, _>(at)?.map_or(Self::Null, |at| Self::Time(at.0.to_string()))
                }
            },
            CellType::Column(Type::Jsonb) => get!(String, Self::Json),
            CellType::Column(Type::Texts) => match row {
                AnyRow::Sqlite(row) => row
                    .try_get::<Option<types::Json<Vec<String>>>, _>(at)?
                    .map_or(Self::Null, |json| Self::Texts(json.0)),
                AnyRow::Postgres(row) => row.try_get::<Option<Vec<String>>, _>(at)?.map_or(Self::Null, Self::Texts),
            },
            CellType::Number => get!(String, Self::Number),
            CellType::Float => get!(f64, Self::Float),
        })
    }

    /// Writes a column of a row as JSON, as [`Cell::read`] and [`Cell::write`] do together. Ids, texts and times aren't copied
    /// on the way. Returns false, and writes nothing, when a text has more than `most` bytes as JSON.
    pub fn copy(row: &AnyRow, at: usize, kind: CellType, most: usize, out: &mut String) -> Result<bool, sqlx::Error> {
        let written = match (row, kind) {
            (AnyRow::Sqlite(row), CellType::Column(Type::Uuid)) => {
                row.try_get::<Option<&str>, _>(at)?.map(|id| out.extend(["\"", id, "\""]))
            }
            (AnyRow::Postgres(row), CellType::Column(Type::Uuid)) => row.try_get::<Option<Id>, _>(at)?.map(|id| {
                let mut buffer = Uuid::encode_buffer();
                out.extend(["\"", &*id.0.hyphenated().encode_lower(&mut buffer), "\""]);
            }),
            (_, CellType::Column(Type::Text)) => match text_at(row, at)? {
                Some(text) if exceeds(text, most) => return Ok(false),
                text => text.map(|text| write_text(text, out)),
            },
            (AnyRow::Sqlite(row), CellType::Column(Type::Timestamp)) => {
                row.try_get::<Option<&str>, _>(at)?.map(|time| out.extend(["\"", fraction_cut(time), "+00:00\""]))
            }
            (AnyRow::Postgres(row), CellType::Column(Type::Timestamp)) => {
                row.try_get::<Option<Time>, _>(at)?.map(|time| write_time(time, out))
            }
            _ => {
                Self::read(row, at, kind)?.write(out);
                return Ok(true);
            }
        };
        if written.is_none() {
            out.push_str("null");
        }
        Ok(true)
    }

    /// JSON as a value. What isn't JSON has no parts.
    pub fn document(&self) -> Json {
        let Self::Json(text) = self else { return Json::Null };
        serde_json::from_str(text).unwrap_or(Json::Null)
    }

    /// The part of JSON at a path.
    pub fn part(root: &Json, path: &[Step], as_text: bool) -> Self {
        let mut found = root;
        for step in path {
            let next = match (step, found) {
                (Step::Key(key), Json::Object(members)) => members.get(key),
                (Step::Index(index), Json::Array(items)) => usize::try_from(*index)
                    .ok()
                    .or_else(|| items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?))
                    .and_then(|index| items.get(index)),
                _ => None,
            };
            match next {
                Some(next) => found = next,
                None => return Self::Null,
            }
        }
        match found {
            Json::Null if as_text => Self::Null,
            Json::String(text) if as_text => Self::Text(text.clone()),
            other if as_text => Self::Text(canonical(other.clone()).to_string()),
            other => Self::Json(other.to_string()),
        }
    }

    /// The value as another type.
    pub fn cast(self, cast: Cast) -> Result<Self, RestError> {
        if self == Self::Null {
            return Ok(self);
        }
        let text = self.text();
        let parse = |kind| match Value::parse(kind, &text)? {
            Value::Int(number) => Ok(Self::Int(number)),
            Value::Bool(truth) => Ok(Self::Bool(truth)),
            Value::Uuid(id) => Ok(Self::Uuid(id.to_string())),
            Value::Time(at) => Ok(Self::Time(at.to_string())),
            _ => Err(RestError::invalid_value("text", &text)),
        };
        match (cast, &self) {
            (Cast::Text, _) => Ok(Self::Text(text)),
            (Cast::Integer, Self::Int(_)) | (Cast::Boolean, Self::Bool(_)) | (Cast::Uuid, Self::Uuid(_)) => Ok(self),
            (Cast::Timestamp, Self::Time(_)) | (Cast::Json, Self::Json(_)) => Ok(self),
            (Cast::Number | Cast::Integer, Self::Number(_) | Self::Float(_)) => Ok(self),
            (Cast::Integer, _) => parse(Type::Bigint),
            (Cast::Number, _) => match text.trim().parse::<serde_json::Number>() {
                Ok(number) => Ok(Self::Number(number.to_string())),
                Err(_) => Err(RestError::invalid_value("numeric", &text)),
            },
            (Cast::Boolean, _) => parse(Type::Boolean),
            (Cast::Uuid, _) => parse(Type::Uuid),
            (Cast::Timestamp, _) => parse(Type::Timestamp),
            (Cast::Date, _) => match parse(Type::Timestamp) {
                Ok(Self::Time(at)) => Ok(Self::Text(at.chars().take(10).collect())),
                _ => Err(RestError::invalid_value("date", &text)),
            },
            (Cast::Json, _) => Ok(Self::Json(text)),
        }
    }

    /// The value as PostgreSQL writes it as text.
    fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Uuid(text) | Self::Text(text) | Self::Number(text) => text.clone(),
            Self::Int(number) => number.to_string(),
            Self::Bool(truth) => truth.to_string(),
            Self::Time(at) => {
                let written = iso(at).replace('T', " ");
                written.strip_suffix(":00").unwrap_or(&written).to_owned()
            }
            Self::Json(text) => canonical_text(text).into_owned(),
            Self::Texts(texts) => array_literal(texts),
            Self::Float(number) => number.to_string(),
        }
    }

    /// Writes the value as JSON.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Uuid(text) => out.extend(["\"", text, "\""]),
            Self::Text(text) => write_text(text, out),
            Self::Int(number) => out.push_str(&number.to_string()),
            Self::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Time(at) => out.extend(["\"", fraction_cut(at), "+00:00\""]),
            Self::Json(text) => out.push_str(&canonical_text(text)),
            Self::Texts(texts) => out.push_str(&serde_json::to_string(texts).unwrap_or_default()),
            Self::Number(digits) => out.push_str(digits),
            Self::Float(number) => out.push_str(&serde_json::to_string(number).unwrap_or_default()),
        }
    }
}

/// Whether a text has more bytes than these when it is written as JSON. A column of another type has no such text.
pub(super) fn text_exceeds(row: &AnyRow, at: usize, kind: CellType, most: usize) -> Result<bool, sqlx::Error> {
    if kind != CellType::Column(Type::Text) {
        return Ok(false);
    }
    Ok(text_at(row, at)?.is_some_and(|text| exceeds(text, most)))
}

fn text_at(row: &AnyRow, at: usize) -> Result<Option<&str>, sqlx::Error> {
    match row {
        AnyRow::Sqlite(row) => row.try_get(at),
        AnyRow::Postgres(row) => row.try_get(at),
    }
}

/// Most texts are short enough, however they are written.
fn exceeds(text: &str, most: usize) -> bool {
    text.len().saturating_mul(MOST_ESCAPED) > most && json_bytes(text) > most
}

/// Bytes of a control character in JSON: `\u001f`.
const MOST_ESCAPED: usize = 6;

/// The bytes of a text in JSON, without its quotes.
fn json_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => MOST_ESCAPED,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// The id in a column of a row.
pub(super) fn uuid_at(row: &AnyRow, at: usize) -> Result<Option<Uuid>, sqlx::Error> {
    Ok(match row {
        AnyRow::Sqlite(row) => row.try_get::<Option<&str>, _>(at)?.and_then(|text| Uuid::try_parse(text).ok()),
        AnyRow::Postgres(row) => row.try_get::<Option<Id>, _>(at)?.map(|id| id.0),
    })
}

fn write_time(time: Time, out: &mut String) {
    out.push('"');
    let start = out.len();
    // A string takes all that is written to it.
    write!(out, "{}", time.0).ok();
    let end = start + fraction_cut(&out[start..]).len();
    out.truncate(end);
    out.push_str("+00:00\"");
}

/// As PostgreSQL writes a time in JSON: no zeros at the end of its fraction, and the offset in full.
fn iso(at: &str) -> String {
    format!("{}+00:00", fraction_cut(at))
}

fn fraction_cut(at: &str) -> &str {
    let bare = at.trim_end_matches('Z').trim_end_matches('0');
    bare.strip_suffix('.').unwrap_or(bare)
}

/// Writes a text as JSON. Most need no escapes.
fn write_text(text: &str, out: &mut String) {
    if text.bytes().any(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    } else {
        out.extend(["\"", text, "\""]);
    }
}

/// A list as PostgreSQL writes and reads it.
pub(super) fn array_literal(texts: &[String]) -> String {
    let item = |text: &String| {
        let plain = !text.is_empty()
            && !text.eq_ignore_ascii_case("null")
            && !text.contains(|c: char| c.is_whitespace() || "{},\"\\".contains(c));
        if plain { text.clone() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
    };
    let items: Vec<String> = texts.iter().map(item).collect();
    format!("{{{}}}", items.join(","))
}

/// JSON with its members in the order of `jsonb`: shorter names first, then by bytes.
fn canonical(value: Json) -> Json {
    match value {
        Json::Object(members) => {
            let mut members: Vec<(String, Json)> =
                members.into_iter().map(|(name, value)| (name, canonical(value))).collect();
            members.sort_by(|(one, _), (other, _)| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
            Json::Object(members.into_iter().collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(canonical).collect()),
        other => other,
    }
}

fn canonical_text(text: &str) -> Cow<'_, str> {
    if matches!(text, "[]" | "{}" | "null") {
        return Cow::Borrowed(text);
    }
    match serde_json::from_str::<Json>(text) {
        Ok(value) => Cow::Owned(canonical(value).to_string()),
        Err(_) => Cow::Borrowed("null"),
    }
}

#[cfg(test)]
mod tests {
    use resly_core::time::Timestamp;

    use super::*;

    fn json(cell: &Cell) -> String {
        let mut out = String::new();
        cell.write(&mut out);
        out
    }

    #[test]
    fn times_and_json_are_written_as_postgresql_writes_them() {
        let at = |text: &str| Cell::Time(text.parse::<Timestamp>().unwrap().to_string());
        assert_eq!(json(&at("2026-10-10T12:00:00Z")), "\"2026-10-10T12:00:00+00:00\"");
        assert_eq!(json(&at("2026-10-10T12:00:00.1200Z")), "\"2026-10-10T12:00:00.12+00:00\"");
        assert_eq!(
            at("2026-10-10T12:00:10Z").cast(Cast::Text).unwrap(),
            Cell::Text("2026-10-10 12:00:10+00".to_owned())
        );
        assert_eq!(at("2026-10-10T12:00:10Z").cast(Cast::Date).unwrap(), Cell::Text("2026-10-10".to_owned()));
        assert_eq!(
            json(&Cell::Json(r#"{"bb":1.50,"a":{"z":[],"y":1}}"#.to_owned())),
            r#"{"a":{"y":1,"z":[]},"bb":1.50}"#
        );
        let texts = Cell::Texts(vec!["a".to_owned(), "b c".to_owned(), "\"".to_owned()]);
        assert_eq!(texts.cast(Cast::Text).unwrap(), Cell::Text(r#"{a,"b c","\""}"#.to_owned()));
    }

    #[test]
    fn a_path_leads_to_a_part_or_to_null() {
        let root = Cell::Json(r#"{"a":[1,{"b":null,"c":"x"},2.50]}"#.to_owned()).document();
        let part = |path: &[Step], as_text| Cell::part(&root, path, as_text);
        let key = |key: &str| Step::Key(key.to_owned());
        assert_eq!(part(&[key("a"), Step::Index(1), key("c")], true), Cell::Text("x".to_owned()));
        assert_eq!(part(&[key("a"), Step::Index(-1)], true), Cell::Text("2.50".to_owned()));
        assert_eq!(part(&[key("a"), Step::Index(1), key("b")], true), Cell::Null);
        assert_eq!(part(&[key("a"), Step::Index(1), key("b")], false), Cell::Json("null".to_owned()));
        assert_eq!(part(&[key("a"), Step::Index(-9)], false), Cell::Null);
        assert_eq!(Cell::Text("5x".to_owned()).cast(Cast::Integer).unwrap_err().code, "22P02");
    }

    #[test]
    fn the_bytes_of_a_text_in_json_are_known_before_it_is_written() {
        for text in ["", "plain", "\u{1}\u{1f}\u{7f}", "\"\\/\n\r\t\u{8}\u{c}", "ü€\u{2028}"] {
            assert_eq!(json_bytes(text) + 2, json(&Cell::Text(text.to_owned())).len(), "{text:?}");
        }
    }
}
