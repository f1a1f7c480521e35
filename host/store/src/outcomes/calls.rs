//! Calls of connectors by day, summed up from the log, so that no page reads the log.

use std::{collections::BTreeMap, time::Duration};

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};
use serde::Serialize;
use uuid::Uuid;

use super::{OutcomeWork, day_of};
use crate::{
    Store,
    error::failed,
    page::Cursor,
    sql::{execute, rows},
    types::{Count, Id, Json, Time},
};

/// A call is logged with the time at which it ended, by a transaction that may take a while. What is newer isn't counted yet.
const SETTLED: Duration = Duration::from_secs(300);
/// Calls of one transaction.
const CALLS: i64 = 1000;
/// The bucket of a connection's own rows.
const NO_BUCKET: i64 = -1;

/// Calls that were summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallSum {
    pub calls: u64,
    pub failed: u64,
    /// Of all of them.
    pub duration_us: u64,
}

/// Calls in a span of days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallSums {
    /// Days that have calls, in order.
    pub days: BTreeMap<String, CallSum>,
    /// Calls by the number of binary digits of their duration in milliseconds.
    pub buckets: BTreeMap<u32, u64>,
    pub connections: Vec<(ConnectionId, CallSum)>,
}

#[derive(sqlx_macros::FromRow)]
struct LoggedRow {
    id: Id,
    created_at: Time,
    connection_id: Id,
    environment: String,
    status: String,
    duration_us: i64,
}

/// A row as JSON.
#[derive(Serialize)]
struct Written {
    day: String,
    connection_id: Uuid,
    bucket: i64,
    calls: i64,
    failed: i64,
    duration_us: i64,
}

macro_rules! add {
    ($from:literal, $id:literal) => {
        concat!(
            "INSERT INTO connector_call_days (organization_id, day, connection_id, bucket, calls, failed, duration_us)
             SELECT $1, value->>'day', CAST(value->>'connection_id' AS ",
            $id,
            "), CAST(value->>'bucket' AS BIGINT), CAST(value->>'calls' AS BIGINT), CAST(value->>'failed' AS BIGINT),
                 CAST(value->>'duration_us' AS BIGINT)
             FROM ",
            $from,
            "
             ON CONFLICT (organization_id, day, connection_id, bucket) DO UPDATE
             SET calls = connector_call_days.calls + excluded.calls,
                 failed = connector_call_days.failed + excluded.failed,
                 duration_us = connector_call_days.duration_us + excluded.duration_us"
        )
    };
}

const ADD: (&str, &str) =
    (add!("json_each($2) WHERE true", "TEXT"), add!("jsonb_array_elements($2) AS f(value)", "UUID"));

fn sums(logged: &[LoggedRow]) -> Vec<Written> {
    let mut sums: BTreeMap<(String, Uuid, i64), [i64; 3]> = BTreeMap::new();
    for row in logged.iter().filter(|row| row.environment == "production") {
        let failed = i64::from(row.status != "ok");
        let millis = u64::try_from(row.duration_us / 1000).unwrap_or(0);
        let bucket = i64::from(u64::BITS - millis.leading_zeros());
        for (connection, bucket) in [(Uuid::nil(), bucket), (row.connection_id.0, NO_BUCKET)] {
            let sum = sums.entry((day_of(row.created_at.0), connection, bucket)).or_default();
            *sum = [sum[0] + 1, sum[1] + failed, sum[2].saturating_add(row.duration_us)];
        }
    }
    type Sum = ((String, Uuid, i64), [i64; 3]);
    let written = |((day, connection_id, bucket), [calls, failed, duration_us]): Sum| Written {
        day,
        connection_id,
        bucket,
        calls,
        failed,
        duration_us,
    };
    sums.into_iter().map(written).collect()
}

impl Store {
    /// Counts the next calls of the log. Returns the work as it is then, and whether there may be more; `None` when another
    /// host has the work by now.
    #[boxed]
    pub async fn count_logged_calls(
        &self,
        work: OutcomeWork,
        now: Timestamp,
    ) -> Result<Option<(OutcomeWork, bool)>, StoreError> {
        let doing = "read the log of calls to count";
        let logged = {
            let mut db = self.reader(work.organization, doing).await?;
            let sql = "SELECT id, created_at, connection_id, environment, status, duration_us FROM connector_logs
                       WHERE organization_id = $1 AND (created_at, id) > ($2, $3) AND created_at <= $4
                       ORDER BY created_at, id LIMIT $5";
            let (at, id) = (Time(work.logged.at), Id(work.logged.id));
            let settled = Time(now.minus(SETTLED));
            rows!(db, LoggedRow, sql, Id(work.organization.0), at, id, settled, CALLS).map_err(failed(doing))?
        };
        let Some(last) = logged.last() else { return Ok(Some((work, false))) };
        let counted = Cursor { at: last.created_at.0, id: last.id.0 };
        let more = logged.len() as u64 == CALLS.unsigned_abs();
        let sums = sums(&logged);
        let (organization, lease) = (work.organization, work.lease);
        let counts = self.write(organization, "count calls of connectors", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let sql = "UPDATE outcome_progress SET logged_at = $3, logged_id = $4
                           WHERE organization_id = $1 AND lease = $2";
                let (own, lease) = (Id(organization.0), Id(lease));
                if execute!(db, sql, own, lease, Time(counted.at), Id(counted.id))? == 0 {
                    return Ok(false);
                }
                execute!(db, db.pick(ADD.0, ADD.1), own, Json(&sums))?;
                Ok(true)
            })
        });
        let counts: Result<bool, StoreError> = counts.await;
        Ok(counts?.then_some((OutcomeWork { logged: counted, ..work }, more)))
    }

    /// Calls of connectors in production from the day `from` to the day `to`.
    #[boxed]
    pub async fn connector_call_sums(
        &self,
        organization: OrganizationId,
        from: &str,
        to: &str,
    ) -> Result<CallSums, StoreError> {
        let doing = "read sums of connector calls";
        let mut db = self.reader(organization, doing).await?;
        let all = "SELECT day, bucket, calls, failed, duration_us FROM connector_call_days
                   WHERE organization_id = $1 AND day >= $2 AND day <= $3 AND connection_id = $4";
        let (own, nil) = (Id(organization.0), Id(Uuid::nil()));
        let found = rows!(db, (String, i64, Count, Count, Count), all, own, from, to, nil).map_err(failed(doing))?;
        let mut sums = CallSums::default();
        for (day, bucket, calls, failures, duration) in found {
            let sum = sums.days.entry(day).or_default();
            sum.calls += calls.0;
            sum.failed += failures.0;
            sum.duration_us += duration.0;
            *sums.buckets.entry(u32::try_from(bucket).unwrap_or(0)).or_default() += calls.0;
        }
        let each = "SELECT connection_id, CAST(SUM(calls) AS BIGINT), CAST(SUM(failed) AS BIGINT),
                        CAST(SUM(duration_us) AS BIGINT)
                    FROM connector_call_days
                    WHERE organization_id = $1 AND day >= $2 AND day <= $3 AND connection_id <> $4
                    GROUP BY connection_id ORDER BY connection_id";
        let found = rows!(db, (Id, Count, Count, Count), each, own, from, to, nil).map_err(failed(doing))?;
        let sum = |(connection, calls, failures, duration): (Id, Count, Count, Count)| {
            (ConnectionId(connection.0), CallSum { calls: calls.0, failed: failures.0, duration_us: duration.0 })
        };
        sums.connections = found.into_iter().map(sum).collect();
        Ok(sums)
    }
}
