//! The manifest: what a connector is and what it asks for, read by an admin before any of it runs.
//!
//! The same shape serves compiled connectors (`connector.toml`, packed into the component) and declarative ones (JSON
//! or TOML, whose actions carry `request` and `response`). `host/core/src/connector/manifest/check.rs` validates it whole.

mod check;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use check::{Mistake, check};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Lower-case letters, digits and dashes, 1 to 64: the name in URLs and tool calls.
    pub id: String,
    pub name: String,
    /// Semantic version, such as `1.0.0`.
    pub version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Hosts it may call: `name[:port][/path/prefix]`. One whole label may be a setting, as in
    /// `{{ settings.shop }}.myshopify.com`.
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub auth: Auth,
    /// The hosts, out of `hosts`, that get the credential; all of them when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auth_hosts: Vec<String>,
    /// JSON Schema of the settings: an object.
    #[serde(default = "empty_object_schema")]
    pub settings: Value,
    pub actions: Vec<Action>,
    /// How a connection is tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Test>,
    /// What the service answers in the `sandbox` environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixtures: Vec<Fixture>,
    /// Whether redirects within `hosts` are followed.
    #[serde(default)]
    pub redirects: bool,
    #[serde(default)]
    pub limits: RequestedLimits,
}

fn empty_object_schema() -> Value {
    serde_json::json!({"type": "object", "properties": {}})
}

/// How the service wants to be convinced. The host adds it on the wire, after the request has left the guest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth {
    #[default]
    None,
    /// `credentials.api_key`, in a header or in the query.
    ApiKey {
        #[serde(rename = "in", default)]
        place: ApiKeyPlace,
        name: String,
        #[serde(default)]
        prefix: String,
    },
    /// `credentials.token` as `Authorization: Bearer …` (RFC 6750).
    Bearer,
    /// `credentials.username` and `credentials.password` (RFC 7617).
    Basic,
    /// OAuth 2.0 (RFC 6749).
    Oauth2 {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authorize_url: Option<String>,
        token_url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revoke_url: Option<String>,
        #[serde(default)]
        scopes: Vec<String>,
        #[serde(default = "yes")]
        pkce: bool,
        #[serde(default = "authorization_code")]
        grant: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expired_when: Option<Value>,
    },
}

fn yes() -> bool {
    true
}

fn authorization_code() -> String {
    "authorization_code".to_owned()
}

impl Auth {
    /// The names in `credentials` that this kind needs.
    pub fn fields(&self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::ApiKey { .. } => &["api_key"],
            Self::Bearer => &["token"],
            Self::Basic => &["username", "password"],
            Self::Oauth2 { .. } => &["client_id", "client_secret"],
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiKeyPlace {
    #[default]
    Header,
    Query,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Lower-case letters, digits and underscores, 1 to 64.
    pub id: String,
    pub title: String,
    /// For the model: when to use it and what it returns.
    pub description: String,
    #[serde(default)]
    pub side_effect: SideEffect,
    /// True when calling it twice with the same input does no more than once.
    #[serde(default)]
    pub idempotent: bool,
    /// How long an answer to the same input may be served again; 0 for never.
    #[serde(default)]
    pub cache_s: u32,
    /// JSON Schema of the input: an object.
    #[serde(default = "empty_object_schema")]
    pub input: Value,
    /// JSON Schema of the output; anything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Declarative only: the request, as `plugins/http` documents it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// Declarative only: what the response means, as `plugins/http` documents it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Value>,
    /// Declarative only: how to go on to the next page, as `plugins/http` documents it.
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

/// One request the sandbox environment knows, and its answer. The first match counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    #[serde(rename = "match")]
    pub matcher: FixtureMatch,
    pub response: FixtureResponse,
}

/// What is absent matches anything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixtureMatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Query parameters that must be there with these values; others may be there too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// JSON that the body must contain: objects by their named members, arrays and scalars whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// A text that the body must contain.
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

/// What a connector asks for beyond the host's defaults; the host's own caps stand above it.
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

    /// Whether the bundled runner executes it, rather than code of its own.
    pub fn is_declarative(&self) -> bool {
        self.actions.iter().all(|action| action.request.is_some())
    }
}
