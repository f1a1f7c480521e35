//! Connections for REST's reads, apart from those of the rest of the host, and with a deadline.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use resly_core::{error::StoreError, id::OrganizationId};
use resly_rest::limits;
use sqlx::{PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction, pool::PoolConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Halt, RestStoreError, timed_out};
use crate::{
    Backend, Store,
    error::failed,
    row_scope,
    sql::Conn,
    transaction::{self, BEGIN},
};

/// How many instructions of SQLite run between two looks at the clock: a few rows'. One may compare a text of 4 MiB.
const STEPS: i32 = 50;

/// Connections that one organization may hold, of those that all share.
const SHARE: usize = 2;
/// Organizations whose shares are remembered before those without a read are forgotten.
const REMEMBERED: usize = 1024;

/// The pool of REST's reads, and each organization's share of it.
#[derive(Clone)]
pub(crate) struct RestPool {
    pool: Pool,
    shares: Arc<Mutex<HashMap<OrganizationId, Arc<Semaphore>>>>,
}

#[derive(Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl RestPool {
    pub fn sqlite(pool: SqlitePool) -> Self {
        Self { pool: Pool::Sqlite(pool), shares: Arc::default() }
    }

    pub fn postgres(pool: PgPool) -> Self {
        Self { pool: Pool::Postgres(pool), shares: Arc::default() }
    }

    pub(crate) async fn close(&self) {
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    fn share(&self, organization: OrganizationId) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() >= REMEMBERED {
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        Arc::clone(shares.entry(organization).or_insert_with(|| Arc::new(Semaphore::new(SHARE))))
    }

    /// A place in the organization's share. Its further reads wait, so that others find a connection.
    async fn enter(
        &self,
        organization: OrganizationId,
        doing: &'static str,
    ) -> Result<OwnedSemaphorePermit, StoreError> {
        let busy = |detail: &str| StoreError::Unavailable { doing, detail: detail.to_owned() };
        match tokio::time::timeout(limits::TIME, self.share(organization).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(busy("the store is closed")),
            Err(_) => Err(busy("the organization's other reads by REST take too long")),
        }
    }
}

/// A connection for one read.
pub(super) struct RestReader {
    connection: Connection,
    place: Place,
}

/// A place in an organization's share. What works on for a read on another thread holds it as well.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    SqliteSnapshot(Transaction<'static, Sqlite>),
    Postgres { transaction: Transaction<'static, Postgres>, named: bool },
}

/// A snapshot whose statements are ended by the server. The time is [`limits::TIME`]. Texts of customers cause notices, such
/// as that a word is too long for a text search, which aren't for the host's log.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '8s'; \
                        SET LOCAL client_min_messages = warning";

impl RestReader {
    pub fn place(&self) -> Place {
        Arc::clone(&self.place)
    }

    pub fn conn(&mut self) -> Conn<'_> {
        match &mut self.connection {
            Connection::Sqlite(conn) => Conn::Sqlite(conn),
            Connection::SqliteSnapshot(transaction) => Conn::Sqlite(transaction),
            Connection::Postgres { transaction, named } => Conn::Postgres { conn: transaction, named: *named },
        }
    }
}

impl Store {
    /// A connection for one read of an organization; `snapshot` when it takes several statements.
    pub(super) async fn rest_reader(
        &self,
        organization: OrganizationId,
        doing: &'static str,
        snapshot: bool,
    ) -> Result<RestReader, StoreError> {
        let place = self.rest.enter(organization, doing).await?;
        let (named, bound) = match &self.backend {
            Backend::Sqlite { .. } => (true, None),
            Backend::Postgres { own_server, bound, .. } => (*own_server, bound.as_ref()),
        };
        let connection = match &self.rest.pool {
            Pool::Sqlite(pool) if snapshot => pool.begin().await.map(Connection::SqliteSnapshot),
            Pool::Sqlite(pool) => pool.acquire().await.map(Connection::Sqlite),
            Pool::Postgres(pool) => {
                // For one statement the connection has the deadline, and only reads: see `open`.
                let begin = if named && !snapshot { BEGIN } else { SNAPSHOT };
                let begin = row_scope::begin(begin, organization.into(), bound);
                let transaction = transaction::begin(pool, &begin).await;
                transaction.map(|transaction| Connection::Postgres { transaction, named })
            }
        };
        let mut reader = RestReader { connection: connection.map_err(failed(doing))?, place: Arc::new(place) };
        if let Conn::Sqlite(conn) = reader.conn() {
            end_at(conn, Instant::now() + limits::TIME).await.map_err(failed(doing))?;
        }
        Ok(reader)
    }
}

/// Ends what runs on a connection of SQLite at the deadline. The next read on it sets its own.
async fn end_at(conn: &mut SqliteConnection, deadline: Instant) -> Result<(), sqlx::Error> {
    conn.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < deadline);
    Ok(())
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use sqlx::Connection as _;

    use super::*;

    const ENDLESS: &str =
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT MAX(n) FROM numbers";

    #[tokio::test]
    async fn what_takes_too_long_on_sqlite_is_ended_with_postgresqls_code() {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        end_at(&mut conn, Instant::now()).await.unwrap();
        let ended = sqlx::query(ENDLESS).fetch_one(&mut conn).await.unwrap_err();
        let Halt::Refused(refused) = Halt::from(ended) else { panic!("it is no refusal") };
        assert_eq!((refused.code.as_ref(), refused.status), ("57014", 500));
        end_at(&mut conn, Instant::now() + limits::TIME).await.unwrap();
        assert!(sqlx::query("SELECT 1").fetch_one(&mut conn).await.is_ok(), "the connection serves the next read");
    }

    #[tokio::test]
    async fn one_organization_takes_a_share_of_the_connections() {
        let pool = RestPool::sqlite(SqlitePool::connect_lazy("sqlite::memory:").unwrap());
        let (one, other) =
            (OrganizationId(sqlx::types::Uuid::from_u128(1)), OrganizationId(sqlx::types::Uuid::from_u128(2)));
        let first = pool.enter(one, "read").await.unwrap();
        let _second = pool.enter(one, "read").await.unwrap();
        assert!(pool.enter(one, "read").now_or_never().is_none(), "the third waits");
        assert!(pool.enter(other, "read").await.is_ok(), "another one finds a place");
        drop(first);
        assert!(pool.enter(one, "read").await.is_ok());
    }
}
