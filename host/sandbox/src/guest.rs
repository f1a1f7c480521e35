//! The data of a store: everything of one call. It is dropped with the store.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use resly_core::{
    connector::{
        fault::Fault,
        fuel::FuelReserve,
        outbound::Outbound,
        sandbox::{CallState, Mapped},
    },
    id::OrganizationId,
    time::{Clock, Random},
};
use resly_manifest::Allowance;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use crate::{
    fuel::Fuel,
    limits::{HANDLES, Limits},
    log::CallLog,
    slots::Slots,
};

/// What all calls of a sandbox share.
pub struct Shared {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub mapper: Arc<dyn ApplyMapping>,
    /// Limits how many guests ask the database at once. Organizations take turns.
    pub state: Slots,
}

/// One mapping within a call.
pub struct Mapping<'a> {
    pub organization: OrganizationId,
    pub filter: &'a str,
    pub input: &'a str,
    /// What is left of the call's allowance.
    pub allowance: Allowance,
    pub reserve: Option<Arc<FuelReserve>>,
    pub deadline: Instant,
}

/// Runs mappings. The mapper implements it. Guests know only this trait, because a mapper is itself a guest in a store.
#[async_trait]
pub trait ApplyMapping: Send + Sync + 'static {
    async fn apply(&self, shared: &Arc<Shared>, mapping: Mapping<'_>) -> Mapped;
}

/// One call's side of the host.
pub struct Guest {
    pub organization: OrganizationId,
    pub deadline: Instant,
    pub allowance: Allowance,
    pub limits: Limits,
    pub fuel: Fuel,
    pub log: CallLog,
    /// Requests that the guest made. They are bounded.
    pub http_calls: u32,
    /// Requests that were sent. The host refused the others.
    pub sent: u32,
    pub response_bytes: usize,
    /// Why the host refused the last request.
    pub refusal: Option<Fault>,
    /// The response to the last request. `None` when there was none.
    pub answered: Option<ResponseSummary>,
    /// How long the last response asks to wait.
    pub requested_wait: Option<Duration>,
    /// `None` in a mapper, which has no network and no state.
    pub connector: Option<Connector>,
    pub shared: Arc<Shared>,
    pub(crate) table: ResourceTable,
    /// Created when the guest first uses WASI, which most never do.
    pub(crate) wasi: Option<Box<WasiCtx>>,
}

/// A response's status and the host that it redirects to.
pub struct ResponseSummary {
    pub status: u16,
    pub redirects_to: Option<String>,
}

/// What a connector's call has and a mapping hasn't.
#[derive(Clone)]
pub struct Connector {
    pub outbound: Arc<dyn Outbound>,
    pub state: Arc<dyn CallState>,
}

impl Guest {
    pub fn new(
        shared: Arc<Shared>,
        organization: OrganizationId,
        allowance: Allowance,
        deadline: Instant,
        connector: Option<Connector>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let lines = if connector.is_some() { allowance.log_lines } else { 0 };
        Self {
            organization,
            deadline,
            allowance,
            limits: Limits::new(allowance.memory_bytes),
            fuel: Fuel::new(allowance.fuel, None),
            log: CallLog::new(lines),
            http_calls: 0,
            sent: 0,
            response_bytes: 0,
            refusal: None,
            answered: None,
            requested_wait: None,
            connector,
            shared,
            table,
            wasi: None,
        }
    }

    /// Lets the guest get more fuel while it runs.
    #[must_use]
    pub fn with_reserve(self, reserve: Option<Arc<FuelReserve>>) -> Self {
        Self { fuel: Fuel::new(self.allowance.fuel, reserve), ..self }
    }

    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.connector {
            Some(connector) => connector.outbound.redact(text),
            None => Cow::Borrowed(text),
        }
    }

    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
