//! A change of a connection.

use std::collections::BTreeMap;

use resly_core::{
    connector::{
        account::SealedCredentials,
        connection::{Connection, ConnectionStatus, Environment, Policy},
    },
    time::Timestamp,
};
use resly_manifest::AuthType;
use serde_json::Value;

/// A change of a connection. Members that are `None` stay as they are.
#[derive(Clone, Debug, Default)]
pub struct ConnectionChange {
    pub name: Option<String>,
    pub settings: Option<Value>,
    pub auth: Option<AuthType>,
    /// `Some(None)` deletes them.
    pub credentials: Option<Option<SealedCredentials>>,
    pub policy: Option<Policy>,
    pub mappings: Option<BTreeMap<String, String>>,
    pub version: Option<String>,
    pub environment: Option<Environment>,
    /// Whether the last test no longer counts, because what it tested has changed.
    pub reset_test: bool,
    /// Whether all accounts are deleted, because what was authorized has changed.
    pub forget_accounts: bool,
    /// Whether a connection that waits for a credential has one now.
    pub credential_renewed: bool,
    /// The status of an enabled connection after the change. It is enabled again when it has passed a test.
    pub demote_to: Option<ConnectionStatus>,
    /// Whether an admin has to enable it again, because they haven't agreed to what it is now.
    pub needs_enabling: bool,
    /// The revision that the admin saw. When the connection has another one, nothing changes.
    pub expected_revision: Option<u64>,
    pub expiry: Option<CredentialsExpiry>,
}

/// When credentials end, as an admin says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialsExpiry {
    /// `None` is never.
    pub ends: Option<Timestamp>,
    pub now: Timestamp,
}

impl ConnectionChange {
    /// Whether it changes nothing of this connection.
    pub fn is_none(&self, connection: &Connection) -> bool {
        fn same<T: PartialEq>(new: Option<&T>, have: &T) -> bool {
            new.is_none_or(|new| new == have)
        }
        same(self.name.as_ref(), &connection.name)
            && same(self.settings.as_ref(), &connection.settings)
            && (self.auth.is_none() || self.auth == connection.auth)
            && self.credentials.is_none()
            && same(self.policy.as_ref(), &connection.policy)
            && same(self.mappings.as_ref(), &connection.mappings)
            && same(self.version.as_ref(), &connection.version)
            && same(self.environment.as_ref(), &connection.environment)
            && !(self.reset_test || self.forget_accounts || self.credential_renewed || self.needs_enabling)
            && self.demote_to.is_none()
            && self.expiry.is_none()
            && same(self.expected_revision.as_ref(), &connection.revision)
    }
}
