//! A call's fuel while its guest runs. The store holds what is set aside for the call, so the guest can't burn more.
//! When it runs low, the call's reserve is asked for more.
//!
//! The host can look at the fuel only where wasmtime hands it the store: in the epoch's callback, and in host calls
//! (`store.rs`). So a guest also gives up its thread each [`LOOK_EVERY`] of fuel, and whoever polls it then moves the
//! epoch on ([`PauseCheck`]). The callback then comes long before [`LOW`] is burnt, however long a tick is.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use resly_core::connector::fuel::FuelReserve;
use wasmtime::{Engine, UpdateDeadline};

/// When less than this is left, more is asked for. One instruction can burn a unit for each byte that it copies, so
/// this is more than the largest buffers that guests copy.
const LOW: u64 = 10_000_000;
/// How much a guest whose reserve may grow burns between two checks.
pub const LOOK_EVERY: u64 = 1_000_000;

/// The fuel of one store.
pub struct Fuel {
    /// All that was put into the store.
    given: u64,
    reserve: Option<Growing>,
}

struct Growing {
    reserve: Arc<FuelReserve>,
    /// What the reserve had granted when the store last got more.
    seen: u64,
    pulse: Arc<Pulse>,
}

/// Signals between the callback and the code that polls the guest.
#[derive(Default)]
struct Pulse {
    /// The guest gave up its thread at a tick.
    yielded: AtomicBool,
    /// The epoch was moved on so that the callback checks the guest's fuel.
    look: AtomicBool,
}

impl Fuel {
    pub fn new(given: u64, reserve: Option<Arc<FuelReserve>>) -> Self {
        let growing = |reserve: Arc<FuelReserve>| Growing { seen: reserve.granted(), reserve, pulse: Arc::default() };
        Self { given, reserve: reserve.filter(|reserve| reserve.may_grow()).map(growing) }
    }

    /// All that was put into the store.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Whether more may be granted while the guest runs.
    pub fn grows(&self) -> bool {
        self.reserve.is_some()
    }

    /// The fuel that is burnt when this much is left.
    pub fn burnt(&self, left: u64) -> u64 {
        self.given.saturating_sub(left)
    }

    /// The reserve, for a mapping within the call.
    pub fn reserve(&self) -> Option<Arc<FuelReserve>> {
        self.reserve.as_ref().map(|growing| Arc::clone(&growing.reserve))
    }

    pub fn is_low(&self, left: u64) -> bool {
        left < LOW && self.reserve.as_ref().is_some_and(|growing| growing.reserve.may_grow())
    }

    /// What the reserve has granted since the store last got more. It counts as given.
    pub fn take_granted(&mut self) -> u64 {
        let Some(growing) = &mut self.reserve else { return 0 };
        let granted = growing.reserve.granted();
        let more = granted.saturating_sub(growing.seen);
        growing.seen = granted;
        self.given += more;
        more
    }

    /// How the guest goes on after the epoch's callback, with this much left: it waits for more fuel, or lets another
    /// guest run.
    pub fn after_epoch(&self, left: u64) -> UpdateDeadline {
        let Some(growing) = &self.reserve else { return UpdateDeadline::Yield(1) };
        if self.is_low(left) {
            let reserve = Arc::clone(&growing.reserve);
            let more: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move { reserve.grow().await });
            // The callback comes again at once and gives the store what was granted.
            return UpdateDeadline::YieldCustom(0, more);
        }
        if growing.pulse.look.swap(false, Ordering::Relaxed) {
            return UpdateDeadline::Continue(1);
        }
        growing.pulse.yielded.store(true, Ordering::Relaxed);
        UpdateDeadline::Yield(1)
    }

    /// The check to make when a guest goes on after a pause.
    pub fn pause_check(&self, engine: &Engine) -> PauseCheck {
        PauseCheck(self.reserve.as_ref().map(|growing| (engine.clone(), Arc::clone(&growing.pulse))))
    }
}

/// Makes the callback check a guest's fuel soon after a pause.
pub struct PauseCheck(Option<(Engine, Arc<Pulse>)>);

impl PauseCheck {
    /// Has to be called before a guest that paused is polled again.
    pub fn resume(&self) {
        if let Some((engine, pulse)) = &self.0
            && !pulse.yielded.swap(false, Ordering::Relaxed)
        {
            pulse.look.store(true, Ordering::Relaxed);
            engine.increment_epoch();
        }
    }
}
