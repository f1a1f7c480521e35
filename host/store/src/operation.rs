//! Operations: a connection to read from, and transactions that write, each for the rows of its scope.

use futures::future::BoxFuture;
use resly_core::error::StoreError;
use sqlx::{Postgres, Sqlite, Transaction, pool::PoolConnection};

use crate::{
    Backend, Store,
    error::{OperationError, failed},
    row_scope::{self, RowScope},
    sql::Conn,
    transaction::{self, BEGIN},
};

/// A connection to read from.
pub(crate) enum Reader {
    Sqlite(PoolConnection<Sqlite>),
    /// A transaction holds the role and the organization for which something is read. Behind a pooler it also makes sure
    /// that a statement is prepared and run on the same server.
    Postgres {
        transaction: Transaction<'static, Postgres>,
        named: bool,
    },
}

impl Reader {
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(conn) => Conn::Sqlite(conn),
            Self::Postgres { transaction, named } => Conn::Postgres { conn: transaction, named: *named },
        }
    }

    pub fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres { .. } => postgres,
        }
    }
}

impl Store {
    /// A connection to read from, which sees the rows of the scope.
    pub(crate) async fn reader(&self, scope: impl Into<RowScope>, doing: &'static str) -> Result<Reader, StoreError> {
        let reader = match &self.backend {
            Backend::Sqlite { readers, .. } => readers.acquire().await.map(Reader::Sqlite),
            Backend::Postgres { pool, own_server, bound, .. } => {
                let begin = row_scope::begin(BEGIN, scope.into(), bound.as_ref());
                let transaction = transaction::begin(pool, &begin).await;
                transaction.map(|transaction| Reader::Postgres { transaction, named: *own_server })
            }
        };
        reader.map_err(failed(doing))
    }

    /// Runs an operation as one transaction, which sees and changes the rows of the scope. All of it is stored durably, or
    /// nothing. A read-only store refuses it.
    pub(crate) async fn write<T, E, F>(
        &self,
        scope: impl Into<RowScope>,
        doing: &'static str,
        operation: F,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<T, OperationError<E>>> + Send + 'static,
    {
        if self.read_only {
            return Err(StoreError::ReadOnly { doing }.into());
        }
        self.write_passing(scope, doing, operation).await
    }

    /// The same on a read-only store, too: see [`Store::read_only`].
    pub(crate) async fn write_passing<T, E, F>(
        &self,
        scope: impl Into<RowScope>,
        doing: &'static str,
        operation: F,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'c> FnOnce(Conn<'c>) -> BoxFuture<'c, Result<T, OperationError<E>>> + Send + 'static,
    {
        let outcome = match &self.backend {
            Backend::Sqlite { writer, .. } => writer.write(operation).await,
            Backend::Postgres { pool, own_server, bound, .. } => {
                let begin = row_scope::begin(BEGIN, scope.into(), bound.as_ref());
                transaction::run(pool, &begin, *own_server, operation).await
            }
        };
        outcome.map_err(|halt| halt.into_port_error(doing))
    }
}
