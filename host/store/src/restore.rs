//! Puts a backup of a SQLite database in a data folder.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
    time::Duration,
};

use resly_core::boxed;

use crate::{
    backup::{BackupError, PartialFile, check_file},
    open::{FILE, LOCK, lock_within, newest_of, sqlite_migrations},
};

/// The folder of search indexes. They are made again from the database.
const INDEXES: &str = "search";

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The number of the newest migration of its tables.
    pub schema: i64,
    /// The same of this program. When it is higher, the next start of a host brings the tables up to date.
    pub newest_schema: i64,
    /// Where the database is that was in the folder before.
    pub replaced: Option<PathBuf>,
}

/// Puts the backup `from` in a data folder that no host uses. A database that is there is set aside with `replace`; without
/// it, the backup is refused.
#[boxed]
pub async fn restore(from: &Path, data: &Path, replace: bool) -> Result<Restored, BackupError> {
    if is_filled(&beside(from, "-wal")) {
        let why =
            "it is a database in use, a part of which is in the file `-wal` beside it; `resly db backup` makes one";
        return Err(BackupError::NotBackup { path: from.to_owned(), why });
    }
    let source = File::open(from).map_err(failed("read", from))?;
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed("made", data))?;
    let lock = lock_within(data, Duration::ZERO).await?;
    let database = data.join(FILE);
    let holds = is_filled(&database) || is_filled(&beside(&database, "-wal"));
    if holds && !replace {
        return Err(BackupError::HoldsDatabase { path: data.to_owned() });
    }
    let partial = PartialFile::create(&database)?;
    copy(source, &partial.path).map_err(failed("copied", from))?;
    let schema = check_file(&partial.path, from).await?;

    // From here on, the folder changes.
    let replaced = if holds { Some(set_aside(&database)?) } else { None };
    // What is left of another database would be read as a part of this one.
    for name in ["-wal", "-shm", "-journal"] {
        remove_file(&beside(&database, name))?;
    }
    // An index knows only the version of an organization's knowledge, which the backup may reach again with other contents.
    match fs::remove_dir_all(data.join(INDEXES)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("removed", &data.join(INDEXES))(error));
        }
        _ => {}
    }
    partial.rename_to(&database)?;
    give_to_owner(data, &[&database, &data.join(LOCK)])?;
    drop(lock);
    Ok(Restored { schema, newest_schema: newest_of(&sqlite_migrations()), replaced })
}

fn copy(mut source: File, to: &Path) -> io::Result<()> {
    io::copy(&mut source, &mut File::options().write(true).open(to)?).map(drop)
}

/// Renames a database, and its log with it, which holds its last commits.
fn set_aside(database: &Path) -> Result<PathBuf, BackupError> {
    let aside = beside(database, ".replaced");
    for name in ["", "-wal", "-shm"] {
        remove_file(&beside(&aside, name))?;
    }
    for name in ["", "-wal"] {
        let from = beside(database, name);
        if from.exists() {
            fs::rename(&from, beside(&aside, name)).map_err(failed("renamed", &from))?;
        }
    }
    Ok(aside)
}

/// Gives files to the folder's owner, who runs the host, when an administrator restores.
pub fn give_to_owner(folder: &Path, files: &[&Path]) -> Result<(), BackupError> {
    let owner = fs::metadata(folder).map_err(failed("read", folder))?;
    for file in files {
        let own = fs::metadata(file).map_err(failed("read", file))?;
        if own.uid() != owner.uid() {
            chown(file, Some(owner.uid()), Some(owner.gid())).map_err(failed("given to the folder's owner", file))?;
        }
    }
    Ok(())
}

/// The path with more at its end.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn is_filled(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.len() > 0)
}

fn remove_file(file: &Path) -> Result<(), BackupError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removed", file)(error)),
        _ => Ok(()),
    }
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::File { doing, path: path.clone(), error }
}
