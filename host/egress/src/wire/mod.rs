//! What goes on the wire and comes off it.

pub(crate) mod body;
pub(crate) mod breaker;
pub(crate) mod client;
pub(crate) mod decode;
pub(crate) mod headers;
pub(crate) mod inject;
pub(crate) mod redact;
pub(crate) mod retry;
pub(crate) mod secret_encodings;
pub(crate) mod views;
