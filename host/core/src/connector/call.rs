//! One connector call, from the policy check to the log row. Chats, admins and health checks all use
//! [`Connectors::call`].

mod admit;
mod fuel;
mod invocation;
mod observed;
mod output;
mod record;
mod request;
mod schemas;
mod settle;
mod status;
mod store;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use moka::sync::Cache;
use resly_manifest::{Action, Allowance};
use serde_json::Value;

pub(super) use self::output::MAPPING_FUEL;
use self::{
    admit::denied,
    fuel::{Extension, FuelQueues, UsualFuel},
    observed::ObservedCall,
    record::record,
    settle::{SettlementKind, SettlementOutcome, Settlements},
};
pub use self::{
    admit::{AdmitError, PermittedCall},
    output::{FOUND_NOTHING, found_nothing},
    request::{CallError, CallReport, CallRequest, Caller},
    schemas::ConnectorSchemas,
    status::CallStatus,
    store::{BeginCallError, CallRecord, ConnectionStore, FuelGrant},
};
use super::{
    connection::{Catalogue, Connection, Environment, Installable, Owner},
    fault::{Fault, FaultKind},
    fixture::Fixtures,
    fuel::FuelReserve,
    health::Schedule,
    outbound::{DryRunPolicy, Outbound},
    output_cache::OutputCache,
    sandbox::{Invocation, Outcome, Sandbox, StateStore},
};
use crate::{
    boxed,
    id::{CallId, OrganizationId},
    metrics::Metrics,
    time::{Clock, Random, Timestamp},
    trace::{self, Tracer},
};

/// How long fuel stays set aside for a call whose host has died.
const LEASE: Duration = Duration::from_secs(300);

/// Opens the outbound side of one call in the `production` environment, bound to the connection's hosts and to its
/// credential, or to the visitor's where each visitor has an account. Nothing is dialled and no secret is opened before
/// the guest's first request.
pub trait OutboundFactory: Send + Sync + 'static {
    /// Fails when the connection has no credential to send.
    fn open(
        &self,
        connection: &Connection,
        installable: &Installable,
        action: &Action,
        visitor: Option<&str>,
        allowance: &Allowance,
    ) -> Result<Arc<dyn Outbound>, Fault>;

    /// The policy of the same call, for a dry run that sends nothing.
    fn dry_run(
        &self,
        connection: &Connection,
        installable: &Installable,
        allowance: &Allowance,
    ) -> Arc<dyn DryRunPolicy>;
}

#[derive(Clone)]
pub struct Connectors {
    pub store: Arc<dyn ConnectionStore>,
    catalogue: Arc<dyn Catalogue>,
    pub(super) sandbox: Arc<dyn Sandbox>,
    state: Arc<dyn StateStore>,
    pub(super) outside: Arc<dyn OutboundFactory>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    prepared: Cache<(OrganizationId, String, String), Arc<ConnectorSchemas>>,
    recent: OutputCache,
    usual: UsualFuel,
    queues: FuelQueues,
    settlements: Settlements,
    schedule: Schedule,
    metrics: Metrics,
    tracer: Tracer,
}

impl Connectors {
    pub fn new(
        store: Arc<dyn ConnectionStore>,
        catalogue: Arc<dyn Catalogue>,
        sandbox: Arc<dyn Sandbox>,
        state: Arc<dyn StateStore>,
        outside: Arc<dyn OutboundFactory>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        // A version never changes once it is in the catalogue, so an entry can't be stale. The bound limits memory.
        let queues = FuelQueues::new();
        let settlements = Settlements::new(Arc::clone(&store), queues.clone());
        let prepared = Cache::builder().max_capacity(256).time_to_idle(Duration::from_secs(300)).build();
        Self {
            store,
            catalogue,
            sandbox,
            state,
            outside,
            clock,
            random,
            prepared,
            recent: OutputCache::new(),
            usual: UsualFuel::new(),
            queues,
            settlements,
            schedule: Schedule::default(),
            metrics: Metrics::default(),
            tracer: Tracer::default(),
        }
    }

    /// Sets the schedule by which a call's result sets the next health check.
    #[must_use]
    pub fn on_schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Sets where calls are measured and traced.
    #[must_use]
    pub fn measured_by(self, metrics: Metrics, tracer: Tracer) -> Self {
        Self { metrics, tracer, ..self }
    }

    /// The connector of a connection, with its schemas compiled. Cached by version.
    #[boxed]
    pub async fn prepare(&self, connection: &Connection) -> Result<Arc<ConnectorSchemas>, CallError> {
        let key = (connection.organization, connection.connector.clone(), connection.version.clone());
        if let Some(prepared) = self.prepared.get(&key) {
            return Ok(prepared);
        }
        let found = self.catalogue.find(key.0, &key.1, &key.2).await?;
        let Some(installable) = found else {
            return Err(CallError::NoConnector { connector: key.1, version: key.2 });
        };
        let prepared = Arc::new(ConnectorSchemas::new(installable));
        self.prepared.insert(key, Arc::clone(&prepared));
        Ok(prepared)
    }

    /// Calls an action. It runs on a task of its own, so a caller who disconnects can't leave fuel or a log row
    /// unsettled.
    #[boxed]
    pub async fn call(&self, request: CallRequest) -> Result<CallReport, CallError> {
        let (connectors, caller, begun) = (self.clone(), request.caller.kind(), self.clock.now());
        let mut observed = ObservedCall::start(&self.tracer, &request);
        let called = tokio::spawn(trace::within(observed.context(), async move {
            let report = connectors.run(&request, &mut observed).await;
            (report, observed)
        }));
        let (report, mut observed) = called.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a connector call panicked");
            let fault = Fault::new(FaultKind::Internal, "the host failed while it ran this call; try again");
            (Ok(CallReport::refused(fault.retryable(true))), ObservedCall::default())
        });
        observed.end(&self.metrics, caller, self.clock.now().since(begun), &report);
        report
    }

    /// Makes the call, and tells `observed` which one it is.
    async fn run(&self, request: &CallRequest, observed: &mut ObservedCall) -> Result<CallReport, CallError> {
        let connection = self.connection(request).await?;
        if let Ok(prepared) = self.prepare(&connection).await {
            observed.identify(&prepared, request);
        }
        let passed = match self.check(&connection, request).await {
            Ok(passed) if !passed.needs_confirmation => passed,
            Ok(_) => {
                let fault = denied("this action changes something: a person has to confirm it");
                return self.refuse(request, &connection, fault).await;
            }
            Err(AdmitError::Refused(fault)) => return self.refuse(request, &connection, fault).await,
            Err(AdmitError::Failed(error)) => return Err(error),
        };
        let (prepared, action, account) = (&passed.prepared, passed.action(), passed.account.clone());
        let manifest = &prepared.installable.manifest;
        // Only a connection with an account for each visitor makes a difference between them.
        let visitor = request.visitor.as_deref().filter(|_| connection.owner == Owner::Visitor);
        // A chat may get a cached answer. An admin's call is to show what the service answers now.
        let recent = match request.caller {
            Caller::Chat { .. } => OutputCache::key(&connection, account, action, &request.input),
            Caller::Admin { .. } | Caller::Confirmed { .. } | Caller::Crawl | Caller::Health => None,
        };
        if let Some(output) = recent.as_ref().and_then(|key| self.recent.find(key, action, self.clock.now())) {
            return self.log(request, &connection, CallReport::from_cache(&output)).await;
        }
        let allowance = Allowance::of(manifest);
        let outbound: Arc<dyn Outbound> = match connection.environment {
            Environment::Sandbox => {
                let policy = self.outside.dry_run(&connection, &prepared.installable, &allowance);
                Arc::new(Fixtures::with_policy(Arc::clone(manifest), policy))
            }
            Environment::Production => {
                match self.outside.open(&connection, &prepared.installable, action, visitor, &allowance) {
                    Ok(outbound) => outbound,
                    Err(fault) => return self.refuse(request, &connection, fault).await,
                }
            }
        };

        let now = self.clock.now();
        let id = CallId(self.random.uuid(now));
        let counted = request.caller != Caller::Health;
        let (most, environment) = (allowance.fuel, connection.environment);
        let like = (request.organization, connection.id, action.id.clone());
        let grant = if counted {
            let expected = if environment == Environment::Production { self.usual.expect(&like, most) } else { most };
            match self.begin(id, request.organization, environment, expected, now).await {
                Ok(grant) => grant,
                Err(BeginCallError::Limit(limit)) => {
                    return self.log(request, &connection, CallReport::limit_reached(limit)).await;
                }
                Err(BeginCallError::LimitReserved(set_aside)) => {
                    return self.log(request, &connection, CallReport::set_aside(set_aside)).await;
                }
                Err(BeginCallError::Store(error)) => {
                    // The call may have been counted although the answer was lost, so it is given back.
                    let fault = Fault::new(FaultKind::Busy, "the database couldn't be reached; nothing ran");
                    let report = CallReport::refused(fault.retryable(true));
                    let unsure = record(id, now, request, &connection, &report, Vec::new());
                    if error.is_passing() {
                        self.settlements.keep(SettlementKind::GiveBack, unsure, error.clone()).ok();
                    }
                    return Err(error.into());
                }
            }
        } else {
            FuelGrant { fuel: most, limited: false }
        };
        let extension = Arc::new(self.extension(id, request.organization));
        let reserve = grant.limited.then(|| Arc::new(FuelReserve::new(grant.fuel, most, Arc::clone(&extension) as _)));

        let allowance = Allowance { fuel: if grant.limited { grant.fuel } else { most }, ..allowance };
        let invocation = self.invocation(request, id, &connection, prepared, action, allowance, &outbound, now);
        let mut outcome = self.sandbox.invoke(Invocation { reserve: reserve.clone(), ..invocation }).await;
        let never_ran = outcome.never_ran();
        let sample = self.sample(request, &connection, &outcome, now);
        let output = self.shape(request, &passed, &connection, allowance, reserve.as_ref(), &mut outcome).await;
        let output = output.map_err(|fault| outbound.cause().unwrap_or(fault));
        let report = finished(output, outcome, reserve.as_deref(), extension.take_refusal());
        let record = record(id, now, request, &connection, &report, outbound.requests());
        if counted && !never_ran && environment == Environment::Production {
            self.usual.learn(like, report.cost.fuel);
        }
        let ending = match counted {
            true if never_ran => SettlementKind::GiveBack,
            true => SettlementKind::Finish,
            false => SettlementKind::Log,
        };
        if self.settlements.settle(ending, record).await? == SettlementOutcome::Later {
            return Ok(report);
        }
        if let Some(sample) = sample
            && let Err(error) = self.store.keep_sample(sample).await
        {
            tracing::warn!(%error, connection = %connection.id, "an action's last output could not be kept");
        }
        // The cache keeps no warnings, so an output with warnings isn't cached.
        if let (Some(key), Ok(output)) = (recent.filter(|_| report.notes().is_empty()), &report.result) {
            self.recent.keep(key, output, self.clock.now());
        }
        if let Err(error) = self.observe(request, &connection, &report).await {
            tracing::warn!(%error, connection = %connection.id, "what a call tells of its connection could not be kept");
        }
        Ok(report)
    }

    /// Counts a call and sets fuel aside. Waits for a moment when the rest of the limit is set aside for other calls.
    async fn begin(
        &self,
        id: CallId,
        organization: OrganizationId,
        environment: Environment,
        fuel: u64,
        now: Timestamp,
    ) -> Result<FuelGrant, BeginCallError> {
        let lease_until = now.plus(LEASE);
        let attempt = || self.store.begin_call(id, organization, environment, fuel, now, lease_until);
        self.queues.wait_for_fuel(organization, attempt).await
    }

    fn extension(&self, call: CallId, organization: OrganizationId) -> Extension {
        Extension {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            queues: self.queues.clone(),
            organization,
            call,
            refused: Mutex::default(),
        }
    }

    /// Tries once to settle the calls that wait for the database. Called when the host shuts down.
    #[boxed]
    pub async fn settle_pending(&self) {
        self.settlements.flush().await;
    }
}

/// The report of a call. A call that ran out of fuel before it reached its own cap gets a fault that says why.
fn finished(
    output: Result<Value, Fault>,
    outcome: Outcome,
    reserve: Option<&FuelReserve>,
    refused: Option<BeginCallError>,
) -> CallReport {
    let spent = output.as_ref().is_err_and(|fault| fault.kind == FaultKind::Fuel);
    // It burnt its reserve faster than more could be asked for. A repeat sets aside twice as much.
    let output = match output {
        Err(_) if spent && refused.is_none() && reserve.is_some_and(FuelReserve::may_grow) => {
            let message =
                "the call needed more fuel at once than such calls do; try again, and more is set aside for it";
            Err(Fault::new(FaultKind::Busy, message).retryable(true))
        }
        output => output,
    };
    let report = match (output, refused) {
        (_, Some(BeginCallError::Limit(limit))) if spent => CallReport::limit_reached(limit),
        (_, Some(BeginCallError::LimitReserved(set_aside))) if spent => CallReport::set_aside(set_aside),
        (Ok(output), _) => CallReport { cached: false, ..CallReport::from_cache(&output) },
        (Err(fault), _) => CallReport::refused(fault),
    };
    CallReport { cost: outcome.cost, log: outcome.log, ..report }
}
