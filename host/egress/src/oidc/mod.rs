//! OpenID Connect for an organization's people (OpenID Connect Core 1.0, the authorization code with PKCE): where a browser is
//! sent, and who somebody is who comes back.
//!
//! Its requests take the clients, the address guard, the allow list and the routes of all others. They follow no redirects,
//! and answers and times are bounded: whoever names a provider may run it, too.

mod http;
mod token;

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use moka::future::Cache;
use resly_core::{
    id::{ConnectionId, IdentityProviderId, OrganizationId},
    time::Clock,
};
use resly_vault::EncryptionContext;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use self::{
    http::Requests,
    token::{KeySet, is_true},
};
use crate::{egress::Egress, oauth::pkce, policy::target::Target};

/// Time for all requests of one step.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a provider's addresses are known to who leaves for it. Who comes back has them and the keys read anew.
const KNOWN: Duration = Duration::from_secs(300);
const MOST_KNOWN: u64 = 1_000;

/// Why somebody isn't known by a provider. The texts are for an organization's owner: they name no address of the inside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    #[error("the issuer can't be used: {0}")]
    Issuer(String),
    #[error("the provider could not be asked: {0}")]
    Unreachable(String),
    #[error("the provider's answer can't be used: {0}")]
    Answer(String),
    #[error("the provider refused: {0}")]
    Refused(String),
    #[error("the provider's ID token is not valid: {0}")]
    Token(String),
}

/// An organization's client at its provider.
#[derive(Clone)]
pub struct OidcApp {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: SecretString,
    pub redirect_url: String,
}

/// What binds an answer to the browser that was sent to the provider.
pub struct OidcBinding {
    pub state: String,
    pub nonce: String,
    /// The PKCE verifier.
    pub verifier: String,
}

/// Who somebody is, as a provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcAccount {
    pub subject: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
}

/// What a provider says of itself (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Description {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    jwks_uri: String,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// What the token endpoint answers (RFC 6749, sections 5.1 and 5.2).
#[derive(Deserialize)]
struct Tokens {
    access_token: Option<String>,
    id_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
}

/// Asks providers. There is one in a process.
pub struct OidcClient {
    egress: Arc<Egress>,
    clock: Arc<dyn Clock>,
    known: Cache<String, Arc<Description>>,
}

/// The vault's binding of a client secret. The provider's id is in the place of a connection's; ids are unique.
pub fn oidc_context(organization: OrganizationId, provider: IdentityProviderId) -> EncryptionContext {
    let connection = ConnectionId(provider.0);
    EncryptionContext { organization, connection, field: "oidc".into(), version: 1 }
}

impl OidcClient {
    pub fn new(egress: Arc<Egress>, clock: Arc<dyn Clock>) -> Self {
        let known = Cache::builder().max_capacity(MOST_KNOWN).time_to_live(KNOWN).build();
        Self { egress, clock, known }
    }

    /// Reads a provider's description and keys anew, and so finds out whether it can be used.
    pub async fn check(&self, issuer: &str) -> Result<(), OidcError> {
        let requests = self.requests();
        let description = self.describe(issuer, &requests).await?;
        keys(&description, &requests).await.map(drop)
    }

    /// Where the browser goes.
    pub async fn begin(&self, app: &OidcApp, binding: &OidcBinding) -> Result<Url, OidcError> {
        let reading = async {
            let requests = self.requests();
            self.describe(&app.issuer, &requests).await.map(Arc::new)
        };
        let found = self.known.try_get_with_by_ref(&app.issuer, reading).await;
        let description = found.map_err(|error| OidcError::clone(&error))?;
        let mut url = Url::parse(&description.authorization_endpoint)
            .map_err(|error| OidcError::Answer(format!("its authorization_endpoint: {error}")))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &app.client_id)
            .append_pair("redirect_uri", &app.redirect_url)
            .append_pair("scope", "openid email profile")
            .append_pair("state", &binding.state)
            .append_pair("nonce", &binding.nonce)
            .append_pair("code_challenge", &pkce::challenge(&binding.verifier))
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Exchanges the code that a browser brought, and verifies who the provider says it is.
    pub async fn finish(&self, app: &OidcApp, binding: &OidcBinding, code: &str) -> Result<OidcAccount, OidcError> {
        let requests = self.requests();
        let description = self.describe(&app.issuer, &requests).await?;
        let keys = keys(&description, &requests).await?;
        let tokens = exchange(app, binding, code, &description, &requests).await?;
        let id_token = tokens.id_token.ok_or_else(|| OidcError::Token("there is none".to_owned()))?;
        let claims = keys.verify(&id_token, app, &binding.nonce, self.clock.now())?;
        let mut account = OidcAccount {
            subject: claims.sub,
            email_verified: is_true(claims.email_verified.as_ref()),
            email: claims.email,
            name: claims.name,
        };
        // Many providers tell the e-mail at the UserInfo endpoint alone.
        if account.email.is_none()
            && let (Some(url), Some(token)) = (&description.userinfo_endpoint, &tokens.access_token)
        {
            let told: UserInfo = requests.get(url, Some(token)).await?.json("UserInfo")?;
            if told.sub != account.subject {
                return Err(OidcError::Answer("its UserInfo is of somebody else".to_owned()));
            }
            account.email_verified = is_true(told.email_verified.as_ref());
            account.email = told.email;
            account.name = account.name.or(told.name);
        }
        Ok(account)
    }

    fn requests(&self) -> Requests<'_> {
        Requests { egress: &self.egress, until: Instant::now() + PATIENCE }
    }

    async fn describe(&self, issuer: &str, requests: &Requests<'_>) -> Result<Description, OidcError> {
        let wrong = |message: String| OidcError::Issuer(message);
        let target = Target::parse(issuer).map_err(|error| wrong(error.to_string()))?;
        if target.url().query().is_some() || issuer.contains('#') {
            return Err(wrong("it has a query or a fragment; give the issuer as its provider names it".to_owned()));
        }
        self.egress.clients.transport(&target).map_err(|error| wrong(error.to_string()))?;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found: Description = requests.get(&url, None).await?.json("its description")?;
        if found.issuer != issuer {
            let other = bounded(&found.issuer);
            return Err(OidcError::Answer(format!(
                "it calls itself `{other}`; give that as the issuer, if it is right"
            )));
        }
        // The browser is sent there, so it has to be a page of the web.
        let authorize = Target::parse(&found.authorization_endpoint).map_err(|error| error.to_string());
        let reachable = authorize
            .and_then(|target| self.egress.clients.transport(&target).map(drop).map_err(|error| error.to_string()));
        reachable.map_err(|error| OidcError::Answer(format!("its authorization_endpoint: {error}")))?;
        Ok(found)
    }
}

async fn keys(description: &Description, requests: &Requests<'_>) -> Result<KeySet, OidcError> {
    requests.get(&description.jwks_uri, None).await?.json("its keys")
}

async fn exchange(
    app: &OidcApp,
    binding: &OidcBinding,
    code: &str,
    description: &Description,
    requests: &Requests<'_>,
) -> Result<Tokens, OidcError> {
    // Without a word of its own, a provider takes HTTP's Basic.
    let ways = description.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
    let takes = |way: &str| ways.iter().any(|known| known == way);
    let in_form = takes("client_secret_post") && !takes("client_secret_basic");
    let authorization = (!in_form).then(|| basic(app));
    let form = exchange_form(app, binding, code, in_form);
    let answer = requests.post(&description.token_endpoint, authorization.as_deref(), form).await?;
    let refusal = serde_json::from_slice::<Tokens>(&answer.body).ok();
    if let Some(Tokens { error: Some(error), error_description, .. }) = refusal {
        let why = error_description.map(|why| format!(": {why}")).unwrap_or_default();
        return Err(OidcError::Refused(bounded(&format!("{error}{why}"))));
    }
    answer.json("tokens")
}

/// The form that exchanges a code, with the client's secret where the provider wants it there.
fn exchange_form(app: &OidcApp, binding: &OidcBinding, code: &str, with_client: bool) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", &app.redirect_url)
        .append_pair("code_verifier", &binding.verifier);
    if with_client {
        form.append_pair("client_id", &app.client_id).append_pair("client_secret", app.client_secret.expose_secret());
    }
    form.finish()
}

/// The client's authorization in a header. Both parts are encoded as in a form (RFC 6749, section 2.3.1).
fn basic(app: &OidcApp) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let (id, secret) = (encode(&app.client_id), encode(app.client_secret.expose_secret()));
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// A stranger's text, cut short, on one line.
fn bounded(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
