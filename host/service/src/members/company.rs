//! Sign-in with a company: an organization's provider of OpenID Connect. [`sign_in`] is what its people do.
//!
//! Whoever owns an organization chooses its provider, and may run one that says anything. So what a provider says opens that
//! organization alone, and such a session changes nothing that belongs to the person in other organizations.

pub mod sign_in;

use std::collections::BTreeMap;

use resly_core::{
    boxed,
    error::StoreError,
    id::{IdentityProviderId, OrganizationId},
    member::Role,
};
use resly_egress::{OidcError, oidc_context};
pub use resly_store::{IdentityProvider, IdentityProviderError, OfferedProvider};
use resly_vault::{Credentials, VaultError};

use crate::{App, FieldError};

/// Bytes of an issuer, and of a client's id or secret.
const LONGEST: usize = 2048;
const DOMAINS: usize = 20;
/// The member of the sealed record.
const SECRET: &str = "client_secret";

/// The provider that an owner wants.
pub struct CompanySpec {
    pub issuer: String,
    pub client_id: String,
    /// `None` keeps the one that is stored.
    pub client_secret: Option<String>,
    /// Whose e-mails count.
    pub domains: Vec<String>,
    /// What somebody new becomes. `None`: only who is invited or a member comes in.
    pub new_role: Option<Role>,
    /// Whether passwords don't open the organization.
    pub required: bool,
}

/// Why a provider isn't stored.
#[derive(Debug, thiserror::Error)]
pub enum CompanyError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<IdentityProviderError> for CompanyError {
    fn from(error: IdentityProviderError) -> Self {
        match error {
            IdentityProviderError::Untried => Self::Invalid(vec![FieldError::new("required", error.to_string())]),
            IdentityProviderError::Store(error) => Self::Store(error),
        }
    }
}

/// The organization's provider.
#[boxed]
pub async fn get(app: &App, organization: OrganizationId) -> Result<Option<IdentityProvider>, StoreError> {
    app.store.identity_provider(organization).await
}

/// Sets the organization's provider, after it was asked for its description and keys.
#[boxed]
pub async fn set(app: &App, organization: OrganizationId, spec: CompanySpec) -> Result<IdentityProvider, CompanyError> {
    let before = app.store.identity_provider(organization).await?;
    let now = app.clock.now();
    let id = before.as_ref().map_or_else(|| IdentityProviderId(app.random.uuid(now)), |before| before.id);
    let CompanySpec { issuer, client_id, client_secret, domains, new_role, required } = spec;
    let domains = normalized(&domains);
    let mut mistakes = check(&issuer, &client_id, client_secret.as_deref(), &domains, new_role);
    let stays = before.as_ref().is_some_and(|before| before.issuer == issuer);
    if client_secret.is_none() && !stays {
        // Another issuer never gets the secret of the one before.
        mistakes.push(FieldError::new("client_secret", "the secret of the client at this issuer is expected"));
    }
    if mistakes.is_empty()
        && let Err(error) = app.oidc.check(&issuer).await
    {
        mistakes.push(FieldError::new("issuer", error.to_string()));
    }
    if !mistakes.is_empty() {
        return Err(CompanyError::Invalid(mistakes));
    }
    let client_secret = match (client_secret, before) {
        (Some(secret), _) => {
            let record = Credentials::new(BTreeMap::from([(SECRET.to_owned(), secret)]));
            app.hooks.vault.seal(&oidc_context(organization, id), &record).await?.0
        }
        (None, before) => before.map(|before| before.client_secret).unwrap_or_default(),
    };
    let new = IdentityProvider {
        id,
        organization,
        issuer,
        client_id,
        client_secret,
        domains,
        new_role,
        required,
        created_at: now,
    };
    Ok(app.store.put_identity_provider(new).await?)
}

/// Deletes the organization's provider, and ends the sessions that it began. False when there is none.
#[boxed]
pub async fn delete(app: &App, organization: OrganizationId) -> Result<bool, StoreError> {
    app.store.delete_identity_provider(organization).await
}

/// The address that a provider sends people back to. Each provider has its own, so that none can pass on another's answer.
pub fn redirect_url(public_url: &str, id: IdentityProviderId) -> String {
    format!("{public_url}/console/sign-in/oidc/{id}/callback")
}

/// The address where an organization's people sign in.
pub fn sign_in_url(public_url: &str, id: IdentityProviderId) -> String {
    format!("{public_url}/console/sign-in/oidc/{id}")
}

fn normalized(domains: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for domain in domains {
        let domain = domain.trim().trim_start_matches('@').to_lowercase();
        if !domain.is_empty() && !found.contains(&domain) {
            found.push(domain);
        }
    }
    found
}

fn check(
    issuer: &str,
    client_id: &str,
    client_secret: Option<&str>,
    domains: &[String],
    new_role: Option<Role>,
) -> Vec<FieldError> {
    let mut mistakes = Vec::new();
    let texts = [("issuer", issuer), ("client_id", client_id), ("client_secret", client_secret.unwrap_or("kept"))];
    for (path, text) in texts {
        if text.trim().is_empty() || text.len() > LONGEST || text.contains(char::is_control) {
            mistakes.push(FieldError::new(path, format!("1 to {LONGEST} bytes on one line are expected")));
        }
    }
    let plain = |domain: &String| {
        domain.len() <= 253
            && domain.contains('.')
            && domain
                .split('.')
                .all(|label| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-'))
    };
    if domains.is_empty() || domains.len() > DOMAINS || !domains.iter().all(plain) {
        let message = format!("1 to {DOMAINS} domains such as `example.com` are expected");
        mistakes.push(FieldError::new("domains", message));
    }
    if new_role == Some(Role::Owner) {
        mistakes.push(FieldError::new("new_role", "admin, agent or viewer is expected: owners make owners"));
    }
    mistakes
}

/// The domain of an e-mail, which is in lower case.
fn domain(email: &str) -> Option<&str> {
    email.rsplit_once('@').map(|(_, domain)| domain)
}

/// What a provider's failure is to somebody who signs in. What the provider said is for the owner, in the log.
pub(crate) fn told(error: &OidcError) -> &'static str {
    match error {
        OidcError::Issuer(_) | OidcError::Unreachable(_) => "your company's provider can't be reached; try again later",
        OidcError::Refused(_) => "your company's provider refused the sign-in; start again",
        OidcError::Answer(_) | OidcError::Token(_) => {
            "what your company's provider said can't be trusted; tell an owner of your organization"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_compared_in_one_form() {
        let given = [" @Example.COM", "example.com", "", "b.example"].map(str::to_owned);
        assert_eq!(normalized(&given), ["example.com", "b.example"]);
        assert_eq!(domain("a@b@example.com"), Some("example.com"));
    }

    #[test]
    fn every_mistake_is_told_with_its_field() {
        let paths = |mistakes: Vec<FieldError>| -> Vec<String> { mistakes.into_iter().map(|at| at.path).collect() };
        let good = ["example.com".to_owned()];
        assert!(check("https://a.example", "id", Some("secret"), &good, Some(Role::Agent)).is_empty());
        let bad = ["com".to_owned()];
        let found = paths(check(" ", "a\nb", Some(""), &bad, Some(Role::Owner)));
        assert_eq!(found, ["issuer", "client_id", "client_secret", "domains", "new_role"]);
        for wrong in ["a@b.example", "*.example.com", "a..b", "a b.c", "a/b.c"] {
            assert_eq!(
                paths(check("https://a.example", "id", None, &[wrong.to_owned()], None)),
                ["domains"],
                "{wrong}"
            );
        }
    }
}
