//! What a provider's module builds its client from. `provider` makes it of a configuration.

use std::time::Duration;

use secrecy::SecretString;

use crate::upstream::Authentication;

/// One model at one server.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The API's base URL, with `/v1`.
    pub url: String,
    /// The model's name as the server knows it.
    pub model: String,
    pub key: Option<SecretString>,
}

/// A language model at a server.
pub(crate) struct ModelOptions {
    pub endpoint: Endpoint,
    pub authentication: Authentication,
    /// Sent with every request; the server's own when there is none.
    pub temperature: Option<f64>,
}

/// An embedding model at a server.
pub(crate) struct EmbedderOptions {
    pub endpoint: Endpoint,
    pub authentication: Authentication,
}

/// How long a model is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub connect: Duration,
    /// From asking to the first event of the answer; a retry doesn't start it anew.
    pub first_event: Duration,
    /// Between events. Comments, which some gateways send to keep a connection open, are none.
    pub idle: Duration,
    /// After the finish reason: how long to wait for the usage and the stream's end.
    pub linger: Duration,
    /// Before the one retry, unless the server asks for a time of its own.
    pub retry: Duration,
    /// The longest `Retry-After` that is waited for; a longer one is told instead.
    pub longest_retry: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_event: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            retry: Duration::from_millis(250),
            longest_retry: Duration::from_secs(3),
        }
    }
}

/// A duration as errors tell it, rounded up.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
