//! One connector call, from the policy check to the log row. Chats, tests of a connection and an admin's trial of an
//! action all come through [`Connectors::call`].

mod admit;
mod invocation;
mod output;
mod prepared;
mod record;
mod request;

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;

pub(crate) use self::invocation::allowance;
pub(super) use self::output::MAPPING_FUEL;
pub use self::{
    admit::Admitted,
    prepared::Prepared,
    request::{CallError, CallReport, CallRequest, Caller},
};
use self::{admit::denied, record::record};
use super::{
    connection::{BeginCallError, Catalogue, Connection, ConnectionStore, Environment, Installable, Owner},
    fixture::Fixtures,
    health::Schedule,
    manifest::Action,
    recent::Recent,
    sandbox::{Allowance, Fault, FaultKind, Sandbox, StateStore},
};
use crate::{
    id::{CallId, OrganizationId},
    outbound::{Outbound, Rehearse},
    time::{Clock, Random},
};

/// How long a call's reservation may outlive its host.
const LEASE: Duration = Duration::from_secs(300);

/// Opens the way to the outside for one call in the `production` environment, bound to the connection's hosts and
/// credential, which is the visitor's where visitors have their own. Nothing is dialled and no secret is opened until the guest asks for the first request.
pub trait Outside: Send + Sync + 'static {
    /// A fault when the connection has nothing to go with.
    fn open(
        &self,
        connection: &Connection,
        installable: &Installable,
        action: &Action,
        visitor: Option<&str>,
        allowance: &Allowance,
    ) -> Result<Arc<dyn Outbound>, Fault>;

    /// The same, to see what would leave.
    fn rehearse(&self, connection: &Connection, installable: &Installable, allowance: &Allowance) -> Arc<dyn Rehearse>;
}

#[derive(Clone)]
pub struct Connectors {
    pub store: Arc<dyn ConnectionStore>,
    catalogue: Arc<dyn Catalogue>,
    pub(super) sandbox: Arc<dyn Sandbox>,
    state: Arc<dyn StateStore>,
    pub(super) outside: Arc<dyn Outside>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    prepared: Cache<(OrganizationId, String, String), Arc<Prepared>>,
    recent: Recent,
    schedule: Schedule,
}

impl Connectors {
    pub fn new(
        store: Arc<dyn ConnectionStore>,
        catalogue: Arc<dyn Catalogue>,
        sandbox: Arc<dyn Sandbox>,
        state: Arc<dyn StateStore>,
        outside: Arc<dyn Outside>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        // A version never changes once it is in the catalogue, so an entry can't be stale; the bound is for memory.
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
            recent: Recent::new(),
            schedule: Schedule::default(),
        }
    }

    /// Has what calls tell of a connection's health set its next check by another schedule.
    #[must_use]
    pub fn on_schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// A connector of the catalogue, with its schemas compiled.
    pub async fn prepare(&self, connection: &Connection) -> Result<Arc<Prepared>, CallError> {
        let key = (connection.organization, connection.connector.clone(), connection.version.clone());
        if let Some(prepared) = self.prepared.get(&key) {
            return Ok(prepared);
        }
        let found = self.catalogue.find(key.0, &key.1, &key.2).await?;
        let Some(installable) = found else {
            return Err(CallError::NoConnector { connector: key.1, version: key.2 });
        };
        let prepared = Arc::new(Prepared::new(installable));
        self.prepared.insert(key, Arc::clone(&prepared));
        Ok(prepared)
    }

    /// Calls an action. It runs on a task of its own, so that a caller who goes away leaves nothing unsettled.
    pub async fn call(&self, request: CallRequest) -> Result<CallReport, CallError> {
        let connectors = self.clone();
        match tokio::spawn(async move { connectors.run(&request).await }).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "a connector call panicked");
                let fault = Fault::new(FaultKind::Internal, "the host failed while it ran this call; try again");
                Ok(CallReport::refused(fault.retryable(true)))
            }
        }
    }

    async fn run(&self, request: &CallRequest) -> Result<CallReport, CallError> {
        let connection = self.connection(request).await?;
        let passed = match self.check(&connection, request).await? {
            Ok(passed) if !passed.needs_confirmation => passed,
            Ok(_) => {
                let fault = denied("this action changes something: a person has to confirm it");
                return self.refuse(request, &connection, fault).await;
            }
            Err(fault) => return self.refuse(request, &connection, fault).await,
        };
        let (prepared, action, account) = (&passed.prepared, passed.action(), passed.account.clone());
        let manifest = &prepared.installable.manifest;
        // Everything that a call may leave behind is kept apart by this.
        let visitor = request.visitor.as_deref().filter(|_| connection.owner == Owner::Visitor);
        // A chat may be answered from what is known; an admin who calls wants to see the service's own answer.
        let recent = match request.caller {
            Caller::Chat { .. } => Recent::key(&connection, account, action, &request.input),
            Caller::Admin { .. } | Caller::Confirmed { .. } | Caller::Health => None,
        };
        if let Some(output) = recent.as_ref().and_then(|key| self.recent.find(key, action, self.clock.now())) {
            return self.log(request, &connection, CallReport::known(&output)).await;
        }
        let allowance = allowance(manifest);
        let outbound: Arc<dyn Outbound> = match connection.environment {
            Environment::Sandbox => {
                let policy = self.outside.rehearse(&connection, &prepared.installable, &allowance);
                Arc::new(Fixtures::within(Arc::clone(manifest), policy))
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
        let lease_until = now.plus(LEASE);
        let counted = request.caller != Caller::Health;
        let fuel = if counted {
            let (organization, environment) = (request.organization, connection.environment);
            match self.store.begin_call(id, organization, environment, allowance.fuel, now, lease_until).await {
                Ok(fuel) => fuel,
                Err(BeginCallError::Limit(limit)) => {
                    return self.log(request, &connection, CallReport::over(limit)).await;
                }
                Err(BeginCallError::Store(error)) => return Err(error.into()),
            }
        } else {
            allowance.fuel
        };

        let allowance = Allowance { fuel, ..allowance };
        let invocation = self.invocation(request, id, &connection, prepared, action, allowance, &outbound, now);
        let mut outcome = self.sandbox.invoke(invocation).await;
        let never_ran = outcome.never_ran();
        let sample = self.sample(request, &connection, &outcome, now);
        let output = self.shape(prepared, &connection, action, allowance, &mut outcome).await;
        let output = output.map_err(|fault| outbound.cause().unwrap_or(fault));
        let report = CallReport { result: output, limit: None, cached: false, cost: outcome.cost, log: outcome.log };
        let record = record(id, now, request, &connection, &report, outbound.requests());
        match counted {
            true if never_ran => self.store.give_back_call(record).await?,
            true => self.store.finish_call(record).await?,
            false => self.store.log_call(record).await?,
        }
        if let Some(sample) = sample {
            self.store.keep_sample(sample).await?;
        }
        // What comes with a warning would be served again without it.
        if let (Some(key), Ok(output)) = (recent.filter(|_| report.notes().is_empty()), &report.result) {
            self.recent.keep(key, output, self.clock.now());
        }
        self.observe(request, &connection, &report).await?;
        Ok(report)
    }
}
