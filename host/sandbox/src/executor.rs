//! Guest threads. They only poll guests. Organizations take turns.
//!
//! A guest that keeps running gives up its thread at every tick (see [`crate::engine::Ticker`]) and goes to the end of
//! its organization's queue. So another organization's guest waits for one tick, however many endless loops there are.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use async_task::{Builder, FallibleTask, Runnable};
use resly_core::id::OrganizationId;
use tokio::runtime::Handle;
use wasmtime::Engine;

use crate::{engine::Ticker, error::SandboxError};

/// The niceness of guest threads (nice(2), which on Linux is set for each thread). When all processors are busy, a
/// thread that answers a request gets three times as much time.
const NICE: i32 = 5;

type Ready = Runnable<OrganizationId>;

/// The threads. Dropping this ends them and every guest.
pub struct Executor {
    shared: Arc<Shared>,
    ticker: Ticker,
}

struct Shared {
    turns: Mutex<Turns>,
    available: Condvar,
    /// Guests that haven't ended, with waiting ones.
    alive: AtomicUsize,
}

#[derive(Default)]
struct Turns {
    /// Organizations with a guest that is ready, in the order of their turns.
    order: VecDeque<OrganizationId>,
    ready: HashMap<OrganizationId, VecDeque<Ready>>,
    stopped: bool,
}

impl Executor {
    /// Starts the threads. The timers and sockets that host calls await belong to the runtime.
    pub fn start(threads: usize, runtime: &Handle, engine: Engine, tick: Duration) -> Result<Self, SandboxError> {
        let shared = Arc::new(Shared {
            turns: Mutex::new(Turns::default()),
            available: Condvar::new(),
            alive: AtomicUsize::new(0),
        });
        let counted = Arc::clone(&shared);
        let ticker = Ticker::start(engine, tick, move || counted.alive.load(Ordering::Acquire) > 0)?;
        let executor = Self { shared, ticker };
        for n in 0..threads.max(1) {
            let (shared, runtime) = (Arc::clone(&executor.shared), runtime.clone());
            thread::Builder::new()
                .name(format!("resly-guest-{n}"))
                .spawn(move || {
                    if let Err(error) = rustix::process::nice(NICE) {
                        tracing::debug!(%error, "a guest thread keeps its usual priority");
                    }
                    let _runtime = runtime.enter();
                    while let Some(ready) = shared.next() {
                        ready.run();
                    }
                })
                .map_err(SandboxError::Threads)?;
        }
        Ok(executor)
    }

    /// Runs a future on the guest threads, in this organization's turns. Dropping the task ends the future on a guest
    /// thread. A panic in the future is passed on to the caller. `None` when the threads have ended.
    pub fn spawn<T: Send + 'static>(
        &self,
        organization: OrganizationId,
        future: impl Future<Output = T> + Send + 'static,
    ) -> FallibleTask<T, OrganizationId> {
        let alive = Alive::new(Arc::clone(&self.shared));
        self.ticker.wake();
        let shared = Arc::clone(&self.shared);
        let (ready, task) = Builder::new().metadata(organization).propagate_panic(true).spawn(
            |_| async move {
                let _alive = alive;
                future.await
            },
            move |ready| shared.push(ready),
        );
        ready.schedule();
        task.fallible()
    }

    pub fn alive(&self) -> usize {
        self.shared.alive.load(Ordering::Acquire)
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        let left = {
            let mut turns = self.shared.lock();
            turns.stopped = true;
            turns.order.clear();
            std::mem::take(&mut turns.ready)
        };
        self.shared.available.notify_all();
        // They are dropped without the lock, because their ends may wake others.
        drop(left);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, ready: Ready) {
        let mut turns = self.lock();
        if turns.stopped {
            drop(turns);
            drop(ready);
            return;
        }
        let organization = *ready.metadata();
        let Turns { order, ready: queues, .. } = &mut *turns;
        let queue = queues.entry(organization).or_default();
        if queue.is_empty() {
            order.push_back(organization);
        }
        queue.push_back(ready);
        drop(turns);
        self.available.notify_one();
    }

    /// Waits for the next guest to poll. `None` when the executor ends.
    fn next(&self) -> Option<Ready> {
        let mut turns = self.lock();
        loop {
            if turns.stopped {
                return None;
            }
            if let Some(ready) = turns.next() {
                return Some(ready);
            }
            turns = self.available.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Turns {
    fn next(&mut self) -> Option<Ready> {
        let organization = self.order.pop_front()?;
        let queue = self.ready.get_mut(&organization)?;
        let ready = queue.pop_front();
        if queue.is_empty() {
            self.ready.remove(&organization);
        } else {
            self.order.push_back(organization);
        }
        ready
    }
}

struct Alive(Arc<Shared>);

impl Alive {
    fn new(shared: Arc<Shared>) -> Self {
        shared.alive.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::AcqRel);
    }
}
