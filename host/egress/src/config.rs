//! The operator's settings of egress.

use std::time::Duration;

use crate::{policy::exempt::ExemptHost, policy::route::Route, wire::retry::RetryPolicy};

/// What may be reached besides public https, through which routes, and with which timeouts.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// `RESLY_EGRESS_ALLOW`, parsed.
    pub allow: Vec<ExemptHost>,
    /// `RESLY_EGRESS_ROUTE`, parsed.
    pub routes: Vec<Route>,
    /// Certificate authorities beyond the system's, PEM; may be empty.
    pub extra_ca_pem: Vec<u8>,
    /// For resolving the name, connecting and TLS together.
    pub connect_timeout: Duration,
    /// From the start of a request to the head of its response.
    pub first_byte_timeout: Duration,
    /// Between two chunks of a body.
    pub idle_timeout: Duration,
    pub retry: RetryPolicy,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            routes: Vec::new(),
            extra_ca_pem: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
        }
    }
}

/// Why egress can't start.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("RESLY_EGRESS_CA: the file must hold certificates in PEM form: {0}")]
    Ca(String),
    #[error("the HTTP client can't be made: {0}")]
    Client(String),
}
