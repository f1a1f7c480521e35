//! Opens the store: connects, checks versions, migrates the tables, and recovers what a dead process left.

mod extensions;
mod migrated;
mod postgres;

use std::{
    fs::{DirBuilder, File, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use resly_core::{
    boxed,
    conversation::notice::unknown_language,
    error::StoreError,
    time::{Clock, SystemClock},
};
use sqlx::{
    ConnectOptions, SqliteConnection,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub(crate) use self::{
    migrated::Migrated,
    postgres::{connect_postgres, identity},
};
use crate::{
    Backend, Store,
    error::describe,
    rest::RestPool,
    writer::{BUSY, Writer},
};

/// The first version without a bug that could reset a WAL while it was read (3.51.3's release notes).
const SQLITE_AT_LEAST: (u32, u32, u32) = (3, 51, 3);
pub(crate) const FILE: &str = "resly.db";
pub(crate) const LOCK: &str = "resly.lock";
/// How long to wait for another process to release the folder. It may be finishing its last requests.
const LOCK_PATIENCE: Duration = Duration::from_secs(12);
const ACQUIRE: Duration = Duration::from_secs(10);
/// Bytes of the database file that readers map into memory. They read the rest as usual.
const MAPPED: &str = "1073741824";
/// Connections for reads by REST, apart from the others: a report that takes long holds up no chat.
const REST_CONNECTIONS: u32 = 4;
/// Rows that SQLite reads ahead of those that are worked on. One of REST may have texts of several MiB.
const READ_AHEAD: usize = 50;
const REST_READ_AHEAD: usize = 8;
/// The table that a copy of a store keeps in its target until it has ended well.
pub(crate) const COPY_PROGRESS: &str = "resly_copy_progress";
/// Connections past a pooler: one listens for changes, one tells of them.
const DIRECT_CONNECTIONS: u32 = 2;

/// No `Debug`: the URLs may hold a password.
#[derive(Clone)]
pub struct StoreConfig {
    /// `postgres://…`; SQLite in `data_dir` when it is unset.
    pub database_url: Option<String>,
    /// A URL of the same server without a transaction pooler between. When it is set, `database_url` is the pooler's.
    pub direct_url: Option<String>,
    pub data_dir: PathBuf,
    /// Connections to read from; in PostgreSQL the pool's size, which is at least 10.
    pub read_connections: u32,
}

/// Why the store can't be opened, with the next step.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data folder {} can't be used: {error}", path.display())]
    Folder { path: PathBuf, error: std::io::Error },
    #[error("the data folder {} is a file; choose a folder", path.display())]
    NoFolder { path: PathBuf },
    #[error("there is no database in {} yet: `resly init --organization NAME` makes one", path.display())]
    NoDatabase { path: PathBuf },
    #[error(
        "the host that is running on {} has another version of the tables than this program; use the same version of \
         `resly`",
        path.display()
    )]
    OtherVersion { path: PathBuf },
    #[error("another process is using {}; stop it, or choose another data folder", path.display())]
    InUse { path: PathBuf },
    #[error("this build links SQLite {found}; it needs 3.51.3 or later")]
    OldSqlite { found: String },
    #[error("the database URL must start with postgres:// or postgresql://; leave it unset to use SQLite")]
    UnknownUrl,
    #[error("the database URL is not valid: {}", describe(.0))]
    BadUrl(sqlx::Error),
    // The text includes the cause. It is no source, so that printing the chain doesn't repeat it.
    #[error("the database can't be opened: {}", describe(.0))]
    Connect(sqlx::Error),
    #[error("the database can't be reached safely: {detail}; {advice}")]
    Tls { detail: String, advice: &'static str },
    #[error(
        "the database is the target of a copy that hasn't ended: run `resly db copy` again with the same `--from` and \
         `--to`"
    )]
    UnfinishedCopy,
    #[error("the database's tables can't be brought up to date: {}", migration_text(.0))]
    Migrate(MigrateError),
    #[error("what an earlier process left unfinished can't be settled: {0}")]
    Recover(StoreError),
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        Self::Migrate(error)
    }
}

fn migration_text(error: &MigrateError) -> String {
    match error {
        MigrateError::Execute(error) => describe(error),
        MigrateError::ExecuteMigration(error, version) => format!("migration {version}: {}", describe(error)),
        other => other.to_string(),
    }
}

impl Store {
    /// Connects, migrates the tables and, in SQLite, recovers what a dead process left.
    #[boxed(?Send)]
    pub async fn open(config: &StoreConfig) -> Result<Self, OpenError> {
        match &config.database_url {
            None => open_sqlite(config).await,
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                postgres::open(config, url).await
            }
            Some(_) => Err(OpenError::UnknownUrl),
        }
    }
}

impl Store {
    /// Opens an existing store for a command that writes a row. A host may be running on it. In SQLite it then doesn't
    /// lock the folder and recovers nothing.
    #[boxed(?Send)]
    pub async fn open_beside(config: &StoreConfig) -> Result<Self, OpenError> {
        let path = config.data_dir.as_path();
        if config.database_url.is_some() {
            return Self::open(config).await;
        }
        if !path.join(FILE).exists() {
            return Err(OpenError::NoDatabase { path: path.to_owned() });
        }
        match lock_within(path, Duration::ZERO).await {
            Ok(lock) => open_locked(config, lock).await,
            Err(OpenError::InUse { .. }) => {
                let mut conn = sqlite_options(path).connect().await.map_err(OpenError::Connect)?;
                let applied = "SELECT MAX(version) FROM _sqlx_migrations";
                let applied: Option<i64> =
                    sqlx::query_scalar(applied).fetch_one(&mut conn).await.map_err(OpenError::Connect)?;
                if applied != Some(newest_of(&sqlite_migrations())) {
                    return Err(OpenError::OtherVersion { path: path.to_owned() });
                }
                refuse_unfinished_copy(&mut conn).await?;
                start_sqlite(config, conn, ())
            }
            Err(error) => Err(error),
        }
    }
}

async fn open_sqlite(config: &StoreConfig) -> Result<Store, OpenError> {
    let lock = reserve(&config.data_dir, LOCK_PATIENCE).await?;
    open_locked(config, lock).await
}

/// Makes the folder, if there is none, and locks it for this process.
async fn reserve(path: &Path, patience: Duration) -> Result<FolderLock, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| folder_error(path, error))?;
    lock_within(path, patience).await
}

/// Makes the folder and its tables for a command that fills them. Nobody else uses the folder while the lock is held.
pub(crate) async fn sqlite_tables(path: &Path) -> Result<(SqliteConnection, FolderLock), OpenError> {
    let lock = reserve(path, Duration::ZERO).await?;
    Ok((migrated(path).await?, lock))
}

/// A connection that only reads, beside a host or without one.
pub(crate) async fn sqlite_reader(path: &Path) -> Result<SqliteConnection, OpenError> {
    if !path.join(FILE).exists() {
        return Err(OpenError::NoDatabase { path: path.to_owned() });
    }
    sqlite_options(path).read_only(true).create_if_missing(false).connect().await.map_err(OpenError::Connect)
}

fn sqlite_options(folder: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(folder.join(FILE))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("temp_store", "memory")
        // What is deleted is overwritten with zeros, in freed pages, too, so that it isn't left in the file.
        .pragma("secure_delete", "on")
        .statement_cache_capacity(200)
        .disable_statement_logging()
}

/// Makes the database's file, if there is none, so that only its owner can read it. SQLite gives the files beside it the
/// same permissions.
fn make_database_file(path: &Path) -> std::io::Result<()> {
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Opens the folder that `lock` reserves for this process.
async fn open_locked(config: &StoreConfig, lock: FolderLock) -> Result<Store, OpenError> {
    let mut conn = migrated(&config.data_dir).await?;
    refuse_unfinished_copy(&mut conn).await?;
    let store = start_sqlite(config, conn, lock)?;
    let recovered = store.recover_all(SystemClock.now()).await.map_err(OpenError::Recover)?;
    if recovered.turns + recovered.calls > 0 {
        tracing::warn!(
            turns = recovered.turns,
            calls = recovered.calls,
            "settled what the last process left unfinished"
        );
    }
    Ok(store)
}

async fn refuse_unfinished_copy(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    let copying = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = $1)";
    let copying = sqlx::query_scalar(copying).bind(COPY_PROGRESS).fetch_one(conn).await;
    if copying.map_err(OpenError::Connect)? { Err(OpenError::UnfinishedCopy) } else { Ok(()) }
}

/// Connects to the folder's database with the newest tables.
async fn migrated(folder: &Path) -> Result<SqliteConnection, OpenError> {
    make_database_file(&folder.join(FILE)).map_err(|error| folder_error(folder, error))?;
    let mut conn = sqlite_options(folder).connect().await.map_err(OpenError::Connect)?;
    check_version(&mut conn).await?;
    sqlite_migrations().run(&mut conn).await?;
    Ok(conn)
}

/// Starts readers and the writer, which keeps `lock` until it is closed.
fn start_sqlite(config: &StoreConfig, conn: SqliteConnection, lock: impl Send + 'static) -> Result<Store, OpenError> {
    let path = config.data_dir.as_path();
    let folder = |error| folder_error(path, error);
    let pool = |connections: u32, read_ahead: usize| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            // A file can't drop a connection as a server can.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            // Each commit empties a reader's own cache. Mapped pages are in the kernel's cache, which stays.
            .connect_lazy_with(
                sqlite_options(path)
                    .pragma("mmap_size", MAPPED)
                    .read_only(true)
                    .create_if_missing(false)
                    .row_buffer_size(read_ahead),
            )
    };
    let readers = pool(config.read_connections.max(1), READ_AHEAD);
    let writer = Writer::start(conn, lock).map_err(folder)?;
    Ok(Store {
        backend: Backend::Sqlite { readers, writer },
        rest: RestPool::sqlite(pool(REST_CONNECTIONS, REST_READ_AHEAD)),
        parts: Arc::default(),
        log_budget: Arc::default(),
        calls: Arc::default(),
        read_only: false,
        language: unknown_language,
        mails: false,
    })
}

/// A folder that is this process's. The operating system releases it whenever and however the process ends.
pub(crate) struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file isn't enough: a child that was started a moment ago has it open until its program runs.
        let _ = self.0.unlock();
    }
}

/// Locks the folder for this process.
pub(crate) async fn lock_within(folder: &Path, patience: Duration) -> Result<FolderLock, OpenError> {
    let path = folder.join(LOCK);
    let failed = |error| folder_error(folder, error);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    let step = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(FolderLock(file)),
            Err(TryLockError::WouldBlock) if waited < patience => {
                tokio::time::sleep(step).await;
                waited += step;
            }
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: folder.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

/// An error that names the folder instead of the file in it that couldn't be created.
fn folder_error(path: &Path, error: std::io::Error) -> OpenError {
    use std::io::ErrorKind::{AlreadyExists, NotADirectory};
    let is_file = matches!(error.kind(), AlreadyExists | NotADirectory) && !path.is_dir();
    if is_file {
        OpenError::NoFolder { path: path.to_owned() }
    } else {
        OpenError::Folder { path: path.to_owned(), error }
    }
}

async fn check_version(conn: &mut SqliteConnection) -> Result<(), OpenError> {
    let found: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(conn).await.map_err(OpenError::Connect)?;
    let mut numbers = found.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    if (next(), next(), next()) < SQLITE_AT_LEAST {
        return Err(OpenError::OldSqlite { found });
    }
    Ok(())
}

pub(crate) fn sqlite_migrations() -> Migrator {
    sqlx_macros::migrate!("migrations/sqlite")
}

fn postgres_migrations() -> Migrator {
    sqlx_macros::migrate!("migrations/postgres")
}

/// The number of the newest migration.
pub(crate) fn newest_of(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The number of the newest migration that this program knows for a kind of database.
pub(crate) fn newest_schema(kind: &str) -> i64 {
    newest_of(&if kind == "sqlite" { sqlite_migrations() } else { postgres_migrations() })
}
