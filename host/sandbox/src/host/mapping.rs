//! `mapping`: runs jq in a mapper, within what is left of the caller's fuel, time and memory.

use std::sync::Arc;

use resly_core::connector::{fault::FaultKind, sandbox::MappingFailure};
use resly_manifest::Allowance;
use wasmtime::{StoreContextMut, component::LinkerInstance};

use crate::{
    bindings::connector::resly::connector::mapping::Failure,
    fault::{self, HostTrap},
    guest::{Guest, Mapping},
    limits::MAPPING_FILTER,
    store::{burn, charge},
};

pub fn link(mapping: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    mapping.func_wrap_async("apply", |store, (filter, input): (String, String)| {
        Box::new(async move { Ok((apply(store, filter, input).await?,)) })
    })
}

async fn apply(
    mut store: StoreContextMut<'_, Guest>,
    filter: String,
    input: String,
) -> wasmtime::Result<Result<String, Failure>> {
    charge(&mut store, filter.len() + input.len())?;
    if filter.len() > MAPPING_FILTER {
        let message = format!("the filter has {} bytes, and {MAPPING_FILTER} are allowed; shorten it", filter.len());
        return Ok(Err(Failure { message, offset: None }));
    }
    let fuel = store.get_fuel()?;
    let guest = store.data();
    let allowance = Allowance { fuel, memory_bytes: guest.limits.memory_left(), ..guest.allowance };
    let mapping = Mapping {
        organization: guest.organization,
        filter: &filter,
        input: &input,
        allowance,
        reserve: guest.fuel.reserve(),
        deadline: guest.deadline,
    };
    let shared = Arc::clone(&guest.shared);
    let mapped = shared.mapper.apply(&shared, mapping).await;
    burn(&mut store, mapped.cost.fuel)?;
    match mapped.result {
        Ok(output) => Ok(Ok(output)),
        Err(MappingFailure::Filter { message, offset }) => Ok(Err(Failure { message, offset })),
        // When the whole call has run out of something, it ends. Other faults are the filter's, and the caller may go on.
        Err(MappingFailure::Fault(fault)) => match fault.kind {
            // The mapping had what was left of the call's fuel. It is the call's own allowance that may grow.
            FaultKind::Fuel => Err(HostTrap(fault::fuel(&store.data().allowance)).into()),
            FaultKind::Deadline | FaultKind::Busy | FaultKind::Component => Err(HostTrap(fault).into()),
            _ => Ok(Err(Failure { message: format!("the mapping failed: {}", fault.message), offset: None })),
        },
    }
}
