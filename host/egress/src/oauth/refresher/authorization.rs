//! A new authorization: the link to the service, and the code that comes back for tokens.

use resly_core::connector::account::{AccountKey, Renewed, SealedCredentials};
use resly_manifest::CallbackHmac;
use resly_vault::Credentials;
use secrecy::SecretString;
use url::Url;

use super::{
    super::{
        OAuthError, callback, endpoint, pkce,
        request::{self, TokenRequest},
    },
    AccountSpec, TokenRefresher, context,
};

impl TokenRefresher {
    /// Creates a PKCE verifier, sealed for the account to authorize.
    pub async fn verifier(&self, key: &AccountKey) -> Result<SealedCredentials, OAuthError> {
        let verifier = SecretString::from(pkce::verifier(&*self.random).as_str());
        let credentials = Credentials::of_secrets([("verifier".to_owned(), verifier)].into());
        Ok(self.vault.seal(&context("oauth verifier", key), &credentials).await?)
    }

    /// The URL at which a person agrees (RFC 6749, section 4.1.1).
    pub async fn authorize_url(
        &self,
        who: &AccountSpec,
        state: &str,
        verifier: &SealedCredentials,
        redirect_uri: &str,
    ) -> Result<Url, OAuthError> {
        let oauth = who.oauth()?;
        let Some(address) = &oauth.authorize_url else {
            return Err(OAuthError::Address("it has none where a person agrees".to_owned()));
        };
        let mut url = endpoint::resolve(address, &who.settings)?.url().clone();
        if let Some(why) = self.egress.refuses_plain_http(url.as_str()) {
            return Err(OAuthError::Address(format!("`{}`: {why}", url.host_str().unwrap_or_default())));
        }
        let client = self.client(who).await?.ok_or(OAuthError::NoClient)?;
        let id = client.get("client_id").filter(|id| !id.is_empty()).ok_or(OAuthError::NoClient)?;
        let scope = oauth.scopes.join(&oauth.scope_separator);
        let verifier = self.vault.open(&context("oauth verifier", &who.key), verifier).await?;
        let challenge = verifier.get("verifier").map(pkce::challenge).unwrap_or_default();
        let mut query = url.query_pairs_mut();
        for (name, value) in &oauth.authorize_params {
            query.append_pair(name, value);
        }
        query.append_pair("response_type", "code").append_pair("client_id", id);
        query.append_pair("redirect_uri", redirect_uri).append_pair("state", state);
        if !scope.is_empty() {
            query.append_pair("scope", &scope);
        }
        if oauth.pkce {
            query.append_pair("code_challenge", &challenge).append_pair("code_challenge_method", "S256");
        }
        drop(query);
        Ok(url)
    }

    /// Whether the service made the answer (a query) that a browser brought. Always true for services that don't sign
    /// it.
    pub async fn verify_callback(&self, who: &AccountSpec, query: &str) -> Result<bool, OAuthError> {
        match who.oauth()?.callback_hmac {
            None => Ok(true),
            Some(CallbackHmac::Shopify) => {
                let client = self.client(who).await?.ok_or(OAuthError::NoClient)?;
                let secret = client.get("client_secret").filter(|secret| !secret.is_empty());
                Ok(callback::is_signed(query, secret.ok_or(OAuthError::NoClient)?))
            }
        }
    }

    /// Exchanges an authorization code for tokens (RFC 6749, section 4.1.3).
    pub async fn exchange(
        &self,
        who: &AccountSpec,
        code: &str,
        verifier: &SealedCredentials,
        redirect_uri: &str,
    ) -> Result<Renewed, OAuthError> {
        let client = self.client(who).await?.ok_or(OAuthError::NoClient)?;
        let verifier = self.vault.open(&context("oauth verifier", &who.key), verifier).await?;
        let oauth = who.oauth()?;
        let verifier = verifier.get("verifier").filter(|_| oauth.pkce);
        let ask = TokenRequest::Code { code, verifier, redirect_uri };
        let tokens = request::tokens(&self.egress, oauth, &who.settings, &client, ask).await?;
        let terms = tokens.terms(false, None, self.clock.now());
        Ok(Renewed { sealed: self.seal(&who.key, &tokens.to_credentials()).await?, terms })
    }
}
