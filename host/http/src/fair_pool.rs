//! Threads for work that would block async workers, such as reading large bodies and checking uploads.
//!
//! A pool has few threads, so that however many requests bring such work, chats keep the other processors.
//! Organizations take turns, and each may have a bounded number of jobs waiting.

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use resly_core::id::OrganizationId;
use tokio::sync::oneshot;

/// Jobs of one organization that may wait.
const QUEUE: usize = 32;

type Job = Box<dyn FnOnce() + Send>;

/// The pool. When it is dropped, each thread ends after its job.
pub struct FairPool(Arc<Shared>);

struct Shared {
    queues: Mutex<Queues>,
    available: Condvar,
}

#[derive(Default)]
struct Queues {
    /// Organizations with waiting jobs, in the order of their turns.
    turns: VecDeque<OrganizationId>,
    waiting: HashMap<OrganizationId, VecDeque<Job>>,
    stopped: bool,
}

/// Why a job didn't run to its end.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("{QUEUE} requests of this organization are waiting to be read already")]
    Full,
    #[error("the job panicked, or the host is shutting down")]
    Ended,
}

impl FairPool {
    /// Starts the threads. Each lowers its own priority by `nice` (nice(2), which on Linux is a thread's own).
    pub fn start(name: &str, threads: usize, nice: i32) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queues: Mutex::default(), available: Condvar::new() });
        let pool = Self(Arc::clone(&shared));
        for n in 0..threads.max(1) {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("{name}-{n}")).spawn(move || {
                if let Err(error) = rustix::process::nice(nice) {
                    tracing::debug!(%error, "a thread keeps its usual priority");
                }
                while let Some(job) = shared.next() {
                    job();
                }
            })?;
        }
        Ok(pool)
    }

    /// Runs `work` in the organization's turn. A job whose caller has gone away is skipped.
    pub async fn run<T: Send + 'static>(
        &self,
        organization: OrganizationId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (sender, done) = oneshot::channel();
        self.0.push(
            organization,
            Box::new(move || {
                if sender.is_closed() {
                    return;
                }
                // A panic drops the sender, and the thread goes on.
                if let Ok(result) = std::panic::catch_unwind(AssertUnwindSafe(work)) {
                    // Nobody wants the result when the caller has stopped waiting.
                    drop(sender.send(result));
                }
            }),
        )?;
        done.await.map_err(|_| PoolError::Ended)
    }
}

impl Drop for FairPool {
    fn drop(&mut self) {
        let left = {
            let mut queues = self.0.lock();
            queues.stopped = true;
            queues.turns.clear();
            std::mem::take(&mut queues.waiting)
        };
        self.0.available.notify_all();
        // Dropped outside of the lock, because that may wake other tasks.
        drop(left);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, organization: OrganizationId, job: Job) -> Result<(), PoolError> {
        let mut queues = self.lock();
        let Queues { turns, waiting, .. } = &mut *queues;
        let queue = waiting.entry(organization).or_default();
        if queue.len() >= QUEUE {
            return Err(PoolError::Full);
        }
        if queue.is_empty() {
            turns.push_back(organization);
        }
        queue.push_back(job);
        drop(queues);
        self.available.notify_one();
        Ok(())
    }

    /// Waits for the next job. `None` when the pool is gone.
    fn next(&self) -> Option<Job> {
        let mut queues = self.lock();
        loop {
            if queues.stopped {
                return None;
            }
            if let Some(job) = queues.next() {
                return Some(job);
            }
            queues = self.available.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queues {
    fn next(&mut self) -> Option<Job> {
        let organization = self.turns.pop_front()?;
        let queue = self.waiting.get_mut(&organization)?;
        let job = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&organization);
        } else {
            self.turns.push_back(organization);
        }
        job
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;

    fn organization(n: u128) -> OrganizationId {
        OrganizationId(Uuid::from_u128(n))
    }

    /// A pool whose one thread is busy until the sender is used.
    async fn busy(pool: &FairPool) -> mpsc::Sender<()> {
        let (free, held) = mpsc::channel::<()>();
        let (started, running) = oneshot::channel();
        let job = move || {
            let _ = started.send(());
            let _ = held.recv();
        };
        pool.0.push(organization(0), Box::new(job)).unwrap();
        running.await.unwrap();
        free
    }

    #[tokio::test]
    async fn organizations_take_turns() {
        let pool = FairPool::start("test", 1, 0).unwrap();
        let free = busy(&pool).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut jobs: Vec<_> = [1, 1, 1, 2]
            .into_iter()
            .enumerate()
            .map(|(at, of)| {
                let order = Arc::clone(&order);
                Box::pin(pool.run(organization(of), move || order.lock().unwrap().push(at)))
            })
            .collect();
        for job in &mut jobs {
            assert!(job.now_or_never().is_none());
        }
        free.send(()).unwrap();
        for job in jobs {
            job.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 3, 1, 2]);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_caller_who_left_is_skipped() {
        let pool = FairPool::start("test", 1, 0).unwrap();
        let free = busy(&pool).await;
        let ran = Arc::new(Mutex::new(0));
        let mut waiting: Vec<_> = (0..QUEUE)
            .map(|_| {
                let ran = Arc::clone(&ran);
                Box::pin(pool.run(organization(1), move || *ran.lock().unwrap() += 1))
            })
            .collect();
        waiting.iter_mut().for_each(|job| assert!(job.now_or_never().is_none()));
        assert!(matches!(pool.run(organization(1), || ()).await, Err(PoolError::Full)));
        waiting.truncate(1);
        free.send(()).unwrap();
        pool.run(organization(2), || ()).await.unwrap();
        waiting.pop().unwrap().await.unwrap();
        pool.run(organization(1), || ()).await.unwrap();
        assert_eq!(*ran.lock().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_job_that_panics_ends_alone() {
        let pool = FairPool::start("test", 1, 0).unwrap();
        assert!(matches!(pool.run(organization(1), || panic!("no")).await, Err::<(), _>(PoolError::Ended)));
        assert_eq!(pool.run(organization(1), || 7).await.unwrap(), 7);
    }
}
