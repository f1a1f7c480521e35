//! A connection: one connector as one organization has it installed, and the port that keeps it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use resly_manifest::{Auth, AuthType, Digest, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    account::AccountKey,
    health::HealthStore,
    reason::Reason,
    sandbox::{Cost, LogLine},
    trial::TrialStore,
};
use crate::{
    error::StoreError,
    id::{CallId, ConnectionId, ConversationId, KeyId, OrganizationId},
    meter::{LimitReached, SetAside},
    time::Timestamp,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Answers come from the manifest's fixtures; the network is never touched; nothing counts toward a limit.
    Sandbox,
    Production,
}

impl Environment {
    pub const ALL: [Self; 2] = [Self::Sandbox, Self::Production];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    /// Configured, not offered to a model: not yet, or not before it has passed a test again.
    Installed,
    Enabled,
    /// Taken away by an admin. Only an admin ends this.
    Disabled,
    /// The service refused its credential, or it is missing.
    NeedsAuth,
}

impl ConnectionStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::NeedsAuth => "needs_auth",
        }
    }
}

/// What chats may do with a connection beyond reading with a secret key. A write runs after a person confirmed it, unless
/// an admin said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Actions with side effect `write` run without asking a person.
    pub allow_writes: bool,
    /// They don't run in a chat at all, whoever confirms; wins over `allow_writes`.
    pub deny_writes: bool,
    /// Chats under a publishable key, which anyone can read off a page, may call it.
    pub allow_publishable: bool,
}

impl Policy {
    /// When a chat's write may run; `None` is never.
    pub fn writes(self) -> Option<Writes> {
        match (self.deny_writes, self.allow_writes) {
            (true, _) => None,
            (false, true) => Some(Writes::AtOnce),
            (false, false) => Some(Writes::WhenConfirmed),
        }
    }
}

/// When a chat's write runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    AtOnce,
    /// After a person confirmed it.
    WhenConfirmed,
}

/// Credentials as they rest: one AEAD record, opened by the vault alone. There is no way from here to a plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCredentials(pub Vec<u8>);

/// Whose account a connection acts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The organization's own.
    #[default]
    Organization,
    /// Each visitor's own: everyone who chats brings a credential, and `credentials` holds the app's client at most.
    Visitor,
}

impl Owner {
    pub fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Visitor => "visitor",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Connection {
    pub id: ConnectionId,
    pub organization: OrganizationId,
    pub connector: String,
    pub version: String,
    pub name: String,
    pub environment: Environment,
    pub status: ConnectionStatus,
    /// JSON that satisfies the manifest's settings schema.
    pub settings: Value,
    /// Which of the manifest's ways of authentication it uses; its usual one when `None`.
    pub auth: Option<AuthType>,
    /// Whose account it is.
    pub owner: Owner,
    pub credentials: Option<SealedCredentials>,
    pub policy: Policy,
    /// jq filters by action id, applied to the action's output before the model sees it.
    pub mappings: BTreeMap<String, String>,
    /// When it last passed a test in its environment, with the hosts that it has now.
    pub tested_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Grows with each change; part of what the credential is bound to.
    pub revision: u64,
}

impl Connection {
    /// How it authenticates. A version that no longer offers the chosen way falls back to its usual one.
    pub fn auth_in<'m>(&self, manifest: &'m Manifest) -> &'m Auth {
        manifest.auth_of(self.auth).unwrap_or(&manifest.auth)
    }
}

/// A connector as an organization's catalogue has it: its manifest, and the component that runs it.
#[derive(Clone, Debug)]
pub struct Installable {
    pub manifest: Arc<Manifest>,
    /// The component; for a declarative connector, the bundled runner.
    pub component: Digest,
    pub origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Bundled,
    Declarative,
    Uploaded,
}

/// Finds connectors: the bundled ones, then the organization's own.
#[async_trait]
pub trait Catalogue: Send + Sync + 'static {
    async fn find(
        &self,
        organization: OrganizationId,
        connector: &str,
        version: &str,
    ) -> Result<Option<Installable>, StoreError>;
}

/// Who made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallerKind {
    Admin,
    Chat,
    /// The host itself, to see whether the connection works.
    Health,
}

impl CallerKind {
    pub const ALL: [Self; 3] = [Self::Admin, Self::Chat, Self::Health];

    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Chat => "chat",
            Self::Health => "health",
        }
    }
}

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
