//! The JSON of a connection. It says whether there are credentials, and never shows them.

use std::collections::BTreeMap;

use resly_core::{
    connector::{
        account::Account,
        connection::{self, ConnectionStatus, Environment, Owner},
        health::HealthState,
    },
    id::ConnectionId,
    time::Timestamp,
};
use resly_manifest::AuthType;
use resly_service::{accounts, connections::DescribedConnection};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::openapi_enums;

#[derive(Serialize, ToSchema)]
pub struct Connection {
    #[schema(value_type = String, format = "uuid")]
    id: ConnectionId,
    connector: String,
    version: String,
    name: String,
    #[schema(value_type = openapi_enums::Environment)]
    environment: Environment,
    #[schema(value_type = openapi_enums::ConnectionStatus)]
    status: ConnectionStatus,
    /// As the connector's settings schema has them.
    #[schema(value_type = BTreeMap<String, Value>)]
    settings: Value,
    /// Which of the connector's ways of authentication it uses; `null` is its usual one.
    #[schema(required, value_type = Option<openapi_enums::AuthType>)]
    auth: Option<AuthType>,
    /// Whose account it is.
    #[schema(value_type = openapi_enums::Owner)]
    owner: Owner,
    /// When it last passed a test in its environment, with the hosts that it has now.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    tested_at: Option<Timestamp>,
    policy: Policy,
    /// jq filters by action, applied to the output before the model sees it.
    mappings: BTreeMap<String, String>,
    has_credentials: bool,
    /// Grows with each change.
    revision: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Whether an account is authorized (OAuth), since when, for what, and when that ends unless a person renews it.
    authorized: bool,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    authorized_at: Option<Timestamp>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(required)]
    scopes: Option<Vec<String>>,
    #[schema(value_type = openapi_enums::HealthState)]
    health: HealthState,
    /// When the credentials end, as far as an admin said so.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    credentials_expire_at: Option<Timestamp>,
    /// Only in the answer to a change that dropped an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation: Option<UnconfirmedRevocation>,
    /// Members that have no effect at present, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<&'static str>,
}

const SANDBOX_IS_NOT_PUBLIC: &str = "`allow_publishable` has no effect in the sandbox: chats under a publishable key are \
                                     never offered sample data; use the production environment, or a secret key";

impl From<DescribedConnection> for Connection {
    fn from(described: DescribedConnection) -> Self {
        Self::new(described)
    }
}

impl Connection {
    fn new(described: DescribedConnection) -> Self {
        let DescribedConnection { connection, account, health, credentials_expire_at } = described;
        let connection::Connection { id, connector, version, name, environment, status, settings, auth, .. } =
            connection;
        let connection::Connection { owner, tested_at, policy, mappings, credentials, .. } = connection;
        let Authorization { authorized, authorized_at, expires_at, scopes } = Authorization::of(account.as_ref());
        let unoffered = environment == Environment::Sandbox && policy.allow_publishable;
        Self {
            id,
            connector,
            version,
            name,
            environment,
            status,
            settings,
            auth,
            owner,
            tested_at,
            policy: policy.into(),
            mappings,
            has_credentials: credentials.is_some(),
            revision: connection.revision,
            created_at: connection.created_at,
            authorized,
            authorized_at,
            expires_at,
            scopes,
            health,
            credentials_expire_at,
            revocation: None,
            notes: unoffered.then_some(SANDBOX_IS_NOT_PUBLIC).into_iter().collect(),
        }
    }

    pub fn with_revocation(self, message: String) -> Self {
        Self { revocation: Some(UnconfirmedRevocation { confirmed: false, message }), ..self }
    }
}

/// What chats may do with a connection beyond reading with a secret key. What isn't named is `false`.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Actions with side effect `write` run without asking a person.
    allow_writes: bool,
    /// They don't run in a chat at all, whoever confirms; wins over `allow_writes`.
    deny_writes: bool,
    /// Chats under a publishable key, which anyone can read off a page, may call it.
    allow_publishable: bool,
}

impl From<connection::Policy> for Policy {
    fn from(policy: connection::Policy) -> Self {
        let connection::Policy { allow_writes, deny_writes, allow_publishable } = policy;
        Self { allow_writes, deny_writes, allow_publishable }
    }
}

impl From<Policy> for connection::Policy {
    fn from(Policy { allow_writes, deny_writes, allow_publishable }: Policy) -> Self {
        Self { allow_writes, deny_writes, allow_publishable }
    }
}

/// The facts about an account that aren't secret.
pub struct Authorization {
    pub authorized: bool,
    pub authorized_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub scopes: Option<Vec<String>>,
}

impl Authorization {
    pub fn of(account: Option<&Account>) -> Self {
        let scopes = account.and_then(|account| account.terms.scope.as_deref());
        // The standard separates by spaces; some services write commas.
        let split = |text: &str| {
            text.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect::<Vec<String>>()
        };
        Self {
            authorized: account.is_some(),
            authorized_at: account.map(|account| account.authorized_at),
            expires_at: account.and_then(accounts::ends_at),
            scopes: scopes.map(split),
        }
    }
}

/// The host has deleted the tokens, but the service may still accept them.
#[derive(Serialize, ToSchema)]
pub struct UnconfirmedRevocation {
    /// Always `false`.
    confirmed: bool,
    message: String,
}

/// The notice about a disconnected account whose tokens the service may still accept.
#[derive(Serialize, ToSchema)]
pub struct Disconnected {
    revocation: UnconfirmedRevocation,
}

impl Disconnected {
    pub fn unconfirmed(message: String) -> Self {
        Self { revocation: UnconfirmedRevocation { confirmed: false, message } }
    }
}
