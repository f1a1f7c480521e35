//! Connector calls. A call is counted and reserves fuel when it begins; it is settled and logged when it ends. The reading of a
//! document reserves and settles fuel alike (`knowledge/fuel.rs`).
//!
//! A reservation ends in one of two ways:
//! - Its call ends. The fuel that was burnt is counted, the rest is free again, and the row is deleted.
//! - Its lease ends first, because the host died. All its fuel is free again, the call stays counted and is billed, and
//!   the row stays, marked as released. If the host was only slow, it can still settle: the fuel that was burnt is
//!   counted, even past the limit, and the call isn't billed a second time.
//!
//! The log row is written in the same transaction. It makes sure that a call is settled once.
//!
//! Calls of one organization that begin at the same time begin together ([`queue`]). Whoever locks two of an organization's
//! counts locks that of calls before that of fuel, so that transactions can't deadlock.

mod queue;
mod settle;

use resly_core::{
    connector::{
        call::{BeginCallError, FuelGrant},
        connection::Environment,
    },
    id::{CallId, OrganizationId},
    meter::{LimitLevel, LimitReached, LimitReserved, LimitWindow, Meter},
    time::{Period, Timestamp},
};

pub(crate) use self::{
    queue::CallQueues,
    settle::{Burnt, finish, refund_call, settle_fuel},
};
use crate::{
    error::{OperationError, unexpected},
    row_id::row_id,
    sql::{Conn, execute, row},
    types::{Count, Id, Time},
    usage::{self, Refusal},
};

/// The most fuel that one call can reserve. It lasts for days, and is far below what a counter can hold.
const MOST_FUEL: u64 = 1 << 50;

/// Reserves what is asked for. When less is left, it reserves the rest, but only while nothing else is reserved,
/// because other calls give most of theirs back. `granted` holds the amount, since `RETURNING` sees only the new row.
/// When nothing can be reserved, no row changes. What a minute may burn only decides which calls begin: those that run, and
/// readings of documents, go on.
const RESERVE: &str = "INSERT INTO usage
        (id, organization_id, period_start, meter, environment, used, reserved, granted, plan_limit, minute,
         minute_limit, created_at, updated_at)
    SELECT $1, o.id, $3, 'fuel', 'production', 0,
           CASE WHEN o.limit_fuel < $4 THEN o.limit_fuel ELSE $4 END,
           CASE WHEN o.limit_fuel < $4 THEN o.limit_fuel ELSE $4 END, o.limit_fuel, $6,
           CASE WHEN $7 THEN NULL ELSE o.fuel_per_minute END, $5, $5
    FROM organizations o WHERE o.id = $2 AND (o.limit_fuel IS NULL OR o.limit_fuel > 0)
    ON CONFLICT (organization_id, period_start, meter, environment) DO UPDATE
    SET reserved = usage.reserved
            + CASE WHEN excluded.plan_limit - usage.used - usage.reserved < $4
                   THEN excluded.plan_limit - usage.used - usage.reserved ELSE $4 END,
        granted = CASE WHEN excluded.plan_limit - usage.used - usage.reserved < $4
                       THEN excluded.plan_limit - usage.used - usage.reserved ELSE $4 END,
        plan_limit = excluded.plan_limit, minute_limit = excluded.minute_limit, updated_at = excluded.updated_at
    WHERE (excluded.plan_limit IS NULL OR usage.used + usage.reserved + $4 <= excluded.plan_limit
           OR (usage.reserved <= 0 AND usage.used < excluded.plan_limit))
      AND (excluded.minute_limit IS NULL OR usage.minute - excluded.minute NOT IN (0, 1)
           OR usage.minute_used < excluded.minute_limit)
    RETURNING granted, plan_limit";

/// The same for a call that already has `$5` reserved.
const EXTEND: &str = "UPDATE usage
    SET reserved = reserved + CASE WHEN plan_limit - used - reserved < $4 THEN plan_limit - used - reserved ELSE $4 END,
        granted = CASE WHEN plan_limit - used - reserved < $4 THEN plan_limit - used - reserved ELSE $4 END,
        updated_at = $3
    WHERE organization_id = $1 AND period_start = $2 AND meter = 'fuel' AND environment = 'production'
      AND (plan_limit IS NULL OR used + reserved + $4 <= plan_limit
           OR (reserved <= $5 AND used + reserved < plan_limit))
    RETURNING granted";

#[derive(Clone, Copy, Debug)]
pub(crate) struct NewCall {
    pub id: CallId,
    pub organization: OrganizationId,
    pub environment: Environment,
    pub fuel: u64,
    pub now: Timestamp,
    pub lease_until: Timestamp,
}

/// Counts the call and reserves fuel. It does both or neither.
async fn begin(db: &mut Conn<'_>, call: &NewCall) -> Result<FuelGrant, OperationError<BeginCallError>> {
    let (organization, now) = (call.organization, call.now);
    if call.environment == Environment::Sandbox {
        usage::count_sandbox(db, organization, Meter::ConnectorCalls, 1, now).await?;
        return Ok(FuelGrant { fuel: call.fuel, limited: false });
    }
    let counted = usage::count(db, organization, Meter::ConnectorCalls, 1, now).await;
    counted.map_err(limit_only)?;

    let reservation = NewReservation { id: call.id, reading: false, lease_until: call.lease_until };
    reserve(db, &reservation, organization, call.fuel, now).await
}

/// What fuel is reserved for.
pub(crate) struct NewReservation {
    pub id: CallId,
    /// It is the reading of a document, which is no call.
    pub reading: bool,
    pub lease_until: Timestamp,
}

/// Reserves fuel, as much as is asked for or left.
pub(crate) async fn reserve(
    db: &mut Conn<'_>,
    of: &NewReservation,
    organization: OrganizationId,
    fuel: u64,
    now: Timestamp,
) -> Result<FuelGrant, OperationError<BeginCallError>> {
    let granted = reserve_fuel(db, organization, fuel, of.reading, now).await?;
    let Some((granted, limit)) = granted else {
        return Err(no_fuel(db, organization, now).await?);
    };
    execute!(
        db,
        "INSERT INTO call_reservations
             (id, organization_id, period_start, fuel, released, lease_until, created_at, reading)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        Id(of.id.0),
        Id(organization.0),
        Time(Period::containing(now).start),
        granted,
        false,
        Time(of.lease_until),
        Time(now),
        of.reading
    )?;
    Ok(FuelGrant { fuel: granted.0, limited: limit.is_some() })
}

/// Reserves fuel in the organization's count. Returns what was granted, and the plan's limit.
async fn reserve_fuel(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    fuel: u64,
    reading: bool,
    now: Timestamp,
) -> Result<Option<(Count, Option<Count>)>, sqlx::Error> {
    row!(
        db,
        (Count, Option<Count>),
        RESERVE,
        row_id(now),
        Id(organization.0),
        Time(Period::containing(now).start),
        Count(fuel.min(MOST_FUEL)),
        Time(now),
        usage::minute_of(now),
        reading
    )
}

/// Reserves more for a call that is running.
pub(crate) async fn extend(
    db: &mut Conn<'_>,
    call: CallId,
    organization: OrganizationId,
    more: u64,
    now: Timestamp,
) -> Result<u64, OperationError<BeginCallError>> {
    let reserved = row!(
        db,
        (Time, Count),
        "UPDATE call_reservations SET fuel = fuel WHERE id = $1 AND organization_id = $2 AND NOT released
         RETURNING period_start, fuel",
        Id(call.0),
        Id(organization.0)
    )?;
    let Some((period, own)) = reserved else { return Ok(0) };
    let more = Count(more.min(MOST_FUEL));
    let granted = row!(db, (Count,), EXTEND, Id(organization.0), period, Time(now), more, own)?;
    let Some((granted,)) = granted else {
        return Err(match no_fuel(db, organization, period.0).await? {
            // Only this call has a reservation, so nobody will give fuel back.
            OperationError::Refused(BeginCallError::LimitReserved(LimitReserved {
                meter, limit, reserved, ..
            })) if reserved <= own.0 => {
                let resets_at = Period::containing(period.0).end;
                OperationError::Refused(BeginCallError::Limit(LimitReached {
                    of: LimitLevel::Plan,
                    per: LimitWindow::Month,
                    meter,
                    limit,
                    used: limit,
                    resets_at,
                }))
            }
            refused => refused,
        });
    };
    execute!(
        db,
        "UPDATE call_reservations SET fuel = fuel + $3 WHERE id = $1 AND organization_id = $2",
        Id(call.0),
        Id(organization.0),
        granted
    )?;
    Ok(granted.0)
}

/// Why there is no fuel in the month of `at`: it is burnt, or reserved for calls that will give most of it back.
async fn no_fuel(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    at: Timestamp,
) -> Result<OperationError<BeginCallError>, sqlx::Error> {
    let refused = limit_only(usage::refusal_reason(db, organization, Meter::Fuel, 1, at).await?);
    let OperationError::Refused(BeginCallError::Limit(LimitReached {
        per: LimitWindow::Month,
        meter,
        limit,
        used,
        ..
    })) = refused
    else {
        return Ok(refused);
    };
    let reserved = row!(
        db,
        (Count,),
        "SELECT reserved FROM usage
         WHERE organization_id = $1 AND period_start = $2 AND meter = 'fuel' AND environment = 'production'",
        Id(organization.0),
        Time(Period::containing(at).start)
    )?;
    let reserved = reserved.map_or(0, |(reserved,)| reserved.0);
    if used < limit && reserved > 0 {
        return Ok(OperationError::Refused(BeginCallError::LimitReserved(LimitReserved {
            meter,
            limit,
            used,
            reserved,
        })));
    }
    Ok(refused)
}

/// The refusal as a call's error. Only messages depend on a subscription, so a limit is the only possible reason.
fn limit_only(halt: OperationError<Refusal>) -> OperationError<BeginCallError> {
    match halt {
        OperationError::Refused(Refusal::Limit(limit)) => OperationError::Refused(BeginCallError::Limit(limit)),
        OperationError::Refused(Refusal::SubscriptionEnded) => {
            OperationError::Database(unexpected("a connector call was refused for its subscription"))
        }
        OperationError::Database(error) => OperationError::Database(error),
        OperationError::CommitFailure(detail) => OperationError::CommitFailure(detail),
    }
}
