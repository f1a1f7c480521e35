//! Requests and responses on the wire: clients, headers, bodies, retries, and the credential's injection and redaction.

pub(crate) mod body;
pub(crate) mod breaker;
pub(crate) mod client;
pub(crate) mod decode;
pub(crate) mod decodings;
pub(crate) mod headers;
pub(crate) mod inject;
pub(crate) mod redact;
pub(crate) mod retry;
pub(crate) mod secret_encodings;
