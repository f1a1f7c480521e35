//! Windows of the rate limits, shared by all hosts. A host takes several requests of a window with one statement.

use resly_core::{boxed, error::StoreError, rate::WINDOW_S, time::Timestamp};
use uuid::Uuid;

use crate::{
    RowScope, Store,
    sql::{execute, row},
    types::{Count, Id, Time},
};

/// A host's request for a share of one subject's window.
#[derive(Clone, Copy, Debug)]
pub struct RateClaim {
    /// A hash of the subject.
    pub subject: Uuid,
    /// The most requests in one window, over all hosts.
    pub limit: u64,
    /// Requests that the host let in without a grant.
    pub spent: u64,
    /// Requests that the host wants to let in.
    pub wanted: u64,
    pub now: Timestamp,
}

/// The host's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateGrant {
    /// Requests that only this host may let in, until the window ends. At most as many as it wants.
    pub granted: u64,
    /// Requests that all hosts together have let in or been granted.
    pub used: u64,
    pub started_at: Timestamp,
}

/// Continues the window, or begins a new one when it is over. Spent requests are added whatever the limit is. Then as
/// many of the wanted ones are granted as the limit leaves.
const CLAIM: &str = "INSERT INTO rate_windows (subject, started_at, used, granted)
    VALUES ($1, $2, $3 + CASE WHEN $4 - $3 < 0 THEN 0 WHEN $4 - $3 < $5 THEN $4 - $3 ELSE $5 END,
            CASE WHEN $4 - $3 < 0 THEN 0 WHEN $4 - $3 < $5 THEN $4 - $3 ELSE $5 END)
    ON CONFLICT (subject) DO UPDATE
    SET started_at = CASE WHEN rate_windows.started_at <= $6 THEN excluded.started_at ELSE rate_windows.started_at END,
        used = CASE WHEN rate_windows.started_at <= $6 THEN excluded.used
                    ELSE rate_windows.used + $3
                         + CASE WHEN $4 - rate_windows.used - $3 < 0 THEN 0
                                WHEN $4 - rate_windows.used - $3 < $5 THEN $4 - rate_windows.used - $3
                                ELSE $5 END END,
        granted = CASE WHEN rate_windows.started_at <= $6 THEN excluded.granted
                       WHEN $4 - rate_windows.used - $3 < 0 THEN 0
                       WHEN $4 - rate_windows.used - $3 < $5 THEN $4 - rate_windows.used - $3
                       ELSE $5 END
    RETURNING granted, used, started_at";

impl Store {
    /// Whether other hosts may serve the same keys.
    pub fn is_shared(&self) -> bool {
        self.kind() == "postgres"
    }

    /// Adds the requests that a host let in to a window, and takes a share of the rest.
    #[boxed]
    pub async fn claim_requests(&self, claim: RateClaim) -> Result<RateGrant, StoreError> {
        let RateClaim { subject, limit, spent, wanted, now } = claim;
        self.write_passing(RowScope::Host, "count requests of this minute", move |mut db| {
            Box::pin(async move {
                let granted = row!(
                    db,
                    (Count, Count, Time),
                    CLAIM,
                    Id(subject),
                    Time(now),
                    Count(spent),
                    Count(limit),
                    Count(wanted),
                    Time(Timestamp::from_micros(now.micros().saturating_sub(WINDOW_MICROS)))
                )?;
                let (granted, used, started_at) = granted.unwrap_or((Count(0), Count(limit), Time(now)));
                Ok(RateGrant { granted: granted.0, used: used.0, started_at: started_at.0 })
            })
        })
        .await
    }

    /// Deletes windows that are over. Returns their number.
    #[boxed]
    pub async fn forget_rates(&self, now: Timestamp) -> Result<u64, StoreError> {
        let over = Time(Timestamp::from_micros(now.micros().saturating_sub(WINDOW_MICROS)));
        self.write_passing(RowScope::Host, "forget old request windows", move |mut db| {
            Box::pin(async move { Ok(execute!(db, "DELETE FROM rate_windows WHERE started_at <= $1", over)?) })
        })
        .await
    }
}

const WINDOW_MICROS: i64 = WINDOW_S as i64 * 1_000_000;
