//! Runs one SQL text on either database: a connection to one of them, and macros that bind values and run the text.

use sqlx::{PgConnection, SqliteConnection};

/// A connection, borrowed for one operation.
pub(crate) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres {
        conn: &'c mut PgConnection,
        /// Whether statements may be prepared by name. They may not behind a pooler, which gives each transaction another
        /// server.
        named: bool,
    },
}

impl Conn<'_> {
    /// The same connection, for a shorter time.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::Postgres { conn, named } => Conn::Postgres { conn, named: *named },
        }
    }

    /// Chooses between two texts where the databases differ.
    pub fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres { .. } => postgres,
        }
    }
}

/// Runs a statement. Returns the number of rows that it changed.
macro_rules! execute {
    ($db:expr, $sql:expr $(, $value:expr)* $(,)?) => {{
        let sql: &'static str = $sql;
        match $db.conn() {
            $crate::sql::Conn::Sqlite(conn) => {
                sqlx::query(sql)$(.bind($value))*.execute(conn).await.map(|done| done.rows_affected())
            }
            $crate::sql::Conn::Postgres { conn, named } => {
                sqlx::query(sql)$(.bind($value))*.persistent(named).execute(conn).await
                    .map(|done| done.rows_affected())
            }
        }
    }};
}

/// Runs a query for at most one row.
macro_rules! row {
    ($db:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {{
        let sql: &'static str = $sql;
        match $db.conn() {
            $crate::sql::Conn::Sqlite(conn) => {
                sqlx::query_as::<_, $row>(sql)$(.bind($value))*.fetch_optional(conn).await
            }
            $crate::sql::Conn::Postgres { conn, named } => {
                sqlx::query_as::<_, $row>(sql)$(.bind($value))*.persistent(named).fetch_optional(conn).await
            }
        }
    }};
}

/// Runs a query for all its rows.
macro_rules! rows {
    ($db:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {{
        let sql: &'static str = $sql;
        match $db.conn() {
            $crate::sql::Conn::Sqlite(conn) => {
                sqlx::query_as::<_, $row>(sql)$(.bind($value))*.fetch_all(conn).await
            }
            $crate::sql::Conn::Postgres { conn, named } => {
                sqlx::query_as::<_, $row>(sql)$(.bind($value))*.persistent(named).fetch_all(conn).await
            }
        }
    }};
}

/// Runs several statements that share one list of values. The last one may return a row.
///
/// SQLite gets them in one trip to its thread, PostgreSQL one after the other. Each statement names the values that it
/// uses. A value that it doesn't use still needs its type, because PostgreSQL demands one.
macro_rules! together {
    ($db:expr, $row:ty, [$first:expr $(, $then:expr)* $(,)?], $values:tt) => {
        match $db.conn() {
            $crate::sql::Conn::Sqlite(conn) => {
                $crate::sql::bound!(
                    sqlx::query_as::<_, $row>(concat!($first $(, ";", $then)*)), $values
                ).fetch_optional(conn).await
            }
            $crate::sql::Conn::Postgres { conn, named } => async {
                let found = $crate::sql::bound!(sqlx::query_as::<_, $row>($first), $values)
                    .persistent(named).fetch_optional(&mut *conn).await?;
                $(
                    let _ = found;
                    let found = $crate::sql::bound!(sqlx::query_as::<_, $row>($then), $values)
                        .persistent(named).fetch_optional(&mut *conn).await?;
                )*
                Ok::<_, sqlx::Error>(found)
            }.await,
        }
    };
}

/// The same, for all rows that the last statement returns. No other one may return any.
macro_rules! together_rows {
    ($db:expr, $row:ty, [$first:expr $(, $then:expr)* $(,)?], $values:tt) => {
        match $db.conn() {
            $crate::sql::Conn::Sqlite(conn) => {
                $crate::sql::bound!(
                    sqlx::query_as::<_, $row>(concat!($first $(, ";", $then)*)), $values
                ).fetch_all(conn).await
            }
            $crate::sql::Conn::Postgres { conn, named } => async {
                let found = $crate::sql::bound!(sqlx::query_as::<_, $row>($first), $values)
                    .persistent(named).fetch_all(&mut *conn).await?;
                $(
                    let _ = found;
                    let found = $crate::sql::bound!(sqlx::query_as::<_, $row>($then), $values)
                        .persistent(named).fetch_all(&mut *conn).await?;
                )*
                Ok::<_, sqlx::Error>(found)
            }.await,
        }
    };
}

/// A query with its values.
macro_rules! bound {
    ($query:expr, ($($value:expr),* $(,)?)) => { $query$(.bind($value))* };
}

pub(crate) use {bound, execute, row, rows, together, together_rows};
