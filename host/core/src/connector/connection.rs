//! A connection: a connector as one organization has installed and configured it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use metrics::SharedString;
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
    /// Answers come from the manifest's fixtures. The network isn't used, and nothing counts toward a limit.
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
    /// Configured but not offered to models: it wasn't enabled yet, or it has to pass a test again.
    Installed,
    Enabled,
    /// Disabled by an admin. Only an admin can change that.
    Disabled,
    /// The service refused its credential, or it has none.
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

/// What chats may do with a connection besides reads under a secret key. By default, a write runs after a person has
/// confirmed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Writes run without a person's confirmation.
    pub allow_writes: bool,
    /// Writes never run in a chat. It overrides `allow_writes`.
    pub deny_writes: bool,
    /// Chats under a publishable key may call it. Anyone can read such a key off a web page.
    pub allow_publishable: bool,
}

impl Policy {
    /// When a chat's write may run. `None` means never.
    pub fn writes(self) -> Option<ConfirmationPolicy> {
        match (self.deny_writes, self.allow_writes) {
            (true, _) => None,
            (false, true) => Some(ConfirmationPolicy::AtOnce),
            (false, false) => Some(ConfirmationPolicy::WhenConfirmed),
        }
    }
}

/// When a chat's write runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmationPolicy {
    AtOnce,
    /// After a person confirmed it.
    WhenConfirmed,
}

/// Whose account a connection uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The organization's own.
    #[default]
    Organization,
    /// Each visitor's own. `credentials` then holds at most the client of the OAuth app.
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
    /// JSON that fits the settings schema of the manifest.
    pub settings: Value,
    /// The chosen authentication of those that the manifest offers. `None` is the manifest's default.
    pub auth: Option<AuthType>,
    /// Whose account it is.
    pub owner: Owner,
    pub credentials: Option<SealedCredentials>,
    pub policy: Policy,
    /// jq filters by action id. Each is applied to the action's output before the model sees it.
    pub mappings: BTreeMap<String, String>,
    /// When it last passed a test in its environment with its present hosts.
    pub tested_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Increases with each change. The sealed credentials are bound to it.
    pub revision: u64,
}

impl Connection {
    /// How it authenticates. When its version no longer offers the chosen way, the manifest's default is used.
    pub fn auth_in<'m>(&self, manifest: &'m Manifest) -> &'m Auth {
        manifest.auth_of(self.auth).unwrap_or(&manifest.auth)
    }
}

/// A connector of an organization's catalogue: its manifest and the component that runs it.
#[derive(Clone, Debug)]
pub struct Installable {
    pub manifest: Arc<Manifest>,
    /// The component to run. For a declarative connector, this is the bundled runner.
    pub component: Digest,
    pub origin: Origin,
}

impl Installable {
    /// What metrics call it: the id of a bundled connector, and for the others, which organizations name, their origin.
    pub fn metric_label(&self) -> SharedString {
        match self.origin {
            Origin::Bundled => self.manifest.id.clone().into(),
            Origin::Declarative => "declarative".into(),
            Origin::Uploaded => "uploaded".into(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Bundled,
    Declarative,
    Uploaded,
}

/// Finds connectors: first the bundled ones, then the organization's own.
#[async_trait]
pub trait Catalogue: Send + Sync + 'static {
    async fn find(
        &self,
        organization: OrganizationId,
        connector: &str,
        version: &str,
    ) -> Result<Option<Installable>, StoreError>;
}

/// The kind of caller, as the log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallerKind {
    Admin,
    Chat,
    /// A crawl of a list.
    Crawl,
    /// The host itself, in a health check.
    Health,
}

impl CallerKind {
    pub const ALL: [Self; 4] = [Self::Admin, Self::Chat, Self::Crawl, Self::Health];

    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Chat => "chat",
            Self::Crawl => "crawl",
            Self::Health => "health",
        }
    }
}
