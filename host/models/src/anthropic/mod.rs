//! A model behind `/v1/messages`, Anthropic's Messages API.
//!
//! It follows the rules of [`crate::openai`]: strict about ends, lenient about what is new. [`reader`] reads the stream,
//! [`blocks`] puts calls and thinking together, [`event`] has the shapes, [`request`] writes what the server is asked.

mod blocks;
mod event;
mod reader;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{HeaderName, HeaderValue};
use resly_core::model::{Model, ModelError, ModelRequest, ModelStream};

use self::reader::MessageReader;
use crate::{
    answer::AnswerState,
    config::{Endpoint, ModelOptions, Timeouts},
    server::{Api, EncodedRequest, Server},
    unsupported::UnsupportedFields,
    upstream::{ConfigError, Upstream},
};

/// The version of the API that the shapes here are of.
const VERSION: &str = "2023-06-01";

/// A model of Anthropic's, or of a server with its API.
pub struct Anthropic {
    name: String,
    server: Arc<Server<Messages>>,
}

/// The API, for one model.
struct Messages {
    model: String,
    temperature: Option<f64>,
}

impl Api for Messages {
    type Reader = MessageReader;

    fn encode(&self, refused: &UnsupportedFields, request: &ModelRequest) -> serde_json::Result<EncodedRequest> {
        request::body(&self.model, self.temperature, refused, request)
    }

    fn reader(state: AnswerState) -> MessageReader {
        MessageReader::new(state)
    }
}

impl Anthropic {
    pub(crate) fn from_options(options: ModelOptions) -> Result<Self, ConfigError> {
        Self::new(options, Timeouts::default())
    }

    fn new(options: ModelOptions, timeouts: Timeouts) -> Result<Self, ConfigError> {
        let ModelOptions { endpoint: Endpoint { url, model, key }, authentication, temperature } = options;
        let upstream = Upstream::new(&url, &["messages"], &authentication, key, timeouts.connect)?
            .with_header(HeaderName::from_static("anthropic-version"), HeaderValue::from_static(VERSION));
        let full_name = format!("anthropic:{model}");
        Ok(Self { name: full_name, server: Server::new(Messages { model, temperature }, upstream, timeouts) })
    }
}

#[async_trait]
impl Model for Anthropic {
    fn name(&self) -> &str {
        &self.name
    }

    async fn stream(&self, request: Arc<ModelRequest>) -> Result<ModelStream, ModelError> {
        self.server.stream(request).await
    }
}
