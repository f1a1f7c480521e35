//! The manifest: what a connector is and what it asks for, read by an admin before any of it runs.
//!
//! The same shape serves compiled connectors (`connector.toml`, packed into the component) and declarative ones (JSON
//! or TOML, whose actions carry `request` and `response`). `host/manifest/src/manifest/read.rs` reads it and
//! `check.rs` beside it validates it whole.

mod check;
mod compare;
mod identity;
mod mistake;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use check::check;
pub(crate) use check::{HostPattern, endpoint, is_host_header, is_member, is_token, is_version};
pub use compare::{Change, Changes, compare};
pub(crate) use mistake::step;
pub use mistake::{Mistake, Mistakes};
pub use read::{Reading, SCHEMA, from_toml, from_value};

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
    /// Other ways to convince the service, which a connection may choose in place of `auth`; each of a type of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auth_alternatives: Vec<Auth>,
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
    /// How a request that may be sent again is sent again; by the host's own rules when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
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
    /// OAuth 2.0 (RFC 6749): the access token goes into `header`, after `prefix`.
    Oauth2(Box<OAuth>),
}

/// How a service does OAuth 2.0. One whole label of an address may be a setting, as in `hosts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OAuth {
    /// Where a person agrees (RFC 6749, section 3.1); the grant `client_credentials` needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize_url: Option<String>,
    pub token_url: String,
    /// RFC 7009.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_url: Option<String>,
    /// What the authorization response's `iss` has to be (RFC 9207), when the service sends one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// How the service signs its answer to an authorization, when it does. One that isn't signed is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_hmac: Option<CallbackHmac>,
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What stands between scopes: a space, unless the service wants a comma.
    #[serde(default = "space")]
    pub scope_separator: String,
    /// PKCE with S256 (RFC 7636).
    #[serde(default = "yes")]
    pub pkce: bool,
    #[serde(default)]
    pub grant: Grant,
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// Parameters that the service asks for beyond the standard's, such as `access_type`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authorize_params: BTreeMap<String, String>,
    /// The same for every request to `token_url`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub token_params: BTreeMap<String, String>,
    /// Values of `token_type` that are accepted beside `Bearer` and the prefix, such as Slack's `bot`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_types: Vec<String>,
    /// Where tokens stand in the answer of `token_url`, where that isn't the standard's place.
    #[serde(default, skip_serializing_if = "TokenPointers::is_empty")]
    pub token_pointers: TokenPointers,
    #[serde(default = "authorization")]
    pub header: String,
    #[serde(default = "bearer")]
    pub prefix: String,
    /// What an expired access token looks like beyond status 401. Any of them counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub expired_when: Vec<ExpiredWhen>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    #[default]
    AuthorizationCode,
    ClientCredentials,
}

/// Whose way of signing an answer's query with the app's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackHmac {
    Shopify,
}

/// How the app's client proves itself to `token_url` (OpenID Connect Core, section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    #[default]
    ClientSecretPost,
    ClientSecretBasic,
}

/// JSON Pointers (RFC 6901) into the answer of `token_url`. A member without one is looked for under its usual name beside
/// the access token. A renewal whose answer has no token at `access_token` is read in the standard's place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenPointers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_in: Option<String>,
}

impl TokenPointers {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each pointer that is there, with its member's name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("access_token", &self.access_token),
            ("refresh_token", &self.refresh_token),
            ("token_type", &self.token_type),
            ("scope", &self.scope),
            ("expires_in", &self.expires_in),
            ("refresh_expires_in", &self.refresh_expires_in),
        ];
        all.into_iter().filter_map(|(name, pointer)| Some((name, pointer.as_deref()?)))
    }
}

/// A response that says that the access token has expired; what is named has to hold together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpiredWhen {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A JSON Pointer (RFC 6901) into the body, where `equals` has to stand; anything but null when `equals` is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<ExpiredWhen>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(ExpiredWhen),
        Many(Vec<ExpiredWhen>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

fn yes() -> bool {
    true
}

fn space() -> String {
    " ".to_owned()
}

fn authorization() -> String {
    "authorization".to_owned()
}

fn bearer() -> String {
    "Bearer ".to_owned()
}

/// The type of an [`Auth`], by which a connection chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    None,
    ApiKey,
    Bearer,
    Basic,
    Oauth2,
}

impl AuthType {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ApiKey => "api_key",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Oauth2 => "oauth2",
        }
    }
}

impl Auth {
    /// The names in `credentials` that this kind needs.
    pub fn fields(&self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::ApiKey { .. } => &["api_key"],
            Self::Bearer => &["token"],
            Self::Basic => &["username", "password"],
            Self::Oauth2(_) => &["client_id", "client_secret"],
        }
    }

    /// Whether somebody has to agree at the service before there is an account.
    pub fn asks_a_person(&self) -> bool {
        matches!(self, Self::Oauth2(oauth) if oauth.grant == Grant::AuthorizationCode)
    }

    pub fn kind(&self) -> AuthType {
        match self {
            Self::None => AuthType::None,
            Self::ApiKey { .. } => AuthType::ApiKey,
            Self::Bearer => AuthType::Bearer,
            Self::Basic => AuthType::Basic,
            Self::Oauth2(_) => AuthType::Oauth2,
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
    /// A segment `*` stands for any one.
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

/// When a request is sent again. A request that only reads, that carries an `Idempotency-Key`, or that belongs to an action
/// which is `idempotent`, may be; no other ever is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// After the first try.
    #[serde(default = "two")]
    pub retries: u32,
    /// Answers after which another try may fare better. A service's `Retry-After` is waited for, within reason.
    #[serde(default = "transient")]
    pub statuses: Vec<u16>,
}

impl Retry {
    /// What a service, or a gateway before it, may answer otherwise in a moment: where a manifest says nothing else.
    pub const TRANSIENT: [u16; 4] = [429, 502, 503, 504];
}

fn two() -> u32 {
    2
}

fn transient() -> Vec<u16> {
    Retry::TRANSIENT.to_vec()
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

    /// Every way that a connection may choose, the usual one first.
    pub fn auths(&self) -> impl Iterator<Item = &Auth> {
        std::iter::once(&self.auth).chain(&self.auth_alternatives)
    }

    /// The way that a connection chose; `None` when this manifest doesn't offer it.
    pub fn auth_of(&self, chosen: Option<AuthType>) -> Option<&Auth> {
        match chosen {
            None => Some(&self.auth),
            Some(kind) => self.auths().find(|auth| auth.kind() == kind),
        }
    }

    /// Whether the bundled runner executes it, rather than code of its own.
    pub fn is_declarative(&self) -> bool {
        self.actions.iter().all(|action| action.request.is_some())
    }
}
