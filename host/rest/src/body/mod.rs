//! Bodies of writes: rows in JSON or CSV, with values of their columns' types.

mod csv;

use serde_json::{Map, Value as Json};

use crate::{
    error::{RestError, short},
    limits,
    registry::{Column, Default, Table},
    value::Value,
};

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Csv,
}

impl Form {
    pub fn of(content_type: Option<&str>) -> Result<Self, RestError> {
        let media = content_type.unwrap_or("application/json").split(';').next().unwrap_or_default().trim();
        match media.to_ascii_lowercase().as_str() {
            "application/json" | "application/vnd.pgrst.object+json" | "application/vnd.pgrst.array+json" | "" => {
                Ok(Self::Json)
            }
            "text/csv" => Ok(Self::Csv),
            other => Err(RestError::new(415, "PGRST102", format!("Content-Type not acceptable: {}", short(other)))),
        }
    }
}

/// A row to insert: each of its columns with a value, or its default.
pub type Row = Vec<Option<Value>>;

/// Rows to insert.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub columns: Vec<&'static Column>,
    pub rows: Vec<Row>,
}

fn invalid(message: impl Into<String>) -> RestError {
    RestError::new(400, "PGRST102", message)
}

/// Reads the rows of an insert. `columns` are those of the query.
pub fn inserted(
    table: &'static Table,
    form: Form,
    body: &[u8],
    columns: Option<&[String]>,
    missing_default: bool,
) -> Result<Rows, RestError> {
    let objects = objects(table, form, body, columns)?;
    if objects.len() > limits::WRITTEN {
        return Err(RestError::too_much(format!("a request writes {} rows at most", limits::WRITTEN)));
    }
    let names: Vec<String> = match columns {
        Some(columns) => columns.to_vec(),
        None => objects.first().map(|object| object.keys().cloned().collect()).unwrap_or_default(),
    };
    let mut known: Vec<&'static Column> = Vec::with_capacity(names.len());
    for name in &names {
        let column = written_column(table, name)?;
        if !column.writable.in_insert() {
            return Err(RestError::denied_column(table.name, column.name));
        }
        if known.contains(&column) {
            return Err(RestError::new(400, "42701", format!("column \"{}\" specified more than once", column.name)));
        }
        known.push(column);
    }
    let mut rows = Vec::with_capacity(objects.len());
    for mut object in objects {
        if columns.is_none() && (object.len() != names.len() || !names.iter().all(|name| object.contains_key(name))) {
            return Err(invalid("All object keys must match"));
        }
        let value = |column: &&'static Column| match object.remove(column.name) {
            Some(value) => checked(table, column, value).map(Some),
            None if missing_default => Ok(None),
            None => Ok(Some(Value::Null)),
        };
        let row: Row = known.iter().map(value).collect::<Result<_, _>>()?;
        check_needed(table, &known, &row)?;
        rows.push(row);
    }
    Ok(Rows { columns: known, rows })
}

/// A column that has no default needs a value.
fn check_needed(table: &'static Table, known: &[&'static Column], row: &Row) -> Result<(), RestError> {
    for column in table.columns.iter().filter(|column| column.writable.in_insert() && !column.nullable) {
        let given = known.iter().position(|known| *known == column).and_then(|at| row[at].as_ref());
        let missing = match given {
            Some(value) => *value == Value::Null,
            None => column.default == Default::None,
        };
        if missing {
            return Err(null_value(table, column));
        }
    }
    Ok(())
}

fn null_value(table: &Table, column: &Column) -> RestError {
    let (column, table) = (column.name, table.name);
    let message = format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint");
    RestError::new(400, "23502", message)
}

/// Reads the columns that an update sets.
pub fn updated(
    table: &'static Table,
    form: Form,
    body: &[u8],
    columns: Option<&[String]>,
) -> Result<Vec<(&'static Column, Value)>, RestError> {
    let mut objects = objects(table, form, body, columns)?.into_iter();
    let (Some(object), None) = (objects.next(), objects.next()) else {
        return Err(invalid("an update takes one object"));
    };
    let mut set = Vec::with_capacity(object.len());
    for (name, value) in object {
        if columns.is_some_and(|columns| !columns.contains(&name)) {
            continue;
        }
        let column = written_column(table, &name)?;
        if !column.writable.in_update() {
            return Err(RestError::denied_column(table.name, column.name));
        }
        let value = checked(table, column, value)?;
        if value == Value::Null && !column.nullable {
            return Err(null_value(table, column));
        }
        set.push((column, value));
    }
    Ok(set)
}

fn checked(table: &'static Table, column: &'static Column, value: Json) -> Result<Value, RestError> {
    let value = Value::from_json(column.kind, value)?;
    if let Value::Text(text) = &value {
        table.check(column, text)?;
    }
    Ok(value)
}

fn written_column(table: &'static Table, name: &str) -> Result<&'static Column, RestError> {
    table.column(name).ok_or_else(|| {
        let message = format!("Could not find the '{}' column of '{}' in the schema cache", short(name), table.name);
        RestError::new(400, "PGRST204", message)
    })
}

fn objects(
    table: &'static Table,
    form: Form,
    body: &[u8],
    columns: Option<&[String]>,
) -> Result<Vec<Map<String, Json>>, RestError> {
    let text = std::str::from_utf8(body).map_err(|_| invalid("the body is not UTF-8"))?;
    if form == Form::Csv {
        return csv::objects(text, &|name| match columns {
            Some(columns) => Ok(columns.iter().any(|column| column == name)),
            None => written_column(table, name).map(|_| true),
        });
    }
    let value: Json = serde_json::from_str(text).map_err(|_| invalid("Empty or invalid json"))?;
    let items = match value {
        Json::Object(object) => return Ok(vec![object]),
        Json::Array(items) => items,
        _ => return Err(invalid("an object or an array of objects is expected")),
    };
    let object = |item| match item {
        Json::Object(object) => Ok(object),
        _ => Err(invalid("an object or an array of objects is expected")),
    };
    items.into_iter().map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::table;

    fn insert(body: &str, columns: Option<&[&str]>, missing_default: bool) -> Result<Rows, RestError> {
        let columns: Option<Vec<String>> = columns.map(|columns| columns.iter().map(|c| (*c).to_owned()).collect());
        inserted(table("tickets").unwrap(), Form::Json, body.as_bytes(), columns.as_deref(), missing_default)
    }

    fn code<T: std::fmt::Debug>(result: Result<T, RestError>) -> String {
        result.unwrap_err().code.into_owned()
    }

    #[test]
    fn rows_have_values_nulls_or_defaults() {
        let rows = insert(r#"[{"subject":"a","body":"b"},{"body":"d","subject":"c"}]"#, None, false).unwrap();
        assert_eq!(rows.rows[1], [Some(Value::Text("c".to_owned())), Some(Value::Text("d".to_owned()))]);
        let columns = Some(&["subject", "body", "conversation_id", "status"][..]);
        assert_eq!(code(insert(r#"{"subject":"a","body":"b"}"#, columns, false)), "23502", "status is null");
        let rows = insert(r#"{"subject":"a","body":"b","more":1}"#, columns, true).unwrap();
        assert_eq!(rows.rows[0][3], None);
        assert!(insert("[]", None, false).unwrap().rows.is_empty());
    }

    #[test]
    fn what_may_not_be_written_is_refused() {
        assert_eq!(code(insert(r#"{"subject":"a"}"#, None, false)), "23502");
        assert_eq!(code(insert(r#"{"subject":"a","body":"b","organization_id":"x"}"#, None, false)), "42501");
        assert_eq!(code(insert(r#"{"subject":"a","body":"b","nope":1}"#, None, false)), "PGRST204");
        assert_eq!(code(insert(r#"[{"subject":"a","body":"b"},{"subject":"a"}]"#, None, false)), "PGRST102");
        for wrong in ["", "1", "[1]", "{", "[{}", "null", "\"a\""] {
            assert_eq!(code(insert(wrong, None, false)), "PGRST102", "{wrong}");
        }
        assert_eq!(code(insert(&"[".repeat(100_000), None, false)), "PGRST102");
        let many = format!("[{}{{}}]", "{},".repeat(1000));
        assert_eq!(code(insert(&many, None, false)), "54000");
        assert_eq!(code(inserted(table("tickets").unwrap(), Form::Json, b"\"\xff\"", None, false)), "PGRST102");
        let update = |body: &str| updated(table("tickets").unwrap(), Form::Json, body.as_bytes(), None);
        assert_eq!(code(update(r#"{"id":"x"}"#)), "42501");
        assert_eq!(code(update(r#"{"status":null}"#)), "23502");
        assert_eq!(code(update("[]")), "PGRST102");
        assert_eq!(code(update(r#"{"status":"over"}"#)), "23514");
        assert_eq!(code(insert(r#"{"subject":"a","body":"b","status":""}"#, None, false)), "23514");
        assert_eq!(update(r#"{"conversation_id":null}"#).unwrap()[0].1, Value::Null);
    }

    #[test]
    fn csv_has_a_header_and_null_as_a_word() {
        let table = table("tickets").unwrap();
        let csv = "subject,body,conversation_id\r\n\"a,\"\"b\"\"\",\"two\nlines\",NULL\r\n";
        let rows = inserted(table, Form::Csv, csv.as_bytes(), None, false).unwrap();
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        assert_eq!(rows.rows, [[text("a,\"b\""), text("two\nlines"), Some(Value::Null)]]);
        assert_eq!(code(inserted(table, Form::Csv, b"subject,body\na\n", None, false)), "PGRST102");
        assert_eq!(code(Form::of(Some("application/xml"))), "PGRST102");
    }
}
