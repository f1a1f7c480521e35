//! What a store holds: everything of one call, dropped with it.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use resly_core::{
    connector::{
        fault::Fault,
        fuel::FuelReserve,
        outbound::Outbound,
        sandbox::{CallState, Cost},
    },
    id::OrganizationId,
    time::{Clock, Random},
};
use resly_manifest::Allowance;
use wasmtime::{Engine, Store, StoreContextMut, component::ResourceTable};
use wasmtime_wasi::WasiCtx;

use crate::{
    fault::{self, HostTrap},
    fuel::{self, Fuel, burn},
    limits::{HANDLES, HOST_CALL_SLACK, HTTP_BODY, Limits},
    log::CallLog,
    mapper::Mapper,
    slots::Slots,
    wasi,
};

/// Fuel that a host call costs beside what the guest burns, and how many bytes cost one more: work that the host does
/// for a guest is the guest's.
const HOST_CALL_FUEL: u64 = 500;
const BYTES_PER_FUEL: usize = 8;

/// What every call of a sandbox shares.
pub struct Shared {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub mapper: Arc<Mapper>,
    /// Whose turn it is to ask the database: organizations in turn, and never all of its connections.
    pub state: Slots,
}

/// One call's side of the host.
pub struct Guest {
    pub organization: OrganizationId,
    pub deadline: Instant,
    pub allowance: Allowance,
    pub limits: Limits,
    pub fuel: Fuel,
    pub log: CallLog,
    /// What it asked to send, for its bound.
    pub http_calls: u32,
    /// What of that was sent: the host refused the rest.
    pub sent: u32,
    pub response_bytes: usize,
    /// What the host refused of its last request.
    pub refusal: Option<Fault>,
    /// How the service answered its last request; `None` when nothing came.
    pub answered: Option<ResponseSummary>,
    /// How long the service asks to wait, in its answer to the last request.
    pub requested_wait: Option<Duration>,
    /// Absent in a mapper, which has no outside and remembers nothing.
    pub connector: Option<Connector>,
    pub shared: Arc<Shared>,
    pub(crate) table: ResourceTable,
    /// Made when a guest first asks for it, which most never do.
    pub(crate) wasi: Option<Box<WasiCtx>>,
}

/// An answer's status, and where it redirects to.
pub struct ResponseSummary {
    pub status: u16,
    pub redirects_to: Option<String>,
}

/// What a connector has beyond a mapper.
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

    /// With more fuel to be had while it runs.
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

impl wasmtime_wasi::WasiView for Guest {
    fn ctx(&mut self) -> wasmtime_wasi::WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| Box::new(wasi::deny_all_ctx(&self.shared, &self.log)));
        wasmtime_wasi::WasiCtxView { ctx, table: &mut self.table }
    }
}

/// A fresh store that enforces its guest's allowance.
pub fn store(engine: &Engine, guest: Guest) -> Result<Store<Guest>, wasmtime::Error> {
    let allowance = guest.allowance;
    let mut store = Store::try_new(engine, guest)?;
    store.limiter(|guest| &mut guest.limits);
    fuel::fill(&mut store)?;
    store.set_hostcall_fuel(allowance.output_bytes.max(HTTP_BODY) + HOST_CALL_SLACK);
    store.set_max_component_handles(HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |context| {
        if Instant::now() >= context.data().deadline {
            return Err(HostTrap(fault::deadline(&allowance)).into());
        }
        fuel::at_epoch(context)
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
