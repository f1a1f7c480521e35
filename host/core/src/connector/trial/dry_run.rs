//! A dry run: runs an action in the sandbox and shows its first request instead of sending it.
//!
//! It ends there, because the next request depends on an answer. The connector's state can be read but not changed, and
//! no credential is opened.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use resly_manifest::Allowance;
use serde_json::Value;

use crate::{
    boxed,
    connector::{
        call::{CallError, CallRequest, ConnectorSchemas, Connectors},
        connection::Connection,
        fault::Fault,
        outbound::{
            DryRunPolicy, Outbound, OutboundFailure, OutboundReason, OutboundRequest, OutboundResponse, StagedRequest,
        },
        sandbox::{CallState, Cost, Invocation, LogLine, SetStateError},
    },
    error::StoreError,
    id::CallId,
};

/// The message to the guest about the request that it wanted to send.
const STAGED: &str = "this is a dry run: the request is shown and not sent";

/// The result of a dry run.
#[derive(Debug)]
pub struct DryRunReport {
    /// The first request. `None` when the action ended without one.
    pub request: Option<UnsentRequest>,
    /// How the action ended. After a request it means nothing, because the request got no answer.
    pub result: Result<Value, Fault>,
    pub cost: Cost,
    pub log: Vec<LogLine>,
}

/// A request that was shown instead of sent.
#[derive(Clone, Debug)]
pub struct UnsentRequest {
    /// The request as the connector wrote it.
    pub asked: OutboundRequest,
    /// The request as it would be sent, or why it would be refused.
    pub staged: Result<StagedRequest, OutboundFailure>,
}

impl Connectors {
    /// Runs an action up to its first request. The connection needn't be stored.
    ///
    /// # Errors
    /// When the action doesn't exist, or when its fuel can't be counted.
    #[boxed]
    pub async fn dry_run(
        &self,
        connection: &Connection,
        prepared: &ConnectorSchemas,
        request: CallRequest,
    ) -> Result<DryRunReport, CallError> {
        let manifest = &prepared.installable.manifest;
        let (_, action) = prepared.action(&request.action)?;
        let refused =
            |fault| DryRunReport { request: None, result: Err(fault), cost: Cost::default(), log: Vec::new() };
        if let Some(fault) = prepared.bad_input(&action.id, &request.input) {
            return Ok(refused(fault));
        }
        let allowance = Allowance::of(manifest);
        let stage = Arc::new(DryRunOutbound {
            policy: self.outside.dry_run(connection, &prepared.installable, &allowance),
            first: Mutex::default(),
        });
        let outbound: Arc<dyn Outbound> = Arc::clone(&stage) as _;
        let now = self.clock.now();
        let invocation = self.invocation(
            &request,
            CallId(self.random.uuid(now)),
            connection,
            prepared,
            action,
            allowance,
            &outbound,
            now,
        );
        let state = Arc::new(ReadOnly(Arc::clone(&invocation.state)));
        let outcome = self.sandbox.invoke(Invocation { state, ..invocation }).await;
        self.store.count_trial(request.organization, outcome.cost.fuel, now).await?;
        let result = outcome.result.map(|text| serde_json::from_str(&text).unwrap_or_default());
        Ok(DryRunReport { request: stage.first(), result, cost: outcome.cost, log: outcome.log })
    }
}

/// The outbound side of a dry run. It keeps the first request and sends none.
struct DryRunOutbound {
    policy: Arc<dyn DryRunPolicy>,
    first: Mutex<Option<UnsentRequest>>,
}

impl DryRunOutbound {
    fn first(&self) -> Option<UnsentRequest> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl Outbound for DryRunOutbound {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundFailure> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            let staged = self.policy.dry_run(&request);
            *first = Some(UnsentRequest { asked: request, staged });
        }
        let message = STAGED.to_owned();
        Err(OutboundFailure::refused(OutboundReason::Denied, message))
    }

    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(text)
    }
}

/// A connector's state that ignores writes.
struct ReadOnly(Arc<dyn CallState>);

#[async_trait]
impl CallState for ReadOnly {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).await
    }

    async fn set(&self, _: &str, _: Vec<u8>, _: Duration) -> Result<(), SetStateError> {
        Ok(())
    }
}
