//! Decides how much fuel to set aside for a call: what such calls usually burn at first, more while it runs, and a
//! short wait when the rest of the month's fuel is set aside for other calls.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use moka::sync::Cache;
use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    connector::{
        call::{BeginCallError, ConnectionStore},
        fuel::FuelSource,
    },
    id::{CallId, ConnectionId, OrganizationId},
    time::Clock,
};

/// Fuel for an action that this host hasn't called yet.
const UNKNOWN: u64 = 16_000_000;
/// The least fuel to set aside. It is more than the level at which the sandbox asks for more, so a usual call never
/// asks.
const FLOOR: u64 = 16_000_000;
/// How long a call may wait for fuel that is set aside for others.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits before it tries again unasked, because calls on other hosts give back fuel without a notice here.
const LOOK: Duration = Duration::from_millis(100);
/// Calls of one organization that may wait on this host.
const WAITING: usize = 64;

type ActionOf = (OrganizationId, ConnectionId, String);

/// The highest fuel that recent calls of each action burnt.
#[derive(Clone)]
pub struct UsualFuel(Cache<ActionOf, u64>);

impl UsualFuel {
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(20_000).time_to_idle(Duration::from_secs(24 * 3600)).build())
    }

    /// The fuel to set aside for a call whose own cap is `most`: twice the recent peak.
    pub fn expect(&self, of: &ActionOf, most: u64) -> u64 {
        self.0.get(of).map_or(UNKNOWN, |peak| peak.saturating_mul(2).max(FLOOR)).min(most)
    }

    /// Records what a call burnt. A higher value becomes the peak; a lower one reduces the peak by at most an eighth.
    pub fn learn(&self, of: ActionOf, burnt: u64) {
        let peak = self.0.get(&of).unwrap_or(0);
        self.0.insert(of, burnt.max(peak - peak / 8));
    }
}

/// Lets calls of one organization wait in turn until others give fuel back.
#[derive(Clone)]
pub struct FuelQueues(Cache<OrganizationId, Arc<Queue>>);

#[derive(Default)]
struct Queue {
    turn: tokio::sync::Mutex<()>,
    freed: Notify,
    waiting: AtomicUsize,
}

impl FuelQueues {
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(20_000).time_to_idle(Duration::from_secs(60)).build())
    }

    /// Wakes waiting calls after a call has given back fuel.
    pub fn notify_waiters(&self, organization: OrganizationId) {
        if let Some(queue) = self.0.get(&organization) {
            queue.freed.notify_waiters();
        }
    }

    /// Repeats an attempt for up to `PATIENCE` while the fuel that it needs is set aside for others.
    pub async fn wait_for_fuel<T, F>(
        &self,
        organization: OrganizationId,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T, BeginCallError>
    where
        F: Future<Output = Result<T, BeginCallError>> + Send,
    {
        let refused = match attempt().await {
            Err(BeginCallError::LimitReserved(refused)) => refused,
            done => return done,
        };
        let queue = self.0.get_with(organization, Arc::default);
        let Some(_place) = QueuePlace::take(&queue) else { return Err(BeginCallError::LimitReserved(refused)) };
        let until = Instant::now() + PATIENCE;
        let Ok(_turn) = timeout_at(until, queue.turn.lock()).await else {
            return Err(BeginCallError::LimitReserved(refused));
        };
        loop {
            let freed = queue.freed.notified();
            match attempt().await {
                Err(BeginCallError::LimitReserved(refused)) if Instant::now() >= until => {
                    return Err(BeginCallError::LimitReserved(refused));
                }
                Err(BeginCallError::LimitReserved(_)) => {
                    // Try again after a notice as well as after a timeout.
                    let _ = timeout(LOOK, freed).await;
                }
                done => return done,
            }
        }
    }
}

/// One of the `WAITING` places in a queue.
struct QueuePlace<'q>(&'q Queue);

impl<'q> QueuePlace<'q> {
    fn take(queue: &'q Queue) -> Option<Self> {
        let place = Self(queue);
        // Count before comparing, so that two callers at once can't both take the last place.
        (queue.waiting.fetch_add(1, Ordering::AcqRel) < WAITING).then_some(place)
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Sets more fuel aside for one running call.
pub struct Extension {
    pub store: Arc<dyn ConnectionStore>,
    pub clock: Arc<dyn Clock>,
    pub queues: FuelQueues,
    pub organization: OrganizationId,
    pub call: CallId,
    /// Why the last extension was refused.
    pub refused: Mutex<Option<BeginCallError>>,
}

impl Extension {
    pub fn take_refusal(&self) -> Option<BeginCallError> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl FuelSource for Extension {
    async fn extend(&self, more: u64) -> u64 {
        let attempt = || self.store.extend_call(self.call, self.organization, more, self.clock.now());
        match self.queues.wait_for_fuel(self.organization, attempt).await {
            Ok(given) => given,
            Err(refusal) => {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_usual_is_learnt_with_a_floor_and_forgets_slowly() {
        let usual = UsualFuel::new();
        let of = || (OrganizationId(Uuid::nil()), ConnectionId(Uuid::nil()), "get".to_owned());
        assert_eq!(usual.expect(&of(), 200_000_000), UNKNOWN);
        assert_eq!(usual.expect(&of(), 5), 5, "a call's own cap stays");
        usual.learn(of(), 100_000);
        assert_eq!(usual.expect(&of(), 200_000_000), FLOOR);
        usual.learn(of(), 80_000_000);
        assert_eq!(usual.expect(&of(), 200_000_000), 160_000_000);
        usual.learn(of(), 100_000);
        assert_eq!(usual.expect(&of(), 200_000_000), 140_000_000);
        for _ in 0..40 {
            usual.learn(of(), 100_000);
        }
        assert_eq!(usual.expect(&of(), 200_000_000), FLOOR);
    }
}
