//! Sheds load. When questions come faster than the host accepts them, it refuses some at once, so that it answers the
//! others in time.
//!
//! The rule is that of CoDel (RFC 8289): a queue that empties now and then is a burst and does no harm; a queue that
//! doesn't empty is overload, and waiting in it helps nobody. There are two queues: that of the questions which wait for
//! a place, and that of the tasks which wait for a processor. The second one sees what a place doesn't: answers that
//! are being written.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::yield_now,
    time::timeout,
};

use crate::metrics::{Metrics, names};

/// Questions that are accepted at the same time. More of them don't make the host faster: the processor and the
/// database's commits are the bound.
const PLACES: usize = 64;
/// How long a question waits in a burst. A queue that hasn't been empty for so long is overload.
const BURST: Duration = Duration::from_millis(500);
/// How long a question waits in overload.
const OVERLOAD: Duration = Duration::from_millis(20);
/// How long a task waits for a processor on a host that keeps up. An answer takes about ten such waits.
const LAG: Duration = Duration::from_millis(10);
/// How long after its last refusal a host that lags still refuses at once. Load comes back sooner than a queue is empty.
const RELAPSE: Duration = Duration::from_secs(1);

/// The host accepts questions more slowly than they come. Nothing was done with this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more questions come than this host can accept; nothing was done, try again in a moment")]
pub struct Overloaded;

/// Decides how long a question waits.
#[derive(Clone, Copy, Debug)]
struct Queue {
    /// When nobody waited last.
    emptied_at: Instant,
}

impl Queue {
    fn is_overloaded(self, now: Instant) -> bool {
        now.saturating_duration_since(self.emptied_at) >= BURST
    }

    fn patience(self, now: Instant) -> Duration {
        if self.is_overloaded(now) { OVERLOAD } else { BURST }
    }
}

/// Decides whether the processors keep up.
#[derive(Clone, Copy, Debug, Default)]
struct Processors {
    /// Since when every task has waited for at least [`LAG`].
    behind_since: Option<Instant>,
    seen_at: Option<Instant>,
    refused_at: Option<Instant>,
}

impl Processors {
    /// Sees how long one task waited. Returns whether its question is to be refused.
    fn lag(&mut self, waited: Duration, now: Instant) -> bool {
        let lately = |at: Option<Instant>, within| at.is_some_and(|at| now.saturating_duration_since(at) < within);
        let was_idle = !lately(self.seen_at, BURST);
        self.seen_at = Some(now);
        if waited < LAG {
            self.behind_since = None;
            return false;
        }
        let since = self.behind_since.filter(|_| !was_idle).unwrap_or(now);
        self.behind_since = Some(since);
        let overloaded = !lately(Some(since), BURST) || lately(self.refused_at, RELAPSE);
        if overloaded {
            self.refused_at = Some(now);
        }
        overloaded
    }
}

/// Hands out the places of the questions that are being accepted.
#[derive(Debug)]
pub struct LoadShedder {
    places: Semaphore,
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
    processors: Mutex<Processors>,
    metrics: Metrics,
}

impl LoadShedder {
    pub fn new(metrics: Metrics) -> Self {
        let queue = Mutex::new(Queue { emptied_at: Instant::now() });
        Self {
            places: Semaphore::new(PLACES),
            waiting: AtomicUsize::new(0),
            queue,
            processors: Mutex::default(),
            metrics,
        }
    }

    /// Waits for a place, which is free again when the permit is dropped. Hold it only for the host's own work: not for a
    /// client's upload, and not for a model's answer.
    pub async fn enter(&self) -> Result<SemaphorePermit<'_>, Overloaded> {
        let asked = Instant::now();
        // Goes to the end of the tasks that wait for a processor.
        yield_now().await;
        let now = Instant::now();
        if self.processors().lag(now - asked, now) {
            self.metrics.count(&names::SHED, ["lag".into()]);
            return Err(Overloaded);
        }
        if let Ok(place) = self.places.try_acquire() {
            self.queue().emptied_at = Instant::now();
            return Ok(place);
        }
        let now = Instant::now();
        let queue = *self.queue();
        let waiter = Waiter::new(&self.waiting);
        let place = timeout(queue.patience(now), self.places.acquire()).await;
        if waiter.is_last() {
            self.queue().emptied_at = Instant::now();
        }
        // The semaphore is never closed, so it is the time that was up.
        place.ok().and_then(Result::ok).ok_or_else(|| {
            let reason = if queue.is_overloaded(now) { "overload" } else { "burst" };
            self.metrics.count(&names::SHED, [reason.into()]);
            Overloaded
        })
    }

    fn processors(&self) -> MutexGuard<'_, Processors> {
        self.processors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a question that waits, also when its client goes away meanwhile.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }

    fn is_last(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const SERVICE: Duration = Duration::from_millis(5);

    /// Lets questions arrive at a host that serves one in 5 ms. Returns, for each, when it came and how long it waited;
    /// `None` when it was refused.
    fn arrive(times: impl IntoIterator<Item = Duration>) -> Vec<(Duration, Option<Duration>)> {
        let start = Instant::now();
        let mut queue = Queue { emptied_at: start };
        let (mut waiting, mut seen) = (VecDeque::<(Duration, Duration)>::new(), Vec::new());
        let mut free = Duration::ZERO;
        let mut serve = |until: Duration, waiting: &mut VecDeque<_>, queue: &mut Queue| {
            while let Some((came, patience)) = waiting.front().copied() {
                let begins = free.max(came);
                let served = begins <= came + patience;
                let left = if served { begins } else { came + patience };
                if left > until {
                    break;
                }
                waiting.pop_front();
                seen.push((came, served.then(|| begins - came)));
                free = if served { begins + SERVICE } else { free };
                if waiting.is_empty() {
                    queue.emptied_at = start + left;
                }
            }
        };
        for came in times {
            serve(came, &mut waiting, &mut queue);
            waiting.push_back((came, queue.patience(start + came)));
        }
        serve(Duration::MAX, &mut waiting, &mut queue);
        seen
    }

    fn steady(every: Duration, count: u32) -> impl Iterator<Item = Duration> {
        (0..count).map(move |n| every * n)
    }

    #[test]
    fn a_burst_waits_and_is_served_whole() {
        let seen = arrive(steady(Duration::ZERO, 100));
        assert_eq!(seen.len(), 100);
        assert!(seen.iter().all(|(_, waited)| waited.is_some()));
    }

    #[test]
    fn of_a_burst_that_is_too_large_the_rest_is_refused() {
        let seen = arrive(steady(Duration::ZERO, 1_000));
        assert_eq!(seen.iter().filter(|(_, waited)| waited.is_some()).count(), 101);
    }

    #[test]
    fn in_overload_all_wait_briefly_and_the_host_stays_busy() {
        // Ten times what can be served, for three seconds.
        let seen = arrive(steady(Duration::from_micros(500), 6_000));
        let late = seen.iter().filter(|(came, _)| *came > BURST * 2);
        assert!(late.filter_map(|(_, waited)| *waited).all(|waited| waited <= OVERLOAD));
        let served = seen.iter().filter(|(_, waited)| waited.is_some()).count();
        assert!((600..=610).contains(&served), "{served} of the 600 that 3 s have room for");
    }

    #[test]
    fn after_overload_a_burst_waits_again() {
        let overload = steady(Duration::from_micros(500), 6_000);
        let burst = (0..80).map(|_| Duration::from_secs(5));
        let seen = arrive(overload.chain(burst));
        assert!(seen.iter().filter(|(came, _)| came.as_secs() == 5).all(|(_, waited)| waited.is_some()));
    }

    /// Whether each of these tasks is refused, by when it came and how long it waited for a processor, in milliseconds.
    fn refused(tasks: impl IntoIterator<Item = (u64, u64)>) -> Vec<bool> {
        let start = Instant::now();
        let mut processors = Processors::default();
        let mut lag = |(at, waited)| processors.lag(Duration::from_millis(waited), start + Duration::from_millis(at));
        tasks.into_iter().map(&mut lag).collect()
    }

    #[test]
    fn processors_that_fall_behind_for_a_moment_refuse_nobody() {
        assert_eq!(refused([(0, 300), (100, 300), (400, 450), (499, 60), (501, 9), (900, 400)]), [false; 6]);
        // Nobody knows what was between questions that are far apart.
        assert_eq!(refused([(0, 60), (5_000, 60), (10_000, 60)]), [false; 3]);
    }

    #[test]
    fn processors_that_stay_behind_refuse_who_waited_too_long() {
        let tasks = [(0, 90), (400, 90), (500, 90), (501, 9), (502, 11), (1_501, 11), (2_502, 11), (2_900, 11)];
        assert_eq!(refused(tasks), [false, false, true, false, true, true, false, false]);
    }

    #[tokio::test]
    async fn a_client_who_goes_away_while_waiting_isnt_counted() {
        let load = LoadShedder::new(Metrics::default());
        let mut held = Vec::new();
        while let Ok(place) = load.places.try_acquire() {
            held.push(place);
        }
        let mut waits = Box::pin(load.enter());
        // The first time it waits for a processor.
        assert!(futures::poll!(&mut waits).is_pending() && futures::poll!(&mut waits).is_pending());
        assert_eq!(load.waiting.load(Ordering::Relaxed), 1);
        drop(waits);
        assert_eq!(load.waiting.load(Ordering::Relaxed), 0);
        drop(held);
        drop(load.enter().await.unwrap());
    }
}
