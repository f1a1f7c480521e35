//! Keeps accounts' tokens fresh. It renews them before they expire or after a service has refused them. Only one
//! renewal of an account runs at a time, on all hosts together.
//!
//! Services that rotate refresh tokens take the second use of one for theft and end the grant. So a renewal takes a
//! lease in the store before it asks the token endpoint. A caller without the lease waits until the account has a new
//! version. Within a host, a lock lets only one caller of an account wait at the store.
//!
//! A host that dies between the service's answer and the store loses the new tokens. When its lease has ended, another
//! host asks with the old refresh token. A service with a grace period answers it; a stricter one ends the grant, and a
//! person has to authorize the account again. No other order of steps avoids this, because the service replaces the
//! token before it answers.

mod authorization;

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use resly_core::{
    connector::account::{
        Account, AccountKey, AccountStore, RenewalFailure, RenewalFailureKind, RenewalLease, Renewed, SealedCredentials,
    },
    time::{Clock, Random},
};
use resly_manifest::{Grant, OAuth};
use resly_vault::{Credentials, EncryptionContext, Vault};
use serde_json::Value;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{
    OAuthError,
    request::{self, TokenRequest},
    tokens::Tokens,
};
use crate::egress::Egress;

/// How long a lease lasts. It is longer than requesting and storing tokens may take.
const LEASE: Duration = Duration::from_secs(40);
/// How long a caller waits for another host's renewal.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two checks whether another host has finished.
const POLL: Duration = Duration::from_millis(100);
/// How often storing new tokens is attempted. The service no longer accepts the old ones, so giving up loses the
/// account.
const KEEPING: u32 = 6;
const BETWEEN: Duration = Duration::from_secs(1);
/// The wait after a first failure. It doubles with each further failure, up to `LONGEST_WAIT`.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The longest `Retry-After` that is respected, so that a service's mistake can't disconnect an account for good.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);
/// How long an account's lock is kept after its last use.
const LOCK_IDLE: Duration = Duration::from_secs(600);

/// The client of the OAuth app that an account is authorized for.
#[derive(Clone)]
pub enum AppClient {
    None,
    /// The connection's own.
    Sealed(SealedCredentials, EncryptionContext),
    /// The operator's, for all organizations.
    Shared(Arc<Credentials>),
}

/// An account, with everything that renewing it needs.
#[derive(Clone)]
pub struct AccountSpec {
    pub key: AccountKey,
    /// `None` for a visitor's key or password, which can't be renewed.
    pub oauth: Option<Box<OAuth>>,
    /// The connection's settings, which are filled into URLs.
    pub settings: Value,
    pub client: AppClient,
}

impl AccountSpec {
    fn oauth(&self) -> Result<&OAuth, OAuthError> {
        self.oauth.as_deref().ok_or(OAuthError::NotAuthorized)
    }

    /// Whether the client gets tokens by itself, without a person (the grant `client_credentials`).
    fn uses_client_credentials(&self) -> bool {
        self.oauth.as_deref().is_some_and(|oauth| oauth.grant == Grant::ClientCredentials)
    }
}

/// An account's tokens and its client, in the clear.
pub(crate) struct OpenedAccount {
    pub tokens: Credentials,
    pub client: Option<Arc<Credentials>>,
    pub version: u64,
}

/// Renews accounts. There is one in a process.
pub struct TokenRefresher {
    egress: Arc<Egress>,
    vault: Arc<Vault>,
    store: Arc<dyn AccountStore>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    flights: Cache<AccountKey, Arc<Mutex<()>>>,
}

impl TokenRefresher {
    pub fn new(
        egress: Arc<Egress>,
        vault: Arc<Vault>,
        store: Arc<dyn AccountStore>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let flights = Cache::builder().time_to_idle(LOCK_IDLE).build();
        Self { egress, vault, store, clock, random, flights }
    }

    /// Asks the service to revoke an account's tokens (RFC 7009). `Ok` when it confirmed, or when it offers no
    /// revocation.
    pub async fn revoke(&self, who: &AccountSpec, sealed: &SealedCredentials) -> Result<(), OAuthError> {
        let tokens = self.vault.open(&account_context(&who.key), sealed).await?;
        self.revoke_opened(who, &tokens).await
    }

    async fn revoke_opened(&self, who: &AccountSpec, tokens: &Credentials) -> Result<(), OAuthError> {
        let refresh = tokens.get("refresh_token").map(|token| (token, "refresh_token"));
        let access = || tokens.get("access_token").map(|token| (token, "access_token"));
        let Some((token, hint)) = refresh.or_else(access) else { return Ok(()) };
        let Some(oauth) = who.oauth.as_deref().filter(|oauth| oauth.revoke_url.is_some()) else { return Ok(()) };
        let client = self.client(who).await?.ok_or(OAuthError::NoClient)?;
        request::revoke(&self.egress, oauth, &who.settings, &client, token, hint).await
    }

    /// The account's tokens. They are renewed first when they are about to expire.
    pub(crate) async fn valid_tokens(self: &Arc<Self>, who: &Arc<AccountSpec>) -> Result<OpenedAccount, OAuthError> {
        let account = self.store.account(&who.key).await?;
        match account {
            Some(account) if !self.is_due(&account) || self.can_defer_renewal(&account) => {
                self.open(who, &account).await
            }
            other => self.renew(who, other.map_or(0, |account| account.version)).await,
        }
    }

    /// Newer tokens than those of version `used`, which have expired or were refused.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        who: &Arc<AccountSpec>,
        used: u64,
    ) -> Result<OpenedAccount, OAuthError> {
        let flight = self.flights.get_with(who.key.clone(), Arc::default).lock_owned().await;
        let (keeper, who) = (Arc::clone(self), Arc::clone(who));
        // On a task of its own: tokens would be lost if a caller gave up between the service's answer and the store.
        let renewing = tokio::spawn(async move {
            let _flight = flight;
            keeper.take_turn(&who, used).await
        });
        renewing.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a renewal panicked");
            Err(passing("the host failed while it renewed the account's tokens; try again"))
        })
    }

    /// Renews under a lease, or waits for the host that has it.
    async fn take_turn(&self, who: &AccountSpec, used: u64) -> Result<OpenedAccount, OAuthError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let account = self.store.account(&who.key).await?;
            if let Some(account) = &account
                && account.version != used
            {
                return self.open(who, account).await;
            }
            if let Some(failure) = account.as_ref().and_then(|account| self.recent(account)) {
                return Err(failure);
            }
            match &account {
                _ if who.uses_client_credentials() => {}
                None => return Err(OAuthError::NotAuthorized),
                Some(account) if !account.terms.refreshable => return Err(OAuthError::Expired),
                Some(_) => {}
            }
            let now = self.clock.now();
            let lease = RenewalLease {
                version: account.as_ref().map_or(0, |account| account.version),
                id: self.random.uuid(now),
            };
            if self.store.lease_account(&who.key, lease, now, now.plus(LEASE)).await? {
                // Another host's renewal may have failed after the account was read and before the lease.
                let account = self.store.account(&who.key).await?;
                if let Some(failure) = account.as_ref().and_then(|account| self.recent(account)) {
                    self.store.release_account(&who.key, lease).await?;
                    return Err(failure);
                }
                return self.renew_under(who, account, lease).await;
            }
            if Instant::now() >= until {
                return Err(passing("another host is renewing the account's tokens and hasn't finished; try again"));
            }
            sleep(POLL).await;
        }
    }

    async fn renew_under(
        &self,
        who: &AccountSpec,
        account: Option<Account>,
        lease: RenewalLease,
    ) -> Result<OpenedAccount, OAuthError> {
        let failed = match self.ask(who, account.as_ref()).await {
            Ok(renewed) => return self.keep(who, lease, renewed).await,
            Err(error) => error,
        };
        if matches!(failed, OAuthError::Ended(_)) && !who.uses_client_credentials() {
            // Before the account is forgotten: it may have been renewed or authorized anew in the meantime.
            match self.store.account(&who.key).await? {
                Some(now) if now.version != lease.version => return self.open(who, &now).await,
                _ => self.store.forget_account(&who.key, lease).await?,
            };
            return Err(failed);
        }
        let before = account.as_ref().and_then(|account| account.failure.as_ref()).map_or(0, |failure| failure.count);
        let (failed, given_back) = match self.failure(&failed, before) {
            Some((failure, wait)) => {
                let failed = match failed {
                    OAuthError::Unavailable { message, .. } => {
                        OAuthError::Unavailable { message, retry_after: Some(wait) }
                    }
                    other => other,
                };
                (failed, self.store.fail_account(&who.key, lease, failure).await)
            }
            None => (failed, self.store.release_account(&who.key, lease).await),
        };
        if let Err(error) = given_back {
            tracing::warn!(%error, "a claim could not be given back; it runs out by itself");
        }
        match account {
            // The service can't be reached, but the present token is still valid for a moment.
            Some(account)
                if matches!(failed, OAuthError::Unavailable { .. })
                    && account.terms.expires_at.is_some_and(|end| end > self.clock.now())
                    && self.is_due(&account) =>
            {
                tracing::warn!(error = %failed, "an account could not be renewed ahead of time");
                self.open(who, &account).await
            }
            _ => Err(failed),
        }
    }

    /// The failure to share with later callers, and how long they share it. `None` when the service wasn't asked.
    fn failure(&self, failed: &OAuthError, before: u32) -> Option<(RenewalFailure, Duration)> {
        let (kind, asked) = match failed {
            OAuthError::Unavailable { retry_after, .. } => (RenewalFailureKind::Unavailable, *retry_after),
            OAuthError::Answer(_) => (RenewalFailureKind::Unavailable, None),
            OAuthError::Ended(_)
            | OAuthError::Client(_)
            | OAuthError::Redirect(_)
            | OAuthError::Refused(_)
            | OAuthError::NoEndpoint { .. } => (RenewalFailureKind::Refused, None),
            OAuthError::NotAuthorized
            | OAuthError::Expired
            | OAuthError::NoClient
            | OAuthError::Address(_)
            | OAuthError::Recent { .. }
            | OAuthError::Vault(_)
            | OAuthError::Store(_) => return None,
        };
        let own = FIRST_WAIT.saturating_mul(1 << before.min(8)).min(LONGEST_WAIT);
        let wait = asked.map_or(own, |asked| asked.min(LONGEST_ASKED).max(own));
        let retry_at = self.clock.now().plus(wait);
        Some((RenewalFailure { kind, message: failed.to_string(), count: before.saturating_add(1), retry_at }, wait))
    }

    /// The last renewal's failure, while its `retry_at` is in the future.
    fn recent(&self, account: &Account) -> Option<OAuthError> {
        let failure = account.failure.as_ref()?;
        let left = failure.retry_at.micros().saturating_sub(self.clock.now().micros());
        let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
        let (kind, message) = (failure.kind, failure.message.clone());
        Some(OAuthError::Recent { kind, message, retry_after: Duration::from_micros(left) })
    }

    /// Whether to use a token that is due for renewal: it is still valid, and the last renewal failed a moment ago.
    fn can_defer_renewal(&self, account: &Account) -> bool {
        account.sealed.is_some()
            && account.terms.expires_at.is_some_and(|end| end > self.clock.now())
            && self.recent(account).is_some()
    }

    /// Requests new tokens once.
    async fn ask(&self, who: &AccountSpec, account: Option<&Account>) -> Result<(Tokens, Renewed), OAuthError> {
        let client = self.client(who).await?.ok_or(OAuthError::NoClient)?;
        let sealed = account.and_then(|account| account.sealed.as_ref());
        let held = match sealed {
            Some(sealed) => Some(self.vault.open(&account_context(&who.key), sealed).await?),
            None => None,
        };
        let refresh = held.as_ref().and_then(|held| held.get("refresh_token"));
        let alone = who.uses_client_credentials();
        let ask = match refresh {
            Some(refresh) if !alone => TokenRequest::Refresh(refresh),
            _ if alone => TokenRequest::Client,
            _ => return Err(OAuthError::Expired),
        };
        let tokens = request::tokens(&self.egress, who.oauth()?, &who.settings, &client, ask).await?;
        let before = account.map(|account| account.terms.clone()).unwrap_or_default();
        let (tokens, kept) = tokens.merge_previous(refresh.filter(|_| !alone), &before);
        let terms = tokens.terms(alone, kept, self.clock.now());
        let sealed = self.seal(&who.key, &tokens.to_credentials()).await?;
        Ok((tokens, Renewed { sealed, terms }))
    }

    /// Stores new tokens. Without that they would be lost.
    async fn keep(
        &self,
        who: &AccountSpec,
        lease: RenewalLease,
        new: (Tokens, Renewed),
    ) -> Result<OpenedAccount, OAuthError> {
        let (tokens, renewed) = new;
        let mut tries = 1;
        let kept = loop {
            match self.store.renew_account(&who.key, lease, renewed.clone()).await {
                Ok(kept) => break kept,
                Err(error) if tries < KEEPING => {
                    tracing::warn!(%error, "new tokens could not be kept yet");
                    tries += 1;
                    sleep(BETWEEN).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        if kept {
            let client = self.client(who).await?;
            return Ok(OpenedAccount { tokens: tokens.to_credentials(), client, version: lease.version + 1 });
        }
        match self.store.account(&who.key).await? {
            Some(account) => self.open(who, &account).await,
            // The account was disconnected meanwhile, so the new tokens are revoked.
            None => {
                if let Err(error) = self.revoke_opened(who, &tokens.to_credentials()).await {
                    tracing::warn!(%error, connection = %who.key.connection, "tokens that nobody needs were not revoked");
                }
                Err(OAuthError::NotAuthorized)
            }
        }
    }

    async fn open(&self, who: &AccountSpec, account: &Account) -> Result<OpenedAccount, OAuthError> {
        let sealed = account.sealed.as_ref().ok_or(OAuthError::NotAuthorized)?;
        let tokens = self.vault.open(&account_context(&who.key), sealed).await?;
        Ok(OpenedAccount { tokens, client: self.client(who).await?, version: account.version })
    }

    async fn client(&self, who: &AccountSpec) -> Result<Option<Arc<Credentials>>, OAuthError> {
        Ok(match &who.client {
            AppClient::None => None,
            AppClient::Shared(client) => Some(Arc::clone(client)),
            AppClient::Sealed(sealed, context) => Some(Arc::new(self.vault.open(context, sealed).await?)),
        })
    }

    async fn seal(&self, key: &AccountKey, credentials: &Credentials) -> Result<SealedCredentials, OAuthError> {
        Ok(self.vault.seal(&account_context(key), credentials).await?)
    }

    /// Whether the account is due for renewal, or has no token yet.
    fn is_due(&self, account: &Account) -> bool {
        let due = account.terms.renew_at.or(account.terms.expires_at);
        account.sealed.is_none() || due.is_some_and(|due| due <= self.clock.now())
    }
}

/// The encryption context of an account's tokens.
pub fn account_context(key: &AccountKey) -> EncryptionContext {
    context("account", key)
}

/// The visitor follows the fixed field name and a zero byte, so no two accounts have the same context.
fn context(field: &'static str, key: &AccountKey) -> EncryptionContext {
    let field = match &key.visitor {
        None => field.into(),
        Some(visitor) => format!("{field}\0{visitor}").into(),
    };
    EncryptionContext { organization: key.organization, connection: key.connection, field, version: 1 }
}

fn passing(message: &str) -> OAuthError {
    OAuthError::Unavailable { message: message.to_owned(), retry_after: Some(Duration::from_secs(1)) }
}
