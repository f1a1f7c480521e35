//! The credential of a call. It is opened at the first request that carries it, and renewed once when the service says
//! that it has expired. From then on its redactor removes it from texts.

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

/// An opened credential.
pub(super) struct Credential {
    pub injection: Option<Injection>,
    /// All secrets that this call has opened so far. None may appear in a text.
    secrets: Vec<Zeroizing<Vec<u8>>>,
    pub redactor: Option<Redactor>,
    /// The version of its account, or 0 when it isn't an account's.
    version: u64,
}

impl Session {
    /// Whether the service says that the access token has expired. Only the first such response of a call counts: a new
    /// token that is refused, too, hasn't expired.
    pub(super) fn is_expired(&self, hop: &Hop, response: &OutboundResponse) -> bool {
        let Auth::Oauth2(oauth) = &self.spec.auth else { return false };
        hop.carries.is_some()
            && oauth::says_expired(&oauth.expired_when, response.status, &response.body)
            && !self.renewed.swap(true, Ordering::Relaxed)
    }

    /// Replaces the tokens that a request carried by newer ones.
    pub(super) async fn renew(&self, hop: &Hop, until: Instant) -> Result<(), OutboundFailure> {
        let CredentialSource::Account { keeper, who } = &self.spec.credentials else { return Ok(()) };
        let used = hop.carries.as_ref().map_or(0, |credential| credential.version);
        let held = timeout_at(until, keeper.renew(who, used)).await.map_err(|_| failure::deadline_exceeded())?;
        self.use_account(held.map_err(|error| failure::unauthorized(&error, who))?).map(drop)
    }

    /// Uses an account's tokens from now on. Earlier tokens are still redacted.
    fn use_account(&self, held: OpenedAccount) -> Result<Arc<Credential>, OutboundFailure> {
        let injection = Injection::new(&self.spec.auth, &held.tokens);
        let injection = injection.map_err(|error| failure::bad_credential(&error))?;
        let secrets = held.tokens.secrets().into_iter().chain(held.client.iter().flat_map(|client| client.secrets()));
        Ok(self.opened(injection, secrets.collect(), held.version))
    }

    /// Stores an opened credential for the rest of the call.
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

    /// The call's credential. The first request that carries it opens it.
    pub(super) async fn open(&self) -> Result<Arc<Credential>, OutboundFailure> {
        let _opening = self.opening.lock().await;
        if let Some(opened) = self.credential() {
            return Ok(opened);
        }
        let opened;
        let credentials = match &self.spec.credentials {
            CredentialSource::Account { keeper, who } => {
                return self
                    .use_account(keeper.valid_tokens(who).await.map_err(|error| failure::unauthorized(&error, who))?);
            }
            CredentialSource::None => {
                let message = "the connection has no credentials; an admin has to enter them";
                return Err(failure::refused(OutboundReason::NeedsAuth, message));
            }
            CredentialSource::Plain(credentials) => credentials,
            CredentialSource::Sealed { vault, sealed, context } => {
                opened = vault.open(context, sealed).await.map_err(|error| failure::closed_vault(&error))?;
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
