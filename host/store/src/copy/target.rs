//! The store that a copy fills: its progress, and rows in batches that count together with it.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection, postgres::PgDatabaseError};

use super::{
    CopyError,
    schema::Table,
    side::Side,
    tally::Tally,
    value::{self, Row, Value},
};
use crate::{
    error::describe,
    open::{COPY_PROGRESS, FolderLock},
};

/// Values in one statement of SQLite.
const VALUES: usize = 2000;
/// The row of the progress that names the source.
const SOURCE: &str = "";
/// An advisory lock of PostgreSQL, for as long as the connection lives.
const LOCK: &str = "SELECT pg_try_advisory_lock(7310573028190543)::int::bigint";

pub(super) struct Target {
    pub side: Side,
    /// Of SQLite: keeps hosts away.
    _lock: Option<FolderLock>,
}

/// How far the copy of a table is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub last_key: Option<Vec<Value>>,
    /// What has been read of the source and written.
    pub tally: Tally,
}

impl Target {
    pub fn new(side: Side, lock: Option<FolderLock>) -> Self {
        Self { side, _lock: lock }
    }

    /// Begins a copy from `source` in an empty store, or goes on with one from the same source.
    pub(super) async fn begin(&mut self, source: &str, tables: &[Table]) -> Result<(), CopyError> {
        let doing = "see what is in the target";
        if let Side::Postgres(_) = &self.side {
            let taken = self.side.number(LOCK, "lock the target").await?;
            if taken == 0 {
                return Err(CopyError::Busy);
            }
        }
        let exists = match &self.side {
            Side::Sqlite(_) => format!("SELECT COUNT(*) FROM sqlite_schema WHERE name = '{COPY_PROGRESS}'"),
            Side::Postgres(_) => format!("SELECT COUNT(to_regclass('{COPY_PROGRESS}'))"),
        };
        if self.side.number(&exists, doing).await? > 0 {
            return match self.saved(SOURCE).await? {
                Some((found, _)) if found == source => Ok(()),
                Some((found, _)) => Err(CopyError::OtherSource { found }),
                None => Err(CopyError::OtherSource { found: "nothing that is known".to_owned() }),
            };
        }
        for table in tables {
            // A migration made the plan `standard`. That of the source takes its place.
            let made = if table.name == "plans" { " WHERE id <> 'standard'" } else { "" };
            let filled = format!("SELECT COUNT(*) FROM (SELECT 1 FROM \"{}\"{made} LIMIT 1) AS first", table.name);
            if self.side.number(&filled, doing).await? > 0 {
                return Err(CopyError::NotEmpty { table: table.name.clone() });
            }
        }
        let mut make = format!(
            "CREATE TABLE {COPY_PROGRESS} (table_name TEXT NOT NULL PRIMARY KEY, last_key TEXT NOT NULL, \
             tally TEXT NOT NULL)"
        );
        if let Side::Postgres(_) = &self.side {
            make.push_str(&format!("; ALTER TABLE {COPY_PROGRESS} ENABLE ROW LEVEL SECURITY"));
        }
        self.side.run(&format!("BEGIN; DELETE FROM plans; {make}"), "begin the copy").await?;
        self.save(SOURCE, source, "").await?;
        self.side.run("COMMIT", "begin the copy").await
    }

    pub(super) async fn progress(&mut self, table: &Table) -> Result<Progress, CopyError> {
        let Some((key, tally)) = self.saved(&table.name).await? else { return Ok(Progress::default()) };
        let broken = || CopyError::Progress { table: table.name.clone() };
        let last_key = value::parse_key(table, &key).ok_or_else(broken)?;
        Ok(Progress { last_key: Some(last_key), tally: Tally::parse(&tally).ok_or_else(broken)? })
    }

    /// Writes rows, of which the last one has the greatest key, and how far the table is with them.
    pub(super) async fn write(&mut self, table: &Table, rows: &[Row], tally: Tally) -> Result<(), CopyError> {
        let Some(last) = rows.last() else { return Ok(()) };
        self.side.run("BEGIN", "begin a batch").await?;
        match &mut self.side {
            Side::Sqlite(conn) => insert(conn, table, rows).await?,
            Side::Postgres(conn) => copy_in(conn, table, rows).await?,
        }
        self.save(&table.name, &value::key_text(table, last), &tally.to_text()).await?;
        self.side.run("COMMIT", "store a batch").await
    }

    /// Lets hosts in.
    pub(super) async fn finish(&mut self) -> Result<(), CopyError> {
        self.side.run(&format!("DROP TABLE {COPY_PROGRESS}"), "end the copy").await
    }

    pub(super) async fn close(self) -> Result<(), CopyError> {
        match self.side {
            Side::Sqlite(conn) => conn.close().await,
            Side::Postgres(conn) => conn.close().await,
        }
        .map_err(|error| CopyError::database("close the target", &error))
    }

    async fn saved(&mut self, table: &str) -> Result<Option<(String, String)>, CopyError> {
        let sql = format!("SELECT last_key, tally FROM {COPY_PROGRESS} WHERE table_name = $1");
        let sql = AssertSqlSafe(sql);
        match &mut self.side {
            Side::Sqlite(conn) => sqlx::query_as(sql).bind(table).fetch_optional(conn).await,
            Side::Postgres(conn) => sqlx::query_as(sql).bind(table).fetch_optional(conn).await,
        }
        .map_err(|error| CopyError::database("read how far the copy is", &error))
    }

    async fn save(&mut self, table: &str, key: &str, tally: &str) -> Result<(), CopyError> {
        let sql = AssertSqlSafe(format!(
            "INSERT INTO {COPY_PROGRESS} (table_name, last_key, tally) VALUES ($1, $2, $3) \
             ON CONFLICT (table_name) DO UPDATE SET last_key = excluded.last_key, tally = excluded.tally"
        ));
        match &mut self.side {
            Side::Sqlite(conn) => sqlx::query(sql).bind(table).bind(key).bind(tally).execute(conn).await.map(drop),
            Side::Postgres(conn) => sqlx::query(sql).bind(table).bind(key).bind(tally).execute(conn).await.map(drop),
        }
        .map_err(|error| CopyError::database("store how far the copy is", &error))
    }
}

async fn insert(conn: &mut SqliteConnection, table: &Table, rows: &[Row]) -> Result<(), CopyError> {
    let width = table.columns.len();
    for rows in rows.chunks((VALUES / width.max(1)).max(1)) {
        let places: Vec<_> = rows.iter().map(|_| format!("({})", vec!["?"; width].join(", "))).collect();
        let sql = format!("INSERT INTO \"{}\" ({}) VALUES {}", table.name, table.column_list(), places.join(", "));
        let query = rows.iter().flatten().fold(sqlx::query(AssertSqlSafe(sql)), value::bind_sqlite);
        query.execute(&mut *conn).await.map_err(|error| {
            let first = rows.first().map(|row| value::key_text(table, row)).unwrap_or_default();
            CopyError::Write {
                table: table.name.clone(),
                key: format!("{first} or one of the {} after it", rows.len() - 1),
                detail: describe(&error),
            }
        })?;
    }
    Ok(())
}

async fn copy_in(conn: &mut PgConnection, table: &Table, rows: &[Row]) -> Result<(), CopyError> {
    let mut lines = String::new();
    rows.iter().for_each(|row| value::push_line(&mut lines, row));
    let sql = format!("COPY \"{}\" ({}) FROM STDIN", table.name, table.column_list());
    let copied = async {
        let mut copy = conn.copy_in_raw(&sql).await?;
        copy.send(lines.into_bytes()).await?;
        copy.finish().await
    };
    copied.await.map(drop).map_err(|error| refused(table, rows, &error))
}

/// PostgreSQL's refusal, with the row that it is about where PostgreSQL tells it.
fn refused(table: &Table, rows: &[Row], error: &sqlx::Error) -> CopyError {
    let postgres = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    let line = postgres.and_then(|error| error.r#where()).and_then(line_number);
    let row = line.and_then(|line| rows.get(line.checked_sub(1)?));
    let detail = postgres.and_then(|error| error.detail()).map(|detail| format!(" ({detail})")).unwrap_or_default();
    CopyError::Write {
        table: table.name.clone(),
        key: row.map_or_else(|| format!("one of {}", rows.len()), |row| value::key_text(table, row)),
        detail: format!("{}{detail}", describe(error)),
    }
}

/// The number in a context such as `COPY usage, line 3, column meter: "…"`, which may have lines before it.
fn line_number(context: &str) -> Option<usize> {
    let copy = context.lines().find(|line| line.starts_with("COPY "))?;
    let rest = copy.split_once(", line ")?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgresql_s_context_names_the_line() {
        assert_eq!(line_number("COPY usage, line 12, column meter: \"x, line 7\""), Some(12));
        assert_eq!(line_number("JSON data, line 1: x\nCOPY usage, line 3"), Some(3));
        assert_eq!(line_number("SQL statement"), None);
    }
}
