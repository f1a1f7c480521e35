//! Runs the bundled jq component: for connectors that call `mapping.apply`, and for the host itself.

use std::{sync::Arc, time::Instant};

use resly_core::{
    connector::{
        fault::FaultKind,
        fuel::FuelReserve,
        sandbox::{Cost, Mapped, MappingFailure},
    },
    id::OrganizationId,
};
use resly_manifest::{Allowance, Digest};
use tokio::sync::OnceCell;
use wasmtime::Engine;

use crate::{
    bindings::mapper::MapperPre,
    deadline::before,
    error::ComponentError,
    fault,
    guest::{Guest, Shared, cost, store},
    loader::Loader,
    log::prefix,
    slots::Slots,
};

/// The bundled jq component and the instances that it may have.
pub struct Mapper {
    engine: Engine,
    digest: Digest,
    loader: Arc<Loader>,
    pre: OnceCell<MapperPre<Guest>>,
    slots: Slots,
}

impl Mapper {
    pub fn new(engine: Engine, digest: Digest, loader: Arc<Loader>, slots: Slots) -> Self {
        Self { engine, digest, loader, pre: OnceCell::new(), slots }
    }

    /// Loads the component when it isn't yet.
    pub async fn pre(&self) -> Result<&MapperPre<Guest>, ComponentError> {
        self.pre.get_or_try_init(|| self.loader.mapper(self.digest)).await
    }

    pub fn running(&self) -> u32 {
        self.slots.taken()
    }

    /// Applies a filter within what is left of a call. To be awaited on a guest thread.
    #[expect(clippy::too_many_arguments, reason = "these are what one mapping within a call is made of")]
    pub async fn apply(
        &self,
        shared: &Arc<Shared>,
        organization: OrganizationId,
        filter: &str,
        input: &str,
        allowance: Allowance,
        reserve: Option<Arc<FuelReserve>>,
        deadline: Instant,
    ) -> Mapped {
        let refused = |fault| Mapped { result: Err(MappingFailure::Fault(fault)), cost: Cost::default() };
        let pre = match self.pre().await {
            Ok(pre) => pre,
            Err(error) => return refused(fault::component(&error)),
        };
        let slot = match tokio::time::timeout_at(deadline.into(), self.slots.acquire(organization)).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_)) => return refused(fault::busy("too many mappings are waiting; try again in a moment")),
            Err(_) => return refused(fault::deadline(&allowance)),
        };
        let started = Instant::now();
        let guest = Guest::new(Arc::clone(shared), organization, allowance, deadline, None).with_reserve(reserve);
        let mut store = match store(&self.engine, guest) {
            Ok(store) => store,
            Err(error) => return refused(fault::fault(FaultKind::Internal, error.to_string())),
        };
        let pause_check = store.data().fuel.pause_check(&self.engine);
        let result = before(deadline, &pause_check, async {
            let mapper = pre.instantiate_async(&mut store).await?;
            mapper.resly_connector_mapping().call_apply(&mut store, filter, input).await
        })
        .await;
        let cost = cost(&store, started);
        let result = match result {
            Err(_) => Err(MappingFailure::Fault(fault::deadline(&allowance))),
            Ok(Err(error)) => Err(MappingFailure::Fault(fault::of(&error, store.data()))),
            Ok(Ok(Err(failure))) => {
                let message = prefix(&failure.message, crate::limits::FAULT_MESSAGE).to_owned();
                Err(MappingFailure::Filter { message, offset: failure.offset })
            }
            Ok(Ok(Ok(output))) if output.len() > allowance.output_bytes => {
                let what =
                    format!("the mapping's output has {} bytes of {} allowed", output.len(), allowance.output_bytes);
                Err(MappingFailure::Fault(fault::too_large(&what)))
            }
            Ok(Ok(Ok(output))) => Ok(output),
        };
        // The instance's place in the pool is free before the next one may take it.
        drop(store);
        drop(slot);
        Mapped { result, cost }
    }
}
