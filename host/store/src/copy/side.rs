//! A store of a copy, as a connection: what is the same for the one that is read and the one that is written.

use futures::{StreamExt, stream::BoxStream};
use sqlx::{AssertSqlSafe, Executor, PgConnection, SqliteConnection};

use super::{
    CopyError,
    schema::{Kind, Table},
    tally::Tally,
    value::{self, BadValue, Row, Value},
};
use crate::open::newest_schema;

/// A snapshot that may take its time.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0";

pub(super) enum Side {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Side {
    /// Runs a statement whose text is fixed or made of names of the tables' definitions.
    pub(super) async fn run(&mut self, sql: &str, doing: &'static str) -> Result<(), CopyError> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(conn) => conn.execute(sql).await.map(drop),
            Self::Postgres(conn) => conn.execute(sql).await.map(drop),
        }
        .map_err(|error| CopyError::database(doing, &error))
    }

    /// Asks for a number.
    pub(super) async fn number(&mut self, sql: &str, doing: &'static str) -> Result<i64, CopyError> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(conn) => sqlx::query_scalar(sql).fetch_one(conn).await,
            Self::Postgres(conn) => sqlx::query_scalar(sql).fetch_one(conn).await,
        }
        .map_err(|error| CopyError::database(doing, &error))
    }

    /// Refuses tables of another version than this program's.
    pub(super) async fn check_version(&mut self) -> Result<(), CopyError> {
        let expected = newest_schema(match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        });
        let sql = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";
        let found = self.number(sql, "read the version of the source's tables").await?;
        if found == expected { Ok(()) } else { Err(CopyError::Version) }
    }

    /// From here on, everything is read as of one moment, until [`Self::end_snapshot`].
    pub(super) async fn snapshot(&mut self) -> Result<(), CopyError> {
        let begin = match self {
            Self::Sqlite(_) => "BEGIN",
            Self::Postgres(_) => SNAPSHOT,
        };
        self.run(begin, "begin to read the source").await
    }

    pub(super) async fn end_snapshot(&mut self) -> Result<(), CopyError> {
        self.run("COMMIT", "end to read the source").await
    }

    /// The rows after a key, in the key's order.
    pub fn rows<'c>(&'c mut self, table: &'c Table, after: Option<&[Value]>) -> BoxStream<'c, Result<Row, CopyError>> {
        let after = after.unwrap_or_default();
        let sql = AssertSqlSafe(select(table, matches!(self, Self::Postgres(_)), after.len()));
        let failed = |error: sqlx::Error| CopyError::table(table, "read", &error);
        match self {
            Self::Sqlite(conn) => {
                let query = after.iter().fold(sqlx::query(sql), value::bind_sqlite);
                let read = move |row: Result<_, _>| {
                    let row = row.map_err(failed)?;
                    value::from_sqlite(&row, table).map_err(|bad| bad_value(table, &bad, &key_of(&row, table)))
                };
                query.fetch(conn).map(read).boxed()
            }
            Self::Postgres(conn) => {
                let query = after.iter().fold(sqlx::query(sql), value::bind_postgres);
                let read = move |row: Result<_, _>| {
                    let row = row.map_err(failed)?;
                    value::from_postgres(&row, table).map_err(|bad| bad_value(table, &bad, ""))
                };
                query.fetch(conn).map(read).boxed()
            }
        }
    }

    /// What all rows of a table come to.
    pub(super) async fn tally(&mut self, table: &Table) -> Result<Tally, CopyError> {
        let mut tally = Tally::default();
        let mut rows = self.rows(table, None);
        while let Some(row) = rows.next().await {
            tally.add(table, &row?);
        }
        Ok(tally)
    }
}

/// The key of a row that can't be read as a whole.
fn key_of(row: &sqlx::sqlite::SqliteRow, table: &Table) -> String {
    let part = |at: &usize| sqlx::Row::try_get_unchecked::<String, _>(row, *at).unwrap_or_default();
    table.key.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn bad_value(table: &Table, bad: &BadValue, key: &str) -> CopyError {
    CopyError::Value {
        table: table.name.clone(),
        column: table.columns.get(bad.column).map(|column| column.name.clone()).unwrap_or_default(),
        key: key.to_owned(),
        detail: bad.detail.clone(),
    }
}

/// The statement for the rows after a key of so many parts, none for all.
fn select(table: &Table, postgres: bool, key_parts: usize) -> String {
    let column = |column: &super::schema::Column| match column.kind {
        Kind::Json | Kind::Written if postgres => format!("\"{}\"::text", column.name),
        _ => format!("\"{}\"", column.name),
    };
    let columns: Vec<_> = table.columns.iter().map(column).collect();
    let key = table.key_list();
    let after = if key_parts == 0 {
        String::new()
    } else {
        let values: Vec<_> = (1..=key_parts).map(|n| format!("${n}")).collect();
        format!(" WHERE ({key}) > ({})", values.join(", "))
    };
    format!("SELECT {} FROM \"{}\"{after} ORDER BY {key}", columns.join(", "), table.name)
}
