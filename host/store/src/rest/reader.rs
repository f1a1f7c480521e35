//! Connections for REST's reads, apart from those of the rest of the host, and with a deadline.

use std::{future::Future, time::Instant};

use resly_core::error::StoreError;
use resly_rest::limits;
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction, pool::PoolConnection};

use super::{Halt, RestStoreError, timed_out};
use crate::{Backend, Store, error::failed, sql::Conn};

/// How many instructions of SQLite run between two looks at the clock.
const STEPS: i32 = 10_000;

/// The pool of REST's reads.
#[derive(Clone)]
pub(crate) enum RestPool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl RestPool {
    pub async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

pub(super) enum RestReader {
    Sqlite(PoolConnection<Sqlite>),
    SqliteSnapshot(Transaction<'static, Sqlite>),
    Postgres(PoolConnection<Postgres>),
    PostgresSnapshot(Transaction<'static, Postgres>, bool),
}

/// A snapshot whose statements are ended by the server. The time is [`limits::TIME`].
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '8s'";

impl RestReader {
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::SqliteSnapshot(transaction) => Conn::Sqlite(transaction),
            Self::Postgres(conn) => Conn::Postgres { conn, named: true },
            Self::PostgresSnapshot(transaction, named) => Conn::Postgres { conn: transaction, named: *named },
        }
    }
}

impl Store {
    /// A connection for one read; `snapshot` when it takes several statements.
    pub(super) async fn rest_reader(&self, doing: &'static str, snapshot: bool) -> Result<RestReader, StoreError> {
        let reader = match (&self.rest, &self.backend) {
            (RestPool::Sqlite(pool), _) => {
                let mut reader = if snapshot {
                    RestReader::SqliteSnapshot(pool.begin().await.map_err(failed(doing))?)
                } else {
                    RestReader::Sqlite(pool.acquire().await.map_err(failed(doing))?)
                };
                if let Conn::Sqlite(conn) = reader.conn() {
                    let deadline = Instant::now() + limits::TIME;
                    let mut handle = conn.lock_handle().await.map_err(failed(doing))?;
                    // The next read on this connection sets its own.
                    handle.set_progress_handler(STEPS, move || Instant::now() < deadline);
                }
                return Ok(reader);
            }
            // Its connections have the deadline and read only: see `open`.
            (RestPool::Postgres(pool), Backend::Postgres { own_server: true, .. }) if !snapshot => {
                pool.acquire().await.map(RestReader::Postgres)
            }
            (RestPool::Postgres(pool), backend) => {
                let named = matches!(backend, Backend::Postgres { own_server: true, .. });
                pool.begin_with(SNAPSHOT).await.map(|transaction| RestReader::PostgresSnapshot(transaction, named))
            }
        };
        reader.map_err(failed(doing))
    }
}

/// Runs the statements of a read, all together within the time.
pub(super) async fn within_time<T>(
    doing: &'static str,
    work: impl Future<Output = Result<T, Halt>>,
) -> Result<T, RestStoreError> {
    match tokio::time::timeout(limits::TIME, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Halt::Refused(error))) => Err(RestStoreError::Refused(error)),
        Ok(Err(Halt::Database(error))) => Err(RestStoreError::Store(failed(doing)(error))),
        Err(_) => Err(RestStoreError::Refused(timed_out())),
    }
}
