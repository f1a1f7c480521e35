//! Counts usage. Each count is one conditional upsert, so that a limit holds however many count at once.

mod caps;

use std::collections::BTreeMap;

pub(crate) use self::caps::{Caps, VisitorCount, count_caps, count_message, refund_message, remaining, tightest};
use crate::{
    Store,
    error::{OperationError, failed, unexpected},
    row_id::row_id,
    sql::{Conn, execute, row, rows},
    thresholds::{self, Reading},
    types::{Count, Id, Time},
};
use resly_core::{
    boxed,
    connector::connection::Environment,
    error::StoreError,
    id::OrganizationId,
    meter::{LimitLevel, LimitReached, LimitWindow, Meter, MeterReading, UsageReport},
    time::{Period, Timestamp},
};

/// A meter after something was counted.
pub(crate) struct Counted {
    pub used: u64,
    pub limit: Option<u64>,
    pub per: LimitWindow,
}

impl Counted {
    /// A count of the plan's month.
    pub fn of_plan(used: Count, limit: Option<Count>) -> Self {
        Self { used: used.0, limit: limit.map(|limit| limit.0), per: LimitWindow::Month }
    }
}

/// Why a plan refuses a count.
#[derive(Debug)]
pub(crate) enum Refusal {
    Limit(LimitReached),
    SubscriptionEnded,
}

/// Counts `quantity` in production.
///
/// One statement reads the plan, compares and adds, both for the month and for the minute. In PostgreSQL the row is locked
/// when it is compared, so two hosts can't both take the last unit. Messages also need a subscription that hasn't ended.
///
/// A count that is larger than the minute's limit is the only one of its minute, or it could never be made. The clock of
/// another host may be ahead, so the next minute counts as this one. Fuel that was burnt is always counted: its minute is
/// asked when a call begins.
const COUNT: &str = "INSERT INTO usage
        (id, organization_id, period_start, meter, environment, used, plan_limit, minute, minute_used, minute_limit,
         created_at, updated_at)
    SELECT $1, o.id, $3, $4, 'production', $5, o.plan_limit, $7, $5, o.minute_limit, $6, $6
    FROM (SELECT id, subscription_ends_at,
                 CASE $4 WHEN 'messages' THEN limit_messages WHEN 'embeddings' THEN limit_embeddings
                         WHEN 'connector_calls' THEN limit_connector_calls
                         WHEN 'model_input_tokens' THEN limit_model_input_tokens
                         WHEN 'model_cached_input_tokens' THEN limit_model_cached_input_tokens
                         WHEN 'model_output_tokens' THEN limit_model_output_tokens ELSE limit_fuel END AS plan_limit,
                 CASE $4 WHEN 'messages' THEN messages_per_minute WHEN 'embeddings' THEN embeddings_per_minute
                         WHEN 'connector_calls' THEN connector_calls_per_minute END AS minute_limit
          FROM organizations WHERE id = $2) AS o
    WHERE (o.plan_limit IS NULL OR $5 <= o.plan_limit)
      AND ($4 <> 'messages' OR o.subscription_ends_at IS NULL OR o.subscription_ends_at > $6)
    ON CONFLICT (organization_id, period_start, meter, environment) DO UPDATE
    SET used = usage.used + excluded.used, plan_limit = excluded.plan_limit, updated_at = excluded.updated_at,
        minute_used = excluded.minute_used
            + CASE WHEN usage.minute - excluded.minute IN (0, 1) THEN usage.minute_used ELSE 0 END,
        minute = CASE WHEN usage.minute - excluded.minute = 1 THEN usage.minute ELSE excluded.minute END,
        minute_limit = excluded.minute_limit
    WHERE (excluded.plan_limit IS NULL OR usage.used + excluded.used <= excluded.plan_limit)
      AND (excluded.minute_limit IS NULL OR usage.minute - excluded.minute NOT IN (0, 1) OR usage.minute_used <= 0
           OR usage.minute_used + excluded.minute_used <= excluded.minute_limit)
    RETURNING used, plan_limit, minute_limit";

/// The minute of a time, in minutes since 1970.
pub(crate) fn minute_of(now: Timestamp) -> i64 {
    now.seconds().div_euclid(60)
}

async fn add(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    meter: Meter,
    quantity: u64,
    now: Timestamp,
) -> Result<Option<(Count, Option<Count>, Option<Count>)>, sqlx::Error> {
    row!(
        db,
        (Count, Option<Count>, Option<Count>),
        COUNT,
        row_id(now),
        Id(organization.0),
        Time(Period::containing(now).start),
        meter.name(),
        Count(quantity),
        Time(now),
        minute_of(now)
    )
}

pub(crate) async fn count(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    meter: Meter,
    quantity: u64,
    now: Timestamp,
) -> Result<Counted, OperationError<Refusal>> {
    let Some((used, limit, _)) = add(db, organization, meter, quantity, now).await? else {
        return Err(refusal_reason(db, organization, meter, quantity, now).await?);
    };
    let counted = Counted::of_plan(used, limit);
    record_thresholds(db, organization, meter, quantity, &counted, now).await?;
    Ok(counted)
}

/// Counts several single units at once. Returns false when the limits don't leave that many; the transaction then has to be
/// undone.
pub(crate) async fn count_units(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    meter: Meter,
    units: u64,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let Some((used, limit, minute_limit)) = add(db, organization, meter, units, now).await? else { return Ok(false) };
    // One count may be larger than the minute's limit, but these are several.
    if minute_limit.is_some_and(|limit| limit.0 < units) {
        return Ok(false);
    }
    record_thresholds(db, organization, meter, units, &Counted::of_plan(used, limit), now).await?;
    Ok(true)
}

/// Writes and tells the thresholds that a count of `quantity` crossed.
pub(crate) async fn record_thresholds(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    meter: Meter,
    quantity: u64,
    counted: &Counted,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let Counted { used, limit, .. } = *counted;
    let reading = Reading { meter, before: used.saturating_sub(quantity), used, limit };
    thresholds::record(db, organization, reading, Period::containing(now), now).await
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

/// What an organization may count of a meter, and what it has counted.
#[derive(sqlx_macros::FromRow)]
struct MeterState {
    plan_limit: Option<Count>,
    minute_limit: Option<Count>,
    subscription_ends_at: Option<Time>,
    used: Option<Count>,
    minute: Option<i64>,
    minute_used: Option<Count>,
}

macro_rules! meter_state {
    ($plan:literal, $minute:literal) => {
        concat!(
            "SELECT o.", $plan, " AS plan_limit, o.", $minute, " AS minute_limit, o.subscription_ends_at, u.used, u.minute,
                    u.minute_used
             FROM organizations o LEFT JOIN usage u ON u.organization_id = o.id AND u.period_start = $2 AND u.meter = $3
                 AND u.environment = 'production'
             WHERE o.id = $1"
        )
    };
}

fn meter_state(meter: Meter) -> &'static str {
    match meter {
        Meter::Messages => meter_state!("limit_messages", "messages_per_minute"),
        Meter::Embeddings => meter_state!("limit_embeddings", "embeddings_per_minute"),
        Meter::ConnectorCalls => meter_state!("limit_connector_calls", "connector_calls_per_minute"),
        Meter::Fuel => meter_state!("limit_fuel", "fuel_per_minute"),
        Meter::ModelInputTokens => meter_state!("limit_model_input_tokens", "model_input_tokens_per_minute"),
        Meter::ModelCachedInputTokens => {
            meter_state!("limit_model_cached_input_tokens", "model_cached_input_tokens_per_minute")
        }
        Meter::ModelOutputTokens => meter_state!("limit_model_output_tokens", "model_output_tokens_per_minute"),
    }
}

/// The reason that a count of `quantity`, or a reservation, changed no row.
pub(crate) async fn refusal_reason(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    meter: Meter,
    quantity: u64,
    now: Timestamp,
) -> Result<OperationError<Refusal>, sqlx::Error> {
    let period = Period::containing(now);
    let state = row!(db, MeterState, meter_state(meter), Id(organization.0), Time(period.start), meter.name())?;
    let Some(state) = state else {
        return Err(unexpected(format!("there is no organization {organization}")));
    };
    if meter == Meter::Messages && state.subscription_ends_at.is_some_and(|ends| ends.0 <= now) {
        return Ok(OperationError::Refused(Refusal::SubscriptionEnded));
    }
    let used = state.used.map_or(0, |used| used.0);
    let month = state.plan_limit.map(|limit| limit.0);
    let month_allows = month.is_none_or(|limit| used.saturating_add(quantity) <= limit);
    let reached = match minute_reached(&state, meter, now) {
        Some(reached) if month_allows => reached,
        _ => LimitReached {
            of: LimitLevel::Plan,
            per: LimitWindow::Month,
            meter,
            // The limit may have been removed a moment ago. Then the count stands for it.
            limit: month.unwrap_or(used),
            used,
            resets_at: period.end,
        },
    };
    Ok(OperationError::Refused(Refusal::Limit(reached)))
}

/// The minute's limit, when something was counted in the minute of `now`.
fn minute_reached(state: &MeterState, meter: Meter, now: Timestamp) -> Option<LimitReached> {
    let (limit, minute, used) = (state.minute_limit?.0, state.minute?, state.minute_used?.0);
    let counts = [0, 1].contains(&(minute - minute_of(now))) && used > 0;
    counts.then(|| LimitReached {
        of: LimitLevel::Plan,
        per: LimitWindow::Minute,
        meter,
        limit,
        used,
        resets_at: Timestamp::from_micros((minute + 1).saturating_mul(60_000_000)),
    })
}

/// The limit on a model's tokens that leaves none for another answer.
pub(crate) async fn spent_tokens(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<Option<LimitReached>, sqlx::Error> {
    let period = Period::containing(now);
    for meter in Meter::MODEL_TOKENS {
        let state = row!(db, MeterState, meter_state(meter), Id(organization.0), Time(period.start), meter.name())?;
        let Some(state) = state else { continue };
        let used = state.used.map_or(0, |used| used.0);
        if let Some(limit) = state.plan_limit.filter(|limit| used >= limit.0) {
            let (of, per, limit, resets_at) = (LimitLevel::Plan, LimitWindow::Month, limit.0, period.end);
            return Ok(Some(LimitReached { of, per, meter, limit, used, resets_at }));
        }
        if let Some(minute) = minute_reached(&state, meter, now).filter(|minute| minute.used >= minute.limit) {
            return Ok(Some(minute));
        }
    }
    Ok(None)
}

impl Store {
    /// The meters of the month of `now`.
    #[boxed]
    pub async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<UsageReport, StoreError> {
        let doing = "report the usage";
        let limits = self.plan(organization).await?.terms.limits;
        let period = Period::containing(now);
        let mut db = self.reader(organization, doing).await?;
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
