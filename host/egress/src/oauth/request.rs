//! Requests to an authorization server: for tokens (RFC 6749, sections 4.1.3, 4.4.2 and 6) and for revocation
//! (RFC 7009).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use resly_core::{connector::account::RenewalFailureKind, error::StoreError};
use resly_manifest::{ClientAuth, OAuth};
use resly_vault::{Credentials, VaultError};
use serde_json::Value;
use tokio::time::Instant;
use url::form_urlencoded::{self, Serializer};
use zeroize::Zeroizing;

use super::{REVOKE_TIME, TOKEN_TIME, answer::Answer, endpoint, tokens::Tokens};
use crate::{
    egress::Egress,
    wire::{
        body::{self, Bounds},
        client::{Outgoing, WireError},
        decode, redact, retry,
    },
};

/// The most bytes of an answer.
const ANSWER: usize = 256 << 10;

/// A service's error, within bounds and without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    pub code: String,
    description: String,
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.description.as_str() {
            "" => write!(f, "`{}`", self.code),
            description => write!(f, "`{}`, {description}", self.code),
        }
    }
}

/// Why there are no tokens. None of these errors holds a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OAuthError {
    #[error("no account is connected")]
    NotAuthorized,
    #[error("the access token has ended and can't be renewed")]
    Expired,
    #[error("there is no client of an app: enter the connection's `client_id` and `client_secret`")]
    NoClient,
    #[error("the service has ended the authorization ({0})")]
    Ended(ServiceError),
    #[error("the service refused the app's client ({0}); check the `client_id` and `client_secret`")]
    Client(ServiceError),
    #[error("the service refused the redirect URI ({0}); register this host's, exactly, at the service")]
    Redirect(ServiceError),
    #[error("the service refused to give tokens: {0}")]
    Refused(ServiceError),
    /// The address answered, but not like a token endpoint.
    #[error(
        "{host} answered with status {status} and no OAuth error, so the address that was asked is no token endpoint: \
         check the connector's `token_url`"
    )]
    NoEndpoint { host: String, status: u16 },
    #[error("{message}")]
    Unavailable { message: String, retry_after: Option<Duration> },
    #[error("the service's answer to the request for tokens can't be used: {0}")]
    Answer(&'static str),
    #[error("an address of the connector's OAuth: {0}")]
    Address(String),
    /// The failure of the last attempt. Callers share it until the next attempt is due.
    #[error("{message}; the service is asked again in {} s", retry_after.as_secs() + 1)]
    Recent { kind: RenewalFailureKind, message: String, retry_after: Duration },
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The grant of a request for tokens.
#[derive(Clone, Copy)]
pub enum TokenRequest<'a> {
    Code {
        code: &'a str,
        verifier: Option<&'a str>,
        redirect_uri: &'a str,
    },
    Refresh(&'a str),
    /// The client's own credentials (section 4.4).
    Client,
}

/// An encoded form. Its buffer is large enough never to move, so no copy of a secret stays in memory.
struct Form {
    text: Zeroizing<String>,
}

impl Form {
    fn of(pairs: &[(&str, &str)]) -> Self {
        let most = pairs.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
        let mut text = Zeroizing::new(String::with_capacity(most));
        Serializer::new(&mut *text).extend_pairs(pairs).finish();
        Self { text }
    }

    fn into_bytes(mut self) -> Bytes {
        Bytes::from_owner(Zeroizing::new(std::mem::take(&mut *self.text).into_bytes()))
    }
}

/// Requests tokens.
pub async fn tokens(
    egress: &Egress,
    oauth: &OAuth,
    settings: &Value,
    client: &Credentials,
    ask: TokenRequest<'_>,
) -> Result<Tokens, OAuthError> {
    let mut pairs: Vec<(&str, &str)> = match ask {
        TokenRequest::Code { code, verifier, redirect_uri } => {
            let verifier = verifier.map(|verifier| ("code_verifier", verifier));
            let code = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
            code.into_iter().chain(verifier).collect()
        }
        TokenRequest::Refresh(token) => vec![("grant_type", "refresh_token"), ("refresh_token", token)],
        TokenRequest::Client => vec![("grant_type", "client_credentials")],
    };
    let scope = oauth.scopes.join(&oauth.scope_separator);
    if matches!(ask, TokenRequest::Client) && !scope.is_empty() {
        pairs.push(("scope", &scope));
    }
    pairs.extend(oauth.token_params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let (sent, verifier) = match ask {
        TokenRequest::Code { code, verifier, .. } => (Some(code), verifier),
        TokenRequest::Refresh(token) => (Some(token), None),
        TokenRequest::Client => (None, None),
    };
    let secrets = [sent, verifier, client.get("client_secret")];
    let host = endpoint::resolve(&oauth.token_url, settings)?.host_text().to_string();
    let (status, answer, retry_after) =
        post(egress, oauth, settings, client, &oauth.token_url, &pairs, TOKEN_TIME).await?;
    let renewal = matches!(ask, TokenRequest::Refresh(_));
    let answer = Answer::parse(&answer);
    let said = answer.as_ref().and_then(|answer| error_of(answer, oauth, renewal, secrets.into_iter().flatten()));
    match (status, said) {
        (status, None) if status.is_success() => {
            let answer = answer.ok_or(OAuthError::Answer("it is neither the JSON object of RFC 6749 nor a form"))?;
            Tokens::read(&answer, oauth, renewal).map_err(OAuthError::Answer)
        }
        (status, said) => Err(refusal(&host, status, said, retry_after)),
    }
}

/// Revokes a token at the service. `Ok` means that the service confirmed it, or that the connector has no `revoke_url`.
pub async fn revoke(
    egress: &Egress,
    oauth: &OAuth,
    settings: &Value,
    client: &Credentials,
    token: &str,
    hint: &str,
) -> Result<(), OAuthError> {
    let Some(url) = &oauth.revoke_url else { return Ok(()) };
    let pairs = [("token", token), ("token_type_hint", hint)];
    let host = endpoint::resolve(url, settings)?.host_text().to_string();
    let (status, answer, retry_after) = post(egress, oauth, settings, client, url, &pairs, REVOKE_TIME).await?;
    if status.is_success() {
        return Ok(());
    }
    let secrets = [token].into_iter().chain(client.get("client_secret"));
    let said = Answer::parse(&answer).and_then(|answer| error_of(&answer, oauth, false, secrets));
    Err(refusal(&host, status, said, retry_after))
}

/// Posts a form, authenticated as the app's client.
async fn post(
    egress: &Egress,
    oauth: &OAuth,
    settings: &Value,
    client: &Credentials,
    url: &str,
    pairs: &[(&str, &str)],
    time: Duration,
) -> Result<(StatusCode, Zeroizing<Vec<u8>>, Option<Duration>), OAuthError> {
    let target = endpoint::resolve(url, settings)?;
    let way = egress.clients.transport(&target).map_err(|error| OAuthError::Address(error.to_string()))?;
    let id = client.get("client_id").filter(|id| !id.is_empty()).ok_or(OAuthError::NoClient)?;
    let secret = client.get("client_secret").unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(decode::ACCEPTED));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let mut pairs = pairs.to_vec();
    match oauth.client_auth {
        ClientAuth::ClientSecretPost => {
            pairs.push(("client_id", id));
            pairs.extend(Some(("client_secret", secret)).filter(|(_, secret)| !secret.is_empty()));
        }
        ClientAuth::ClientSecretBasic => {
            headers.insert(header::AUTHORIZATION, basic(id, secret).ok_or(OAuthError::NoClient)?);
        }
    }
    let outgoing = Outgoing {
        method: Method::POST,
        url: target.url().clone(),
        headers,
        body: Some(Form::of(&pairs).into_bytes()),
    };
    let host = target.host_text();
    let unavailable =
        |error: String| OAuthError::Unavailable { message: format!("{host}: {error}"), retry_after: None };
    let until = Instant::now() + time;
    let response = egress.clients.send(&way, outgoing, until).await.map_err(|error| match error {
        // The host refuses the address, and always will.
        WireError::NotPublic => OAuthError::Address(format!("{host}: {error}")),
        error => unavailable(error.to_string()),
    })?;
    let status = response.status();
    let retry_after = retry::retry_after(response.headers());
    tracing::debug!(host, status = status.as_u16(), "asked an authorization server");
    let bounds = Bounds { most: ANSWER, idle: egress.config.idle_timeout, until };
    let answer = body::read(response, bounds).await.map_err(|error| unavailable(error.to_string()))?;
    Ok((status, Zeroizing::new(answer), retry_after))
}

/// The header of Basic authentication (RFC 6749, section 2.3.1): both parts are encoded as in forms.
fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encode(id), *Zeroizing::new(encode(secret))));
    let header = Zeroizing::new(format!("Basic {}", *Zeroizing::new(STANDARD.encode(pair.as_bytes()))));
    let mut value = HeaderValue::from_str(&header).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The error in an answer. Some services send one with status 200.
fn error_of<'a>(
    answer: &Answer,
    oauth: &OAuth,
    renewal: bool,
    secrets: impl Iterator<Item = &'a str>,
) -> Option<ServiceError> {
    let (code, description) = answer.error(&oauth.token_pointers, renewal)?;
    let redactor = redact::Redactor::new(secrets.map(str::as_bytes));
    let clean = |text: &str, most: usize| {
        let text = redactor.as_ref().map_or(text.into(), |redactor| redactor.text(text));
        text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(most).collect::<String>()
    };
    Some(ServiceError { code: clean(code, 60), description: clean(description, 200) })
}

/// The standard's code (RFC 6749, section 5.2), then those of GitHub and Slack for the same error.
const GRANT_CODES: [&str; 8] = [
    "invalid_grant",
    "bad_verification_code",
    "bad_refresh_token",
    "invalid_code",
    "code_already_used",
    "invalid_refresh_token",
    "token_revoked",
    "token_expired",
];
const CLIENT_CODES: [&str; 5] =
    ["invalid_client", "unauthorized_client", "incorrect_client_credentials", "invalid_client_id", "bad_client_secret"];
const REDIRECT_CODES: [&str; 3] = ["redirect_uri_mismatch", "bad_redirect_uri", "invalid_redirect_uri"];
const PASSING_CODES: [&str; 5] =
    ["temporarily_unavailable", "server_error", "slow_down", "ratelimited", "rate_limited"];

fn refusal(host: &str, status: StatusCode, said: Option<ServiceError>, retry_after: Option<Duration>) -> OAuthError {
    let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    let code = said.as_ref().map(|said| said.code.as_str());
    match (code, said.clone()) {
        (Some(code), Some(said)) if GRANT_CODES.contains(&code) => OAuthError::Ended(said),
        (Some(code), Some(said)) if CLIENT_CODES.contains(&code) => OAuthError::Client(said),
        (Some(code), Some(said)) if REDIRECT_CODES.contains(&code) => OAuthError::Redirect(said),
        (Some(code), _) if PASSING_CODES.contains(&code) => unavailable(status, retry_after),
        _ if passing => unavailable(status, retry_after),
        (None, _) if status == StatusCode::UNAUTHORIZED => {
            OAuthError::Client(ServiceError { code: "status 401".to_owned(), description: String::new() })
        }
        // A token endpoint doesn't answer with such a status, whatever the body says.
        _ if status.is_redirection() || matches!(status.as_u16(), 404 | 405 | 410) => {
            OAuthError::NoEndpoint { host: host.to_owned(), status: status.as_u16() }
        }
        (_, Some(said)) => OAuthError::Refused(said),
        (_, None) => OAuthError::NoEndpoint { host: host.to_owned(), status: status.as_u16() },
    }
}

fn unavailable(status: StatusCode, retry_after: Option<Duration>) -> OAuthError {
    let message = format!("the service can't give tokens right now (status {}); try again", status.as_u16());
    OAuthError::Unavailable { message, retry_after }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error_member(answer: &Value, secrets: &[&str]) -> Option<ServiceError> {
        let oauth: OAuth = serde_json::from_value(json!({"token_url": "https://a.example/token"})).unwrap();
        error_of(&Answer::parse(answer.to_string().as_bytes())?, &oauth, false, secrets.iter().copied())
    }

    #[test]
    fn what_a_service_says_is_told_without_its_secrets() {
        let answer = json!({"error": "invalid_grant", "error_description": "refresh token rt-1234567 is\r\n gone"});
        let said = error_member(&answer, &["rt-1234567"]);
        let refusal = refusal("a.example", StatusCode::BAD_REQUEST, said, None);
        assert!(matches!(refusal, OAuthError::Ended(_)));
        assert!(refusal.to_string().contains("refresh token [redacted] is gone"), "{refusal}");
    }

    #[test]
    fn a_refusal_has_its_kind() {
        let of = |status: u16, answer: Value| {
            refusal("a.example", StatusCode::from_u16(status).unwrap(), error_member(&answer, &[]), None)
        };
        assert!(matches!(of(401, json!({"error": "invalid_client"})), OAuthError::Client(_)));
        assert!(matches!(of(200, json!({"ok": false, "error": "bad_code"})), OAuthError::Refused(_)));
        assert!(matches!(of(400, json!({"error": {"message": "x"}})), OAuthError::Refused(_)));
        for (status, answer) in
            [(503, json!("down")), (429, json!({})), (400, json!({"error": "temporarily_unavailable"}))]
        {
            assert!(matches!(of(status, answer), OAuthError::Unavailable { .. }), "{status}");
        }
        assert!(matches!(of(401, json!("who are you")), OAuthError::Client(_)));
        assert!(matches!(of(200, json!({"error": "incorrect_client_credentials"})), OAuthError::Client(_)));
        assert!(matches!(of(200, json!({"error": "bad_verification_code"})), OAuthError::Ended(_)));
        assert!(matches!(of(400, json!({"error": "redirect_uri_mismatch"})), OAuthError::Redirect(_)));
        for (status, answer) in
            [(404, json!({"error": "Not Found"})), (302, json!({})), (405, json!("no")), (403, json!("no"))]
        {
            assert!(matches!(of(status, answer), OAuthError::NoEndpoint { .. }), "{status}");
        }
    }

    #[test]
    fn a_client_in_basic_authentication_is_encoded_first() {
        let value = basic("a b", "c:d").unwrap();
        assert!(value.is_sensitive());
        assert_eq!(value, format!("Basic {}", STANDARD.encode("a+b:c%3Ad")).as_str());
    }
}
