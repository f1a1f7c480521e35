//! Runs the bundled jq component: for connectors that call `mapping.apply`, and for the host itself.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use resly_core::connector::{
    fault::FaultKind,
    sandbox::{Cost, Mapped, MappingFailure},
};
use resly_manifest::{Allowance, Digest};
use tokio::sync::OnceCell;
use wasmtime::Engine;

use crate::{
    bindings::mapper::{MapperPre, exports::resly::connector::mapping::Failure},
    deadline::before,
    error::ComponentError,
    fault,
    guest::{ApplyMapping, Guest, Mapping, Shared},
    limits::FAULT_MESSAGE,
    loader::Loader,
    log::prefix,
    slots::Slots,
    store::{cost, store},
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

    /// Loads the component, if it isn't loaded yet.
    pub async fn pre(&self) -> Result<&MapperPre<Guest>, ComponentError> {
        self.pre.get_or_try_init(|| self.loader.mapper(self.digest)).await
    }

    pub fn running(&self) -> u32 {
        self.slots.taken()
    }
}

#[async_trait]
impl ApplyMapping for Mapper {
    /// Has to be awaited on a guest thread.
    async fn apply(&self, shared: &Arc<Shared>, mapping: Mapping<'_>) -> Mapped {
        let refused = |fault| Mapped { result: Err(MappingFailure::Fault(fault)), cost: Cost::default() };
        let Mapping { organization, filter, input, allowance, reserve, deadline } = mapping;
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
        let end = before(deadline, &pause_check, async {
            let mapper = pre.instantiate_async(&mut store).await?;
            mapper.resly_connector_mapping().call_apply(&mut store, filter, input).await
        });
        let result = match end.await {
            Ok(Ok(mapped)) => result(mapped, &allowance),
            Ok(Err(error)) => Err(MappingFailure::Fault(fault::of(&error, store.data()))),
            Err(_) => Err(MappingFailure::Fault(fault::deadline(&allowance))),
        };
        let cost = cost(&store, started);
        // The instance has to be dropped before another mapping may take its place.
        drop(store);
        drop(slot);
        Mapped { result, cost }
    }
}

/// The output of a mapping that ran to its end, if it isn't too large, or the filter's failure.
fn result(mapped: Result<String, Failure>, allowance: &Allowance) -> Result<String, MappingFailure> {
    let output = mapped.map_err(|failure| MappingFailure::Filter {
        message: prefix(&failure.message, FAULT_MESSAGE).to_owned(),
        offset: failure.offset,
    })?;
    let most = allowance.output_bytes;
    if output.len() > most {
        let what = format!("the mapping's output has {} bytes of {most} allowed", output.len());
        return Err(MappingFailure::Fault(fault::too_large(&what)));
    }
    Ok(output)
}
