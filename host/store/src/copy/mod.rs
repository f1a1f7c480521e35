//! Moves an installation from one store to the other: SQLite to PostgreSQL, or back.
//!
//! The source is read as of one moment, beside its host, and table by table in the order of their keys. Batches of rows
//! are written together with how far the copy is, so that a copy which ended early goes on where it was. Both stores then
//! are read once more and compared. Until that has gone well, no host opens the target.

mod place;
mod schema;
mod side;
mod tally;
mod target;
mod value;

use futures::{TryStreamExt, future::LocalBoxFuture};

pub use self::place::{BadPlace, CopyPlace};
use self::{schema::Table, side::Side, tally::Tally, target::Target};
use crate::{error::describe, open::OpenError};

/// What one batch may hold, and how far a copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyLimits {
    pub rows: usize,
    /// Bytes of a batch's values, roughly. A larger row is a batch of its own.
    pub bytes: usize,
    /// After so many batches the copy stops, to be gone on with later. `None` copies all.
    pub batches: Option<u64>,
}

impl Default for CopyLimits {
    fn default() -> Self {
        Self { rows: 1000, bytes: 4 * 1024 * 1024, batches: None }
    }
}

/// How a table came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The source as it is now, what was read of it, and the target are the same.
    Equal,
    /// The target has what was read, and the source has been written since.
    Written,
    /// The target doesn't have what was read.
    Different,
}

/// A table of both stores, compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedTable {
    pub name: String,
    /// Rows that the source has now.
    pub source_rows: u64,
    pub target_rows: u64,
    /// The beginnings of the digests of all rows.
    pub source_digest: String,
    pub target_digest: String,
    pub verdict: Verdict,
}

/// What a copy did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyReport {
    /// In the order in which they were copied.
    pub tables: Vec<ComparedTable>,
    /// Logins that `resly db grant` made in the source, which stay there.
    pub logins_left: u64,
}

impl CopyReport {
    /// The names of tables that came out so.
    pub fn with(&self, verdict: Verdict) -> Vec<&str> {
        self.tables.iter().filter(|table| table.verdict == verdict).map(|table| table.name.as_str()).collect()
    }
}

/// Why a copy ended early. What was copied so far stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(
        "both are on {0}; a copy is from SQLite to PostgreSQL or back (within SQLite, copy the folder; within PostgreSQL, use pg_dump)"
    )]
    SameKind(&'static str),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "the tables of the source are of another version than this program's: start `resly serve` of this version on \
         it once, or use the program that it runs with"
    )]
    Version,
    #[error(
        "the table `{table}` of the target has rows, and a copy needs an empty store: choose another folder or database"
    )]
    NotEmpty { table: String },
    #[error(
        "the target holds a copy that hasn't ended, from {found}: go on with that source, or choose an empty target"
    )]
    OtherSource { found: String },
    #[error("another copy into this target is running")]
    Busy,
    #[error("the progress of the table `{table}` in the target can't be read: begin again with an empty target")]
    Progress { table: String },
    #[error("the column `{column}` of `{table}` has the type {kind}, which a copy doesn't know")]
    Type { table: String, column: String, kind: String },
    #[error("the source's table `{table}` has a value in `{column}` that can't be copied: {detail} (row {key})")]
    Value { table: String, column: String, key: String, detail: String },
    #[error("the target refused a row of `{table}`: {detail} (row {key}); mend it in the source and run this again")]
    Write { table: String, key: String, detail: String },
    #[error("the rows of `{table}` can't be {doing}: {detail}")]
    Table { table: String, doing: &'static str, detail: String },
    #[error("the database refused to {doing}: {detail}")]
    Database { doing: &'static str, detail: String },
    /// [`CopyLimits::batches`] are done.
    #[error("the copy stopped where it was told to; run it again to go on")]
    Stopped,
}

impl CopyError {
    fn database(doing: &'static str, error: &sqlx::Error) -> Self {
        Self::Database { doing, detail: describe(error) }
    }

    fn table(table: &Table, doing: &'static str, error: &sqlx::Error) -> Self {
        Self::Table { table: table.name.clone(), doing, detail: describe(error) }
    }
}

/// Copies every table, or goes on with it, and compares the stores.
pub fn copy_store<'p>(
    from: &'p CopyPlace,
    to: &'p CopyPlace,
    limits: CopyLimits,
) -> LocalBoxFuture<'p, Result<CopyReport, CopyError>> {
    Box::pin(run(from, to, limits))
}

async fn run(from: &CopyPlace, to: &CopyPlace, limits: CopyLimits) -> Result<CopyReport, CopyError> {
    if from.kind() == to.kind() {
        return Err(CopyError::SameKind(from.kind()));
    }
    let mut source = from.open_source().await?;
    source.check_version().await?;
    let mut target = to.open_target().await?;
    let tables = match (&mut source, &mut target.side) {
        (Side::Postgres(postgres), Side::Sqlite(sqlite)) | (Side::Sqlite(sqlite), Side::Postgres(postgres)) => {
            schema::tables(postgres, sqlite).await?
        }
        _ => return Err(CopyError::SameKind(from.kind())),
    };
    target.begin(&from.identity()?, &tables).await?;

    let mut left = limits.batches;
    let mut read = Vec::new();
    source.snapshot().await?;
    for table in &tables {
        read.push(copy_table(&mut source, &mut target, table, limits, &mut left).await?);
    }
    source.end_snapshot().await?;

    // As it is now: what was written meanwhile isn't in the copy, and has to be told.
    source.snapshot().await?;
    let mut compared = Vec::new();
    for (table, read) in tables.iter().zip(read) {
        let (now, copied) = (source.tally(table).await?, target.side.tally(table).await?);
        compared.push(compare(table, read, now, copied));
    }
    let logins_left = match &source {
        Side::Postgres(_) => source.number("SELECT COUNT(*) FROM database_roles", "count the logins").await?,
        Side::Sqlite(_) => 0,
    };
    source.end_snapshot().await?;
    let report = CopyReport { tables: compared, logins_left: u64::try_from(logins_left).unwrap_or(0) };
    if report.with(Verdict::Different).is_empty() {
        target.finish().await?;
    }
    target.close().await?;
    Ok(report)
}

/// Copies the rows of a table that aren't in the target yet. Returns what all its rows come to, as they were read.
async fn copy_table(
    source: &mut Side,
    target: &mut Target,
    table: &Table,
    limits: CopyLimits,
    left: &mut Option<u64>,
) -> Result<Tally, CopyError> {
    let progress = target.progress(table).await?;
    let mut tally = progress.tally;
    let mut batch = Vec::new();
    let mut bytes = 0;
    let mut rows = source.rows(table, progress.last_key.as_deref());
    loop {
        let row = rows.try_next().await?;
        let ended = row.is_none();
        if let Some(row) = row {
            tally.add(table, &row);
            bytes += row.iter().map(value::Value::size).sum::<usize>();
            batch.push(row);
        }
        if !batch.is_empty() && (ended || batch.len() >= limits.rows || bytes >= limits.bytes) {
            if *left == Some(0) {
                return Err(CopyError::Stopped);
            }
            target.write(table, &batch, tally).await?;
            *left = left.map(|left| left.saturating_sub(1));
            batch.clear();
            bytes = 0;
        }
        if ended {
            tracing::info!(table = table.name, rows = tally.rows, "copied");
            return Ok(tally);
        }
    }
}

fn compare(table: &Table, read: Tally, now: Tally, copied: Tally) -> ComparedTable {
    let verdict = if copied != read {
        Verdict::Different
    } else if now.lasts_as(&read, table) {
        Verdict::Equal
    } else {
        Verdict::Written
    };
    ComparedTable {
        name: table.name.clone(),
        source_rows: now.rows,
        target_rows: copied.rows,
        source_digest: now.short(),
        target_digest: copied.short(),
        verdict,
    }
}
