//! The port to the sandbox: what it needs to run a call, and what it returns.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use resly_manifest::{Allowance, Digest};
use serde::{Deserialize, Serialize};

use super::{
    fault::{Fault, FaultKind},
    fuel::FuelReserve,
    outbound::Outbound,
};
use crate::{
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    object::ObjectError,
    time::Timestamp,
};

/// Provides the bytes of a component that isn't compiled yet.
#[async_trait]
pub trait ComponentSource: Send + Sync + 'static {
    /// `None` when there is no such component.
    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, ComponentStoreError>;
}

/// Why a component's bytes can't be read or stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ComponentStoreError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// One call of an action.
pub struct Invocation {
    pub organization: OrganizationId,
    pub component: Digest,
    pub action: String,
    /// JSON texts, as `action.call` in `wit/connector.wit` describes them.
    pub input: String,
    pub settings: String,
    pub context: String,
    pub allowance: Allowance,
    /// Provides more fuel while the call runs. With `None`, the call has only the fuel of its allowance.
    pub reserve: Option<Arc<FuelReserve>>,
    pub outbound: Arc<dyn Outbound>,
    pub state: Arc<dyn CallState>,
}

/// A connector's state between calls, limited to one organization, connection and connector.
#[async_trait]
pub trait CallState: Send + Sync + 'static {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    async fn set(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<(), SetStateError>;
}

/// The port that stores connectors' state.
#[async_trait]
pub trait StateStore: Send + Sync + 'static {
    async fn get_state(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        connector: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError>;
    #[expect(clippy::too_many_arguments, reason = "the scope, the entry and the two times are what this is about")]
    /// Refuses a value over 64 KiB, more than 128 keys, and more than 1 MiB for one connection and connector.
    async fn set_state(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        connector: &str,
        key: &str,
        value: &[u8],
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), SetStateError>;
}

/// Why a value wasn't kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SetStateError {
    #[error("the key or the value is larger than a connector may keep")]
    TooLarge,
    #[error("the connection holds as many keys as it may")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a call cost, whether it succeeded or failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub fuel: u64,
    pub http_calls: u32,
    pub response_bytes: u64,
    /// Microseconds since a guest thread started the call.
    pub duration_us: u64,
}

impl Cost {
    /// The time in milliseconds with three decimals, as the API shows it.
    pub fn duration_ms(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "calls last minutes, not centuries")]
        let micros = self.duration_us as f64;
        micros / 1000.0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub level: LogLevel,
    pub message: String,
}

/// The result of an invocation.
#[derive(Debug)]
pub struct Outcome {
    /// The output's JSON text.
    pub result: Result<String, Fault>,
    pub cost: Cost,
    pub log: Vec<LogLine>,
}

impl Outcome {
    /// Whether the host gave up before the guest started.
    pub fn never_ran(&self) -> bool {
        let refused = |fault: &Fault| matches!(fault.kind, FaultKind::Busy | FaultKind::Component);
        self.cost.fuel == 0 && self.result.as_ref().is_err_and(refused)
    }
}

/// The result and the cost of a mapping.
#[derive(Debug)]
pub struct Mapped {
    /// The output's JSON text.
    pub result: Result<String, MappingFailure>,
    pub cost: Cost,
}

impl From<Mapped> for Outcome {
    fn from(mapped: Mapped) -> Self {
        Self { result: mapped.result.map_err(MappingFailure::into_fault), cost: mapped.cost, log: Vec::new() }
    }
}

/// Why a mapping failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingFailure {
    /// With an `offset` in bytes, the filter itself is invalid there. Without one, it failed on this input.
    Filter { message: String, offset: Option<u32> },
    /// The host ended the mapper.
    Fault(Fault),
}

impl MappingFailure {
    /// The same failure as the fault of a call whose output was to be mapped.
    pub fn into_fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Filter { message, offset } => {
                let at = offset.map_or_else(String::new, |offset| format!(" (at byte {offset} of the filter)"));
                Fault::new(FaultKind::Mapping, format!("{message}{at}"))
            }
        }
    }
}

/// Runs guests.
#[async_trait]
pub trait Sandbox: Send + Sync + 'static {
    async fn invoke(&self, invocation: Invocation) -> Outcome;
    /// Applies a jq filter to a JSON text in the mapper, on the organization's share of places.
    async fn map(&self, organization: OrganizationId, filter: &str, input: &str, allowance: Allowance) -> Mapped;
    /// The same within a call whose reserve may grow.
    async fn map_within(
        &self,
        organization: OrganizationId,
        filter: &str,
        input: &str,
        allowance: Allowance,
        _reserve: Option<Arc<FuelReserve>>,
    ) -> Mapped {
        self.map(organization, filter, input, allowance).await
    }
}
