//! Accounts of connections: the client that they are authorized for, whether one is connected, and how they are
//! revoked.

pub mod authorization;
mod error;
pub mod visitor;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::StreamExt;
use resly_core::{
    boxed,
    connector::{
        account::{Account, AccountKey, AccountStore},
        connection::{Connection, Environment, Installable, Origin, Owner},
        fault::Remedy,
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
};
use resly_egress::{AccountSpec, AppClient, OAuthError, TokenRefresher};
use resly_manifest::{Auth, OAuth};
use resly_store::Store;
use resly_vault::{Credentials, EncryptionContext};
use tokio::time::timeout;

pub use self::error::AccountError;

/// The version of the credentials' format.
const VERSION: u32 = 1;

/// The binding of a connection's own credentials.
pub fn binding(organization: OrganizationId, connection: ConnectionId) -> EncryptionContext {
    EncryptionContext { organization, connection, field: "credentials".into(), version: VERSION }
}

/// How many revocations of one connection go on at a time, and how long all of them may take.
const AT_ONCE: usize = 8;
const ALL_REVOKED: Duration = Duration::from_secs(120);

/// Whether the service has revoked an account's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The service has revoked them, or offers no revocation, or there was nothing to revoke.
    Done,
    /// The host has deleted them, but the service may still accept them. The text says why, without a secret.
    Unconfirmed(String),
}

/// The accounts of all organizations on this host.
pub struct Accounts {
    pub refresher: Arc<TokenRefresher>,
    store: Store,
    /// The operator's clients, by bundled connector.
    shared: BTreeMap<String, Arc<Credentials>>,
}

impl Accounts {
    pub fn new(refresher: Arc<TokenRefresher>, store: Store, shared: BTreeMap<String, Arc<Credentials>>) -> Self {
        Self { refresher, store, shared }
    }

    /// The account that a call of this connection uses, and how it is renewed. `None` when the call sends the
    /// connection's own credentials.
    pub fn spec(
        &self,
        connection: &Connection,
        installable: &Installable,
        visitor: Option<&str>,
    ) -> Option<AccountSpec> {
        let oauth = oauth(connection, installable);
        if oauth.is_none() && connection.owner == Owner::Organization {
            return None;
        }
        let key = AccountKey {
            organization: connection.organization,
            connection: connection.id,
            visitor: visitor.map(str::to_owned),
        };
        let client = self.client(connection, installable);
        Some(AccountSpec { key, oauth: oauth.cloned().map(Box::new), settings: connection.settings.clone(), client })
    }

    /// The connection's own client, else the operator's. A connector that an organization defined never gets the
    /// operator's client, because its `token_url` would receive it.
    fn client(&self, connection: &Connection, installable: &Installable) -> AppClient {
        match (&connection.credentials, installable.origin) {
            (Some(sealed), _) => AppClient::Sealed(sealed.clone(), binding(connection.organization, connection.id)),
            (None, Origin::Bundled) => self
                .shared
                .get(&installable.manifest.id)
                .map_or(AppClient::None, |client| AppClient::Shared(Arc::clone(client))),
            (None, _) => AppClient::None,
        }
    }

    /// Whether a connection has the credentials that its environment needs. Those of its visitors don't count.
    pub async fn is_credentialed(
        &self,
        connection: &Connection,
        installable: &Installable,
    ) -> Result<bool, StoreError> {
        if connection.environment == Environment::Sandbox {
            return Ok(true);
        }
        match (connection.auth_in(&installable.manifest), connection.owner) {
            (auth, Owner::Organization) if auth.requires_user_consent() => Ok(self.own(connection).await?.is_some()),
            (Auth::Oauth2(_), Owner::Visitor) => Ok(self.has_client(connection, installable)),
            _ => Ok(self.has_credentials(connection, installable)),
        }
    }

    /// The same as [`Self::is_credentialed`] for what an admin enters: a person's consent doesn't count either.
    pub fn has_credentials(&self, connection: &Connection, installable: &Installable) -> bool {
        match connection.auth_in(&installable.manifest) {
            Auth::None => true,
            auth if auth.requires_user_consent() => true,
            Auth::Oauth2(_) => self.has_client(connection, installable),
            _ => connection.owner == Owner::Visitor || connection.credentials.is_some(),
        }
    }

    /// Whether there is an OAuth app's client: the connection's own, or the operator's.
    pub fn has_client(&self, connection: &Connection, installable: &Installable) -> bool {
        !matches!(self.client(connection, installable), AppClient::None)
    }

    /// What is missing when [`Self::is_credentialed`] is false, and how to add it.
    pub fn missing_credential(&self, connection: &Connection, installable: &Installable) -> (&'static str, Remedy) {
        match connection.auth_in(&installable.manifest) {
            Auth::Oauth2(_) if !self.has_client(connection, installable) => {
                ("the client of an OAuth app", Remedy::SetClient)
            }
            Auth::Oauth2(_) => ("an account", Remedy::Authorize),
            _ => ("a credential", Remedy::SetCredentials),
        }
    }

    /// The organization's own account, once it is authorized.
    #[boxed]
    pub async fn own(&self, connection: &Connection) -> Result<Option<Account>, StoreError> {
        let key = AccountKey { organization: connection.organization, connection: connection.id, visitor: None };
        Ok(self.store.account(&key).await?.filter(|account| account.sealed.is_some()))
    }

    /// Asks the service to revoke accounts that were just deleted here. It waits for the organization's own account.
    /// Visitors' accounts may be many, so they are revoked in the background.
    pub async fn revoke(
        self: &Arc<Self>,
        connection: &Connection,
        installable: &Installable,
        accounts: Vec<(AccountKey, Account)>,
    ) -> Revocation {
        let (own, visitors): (Vec<_>, Vec<_>) = accounts.into_iter().partition(|(key, _)| key.visitor.is_none());
        let spec = |key: &AccountKey| self.spec(connection, installable, key.visitor.as_deref());
        let visitors: Vec<_> = visitors.into_iter().filter_map(|(key, account)| Some((spec(&key)?, account))).collect();
        if !visitors.is_empty() {
            let accounts = Arc::clone(self);
            tokio::spawn(async move {
                let each = futures::stream::iter(visitors).for_each_concurrent(AT_ONCE, |(spec, account)| {
                    let accounts = &accounts;
                    async move { drop(accounts.revoke_one(&spec, &account).await) }
                });
                if timeout(ALL_REVOKED, each).await.is_err() {
                    tracing::warn!("some visitors' tokens were not revoked: their service took too long");
                }
            });
        }
        match own.into_iter().next().and_then(|(key, account)| Some((spec(&key)?, account))) {
            Some((spec, account)) => self.revoke_one(&spec, &account).await,
            None => Revocation::Done,
        }
    }

    /// Asks the service to revoke one account.
    pub async fn revoke_one(&self, spec: &AccountSpec, account: &Account) -> Revocation {
        let Some(sealed) = &account.sealed else { return Revocation::Done };
        match self.refresher.revoke(spec, sealed).await {
            Ok(()) => Revocation::Done,
            Err(error) => {
                tracing::warn!(%error, organization = %spec.key.organization, connection = %spec.key.connection,
                    "a service did not confirm that tokens are revoked; they are forgotten here");
                let why = match error {
                    OAuthError::Unavailable { .. } => "the service could not be asked".to_owned(),
                    error => error.to_string(),
                };
                Revocation::Unconfirmed(format!(
                    "the tokens are forgotten here, but the service did not confirm that it takes them no more ({why}): \
                     revoke the app's access at the service yourself"
                ))
            }
        }
    }
}

/// The connection's OAuth settings. `None` when it authenticates in another way.
pub fn oauth<'i>(connection: &Connection, installable: &'i Installable) -> Option<&'i OAuth> {
    match connection.auth_in(&installable.manifest) {
        Auth::Oauth2(oauth) => Some(oauth),
        _ => None,
    }
}

/// When an account ends unless a person authorizes it again.
pub fn ends_at(account: &Account) -> Option<resly_core::time::Timestamp> {
    match account.terms.refreshable {
        true => account.terms.refresh_expires_at,
        false => account.terms.expires_at,
    }
}
