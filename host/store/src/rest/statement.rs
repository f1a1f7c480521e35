//! A statement under construction: fixed text, names of the registry, and bound values.

use std::time::{Duration, Instant};

use resly_core::id::OrganizationId;
use resly_rest::{registry::Type, value::Value};
use uuid::Uuid;

use super::cell::{self, AnyRow};
use crate::{
    query::Query,
    sql::Conn,
    types::{Id, Json, Text, Time},
};

/// The names of tables within a statement, from the outermost in.
pub(super) const ALIASES: [&str; 8] = ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"];

pub(super) struct Statement {
    query: Query,
    pub organization: OrganizationId,
}

/// A row that a change is about, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRow {
    pub id: Uuid,
    /// In the database's own precision.
    pub updated_at: String,
    /// Of its texts.
    pub bytes: u64,
}

impl Statement {
    pub fn new(db: &Conn<'_>, organization: OrganizationId, start: &'static str) -> Self {
        Self { query: Query::new(db, start), organization }
    }

    /// The statement's text, without its values.
    #[cfg(test)]
    pub fn sql(self) -> String {
        match self.query {
            Query::Sqlite(query) => query.sql().as_str().to_owned(),
            Query::Postgres(query) => query.sql().as_str().to_owned(),
        }
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self.query, Query::Sqlite(_))
    }

    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.query.push(text);
        self
    }

    /// Pushes the text of one of the databases.
    pub fn pick(&mut self, sqlite: &'static str, postgres: &'static str) -> &mut Self {
        let text = if self.is_sqlite() { sqlite } else { postgres };
        self.push(text)
    }

    /// A column of a table within the statement.
    pub fn column(&mut self, depth: usize, column: &'static str) -> &mut Self {
        self.push(ALIASES[depth.min(ALIASES.len() - 1)]).push(".").push(column)
    }

    pub fn number(&mut self, number: u64) -> &mut Self {
        self.query.bind(i64::try_from(number).unwrap_or(i64::MAX));
        self
    }

    /// A number in the text itself, such as a column's place.
    pub fn place(&mut self, place: usize) -> &mut Self {
        match &mut self.query {
            Query::Sqlite(query) => drop(query.push(place)),
            Query::Postgres(query) => drop(query.push(place)),
        }
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.query.bind(Text(text));
        self
    }

    pub fn integer(&mut self, number: i32) -> &mut Self {
        self.query.bind(number);
        self
    }

    pub fn own_organization(&mut self) -> &mut Self {
        let id = Id(self.organization.0);
        self.query.bind(id);
        self
    }

    /// A list of texts: `text[]` in PostgreSQL, JSON in SQLite.
    pub fn texts(&mut self, texts: &[String]) -> &mut Self {
        match &mut self.query {
            Query::Sqlite(query) => drop(query.push_bind(Json(texts))),
            Query::Postgres(query) => drop(query.push_bind(texts.to_vec())),
        }
        self
    }

    /// ` IN` a list of ids.
    pub fn among(&mut self, ids: &[Uuid]) -> &mut Self {
        match &mut self.query {
            Query::Sqlite(query) => {
                query.push(" IN (SELECT value FROM json_each(").push_bind(Json(ids)).push("))");
            }
            Query::Postgres(query) => drop(query.push(" = ANY(").push_bind(ids.to_vec()).push(")")),
        }
        self
    }

    /// The condition that a row of the outermost table is one of these, and hasn't changed since it was found.
    pub fn unchanged(&mut self, found: &[FoundRow]) -> &mut Self {
        let ids: Vec<Uuid> = found.iter().map(|row| row.id).collect();
        // The list of ids alone is what an index answers.
        self.column(0, "id").among(&ids).push(" AND (t0.id, t0.updated_at) IN (SELECT ");
        match &mut self.query {
            Query::Sqlite(query) => {
                let pairs: Vec<(Uuid, &str)> = found.iter().map(|row| (row.id, row.updated_at.as_str())).collect();
                query.push("value ->> 0, value ->> 1 FROM json_each(").push_bind(Json(pairs)).push("))");
            }
            Query::Postgres(query) => {
                let times: Vec<String> = found.iter().map(|row| row.updated_at.clone()).collect();
                query.push("* FROM UNNEST(").push_bind(ids).push(", (").push_bind(times);
                query.push(")::timestamptz[]))");
            }
        }
        self
    }

    /// ` IN` a list of values of one type.
    pub fn among_values(&mut self, kind: Type, values: &[Value]) -> &mut Self {
        match &mut self.query {
            Query::Sqlite(query) => {
                let texts: Vec<String> = values.iter().map(list_text).collect();
                let json = match kind {
                    Type::Bigint | Type::Boolean => format!("[{}]", texts.join(",")),
                    _ => serde_json::to_string(&texts).unwrap_or_default(),
                };
                query.push(" IN (SELECT value FROM json_each(").push_bind(json).push("))");
            }
            Query::Postgres(query) if kind == Type::Texts => {
                let literals: Vec<String> = values.iter().map(array_literal).collect();
                query.push(" IN (SELECT literal::text[] FROM UNNEST(").push_bind(literals).push(") AS literal)");
            }
            Query::Postgres(query) => {
                let texts: Vec<String> = values.iter().map(list_text).collect();
                query.push(" = ANY((").push_bind(texts).push(")::");
                query.push(match kind {
                    Type::Uuid => "uuid[]",
                    Type::Bigint => "bigint[]",
                    Type::Boolean => "boolean[]",
                    Type::Timestamp => "timestamptz[]",
                    Type::Text | Type::Jsonb | Type::Texts => "text[]",
                });
                query.push(")");
            }
        }
        self
    }

    /// A value. A null needs its type, which PostgreSQL demands.
    pub fn value(&mut self, kind: Type, value: &Value) -> &mut Self {
        let query = &mut self.query;
        match value {
            Value::Null => match kind {
                Type::Uuid => drop(query.bind(None::<Id>)),
                Type::Text => drop(query.bind(None::<String>)),
                Type::Bigint => drop(query.bind(None::<i64>)),
                Type::Boolean => drop(query.bind(None::<bool>)),
                Type::Timestamp => drop(query.bind(None::<Time>)),
                Type::Jsonb => drop(query.bind(None::<Json<serde_json::Value>>)),
                Type::Texts => match query {
                    Query::Sqlite(query) => drop(query.push_bind(None::<String>)),
                    Query::Postgres(query) => drop(query.push_bind(None::<Vec<String>>)),
                },
            },
            Value::Uuid(id) => drop(query.bind(Id(*id))),
            Value::Text(text) => drop(query.bind(Text(text))),
            Value::Int(number) => drop(query.bind(*number)),
            Value::Bool(truth) => drop(query.bind(*truth)),
            Value::Time(at) => drop(query.bind(Time(*at))),
            Value::Json(json) => drop(query.bind(Json(json))),
            Value::Texts(texts) => return self.texts(texts),
        }
        self
    }

    /// Runs the statement for its rows, of which at most `most` are kept. They are small: ids, times and numbers.
    pub(super) async fn fetch(self, db: &mut Conn<'_>, most: usize) -> Result<Vec<AnyRow>, sqlx::Error> {
        let mut rows = Vec::new();
        let mut keep = |row: AnyRow| {
            rows.push(row);
            Ok::<_, sqlx::Error>(rows.len() < most)
        };
        self.visit(db, &mut keep).await?;
        Ok(rows)
    }

    /// Runs the statement and gives each row to a visitor, until it wants no more. One row is in memory at a time, and other
    /// tasks have their turns in between.
    pub(super) async fn visit<E: From<sqlx::Error>>(
        self,
        db: &mut Conn<'_>,
        visitor: &mut (dyn FnMut(AnyRow) -> Result<bool, E> + Send),
    ) -> Result<(), E> {
        use futures::TryStreamExt;
        let mut turn = Turn::begin();
        match (self.query, db.conn()) {
            (Query::Sqlite(mut query), Conn::Sqlite(conn)) => {
                let mut found = query.build().fetch(conn);
                while let Some(row) = found.try_next().await? {
                    if !visitor(AnyRow::Sqlite(row))? {
                        break;
                    }
                    turn.share().await;
                }
            }
            (Query::Postgres(mut query), Conn::Postgres { conn, named }) => {
                let mut found = query.build().persistent(named).fetch(conn);
                while let Some(row) = found.try_next().await? {
                    if !visitor(AnyRow::Postgres(row))? {
                        break;
                    }
                    turn.share().await;
                }
            }
            _ => return Err(wrong_database().into()),
        }
        Ok(())
    }
}

/// How long a request works on its rows before other tasks have a turn.
const TURN: Duration = Duration::from_millis(5);

/// A request's turn on a thread that all share.
pub(super) struct Turn(Instant);

impl Turn {
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Lets other tasks run when the turn is over. A deadline is looked at then, too.
    pub(super) async fn share(&mut self) {
        if self.0.elapsed() >= TURN {
            tokio::task::yield_now().await;
            *self = Self::begin();
        }
    }
}

fn wrong_database() -> sqlx::Error {
    sqlx::Error::InvalidArgument("a query was built for the other database".to_owned())
}

/// Puts a separator between things, and nothing before the first.
pub(super) fn separate(statement: &mut Statement, first: &mut bool, separator: &'static str) {
    if !std::mem::take(first) {
        statement.push(separator);
    }
}

fn list_text(value: &Value) -> String {
    match value {
        Value::Uuid(id) => id.to_string(),
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Time(at) => at.to_string(),
        Value::Json(json) => json.to_string(),
        // As SQLite holds it.
        Value::Texts(texts) => serde_json::to_string(texts).unwrap_or_default(),
        Value::Null => String::new(),
    }
}

/// A list as PostgreSQL reads it.
fn array_literal(value: &Value) -> String {
    match value {
        Value::Texts(texts) => cell::array_literal(texts),
        other => list_text(other),
    }
}
