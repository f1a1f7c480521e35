//! Outbound HTTP. The host decides whether a request is allowed, adds the credential, and removes it from the response.

use serde::{Serialize, de::DeserializeOwned};

pub use crate::bindings::resly::connector::http::{Failure, Reason};
use crate::{
    bindings::resly::connector::http as wit,
    charset::{Decoded, decode},
    fault::{Fault, Result},
};

/// A request that is being built.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub timeout_ms: Option<u32>,
}

impl Request {
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), ..Self::default() }
    }

    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    pub fn patch(url: impl Into<String>) -> Self {
        Self::new("PATCH", url)
    }

    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets a JSON body and its content type.
    pub fn json<T: Serialize>(self, body: &T) -> Result<Self> {
        let body = serde_json::to_vec(body)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    #[must_use]
    pub fn timeout_ms(mut self, timeout: u32) -> Self {
        self.timeout_ms = Some(timeout);
        self
    }

    /// Sends the request through the host.
    pub fn send(self) -> core::result::Result<Response, Failure> {
        let headers = self.headers.into_iter().map(|(name, value)| wit::Header { name, value }).collect();
        let request =
            wit::Request { method: self.method, url: self.url, headers, body: self.body, timeout_ms: self.timeout_ms };
        let wit::Response { status, headers, body, truncated } = wit::send(&request)?;
        let headers = headers.into_iter().map(|wit::Header { name, value }| (name, value)).collect();
        Ok(Response { status, headers, body, truncated })
    }
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body was cut at the call's limit.
    pub truncated: bool,
}

impl Response {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header with this name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The body as text, decoded by its charset, without a byte order mark. Bytes without a character become U+FFFD.
    pub fn text(&self) -> String {
        self.decode().text.into_owned()
    }

    /// The body as text, and whether a part of it may be wrong.
    pub fn decode(&self) -> Decoded<'_> {
        decode(self.header("content-type"), &self.body)
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        if self.truncated {
            return Err(Fault::upstream("the service's answer is larger than a call may read; ask for less at once")
                .retryable(false));
        }
        serde_json::from_str(&self.decode().text)
            .map_err(|error| Fault::upstream(format!("the service's answer is not the JSON it should be: {error}")))
    }

    /// The response if its status is a success, else the fault for its status.
    pub fn require_success(self) -> Result<Self> {
        if self.is_success() { Ok(self) } else { Err(self.fault()) }
    }

    /// The fault for the status, with the wait that the service asks for (RFC 9110, section 10.2.3).
    pub fn fault(&self) -> Fault {
        let mut fault = fault_of_status(self.status);
        let wait = self.header("retry-after").filter(|wait| wait.len() <= 40);
        if let (429 | 503, Some(wait)) = (self.status, wait) {
            let unit = if wait.bytes().all(|byte| byte.is_ascii_digit()) { " seconds" } else { "" };
            fault.message = format!("{} (it asks to wait: {wait}{unit})", fault.message);
        }
        fault
    }
}

/// The fault for a status, when the service gives no better reason.
pub fn fault_of_status(status: u16) -> Fault {
    match status {
        400 | 422 => Fault::invalid_input(format!("the service refused the request as invalid (status {status})")),
        401 | 403 => Fault::needs_auth(format!(
            "the service refused the connection's credential (status {status}); an admin has to check it and its permissions"
        )),
        404 | 410 => Fault::not_found(format!("the service has no such thing (status {status})")),
        429 => Fault::rate_limited("the service's own rate limit is reached; try again later"),
        500.. => Fault::upstream(format!("the service failed (status {status}); try again later")),
        _ => Fault::upstream(format!("the service answered with status {status}")).retryable(false),
    }
}
