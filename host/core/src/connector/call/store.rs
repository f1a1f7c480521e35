//! The port that stores connections and the log of their calls.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    connector::{
        account::AccountKey,
        call::CallStatus,
        connection::{CallerKind, Connection, ConnectionStatus, Environment},
        failure_reason::FailureReason,
        health::HealthStore,
        last_output::TrialStore,
        sandbox::{Cost, LogLine},
    },
    error::StoreError,
    id::{CallId, ConnectionId, ConversationId, KeyId, OrganizationId},
    meter::{LimitReached, LimitReserved},
    time::Timestamp,
};

/// One row of the log of calls.
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
    pub status: CallStatus,
    /// Why it failed.
    pub reason: Option<FailureReason>,
    /// Whether it was answered from the host's cache, without calling the service.
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
    LimitReserved(#[from] LimitReserved),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fuel that is set aside for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FuelGrant {
    pub fuel: u64,
    /// Whether the organization has a limit. Without one, the call may burn more without asking.
    pub limited: bool,
}

/// The port that stores connections and their calls.
#[async_trait]
pub trait ConnectionStore: HealthStore + TrialStore {
    /// When an account of a connection was connected. `None` when none is. Another time means another account.
    async fn authorized_at(&self, account: &AccountKey) -> Result<Option<Timestamp>, StoreError>;
    /// The connections that chats may use.
    async fn enabled_connections(&self, organization: OrganizationId) -> Result<Vec<Connection>, StoreError>;
    async fn connection(
        &self,
        organization: OrganizationId,
        id: ConnectionId,
    ) -> Result<Option<Connection>, StoreError>;
    /// Sets the status that an admin wants: `Enabled` or another.
    async fn set_connection_status(
        &self,
        organization: OrganizationId,
        id: ConnectionId,
        status: ConnectionStatus,
    ) -> Result<bool, StoreError>;
    /// Sets `NeedsAuth` after the service refused the credential, unless the connection was changed meanwhile or is
    /// disabled. Whether an admin wants it enabled doesn't change.
    async fn refuse_connection(&self, refused: &Connection) -> Result<(), StoreError>;

    /// Counts one connector call and sets `fuel` aside. When less is left of the organization's limit and nothing is
    /// set aside for others, the call gets the rest. In the `sandbox` environment nothing is limited and all of it is
    /// granted.
    ///
    /// If the host crashes, the reservation is released after `lease_until`, and the call stays counted.
    async fn begin_call(
        &self,
        id: CallId,
        organization: OrganizationId,
        environment: Environment,
        fuel: u64,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<FuelGrant, BeginCallError>;
    /// Sets `more` aside for a running call, or the rest when less is left. Returns the amount; 0 for a call whose
    /// reservation has ended.
    async fn extend_call(
        &self,
        id: CallId,
        organization: OrganizationId,
        more: u64,
        now: Timestamp,
    ) -> Result<u64, BeginCallError>;
    /// Settles the reservation with the fuel burnt and writes the log row, in one transaction. Idempotent by `id`.
    async fn finish_call(&self, record: CallRecord) -> Result<(), StoreError>;
    /// The same for a call that ended before its connector ran: its count is taken back.
    async fn give_back_call(&self, record: CallRecord) -> Result<(), StoreError>;
    /// Writes the log row of a call that isn't counted.
    async fn log_call(&self, record: CallRecord) -> Result<(), StoreError>;
}
