//! Thresholds of a month's limits: 70, 90 and 100 percent. Each is told once for each meter and month.
//!
//! In a month a meter's counts come one after the other, since each locks the meter's row. So exactly one count takes it
//! past a threshold, however many count at once; only that one writes anything. A refund, and a limit that changes, may
//! let a meter pass a threshold again: the journal's unique index refuses the second entry.

use resly_core::{
    id::OrganizationId,
    meter::Meter,
    time::{Period, Timestamp},
};

use crate::{
    billing::{self, Threshold},
    sql::Conn,
};

const PERCENTS: [u64; 3] = [70, 90, 100];

/// A meter after a count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub meter: Meter,
    /// What was used before the count.
    pub before: u64,
    pub used: u64,
    pub limit: Option<u64>,
}

/// The thresholds that are above what was used before, and not above what is used now.
fn crossed(reading: Reading) -> impl Iterator<Item = Threshold> {
    let Reading { meter, before, used, limit } = reading;
    let limit = limit.unwrap_or(0);
    let reaches = move |used: u64, percent: u64| u128::from(used) * 100 >= u128::from(limit) * u128::from(percent);
    PERCENTS
        .into_iter()
        .filter(move |percent| limit > 0 && reaches(used, *percent) && !reaches(before, *percent))
        .map(move |percent| Threshold { meter, percent, used, limit })
}

/// Writes and tells the thresholds that a count crossed.
pub(crate) async fn record(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    reading: Reading,
    period: Period,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    for threshold in crossed(reading) {
        billing::announce_threshold(db, organization, &threshold, period, now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percents(before: u64, used: u64, limit: Option<u64>) -> Vec<u64> {
        crossed(Reading { meter: Meter::Messages, before, used, limit }).map(|threshold| threshold.percent).collect()
    }

    #[test]
    fn a_threshold_is_crossed_by_the_count_that_reaches_it() {
        assert_eq!(percents(68, 69, Some(100)), [0_u64; 0]);
        assert_eq!(percents(69, 70, Some(100)), [70]);
        assert_eq!(percents(70, 71, Some(100)), [0_u64; 0]);
        assert_eq!(percents(0, 100, Some(100)), [70, 90, 100]);
        assert_eq!(percents(2, 3, Some(3)), [70, 90, 100], "a small limit");
        assert_eq!(percents(1, 2, Some(3)), [0_u64; 0]);
        assert_eq!(percents(0, 5, None), [0_u64; 0]);
        assert_eq!(percents(0, 5, Some(0)), [0_u64; 0]);
        let great = u64::MAX / 2;
        assert_eq!(percents(great - 1, great, Some(great)), [100]);
    }
}
