//! The fuel that reading documents burns. A reading that ends is counted in a transaction of its own: so it counts once,
//! whatever becomes of what was read. Where the plan limits the fuel, it is reserved before, as that of a call is.

use resly_core::{
    boxed,
    connector::{
        call::{BeginCallError, FuelGrant},
        connection::Environment,
    },
    error::StoreError,
    id::{CallId, OrganizationId, SourceId},
    meter::{LimitLevel, LimitReached, LimitWindow, Meter},
    time::Timestamp,
};

use super::count_ingest;
use crate::{
    Store,
    billing::{self, Kind, Origin},
    calls::{Burnt, NewReservation, reserve, settle_fuel},
    error::OperationError,
    usage::Refusal,
};

/// The fuel of a reading that ended.
#[derive(Clone, Copy, Debug)]
pub struct BurntFuel {
    pub organization: OrganizationId,
    /// The source or the crawl that was read, on the bill.
    pub subject: SourceId,
    pub fuel: u64,
    pub now: Timestamp,
}

impl Store {
    /// Reserves fuel for a reading, as much as is asked for or left. `extend_call` reserves more. After `lease_until` it is
    /// free again.
    #[boxed]
    pub async fn reserve_reading(
        &self,
        reading: CallId,
        organization: OrganizationId,
        fuel: u64,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<FuelGrant, BeginCallError> {
        let of = NewReservation { id: reading, reading: true, lease_until };
        self.write(organization, "reserve fuel for a reading", move |mut db| {
            Box::pin(async move { reserve(&mut db, &of, organization, fuel, now).await })
        })
        .await
    }

    /// Counts the fuel that a reading burnt, and frees the rest of what was reserved for it.
    #[boxed]
    pub async fn settle_reading(&self, reading: CallId, burnt: BurntFuel) -> Result<(), StoreError> {
        let BurntFuel { organization, subject, fuel, now } = burnt;
        self.write(organization, "count what a reading burnt", move |mut db| {
            Box::pin(async move {
                let environment = Environment::Production.name();
                let (period, _) =
                    settle_fuel(&mut db, reading, &Burnt { organization, environment, fuel, at: now }).await?;
                if fuel > 0 {
                    let (fuel, subject) = (i64::try_from(fuel).unwrap_or(i64::MAX), Some(subject.0));
                    let (kind, of) = (Kind::Ingest, Origin::default());
                    billing::enter(&mut db, organization, kind, Meter::Fuel, fuel, subject, of, period, now).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Counts the fuel that a reading burnt for which none was reserved, because the plan didn't limit it when it began. If it
    /// does now, as much is counted as the limit leaves.
    #[boxed]
    pub async fn count_reading(&self, burnt: BurntFuel) -> Result<(), StoreError> {
        let BurntFuel { organization, subject, fuel, now } = burnt;
        self.write(organization, "count what a reading burnt", move |mut db| {
            Box::pin(async move {
                let mut quantity = fuel;
                // Another host may count between two statements.
                for _ in 0..2 {
                    match count_ingest(&mut db, organization, subject, Meter::Fuel, quantity, now).await {
                        Err(OperationError::Refused(Refusal::Limit(LimitReached { limit, used, .. }))) => {
                            quantity = quantity.min(limit.saturating_sub(used));
                        }
                        Err(OperationError::Database(error)) => return Err(error.into()),
                        _ => break,
                    }
                }
                Ok(())
            })
        })
        .await
    }

    /// What is left of the plan's fuel in this month, with what is reserved. `None` when it isn't limited.
    #[boxed]
    pub async fn fuel_left(
        &self,
        organization: OrganizationId,
        now: Timestamp,
    ) -> Result<Option<(u64, LimitReached)>, StoreError> {
        let report = self.usage(organization, now).await?;
        let Some(reading) = report.meters.get(&Meter::Fuel) else { return Ok(None) };
        Ok(reading.limit.map(|limit| {
            let reached = LimitReached {
                of: LimitLevel::Plan,
                per: LimitWindow::Month,
                meter: Meter::Fuel,
                limit,
                used: reading.used,
                resets_at: report.period.end,
            };
            (limit.saturating_sub(reading.used), reached)
        }))
    }
}
