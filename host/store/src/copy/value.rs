//! Values of rows as both stores understand them: read from either, and written as either takes them.

use std::fmt::Write;

use resly_core::time::Timestamp;
use serde_json::Value as Json;
use sqlx::{
    Postgres, Row as _, Sqlite, postgres::PgArguments, postgres::PgRow, query::Query, sqlite::SqliteArguments,
    sqlite::SqliteRow,
};
use uuid::Uuid;

use super::schema::{Kind, Table};
use crate::types::{Id, Time};

/// PostgreSQL counts microseconds from 2000-01-01.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Uuid(Uuid),
    Text(String),
    Int(i64),
    Bool(bool),
    Time(Timestamp),
    Bytes(Vec<u8>),
    Json(Json),
    Texts(Vec<String>),
}

/// The values of a table's columns, in their order.
pub(super) type Row = Vec<Value>;

/// A value that the other store couldn't have.
#[derive(Debug)]
pub(super) struct BadValue {
    /// The place of its column.
    pub column: usize,
    pub detail: String,
}

impl Value {
    /// Bytes that the value takes, roughly.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Json(json) => json.to_string().len(),
            Self::Texts(texts) => texts.iter().map(|text| text.len() + 4).sum(),
            Self::Null | Self::Uuid(_) | Self::Int(_) | Self::Bool(_) | Self::Time(_) => 16,
        }
    }
}

/// Reads a row of SQLite.
pub(super) fn from_sqlite(row: &SqliteRow, table: &Table) -> Result<Row, BadValue> {
    let read = |at: usize| -> Result<Value, Detail> {
        macro_rules! get {
            ($type:ty) => {
                match row.try_get::<Option<$type>, _>(at)? {
                    Some(value) => value,
                    None => return Ok(Value::Null),
                }
            };
        }
        Ok(match table.columns[at].kind {
            Kind::Uuid => Value::Uuid(get!(Id).0),
            Kind::Text | Kind::Written => Value::Text(get!(String)),
            Kind::Int => Value::Int(get!(i64)),
            Kind::Bool => match get!(i64) {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => return Err(Detail(format!("{other} is neither 0 nor 1"))),
            },
            Kind::Time => Value::Time(get!(Time).0),
            Kind::Bytes => Value::Bytes(get!(Vec<u8>)),
            Kind::Json => Value::Json(parse(&get!(String))?),
            Kind::Texts => Value::Texts(parse(&get!(String))?),
        })
    };
    read_all(table, read)
}

/// Reads a row of PostgreSQL. JSON is selected as text.
pub(super) fn from_postgres(row: &PgRow, table: &Table) -> Result<Row, BadValue> {
    let read = |at: usize| -> Result<Value, Detail> {
        macro_rules! get {
            ($type:ty) => {
                match row.try_get::<Option<$type>, _>(at)? {
                    Some(value) => value,
                    None => return Ok(Value::Null),
                }
            };
        }
        Ok(match table.columns[at].kind {
            Kind::Uuid => Value::Uuid(get!(Uuid)),
            Kind::Text | Kind::Written => Value::Text(get!(String)),
            Kind::Int => Value::Int(get!(i64)),
            Kind::Bool => Value::Bool(get!(bool)),
            Kind::Time => {
                let raw = row.try_get_raw(at)?;
                if sqlx::ValueRef::is_null(&raw) {
                    return Ok(Value::Null);
                }
                let bytes = raw.as_bytes().map_err(|error| Detail(error.to_string()))?;
                let micros = <[u8; 8]>::try_from(bytes).map(i64::from_be_bytes);
                let micros = micros.map_err(|_| Detail("it is no time".to_owned()))?;
                let micros = micros.saturating_add(POSTGRES_EPOCH);
                let time = Timestamp::from_micros(micros);
                if time.micros() != micros {
                    return Err(Detail("the time is outside of the years -9999 to 9999".to_owned()));
                }
                Value::Time(time)
            }
            Kind::Bytes => Value::Bytes(get!(Vec<u8>)),
            Kind::Json => Value::Json(parse(&get!(String))?),
            Kind::Texts => Value::Texts(get!(Vec<String>)),
        })
    };
    read_all(table, read)
}

struct Detail(String);

impl From<sqlx::Error> for Detail {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { source, .. } => Self(source.to_string()),
            other => Self(other.to_string()),
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Detail> {
    serde_json::from_str(text).map_err(|error| Detail(format!("it is no such JSON: {error}")))
}

fn read_all(table: &Table, read: impl Fn(usize) -> Result<Value, Detail>) -> Result<Row, BadValue> {
    (0..table.columns.len()).map(|at| read(at).map_err(|Detail(detail)| BadValue { column: at, detail })).collect()
}

/// Binds a value as SQLite holds it.
pub(super) fn bind_sqlite<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    value: &Value,
) -> Query<'q, Sqlite, SqliteArguments> {
    match value {
        Value::Null => query.bind(None::<String>),
        Value::Uuid(id) => query.bind(Id(*id)),
        Value::Text(text) => query.bind(text.clone()),
        Value::Int(number) => query.bind(*number),
        Value::Bool(flag) => query.bind(*flag),
        Value::Time(time) => query.bind(Time(*time)),
        Value::Bytes(bytes) => query.bind(bytes.clone()),
        Value::Json(json) => query.bind(json.to_string()),
        Value::Texts(texts) => query.bind(Json::from(texts.clone()).to_string()),
    }
}

/// Binds a value of a key.
pub(super) fn bind_postgres<'q>(
    query: Query<'q, Postgres, PgArguments>,
    value: &Value,
) -> Query<'q, Postgres, PgArguments> {
    match value {
        Value::Null | Value::Json(_) | Value::Texts(_) => query.bind(None::<String>),
        Value::Uuid(id) => query.bind(*id),
        Value::Text(text) => query.bind(text.clone()),
        Value::Int(number) => query.bind(*number),
        Value::Bool(flag) => query.bind(*flag),
        Value::Time(time) => query.bind(Time(*time)),
        Value::Bytes(bytes) => query.bind(bytes.clone()),
    }
}

/// Writes a row as a line of COPY's text format (PostgreSQL's documentation, "COPY", "Text Format").
pub(super) fn push_line(line: &mut String, row: &[Value]) {
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            line.push('\t');
        }
        match value {
            Value::Null => line.push_str("\\N"),
            Value::Uuid(id) => push_escaped(line, &id.to_string()),
            Value::Text(text) => push_escaped(line, text),
            Value::Int(number) => push_escaped(line, &number.to_string()),
            Value::Bool(flag) => line.push(if *flag { 't' } else { 'f' }),
            Value::Time(time) => push_escaped(line, &postgres_time(*time)),
            Value::Bytes(bytes) => {
                line.push_str("\\\\x");
                for byte in bytes {
                    // Writing to a text doesn't fail.
                    write!(line, "{byte:02x}").ok();
                }
            }
            Value::Json(json) => push_escaped(line, &json.to_string()),
            Value::Texts(texts) => push_escaped(line, &array(texts)),
        }
    }
    line.push('\n');
}

fn push_escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            other => line.push(other),
        }
    }
}

/// A literal of `text[]`.
fn array(texts: &[String]) -> String {
    let quoted: Vec<_> =
        texts.iter().map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    format!("{{{}}}", quoted.join(","))
}

/// PostgreSQL writes years before the first as `BC`, and has no year 0.
fn postgres_time(time: Timestamp) -> String {
    let text = time.to_string();
    let (before, year) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (text.starts_with("0000-"), text.as_str()),
    };
    if !before {
        return text;
    }
    let Some((year, rest)) = year.split_once('-') else { return text };
    let year = year.parse::<u32>().map_or(0, |year| year + 1);
    format!("{year:04}-{rest} BC")
}

/// The key of a row as a text that [`parse_key`] reads, for the progress and for messages.
pub(super) fn key_text(table: &Table, row: &[Value]) -> String {
    let parts: Vec<Json> = table.key.iter().map(|at| Json::from(key_part(&row[*at]))).collect();
    Json::from(parts).to_string()
}

fn key_part(value: &Value) -> String {
    match value {
        Value::Uuid(id) => id.to_string(),
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Time(time) => time.to_string(),
        Value::Bytes(bytes) => bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").ok();
            hex
        }),
        Value::Null | Value::Bool(_) | Value::Json(_) | Value::Texts(_) => String::new(),
    }
}

/// Reads what [`key_text`] wrote. `None` when it is of another table.
pub(super) fn parse_key(table: &Table, text: &str) -> Option<Vec<Value>> {
    let parts: Vec<String> = serde_json::from_str(text).ok()?;
    if parts.len() != table.key.len() {
        return None;
    }
    let value = |(part, at): (String, &usize)| {
        Some(match table.columns[*at].kind {
            Kind::Uuid => Value::Uuid(part.parse().ok()?),
            Kind::Text => Value::Text(part),
            Kind::Int => Value::Int(part.parse().ok()?),
            Kind::Time => Value::Time(part.parse().ok()?),
            Kind::Bytes => {
                let pairs = part.as_bytes().chunks(2);
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                Value::Bytes(pairs.map(byte).collect::<Option<_>>()?)
            }
            Kind::Bool | Kind::Json | Kind::Written | Kind::Texts => return None,
        })
    };
    parts.into_iter().zip(&table.key).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_copy_holds_any_value() {
        let row = vec![
            Value::Null,
            Value::Text("a\\b\tc\nd\re\\N".to_owned()),
            Value::Text(String::new()),
            Value::Int(i64::MIN),
            Value::Bool(true),
            Value::Bytes(vec![0, 255]),
            Value::Texts(vec![String::new(), "a\"b\\c,{}".to_owned(), "NULL".to_owned()]),
        ];
        let mut line = String::new();
        push_line(&mut line, &row);
        assert_eq!(
            line,
            "\\N\ta\\\\b\\tc\\nd\\re\\\\N\t\t-9223372036854775808\tt\t\\\\x00ff\t\
             {\"\",\"a\\\\\"b\\\\\\\\c,{}\",\"NULL\"}\n"
        );
    }

    #[test]
    fn years_before_the_first_are_written_as_postgresql_reads_them() {
        let text = |time: &str| postgres_time(time.parse().unwrap());
        assert_eq!(text("2026-10-10T12:00:00.000001Z"), "2026-10-10T12:00:00.000001Z");
        assert_eq!(text("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00.000000Z");
        assert_eq!(text("0000-12-31T00:00:00Z"), "0001-12-31T00:00:00.000000Z BC");
        assert_eq!(text("-000043-03-15T00:00:00Z"), "0044-03-15T00:00:00.000000Z BC");
    }
}
