//! A model behind `/v1/chat/completions`, as OpenAI, Ollama, vLLM, llama.cpp and most gateways serve it.
//!
//! Strict about ends, lenient about quirks: [`reader`] reads the stream, [`calls`] puts tool calls together, [`chunk`]
//! knows the shapes servers send, [`request`] writes what they are asked.

mod calls;
mod chunk;
mod data;
mod reader;
mod request;
#[cfg(test)]
mod tests;
mod thinking;

use std::sync::Arc;

use async_trait::async_trait;
use resly_core::model::{Model, ModelError, ModelRequest, ModelStream};
use secrecy::SecretString;

use self::{
    reader::ChatReader,
    request::{Settings, TokenLimit},
};
pub use crate::config::Timeouts;
use crate::{
    answer::AnswerState,
    config::{Endpoint, ModelOptions},
    server::{Api, EncodedRequest, Server},
    unsupported::UnsupportedFields,
    upstream::{Authentication, ConfigError, Upstream},
};

/// Where the model is and how long to wait for it.
#[derive(Clone, Debug)]
pub struct OpenAiConfig {
    /// The base URL, with `/v1`.
    pub url: String,
    /// The model's name as the server knows it.
    pub model: String,
    pub key: Option<SecretString>,
    pub authentication: Authentication,
    /// Sent with every request; the server's own when there is none.
    pub temperature: Option<f64>,
    pub timeouts: Timeouts,
}

impl OpenAiConfig {
    pub fn new(url: impl Into<String>, model: impl Into<String>, key: Option<SecretString>) -> Self {
        Self {
            url: url.into(),
            model: model.into(),
            key,
            authentication: Authentication::Bearer,
            temperature: None,
            timeouts: Timeouts::default(),
        }
    }
}

/// A model of an OpenAI-compatible server.
pub struct OpenAi {
    name: String,
    server: Arc<Server<ChatCompletions>>,
}

/// The API, for one model.
struct ChatCompletions {
    model: String,
    settings: Settings,
}

impl Api for ChatCompletions {
    type Reader = ChatReader;

    fn encode(&self, refused: &UnsupportedFields, request: &ModelRequest) -> serde_json::Result<EncodedRequest> {
        request::body(&self.model, self.settings, refused, request)
    }

    fn reader(state: AnswerState) -> ChatReader {
        ChatReader::new(state)
    }
}

impl OpenAi {
    pub(crate) fn from_options(options: ModelOptions) -> Result<Self, ConfigError> {
        let ModelOptions { endpoint: Endpoint { url, model, key }, authentication, temperature } = options;
        Self::new(OpenAiConfig { authentication, temperature, ..OpenAiConfig::new(url, model, key) })
    }

    pub fn new(config: OpenAiConfig) -> Result<Self, ConfigError> {
        let OpenAiConfig { url, model, key, authentication, temperature, timeouts } = config;
        let path = ["chat", "completions"];
        let upstream = Upstream::new(&url, &path, &authentication, key, timeouts.connect)?;
        let token_limit = TokenLimit::of(upstream.host(), &model);
        let name = format!("openai:{model}");
        let api = ChatCompletions { settings: Settings { token_limit, temperature }, model };
        Ok(Self { name, server: Server::new(api, upstream, timeouts) })
    }
}

#[async_trait]
impl Model for OpenAi {
    fn name(&self) -> &str {
        &self.name
    }

    async fn stream(&self, request: Arc<ModelRequest>) -> Result<ModelStream, ModelError> {
        self.server.stream(request).await
    }
}
