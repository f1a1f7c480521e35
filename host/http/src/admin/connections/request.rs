//! The bodies that install and change a connection.

use std::collections::BTreeMap;

use resly_core::{
    connector::connection::{Environment, Owner},
    time::Timestamp,
};
use resly_manifest::AuthType;
use resly_service::connections;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::view::Policy;
use crate::{openapi_enums, present::present};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallRequest {
    /// The connector's id.
    connector: String,
    /// The newest when absent.
    version: Option<String>,
    /// For people; the connector's name when absent.
    name: Option<String>,
    /// `sandbox` (fixtures, no network) or `production`.
    #[schema(value_type = openapi_enums::Environment)]
    environment: Environment,
    /// What the connector's settings schema asks for.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    settings: Option<Value>,
    /// One of the connector's ways of authentication, by type; its usual one when absent.
    #[schema(value_type = Option<openapi_enums::AuthType>)]
    auth: Option<AuthType>,
    /// Whose account it is: `organization` (when absent), or `visitor` for each visitor's own.
    #[serde(default)]
    #[schema(value_type = Option<openapi_enums::Owner>)]
    owner: Owner,
    /// `{api_key}`, `{token}`, `{username, password}` or `{client_id, client_secret}`. They never come back.
    credentials: Option<BTreeMap<String, String>>,
    /// RFC 3339: when the credentials end, if the service said so. An alert is raised two weeks ahead.
    #[schema(value_type = Option<String>, format = DateTime)]
    credentials_expire_at: Option<Timestamp>,
    /// What is allowed beyond reading with a secret key.
    policy: Option<Policy>,
    /// jq filters by action, applied to the output before the model sees it.
    mappings: Option<BTreeMap<String, String>>,
}

impl From<InstallRequest> for connections::NewConnection {
    fn from(request: InstallRequest) -> Self {
        Self {
            connector: request.connector,
            version: request.version,
            name: request.name,
            environment: request.environment,
            settings: request.settings.unwrap_or_else(|| json!({})),
            auth: request.auth,
            owner: request.owner,
            credentials: request.credentials,
            credentials_expire_at: request.credentials_expire_at,
            policy: request.policy.unwrap_or_default().into(),
            mappings: request.mappings.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionPatch {
    name: Option<String>,
    version: Option<String>,
    #[schema(value_type = Option<openapi_enums::Environment>)]
    environment: Option<Environment>,
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    settings: Option<Value>,
    /// Another of the connector's ways of authentication. What was stored for the one before is dropped.
    #[schema(value_type = Option<openapi_enums::AuthType>)]
    auth: Option<AuthType>,
    /// New ones, or `null` to forget those there are.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    credentials: Option<Option<BTreeMap<String, String>>>,
    /// RFC 3339: when the credentials end; `null` for never, as it is for new ones when absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = DateTime)]
    credentials_expire_at: Option<Option<Timestamp>>,
    policy: Option<Policy>,
    mappings: Option<BTreeMap<String, String>>,
    /// The `revision` that the change was made from: a 409 when the connection has changed since.
    revision: Option<u64>,
}

impl From<ConnectionPatch> for connections::ConnectionPatch {
    fn from(patch: ConnectionPatch) -> Self {
        Self {
            name: patch.name,
            version: patch.version,
            environment: patch.environment,
            settings: patch.settings,
            auth: patch.auth,
            credentials: patch.credentials,
            credentials_expire_at: patch.credentials_expire_at,
            policy: patch.policy.map(Into::into),
            mappings: patch.mappings,
            revision: patch.revision,
        }
    }
}
