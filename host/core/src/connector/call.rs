//! One connector call, from the policy check to the log row. Chats, tests of a connection and an admin's trial of an
//! action all come through [`Connectors::call`].

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::sync::Cache;
use serde_json::{Value, json};

use super::{
    account::AccountKey,
    connection::{
        BeginCallError, CallRecord, CallerKind, Catalogue, Connection, ConnectionStatus, ConnectionStore, Environment,
        Installable, Owner, Writes,
    },
    fixture::Fixtures,
    health::{Evidence, Observed, Schedule},
    manifest::{Action, Auth, Grant, Manifest, SideEffect},
    recent::Recent,
    sandbox::{
        Allowance, CallState, Cost, Fault, FaultKind, Invocation, LogLevel, LogLine, Outcome, Sandbox, StateRefusal,
        StateStore, Unmapped,
    },
    schema::Schema,
    trial::{self, ActionSample},
};
use crate::{
    error::StoreError,
    id::{CallId, ConnectionId, ConversationId, KeyId, OrganizationId},
    meter::LimitReached,
    outbound::{Outbound, Rehearse},
    principal::KeyKind,
    time::{Clock, Random, Timestamp},
};

/// How long a call's reservation may outlive its host.
const LEASE: Duration = Duration::from_secs(300);
/// The longest that a manifest may ask for.
const LONGEST: Duration = Duration::from_secs(60);
pub(super) const MAPPING_FUEL: u64 = 50_000_000;

/// Opens the way to the outside for one call in the `production` environment, bound to the connection's hosts and
/// credential, which is the visitor's where visitors have their own. Nothing is dialled and no secret is opened until the guest asks for the first request.
pub trait Outside: Send + Sync + 'static {
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

/// On whose behalf a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// An admin, who may call any action of a connection in any state.
    Admin { key: KeyId },
    /// A chat, which may call what policy allows.
    Chat { key: KeyId, kind: KeyKind, conversation: ConversationId },
    /// A chat, for a write that a person confirmed under this key when the connection had this revision.
    Confirmed { key: KeyId, kind: KeyKind, conversation: ConversationId, revision: u64 },
    /// The host itself, which looks whether the connection works. It is logged and counted nowhere: nobody asked for it.
    Health,
}

impl Caller {
    fn key(self) -> Option<KeyId> {
        match self {
            Self::Admin { key } | Self::Chat { key, .. } | Self::Confirmed { key, .. } => Some(key),
            Self::Health => None,
        }
    }

    fn conversation(self) -> Option<ConversationId> {
        match self {
            Self::Chat { conversation, .. } | Self::Confirmed { conversation, .. } => Some(conversation),
            Self::Admin { .. } | Self::Health => None,
        }
    }

    fn kind(self) -> CallerKind {
        match self {
            Self::Admin { .. } => CallerKind::Admin,
            Self::Chat { .. } | Self::Confirmed { .. } => CallerKind::Chat,
            Self::Health => CallerKind::Health,
        }
    }
}

#[derive(Clone, Debug)]
pub struct CallRequest {
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    pub action: String,
    pub input: Value,
    pub caller: Caller,
    /// Whose account to use where each visitor has one.
    pub visitor: Option<String>,
}

/// What a call gave.
#[derive(Debug)]
pub struct CallReport {
    pub result: Result<Value, Fault>,
    /// Set when `result` is a fault of kind `Limit`.
    pub limit: Option<LimitReached>,
    /// Answered from the host's memory.
    pub cached: bool,
    pub cost: Cost,
    pub log: Vec<LogLine>,
}

/// Why there was nothing to call.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("there is no such connection")]
    NoConnection,
    #[error("connector `{connector}` {version} is not in the catalogue any more; install another version")]
    NoConnector { connector: String, version: String },
    #[error("this connector has no action `{action}`; it has {}", have.join(", "))]
    NoAction { action: String, have: Vec<String> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A call that policy doesn't refuse, with an input that fits.
pub struct Admitted {
    pub connection: Connection,
    /// It changes something, and a person has to confirm it first.
    pub needs_confirmation: bool,
    passed: Passed,
}

impl Admitted {
    pub fn action(&self) -> &Action {
        self.passed.action()
    }
}

/// What a call that may be made is made with.
struct Passed {
    needs_confirmation: bool,
    prepared: Arc<Prepared>,
    /// Where the action is in the manifest.
    action: usize,
    /// Whose account it uses and since when that is connected, where each visitor has one.
    account: Option<(String, Timestamp)>,
}

impl Passed {
    fn action(&self) -> &Action {
        &self.prepared.installable.manifest.actions[self.action]
    }
}

/// A connector with its schemas compiled.
pub struct Prepared {
    pub installable: Installable,
    input: HashMap<String, Schema>,
    output: HashMap<String, Schema>,
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
        match tokio::spawn(async move { connectors.run(request).await }).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "a connector call panicked");
                Ok(CallReport::refused(Fault {
                    kind: FaultKind::Internal,
                    message: "the host failed while it ran this call; try again".to_owned(),
                    retryable: true,
                }))
            }
        }
    }

    /// What policy and the input's schema say of a call, by the connection as it is now. Nothing runs, and nothing is
    /// counted.
    pub async fn admit(&self, request: &CallRequest) -> Result<Result<Admitted, Fault>, CallError> {
        let connection = self.connection(request).await?;
        let passed = self.check(&connection, request).await?;
        let admitted = |passed: Passed| Admitted { connection, needs_confirmation: passed.needs_confirmation, passed };
        Ok(passed.map(admitted))
    }

    async fn connection(&self, request: &CallRequest) -> Result<Connection, CallError> {
        let connection = self.store.connection(request.organization, request.connection).await?;
        connection.ok_or(CallError::NoConnection)
    }

    async fn check(&self, connection: &Connection, request: &CallRequest) -> Result<Result<Passed, Fault>, CallError> {
        let prepared = self.prepare(connection).await?;
        prepared.action(&request.action)?;
        let actions = &prepared.installable.manifest.actions;
        let action = actions.iter().position(|action| action.id == request.action).unwrap_or_default();
        let needs_confirmation = match policy(connection, &actions[action], request) {
            Ok(when) => when == Writes::WhenConfirmed,
            Err(fault) => return Ok(Err(fault)),
        };
        if let Some(fault) = prepared.bad_input(&request.action, &request.input) {
            return Ok(Err(fault));
        }
        let auth = connection.auth_in(&prepared.installable.manifest);
        let account = match self.account(connection, auth, request).await? {
            Ok(account) => account,
            Err(fault) => return Ok(Err(fault)),
        };
        Ok(Ok(Passed { needs_confirmation, prepared, action, account }))
    }

    async fn run(&self, request: CallRequest) -> Result<CallReport, CallError> {
        let connection = self.connection(&request).await?;
        let passed = match self.check(&connection, &request).await? {
            Ok(passed) if !passed.needs_confirmation => passed,
            Ok(_) => {
                let fault = denied("this action changes something: a person has to confirm it");
                return self.refuse(&request, &connection, fault).await;
            }
            Err(fault) => return self.refuse(&request, &connection, fault).await,
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
            return self.log(&request, &connection, CallReport::known(&output)).await;
        }
        let allowance = allowance(manifest);
        let outbound: Arc<dyn Outbound> = match connection.environment {
            Environment::Sandbox => Arc::new(Fixtures::new(Arc::clone(manifest))),
            Environment::Production => {
                match self.outside.open(&connection, &prepared.installable, action, visitor, &allowance) {
                    Ok(outbound) => outbound,
                    Err(fault) => return self.refuse(&request, &connection, fault).await,
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
                    return self.log(&request, &connection, CallReport::over(limit)).await;
                }
                Err(BeginCallError::Store(error)) => return Err(error.into()),
            }
        } else {
            allowance.fuel
        };

        let allowance = Allowance { fuel, ..allowance };
        let invocation = self.invocation(&request, id, &connection, prepared, action, allowance, &outbound, now);
        let mut outcome = self.sandbox.invoke(invocation).await;
        let sample = self.sample(&request, &connection, &outcome, now);
        let output = self.shape(prepared, &connection, action, allowance, &mut outcome).await;
        let output = output.map_err(|fault| outbound.cause().unwrap_or(fault));
        let report = CallReport { result: output, limit: None, cached: false, cost: outcome.cost, log: outcome.log };
        let record = record(id, now, &request, &connection, &report, outbound.requests());
        if counted {
            self.store.finish_call(record).await?;
        } else {
            self.store.log_call(record).await?;
        }
        if let Some(sample) = sample {
            self.store.keep_sample(sample).await?;
        }
        // What comes with a warning would be served again without it.
        if let (Some(key), Ok(output)) = (recent.filter(|_| report.notes().is_empty()), &report.result) {
            self.recent.keep(key, output, self.clock.now());
        }
        self.observe(&request, &connection, &report).await?;
        Ok(report)
    }

    /// Takes in what a call tells of its connection: that its credential is refused or missing, and how healthy it is.
    /// What the call gave is worth more than the latter.
    async fn observe(
        &self,
        request: &CallRequest,
        connection: &Connection,
        report: &CallReport,
    ) -> Result<(), StoreError> {
        if connection.environment == Environment::Sandbox {
            return Ok(());
        }
        // One visitor's account says nothing of the others'.
        if connection.owner == Owner::Organization
            && matches!(&report.result, Err(fault) if fault.kind == FaultKind::NeedsAuth)
        {
            self.store.refuse_connection(connection).await?;
        }
        let result = report.result.as_ref().map(drop);
        let Some(evidence) = Evidence::of(request.caller.kind(), connection.owner, result) else { return Ok(()) };
        let mut chance = [0];
        self.random.fill(&mut chance);
        let observed = Observed {
            organization: connection.organization,
            connection: connection.id,
            evidence,
            offered: connection.status == ConnectionStatus::Enabled,
            schedule: self.schedule,
            chance: chance[0],
            now: self.clock.now(),
        };
        if let Err(error) = self.store.observe(observed).await {
            tracing::error!(%error, connection = %connection.id, "a connection's health could not be noted");
        }
        Ok(())
    }

    /// Writes down a call that reached nobody and isn't counted: a refused one, or one that was answered from memory.
    async fn log(
        &self,
        request: &CallRequest,
        connection: &Connection,
        report: CallReport,
    ) -> Result<CallReport, CallError> {
        let now = self.clock.now();
        let id = CallId(self.random.uuid(now));
        self.store.log_call(record(id, now, request, connection, &report, Vec::new())).await?;
        Ok(report)
    }

    /// Ends a call that isn't made. That there is nothing to make it with is news of the connection, once.
    async fn refuse(
        &self,
        request: &CallRequest,
        connection: &Connection,
        fault: Fault,
    ) -> Result<CallReport, CallError> {
        let report = self.log(request, connection, CallReport::refused(fault)).await?;
        if connection.status != ConnectionStatus::NeedsAuth {
            self.observe(request, connection, &report).await?;
        }
        Ok(report)
    }

    /// The visitor's account that a call uses, of a connection whose visitors have their own. Where a person has to
    /// agree and nobody has, nothing runs.
    async fn account(
        &self,
        connection: &Connection,
        auth: &Auth,
        request: &CallRequest,
    ) -> Result<Result<Option<(String, Timestamp)>, Fault>, StoreError> {
        let oauth = matches!(auth, Auth::Oauth2(_));
        let agreed = matches!(auth, Auth::Oauth2(oauth) if oauth.grant == Grant::AuthorizationCode);
        let own = connection.owner == Owner::Organization;
        if connection.environment == Environment::Sandbox || (own && !agreed) {
            return Ok(Ok(None));
        }
        let missing = |message: String| Ok(Err(Fault { kind: FaultKind::NeedsAuth, message, retryable: false }));
        if !own && request.visitor.is_none() {
            return missing(
                "this connection uses each visitor's own account: say whose with the query parameter `visitor`, as in \
                 `?visitor=anna`"
                    .to_owned(),
            );
        }
        let visitor = request.visitor.clone().filter(|_| !own);
        let key = AccountKey { organization: connection.organization, connection: connection.id, visitor };
        let Some(at) = self.store.authorized_at(&key).await? else {
            let who = if own { "no account is connected" } else { "this visitor hasn't connected an account" };
            return missing(format!("{who}: {}", key.how_to_connect(oauth)));
        };
        Ok(Ok(key.visitor.map(|visitor| (visitor, at))))
    }

    #[expect(clippy::too_many_arguments, reason = "these are what one invocation is made of")]
    pub(super) fn invocation(
        &self,
        request: &CallRequest,
        id: CallId,
        connection: &Connection,
        prepared: &Prepared,
        action: &Action,
        allowance: Allowance,
        outbound: &Arc<dyn Outbound>,
        now: Timestamp,
    ) -> Invocation {
        let mut context = json!({
            "connection": {"id": connection.id, "name": connection.name, "environment": connection.environment},
            "call": {"id": id},
            "now": now,
        });
        if action.request.is_some() {
            context["definition"] =
                json!({"request": action.request, "response": action.response, "pagination": action.pagination});
        }
        let state = ScopedState {
            store: Arc::clone(&self.state),
            clock: Arc::clone(&self.clock),
            organization: connection.organization,
            connection: connection.id,
            connector: state_scope(connection, request.visitor.as_deref()),
        };
        Invocation {
            organization: request.organization,
            component: prepared.installable.component,
            action: action.id.clone(),
            input: request.input.to_string(),
            settings: connection.settings.to_string(),
            context: context.to_string(),
            allowance,
            outbound: Arc::clone(outbound),
            state: Arc::new(state),
        }
    }

    /// What is kept of a call to try mappings on. Of chats in production nothing is, nor of visitors'
    /// own accounts: that is what customers asked for, or have.
    fn sample(
        &self,
        request: &CallRequest,
        connection: &Connection,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Option<ActionSample> {
        let customers = !matches!(request.caller, Caller::Admin { .. }) || connection.owner == Owner::Visitor;
        if customers && connection.environment == Environment::Production {
            return None;
        }
        let (output, cut_from) = trial::fit(outcome.result.as_ref().ok()?);
        let (organization, action) = (request.organization, request.action.clone());
        Some(ActionSample { organization, connection: connection.id, action, output, cut_from, at: now })
    }

    /// Checks the guest's output against its schema and applies the connection's own mapping, on what is left of the
    /// call's fuel. What the mapping costs is added to the outcome.
    async fn shape(
        &self,
        prepared: &Prepared,
        connection: &Connection,
        action: &Action,
        allowance: Allowance,
        outcome: &mut Outcome,
    ) -> Result<Value, Fault> {
        let text = std::mem::replace(&mut outcome.result, Ok(String::new()))?;
        let output = parse_output(&text)?;
        if let Some(fault) = prepared.bad_output(&action.id, &output) {
            return Err(fault);
        }
        let Some(filter) = connection.mappings.get(&action.id) else { return Ok(output) };
        let fuel = allowance.fuel.saturating_sub(outcome.cost.fuel).min(MAPPING_FUEL);
        let mapped = self.sandbox.map(connection.organization, filter, &text, Allowance { fuel, ..allowance }).await;
        outcome.cost.fuel += mapped.cost.fuel;
        outcome.cost.duration_us += mapped.cost.duration_us;
        let mapped = mapped.result.map_err(|unmapped| bad_mapping(&action.id, unmapped))?;
        parse_output(&mapped)
    }
}

/// A call as the log has it.
fn record(
    id: CallId,
    at: Timestamp,
    request: &CallRequest,
    connection: &Connection,
    report: &CallReport,
    requests: Vec<Value>,
) -> CallRecord {
    let fault = report.result.as_ref().err();
    CallRecord {
        id,
        organization: request.organization,
        connection: connection.id,
        connector: connection.connector.clone(),
        version: connection.version.clone(),
        action: request.action.clone(),
        environment: connection.environment,
        caller: request.caller.kind(),
        key: request.caller.key(),
        conversation: request.caller.conversation(),
        status: fault.map_or("ok", |fault| fault.kind.name()).to_owned(),
        reason: fault.map(|fault| fault.kind.reason()),
        cached: report.cached,
        message: fault.map(|fault| fault.message.clone()),
        cost: report.cost.clone(),
        log: report.log.clone(),
        requests,
        created_at: at,
    }
}

fn parse_output(text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|error| Fault {
        kind: FaultKind::Output,
        message: format!("the connector's output is not JSON: {error}; its author has to mend that"),
        retryable: false,
    })
}

/// Whose filter it was, and what to do about it.
fn bad_mapping(action: &str, unmapped: Unmapped) -> Fault {
    let wrong = matches!(unmapped, Unmapped::Filter { .. });
    let fault = unmapped.into_fault();
    if !wrong {
        return fault;
    }
    let message = format!(
        "the connection's mapping for `{action}` failed: {}; an admin has to mend it, and can try it first with \
         POST /api/admin/connections/{{id}}/actions/{action}/mapping/preview",
        fault.message
    );
    Fault { message, ..fault }
}

fn denied(message: &str) -> Fault {
    Fault { kind: FaultKind::Denied, message: message.to_owned(), retryable: false }
}

/// May this caller call this action of this connection, and when? Nothing that a model says is asked here.
fn policy(connection: &Connection, action: &Action, request: &CallRequest) -> Result<Writes, Fault> {
    let (kind, confirmed) = match request.caller {
        Caller::Admin { .. } | Caller::Health => return Ok(Writes::AtOnce),
        Caller::Chat { kind, .. } => (kind, None),
        Caller::Confirmed { kind, revision, .. } => (kind, Some(revision)),
    };
    if connection.status == ConnectionStatus::NeedsAuth {
        return Err(Fault {
            kind: FaultKind::NeedsAuth,
            message: "the connection's credential was refused by the service; an admin has to renew it".to_owned(),
            retryable: false,
        });
    }
    if connection.status != ConnectionStatus::Enabled {
        return Err(denied("this connection is not enabled"));
    }
    if kind == KeyKind::Publishable && !connection.policy.allow_publishable {
        return Err(denied("this connection may not be used from a browser's key"));
    }
    if connection.owner == Owner::Visitor && kind == KeyKind::Publishable {
        // In a browser, `visitorId` is whatever a stranger types.
        return Err(denied("this connection uses each visitor's own account, which takes a chat under a secret key"));
    }
    if connection.owner == Owner::Visitor && request.visitor.is_none() {
        return Err(denied(
            "this connection uses each visitor's own account, and the chat doesn't say whose: send `visitorId`",
        ));
    }
    let when = match action.side_effect {
        SideEffect::Read => Writes::AtOnce,
        SideEffect::Write => connection
            .policy
            .writes()
            .ok_or_else(|| denied("this action changes something, and the connection doesn't allow that in a chat"))?,
    };
    match confirmed {
        None => Ok(when),
        Some(revision) if revision == connection.revision => Ok(Writes::AtOnce),
        Some(_) => Err(denied("the connection was changed after this was confirmed; it has to be asked anew")),
    }
}

/// What the manifest asks for, within what the host gives.
pub(crate) fn allowance(manifest: &Manifest) -> Allowance {
    let most = Allowance::default();
    let asked = manifest.limits;
    let size = |asked: Option<u64>, most: usize| {
        asked.and_then(|asked| usize::try_from(asked).ok()).map_or(most, |asked| asked.min(most))
    };
    Allowance {
        fuel: asked.fuel.map_or(most.fuel, |fuel| fuel.min(most.fuel * 10)),
        deadline: asked.timeout_ms.map_or(most.deadline, |ms| Duration::from_millis(ms.into()).min(LONGEST)),
        memory_bytes: size(asked.memory_bytes, most.memory_bytes),
        http_calls: asked.http_calls.map_or(most.http_calls, |calls| calls.min(64)),
        response_bytes: size(asked.response_bytes, most.response_bytes),
        ..most
    }
}

impl CallReport {
    /// What the connector warns of, such as that there was more than it read: for whoever reads its output.
    pub fn notes(&self) -> Vec<String> {
        const MOST: usize = 3;
        const CHARACTERS: usize = 200;
        let warnings = self.log.iter().filter(|line| line.level == LogLevel::Warn).take(MOST);
        warnings.map(|line| line.message.chars().take(CHARACTERS).collect()).collect()
    }

    fn refused(fault: Fault) -> Self {
        Self { result: Err(fault), limit: None, cached: false, cost: Cost::default(), log: Vec::new() }
    }

    /// Nothing ran, and nothing is counted.
    fn known(output: &Value) -> Self {
        Self { result: Ok(output.clone()), limit: None, cached: true, cost: Cost::default(), log: Vec::new() }
    }

    fn over(limit: LimitReached) -> Self {
        let fault = Fault { kind: FaultKind::Limit, message: limit.to_string(), retryable: false };
        Self { limit: Some(limit), ..Self::refused(fault) }
    }
}

impl Prepared {
    /// A schema that doesn't compile accepts anything: the manifest's check refuses it before it gets here.
    pub fn new(installable: Installable) -> Self {
        let compile = |schema: &Value| Schema::new(schema).ok();
        let actions = &installable.manifest.actions;
        let input = actions.iter().filter_map(|a| Some((a.id.clone(), compile(&a.input)?))).collect();
        let output = actions.iter().filter_map(|a| Some((a.id.clone(), compile(a.output.as_ref()?)?))).collect();
        Self { installable, input, output }
    }

    pub fn action(&self, id: &str) -> Result<&Action, CallError> {
        let manifest = &self.installable.manifest;
        manifest.action(id).ok_or_else(|| CallError::NoAction {
            action: id.to_owned(),
            have: manifest.actions.iter().map(|action| action.id.clone()).collect(),
        })
    }

    pub(super) fn bad_input(&self, action: &str, input: &Value) -> Option<Fault> {
        let differences = self.input.get(action)?.check(input).err()?;
        Some(Fault {
            kind: FaultKind::InvalidInput,
            message: format!("the input doesn't fit the action's schema: {}", differences.join("; ")),
            retryable: false,
        })
    }

    fn bad_output(&self, action: &str, output: &Value) -> Option<Fault> {
        let differences = self.output.get(action)?.check(output).err()?;
        Some(Fault {
            kind: FaultKind::Output,
            message: format!("the output doesn't fit the action's schema: {}", differences.join("; ")),
            retryable: false,
        })
    }
}

/// What a connector's state is kept under. No connector's id holds a slash, so a visitor's is nobody else's.
fn state_scope(connection: &Connection, visitor: Option<&str>) -> String {
    match visitor {
        Some(visitor) if connection.owner == Owner::Visitor => format!("{}/{visitor}", connection.connector),
        _ => connection.connector.clone(),
    }
}

/// The state store, narrowed to one connection, and there to one visitor where each has an account.
struct ScopedState {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    organization: OrganizationId,
    connection: ConnectionId,
    connector: String,
}

#[async_trait]
impl CallState for ScopedState {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let now = self.clock.now();
        self.store.get_state(self.organization, self.connection, &self.connector, key, now).await
    }

    async fn set(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<Result<(), StateRefusal>, StoreError> {
        let now = self.clock.now();
        let until = now.plus(ttl);
        self.store.set_state(self.organization, self.connection, &self.connector, key, &value, until, now).await
    }
}
