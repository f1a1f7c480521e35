//! Passwords that were tried, counted over all hosts.

use resly_core::{boxed, error::StoreError, time::Timestamp};
use uuid::Uuid;

use crate::{
    RowScope, Store,
    error::OperationError,
    sql::{Conn, execute, row},
    types::{Count, Id, Time},
};

/// How often something may be tried in one window.
#[derive(Clone, Copy, Debug)]
pub struct AttemptLimit {
    /// A hash of the e-mail or the address.
    pub subject: Uuid,
    pub most: u64,
}

/// Why a password isn't looked at.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AttemptError {
    /// The window that is full began then.
    #[error("there were too many attempts to sign in")]
    TooMany { since: Timestamp },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Counts an attempt, or begins a new window. Gives no row when the window is full.
const COUNT: &str = "INSERT INTO sign_in_attempts (subject, started_at, attempts) VALUES ($1, $2, 1)
    ON CONFLICT (subject) DO UPDATE
    SET attempts = CASE WHEN sign_in_attempts.started_at <= $3 THEN 1 ELSE sign_in_attempts.attempts + 1 END,
        started_at = CASE WHEN sign_in_attempts.started_at <= $3 THEN excluded.started_at
                          ELSE sign_in_attempts.started_at END
    WHERE sign_in_attempts.started_at <= $3 OR sign_in_attempts.attempts < $4
    RETURNING attempts";

/// Forgets the attempts of one subject and gives one attempt of another back, because the password was right.
pub(super) async fn succeed(db: &mut Conn<'_>, forget: Uuid, give_back: Uuid) -> Result<(), sqlx::Error> {
    execute!(db, "DELETE FROM sign_in_attempts WHERE subject = $1", Id(forget))?;
    let sql = "UPDATE sign_in_attempts SET attempts = attempts - 1 WHERE subject = $1 AND attempts > 0";
    execute!(db, sql, Id(give_back)).map(drop)
}

impl Store {
    /// Counts an attempt for each subject, unless the window of one is full: then for none. Windows that began before
    /// `since` are over.
    #[boxed]
    pub async fn count_sign_in_attempt(
        &self,
        mut limits: [AttemptLimit; 2],
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        // Rows are locked in one order.
        limits.sort_by_key(|limit| limit.subject);
        self.write(RowScope::Host, "count an attempt to sign in", move |mut db| {
            Box::pin(async move {
                for AttemptLimit { subject, most } in limits {
                    let counted = row!(db, (Count,), COUNT, Id(subject), Time(now), Time(since), Count(most))?;
                    if counted.is_none() {
                        let began = "SELECT started_at FROM sign_in_attempts WHERE subject = $1";
                        let began = row!(db, (Time,), began, Id(subject))?.map_or(now, |(Time(at),)| at);
                        return Err(OperationError::Refused(AttemptError::TooMany { since: began }));
                    }
                }
                Ok(())
            })
        })
        .await
    }
}
