//! Why an action failed, with the kinds of `action.fault` in `wit/connector.wit`.

use crate::{
    bindings::exports::resly::connector::action as wit,
    http::{Failure, Reason},
};

pub type Result<T> = core::result::Result<T, Fault>;

/// A failed action. The message is for the model and the log: what happened, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The input can't be served as it is.
    InvalidInput,
    /// The service has no such thing.
    NotFound,
    /// The service failed.
    Upstream,
    /// The service refused the credential, or requires another permission.
    NeedsAuth,
    RateLimited,
    /// The connector itself has failed.
    Internal,
}

impl Fault {
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        let retryable = matches!(kind, FaultKind::Upstream | FaultKind::RateLimited);
        Self { kind, message: message.into(), retryable }
    }

    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(FaultKind::InvalidInput, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FaultKind::NotFound, message)
    }

    pub fn upstream(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Upstream, message)
    }

    pub fn needs_auth(message: impl Into<String>) -> Self {
        Self::new(FaultKind::NeedsAuth, message)
    }

    pub fn rate_limited(message: impl Into<String>) -> Self {
        Self::new(FaultKind::RateLimited, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Internal, message)
    }

    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    pub(crate) fn into_wit(self) -> wit::Fault {
        let kind = match self.kind {
            FaultKind::InvalidInput => wit::FaultKind::InvalidInput,
            FaultKind::NotFound => wit::FaultKind::NotFound,
            FaultKind::Upstream => wit::FaultKind::Upstream,
            FaultKind::NeedsAuth => wit::FaultKind::NeedsAuth,
            FaultKind::RateLimited => wit::FaultKind::RateLimited,
            FaultKind::Internal => wit::FaultKind::Internal,
        };
        wit::Fault { kind, message: self.message, retryable: self.retryable }
    }
}

/// A request without a response. If the service may have received it, a repeat is safe only for an idempotent action.
impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let kind = match failure.reason {
            Reason::NeedsAuth => FaultKind::NeedsAuth,
            Reason::Quota => FaultKind::RateLimited,
            Reason::Timeout | Reason::Network | Reason::TooLarge => FaultKind::Upstream,
            Reason::Denied | Reason::Invalid => FaultKind::Internal,
        };
        let retryable = matches!(failure.reason, Reason::Timeout | Reason::Network) && !failure.sent;
        Self { kind, message: failure.message, retryable }
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(format!("JSON that doesn't fit: {error}"))
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Fault {}
