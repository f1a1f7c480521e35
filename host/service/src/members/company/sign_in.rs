//! The two steps of a sign-in with a company: to the provider, and back from it.
//!
//! Nothing is stored between them. A cookie of the browser holds a random secret, from which state, nonce and PKCE verifier
//! are derived, so that only the browser that left can come back, to the same provider's address.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use resly_core::connector::account::SealedCredentials;
use resly_core::{
    boxed,
    error::StoreError,
    id::{IdentityProviderId, MemberId, PersonId},
};
use resly_egress::{OidcAccount, OidcApp, OidcBinding, OidcError, oidc_context};
pub use resly_store::IdentityError;
use resly_store::{IdentityProvider, OfferedProvider, ProvenIdentity, SignInMethod};
use resly_vault::VaultError;
use sha2::{Digest, Sha256};
use url::Url;

use super::{SECRET, domain, redirect_url, told};
use crate::{
    App, check_name,
    members::{
        Session,
        email::{check_email, normalized_email},
        sign_in::{Client, SignInError, SignedIn, count_company_attempt, new_session, signed_in},
        token,
    },
};

/// How long such a session lasts. Who leaves a company is kept out after it.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Providers that are offered for one domain.
const OFFERED: u32 = 5;
/// Bytes of a code.
const CODE: usize = 4 << 10;
/// Characters of a name.
const NAME: usize = 100;

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum CompanySignInError {
    #[error("this company sign-in doesn't exist any more; ask an owner of your organization")]
    Missing,
    #[error("this answer belongs to another browser or another sign-in, or came too late; start again")]
    Stale,
    #[error("the sign-in at your company's provider was cancelled; start again")]
    Cancelled,
    #[error("{}", told(.0))]
    Provider(OidcError),
    #[error("your company's provider doesn't vouch for an e-mail of yours; an administrator there has to verify it")]
    Unverified,
    #[error("your e-mail isn't of a domain that this organization takes in")]
    Domain,
    #[error(transparent)]
    Refused(#[from] IdentityError),
    #[error(transparent)]
    SignIn(#[from] SignInError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A browser on its way to a provider.
pub struct Departure {
    pub url: Url,
    /// What the browser keeps in a cookie and brings back.
    pub secret: String,
}

/// What a provider's answer brings in the address.
#[derive(Debug, Default)]
pub struct Arrival {
    pub code: Option<String>,
    pub state: Option<String>,
    /// RFC 9207.
    pub issuer: Option<String>,
}

/// The company sign-ins that take somebody's e-mail. Domains aren't proved, so a person chooses by the organization's name.
#[boxed]
pub async fn offered(app: &App, email: &str) -> Result<Vec<OfferedProvider>, StoreError> {
    let email = normalized_email(email);
    match domain(&email) {
        Some(domain) if check_email(&email).is_none() => app.store.identity_providers_for(domain, OFFERED).await,
        _ => Ok(Vec::new()),
    }
}

/// Sends a browser to a provider.
#[boxed]
pub async fn begin(app: &App, id: IdentityProviderId, client: &Client) -> Result<Departure, CompanySignInError> {
    let provider = app.store.identity_provider_by_id(id).await?.ok_or(CompanySignInError::Missing)?;
    count_company_attempt(app, id, client).await?;
    let secret = token::new(&*app.random);
    let oidc = oidc_app(app, &provider).await?;
    let url = app.oidc.begin(&oidc, &binding(id, &secret)).await;
    let url = url.map_err(|error| failed(&provider, error))?;
    Ok(Departure { url, secret })
}

/// Signs in who comes back from a provider. `secret` is the browser's, and `session` who is signed in there already.
#[boxed]
pub async fn finish(
    app: &App,
    id: IdentityProviderId,
    secret: &str,
    arrival: Arrival,
    session: Option<&Session>,
    client: &Client,
) -> Result<SignedIn, CompanySignInError> {
    let binding = binding(id, secret);
    let state = arrival.state.as_deref().unwrap_or_default();
    // As hashes, so that how long the comparison takes tells nothing.
    if !token::is_token(secret) || token::hash(state) != token::hash(&binding.state) {
        return Err(CompanySignInError::Stale);
    }
    let provider = app.store.identity_provider_by_id(id).await?.ok_or(CompanySignInError::Missing)?;
    if arrival.issuer.as_ref().is_some_and(|issuer| *issuer != provider.issuer) {
        return Err(CompanySignInError::Stale);
    }
    let code = arrival.code.filter(|code| !code.is_empty() && code.len() <= CODE);
    let code = code.ok_or(CompanySignInError::Cancelled)?;
    count_company_attempt(app, id, client).await?;
    let oidc = oidc_app(app, &provider).await?;
    let account = app.oidc.finish(&oidc, &binding, &code).await.map_err(|error| failed(&provider, error))?;
    let identity = proven(app, &provider, account, session)?;
    let (session_token, mut new) = new_session(app, SignInMethod::Oidc, client);
    new.expires_at = new.now.plus(LONGEST);
    let begun = app.store.sign_in_by_identity(identity, new).await?;
    Ok(signed_in(session_token, begun))
}

/// What the provider said, when it counts in the organization.
fn proven(
    app: &App,
    provider: &IdentityProvider,
    account: OidcAccount,
    session: Option<&Session>,
) -> Result<ProvenIdentity, CompanySignInError> {
    let OidcAccount { subject, email, email_verified, name } = account;
    let email = email.map(|email| normalized_email(&email)).filter(|email| check_email(email).is_none());
    let email = email.filter(|_| email_verified).ok_or(CompanySignInError::Unverified)?;
    if !domain(&email).is_some_and(|domain| provider.domains.iter().any(|allowed| allowed == domain)) {
        return Err(CompanySignInError::Domain);
    }
    let now = app.clock.now();
    Ok(ProvenIdentity {
        provider: provider.id,
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        subject,
        name: person_name(name.as_deref(), &email),
        email,
        // A session that a provider began proves nothing beyond that provider.
        signed_in: session.filter(|session| !session.bound).map(|session| session.person.id),
        person: PersonId(app.random.uuid(now)),
        member: MemberId(app.random.uuid(now)),
    })
}

/// What somebody new is called: as the provider says, or as the e-mail begins.
fn person_name(name: Option<&str>, email: &str) -> String {
    let clean = |text: &str| -> String {
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(NAME).collect();
        plain.trim().to_owned()
    };
    let local = email.split('@').next().unwrap_or_default();
    let given = name.map(clean).filter(|name| check_name(name).is_none());
    given.unwrap_or_else(|| clean(local))
}

/// Derived from the secret and the provider: the answer of one provider is no answer of another.
fn binding(id: IdentityProviderId, secret: &str) -> OidcBinding {
    let derive = |what: &str| {
        let mut hash = Sha256::new();
        for part in [what.as_bytes(), id.0.as_bytes(), secret.as_bytes()] {
            hash.update(part);
            hash.update([0]);
        }
        BASE64URL_NOPAD.encode(&hash.finalize())
    };
    OidcBinding { state: derive("state"), nonce: derive("nonce"), verifier: derive("verifier") }
}

async fn oidc_app(app: &App, provider: &IdentityProvider) -> Result<OidcApp, CompanySignInError> {
    let sealed = SealedCredentials(provider.client_secret.clone());
    let record = app.hooks.vault.open(&oidc_context(provider.organization, provider.id), &sealed).await?;
    Ok(OidcApp {
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        client_secret: record.get(SECRET).unwrap_or_default().into(),
        redirect_url: redirect_url(app.public_url().unwrap_or_default(), provider.id),
    })
}

fn failed(provider: &IdentityProvider, error: OidcError) -> CompanySignInError {
    tracing::warn!(organization = %provider.organization, %error, "a sign-in with a company failed");
    CompanySignInError::Provider(error)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_derived_belongs_to_one_provider_and_one_browser() {
        let id = |n| IdentityProviderId(Uuid::from_u128(n));
        let first = binding(id(1), "a");
        assert_eq!(first.state, binding(id(1), "a").state);
        let (other_provider, other_browser) = (binding(id(2), "a"), binding(id(1), "b"));
        let all = [&first.state, &first.nonce, &first.verifier, &other_provider.state, &other_browser.state];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one));
            assert_eq!(one.len(), 43, "a PKCE verifier has 43 characters at least");
        }
    }

    #[test]
    fn somebody_has_a_name_whatever_the_provider_says() {
        assert_eq!(person_name(Some("Ana B."), "ana@example.com"), "Ana B.");
        assert_eq!(person_name(Some("Ana\r\nB."), "ana@example.com"), "Ana  B.");
        for none in [None, Some(""), Some(" \n ")] {
            assert_eq!(person_name(none, "ana@example.com"), "ana");
        }
        assert_eq!(person_name(Some(&"x".repeat(500)), "ana@example.com").len(), NAME);
    }
}
