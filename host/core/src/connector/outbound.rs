//! The port through which a call sends requests. One object serves one call. Its allowed hosts and its credential are
//! fixed before the guest runs, and the guest can see neither.

use std::{borrow::Cow, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use super::fault::{Fault, Remedy};
use crate::time::parse_http_date;

/// The most bytes of a request's path that are logged.
pub const LOGGED_PATH: usize = 512;

/// A request as the guest wrote it. Nothing in it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Bytes>,
    pub timeout: Option<Duration>,
}

/// A redacted response. Header names are in lower case. The body is decoded and within its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub truncated: bool,
}

impl OutboundResponse {
    /// The time that the service asks to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        let header = |name| self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str());
        parse_retry_after(header("retry-after")?, header("date"))
    }
}

/// Parses `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date. A date is compared with the response's own
/// `Date`, so the clocks of host and service needn't agree.
pub fn parse_retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    Some(parse_http_date(value)?.since(parse_http_date(date?)?))
}

/// Why a request got no response. These are the cases of `http.reason` in `wit/connector.wit`, and `CircuitOpen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboundReason {
    Denied,
    NeedsAuth,
    Quota,
    Timeout,
    TooLarge,
    Network,
    Invalid,
    /// The circuit breaker refused it, because the connection's last requests failed. The guest sees `network`.
    CircuitOpen,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutboundFailure {
    pub reason: OutboundReason,
    /// What happened, without a secret. It is safe for the guest, the log and the admin.
    pub message: String,
    /// What an admin or a visitor has to do first. The guest doesn't see it.
    pub remedy: Option<Remedy>,
    pub retry_after: Option<Duration>,
    /// Whether the service may have received the request.
    pub sent: bool,
}

impl OutboundFailure {
    /// A failure before anything was sent.
    pub fn refused(reason: OutboundReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), remedy: None, retry_after: None, sent: false }
    }
}

/// The outbound side of one call.
#[async_trait]
pub trait Outbound: Send + Sync + 'static {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundFailure>;

    /// Removes the call's credential, in every encoding that it may have, from a text such as a log line or a fault.
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str>;

    /// The requests so far, for the log: method, host, path and status; never a query, header or body.
    fn requests(&self) -> Vec<Value> {
        Vec::new()
    }

    /// A cause that the host knows and the guest may have misreported. When the call fails, it replaces the guest's
    /// fault.
    fn cause(&self) -> Option<Fault> {
        None
    }
}

/// A request as it would be sent. It has every header that the host adds for the connector, with a mask in place of the
/// credential. The headers that frame the message (`host`, `content-length`) are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Bytes>,
    /// The origin that would be dialled, such as `https://api.example.com:443`.
    pub to: String,
    /// Where the credential goes, such as `header x-api-key: [masked]`. `None` when the request would carry none.
    pub credential: Option<String>,
}

/// The policy of a call without its network: everything that needs neither a connection nor a secret.
pub trait DryRunPolicy: Send + Sync + 'static {
    /// The request as it would be sent, or why it would be refused.
    fn dry_run(&self, request: &OutboundRequest) -> Result<StagedRequest, OutboundFailure>;
}
