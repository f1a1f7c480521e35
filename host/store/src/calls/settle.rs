//! Settles calls that ended: what they burnt is counted, and what was reserved for them is free again.

use resly_core::{
    connector::connection::Environment,
    id::{CallId, OrganizationId},
    meter::Meter,
    time::{Period, Timestamp},
};

use crate::{
    billing::{self, Kind, Origin},
    log_budget::LogDetail,
    logs,
    row_id::row_id,
    sql::{Conn, execute, row},
    thresholds::{self, Reading},
    types::{Count, Id, Time},
    usage,
};

#[derive(sqlx_macros::FromRow)]
struct Reservation {
    period_start: Time,
    fuel: Count,
    released: bool,
}

/// Fuel that was burnt.
pub(crate) struct Burnt {
    pub organization: OrganizationId,
    pub environment: &'static str,
    pub fuel: u64,
    pub at: Timestamp,
}

/// A reservation that was deleted, and not yet taken off the count.
struct Freed {
    /// The month that it counts for.
    period: Time,
    /// What to take off. `None` when its lease had ended, because then that is done.
    open: Option<Count>,
}

async fn free(
    db: &mut Conn<'_>,
    id: CallId,
    organization: OrganizationId,
    at: Timestamp,
) -> Result<Freed, sqlx::Error> {
    let reservation = row!(
        db,
        Reservation,
        "DELETE FROM call_reservations WHERE id = $1 AND organization_id = $2 RETURNING period_start, fuel, released",
        Id(id.0),
        Id(organization.0)
    )?;
    Ok(match reservation {
        Some(Reservation { period_start, fuel, released }) => {
            Freed { period: period_start, open: (!released).then_some(fuel) }
        }
        None => Freed { period: Time(Period::containing(at).start), open: None },
    })
}

/// Counts the fuel that was burnt and frees the reservation. Returns the month that it counts for, and whether the
/// reservation was still open.
pub(crate) async fn settle_fuel(db: &mut Conn<'_>, id: CallId, burnt: &Burnt) -> Result<(Time, bool), sqlx::Error> {
    let freed = free(db, id, burnt.organization, burnt.at).await?;
    burn(db, burnt, &freed).await?;
    Ok((freed.period, freed.open.is_some()))
}

/// The size of the day's log in bytes, with a call's row. `None` when no row is written.
struct LogBytes(Option<u64>);

/// Writes the log row of a call that ended. `None` when that was done before.
async fn log(db: &mut Conn<'_>, kept: &LogDetail) -> Result<Option<LogBytes>, sqlx::Error> {
    if !kept.written {
        return Ok(Some(LogBytes(None)));
    }
    Ok(logs::insert(db, kept).await?.map(|bytes| LogBytes(Some(bytes))))
}

fn burnt_by(kept: &LogDetail) -> Burnt {
    let record = &kept.record;
    let environment = record.environment.name();
    Burnt { organization: record.organization, environment, fuel: record.cost.fuel, at: record.created_at }
}

/// Writes the log row and settles the reservation. Returns the size of the day's log, when a row was written.
pub(crate) async fn finish(db: &mut Conn<'_>, kept: &LogDetail) -> Result<Option<u64>, sqlx::Error> {
    let record = &kept.record;
    let Some(LogBytes(log_bytes)) = log(db, kept).await? else { return Ok(None) };
    let (period, open) = settle_fuel(db, record.id, &burnt_by(kept)).await?;
    if record.environment == Environment::Sandbox {
        return Ok(log_bytes);
    }
    let (kind, subject, now) = (Kind::ConnectorCall, Some(record.id.0), record.created_at);
    let of = Origin { key: record.key, connection: Some(record.connection), conversation: record.conversation };
    if open {
        let meter = Meter::ConnectorCalls;
        billing::enter(db, record.organization, kind, meter, 1, subject, of, period, now).await?;
    }
    if record.cost.fuel > 0 {
        let fuel = i64::try_from(record.cost.fuel).unwrap_or(i64::MAX);
        billing::enter(db, record.organization, kind, Meter::Fuel, fuel, subject, of, period, now).await?;
    }
    Ok(log_bytes)
}

/// The same for a call that never ran. Its count is taken back, unless its lease ended, because then it was billed.
pub(crate) async fn refund_call(db: &mut Conn<'_>, kept: &LogDetail) -> Result<Option<u64>, sqlx::Error> {
    let record = &kept.record;
    let Some(LogBytes(log_bytes)) = log(db, kept).await? else { return Ok(None) };
    let freed = free(db, record.id, record.organization, record.created_at).await?;
    if freed.open.is_some() || record.environment == Environment::Sandbox {
        execute!(
            db,
            "UPDATE usage SET used = used - 1, updated_at = $4
             WHERE organization_id = $1 AND period_start = $2 AND meter = 'connector_calls' AND environment = $3
               AND used > 0",
            Id(record.organization.0),
            freed.period,
            record.environment.name(),
            Time(record.created_at)
        )?;
    }
    burn(db, &burnt_by(kept), &freed).await?;
    Ok(log_bytes)
}

/// Counts the fuel that was burnt, and takes the reservation off.
async fn burn(db: &mut Conn<'_>, burnt: &Burnt, freed: &Freed) -> Result<(), sqlx::Error> {
    let counted = row!(
        db,
        (Count, Option<Count>),
        "INSERT INTO usage (id, organization_id, period_start, meter, environment, used, minute, minute_used, created_at,
                            updated_at)
         VALUES ($1, $2, $3, 'fuel', $4, $5, $8, $5, $6, $6)
         ON CONFLICT (organization_id, period_start, meter, environment) DO UPDATE
         SET used = usage.used + excluded.used, reserved = usage.reserved - $7, updated_at = excluded.updated_at,
             minute_used = excluded.minute_used
                 + CASE WHEN usage.minute - excluded.minute IN (0, 1) THEN usage.minute_used ELSE 0 END,
             minute = CASE WHEN usage.minute - excluded.minute = 1 THEN usage.minute ELSE excluded.minute END
         RETURNING used, plan_limit",
        row_id(burnt.at),
        Id(burnt.organization.0),
        freed.period,
        burnt.environment,
        Count(burnt.fuel),
        Time(burnt.at),
        freed.open.unwrap_or(Count(0)),
        usage::minute_of(burnt.at)
    )?;
    let Some((used, limit)) = counted else { return Ok(()) };
    let limit = limit.map(|limit| limit.0).filter(|_| burnt.environment == Environment::Production.name());
    let reading = Reading { meter: Meter::Fuel, before: used.0.saturating_sub(burnt.fuel), used: used.0, limit };
    thresholds::record(db, burnt.organization, reading, Period::containing(freed.period.0), burnt.at).await
}
