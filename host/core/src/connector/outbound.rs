//! The port through which a call reaches the outside. One object serves one call: what it may reach and with which
//! credential is decided before the guest runs, and the guest's side of it never sees either.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

use crate::connector::fault::{Fault, Remedy};

/// The most bytes of a request's path that are logged.
pub const LOGGED_PATH: usize = 512;

/// A request as the guest wrote it: nothing in it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Bytes>,
    pub timeout: Option<Duration>,
}

/// A response after redaction. Header names are in lower case; the body is decoded and within the cap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub truncated: bool,
}

impl OutboundResponse {
    /// How long the service asks to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        let header = |name| self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str());
        parse_retry_after(header("retry-after")?, header("date"))
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date, which is read against the response's own `Date` so that
/// the two clocks needn't agree.
pub fn parse_retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let parse = |text: &str| DateTimeParser::new().parse_timestamp(text.trim()).ok();
    Some(Duration::try_from(parse(value)?.duration_since(parse(date?)?)).unwrap_or_default())
}

/// Why a request got no response; the cases of `http.reason` in `wit/connector.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboundReason {
    Denied,
    NeedsAuth,
    Quota,
    Timeout,
    TooLarge,
    Network,
    Invalid,
    /// The breaker held it back: the connection's last requests failed. The guest learns of it as `network`.
    CircuitOpen,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutboundFailure {
    pub reason: OutboundReason,
    /// CredentialSealer for the guest, the log and the admin: what happened, without a secret.
    pub message: String,
    /// What an admin or a visitor has to do first. The guest doesn't learn of it.
    pub remedy: Option<Remedy>,
    pub retry_after: Option<Duration>,
    /// True when the service may have seen the request.
    pub sent: bool,
}

impl OutboundFailure {
    /// A failure before anything was sent.
    pub fn refused(reason: OutboundReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), remedy: None, retry_after: None, sent: false }
    }
}

/// The outside, for one call.
#[async_trait]
pub trait Outbound: Send + Sync + 'static {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundFailure>;

    /// Takes the call's credential, in every form it may have taken, out of a text (a log line, a fault).
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str>;

    /// What was asked so far, for the log: method, host, path and status; never a query, header or body.
    fn requests(&self) -> Vec<Value> {
        Vec::new()
    }

    /// What the host knows to be wrong with what was asked for. When the call fails, this is why, whatever its guest made
    /// of it.
    fn cause(&self) -> Option<Fault> {
        None
    }
}

/// A request as it would leave: every header that the host adds for the connector is there, with a mark in the credential's
/// place. What frames the message (`host`, `content-length`) isn't among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Bytes>,
    /// The host and port that would be dialled, such as `https://api.example.com:443`.
    pub to: String,
    /// Where the credential goes, such as `header x-api-key: [masked]`; `None` when none would go along.
    pub credential: Option<String>,
}

/// The outside without a way out: the whole policy of a call, as far as it needs no network and no secret.
pub trait DryRunPolicy: Send + Sync + 'static {
    /// The request as it would leave, or why it wouldn't.
    fn dry_run(&self, request: &OutboundRequest) -> Result<StagedRequest, OutboundFailure>;
}
