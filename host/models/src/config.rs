//! What a provider's module builds its client from. `provider` makes it of a configuration.

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
