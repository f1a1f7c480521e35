//! The fuel of one call. It starts with what such calls usually burn, and may get more while it runs, up to its own cap
//! and the organization's monthly limit.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::boxed;
use async_trait::async_trait;

/// The least fuel by which a reserve grows.
const STEP: u64 = 16_000_000;

/// Provides more fuel for a reserve.
#[async_trait]
pub trait FuelSource: Send + Sync + 'static {
    /// Sets more fuel aside, perhaps after a short wait. Returns the amount. Less than `more` means that no more is
    /// left.
    async fn extend(&self, more: u64) -> u64;
}

/// The fuel set aside for one call. The call can't burn more than that, but the reserve may grow.
pub struct FuelReserve {
    granted: AtomicU64,
    /// The call's own cap.
    most: u64,
    source: Arc<dyn FuelSource>,
    /// Whether the source has nothing left.
    ended: AtomicBool,
}

impl FuelReserve {
    pub fn new(granted: u64, most: u64, source: Arc<dyn FuelSource>) -> Self {
        Self { granted: AtomicU64::new(granted), most, source, ended: AtomicBool::new(granted >= most) }
    }

    /// A part of a call's reserve with a cap of its own. Its growth is also the whole's growth.
    pub fn part(whole: &Arc<Self>, granted: u64, most: u64) -> Self {
        Self::new(granted, most, Arc::clone(whole) as Arc<dyn FuelSource>)
    }

    /// All fuel that was set aside so far.
    pub fn granted(&self) -> u64 {
        self.granted.load(Ordering::Acquire)
    }

    pub fn may_grow(&self) -> bool {
        !self.ended.load(Ordering::Acquire)
    }

    /// Doubles the reserve, or adds `STEP` if that is more, so that a long call seldom asks.
    #[boxed]
    pub async fn grow(&self) {
        self.grow_by(self.granted().max(STEP)).await;
    }

    async fn grow_by(&self, more: u64) -> u64 {
        let more = more.min(self.most.saturating_sub(self.granted()));
        let got = if more > 0 && self.may_grow() { self.source.extend(more).await.min(more) } else { 0 };
        let granted = self.granted.fetch_add(got, Ordering::AcqRel) + got;
        if got < more || granted >= self.most {
            self.ended.store(true, Ordering::Release);
        }
        got
    }
}

#[async_trait]
impl FuelSource for FuelReserve {
    async fn extend(&self, more: u64) -> u64 {
        self.grow_by(more).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tank(AtomicU64);

    #[async_trait]
    impl FuelSource for Tank {
        async fn extend(&self, more: u64) -> u64 {
            let left = self.0.load(Ordering::Acquire);
            let given = more.min(left);
            self.0.fetch_sub(given, Ordering::AcqRel);
            given
        }
    }

    #[tokio::test]
    async fn a_reserve_doubles_until_its_cap() {
        let reserve = FuelReserve::new(STEP, 5 * STEP, Arc::new(Tank(AtomicU64::new(u64::MAX))));
        let mut seen = Vec::new();
        while reserve.may_grow() {
            reserve.grow().await;
            seen.push(reserve.granted() / STEP);
        }
        assert_eq!(seen, [2, 4, 5]);
        reserve.grow().await;
        assert_eq!(reserve.granted(), 5 * STEP);
    }

    #[tokio::test]
    async fn what_a_part_is_given_is_the_whole_s_and_the_last_is_the_last() {
        let whole = Arc::new(FuelReserve::new(10, u64::MAX, Arc::new(Tank(AtomicU64::new(STEP + 7)))));
        let part = FuelReserve::part(&whole, 10, STEP + 2);
        part.grow().await;
        assert_eq!((part.granted(), part.may_grow()), (STEP + 2, false), "its own cap");
        assert_eq!((whole.granted(), whole.may_grow()), (STEP + 2, true));
        whole.grow().await;
        assert_eq!((whole.granted(), whole.may_grow()), (STEP + 17, false));
    }
}
