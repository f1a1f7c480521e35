//! `state`: a small key-value store that lasts between calls.

use std::time::Duration;

use resly_core::{
    connector::{
        fault::{Fault, FaultKind},
        sandbox::SetStateError,
    },
    error::StoreError,
};
use wasmtime::{StoreContextMut, component::LinkerInstance};

use crate::{
    bindings::connector::resly::connector::state::Refusal,
    fault::{self, HostTrap},
    guest::Guest,
    limits::{STATE_FUEL, STATE_KEY, STATE_TTL, STATE_VALUE},
    slots::Slot,
    store::{burn, charge},
};

pub fn link(state: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    state.func_wrap_async("get", |store, (key,): (String,)| Box::new(async move { Ok((get(store, key).await?,)) }))?;
    state.func_wrap_async("set", |store, (key, value, ttl_s): (String, Vec<u8>, u32)| {
        Box::new(async move { Ok((set(store, key, value, ttl_s).await?,)) })
    })
}

async fn get(mut store: StoreContextMut<'_, Guest>, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
    burn(&mut store, STATE_FUEL)?;
    charge(&mut store, key.len())?;
    let Some(connector) = store.data().connector.clone() else { return Ok(None) };
    // `set` refuses keys of this length, so there is none.
    if key.len() > STATE_KEY {
        return Ok(None);
    }
    let turn = turn(store.data()).await?;
    let value = connector.state.get(&key).await.map_err(unavailable)?;
    drop(turn);
    charge(&mut store, value.as_ref().map_or(0, Vec::len))?;
    Ok(value)
}

async fn set(
    mut store: StoreContextMut<'_, Guest>,
    key: String,
    value: Vec<u8>,
    ttl_s: u32,
) -> wasmtime::Result<Result<(), Refusal>> {
    burn(&mut store, STATE_FUEL)?;
    charge(&mut store, key.len() + value.len())?;
    let Some(connector) = store.data().connector.clone() else { return Ok(Err(Refusal::TooMany)) };
    if key.len() > STATE_KEY || value.len() > STATE_VALUE {
        return Ok(Err(Refusal::TooLarge));
    }
    let ttl = Duration::from_secs(ttl_s.min(STATE_TTL).into());
    let turn = turn(store.data()).await?;
    let kept = connector.state.set(&key, value, ttl).await;
    drop(turn);
    match kept {
        Ok(()) => Ok(Ok(())),
        Err(SetStateError::TooLarge) => Ok(Err(Refusal::TooLarge)),
        Err(SetStateError::TooMany) => Ok(Err(Refusal::TooMany)),
        Err(SetStateError::Store(error)) => Err(unavailable(error)),
    }
}

/// Waits for the organization's turn at the database. Guests use few of its connections, because chats need them.
fn turn(guest: &Guest) -> impl Future<Output = wasmtime::Result<Slot>> + Send + use<> {
    let (slots, organization) = (guest.shared.state.clone(), guest.organization);
    async move { slots.acquire(organization).await.map_err(|full| HostTrap(fault::busy(&full.to_string())).into()) }
}

fn unavailable(error: StoreError) -> wasmtime::Error {
    tracing::error!(%error, "a connector's state is out of reach");
    HostTrap(Fault::new(FaultKind::Internal, "the connector's state is out of reach; try again").retryable(true)).into()
}
