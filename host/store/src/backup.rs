//! Backs up a SQLite database, also while a host serves: one file that is complete, checked, and a database itself.
//!
//! `VACUUM INTO` reads one snapshot, as any reader does, so it neither waits for the writer nor holds it up. It writes no
//! page that was deleted. The log of the running database grows until the backup has ended.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use resly_core::boxed;
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use crate::{
    error::describe,
    open::{FILE, OpenError, newest_of, sqlite_migrations},
};

/// Backs a PostgreSQL database up into `FILE`.
pub const POSTGRES_BACKUP: &str = r#"pg_dump --format=custom --no-acl --file=FILE "$RESLY_DATABASE_URL""#;
/// Restores such a `FILE` into a database that is empty.
pub const POSTGRES_RESTORE: &str =
    r#"pg_restore --exit-on-error --no-owner --no-acl --no-comments --dbname="$RESLY_DATABASE_URL" FILE"#;

/// How long to wait for a lock, which only a start or an end of a host holds.
const BUSY: Duration = Duration::from_secs(10);

/// Why a database can't be backed up or restored. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("there is a file {} already: choose another name, or replace it with --force", path.display())]
    Exists { path: PathBuf },
    #[error("{} is in the data folder, which is lost with the disk that it is on: choose another place", path.display())]
    InDataFolder { path: PathBuf },
    #[error("the name {} is not UTF-8, which SQLite needs: choose another one", path.display())]
    NotUtf8 { path: PathBuf },
    #[error("{} can't be {doing}: {error}", path.display())]
    File { doing: &'static str, path: PathBuf, error: io::Error },
    #[error("the database in {} can't be copied: {}", data.display(), describe(error))]
    Copy { data: PathBuf, error: sqlx::Error },
    #[error("{} is damaged, so it is not used: {detail}", path.display())]
    Damaged { path: PathBuf, detail: String },
    #[error("{} is no backup of Resly: {why}", path.display())]
    NotBackup { path: PathBuf, why: &'static str },
    #[error(
        "{} is of a newer Resly: its tables have version {found}, and this program knows them up to {newest}. Use the \
         version of `resly` that made it, or a newer one",
        path.display()
    )]
    TooNew { path: PathBuf, found: i64, newest: i64 },
    #[error(
        "{} holds a database already: choose another folder, or put the backup in its place with --force, which keeps \
         the old one as `resly.db.replaced`",
        path.display()
    )]
    HoldsDatabase { path: PathBuf },
}

/// What was backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub file: PathBuf,
    pub bytes: u64,
    /// The number of the newest migration of its tables.
    pub schema: i64,
}

/// Copies the SQLite database of a data folder into `to`, which only its owner can read. The file has its name once it is
/// complete, checked and on the disk. It replaces one of that name only with `replace`.
#[boxed]
pub async fn back_up(data: &Path, to: &Path, replace: bool) -> Result<Backup, BackupError> {
    let database = data.join(FILE);
    if !database.exists() {
        return Err(OpenError::NoDatabase { path: data.to_owned() }.into());
    }
    if is_within(data, to) {
        return Err(BackupError::InDataFolder { path: to.to_owned() });
    }
    if to.exists() && !replace {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    let partial = PartialFile::create(to)?;
    let target = partial.path.to_str().ok_or_else(|| BackupError::NotUtf8 { path: to.to_owned() })?;
    let copied = async {
        let source = SqliteConnectOptions::new().filename(&database).read_only(true).busy_timeout(BUSY);
        let mut conn = source.disable_statement_logging().connect().await?;
        sqlx::query("VACUUM INTO $1").bind(target).execute(&mut conn).await?;
        conn.close().await
    };
    copied.await.map_err(|error| BackupError::Copy { data: data.to_owned(), error })?;
    let schema = check_file(&partial.path, to).await?;
    let bytes = partial.rename_to(to)?;
    Ok(Backup { file: to.to_owned(), bytes, schema })
}

/// Whether a file that may not exist yet would be in a folder.
fn is_within(folder: &Path, file: &Path) -> bool {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.canonicalize(), parent.canonicalize()) {
        (Ok(folder), Ok(parent)) => parent.starts_with(folder),
        _ => false,
    }
}

/// Checks a database file that nobody uses. Returns the number of the newest migration of its tables. Errors call the
/// file `name`.
pub(crate) async fn check_file(file: &Path, name: &Path) -> Result<i64, BackupError> {
    let damaged = |detail: String| BackupError::Damaged { path: name.to_owned(), detail };
    let failed = |error: sqlx::Error| damaged(describe(&error));
    // Immutable: SQLite makes no files beside it.
    let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
    let mut conn = options.disable_statement_logging().connect().await.map_err(failed)?;
    let integrity: String =
        sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut conn).await.map_err(failed)?;
    if integrity != "ok" {
        return Err(damaged(integrity));
    }
    let tables = "SELECT COUNT(*) FROM sqlite_master WHERE name IN ('_sqlx_migrations', 'organizations')";
    let tables: i64 = sqlx::query_scalar(tables).fetch_one(&mut conn).await.map_err(failed)?;
    if tables != 2 {
        return Err(BackupError::NotBackup { path: name.to_owned(), why: "it has none of its tables" });
    }
    let applied = "SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version";
    let applied: Vec<(i64, Vec<u8>, bool)> = sqlx::query_as(applied).fetch_all(&mut conn).await.map_err(failed)?;
    conn.close().await.map_err(failed)?;
    let own = sqlite_migrations();
    let newest = newest_of(&own);
    let found = applied.iter().map(|(version, ..)| *version).max().unwrap_or(0);
    if found > newest {
        return Err(BackupError::TooNew { path: name.to_owned(), found, newest });
    }
    for (version, checksum, success) in &applied {
        let known = own.iter().any(|own| own.version == *version && *own.checksum == **checksum);
        if !known || !success {
            let why = "its tables were made by another build; use the build that made it";
            return Err(BackupError::NotBackup { path: name.to_owned(), why });
        }
    }
    Ok(found)
}

/// A file of the owner's alone that is being written. It is removed again unless it was renamed.
pub(crate) struct PartialFile {
    pub path: PathBuf,
}

impl PartialFile {
    /// An empty file beside the one that it will be.
    pub fn create(target: &Path) -> Result<Self, BackupError> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let path = target.with_file_name(name);
        // One that a process of this id left when it was killed.
        let _ = fs::remove_file(&path);
        match File::options().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => Ok(Self { path }),
            Err(error) => Err(BackupError::File { doing: "made", path, error }),
        }
    }

    /// Syncs the file and gives it its name, which survives a power cut. Returns its length.
    pub fn rename_to(self, target: &Path) -> Result<u64, BackupError> {
        let failed = |error| BackupError::File { doing: "written", path: target.to_owned(), error };
        let file = File::open(&self.path).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        fs::rename(&self.path, target).map_err(failed)?;
        let folder = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(bytes)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // After a rename there is none.
        let _ = fs::remove_file(&self.path);
    }
}
