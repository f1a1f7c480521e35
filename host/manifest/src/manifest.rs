//! The manifest: what a connector is and what it asks for. An admin reads it before any of its code runs.
//!
//! Compiled connectors (`connector.toml`, packed into the component) and declarative ones (JSON or TOML, whose actions
//! have `request` and `response`) have the same manifest. `read.rs` reads it, and `check.rs` validates it.

mod auth;
mod check;
mod compare;
mod identity;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use auth::{ApiKeyPlace, Auth, AuthType, CallbackHmac, ClientAuth, ExpiredWhen, Grant, OAuth, TokenPointers};
pub use check::check;
pub(crate) use check::{HostPattern, endpoint, is_host_header, is_member, is_token, is_version};
pub use compare::{Change, Changes, compare};
pub use read::{ParsedManifest, SCHEMA, from_toml, from_value};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The name in URLs and tool calls: 1 to 64 lower-case letters, digits and dashes.
    pub id: String,
    pub name: String,
    /// Semantic version, such as `1.0.0`.
    pub version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Hosts that it may call: `name[:port][/path/prefix]`. One whole label may be a setting, as in `{{ settings.shop
    /// }}.myshopify.com`.
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub auth: Auth,
    /// Other ways to authenticate, which a connection may choose instead of `auth`. Each has another type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auth_alternatives: Vec<Auth>,
    /// The hosts among `hosts` that get the credential. Empty means all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auth_hosts: Vec<String>,
    /// JSON Schema of the settings: an object.
    #[serde(default = "empty_object_schema")]
    pub settings: Value,
    pub actions: Vec<Action>,
    /// How a connection is tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Test>,
    /// The service's answers in the `sandbox` environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixtures: Vec<Fixture>,
    /// Whether redirects within `hosts` are followed.
    #[serde(default)]
    pub redirects: bool,
    /// When requests are repeated. The host's own rules apply when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    #[serde(default)]
    pub limits: RequestedLimits,
}

fn empty_object_schema() -> Value {
    serde_json::json!({"type": "object", "properties": {}})
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Lower-case letters, digits and underscores, 1 to 64.
    pub id: String,
    pub title: String,
    /// For the model: when to use the action and what it returns.
    pub description: String,
    #[serde(default)]
    pub side_effect: SideEffect,
    /// Whether repeating the action with the same input changes nothing.
    #[serde(default)]
    pub idempotent: bool,
    /// Seconds for which an answer may be served again for the same input. 0 means never.
    #[serde(default)]
    pub cache_s: u32,
    /// JSON Schema of the input: an object.
    #[serde(default = "empty_object_schema")]
    pub input: Value,
    /// JSON Schema of the output. Any output is accepted when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Declarative connectors only: the request, as `plugins/http` documents it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// Declarative connectors only: what the response means, as `plugins/http` documents it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Value>,
    /// Declarative connectors only: how to read further pages, as `plugins/http` documents it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SideEffect {
    #[default]
    Read,
    Write,
}

/// The action that tests a connection, with its input.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    pub action: String,
    #[serde(default)]
    pub input: Value,
}

/// A request that the sandbox environment knows, with its answer. The first match counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    #[serde(rename = "match")]
    pub matcher: FixtureMatch,
    pub response: FixtureResponse,
}

/// Conditions on a request. An absent condition matches anything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixtureMatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// A segment `*` matches any one segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Query parameters that must have these values. Other parameters may be there, too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// JSON that the body must contain: objects by the members named here, arrays and scalars as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// Text that the body must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixtureResponse {
    #[serde(default = "ok")]
    pub status: u16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

fn ok() -> u16 {
    200
}

/// When a request is repeated. Only requests that read, that have an `Idempotency-Key`, or that belong to an
/// `idempotent` action are ever repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts after the first one.
    #[serde(default = "two")]
    pub retries: u32,
    /// Statuses after which a repeat may succeed. A service's `Retry-After` is respected up to a limit.
    #[serde(default = "transient")]
    pub statuses: Vec<u16>,
}

impl Retry {
    /// Statuses that a service or its gateway may answer for a moment. They apply when a manifest names no others.
    pub const TRANSIENT: [u16; 4] = [429, 502, 503, 504];
}

fn two() -> u32 {
    2
}

fn transient() -> Vec<u16> {
    Retry::TRANSIENT.to_vec()
}

/// Limits that a connector asks for in place of the host's defaults. The host's own maximum still applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedLimits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_calls: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<u64>,
}

impl Manifest {
    pub fn action(&self, id: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.id == id)
    }

    /// Every way to authenticate, the default first.
    pub fn auths(&self) -> impl Iterator<Item = &Auth> {
        std::iter::once(&self.auth).chain(&self.auth_alternatives)
    }

    /// The way that a connection chose. `None` when this manifest doesn't offer it.
    pub fn auth_of(&self, chosen: Option<AuthType>) -> Option<&Auth> {
        match chosen {
            None => Some(&self.auth),
            Some(kind) => self.auths().find(|auth| auth.kind() == kind),
        }
    }

    /// Whether the bundled runner runs it instead of code of its own.
    pub fn is_declarative(&self) -> bool {
        self.actions.iter().all(|action| action.request.is_some())
    }
}
