//! The requests to a provider: JSON comes back, within bounds, and no redirect is followed.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{OidcError, bounded};
use crate::{
    egress::Egress,
    policy::target::Target,
    wire::{
        body::{self, Bounds},
        client::Outgoing,
    },
};

/// The most bytes of an answer.
const MOST: usize = 256 << 10;

/// A provider's answer.
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer's JSON. `what` names it. The parser's own message isn't told: it may hold a token.
    pub fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, OidcError> {
        if self.status != 200 {
            return Err(OidcError::Answer(format!("it answered {} instead of {what}", self.status)));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            OidcError::Answer(format!("{what} can't be read (line {line}, column {column})"))
        })
    }
}

/// Sends one step's requests, until the time is over.
pub(super) struct Requests<'e> {
    pub egress: &'e Egress,
    pub until: Instant,
}

impl Requests<'_> {
    /// Asks for an address, with an access token where one is needed.
    pub async fn get(&self, url: &str, token: Option<&str>) -> Result<Answer, OidcError> {
        let bearer = token.map(|token| format!("Bearer {token}"));
        self.send(Method::GET, url, bearer.as_deref(), None).await
    }

    /// Sends a form, with the client's authorization where it isn't in the form.
    pub async fn post(&self, url: &str, authorization: Option<&str>, form: String) -> Result<Answer, OidcError> {
        self.send(Method::POST, url, authorization, Some(form.into())).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        authorization: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Answer, OidcError> {
        let address =
            |error: String| OidcError::Unreachable(format!("an address can't be called: {}", bounded(&error)));
        let target = Target::parse(url).map_err(|error| address(error.to_string()))?;
        let way = self.egress.clients.transport(&target).map_err(|error| address(error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if body.is_some() {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(header::CONTENT_TYPE, form);
        }
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_str(authorization)
                .map_err(|_| OidcError::Answer("its access token can't be sent back".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let outgoing = Outgoing { method, url: target.url().clone(), headers, body };
        let sent = self.egress.clients.send(&way, outgoing, self.until).await;
        let response = sent.map_err(|error| OidcError::Unreachable(error.to_string()))?;
        let status = response.status().as_u16();
        let bounds = Bounds { most: MOST + 1, idle: self.egress.config.idle_timeout, until: self.until };
        let read = body::read(response, bounds).await.map_err(|error| OidcError::Unreachable(error.to_string()))?;
        if read.len() > MOST {
            return Err(OidcError::Answer(format!("an answer is larger than {MOST} bytes")));
        }
        Ok(Answer { status, body: read })
    }
}
