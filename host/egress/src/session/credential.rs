//! The credential of a call: opened at the first request that carries it, renewed once when the service says that it has
//! ended, and known from then on to whatever takes it out of texts.

use std::sync::{Arc, atomic::Ordering};

use resly_core::connector::outbound::{OutboundFailure, OutboundReason, OutboundResponse};
use resly_manifest::Auth;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::{CredentialSource, Hop, Session};
use crate::{
    egress::lock,
    failure,
    oauth::{self, OpenedAccount},
    wire::{
        inject::{InjectError, Injection},
        redact::Redactor,
    },
};

/// A credential that has been opened.
pub(super) struct Credential {
    pub injection: Option<Injection>,
    /// All that this call has opened so far, which no text may hold.
    secrets: Vec<Zeroizing<Vec<u8>>>,
    pub redactor: Option<Redactor>,
    /// Of the account it is of, if it is of one.
    version: u64,
}

impl Session {
    /// Whether the service says that the access token it got has ended. Only the first such answer of a call counts: a
    /// new token that is refused too isn't refused for its age.
    pub(super) fn is_expired(&self, hop: &Hop, response: &OutboundResponse) -> bool {
        let Auth::Oauth2(oauth) = &self.spec.auth else { return false };
        hop.carries.is_some()
            && oauth::says_expired(&oauth.expired_when, response.status, &response.body)
            && !self.renewed.swap(true, Ordering::Relaxed)
    }

    /// Gets other tokens than those that a request carried.
    pub(super) async fn renew(&self, hop: &Hop, until: Instant) -> Result<(), OutboundFailure> {
        let CredentialSource::Account { keeper, who } = &self.spec.credentials else { return Ok(()) };
        let used = hop.carries.as_ref().map_or(0, |credential| credential.version);
        let held = timeout_at(until, keeper.renew(who, used)).await.map_err(|_| failure::late())?;
        self.use_account(held.map_err(|error| failure::unauthorized(&error, who))?).map(drop)
    }

    /// Uses an account's tokens from now on. What was used before stays a secret.
    fn use_account(&self, held: OpenedAccount) -> Result<Arc<Credential>, OutboundFailure> {
        let injection = Injection::new(&self.spec.auth, &held.tokens);
        let injection = injection.map_err(|error| failure::bad_credential(&error))?;
        let secrets = held.tokens.secrets().into_iter().chain(held.client.iter().flat_map(|client| client.secrets()));
        Ok(self.opened(injection, secrets.collect(), held.version))
    }

    /// Keeps a credential for the rest of the call.
    fn opened(
        &self,
        injection: Option<Injection>,
        mut secrets: Vec<Zeroizing<Vec<u8>>>,
        version: u64,
    ) -> Arc<Credential> {
        let mut credential = lock(&self.credential);
        secrets.extend(credential.iter().flat_map(|before| before.secrets.iter().cloned()));
        let redactor = Redactor::new(secrets.iter().map(|secret| secret.as_slice()));
        let opened = Arc::new(Credential { injection, secrets, redactor, version });
        *credential = Some(Arc::clone(&opened));
        opened
    }

    /// The call's credential, opened at the first request that carries it.
    pub(super) async fn open(&self) -> Result<Arc<Credential>, OutboundFailure> {
        let _opening = self.opening.lock().await;
        if let Some(opened) = self.credential() {
            return Ok(opened);
        }
        let opened;
        let credentials = match &self.spec.credentials {
            CredentialSource::Account { keeper, who } => {
                return self.use_account(keeper.fresh(who).await.map_err(|error| failure::unauthorized(&error, who))?);
            }
            CredentialSource::None => {
                let message = "the connection has no credentials; an admin has to enter them";
                return Err(failure::refused(OutboundReason::NeedsAuth, message));
            }
            CredentialSource::Plain(credentials) => credentials,
            CredentialSource::Sealed { vault, sealed, binding } => {
                opened = vault.open(binding, sealed).await.map_err(|error| failure::closed_vault(&error))?;
                &opened
            }
        };
        let bad = |error: InjectError| failure::bad_credential(&error);
        let injection = Injection::new(&self.spec.auth, credentials).map_err(bad)?;
        Ok(self.opened(injection, credentials.secrets(), 0))
    }

    pub(super) fn credential(&self) -> Option<Arc<Credential>> {
        lock(&self.credential).clone()
    }
}
