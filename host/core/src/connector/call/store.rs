//! The port that keeps connections and their calls.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    connector::{
        account::AccountKey,
        connection::{CallerKind, Connection, ConnectionStatus, Environment},
        health::HealthStore,
        reason::Reason,
        sample::TrialStore,
        sandbox::{Cost, LogLine},
    },
    error::StoreError,
    id::{CallId, ConnectionId, ConversationId, KeyId, OrganizationId},
    meter::{LimitReached, SetAside},
    time::Timestamp,
};

/// One call in the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallRecord {
    pub id: CallId,
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    pub connector: String,
    pub version: String,
    pub action: String,
    pub environment: Environment,
    pub caller: CallerKind,
    pub key: Option<KeyId>,
    pub conversation: Option<ConversationId>,
    /// `ok`, or the fault's kind.
    pub status: String,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// Answered from the host's memory: the service wasn't called.
    pub cached: bool,
    /// What happened and what to do next; redacted.
    pub message: Option<String>,
    pub cost: Cost,
    /// The guest's log lines; redacted.
    pub log: Vec<LogLine>,
    /// Method, host, path and status of each request; never a query, header or body.
    pub requests: Vec<Value>,
    pub created_at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum BeginCallError {
    #[error(transparent)]
    Limit(#[from] LimitReached),
    #[error(transparent)]
    SetAside(#[from] SetAside),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fuel that is set aside for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FuelGrant {
    pub fuel: u64,
    /// Whether the organization has a limit. Where it has none, the call may burn more without asking.
    pub limited: bool,
}

/// Where connections and their calls are kept.
#[async_trait]
pub trait ConnectionStore: HealthStore + TrialStore {
    /// When an account of a connection was connected; `None` when it isn't. Another time is another account.
    async fn authorized_at(&self, account: &AccountKey) -> Result<Option<Timestamp>, StoreError>;
    /// The connections a chat may use.
    async fn enabled_connections(&self, organization: OrganizationId) -> Result<Vec<Connection>, StoreError>;
    async fn connection(
        &self,
        organization: OrganizationId,
        id: ConnectionId,
    ) -> Result<Option<Connection>, StoreError>;
    /// What an admin wants: `Enabled`, or not.
    async fn set_connection_status(
        &self,
        organization: OrganizationId,
        id: ConnectionId,
        status: ConnectionStatus,
    ) -> Result<bool, StoreError>;
    /// The service refused its credential: it becomes `NeedsAuth`, unless it was changed meanwhile or is disabled. Whether
    /// an admin wants it enabled stays as it is.
    async fn refuse_connection(&self, refused: &Connection) -> Result<(), StoreError>;

    /// Counts one connector call and sets aside `fuel` of what is left of the organization's, or the last of it when
    /// nothing else is set aside. In the `sandbox` environment nothing is limited and all of it is granted.
    ///
    /// The reservation outlives a crash: it is released, and the call stays counted, once `lease_until` has passed.
    async fn begin_call(
        &self,
        id: CallId,
        organization: OrganizationId,
        environment: Environment,
        fuel: u64,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<FuelGrant, BeginCallError>;
    /// Sets aside `more` for a call that is running, or the last that is left; how much it was. None for a call whose
    /// reservation is gone.
    async fn extend_call(
        &self,
        id: CallId,
        organization: OrganizationId,
        more: u64,
        now: Timestamp,
    ) -> Result<u64, BeginCallError>;
    /// Settles the reservation with what was burnt and writes the log row, in one transaction. Idempotent by `id`.
    async fn finish_call(&self, record: CallRecord) -> Result<(), StoreError>;
    /// The same for a call that the host gave up before its connector ran: it isn't counted after all.
    async fn give_back_call(&self, record: CallRecord) -> Result<(), StoreError>;
    /// Writes the log row of a call that isn't counted.
    async fn log_call(&self, record: CallRecord) -> Result<(), StoreError>;
}
