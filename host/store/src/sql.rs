//! Runs one SQL text on either database: a connection to one of them, and macros that bind values and run the text.
//!
//! Values are encoded before the wait and rows are decoded after it. The wait in between is the same code for every
//! statement, so it is compiled once for each database.

use futures::future::BoxFuture;
use sqlx::{
    Arguments, Encode, FromRow, PgConnection, Postgres, Sqlite, SqliteConnection, Type,
    error::BoxDynError,
    postgres::{PgArguments, PgRow},
    query_with,
    sqlite::{SqliteArguments, SqliteRow},
};

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

impl<'c> Conn<'c> {
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

    /// A statement that has no values yet.
    pub fn statement(self) -> Statement<'c> {
        let target = match self {
            Self::Sqlite(conn) => Target::Sqlite(conn, SqliteArguments::default()),
            Self::Postgres { conn, named } => Target::Postgres { conn, named, arguments: PgArguments::default() },
        };
        Statement { target, failure: None }
    }
}

/// A connection with the values of what it will run.
pub(crate) struct Statement<'c> {
    target: Target<'c>,
    /// Why a value can't be encoded.
    failure: Option<BoxDynError>,
}

enum Target<'c> {
    Sqlite(&'c mut SqliteConnection, SqliteArguments),
    Postgres { conn: &'c mut PgConnection, named: bool, arguments: PgArguments },
}

/// What is run: a statement, or several that share one list of values. Only the last one may return rows.
#[derive(Clone, Copy)]
pub(crate) struct Script {
    /// All in one text. SQLite runs it in one trip to its thread.
    pub joined: &'static str,
    /// One text for each. PostgreSQL takes one at a time.
    pub each: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Most {
    One,
    All,
}

impl<'c> Statement<'c> {
    /// Adds the next value.
    pub fn bind<'v, T>(&mut self, value: T)
    where
        T: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres>,
    {
        let added = match &mut self.target {
            Target::Sqlite(_, arguments) => Arguments::add(arguments, value),
            Target::Postgres { arguments, .. } => Arguments::add(arguments, value),
        };
        if let Err(failure) = added {
            self.failure.get_or_insert(failure);
        }
    }

    /// Runs one statement. Returns the number of rows that it changed.
    pub fn execute(self, sql: &'static str) -> BoxFuture<'c, Result<u64, sqlx::Error>> {
        Box::pin(async move {
            match self.encoded()? {
                Target::Sqlite(conn, arguments) => {
                    query_with(sql, arguments).execute(conn).await.map(|done| done.rows_affected())
                }
                Target::Postgres { conn, named, arguments } => {
                    query_with(sql, arguments).persistent(named).execute(conn).await.map(|done| done.rows_affected())
                }
            }
        })
    }

    /// Runs a script for at most one row.
    pub async fn fetch_optional<R: Row>(self, script: Script) -> Result<Option<R>, sqlx::Error> {
        self.fetch(script, Most::One).await?.first()
    }

    /// Runs a script for all its rows.
    pub async fn fetch_all<R: Row>(self, script: Script) -> Result<Vec<R>, sqlx::Error> {
        self.fetch(script, Most::All).await?.all()
    }

    fn fetch(self, script: Script, most: Most) -> BoxFuture<'c, Result<Rows, sqlx::Error>> {
        Box::pin(async move {
            match self.encoded()? {
                Target::Sqlite(conn, arguments) => {
                    let query = query_with(script.joined, arguments);
                    Ok(Rows::Sqlite(match most {
                        Most::One => Vec::from_iter(query.fetch_optional(conn).await?),
                        Most::All => query.fetch_all(conn).await?,
                    }))
                }
                Target::Postgres { conn, named, arguments } => {
                    let (last, before) = script.each.split_last().unwrap_or((&script.joined, &[]));
                    for sql in before {
                        query_with(*sql, arguments.clone()).persistent(named).execute(&mut *conn).await?;
                    }
                    let query = query_with(*last, arguments).persistent(named);
                    Ok(Rows::Postgres(match most {
                        Most::One => Vec::from_iter(query.fetch_optional(conn).await?),
                        Most::All => query.fetch_all(conn).await?,
                    }))
                }
            }
        })
    }

    fn encoded(self) -> Result<Target<'c>, sqlx::Error> {
        match self.failure {
            None => Ok(self.target),
            Some(failure) => Err(sqlx::Error::Encode(failure)),
        }
    }
}

/// What can be decoded from a row of either database.
pub(crate) trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> {}

impl<R> Row for R where R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> {}

/// Rows as a database gave them.
pub(crate) enum Rows {
    Sqlite(Vec<SqliteRow>),
    Postgres(Vec<PgRow>),
}

impl Rows {
    pub fn all<R: Row>(&self) -> Result<Vec<R>, sqlx::Error> {
        match self {
            Self::Sqlite(rows) => rows.iter().map(R::from_row).collect(),
            Self::Postgres(rows) => rows.iter().map(R::from_row).collect(),
        }
    }

    fn first<R: Row>(&self) -> Result<Option<R>, sqlx::Error> {
        match self {
            Self::Sqlite(rows) => rows.first().map(R::from_row).transpose(),
            Self::Postgres(rows) => rows.first().map(R::from_row).transpose(),
        }
    }
}

/// A statement with its values.
macro_rules! statement {
    ($db:expr) => {
        $db.conn().statement()
    };
    ($db:expr $(, $value:expr)+) => {{
        let mut statement = $db.conn().statement();
        $(statement.bind($value);)+
        statement
    }};
}

/// Runs a statement. Returns the number of rows that it changed.
macro_rules! execute {
    ($db:expr, $sql:expr $(, $value:expr)* $(,)?) => {{
        let sql: &'static str = $sql;
        $crate::sql::statement!($db $(, $value)*).execute(sql).await
    }};
}

/// Runs a query for at most one row.
macro_rules! row {
    ($db:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {{
        let sql: &'static str = $sql;
        let script = $crate::sql::Script { joined: sql, each: &[] };
        $crate::sql::statement!($db $(, $value)*).fetch_optional::<$row>(script).await
    }};
}

/// Runs a query for all its rows.
macro_rules! rows {
    ($db:expr, $row:ty, $sql:expr $(, $value:expr)* $(,)?) => {{
        let sql: &'static str = $sql;
        let script = $crate::sql::Script { joined: sql, each: &[] };
        $crate::sql::statement!($db $(, $value)*).fetch_all::<$row>(script).await
    }};
}

/// Runs several statements that share one list of values. The last one may return a row.
///
/// Each statement names the values that it uses. A value that it doesn't use still needs its type, because PostgreSQL
/// demands one.
macro_rules! together {
    ($db:expr, $row:ty, $sql:tt, ($($value:expr),* $(,)?)) => {
        $crate::sql::statement!($db $(, $value)*).fetch_optional::<$row>($crate::sql::script!$sql).await
    };
}

macro_rules! script {
    ($first:expr $(, $then:expr)* $(,)?) => {
        $crate::sql::Script { joined: concat!($first $(, ";", $then)*), each: &[$first $(, $then)*] }
    };
}

pub(crate) use {execute, row, rows, script, statement, together};
