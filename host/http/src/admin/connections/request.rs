//! What an admin sends to install and to change a connection.

use std::collections::BTreeMap;

use resly_core::{
    connector::connection::{Environment, Owner},
    time::Timestamp,
};
use resly_manifest::AuthType;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::view::Policy;
use crate::names;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallRequest {
    /// The connector's id.
    pub(super) connector: String,
    /// The newest when absent.
    pub(super) version: Option<String>,
    /// For people; the connector's name when absent.
    pub(super) name: Option<String>,
    /// `sandbox` (fixtures, no network) or `production`.
    #[schema(value_type = names::Environment)]
    pub(super) environment: Environment,
    /// What the connector's settings schema asks for.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    pub(super) settings: Option<Value>,
    /// One of the connector's ways of authentication, by type; its usual one when absent.
    #[schema(value_type = Option<names::AuthType>)]
    pub(super) auth: Option<AuthType>,
    /// Whose account it is: `organization` (when absent), or `visitor` for each visitor's own.
    #[serde(default)]
    #[schema(value_type = Option<names::Owner>)]
    pub(super) owner: Owner,
    /// `{api_key}`, `{token}`, `{username, password}` or `{client_id, client_secret}`. They never come back.
    pub(super) credentials: Option<BTreeMap<String, String>>,
    /// RFC 3339: when the credentials end, if the service said so. An alert is raised two weeks ahead.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) credentials_expire_at: Option<Timestamp>,
    /// What is allowed beyond reading with a secret key.
    pub(super) policy: Option<Policy>,
    /// jq filters by action, applied to the output before the model sees it.
    pub(super) mappings: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionPatch {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    #[schema(value_type = Option<names::Environment>)]
    pub(super) environment: Option<Environment>,
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    pub(super) settings: Option<Value>,
    /// Another of the connector's ways of authentication. What was stored for the one before is dropped.
    #[schema(value_type = Option<names::AuthType>)]
    pub(super) auth: Option<AuthType>,
    /// New ones, or `null` to forget those there are.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub(super) credentials: Option<Option<BTreeMap<String, String>>>,
    /// RFC 3339: when the credentials end; `null` for never, as it is for new ones when absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) credentials_expire_at: Option<Option<Timestamp>>,
    pub(super) policy: Option<Policy>,
    pub(super) mappings: Option<BTreeMap<String, String>>,
    /// The `revision` that the change was made from: a 409 when the connection has changed since.
    pub(super) revision: Option<u64>,
}

/// Tells `null` from absent.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
