//! A call's fuel while its guest runs: the store holds what is set aside for the call, so the guest can't burn past it; before
//! it does, the call's reserve is asked for more.
//!
//! When to ask is looked at where wasmtime lets the host in with the store at hand: in the epoch's callback, and in host
//! calls. A guest also gives up its thread each [`LOOK_EVERY`] of fuel; whoever polls it then moves the epoch on, so that the
//! callback comes long before [`LOW`] is burnt, whatever the time between two ticks.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use resly_core::connector::fuel::FuelReserve;
use wasmtime::{Engine, Store, StoreContextMut, Trap, UpdateDeadline};

use crate::guest::Guest;

/// More is asked for when less than this is left. One instruction can burn what it copies, a unit for each byte, so it is
/// more than the greatest buffers that guests copy.
const LOW: u64 = 10_000_000;
/// How much a guest whose reserve may grow burns before it is looked at.
const LOOK_EVERY: u64 = 1_000_000;

/// What a store was given.
pub struct Fuel {
    /// All that was put into the store.
    given: u64,
    reserve: Option<Growing>,
}

struct Growing {
    reserve: Arc<FuelReserve>,
    /// What the reserve had granted when the store was last given of it.
    seen: u64,
    pulse: Arc<Pulse>,
}

/// Between the callback and whoever polls the guest.
#[derive(Default)]
struct Pulse {
    /// The guest gave up its thread at a tick.
    yielded: AtomicBool,
    /// The epoch was moved on to have the guest looked at.
    look: AtomicBool,
}

impl Fuel {
    pub fn new(given: u64, reserve: Option<Arc<FuelReserve>>) -> Self {
        let growing = |reserve: Arc<FuelReserve>| Growing { seen: reserve.granted(), reserve, pulse: Arc::default() };
        Self { given, reserve: reserve.filter(|reserve| reserve.may_grow()).map(growing) }
    }

    /// What is burnt when this much is left.
    pub fn burnt(&self, left: u64) -> u64 {
        self.given.saturating_sub(left)
    }

    /// For a mapping within the call.
    pub fn reserve(&self) -> Option<Arc<FuelReserve>> {
        self.reserve.as_ref().map(|growing| Arc::clone(&growing.reserve))
    }

    fn is_low(&self, left: u64) -> bool {
        left < LOW && self.reserve.as_ref().is_some_and(|growing| growing.reserve.may_grow())
    }

    /// What the reserve has granted since the store was last given of it.
    fn take_granted(&mut self) -> u64 {
        let Some(growing) = &mut self.reserve else { return 0 };
        let granted = growing.reserve.granted();
        let news = granted.saturating_sub(growing.seen);
        growing.seen = granted;
        self.given += news;
        news
    }

    /// How the guest's reserve is looked after while it is polled.
    pub fn pause_check(&self, engine: &Engine) -> PauseCheck {
        PauseCheck(self.reserve.as_ref().map(|growing| (engine.clone(), Arc::clone(&growing.pulse))))
    }
}

/// Gives a fresh store its fuel.
pub fn fill(store: &mut Store<Guest>) -> wasmtime::Result<()> {
    let (given, grows) = (store.data().fuel.given, store.data().fuel.reserve.is_some());
    store.set_fuel(given)?;
    if grows {
        store.fuel_async_yield_interval(Some(LOOK_EVERY))?;
    }
    Ok(())
}

/// Gives the store what its reserve was granted meanwhile; what it then has.
fn refill(store: &mut StoreContextMut<'_, Guest>) -> wasmtime::Result<u64> {
    let (news, left) = (store.data_mut().fuel.take_granted(), store.get_fuel()?);
    if news == 0 {
        return Ok(left);
    }
    store.set_fuel(left + news)?;
    Ok(left + news)
}

/// Takes fuel; a guest that hasn't got it ends here.
pub fn burn(store: &mut StoreContextMut<'_, Guest>, fuel: u64) -> wasmtime::Result<()> {
    let left = refill(store)?;
    store.set_fuel(left.saturating_sub(fuel))?;
    if left < fuel {
        return Err(Trap::OutOfFuel.into());
    }
    if store.data().fuel.is_low(left - fuel) {
        // The callback has to come as soon as the guest goes on. Compiled code compares the epoch with a copy of the old
        // deadline, so a new deadline alone is seen one tick late: the epoch is moved on, too. A yield by fuel doesn't help,
        // because every `set_fuel` begins its interval anew.
        store.set_epoch_deadline(0);
        store.engine().increment_epoch();
    }
    Ok(())
}

/// What the epoch's callback does: asks for more fuel where that is due, else lets another guest run.
pub fn at_epoch(mut store: StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
    let left = refill(&mut store)?;
    let fuel = &store.data().fuel;
    let Some(growing) = &fuel.reserve else { return Ok(UpdateDeadline::Yield(1)) };
    if fuel.is_low(left) {
        let reserve = Arc::clone(&growing.reserve);
        let more: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move { reserve.grow().await });
        // At once, to be given what there is.
        return Ok(UpdateDeadline::YieldCustom(0, more));
    }
    if growing.pulse.look.swap(false, Ordering::Relaxed) {
        return Ok(UpdateDeadline::Continue(1));
    }
    growing.pulse.yielded.store(true, Ordering::Relaxed);
    Ok(UpdateDeadline::Yield(1))
}

/// Sees to it that a guest is looked at when it goes on after a pause.
pub struct PauseCheck(Option<(Engine, Arc<Pulse>)>);

impl PauseCheck {
    /// To be called before a guest that had paused is polled.
    pub fn resume(&self) {
        if let Some((engine, pulse)) = &self.0
            && !pulse.yielded.swap(false, Ordering::Relaxed)
        {
            pulse.look.store(true, Ordering::Relaxed);
            engine.increment_epoch();
        }
    }
}
