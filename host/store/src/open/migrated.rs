//! Brings PostgreSQL's tables up to date, one host after the other, and tells who keeps a host waiting.

use std::{pin::pin, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection,
    migrate::{Migrate, MigrateError},
};
use tokio::time::{Instant, interval_at};

use super::{OpenError, connect_postgres, extensions, postgres_migrations};

/// The table of the applied migrations, as sqlx names it.
const TABLE: &str = "_sqlx_migrations";
/// A migration takes what it takes, and a host waits for another one's, whatever bounds the role has. The first setting hides
/// notices such as "relation already exists, skipping".
const UNBOUNDED: &str = "SET client_min_messages = warning; SET lock_timeout = 0; SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = 0";
/// What is in the way of a session. Other logins' texts are left out, because whoever logs in chooses them.
const BLOCKERS: &str = "SELECT pid, COALESCE(usename::text, '') FROM pg_stat_activity
    WHERE pid = ANY (pg_blocking_pids($1)) ORDER BY pid";
/// How long a host waits before it tells for what, and then how long until it tells that again.
const FIRST_WARNING: Duration = Duration::from_secs(1);
const WARNING: Duration = Duration::from_secs(5);

/// A connection to tables that are up to date. No other host changes them, as long as this is there.
pub(crate) struct Migrated {
    pub conn: PgConnection,
    /// Has the lock: a transaction of its own, because each migration is one as well.
    lock: PgConnection,
}

impl Migrated {
    pub(crate) async fn run(url: &str) -> Result<Self, OpenError> {
        let (mut conn, pid) = connect(url).await?;
        let (mut lock, locks_pid) = connect(url).await?;
        ensure_table(&mut conn).await?;
        // Any login may take an advisory lock, and hold it. This one takes a right to write the table. It excludes itself,
        // and neither readers nor the rows that migrations write.
        let take = AssertSqlSafe(format!("BEGIN; LOCK TABLE {TABLE} IN SHARE UPDATE EXCLUSIVE MODE"));
        watched(lock.execute(take), locks_pid, &mut conn).await.map_err(OpenError::Connect)?;
        let mut migrations = postgres_migrations();
        migrations.set_locking(false);
        watched(migrations.run(&mut conn), pid, &mut lock).await?;
        watched(extensions::prepare(&mut conn), pid, &mut lock).await.map_err(OpenError::Connect)?;
        Ok(Self { conn, lock })
    }

    /// Lets the next host at the tables.
    pub(crate) async fn unlock(self) -> Result<PgConnection, OpenError> {
        self.lock.close().await.map_err(OpenError::Connect)?;
        Ok(self.conn)
    }
}

/// A connection, and the number of its session.
async fn connect(url: &str) -> Result<(PgConnection, i32), OpenError> {
    let mut conn = connect_postgres(url).await?;
    conn.execute(UNBOUNDED).await.map_err(OpenError::Connect)?;
    let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut conn).await.map_err(OpenError::Connect)?;
    Ok((conn, pid))
}

/// Makes the table of the applied migrations. When another host makes it at the same time, the server refuses this one's.
async fn ensure_table(conn: &mut PgConnection) -> Result<(), MigrateError> {
    match conn.ensure_migrations_table(TABLE).await {
        // `unique_violation` of a system table, or `duplicate_table`.
        Err(MigrateError::Execute(sqlx::Error::Database(error)))
            if matches!(error.code().as_deref(), Some("23505" | "42P07")) =>
        {
            Ok(())
        }
        made => made,
    }
}

/// Awaits what the session `pid` does. While other sessions keep it waiting, the log names them.
async fn watched<T>(work: impl Future<Output = T>, pid: i32, observer: &mut PgConnection) -> T {
    let mut work = pin!(work);
    let mut warnings = interval_at(Instant::now() + FIRST_WARNING, WARNING);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = warnings.tick() => warn_of_blockers(pid, observer).await,
        }
    }
}

async fn warn_of_blockers(pid: i32, observer: &mut PgConnection) {
    let blockers = sqlx::query_as::<_, (i32, String)>(BLOCKERS).bind(pid).fetch_all(observer).await;
    for (blocker, login) in blockers.unwrap_or_default() {
        tracing::warn!(
            "the host can't bring the tables up to date before session {blocker} of the login `{login}` releases a lock. \
             If that is no other host that starts, end it: `SELECT pg_terminate_backend({blocker})`"
        );
    }
}
