//! Calls for `make bench`: a call in a new instance, the same in a warm instance, and an instance alone. All run on the
//! measuring thread, so that only the call is measured.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use resly_core::{
    connector::sandbox::{Invocation, Outcome},
    id::OrganizationId,
};
use resly_manifest::{Allowance, Digest};
use wasmtime::Store;

use crate::{
    bindings::connector::{Connector, exports::resly::connector::action::Call},
    call::{self, CallEnd},
    error::ComponentError,
    guest::{self, Guest, Mapping},
    loader::{HOST, Loaded},
    sandbox::WasmSandbox,
    store::store,
};

/// One connector to measure. It has to be used within a tokio runtime.
pub struct Bench {
    sandbox: Arc<WasmSandbox>,
    loaded: Arc<Loaded>,
}

/// An instance that is used for several calls. Production never does that.
pub struct WarmInstance {
    store: Store<Guest>,
    connector: Connector,
    fuel: u64,
}

impl Bench {
    pub async fn new(sandbox: &Arc<WasmSandbox>, component: Digest) -> Result<Self, ComponentError> {
        Ok(Self { sandbox: Arc::clone(sandbox), loaded: sandbox.load(HOST, component).await? })
    }

    /// A call as production makes it, without the change to a guest thread and back.
    pub async fn fresh(&self, invocation: Invocation) -> Outcome {
        let sandbox = &self.sandbox;
        call::run_in_new_instance(
            &sandbox.engine,
            Arc::clone(&sandbox.shared),
            &self.loaded,
            invocation,
            Instant::now(),
        )
        .await
    }

    /// Makes a store and an instance, and drops them.
    pub async fn instantiate(&self, invocation: Invocation) -> Result<(), ComponentError> {
        let (mut store, _) = self.open(invocation)?;
        self.loaded.pre.instantiate_async(&mut store).await.map_err(failed)?;
        Ok(())
    }

    pub async fn warm(&self, invocation: Invocation) -> Result<WarmInstance, ComponentError> {
        let (mut store, fuel) = self.open(invocation)?;
        let connector = self.loaded.pre.instantiate_async(&mut store).await.map_err(failed)?;
        Ok(WarmInstance { store, connector, fuel })
    }

    fn open(&self, invocation: Invocation) -> Result<(Store<Guest>, u64), ComponentError> {
        let sandbox = &self.sandbox;
        let connector = guest::Connector { outbound: invocation.outbound, state: invocation.state };
        // A warm instance outlives any call's deadline.
        let deadline = Instant::now() + Duration::from_secs(3_600);
        let allowance = invocation.allowance;
        let shared = Arc::clone(&sandbox.shared);
        let guest = Guest::new(shared, invocation.organization, allowance, deadline, Some(connector));
        Ok((store(&sandbox.engine, guest).map_err(failed)?, allowance.fuel))
    }
}

/// A mapping in a new mapper, without the change to a guest thread and back.
pub async fn map(
    sandbox: &WasmSandbox,
    organization: OrganizationId,
    filter: &str,
    input: &str,
    allowance: Allowance,
) -> Outcome {
    let shared = &sandbox.shared;
    let deadline = Instant::now() + allowance.deadline;
    let mapping = Mapping { organization, filter, input, allowance, reserve: None, deadline };
    shared.mapper.apply(shared, mapping).await.into()
}

impl WarmInstance {
    /// Calls the warm instance, with the fuel and the HTTP calls of a new one.
    pub async fn call(&mut self, action: &str, input: &str, settings: &str, context: &str) -> Outcome {
        let started = Instant::now();
        let guest = self.store.data_mut();
        guest.http_calls = 0;
        guest.response_bytes = 0;
        if let Err(error) = self.store.set_fuel(self.fuel) {
            return call::outcome(&self.store, CallEnd::Trapped(error), started);
        }
        let call = Call {
            action: action.to_owned(),
            input: input.to_owned(),
            settings: settings.to_owned(),
            context: context.to_owned(),
        };
        let end = call::invoke(&self.connector, &mut self.store, &call).await;
        call::outcome(&self.store, end, started)
    }
}

fn failed(error: wasmtime::Error) -> ComponentError {
    ComponentError::Link(format!("{error:#}"))
}
