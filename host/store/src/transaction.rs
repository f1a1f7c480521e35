//! PostgreSQL's transactions.
//!
//! A pool can ask each connection whether it still lives before it gives it out. That is a trip to the server, and so is
//! the statement that begins a transaction. So the pools don't ask: what begins a transaction finds out, and begins it on
//! another connection when the server has ended this one, as after a restart.

use futures::future::BoxFuture;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use crate::{error::OperationError, sql::Conn};

pub(crate) const BEGIN: &str = "BEGIN";

/// Begins a transaction by this text, which may hold several statements.
pub(crate) async fn begin(pool: &PgPool, statement: &str) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    // After a restart all idle connections are lost. Each try takes one out of the pool.
    let mut tries = pool.options().get_max_connections();
    loop {
        match pool.begin_with(AssertSqlSafe(statement.to_owned())).await {
            Err(error) if tries > 0 && is_lost(&error) => tries -= 1,
            begun => return begun,
        }
    }
}

/// Runs an operation as one transaction.
pub(crate) async fn run<T, E, F>(
    pool: &PgPool,
    statement: &str,
    named: bool,
    operation: F,
) -> Result<T, OperationError<E>>
where
    F: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<T, OperationError<E>>>,
{
    let mut transaction = begin(pool, statement).await?;
    let outcome = operation(Conn::Postgres { conn: &mut transaction, named }).await;
    if outcome.is_ok() {
        transaction.commit().await?;
    } else if let Err(error) = transaction.rollback().await {
        // The server rolls back by itself when the connection ends.
        tracing::debug!(%error, "a transaction could not be rolled back");
    }
    outcome
}

/// Whether the server, or a pooler before it, has ended the connection.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // `connection_exception`; `operator_intervention` such as `admin_shutdown`; a transaction that was idle too long.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P") || code == "25P03")
        }
        _ => false,
    }
}
