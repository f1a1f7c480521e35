//! The places that a host has for what it reads in the background: files, pages, and crawls. What waits for a server has a
//! place and costs nearly nothing. What uses the processor or the embedder is at work, and few are at the same time. An
//! organization has a share of the places, so its slow sites and large files never take the last one from the others, and one
//! place for the pages of each site, so its pages never wait for each other in a place.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use resly_core::{error::StoreError, id::OrganizationId};
use resly_store::{DueCrawl, DueSource, Exclusions};
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

/// What takes a place.
pub trait Due {
    fn organization(&self) -> OrganizationId;
    /// The site that is asked, where the organization asks it once at a time.
    fn site(&self) -> Option<&str>;
}

impl Due for DueSource {
    fn organization(&self) -> OrganizationId {
        self.organization
    }

    fn site(&self) -> Option<&str> {
        self.site.as_deref()
    }
}

impl Due for DueCrawl {
    fn organization(&self) -> OrganizationId {
        self.organization
    }

    fn site(&self) -> Option<&str> {
        None
    }
}

#[derive(Debug)]
pub struct Places {
    limits: PlaceLimits,
    free: Arc<Semaphore>,
    work: Arc<Semaphore>,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    places: HashMap<OrganizationId, usize>,
    sites: HashSet<(OrganizationId, String)>,
}

/// A place of an organization, until it is dropped.
#[derive(Debug)]
pub struct Place {
    organization: OrganizationId,
    site: Option<String>,
    held: Arc<Mutex<Held>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub fn new(limits: PlaceLimits) -> Self {
        let semaphore = |places| Arc::new(Semaphore::new(places));
        Self { limits, free: semaphore(limits.in_progress), work: semaphore(limits.at_work), held: Arc::default() }
    }

    /// A place for the organization, when one is free, it has less than its share, and none for the same site.
    pub fn try_enter(&self, organization: OrganizationId, site: Option<&str>) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let Exclusions { organizations, sites } = self.excluded();
        let asks = sites.iter().any(|(of, asked)| *of == organization && Some(asked.as_str()) == site);
        (!asks && !organizations.contains(&organization)).then(|| self.enter(organization, site, permit))
    }

    fn enter(&self, organization: OrganizationId, site: Option<&str>, permit: OwnedSemaphorePermit) -> Place {
        let mut held = lock(&self.held);
        *held.places.entry(organization).or_default() += 1;
        held.sites.extend(site.map(|site| (organization, site.to_owned())));
        Place { organization, site: site.map(str::to_owned), held: Arc::clone(&self.held), _permit: permit }
    }

    /// The organizations that have their share, and the sites that are asked.
    fn excluded(&self) -> Exclusions {
        let held = lock(&self.held);
        let full = held.places.iter().filter(|(_, count)| **count >= self.limits.of_one);
        Exclusions {
            organizations: full.map(|(organization, _)| *organization).collect(),
            sites: held.sites.iter().cloned().collect(),
        }
    }

    /// Waits until work may begin. It may go on until the permit is dropped.
    pub async fn work(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed, and without a permit there would only be more work at the same time.
        Arc::clone(&self.work).acquire_owned().await.ok()
    }

    /// Takes what is due and isn't excluded, and works on it, until nothing is due and nothing is in progress. Returns how
    /// many were taken.
    pub async fn work_off<T, Taking, Running>(
        &self,
        take: impl Fn(Exclusions) -> Taking,
        run: impl Fn(T) -> Running,
    ) -> Result<usize, StoreError>
    where
        T: Due,
        Taking: Future<Output = Result<Option<T>, StoreError>>,
        Running: Future<Output = ()> + Send + 'static,
    {
        let (mut running, mut taken) = (JoinSet::new(), 0);
        loop {
            while running.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&self.free).acquire_owned().await else { return Ok(taken) };
            let next = match take(self.excluded()).await {
                Ok(next) => next,
                Err(error) => {
                    // What is in progress has its leases, and ends as it would.
                    while running.join_next().await.is_some() {}
                    return Err(error);
                }
            };
            let Some(due) = next else {
                drop(permit);
                if running.is_empty() {
                    return Ok(taken);
                }
                // More may become due meanwhile.
                drop(tokio::time::timeout(LOOK_EVERY, running.join_next()).await);
                continue;
            };
            taken += 1;
            let place = self.enter(due.organization(), due.site(), permit);
            let work = run(due);
            running.spawn(async move {
                work.await;
                drop(place);
            });
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(count) = held.places.get_mut(&self.organization) {
            *count -= 1;
            if *count == 0 {
                held.places.remove(&self.organization);
            }
        }
        if let Some(site) = self.site.take() {
            held.sites.remove(&(self.organization, site));
        }
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
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
        let first = places.try_enter(a, None).unwrap();
        let _second = places.try_enter(a, None).unwrap();
        assert!(places.try_enter(a, None).is_none());
        assert_eq!(places.excluded().organizations, [a]);
        let other = places.try_enter(b, None).unwrap();
        assert!(places.try_enter(c, None).is_none(), "every place is taken");
        drop(first);
        assert!(places.excluded().organizations.is_empty());
        drop((places.try_enter(a, None).unwrap(), other));
        assert_eq!(lock(&places.held).places.len(), 1, "who has none is forgotten");
    }

    #[test]
    fn the_pages_of_a_site_have_one_place_of_an_organization() {
        let places = Places::new(PlaceLimits { in_progress: 9, of_one: 3, at_work: 4 });
        let (a, b) = (organization(1), organization(2));
        let first = places.try_enter(a, Some("https://x.example")).unwrap();
        assert!(places.try_enter(a, Some("https://x.example")).is_none());
        let _others = (places.try_enter(a, Some("https://y.example")), places.try_enter(b, Some("https://x.example")));
        assert_eq!(lock(&places.held).sites.len(), 3);
        drop(first);
        assert!(places.try_enter(a, Some("https://x.example")).is_some());
    }

    /// Something that waits.
    struct Waiting(OrganizationId, usize);

    impl Due for Waiting {
        fn organization(&self) -> OrganizationId {
            self.0
        }

        fn site(&self) -> Option<&str> {
            None
        }
    }

    #[tokio::test]
    async fn what_is_due_is_taken_of_those_with_less_than_their_share() {
        let places = Places::new(PlaceLimits { in_progress: 4, of_one: 1, at_work: 2 });
        let due = [(organization(1), 1), (organization(1), 2), (organization(2), 3)];
        let waiting = Mutex::new(due.map(|(organization, n)| Waiting(organization, n)).into_iter().collect::<Vec<_>>());
        let gate = Arc::new(Semaphore::new(0));
        let done = Arc::new(Mutex::new(Vec::new()));
        let take = |excluded: Exclusions| {
            let mut waiting = waiting.lock().unwrap();
            let at = waiting.iter().position(|due| !excluded.organizations.contains(&due.0));
            std::future::ready(Ok(at.map(|at| waiting.remove(at))))
        };
        let run = |Waiting(_, n)| {
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
