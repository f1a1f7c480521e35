//! Where a copy reads or writes: a data folder or a URL of PostgreSQL.

use std::path::{Path, PathBuf};

use sqlx::PgConnection;

use super::{CopyError, side::Side, target::Target};
use crate::open::{self, OpenError};

/// A store by what an operator calls it. No `Debug`: a URL may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub enum CopyPlace {
    /// The data folder of a host with SQLite.
    Folder(PathBuf),
    /// `postgres://…`, past any pooler.
    Postgres(String),
}

/// A text that is neither a folder nor a URL of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a data folder or a URL that begins with postgres:// or postgresql:// is expected")]
pub struct BadPlace;

impl CopyPlace {
    pub fn parse(text: &str) -> Result<Self, BadPlace> {
        let text = text.trim();
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        if text.is_empty() || text.contains("://") { Err(BadPlace) } else { Ok(Self::Folder(PathBuf::from(text))) }
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// What tells the source apart from others, for those who go on with a copy.
    pub(super) fn identity(&self) -> Result<String, OpenError> {
        match self {
            Self::Folder(path) => {
                Ok(format!("the folder {}", path.canonicalize().as_deref().unwrap_or(path).display()))
            }
            Self::Postgres(url) => Ok(format!("the database {}", open::identity(url)?)),
        }
    }

    pub(super) async fn open_source(&self) -> Result<Side, CopyError> {
        Ok(match self {
            Self::Folder(path) => Side::Sqlite(open::sqlite_reader(path).await?),
            Self::Postgres(url) => unfiltered(open::connect_postgres(url).await?).await?,
        })
    }

    /// Opens the store with its tables, and makes them where there are none.
    pub(super) async fn open_target(&self) -> Result<Target, CopyError> {
        match self {
            Self::Folder(path) => {
                let (conn, lock) = open::sqlite_tables(Path::new(path)).await?;
                Ok(Target::new(Side::Sqlite(conn), Some(lock)))
            }
            Self::Postgres(url) => {
                let conn = open::Migrated::run(url).await?.unlock().await?;
                Ok(Target::new(unfiltered(conn).await?, None))
            }
        }
    }
}

/// A connection that fails where a policy would hide rows from its login.
async fn unfiltered(conn: PgConnection) -> Result<Side, CopyError> {
    let mut side = Side::Postgres(conn);
    side.run("SET row_security = off", "ask for all rows").await?;
    Ok(side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_database() {
        assert!(CopyPlace::parse("data") == Ok(CopyPlace::Folder("data".into())));
        assert!(matches!(CopyPlace::parse("postgresql://h/d"), Ok(CopyPlace::Postgres(_))));
        for bad in ["", "mysql://h/d"] {
            assert!(CopyPlace::parse(bad) == Err(BadPlace));
        }
        let identity = |url: &str| CopyPlace::Postgres(url.to_owned()).identity().unwrap();
        assert_eq!(identity("postgres://a:secret@h:6000/d?application_name=x"), "the database h:6000/d");
        assert_eq!(identity("postgres://b@h:6000/d"), identity("postgres://a:secret@h:6000/d"));
    }
}
