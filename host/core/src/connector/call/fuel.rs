//! How much fuel is set aside for a call: what such a call usually burns, more while it runs, and a short wait where the rest
//! of the month is only set aside for others.

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

/// For an action that was never called here.
const UNKNOWN: u64 = 16_000_000;
/// What is set aside at the least: above what the sandbox asks for more at, so that a usual call never asks.
const FLOOR: u64 = 16_000_000;
/// How long a call may wait for fuel that is set aside for others.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits at most before it looks again: calls end on other hosts, too.
const LOOK: Duration = Duration::from_millis(100);
/// Calls of one organization that may wait on this host.
const WAITING: usize = 64;

type ActionOf = (OrganizationId, ConnectionId, String);

/// What calls of an action burn: the most of late.
#[derive(Clone)]
pub struct UsualFuel(Cache<ActionOf, u64>);

impl UsualFuel {
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(20_000).time_to_idle(Duration::from_secs(24 * 3600)).build())
    }

    /// What to set aside for a call whose cap is `most`: twice what the greatest of late burnt.
    pub fn expect(&self, of: &ActionOf, most: u64) -> u64 {
        self.0.get(of).map_or(UNKNOWN, |peak| peak.saturating_mul(2).max(FLOOR)).min(most)
    }

    /// Takes in what a call burnt. A great one is forgotten by an eighth with each that isn't.
    pub fn learn(&self, of: ActionOf, burnt: u64) {
        let peak = self.0.get(&of).unwrap_or(0);
        self.0.insert(of, burnt.max(peak - peak / 8));
    }
}

/// Calls that wait until fuel of their organization is free again, one after the other.
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

    /// Tells who waits that a call has given back what it didn't burn.
    pub fn freed(&self, organization: OrganizationId) {
        if let Some(queue) = self.0.get(&organization) {
            queue.freed.notify_waiters();
        }
    }

    /// Attempts something that takes fuel, again and again for a while where fuel is only set aside.
    pub async fn patiently<T, F>(
        &self,
        organization: OrganizationId,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T, BeginCallError>
    where
        F: Future<Output = Result<T, BeginCallError>> + Send,
    {
        let refused = match attempt().await {
            Err(BeginCallError::SetAside(refused)) => refused,
            done => return done,
        };
        let queue = self.0.get_with(organization, Arc::default);
        let Some(_place) = QueuePlace::take(&queue) else { return Err(BeginCallError::SetAside(refused)) };
        let until = Instant::now() + PATIENCE;
        let Ok(_turn) = timeout_at(until, queue.turn.lock()).await else {
            return Err(BeginCallError::SetAside(refused));
        };
        loop {
            let freed = queue.freed.notified();
            match attempt().await {
                Err(BeginCallError::SetAside(refused)) if Instant::now() >= until => {
                    return Err(BeginCallError::SetAside(refused));
                }
                Err(BeginCallError::SetAside(_)) => {
                    // Whichever comes first: the answer is to look again.
                    let _ = timeout(LOOK, freed).await;
                }
                done => return done,
            }
        }
    }
}

/// A place among those that wait.
struct QueuePlace<'q>(&'q Queue);

impl<'q> QueuePlace<'q> {
    fn take(queue: &'q Queue) -> Option<Self> {
        let place = Self(queue);
        // Counted before it is compared: two that come at once both see themselves.
        (queue.waiting.fetch_add(1, Ordering::AcqRel) < WAITING).then_some(place)
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Extends the reservation of one call.
pub struct Extension {
    pub store: Arc<dyn ConnectionStore>,
    pub clock: Arc<dyn Clock>,
    pub queues: FuelQueues,
    pub organization: OrganizationId,
    pub call: CallId,
    /// Why there was no more.
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
        match self.queues.patiently(self.organization, attempt).await {
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
