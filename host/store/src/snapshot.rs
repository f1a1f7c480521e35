//! One organization's rows as a SQLite file of their own, for tools that read SQLite: DuckDB, Metabase, a notebook.
//!
//! The file has the tables and columns that REST shows, and the views for dashboards. It is made by one transaction, which
//! reads the store as of one moment, while a host serves.

use std::path::{Path, PathBuf};

use resly_core::{boxed, error::StoreError, id::OrganizationId};
use resly_rest::registry::{self, Table, Type};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

use crate::{
    Backend, Store,
    backup::{BackupError, PartialFile},
    error::failed,
    rest::hidden,
    types::Id,
};

const DOING: &str = "write a snapshot of an organization";

/// Views for dashboards, as PostgreSQL has them by its migrations. A median that falls between two durations is
/// interpolated, as `percentile_cont` does it: each duration counts by how near its place is. DuckDB reads these texts
/// itself, so they are in what both understand.
const VIEWS: [&str; 3] = [
    "CREATE VIEW daily_conversations AS
     SELECT organization_id, substr(CAST(created_at AS TEXT), 1, 10) AS day, count(*) AS conversations,
         count(DISTINCT visitor_id) AS visitors
     FROM conversations GROUP BY 1, 2",
    "CREATE VIEW daily_answers AS
     SELECT organization_id, substr(CAST(created_at AS TEXT), 1, 10) AS day, status, finish_reason,
         count(*) AS answers, sum(CASE WHEN json_array_length(citations) > 0 THEN 1 ELSE 0 END) AS with_citations,
         sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
         sum(cached_input_tokens) AS cached_input_tokens
     FROM messages WHERE role = 'assistant' GROUP BY 1, 2, 3, 4",
    "CREATE VIEW daily_connector_calls AS
     WITH dated AS (
         SELECT *, substr(CAST(created_at AS TEXT), 1, 10) AS day FROM connector_logs
     ), ranked AS (
         SELECT *,
             row_number() OVER (PARTITION BY organization_id, day, connector, action, environment, status
                 ORDER BY duration_us) - 1 AS place,
             count(*) OVER (PARTITION BY organization_id, day, connector, action, environment, status) - 1 AS highest
         FROM dated
     )
     SELECT organization_id, day, connector, action, environment, status,
         count(*) AS calls, sum(fuel) AS fuel, sum(http_calls) AS http_calls,
         sum(CASE WHEN abs(place - 0.5 * highest) < 1.0
             THEN duration_us * (1.0 - abs(place - 0.5 * highest)) ELSE 0.0 END) AS duration_us_p50,
         sum(CASE WHEN abs(place - 0.95 * highest) < 1.0
             THEN duration_us * (1.0 - abs(place - 0.95 * highest)) ELSE 0.0 END) AS duration_us_p95
     FROM ranked GROUP BY 1, 2, 3, 4, 5, 6",
];

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Rows by table, in the registry's order.
    pub rows: Vec<(&'static str, u64)>,
}

/// Why no snapshot was written. An older file of the name is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("snapshots are SQLite's; on PostgreSQL, `resly db grant` makes a login that reads one organization's rows")]
    NotSqlite,
    #[error("{} exists already; choose another file, or replace it with --force", .0.display())]
    Exists(PathBuf),
    #[error("{} is a file of the store itself; choose another", .0.display())]
    OfStore(PathBuf),
    #[error(transparent)]
    File(#[from] BackupError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Writes the organization's rows to a new file that only its owner can read. The file has its name once it is whole.
    /// With `replace`, an older file of the name is replaced.
    #[boxed]
    pub async fn snapshot_organization(
        &self,
        organization: OrganizationId,
        to: &Path,
        replace: bool,
    ) -> Result<Snapshot, SnapshotError> {
        let Backend::Sqlite { readers, .. } = &self.backend else { return Err(SnapshotError::NotSqlite) };
        if !replace && to.symlink_metadata().is_ok() {
            return Err(SnapshotError::Exists(to.to_owned()));
        }
        let source = readers.connect_options();
        if is_of_store(to, source.get_filename()) {
            return Err(SnapshotError::OfStore(to.to_owned()));
        }
        let partial = PartialFile::create(to)?;
        let written = write(&partial.path, source.get_filename(), organization).await.map_err(failed(DOING))?;
        partial.rename_to(to)?;
        Ok(written)
    }
}

/// Whether the file is the database, its log or its lock: `resly.db`, `resly.db-wal`, `resly.lock`.
fn is_of_store(to: &Path, database: &Path) -> bool {
    let folder = |file: &Path| file.parent().and_then(|folder| Path::new(".").join(folder).canonicalize().ok());
    let stem = |file: &Path| Some(file.file_name()?.to_string_lossy().split('.').next()?.to_owned());
    folder(to).is_some() && folder(to) == folder(database) && stem(to) == stem(database)
}

async fn write(path: &Path, source: &Path, organization: OrganizationId) -> Result<Snapshot, sqlx::Error> {
    // A journal beside the file would stay behind when the process is killed.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(false)
        .journal_mode(SqliteJournalMode::Memory);
    let mut conn = options.disable_statement_logging().connect().await?;
    sqlx::query("ATTACH DATABASE $1 AS host").bind(read_only_uri(source)).execute(&mut conn).await?;
    let mut transaction = conn.begin().await?;
    let mut rows = Vec::new();
    for table in registry::TABLES {
        rows.push((table.name, copy(&mut transaction, table, organization).await?));
    }
    for view in VIEWS {
        transaction.execute(view).await?;
    }
    transaction.commit().await?;
    conn.close().await?;
    Ok(Snapshot { rows })
}

/// Makes a table and copies the organization's rows. Everything in the statements' texts is a name of the registry.
async fn copy(conn: &mut SqliteConnection, table: &Table, organization: OrganizationId) -> Result<u64, sqlx::Error> {
    conn.execute(AssertSqlSafe(definition(table))).await?;
    let columns: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let hidden = hidden(table.name).map(|(column, value)| format!(" AND \"{column}\"{value}")).unwrap_or_default();
    let (name, columns) = (table.name, columns.join(", "));
    let copy = format!(
        "INSERT INTO main.\"{name}\" ({columns}) SELECT {columns} FROM host.\"{name}\" \
         WHERE organization_id = $1{hidden} ORDER BY id"
    );
    let copied = sqlx::query(AssertSqlSafe(copy)).bind(Id(organization.0)).execute(conn).await?;
    Ok(copied.rows_affected())
}

fn definition(table: &Table) -> String {
    let columns = table.columns.iter().map(|column| {
        let key = if column.name == "id" { " PRIMARY KEY" } else { "" };
        let null = if column.nullable { "" } else { " NOT NULL" };
        let reference = table.foreign_keys.iter().find(|key| key.column == column.name);
        let reference = reference.map(|key| format!(" REFERENCES \"{}\" (id)", key.target)).unwrap_or_default();
        format!("\"{}\" {}{null}{key}{reference}", column.name, declared(column.kind))
    });
    format!("CREATE TABLE \"{}\" ({})", table.name, columns.collect::<Vec<_>>().join(", "))
}

/// The declared type, by which BI tools tell what a column is. SQLite itself keeps the values as they are.
const fn declared(kind: Type) -> &'static str {
    match kind {
        Type::Uuid | Type::Text => "TEXT",
        Type::Bigint => "BIGINT",
        Type::Boolean => "BOOLEAN",
        Type::Timestamp => "TIMESTAMP",
        // "JSON" would be a number's affinity: `1` would become an integer.
        Type::Jsonb | Type::Texts => "JSON_TEXT",
    }
}

/// A URI that opens the file read-only (SQLite's documentation, "Uniform Resource Identifiers").
fn read_only_uri(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?mode=ro")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_path_in_the_uri() {
        assert_eq!(read_only_uri(Path::new("/a b/50%?#.db")), "file:/a b/50%25%3f%23.db?mode=ro");
    }

    #[test]
    fn a_table_of_the_file_says_what_its_columns_are() {
        assert_eq!(
            definition(registry::table("tickets").unwrap()),
            "CREATE TABLE \"tickets\" (\"id\" TEXT NOT NULL PRIMARY KEY, \"organization_id\" TEXT NOT NULL, \
             \"conversation_id\" TEXT REFERENCES \"conversations\" (id), \"subject\" TEXT NOT NULL, \
             \"body\" TEXT NOT NULL, \"status\" TEXT NOT NULL, \"priority\" TEXT NOT NULL, \"assignee_id\" TEXT, \
             \"requester\" TEXT, \"due_at\" TIMESTAMP, \"tags\" JSON_TEXT NOT NULL, \"created_at\" TIMESTAMP NOT NULL, \
             \"updated_at\" TIMESTAMP NOT NULL)"
        );
    }
}
