//! Why an operation failed. The caller gets a typed refusal, the operator's log gets a text.

use resly_core::error::StoreError;

/// Why an operation ended without a result. Nothing that it did is kept.
#[derive(Debug)]
pub(crate) enum OperationError<E> {
    /// A rule refuses it, such as a limit or an unknown id.
    Refused(E),
    Database(sqlx::Error),
    /// The operation itself succeeded, but the commit that it shares with others failed.
    CommitFailure(CommitFailure),
}

/// Why a shared commit failed or wasn't made.
#[derive(Clone, Debug)]
pub(crate) struct CommitFailure {
    pub detail: String,
    /// Whether the disk is full.
    pub full: bool,
}

impl From<&str> for CommitFailure {
    fn from(detail: &str) -> Self {
        Self { detail: detail.to_owned(), full: false }
    }
}

impl From<&sqlx::Error> for CommitFailure {
    fn from(error: &sqlx::Error) -> Self {
        Self { detail: describe(error), full: is_full(error) }
    }
}

impl<E> From<sqlx::Error> for OperationError<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl<E> OperationError<E> {
    /// The same error with another refusal.
    pub fn refused_as<F>(self, refusal: impl FnOnce(E) -> F) -> OperationError<F> {
        match self {
            Self::Refused(refused) => OperationError::Refused(refusal(refused)),
            Self::Database(error) => OperationError::Database(error),
            Self::CommitFailure(lost) => OperationError::CommitFailure(lost),
        }
    }

    /// As the port's error.
    pub fn into_port_error(self, doing: &'static str) -> E
    where
        E: From<StoreError>,
    {
        match self {
            Self::Refused(refused) => refused,
            Self::Database(error) => E::from(store_error(doing, &error)),
            Self::CommitFailure(CommitFailure { detail, full: true }) => E::from(StoreError::Full { doing, detail }),
            Self::CommitFailure(CommitFailure { detail, .. }) => E::from(StoreError::Unavailable { doing, detail }),
        }
    }
}

/// For `map_err`. `doing` becomes a part of the error.
pub(crate) fn failed(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| store_error(doing, &error)
}

/// A row that is not what the code expects.
pub(crate) fn unexpected(what: impl Into<String>) -> sqlx::Error {
    sqlx::Error::Decode(what.into().into())
}

/// Whether PostgreSQL refused a row because a policy gives it to another organization.
pub(crate) fn violates_policy(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some("42501")
}

/// The database's message, without the place in the database's source that sqlx adds.
pub(crate) fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    }
}

fn store_error(doing: &'static str, error: &sqlx::Error) -> StoreError {
    let detail = describe(error);
    if is_full(error) {
        return StoreError::Full { doing, detail };
    }
    if is_passing(error) { StoreError::Unavailable { doing, detail } } else { StoreError::Broken { doing, detail } }
}

/// Whether the disk is full: SQLite's FULL, PostgreSQL's `disk_full`, or the operating system's error.
fn is_full(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::StorageFull,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| match code.parse::<u32>() {
            Ok(sqlite) if code.len() != 5 => sqlite & 0xff == 13,
            _ => code == "53100",
        }),
        _ => false,
    }
}

/// Whether a repeat may succeed.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        // What answers isn't the database, such as a proxy before one that restarts.
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // SQLite's result codes: BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN; the low byte is the kind.
            // PostgreSQL's SQLSTATE classes: connection, rollback, resources, operator intervention, system error.
            match code.parse::<u32>() {
                Ok(sqlite) if code.len() != 5 => matches!(sqlite & 0xff, 5 | 6 | 7 | 9 | 10 | 13 | 14),
                _ => ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "55P03",
            }
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_before_the_database_does_passes_and_a_broken_row_does_not() {
        let refused = sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".to_owned());
        assert!(matches!(store_error("read", &refused), StoreError::Unavailable { .. }));
        assert!(matches!(store_error("read", &unexpected("a turn without its answer")), StoreError::Broken { .. }));
    }
}
