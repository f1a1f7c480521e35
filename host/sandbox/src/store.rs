//! A call's store: it is made with its guest's bounds, and host calls take fuel from it.

use std::time::Instant;

use resly_core::connector::sandbox::Cost;
use wasmtime::{Engine, Store, StoreContextMut, Trap, UpdateDeadline};

use crate::{
    fault::{self, HostTrap},
    fuel::LOOK_EVERY,
    guest::Guest,
    limits::{HANDLES, HOST_CALL_SLACK, HTTP_BODY},
};

/// Fuel that a host call costs, and how many bytes cost one more. The guest pays for work that the host does for it.
const HOST_CALL_FUEL: u64 = 500;
const BYTES_PER_FUEL: usize = 8;

/// A fresh store that enforces its guest's allowance.
pub fn store(engine: &Engine, guest: Guest) -> Result<Store<Guest>, wasmtime::Error> {
    let (allowance, fuel, grows) = (guest.allowance, guest.fuel.given(), guest.fuel.grows());
    let mut store = Store::try_new(engine, guest)?;
    store.limiter(|guest| &mut guest.limits);
    store.set_fuel(fuel)?;
    if grows {
        store.fuel_async_yield_interval(Some(LOOK_EVERY))?;
    }
    store.set_hostcall_fuel(allowance.output_bytes.max(HTTP_BODY) + HOST_CALL_SLACK);
    store.set_max_component_handles(HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |context| {
        if Instant::now() >= context.data().deadline {
            return Err(HostTrap(fault::deadline(&allowance)).into());
        }
        at_epoch(context)
    });
    Ok(store)
}

/// What the call in this store has cost so far.
pub fn cost(store: &Store<Guest>, started: Instant) -> Cost {
    let guest = store.data();
    let left = store.get_fuel().unwrap_or(0);
    Cost {
        fuel: guest.fuel.burnt(left),
        http_calls: guest.sent,
        response_bytes: guest.response_bytes as u64,
        duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
    }
}

/// Charges a host call to its guest's fuel.
pub fn charge(store: &mut StoreContextMut<'_, Guest>, bytes: usize) -> wasmtime::Result<()> {
    burn(store, HOST_CALL_FUEL + (bytes / BYTES_PER_FUEL) as u64)
}

/// Takes fuel. A guest that has less traps.
pub fn burn(store: &mut StoreContextMut<'_, Guest>, fuel: u64) -> wasmtime::Result<()> {
    let left = refill(store)?;
    store.set_fuel(left.saturating_sub(fuel))?;
    if left < fuel {
        return Err(Trap::OutOfFuel.into());
    }
    if store.data().fuel.is_low(left - fuel) {
        // The callback has to come as soon as the guest goes on. Compiled code compares the epoch with a copy of the old
        // deadline, so it would notice a new deadline one tick late. Moving the epoch on makes it notice at once. A yield by
        // fuel doesn't help, because every `set_fuel` begins its interval anew.
        store.set_epoch_deadline(0);
        store.engine().increment_epoch();
    }
    Ok(())
}

/// Gives the store what its reserve was granted meanwhile. Returns the fuel that it then has.
fn refill(store: &mut StoreContextMut<'_, Guest>) -> wasmtime::Result<u64> {
    let (granted, left) = (store.data_mut().fuel.take_granted(), store.get_fuel()?);
    if granted == 0 {
        return Ok(left);
    }
    store.set_fuel(left + granted)?;
    Ok(left + granted)
}

fn at_epoch(mut store: StoreContextMut<'_, Guest>) -> wasmtime::Result<UpdateDeadline> {
    let left = refill(&mut store)?;
    Ok(store.data().fuel.after_epoch(left))
}
