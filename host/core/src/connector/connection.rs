//! A connection: one connector as one organization has it installed.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use resly_manifest::{Auth, AuthType, Digest, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::SealedCredentials;
use crate::{
    error::StoreError,
    id::{ConnectionId, OrganizationId},
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
