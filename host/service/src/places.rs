//! The places that a host has for what it reads in the background: sources, and crawls. What waits for a server has a place
//! and costs nearly nothing. What uses the processor or the embedder is at work, and few are at the same time. An
//! organization has a share of the places, so its slow sites and large files never take the last one from the others.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use resly_core::{error::StoreError, id::OrganizationId};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

/// How often what is due is looked for while something is in progress.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many places there are.
#[derive(Clone, Copy, Debug)]
pub struct PlaceLimits {
    pub in_progress: usize,
    /// Of one organization. It has to be less than `at_work`.
    pub of_one: usize,
    /// How many may use the processor or the embedder at the same time.
    pub at_work: usize,
}

#[derive(Debug)]
pub struct Places {
    limits: PlaceLimits,
    free: Arc<Semaphore>,
    work: Arc<Semaphore>,
    held: Arc<Mutex<HashMap<OrganizationId, usize>>>,
}

/// A place of an organization, until it is dropped.
#[derive(Debug)]
pub struct Place {
    organization: OrganizationId,
    held: Arc<Mutex<HashMap<OrganizationId, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub fn new(limits: PlaceLimits) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { limits, free: semaphore(limits.in_progress), work: semaphore(limits.at_work), held: Arc::default() }
    }

    /// A place for the organization, when one is free and it has less than its share.
    pub fn try_enter(&self, organization: OrganizationId) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let is_full = self.full().contains(&organization);
        (!is_full).then(|| self.enter(organization, permit))
    }

    fn enter(&self, organization: OrganizationId, permit: OwnedSemaphorePermit) -> Place {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner).entry(organization).or_default() += 1;
        Place { organization, held: Arc::clone(&self.held), _permit: permit }
    }

    /// The organizations that have their share.
    fn full(&self) -> Vec<OrganizationId> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().filter(|(_, count)| **count >= self.limits.of_one).map(|(organization, _)| *organization).collect()
    }

    /// Waits until work may begin. It may go on until the permit is dropped.
    pub async fn work(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed, and without a permit there would only be more work at the same time.
        Arc::clone(&self.work).acquire_owned().await.ok()
    }

    /// Takes what is due, of organizations that have less than their share, and works on it, until nothing is due and
    /// nothing is in progress. Returns how many were taken.
    pub async fn work_off<T, Taking, Running>(
        &self,
        take: impl Fn(Vec<OrganizationId>) -> Taking,
        run: impl Fn(T) -> Running,
    ) -> Result<usize, StoreError>
    where
        Taking: Future<Output = Result<Option<(OrganizationId, T)>, StoreError>>,
        Running: Future<Output = ()> + Send + 'static,
    {
        let (mut running, mut taken) = (JoinSet::new(), 0);
        loop {
            while running.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&self.free).acquire_owned().await else { return Ok(taken) };
            let next = match take(self.full()).await {
                Ok(next) => next,
                Err(error) => {
                    // What is in progress has its leases, and ends as it would.
                    while running.join_next().await.is_some() {}
                    return Err(error);
                }
            };
            let Some((organization, due)) = next else {
                drop(permit);
                if running.is_empty() {
                    return Ok(taken);
                }
                // More may become due meanwhile.
                drop(tokio::time::timeout(LOOK_EVERY, running.join_next()).await);
                continue;
            };
            taken += 1;
            let (place, work) = (self.enter(organization, permit), run(due));
            running.spawn(async move {
                work.await;
                drop(place);
            });
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.organization) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.organization);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(n: u128) -> OrganizationId {
        OrganizationId(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn an_organization_has_its_share_and_no_more() {
        let places = Places::new(PlaceLimits { in_progress: 3, of_one: 2, at_work: 3 });
        let (a, b, c) = (organization(1), organization(2), organization(3));
        let first = places.try_enter(a).unwrap();
        let _second = places.try_enter(a).unwrap();
        assert!(places.try_enter(a).is_none());
        assert_eq!(places.full(), [a]);
        let other = places.try_enter(b).unwrap();
        assert!(places.try_enter(c).is_none(), "every place is taken");
        drop(first);
        assert!(places.full().is_empty());
        drop((places.try_enter(a).unwrap(), other));
        assert_eq!(places.held.lock().unwrap().len(), 1, "who has none is forgotten");
    }

    #[tokio::test]
    async fn what_is_due_is_taken_of_those_with_less_than_their_share() {
        let places = Places::new(PlaceLimits { in_progress: 4, of_one: 1, at_work: 2 });
        let waiting = Mutex::new(vec![(organization(1), 1), (organization(1), 2), (organization(2), 3)]);
        let gate = Arc::new(Semaphore::new(0));
        let done = Arc::new(Mutex::new(Vec::new()));
        let take = |besides: Vec<OrganizationId>| {
            let mut waiting = waiting.lock().unwrap();
            let at = waiting.iter().position(|(organization, _)| !besides.contains(organization));
            std::future::ready(Ok(at.map(|at| waiting.remove(at))))
        };
        let run = |n| {
            let (gate, done) = (Arc::clone(&gate), Arc::clone(&done));
            async move {
                // The first one waits for the third, which isn't its organization's.
                if n == 1 {
                    drop(gate.acquire().await);
                } else if n == 3 {
                    gate.add_permits(1);
                }
                done.lock().unwrap().push(n);
            }
        };
        assert_eq!(places.work_off(take, run).await.unwrap(), 3);
        assert_eq!(*done.lock().unwrap(), [3, 1, 2]);
    }
}
