//! The bytes that connectors and sources make the host store, counted by day; and the budget of the call log.
//!
//! While a day's budget lasts, the log stores every call whole. Then it samples: it stores one call a minute whole, and
//! the others without their lines and requests. When these have used up another budget, only calls that are counted
//! toward the plan get a row. What was left out is counted. Sampled rows and the list of calls tell the number.
//!
//! A host decides by its memory of the day, which each write updates, so that a flood of calls costs no statements.
//! Several hosts may exceed the budget by what each of them has in flight.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use resly_core::{
    boxed,
    connector::{
        call::CallRecord,
        connection::Environment,
        sandbox::{LogLevel, LogLine},
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    meter::StoredBytes,
    time::{Period, Timestamp},
};

use crate::{
    Store,
    error::{failed, unexpected},
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Time},
};

const DAY: i64 = 24 * 3600 * 1_000_000;
/// How often a call is stored whole once the day's budget is used up.
const SAMPLED_EVERY: Duration = Duration::from_secs(60);
/// Bytes of a row beside its lines, requests and message.
const ROW: u64 = 400;
/// Bytes of a shortened call's note.
const NOTE: u64 = 130;
/// Bytes that a shortened call keeps of its message.
const SHORT_MESSAGE: usize = 200;
/// The most days in memory.
const REMEMBERED: usize = 10_000;

/// The days that this host has written to.
#[derive(Default)]
pub(crate) struct LogBudget(Mutex<HashMap<(OrganizationId, Environment), Day>>);

#[derive(Clone, Copy, Debug)]
struct Day {
    start: Timestamp,
    bytes: u64,
    limit: u64,
    /// Calls that were left out or shortened and aren't in the database's count yet.
    left_out: u64,
    /// Calls that were left out or shortened since the last sampled row.
    untold: u64,
    sampled_at: Option<Timestamp>,
}

/// The part of a call that the log stores.
pub(crate) struct LogDetail {
    pub record: CallRecord,
    /// Whether a row is written. A call that is counted toward the plan always gets one.
    pub written: bool,
    pub bytes: u64,
    left_out: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogDetailLevel {
    Whole,
    /// Whole, with a note of how many calls were left out or shortened since the last sample.
    Sample(u64),
    Short,
    Nothing,
}

impl Day {
    fn choose(&mut self, whole: u64, short: u64, counted: bool, now: Timestamp) -> LogDetailLevel {
        if self.bytes.saturating_add(whole) <= self.limit {
            self.bytes += whole;
            return LogDetailLevel::Whole;
        }
        if self.sampled_at.is_none_or(|at| now.since(at) >= SAMPLED_EVERY) {
            self.bytes = self.bytes.saturating_add(whole);
            self.sampled_at = Some(now);
            return LogDetailLevel::Sample(std::mem::take(&mut self.untold));
        }
        self.left_out += 1;
        self.untold += 1;
        if !counted && self.bytes.saturating_add(short) > self.limit.saturating_mul(2) {
            return LogDetailLevel::Nothing;
        }
        self.bytes = self.bytes.saturating_add(short);
        LogDetailLevel::Short
    }
}

impl LogBudget {
    fn lock(&self) -> MutexGuard<'_, HashMap<(OrganizationId, Environment), Day>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a day into memory, unless it is there.
    fn begin(&self, key: (OrganizationId, Environment), new: Day) {
        let mut days = self.lock();
        if days.len() >= REMEMBERED {
            days.retain(|_, day| day.start == new.start);
        }
        let day = days.entry(key).or_insert(new);
        if day.start != new.start {
            // What the day before left out and didn't write counts for the new day.
            *day = Day { left_out: day.left_out, ..new };
        }
    }

    /// Forgets the organization's days, so that its next call reads the database.
    pub fn forget(&self, organization: OrganizationId) {
        self.lock().retain(|(of, _), _| *of != organization);
    }
}

fn day_of(now: Timestamp) -> Timestamp {
    Timestamp::from_micros(now.micros().div_euclid(DAY) * DAY)
}

fn size(record: &CallRecord) -> u64 {
    // Escapes can make a stored text several times as long.
    let lines = serde_json::to_string(&record.log).map_or(0, |text| text.len());
    let requests: usize = record.requests.iter().map(|request| request.to_string().len()).sum();
    let message = record.message.as_ref().map_or(0, String::len);
    (lines + requests + message) as u64 + ROW
}

fn short_size(record: &CallRecord) -> u64 {
    record.message.as_ref().map_or(0, |message| message.len().min(SHORT_MESSAGE)) as u64 + NOTE + ROW
}

fn shorten(record: &mut CallRecord) {
    record.requests.clear();
    if let Some(message) = &mut record.message
        && message.len() > SHORT_MESSAGE
    {
        message.truncate(message.floor_char_boundary(SHORT_MESSAGE));
        message.push('…');
    }
    record.log = vec![LogLine {
        level: LogLevel::Warn,
        message: "left out: the log has its bytes for today; one call a minute is kept whole".to_owned(),
    }];
}

/// Adds bytes to the day's counts. Returns the size of the day's log.
async fn add(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    environment: Environment,
    bytes: u64,
    log: Option<u64>,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let counted = row!(
        db,
        (Count,),
        "INSERT INTO stored_bytes (organization_id, day, environment, bytes, log_bytes, left_out)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (organization_id, day, environment) DO UPDATE
         SET bytes = stored_bytes.bytes + excluded.bytes, log_bytes = stored_bytes.log_bytes + excluded.log_bytes,
             left_out = stored_bytes.left_out + excluded.left_out
         RETURNING log_bytes",
        Id(organization.0),
        Time(day_of(now)),
        environment.name(),
        Count(bytes),
        Count(if log.is_some() { bytes } else { 0 }),
        Count(log.unwrap_or(0))
    )?;
    counted.map(|(bytes,)| bytes.0).ok_or_else(|| unexpected("a count of bytes gave no row"))
}

/// Counts a source of the organization's own.
pub(crate) async fn add_source(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    bytes: usize,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    add(db, organization, Environment::Production, bytes as u64, None, now).await.map(drop)
}

/// Counts bytes that a connection stores, in the connection's environment.
pub(crate) async fn add_of(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    connection: ConnectionId,
    bytes: usize,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO stored_bytes (organization_id, day, environment, bytes, log_bytes, left_out)
         SELECT organization_id, $3, environment, $4, 0, 0 FROM connections WHERE id = $1 AND organization_id = $2
         ON CONFLICT (organization_id, day, environment) DO UPDATE SET bytes = stored_bytes.bytes + excluded.bytes",
        Id(connection.0),
        Id(organization.0),
        Time(day_of(now)),
        Count(bytes as u64)
    )
    .map(drop)
}

/// Counts a row of the log. Returns the size of the day's log.
pub(crate) async fn add_log(db: &mut Conn<'_>, kept: &LogDetail) -> Result<u64, sqlx::Error> {
    let record = &kept.record;
    add(db, record.organization, record.environment, kept.bytes, Some(kept.left_out), record.created_at).await
}

/// How much of today's log is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogDay {
    pub environment: Environment,
    pub bytes: u64,
    pub limit: u64,
    /// Calls that were left out or shortened.
    pub left_out: u64,
}

impl Store {
    /// Chooses the part of a call that the log stores: all of it while the day's budget lasts.
    pub(crate) async fn log_detail(&self, mut record: CallRecord, counted: bool) -> Result<LogDetail, StoreError> {
        let key = (record.organization, record.environment);
        let start = day_of(record.created_at);
        if self.log_budget.lock().get(&key).is_none_or(|day| day.start != start) {
            let LogDay { bytes, limit, .. } = self.log_day(key.0, key.1, start).await?;
            self.log_budget.begin(key, Day { start, bytes, limit, left_out: 0, untold: 0, sampled_at: None });
        }
        let (whole, short) = (size(&record), short_size(&record));
        let (keep, left_out, limit) = {
            let mut days = self.log_budget.lock();
            match days.get_mut(&key) {
                Some(day) => {
                    let keep = day.choose(whole, short, counted, record.created_at);
                    let written = keep != LogDetailLevel::Nothing;
                    (keep, if written { std::mem::take(&mut day.left_out) } else { 0 }, day.limit)
                }
                // Another task forgot the day in between.
                None => (LogDetailLevel::Whole, 0, 0),
            }
        };
        match keep {
            LogDetailLevel::Short => shorten(&mut record),
            LogDetailLevel::Sample(untold) => record.log.push(LogLine {
                level: LogLevel::Warn,
                message: format!(
                    "the log has its {} KiB for today: one call a minute is kept whole, and {untold} since the last one \
                     were left out or shortened",
                    limit >> 10
                ),
            }),
            LogDetailLevel::Whole | LogDetailLevel::Nothing => {}
        }
        let bytes = match keep {
            LogDetailLevel::Nothing => 0,
            LogDetailLevel::Short => short,
            LogDetailLevel::Whole | LogDetailLevel::Sample(_) => whole,
        };
        Ok(LogDetail { record, written: keep != LogDetailLevel::Nothing, bytes, left_out })
    }

    /// Updates the memory of the day after a write. `bytes` includes other hosts' calls.
    pub(crate) fn note_log_bytes(
        &self,
        organization: OrganizationId,
        environment: Environment,
        at: Timestamp,
        bytes: Option<u64>,
    ) {
        if let Some(bytes) = bytes
            && let Some(day) = self.log_budget.lock().get_mut(&(organization, environment))
            && day.start == day_of(at)
        {
            day.bytes = day.bytes.max(bytes);
        }
    }

    async fn log_day(
        &self,
        organization: OrganizationId,
        environment: Environment,
        day: Timestamp,
    ) -> Result<LogDay, StoreError> {
        let doing = "read how much the log has today";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            (Count, Option<Count>, Option<Count>),
            "SELECT o.log_bytes_per_day, s.log_bytes, s.left_out FROM organizations o
             LEFT JOIN stored_bytes s ON s.organization_id = o.id AND s.day = $2 AND s.environment = $3
             WHERE o.id = $1",
            Id(organization.0),
            Time(day),
            environment.name()
        );
        let (limit, bytes, left_out) = found.map_err(failed(doing))?.unwrap_or((Count(0), None, None));
        let count = |count: Option<Count>| count.map_or(0, |count| count.0);
        Ok(LogDay { environment, bytes: count(bytes), limit: limit.0, left_out: count(left_out) })
    }

    /// How much of today's log is used, in each environment.
    #[boxed]
    pub async fn log_today(&self, organization: OrganizationId, now: Timestamp) -> Result<[LogDay; 2], StoreError> {
        let day = day_of(now);
        let [sandbox, production] = Environment::ALL;
        let mut days =
            [self.log_day(organization, sandbox, day).await?, self.log_day(organization, production, day).await?];
        // What this host left out and hasn't written yet.
        let remembered = self.log_budget.lock();
        for of in &mut days {
            let known = remembered.get(&(organization, of.environment)).filter(|known| known.start == day);
            of.left_out += known.map_or(0, |known| known.left_out);
        }
        Ok(days)
    }

    pub(crate) async fn stored_bytes(
        &self,
        organization: OrganizationId,
        period: Period,
    ) -> Result<StoredBytes, StoreError> {
        let doing = "report the bytes that were stored";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            (String, Count),
            "SELECT environment, CAST(SUM(bytes) AS BIGINT) FROM stored_bytes
             WHERE organization_id = $1 AND day >= $2 AND day < $3 GROUP BY environment",
            Id(organization.0),
            Time(period.start),
            Time(period.end)
        );
        let found = found.map_err(failed(doing))?;
        let of = |environment: Environment| {
            found.iter().find(|(name, _)| name == environment.name()).map_or(0, |(_, bytes)| bytes.0)
        };
        Ok(StoredBytes { production: of(Environment::Production), sandbox: of(Environment::Sandbox) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_day_is_whole_then_sampled_and_always_has_what_is_counted() {
        let mut day = Day { start: at(0), bytes: 0, limit: 1_000, left_out: 0, untold: 0, sampled_at: None };
        let mut choose = |counted, second| day.choose(400, 100, counted, at(second));
        assert_eq!([choose(false, 0), choose(false, 0)], [LogDetailLevel::Whole, LogDetailLevel::Whole]);
        assert_eq!(choose(false, 0), LogDetailLevel::Sample(0));
        // 1,200 of 2,000: eight short ones fit, and then only what is counted has a row.
        for _ in 0..8 {
            assert_eq!(choose(false, 1), LogDetailLevel::Short);
        }
        assert_eq!(
            [choose(false, 2), choose(true, 2), choose(false, 59)],
            [LogDetailLevel::Nothing, LogDetailLevel::Short, LogDetailLevel::Nothing]
        );
        assert_eq!(choose(false, 60), LogDetailLevel::Sample(11));
        assert_eq!(choose(false, 119), LogDetailLevel::Nothing);
        assert_eq!(choose(false, 120), LogDetailLevel::Sample(1));
    }

    #[test]
    fn days_begin_at_midnight() {
        let noon: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        assert_eq!(day_of(noon), "2026-11-28T00:00:00Z".parse().unwrap());
        assert_eq!(day_of(at(-1)), "1969-12-31T00:00:00Z".parse().unwrap());
    }
}
