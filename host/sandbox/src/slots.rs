//! Places for instances, shared so that no organization can take all of them.
//!
//! An organization may take another place while it holds less than three times the number of free ones. So one alone gets
//! three quarters. However many organizations take all they can, some places stay free for the next one.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use resly_core::id::OrganizationId;
use tokio::sync::oneshot;

const SHARE: u32 = 3;

/// A pool of places, with a queue.
#[derive(Clone)]
pub struct Slots(Arc<Pool>);

struct Pool {
    total: u32,
    /// The most of one organization that may wait.
    queue: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    free: u32,
    organizations: HashMap<OrganizationId, OrganizationSlots>,
    /// Organizations with somebody waiting, in the order of their turns.
    turns: VecDeque<OrganizationId>,
}

#[derive(Default)]
struct OrganizationSlots {
    held: u32,
    waiting: VecDeque<oneshot::Sender<Slot>>,
}

/// A place. Dropping it releases it.
pub struct Slot {
    pool: Arc<Pool>,
    organization: OrganizationId,
}

/// The organization's queue is full.
#[derive(Debug, thiserror::Error)]
#[error("too many calls of this organization are waiting")]
pub struct QueueFull;

impl Slots {
    pub fn new(total: u32, queue: usize) -> Self {
        let inner = Inner { free: total, organizations: HashMap::new(), turns: VecDeque::new() };
        Self(Arc::new(Pool { total, queue, inner: Mutex::new(inner) }))
    }

    /// Takes a place, or waits for one. Dropping the future leaves the queue.
    pub async fn acquire(&self, organization: OrganizationId) -> Result<Slot, QueueFull> {
        let place = {
            let mut inner = self.0.lock();
            let Inner { free, organizations, turns } = &mut *inner;
            let holder = organizations.entry(organization).or_default();
            if holder.waiting.is_empty() && holder.may_take(*free) {
                holder.held += 1;
                *free -= 1;
                return Ok(Slot { pool: Arc::clone(&self.0), organization });
            }
            if holder.waiting.len() >= self.0.queue {
                holder.waiting.retain(|waiting| !waiting.is_closed());
            }
            if holder.waiting.len() >= self.0.queue {
                return Err(QueueFull);
            }
            if holder.waiting.is_empty() && !turns.contains(&organization) {
                turns.push_back(organization);
            }
            let (sender, place) = oneshot::channel();
            holder.waiting.push_back(sender);
            place
        };
        // The sender is dropped unused only when the pool is dropped.
        place.await.map_err(|_| QueueFull)
    }

    pub fn taken(&self) -> u32 {
        self.0.total - self.0.lock().free
    }

    pub fn waiting(&self) -> usize {
        let inner = self.0.lock();
        inner.organizations.values().flat_map(|holder| &holder.waiting).filter(|waiting| !waiting.is_closed()).count()
    }
}

impl OrganizationSlots {
    fn may_take(&self, free: u32) -> bool {
        free > 0 && self.held < free * SHARE
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes a place for the first in the queue that may have one.
    fn next(&mut self) -> Option<(OrganizationId, oneshot::Sender<Slot>)> {
        for _ in 0..self.turns.len() {
            let organization = self.turns.pop_front()?;
            let Some(holder) = self.organizations.get_mut(&organization) else { continue };
            while holder.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                holder.waiting.pop_front();
            }
            if !holder.may_take(self.free) {
                if !holder.waiting.is_empty() {
                    self.turns.push_back(organization);
                }
                continue;
            }
            let Some(sender) = holder.waiting.pop_front() else { continue };
            holder.held += 1;
            self.free -= 1;
            if !holder.waiting.is_empty() {
                self.turns.push_back(organization);
            }
            return Some((organization, sender));
        }
        None
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        {
            let mut inner = self.pool.lock();
            inner.free += 1;
            if let Some(holder) = inner.organizations.get_mut(&self.organization) {
                holder.held -= 1;
                if holder.held == 0 && holder.waiting.is_empty() {
                    inner.organizations.remove(&self.organization);
                }
            }
        }
        loop {
            let next = self.pool.lock().next();
            let Some((organization, sender)) = next else { return };
            // If the receiver is gone, dropping the place releases it.
            drop(sender.send(Self { pool: Arc::clone(&self.pool), organization }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;

    fn organization(n: u128) -> OrganizationId {
        OrganizationId(Uuid::from_u128(n))
    }

    fn now(slots: &Slots, n: u128) -> Option<Slot> {
        slots.acquire(organization(n)).now_or_never().and_then(Result::ok)
    }

    fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        future.now_or_never()
    }

    #[test]
    fn one_organization_leaves_places_for_the_next() {
        let slots = Slots::new(64, 8);
        let first: Vec<_> = std::iter::from_fn(|| now(&slots, 1)).collect();
        assert_eq!(first.len(), 48);
        let second: Vec<_> = std::iter::from_fn(|| now(&slots, 2)).collect();
        assert_eq!(second.len(), 12);
        assert!(now(&slots, 3).is_some());
    }

    #[test]
    fn those_who_wait_are_served_in_turn_and_gone_ones_passed_over() {
        let slots = Slots::new(1, 2);
        let held = now(&slots, 1).unwrap();
        let mut impatient = Box::pin(slots.acquire(organization(1)));
        let mut patient = Box::pin(slots.acquire(organization(1)));
        assert!(poll(&mut impatient).is_none() && poll(&mut patient).is_none());
        assert!(matches!(slots.acquire(organization(1)).now_or_never(), Some(Err(QueueFull))));
        let mut other = Box::pin(slots.acquire(organization(2)));
        assert!(poll(&mut other).is_none());
        drop(impatient);
        drop(held);
        let first = poll(&mut patient).expect("its turn came").unwrap();
        assert!(poll(&mut other).is_none());
        drop(first);
        drop(poll(&mut other).expect("its turn came").unwrap());
        assert_eq!((slots.taken(), slots.waiting()), (0, 0));
    }

    #[test]
    fn a_small_pool_still_serves_one_organization() {
        let slots = Slots::new(1, 0);
        let held = now(&slots, 1);
        assert!(held.is_some() && now(&slots, 1).is_none());
        drop(held);
        assert!(now(&slots, 1).is_some());
    }
}
