//! Decides which organization may ask a site next. This host sends each site one request at a time, and the organizations that
//! wait for the site take turns: a thousand pages of one organization don't hold up the first page of another.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use resly_core::id::OrganizationId;
use tokio::sync::oneshot;

/// The sites that are being asked. Cheap to clone.
#[derive(Clone, Default)]
pub struct SiteTurns(Arc<Mutex<HashMap<String, Queue>>>);

/// Those who wait for a site, by organization. The first organization is next.
#[derive(Default)]
struct Queue(VecDeque<(OrganizationId, VecDeque<oneshot::Sender<SiteTurn>>)>);

/// The site may be asked until this is dropped.
pub struct SiteTurn {
    turns: SiteTurns,
    site: String,
}

impl Queue {
    fn push(&mut self, organization: OrganizationId, waiter: oneshot::Sender<SiteTurn>) {
        match self.0.iter_mut().find(|(of, _)| *of == organization) {
            Some((_, waiters)) => waiters.push_back(waiter),
            None => self.0.push_back((organization, VecDeque::from([waiter]))),
        }
    }

    /// The next one. Its organization comes last from now on.
    fn pop(&mut self) -> Option<oneshot::Sender<SiteTurn>> {
        let (organization, mut waiters) = self.0.pop_front()?;
        let next = waiters.pop_front();
        if !waiters.is_empty() {
            self.0.push_back((organization, waiters));
        }
        next
    }
}

impl SiteTurns {
    /// Waits until the organization may ask the site.
    pub async fn wait_turn(&self, organization: OrganizationId, site: &str) -> SiteTurn {
        let free = || SiteTurn { turns: self.clone(), site: site.to_owned() };
        let waiting = {
            let mut sites = self.lock();
            match sites.get_mut(site) {
                None => {
                    sites.insert(site.to_owned(), Queue::default());
                    return free();
                }
                Some(queue) => {
                    let (waiter, waiting) = oneshot::channel();
                    queue.push(organization, waiter);
                    waiting
                }
            }
        };
        // The site's turn is always passed on.
        waiting.await.unwrap_or_else(|_| free())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next one who waits for a site, and forgets the site when nobody does.
    fn next(&self, site: &str) -> Option<oneshot::Sender<SiteTurn>> {
        let mut sites = self.lock();
        let next = sites.get_mut(site)?.pop();
        if next.is_none() {
            sites.remove(site);
        }
        next
    }
}

impl Drop for SiteTurn {
    fn drop(&mut self) {
        if let Some(waiter) = self.turns.next(&self.site) {
            // Who has given up gives the turn back, and dropping that passes it on to the next one.
            drop(waiter.send(Self { turns: self.turns.clone(), site: std::mem::take(&mut self.site) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const SITE: &str = "https://a.example";

    fn organization(n: u128) -> OrganizationId {
        OrganizationId(uuid::Uuid::from_u128(n))
    }

    #[tokio::test]
    async fn organizations_take_turns_at_a_site() {
        let turns = SiteTurns::default();
        let mut turn = Some(turns.wait_turn(organization(1), SITE).await);
        // The first organization asks five times before the others come.
        let asked = [1, 1, 1, 1, 1, 2, 3, 2];
        let mut waiting: Vec<_> =
            asked.iter().map(|n| (*n, Box::pin(turns.wait_turn(organization(*n), SITE)))).collect();
        for (_, waits) in &mut waiting {
            assert!(waits.as_mut().now_or_never().is_none(), "one request at a time");
        }
        assert!(
            turns.wait_turn(organization(1), "https://b.example").now_or_never().is_some(),
            "each site has its own"
        );
        let mut order = Vec::new();
        while let Some(ended) = turn.take() {
            drop(ended);
            let mut still = Vec::new();
            for (n, mut waits) in waiting {
                match waits.as_mut().now_or_never() {
                    Some(next) => {
                        order.push(n);
                        assert!(turn.replace(next).is_none(), "one request at a time");
                    }
                    None => still.push((n, waits)),
                }
            }
            waiting = still;
        }
        assert_eq!(order, [1, 2, 3, 1, 2, 1, 1, 1]);
        assert!(turns.lock().is_empty(), "nothing is remembered of a site that nobody asks");
    }

    #[tokio::test]
    async fn who_gives_up_holds_up_nobody() {
        let turns = SiteTurns::default();
        let first = turns.wait_turn(organization(1), SITE).await;
        let mut gone: Vec<_> = (2..50).map(|n| Box::pin(turns.wait_turn(organization(n), SITE))).collect();
        for waits in &mut gone {
            assert!(waits.as_mut().now_or_never().is_none());
        }
        let mut last = Box::pin(turns.wait_turn(organization(99), SITE));
        assert!(last.as_mut().now_or_never().is_none());
        // One has got its turn, and gives up before it takes it.
        drop(first);
        drop(gone);
        let last = last.as_mut().now_or_never().expect("it is its turn");
        drop(last);
        assert!(turns.lock().is_empty());
    }
}
