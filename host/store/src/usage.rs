//! Counts usage. Each count is one conditional upsert, so that a limit holds however many count at once.

use std::collections::BTreeMap;

use rand::Rng;
use resly_core::{
    boxed,
    connector::connection::Environment,
    error::StoreError,
    id::{KeyId, OrganizationId},
    meter::{LimitLevel, LimitReached, Meter, MeterReading, Remaining, UsageReport},
    time::{Period, Random, Timestamp},
};
use uuid::Uuid;

use crate::{
    Store,
    error::{OperationError, failed, unexpected},
    organizations::limit_column,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Time},
};

/// Ids for rows that nothing refers to.
struct RowIds;

impl Random for RowIds {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// An id for a row that nothing refers to: a count, an event, a visitor.
pub(crate) fn row_id(now: Timestamp) -> Id {
    Id(RowIds.uuid(now))
}

/// A meter after something was counted.
pub(crate) struct Counted {
    pub used: u64,
    pub limit: Option<u64>,
}

/// Why a plan refuses a count.
#[derive(Debug)]
pub(crate) enum Refusal {
    Limit(LimitReached),
    SubscriptionEnded,
}

/// Counts `quantity` in production.
///
/// One statement reads the plan, compares and adds. In PostgreSQL the row is locked when it is compared, so two hosts
/// can't both take the last unit. Messages also need a subscription that hasn't ended.
const COUNT: &str = "INSERT INTO usage
        (id, organization_id, period_start, meter, environment, used, plan_limit, created_at, updated_at)
    SELECT $1, o.id, $3, $4, 'production', $5, o.plan_limit, $6, $6
    FROM (SELECT id, subscription_ends_at, CASE $4 WHEN 'messages' THEN limit_messages
                 WHEN 'embeddings' THEN limit_embeddings WHEN 'connector_calls' THEN limit_connector_calls
                 WHEN 'model_input_tokens' THEN limit_model_input_tokens
                 WHEN 'model_cached_input_tokens' THEN limit_model_cached_input_tokens
                 WHEN 'model_output_tokens' THEN limit_model_output_tokens ELSE limit_fuel END AS plan_limit
          FROM organizations WHERE id = $2) AS o
    WHERE (o.plan_limit IS NULL OR $5 <= o.plan_limit)
      AND ($4 <> 'messages' OR o.subscription_ends_at IS NULL OR o.subscription_ends_at > $6)
    ON CONFLICT (organization_id, period_start, meter, environment) DO UPDATE
    SET used = usage.used + excluded.used, plan_limit = excluded.plan_limit, updated_at = excluded.updated_at
    WHERE excluded.plan_limit IS NULL OR usage.used + excluded.used <= excluded.plan_limit
    RETURNING used, plan_limit";

pub(crate) async fn count(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    meter: Meter,
    quantity: u64,
    now: Timestamp,
) -> Result<Counted, OperationError<Refusal>> {
    let period = Time(Period::containing(now).start);
    let counted = row!(
        db,
        (Count, Option<Count>),
        COUNT,
        row_id(now),
        Id(organization.0),
        period,
        meter.name(),
        Count(quantity),
        Time(now)
    )?;
    match counted {
        Some((used, limit)) => Ok(Counted { used: used.0, limit: limit.map(|limit| limit.0) }),
        None => Err(refusal_reason(db, organization, meter, now).await?),
    }
}

/// Counts in the sandbox environment, where nothing is limited.
pub(crate) async fn count_sandbox(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    meter: Meter,
    quantity: u64,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO usage (id, organization_id, period_start, meter, environment, used, created_at, updated_at)
         VALUES ($1, $2, $3, $4, 'sandbox', $5, $6, $6)
         ON CONFLICT (organization_id, period_start, meter, environment) DO UPDATE
         SET used = usage.used + excluded.used, updated_at = excluded.updated_at",
        row_id(now),
        Id(organization.0),
        Time(Period::containing(now).start),
        meter.name(),
        Count(quantity),
        Time(now)
    )
    .map(drop)
}

/// The reason that a count, or a reservation, changed no row.
pub(crate) async fn refusal_reason(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    meter: Meter,
    now: Timestamp,
) -> Result<OperationError<Refusal>, sqlx::Error> {
    let period = Period::containing(now);
    let plan = row!(db, (Option<Count>, Option<Time>), limit_column(meter), Id(organization.0))?;
    let Some((limit, ends)) = plan else {
        return Err(unexpected(format!("there is no organization {organization}")));
    };
    if meter == Meter::Messages && ends.is_some_and(|ends| ends.0 <= now) {
        return Ok(OperationError::Refused(Refusal::SubscriptionEnded));
    }
    let used = used(db, organization, meter, period).await?;
    // The limit may have been removed a moment ago. Then the count stands for it.
    let limit = limit.map_or(used, |limit| limit.0);
    Ok(OperationError::Refused(Refusal::Limit(LimitReached {
        of: LimitLevel::Plan,
        meter,
        limit,
        used,
        resets_at: period.end,
    })))
}

async fn used(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    meter: Meter,
    period: Period,
) -> Result<u64, sqlx::Error> {
    let used = row!(
        db,
        (Count,),
        "SELECT used FROM usage
         WHERE organization_id = $1 AND period_start = $2 AND meter = $3 AND environment = 'production'",
        Id(organization.0),
        Time(period.start),
        meter.name()
    )?;
    Ok(used.map_or(0, |(used,)| used.0))
}

/// The limit on a model's tokens that leaves none for another answer.
pub(crate) async fn spent_tokens(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Option<LimitReached>, sqlx::Error> {
    let period = Period::containing(now);
    for meter in Meter::MODEL_TOKENS {
        let plan = row!(db, (Option<Count>, Option<Time>), limit_column(meter), Id(organization.0))?;
        let Some(limit) = plan.and_then(|(limit, _)| limit) else { continue };
        let used = used(db, organization, meter, period).await?;
        if used >= limit.0 {
            let (of, resets_at) = (LimitLevel::Plan, period.end);
            return Ok(Some(LimitReached { of, meter, limit: limit.0, used, resets_at }));
        }
    }
    Ok(None)
}

/// Counts one message against the key's own cap, which its whole lineage shares.
pub(crate) async fn count_for_key(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    key: KeyId,
    cap: u64,
    now: Timestamp,
) -> Result<Counted, OperationError<Refusal>> {
    let period = Period::containing(now);
    let counted = row!(
        db,
        (Count,),
        "INSERT INTO key_usage (key_id, organization_id, period_start, used)
         SELECT COALESCE((SELECT lineage FROM api_keys WHERE id = $1), $1), $2, $3, 1 WHERE $4 >= 1
         ON CONFLICT (key_id, period_start) DO UPDATE SET used = key_usage.used + 1 WHERE key_usage.used < $4
         RETURNING used",
        Id(key.0),
        Id(organization.0),
        Time(period.start),
        Count(cap)
    )?;
    if let Some((used,)) = counted {
        return Ok(Counted { used: used.0, limit: Some(cap) });
    }
    let used = row!(
        db,
        (Count,),
        "SELECT used FROM key_usage
         WHERE key_id = COALESCE((SELECT lineage FROM api_keys WHERE id = $1), $1) AND period_start = $2",
        Id(key.0),
        Time(period.start)
    )?;
    let used = used.map_or(0, |(used,)| used.0);
    let (of, meter, resets_at) = (LimitLevel::Key, Meter::Messages, period.end);
    Err(OperationError::Refused(Refusal::Limit(LimitReached { of, meter, limit: cap, used, resets_at })))
}

/// Counts one message against the key and the organization, both or neither. Returns what is left of the tighter limit.
pub(crate) async fn count_message(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    key: KeyId,
    cap: Option<u64>,
    now: Timestamp,
) -> Result<Option<Remaining>, OperationError<Refusal>> {
    let of_key = match cap {
        Some(cap) => Some(count_for_key(db, organization, key, cap, now).await?),
        None => None,
    };
    let of_plan = count(db, organization, Meter::Messages, 1, now).await?;
    Ok(tightest(of_key.iter().chain([&of_plan]), Period::containing(now)))
}

/// What is left of the tightest limit, when nothing new is counted.
pub(crate) async fn remaining(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    key: KeyId,
    cap: Option<u64>,
    now: Timestamp,
) -> Result<Option<Remaining>, sqlx::Error> {
    let period = Period::containing(now);
    let counts = row!(
        db,
        (Option<Count>, Option<Count>, Option<Count>),
        "SELECT o.limit_messages,
                (SELECT used FROM usage u WHERE u.organization_id = o.id AND u.period_start = $2
                     AND u.meter = 'messages' AND u.environment = 'production'),
                (SELECT used FROM key_usage k WHERE k.period_start = $2
                     AND k.key_id = COALESCE((SELECT lineage FROM api_keys WHERE id = $3), $3))
         FROM organizations o WHERE o.id = $1",
        Id(organization.0),
        Time(period.start),
        Id(key.0)
    )?;
    let Some((limit, used, by_key)) = counts else { return Ok(None) };
    let counted = |limit: Option<u64>, used: Option<Count>| Counted { used: used.map_or(0, |used| used.0), limit };
    let (of_plan, of_key) = (counted(limit.map(|limit| limit.0), used), counted(cap, by_key));
    Ok(tightest([&of_key, &of_plan], period))
}

pub(crate) fn tightest<'c>(counts: impl IntoIterator<Item = &'c Counted>, period: Period) -> Option<Remaining> {
    let left = |counted: &Counted| {
        let limit = counted.limit?;
        let remaining = limit.saturating_sub(counted.used);
        Some(Remaining { meter: Meter::Messages, limit, remaining, resets_at: period.end })
    };
    counts.into_iter().filter_map(left).min_by_key(|left| left.remaining)
}

/// Takes one message's count back from the month that it was counted in.
pub(crate) async fn refund_message(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    key: Option<Uuid>,
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

impl Store {
    /// The meters of the month of `now`.
    #[boxed]
    pub async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<UsageReport, StoreError> {
        let doing = "report the usage";
        let limits = self.plan(organization).await?.limits;
        let period = Period::containing(now);
        let mut db = self.reader(doing).await?;
        let counts = rows!(
            db,
            (String, String, Count, Count, Count),
            "SELECT meter, environment, used, reserved, estimated FROM usage WHERE organization_id = $1 AND period_start = $2",
            Id(organization.0),
            Time(period.start)
        )
        .map_err(failed(doing))?;
        let used = |meter: Meter, environment: Environment| {
            counts
                .iter()
                .find(|(m, e, ..)| m == meter.name() && e == environment.name())
                .map_or(0, |(_, _, used, ..)| used.0)
        };
        let production =
            |meter: Meter| counts.iter().find(|(m, e, ..)| m == meter.name() && e == Environment::Production.name());
        let reserved =
            |meter: Meter| (meter == Meter::Fuel).then(|| production(meter).map_or(0, |(.., held, _)| held.0));
        let estimated = |meter: Meter| {
            Meter::MODEL_TOKENS.contains(&meter).then(|| production(meter).map_or(0, |(.., part)| part.0))
        };
        let meters: BTreeMap<_, _> = Meter::ALL
            .into_iter()
            .map(|meter| {
                let (used, limit) = (used(meter, Environment::Production), limits.get(&meter).copied());
                (meter, MeterReading { used, limit, reserved: reserved(meter), estimated: estimated(meter) })
            })
            .collect();
        let sandbox = [Meter::ConnectorCalls, Meter::Fuel]
            .into_iter()
            .map(|meter| (meter, used(meter, Environment::Sandbox)))
            .collect();
        drop(db);
        let stored_bytes = self.stored_bytes(organization, period).await?;
        Ok(UsageReport { period, meters, sandbox, stored_bytes })
    }
}
