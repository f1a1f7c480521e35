//! Implements ports on egress and the vault: opens sessions for calls, seals credentials, and keeps wrapped keys.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use resly_core::{
    boxed,
    connector::{
        account::{AccountKey, SealedCredentials},
        call::OutboundFactory,
        connection::{Connection, Installable},
        fault::{Fault, FaultKind},
        outbound::{DryRunPolicy, Outbound},
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
};
use resly_egress::{CredentialSource, Egress, Session, SessionSpec, account_context};
use resly_manifest::{Action, Allowance};
use resly_store::{NewWrapping, Store, WrappedFor};
use resly_vault::{Credentials, Rewrapped, SecretOwner, Vault, VaultError, VaultStore, WrappedStore};

use crate::accounts::{Accounts, binding};

/// Seals the credentials of connections and accounts.
pub struct CredentialSealer {
    vault: Arc<Vault>,
}

impl CredentialSealer {
    pub fn new(vault: Arc<Vault>) -> Self {
        Self { vault }
    }

    #[boxed]
    pub async fn seal(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        credentials: BTreeMap<String, String>,
    ) -> Result<SealedCredentials, VaultError> {
        self.vault.seal(&binding(organization, connection), &Credentials::new(credentials)).await
    }

    /// Seals the credentials of a visitor's account that doesn't use OAuth.
    pub async fn seal_account(
        &self,
        key: &AccountKey,
        credentials: BTreeMap<String, String>,
    ) -> Result<SealedCredentials, VaultError> {
        self.vault.seal(&account_context(key), &Credentials::new(credentials)).await
    }
}

/// Opens egress sessions for calls.
pub struct EgressFactory {
    pub egress: Arc<Egress>,
    pub vault: Arc<Vault>,
    pub accounts: Arc<Accounts>,
}

impl OutboundFactory for EgressFactory {
    fn open(
        &self,
        connection: &Connection,
        installable: &Installable,
        action: &Action,
        visitor: Option<&str>,
        allowance: &Allowance,
    ) -> Result<Arc<dyn Outbound>, Fault> {
        // The call's admission has refused a call whose account isn't connected.
        if !self.accounts.has_credentials(connection, installable) {
            let (what, remedy) = self.accounts.missing_credential(connection, installable);
            let fault = Fault::new(FaultKind::NeedsAuth, format!("the connection lacks {what}"));
            return Err(fault.with_remedy(remedy));
        }
        Ok(self.session(connection, installable, action.idempotent, visitor, allowance))
    }

    fn dry_run(
        &self,
        connection: &Connection,
        installable: &Installable,
        allowance: &Allowance,
    ) -> Arc<dyn DryRunPolicy> {
        self.session(connection, installable, false, None, allowance)
    }
}

impl EgressFactory {
    fn session(
        &self,
        connection: &Connection,
        installable: &Installable,
        idempotent: bool,
        visitor: Option<&str>,
        allowance: &Allowance,
    ) -> Arc<Session> {
        let account = self.accounts.spec(connection, installable, visitor);
        let credentials = match (account, &connection.credentials) {
            (Some(who), _) => {
                CredentialSource::Account { keeper: Arc::clone(&self.accounts.refresher), who: Arc::new(who) }
            }
            (None, None) => CredentialSource::None,
            (None, Some(sealed)) => CredentialSource::Sealed {
                vault: Arc::clone(&self.vault),
                sealed: sealed.clone(),
                context: binding(connection.organization, connection.id),
            },
        };
        self.egress.session(SessionSpec {
            organization: connection.organization,
            connection: connection.id,
            manifest: Arc::clone(&installable.manifest),
            auth: connection.auth_in(&installable.manifest).clone(),
            settings: connection.settings.clone(),
            credentials,
            idempotent,
            http_calls: allowance.http_calls,
            response_bytes: allowance.response_bytes,
            deadline: allowance.deadline,
        })
    }
}

/// Keeps wrapped keys in the store.
pub struct WrappedKeys(pub Store);

#[async_trait]
impl VaultStore for WrappedKeys {
    async fn vault_key(&self, organization: OrganizationId) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.vault_key(organization).await
    }

    async fn put_vault_key(&self, organization: OrganizationId, key: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        self.0.put_vault_key(organization, &key).await
    }
}

#[async_trait]
impl WrappedStore for WrappedKeys {
    async fn host_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.host_secret(name).await
    }

    async fn put_host_secret(&self, name: &str, wrapped: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        self.0.put_host_secret(name, &wrapped).await
    }

    async fn host_secrets(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.0.host_secrets().await
    }

    async fn vault_keys(
        &self,
        after: Option<OrganizationId>,
        most: u32,
    ) -> Result<Vec<(OrganizationId, Vec<u8>)>, StoreError> {
        self.0.vault_keys(after, most).await
    }

    async fn rewrap(&self, rewrapped: Vec<Rewrapped>) -> Result<u64, StoreError> {
        let new = rewrapped.into_iter().map(|Rewrapped { holder, old, new }| {
            let of = match holder {
                SecretOwner::Organization(organization) => WrappedFor::Organization(organization),
                SecretOwner::Host(name) => WrappedFor::Host(name),
            };
            NewWrapping { of, old, new }
        });
        self.0.rewrap(new.collect()).await
    }
}
