//! Puts the parts of the sandbox together and implements the port [`Sandbox`] of [`resly_core`].

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use resly_core::{
    connector::{
        fuel::FuelReserve,
        sandbox::{ComponentSource, Cost, Invocation, Mapped, MappingFailure, Outcome, Sandbox},
    },
    id::OrganizationId,
};
use resly_manifest::{Allowance, Digest};
use tokio::{runtime::Handle, time::timeout};
use wasmtime::Engine;

use crate::{
    cache::Cache,
    call::{self, refused},
    compiler::Queue,
    config::SandboxConfig,
    engine,
    error::{ComponentError, SandboxError},
    executor::Executor,
    fault,
    guest::{Mapping, Shared},
    limits::STATE_AT_ONCE,
    loader::{HOST, Loaded, Loader},
    mapper::Mapper,
    registry::Registry,
    slots::Slots,
};

/// Instances for benches, beside those for calls.
const SPARE: u32 = 4;

/// Runs connectors and mappings.
pub struct WasmSandbox {
    pub(crate) engine: Engine,
    pub(crate) shared: Arc<Shared>,
    mapper: Arc<Mapper>,
    registry: Registry,
    pub(crate) loader: Arc<Loader>,
    slots: Slots,
    load_wait: Duration,
    pub(crate) executor: Executor,
    /// The places of the reader of documents, and how many of an organization's documents may wait for one.
    pub(crate) extractors: u32,
    pub(crate) queue: usize,
}

/// A component that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Whether it was in the cache and didn't have to be compiled.
    pub from_cache: bool,
    /// Bytes of its machine code in memory.
    pub code_bytes: usize,
}

/// The sandbox's current numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Connector instances.
    pub running: u32,
    /// Calls that wait for an instance.
    pub queued: usize,
    /// Mapper instances.
    pub mapping: u32,
    /// Components that are compiled or wait to be.
    pub compiling: usize,
    /// Components that wait to be compiled.
    pub compile_queue: usize,
    /// Compiled code in memory.
    pub code_bytes: u64,
    /// Calls and mappings that haven't ended.
    pub alive: usize,
}

impl WasmSandbox {
    /// Builds a sandbox. It has to be called within a tokio runtime. `mapper` is the bundled jq component. `components`
    /// has the bytes of components that aren't compiled yet.
    pub fn new(
        config: SandboxConfig,
        mapper: Digest,
        components: Arc<dyn ComponentSource>,
    ) -> Result<Arc<Self>, SandboxError> {
        let runtime = Handle::try_current().map_err(|_| SandboxError::NoRuntime)?;
        let engine = engine::running(config.instances + config.mappers + config.extractors + SPARE)?;
        let executor = Executor::start(config.guest_threads, &runtime, engine.clone(), config.tick)?;
        let compatibility = engine::compatibility(&engine);
        let cache = Cache::open(&config.cache_dir, config.mac_key, compatibility, Arc::clone(&config.random))?;
        let compiler = Queue::new(&config, engine.clone());
        let loader = Loader::new(engine.clone(), cache, compiler, components);
        let loader = Arc::new(loader.map_err(|error| SandboxError::Engine(format!("{error:#}")))?);
        let mapper = Mapper::new(engine.clone(), mapper, Arc::clone(&loader), Slots::new(config.mappers, config.queue));
        let mapper = Arc::new(mapper);
        let shared = Arc::new(Shared {
            clock: config.clock,
            random: config.random,
            mapper: Arc::clone(&mapper) as _,
            state: Slots::new(STATE_AT_ONCE, usize::MAX),
        });
        Ok(Arc::new(Self {
            engine,
            shared,
            mapper,
            registry: Registry::new(Arc::clone(&loader), config.code_cache_bytes),
            loader,
            slots: Slots::new(config.instances, config.queue),
            load_wait: config.load_wait,
            executor,
            extractors: config.extractors,
            queue: config.queue,
        }))
    }

    /// Checks and compiles a connector of the host before its first call.
    pub async fn prepare(&self, digest: Digest, bytes: &Bytes) -> Result<Prepared, ComponentError> {
        let loaded = self.registry.get(HOST, digest, Some(bytes.clone())).await?;
        Ok(Prepared { from_cache: loaded.from_cache, code_bytes: loaded.bytes })
    }

    /// The same for a connector that an organization uploaded, in the organization's turn. Only then the source is
    /// asked for its bytes.
    pub async fn prepare_for(&self, organization: OrganizationId, digest: Digest) -> Result<Prepared, ComponentError> {
        let loaded = self.registry.get(organization, digest, None).await?;
        Ok(Prepared { from_cache: loaded.from_cache, code_bytes: loaded.bytes })
    }

    /// Loads the mapper before the first mapping.
    pub async fn prepare_mapper(&self) -> Result<(), ComponentError> {
        self.mapper.pre().await.map(|_| ())
    }

    pub(crate) async fn load(
        &self,
        organization: OrganizationId,
        digest: Digest,
    ) -> Result<Arc<Loaded>, ComponentError> {
        self.registry.get(organization, digest, None).await
    }

    pub fn stats(&self) -> Stats {
        Stats {
            running: self.slots.taken(),
            queued: self.slots.waiting(),
            mapping: self.mapper.running(),
            compiling: self.loader.compiling(),
            compile_queue: self.loader.waiting(),
            code_bytes: self.registry.bytes(),
            alive: self.executor.alive(),
        }
    }
}

#[async_trait]
impl Sandbox for WasmSandbox {
    /// Dropping the future ends the guest at its next tick.
    async fn invoke(&self, invocation: Invocation) -> Outcome {
        let load = self.load(invocation.organization, invocation.component);
        let loaded = match timeout(self.load_wait, load).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(error)) => return refused(fault::component(&error)),
            Err(_) => {
                return refused(fault::busy("the connector is still being compiled here; try again in a moment"));
            }
        };
        let organization = invocation.organization;
        let slot = match timeout(invocation.allowance.deadline, self.slots.acquire(organization)).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_)) => {
                return refused(fault::busy("too many calls of this organization are waiting; try again in a moment"));
            }
            Err(_) => {
                return refused(fault::busy("no instance came free within the call's time; try again in a moment"));
            }
        };
        let run = call::run(self.engine.clone(), Arc::clone(&self.shared), loaded, invocation, slot);
        let ended = || refused(fault::busy("the host is shutting down"));
        self.executor.spawn(organization, run).await.unwrap_or_else(ended)
    }

    async fn map(&self, organization: OrganizationId, filter: &str, input: &str, allowance: Allowance) -> Mapped {
        self.map_within(organization, filter, input, allowance, None).await
    }

    async fn map_within(
        &self,
        organization: OrganizationId,
        filter: &str,
        input: &str,
        allowance: Allowance,
        reserve: Option<Arc<FuelReserve>>,
    ) -> Mapped {
        let (shared, filter, input) = (Arc::clone(&self.shared), filter.to_owned(), input.to_owned());
        let run = async move {
            let deadline = Instant::now() + allowance.deadline;
            let (filter, input) = (filter.as_str(), input.as_str());
            let mapping = Mapping { organization, filter, input, allowance, reserve, deadline };
            shared.mapper.apply(&shared, mapping).await
        };
        let ended = || {
            let fault = fault::busy("the host is shutting down");
            Mapped { result: Err(MappingFailure::Fault(fault)), cost: Cost::default() }
        };
        self.executor.spawn(organization, run).await.unwrap_or_else(ended)
    }
}
