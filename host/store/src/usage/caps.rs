//! The caps of a key: on its own messages in a month, and on those of each visitor in a day. Both stay below the plan's
//! limit: a message is counted against all of them, or none.

use std::time::Duration;

use resly_core::{
    id::{KeyId, OrganizationId},
    meter::{LimitLevel, LimitReached, LimitWindow, Meter, Remaining},
    time::{Period, Timestamp},
    turn::store::NewTurn,
};
use uuid::Uuid;

use super::{Counted, Refusal, count};
use crate::{
    error::OperationError,
    sql::{Conn, execute, row},
    types::{Count, Id, Text, Time},
    usage_days::day_of,
};

/// A key's caps, as a message meets them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps<'t> {
    pub key: KeyId,
    /// Messages of the key in a month.
    pub key_cap: Option<u64>,
    /// The message's visitor, and the most messages of a visitor in a day.
    pub visitor: Option<(&'t str, u64)>,
}

impl<'t> Caps<'t> {
    pub fn of(turn: &'t NewTurn) -> Self {
        let visitor = turn.visitor.as_deref().zip(turn.visitor_cap);
        Self { key: turn.key, key_cap: turn.key_cap, visitor }
    }
}

fn window_end(per: LimitWindow, now: Timestamp) -> Timestamp {
    match per {
        LimitWindow::Minute => Timestamp::from_micros((now.micros().div_euclid(60_000_000) + 1) * 60_000_000),
        LimitWindow::Day => day_of(now).plus(Duration::from_secs(24 * 3600)),
        LimitWindow::Month => Period::containing(now).end,
    }
}

fn reached(of: LimitLevel, per: LimitWindow, cap: u64, used: Option<(Count,)>, now: Timestamp) -> Refusal {
    let (meter, used) = (Meter::Messages, used.map_or(0, |(used,)| used.0));
    Refusal::Limit(LimitReached { of, per, meter, limit: cap, used, resets_at: window_end(per, now) })
}

/// Counts one message against the key's own cap, which its whole lineage shares.
async fn count_for_key(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    key: KeyId,
    cap: u64,
    now: Timestamp,
) -> Result<Counted, OperationError<Refusal>> {
    let period = Time(Period::containing(now).start);
    let counted = row!(
        db,
        (Count,),
        "INSERT INTO key_usage (key_id, organization_id, period_start, used)
         SELECT COALESCE((SELECT lineage FROM api_keys WHERE id = $1), $1), $2, $3, 1 WHERE $4 >= 1
         ON CONFLICT (key_id, period_start) DO UPDATE SET used = key_usage.used + 1 WHERE key_usage.used < $4
         RETURNING used",
        Id(key.0),
        Id(organization.0),
        period,
        Count(cap)
    )?;
    if let Some((used,)) = counted {
        return Ok(Counted { used: used.0, limit: Some(cap), per: LimitWindow::Month });
    }
    let used = row!(
        db,
        (Count,),
        "SELECT used FROM key_usage
         WHERE key_id = COALESCE((SELECT lineage FROM api_keys WHERE id = $1), $1) AND period_start = $2",
        Id(key.0),
        period
    )?;
    Err(OperationError::Refused(reached(LimitLevel::Key, LimitWindow::Month, cap, used, now)))
}

/// Counts one message of a visitor against the key's cap for each visitor and day.
async fn count_for_visitor(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    key: KeyId,
    (visitor, cap): (&str, u64),
    now: Timestamp,
) -> Result<Counted, OperationError<Refusal>> {
    let day = Time(day_of(now));
    let counted = row!(
        db,
        (Count,),
        "INSERT INTO visitor_usage (key_id, visitor, organization_id, day, used)
         SELECT COALESCE((SELECT lineage FROM api_keys WHERE id = $1), $1), $2, $3, $4, 1 WHERE $5 >= 1
         ON CONFLICT (key_id, visitor, day) DO UPDATE SET used = visitor_usage.used + 1 WHERE visitor_usage.used < $5
         RETURNING used",
        Id(key.0),
        Text(visitor),
        Id(organization.0),
        day,
        Count(cap)
    )?;
    if let Some((used,)) = counted {
        return Ok(Counted { used: used.0, limit: Some(cap), per: LimitWindow::Day });
    }
    let used = row!(
        db,
        (Count,),
        "SELECT used FROM visitor_usage
         WHERE key_id = COALESCE((SELECT lineage FROM api_keys WHERE id = $1), $1) AND visitor = $2 AND day = $3",
        Id(key.0),
        Text(visitor),
        day
    )?;
    Err(OperationError::Refused(reached(LimitLevel::Visitor, LimitWindow::Day, cap, used, now)))
}

/// Counts one message against the caps that there are.
pub(crate) async fn count_caps(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    caps: Caps<'_>,
    now: Timestamp,
) -> Result<Vec<Counted>, OperationError<Refusal>> {
    let mut counted = Vec::new();
    if let Some(cap) = caps.key_cap {
        counted.push(count_for_key(db, organization, caps.key, cap, now).await?);
    }
    if let Some(visitor) = caps.visitor {
        counted.push(count_for_visitor(db, organization, caps.key, visitor, now).await?);
    }
    Ok(counted)
}

/// Counts one message against the caps and the organization. Returns what is left of the tightest limit.
pub(crate) async fn count_message(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    caps: Caps<'_>,
    now: Timestamp,
) -> Result<Option<Remaining>, OperationError<Refusal>> {
    let mut counted = count_caps(db, organization, caps, now).await?;
    counted.push(count(db, organization, Meter::Messages, 1, now).await?);
    Ok(tightest(&counted, now))
}

/// What is left of the tightest limit, when nothing new is counted.
pub(crate) async fn remaining(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    caps: Caps<'_>,
    now: Timestamp,
) -> Result<Option<Remaining>, sqlx::Error> {
    let visitor = caps.visitor.map(|(visitor, _)| visitor).unwrap_or_default();
    let counts = row!(
        db,
        (Option<Count>, Option<Count>, Option<Count>, Option<Count>),
        "SELECT o.limit_messages,
                (SELECT used FROM usage u WHERE u.organization_id = o.id AND u.period_start = $2
                     AND u.meter = 'messages' AND u.environment = 'production'),
                (SELECT used FROM key_usage k WHERE k.period_start = $2
                     AND k.key_id = COALESCE((SELECT lineage FROM api_keys WHERE id = $3), $3)),
                (SELECT used FROM visitor_usage v WHERE v.day = $4 AND v.visitor = $5
                     AND v.key_id = COALESCE((SELECT lineage FROM api_keys WHERE id = $3), $3))
         FROM organizations o WHERE o.id = $1",
        Id(organization.0),
        Time(Period::containing(now).start),
        Id(caps.key.0),
        Time(day_of(now)),
        Text(visitor)
    )?;
    let Some((limit, used, by_key, by_visitor)) = counts else { return Ok(None) };
    let counted =
        |limit: Option<u64>, used: Option<Count>, per| Counted { used: used.map_or(0, |used| used.0), limit, per };
    let cap = caps.visitor.map(|(_, cap)| cap);
    let counted = [
        counted(caps.key_cap, by_key, LimitWindow::Month),
        counted(cap, by_visitor, LimitWindow::Day),
        counted(limit.map(|limit| limit.0), used, LimitWindow::Month),
    ];
    Ok(tightest(&counted, now))
}

/// What is left of the limit that has least left.
pub(crate) fn tightest<'c>(counts: impl IntoIterator<Item = &'c Counted>, now: Timestamp) -> Option<Remaining> {
    let left = |counted: &Counted| {
        let limit = counted.limit?;
        let remaining = limit.saturating_sub(counted.used);
        let (meter, per) = (Meter::Messages, counted.per);
        Some(Remaining { meter, limit, remaining, per, resets_at: window_end(per, now) })
    };
    counts.into_iter().filter_map(left).min_by_key(|left| left.remaining)
}

/// A message that was counted for a visitor.
pub(crate) struct VisitorCount {
    pub key: Uuid,
    pub visitor: String,
    pub counted_at: Timestamp,
}

/// Takes one message's count back: from the month that it was counted in, from `key` and from the visitor, if it was counted
/// for them.
pub(crate) async fn refund_message(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    key: Option<Uuid>,
    visitor: Option<VisitorCount>,
    period: Time,
) -> Result<(), sqlx::Error> {
    if let Some(key) = key {
        execute!(
            db,
            "UPDATE key_usage SET used = used - 1
             WHERE key_id = COALESCE((SELECT lineage FROM api_keys WHERE id = $1), $1) AND period_start = $2
               AND used > 0",
            Id(key),
            period
        )?;
    }
    if let Some(VisitorCount { key, visitor, counted_at }) = visitor {
        execute!(
            db,
            "UPDATE visitor_usage SET used = used - 1
             WHERE key_id = COALESCE((SELECT lineage FROM api_keys WHERE id = $1), $1) AND visitor = $2 AND day = $3
               AND used > 0",
            Id(key),
            Text(&visitor),
            Time(day_of(counted_at))
        )?;
    }
    execute!(
        db,
        "UPDATE usage SET used = used - 1
         WHERE organization_id = $1 AND period_start = $2 AND meter = 'messages' AND environment = 'production'
           AND used > 0",
        Id(organization.0),
        period
    )
    .map(drop)
}
