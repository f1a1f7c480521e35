//! One SQL text on two databases: a connection of either kind, and macros that bind and run a text on whichever it is.

use sqlx::{PgConnection, SqliteConnection};

/// A connection, borrowed for one operation.
pub(crate) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres {
        conn: &'c mut PgConnection,
        /// Whether statements may be prepared by name: not behind a pooler that gives each transaction another server.
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

    /// Where the two speak differently.
    pub fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres { .. } => postgres,
        }
    }
}

/// Runs a statement; how many rows it touched.
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

pub(crate) use {execute, row, rows};
