//! Requests to an authorization server: for tokens (RFC 6749, sections 4.1.3, 4.4.2 and 6) and for revocation (RFC 7009).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use resly_core::{
    connector::manifest::{ClientAuth, OAuth},
    error::StoreError,
};
use serde_json::Value;
use tokio::time::Instant;
use url::form_urlencoded::{self, Serializer};
use zeroize::Zeroizing;

use super::{REVOKE_TIME, TOKEN_TIME, endpoint, tokens::Tokens};
use crate::{
    credentials::Credentials,
    egress::Egress,
    vault::VaultError,
    wire::{
        body::{self, Bounds},
        client::Outgoing,
        decode, redact, retry,
    },
};

/// The most bytes of an answer.
const ANSWER: usize = 256 << 10;

/// An error as a service named it, without secrets and within bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub code: String,
    description: String,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.description.as_str() {
            "" => write!(f, "`{}`", self.code),
            description => write!(f, "`{}`, {description}", self.code),
        }
    }
}

/// Why there are no tokens. None of these holds a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OAuthError {
    #[error("no account is connected")]
    NotAuthorized,
    #[error("the access token has ended and can't be renewed")]
    Expired,
    #[error("there is no client of an app: enter the connection's `client_id` and `client_secret`")]
    NoClient,
    #[error("the service has ended the authorization ({0})")]
    Ended(Said),
    #[error("the service refused the app's client ({0}); check the `client_id` and `client_secret`")]
    Client(Said),
    #[error("the service refused to give tokens: {0}")]
    Refused(Said),
    #[error("{message}")]
    Unavailable { message: String, retry_after: Option<Duration> },
    #[error("the service's answer to the request for tokens can't be used: {0}")]
    Answer(&'static str),
    #[error("an address of the connector's OAuth: {0}")]
    Address(String),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What tokens are asked for with.
#[derive(Clone, Copy)]
pub enum Ask<'a> {
    Code {
        code: &'a str,
        verifier: Option<&'a str>,
        redirect_uri: &'a str,
    },
    Refresh(&'a str),
    /// The client's own (section 4.4).
    Client,
}

/// A form in the making. Its buffer never moves, so that nothing of it stays behind in memory.
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

/// Asks for tokens.
pub async fn tokens(
    egress: &Egress,
    oauth: &OAuth,
    settings: &Value,
    client: &Credentials,
    ask: Ask<'_>,
) -> Result<Tokens, OAuthError> {
    let mut pairs: Vec<(&str, &str)> = match ask {
        Ask::Code { code, verifier, redirect_uri } => {
            let verifier = verifier.map(|verifier| ("code_verifier", verifier));
            let code = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)];
            code.into_iter().chain(verifier).collect()
        }
        Ask::Refresh(token) => vec![("grant_type", "refresh_token"), ("refresh_token", token)],
        Ask::Client => vec![("grant_type", "client_credentials")],
    };
    let scope = oauth.scopes.join(&oauth.scope_separator);
    if matches!(ask, Ask::Client) && !scope.is_empty() {
        pairs.push(("scope", &scope));
    }
    pairs.extend(oauth.token_params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let (sent, verifier) = match ask {
        Ask::Code { code, verifier, .. } => (Some(code), verifier),
        Ask::Refresh(token) => (Some(token), None),
        Ask::Client => (None, None),
    };
    let secrets = [sent, verifier, client.get("client_secret")];
    let (status, answer, retry_after) =
        post(egress, oauth, settings, client, &oauth.token_url, &pairs, TOKEN_TIME).await?;
    let said = said(&answer, secrets.into_iter().flatten());
    match (status, said) {
        (status, None) if status.is_success() => Tokens::read(&answer, &oauth.prefix).map_err(OAuthError::Answer),
        (status, said) => Err(refusal(status, said, retry_after)),
    }
}

/// Tells the service that a token is of no use any more. `Ok` means that it said so too.
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
    let (status, answer, retry_after) = post(egress, oauth, settings, client, url, &pairs, REVOKE_TIME).await?;
    if status.is_success() {
        return Ok(());
    }
    let said = said(&answer, [token].into_iter().chain(client.get("client_secret")));
    Err(refusal(status, said, retry_after))
}

/// Posts a form as the app's client.
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
    let way = egress.clients.way(&target).map_err(|error| OAuthError::Address(error.to_string()))?;
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
    let response = egress.clients.send(&way, outgoing, until).await.map_err(|error| unavailable(error.to_string()))?;
    let status = response.status();
    let retry_after = retry::retry_after(response.headers());
    tracing::debug!(host, status = status.as_u16(), "asked an authorization server");
    let bounds = Bounds { most: ANSWER, idle: egress.config.idle_timeout, until };
    let answer = body::read(response, bounds).await.map_err(|error| unavailable(error.to_string()))?;
    Ok((status, Zeroizing::new(answer), retry_after))
}

/// The client as RFC 6749, section 2.3.1 has it in Basic authentication: both parts encoded as in forms.
fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encode(id), *Zeroizing::new(encode(secret))));
    let header = Zeroizing::new(format!("Basic {}", *Zeroizing::new(STANDARD.encode(pair.as_bytes()))));
    let mut value = HeaderValue::from_str(&header).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The error in an answer. Some services send one under status 200.
fn said<'a>(answer: &[u8], secrets: impl Iterator<Item = &'a str>) -> Option<Said> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let code = answer.get("error").filter(|_| answer.get("access_token").is_none_or(Value::is_null))?;
    let description = answer.get("error_description").and_then(Value::as_str).unwrap_or_default();
    let redactor = redact::Redactor::new(secrets.map(str::as_bytes));
    let clean = |text: &str, most: usize| {
        let text = redactor.as_ref().map_or(text.into(), |redactor| redactor.text(text));
        text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(most).collect::<String>()
    };
    // Not every service's error is the standard's code.
    Some(Said { code: clean(code.as_str().unwrap_or("error"), 60), description: clean(description, 200) })
}

fn refusal(status: StatusCode, said: Option<Said>, retry_after: Option<Duration>) -> OAuthError {
    let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    let code = said.as_ref().map(|said| said.code.as_str());
    match (code, said.clone()) {
        (Some("invalid_grant"), Some(said)) => OAuthError::Ended(said),
        (Some("invalid_client" | "unauthorized_client"), Some(said)) => OAuthError::Client(said),
        (Some("temporarily_unavailable" | "server_error" | "slow_down"), _) => unavailable(status, retry_after),
        _ if passing => unavailable(status, retry_after),
        (_, Some(said)) => OAuthError::Refused(said),
        (_, None) => {
            OAuthError::Refused(Said { code: format!("status {}", status.as_u16()), description: String::new() })
        }
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

    #[test]
    fn what_a_service_says_is_told_without_its_secrets() {
        let answer = json!({"error": "invalid_grant", "error_description": "refresh token rt-1234567 is\r\n gone"});
        let said = said(answer.to_string().as_bytes(), ["rt-1234567"].into_iter());
        let refusal = refusal(StatusCode::BAD_REQUEST, said, None);
        assert!(matches!(refusal, OAuthError::Ended(_)));
        assert!(refusal.to_string().contains("refresh token [redacted] is gone"), "{refusal}");
    }

    #[test]
    fn a_refusal_has_its_kind() {
        let of = |status: u16, answer: Value| {
            let said = said(answer.to_string().as_bytes(), std::iter::empty());
            refusal(StatusCode::from_u16(status).unwrap(), said, None)
        };
        assert!(matches!(of(401, json!({"error": "invalid_client"})), OAuthError::Client(_)));
        assert!(matches!(of(200, json!({"ok": false, "error": "bad_code"})), OAuthError::Refused(_)));
        assert!(matches!(of(400, json!({"error": {"message": "x"}})), OAuthError::Refused(_)));
        for (status, answer) in
            [(503, json!("down")), (429, json!({})), (400, json!({"error": "temporarily_unavailable"}))]
        {
            assert!(matches!(of(status, answer), OAuthError::Unavailable { .. }), "{status}");
        }
        assert!(said(br#"{"access_token": "a", "error": null}"#, std::iter::empty()).is_none());
    }

    #[test]
    fn a_client_in_basic_authentication_is_encoded_first() {
        let value = basic("a b", "c:d").unwrap();
        assert!(value.is_sensitive());
        assert_eq!(value, format!("Basic {}", STANDARD.encode("a+b:c%3Ad")).as_str());
    }
}
