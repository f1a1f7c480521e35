//! A model behind `/v1/chat/completions`, as OpenAI, Ollama, vLLM, llama.cpp and most gateways serve it.
//!
//! Strict about ends, lenient about quirks: [`answer`] reads the stream, [`calls`] puts tool calls together, [`chunk`]
//! knows the shapes servers send, [`request`] writes what they are asked.

mod answer;
mod calls;
mod chunk;
mod request;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use resly_core::model::{Model, ModelError, ModelRequest, ModelStream};
use secrecy::SecretString;
use tokio::time::{Instant, sleep, timeout_at};

use crate::upstream::{ConfigError, Upstream, is_passing, retry_after};

/// Where the model is and how long to wait for it.
#[derive(Clone, Debug)]
pub struct OpenAiConfig {
    /// The base URL, with `/v1`.
    pub url: String,
    /// The model's name as the server knows it.
    pub model: String,
    pub key: Option<SecretString>,
    pub timeouts: Timeouts,
}

impl OpenAiConfig {
    pub fn new(url: impl Into<String>, model: impl Into<String>, key: Option<SecretString>) -> Self {
        Self { url: url.into(), model: model.into(), key, timeouts: Timeouts::default() }
    }
}

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

/// A model of an OpenAI-compatible server.
pub struct OpenAi {
    name: String,
    model: String,
    upstream: Upstream,
    token_limit: request::TokenLimit,
    timeouts: Timeouts,
}

impl OpenAi {
    pub fn new(config: OpenAiConfig) -> Result<Self, ConfigError> {
        let upstream = Upstream::new(&config.url, &["chat", "completions"], config.key, config.timeouts.connect)?;
        Ok(Self {
            name: format!("openai:{}", config.model),
            token_limit: request::TokenLimit::of(upstream.host()),
            model: config.model,
            upstream,
            timeouts: config.timeouts,
        })
    }

    /// One attempt, up to the response's head.
    async fn ask(&self, body: Vec<u8>, until: Instant) -> Result<reqwest::Response, Failed> {
        let at = || self.upstream.at.clone();
        let response = match timeout_at(until, self.upstream.post(body, "text/event-stream")).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                // Nothing of an answer has come: the connection was refused, or an idle one was closed under us.
                let error = ModelError::Unreachable { at: at(), detail: self.upstream.explain(error) };
                return Err(Failed { error, retry_in: Some(self.timeouts.retry) });
            }
            Err(_) => {
                let seconds = whole_seconds(self.timeouts.first_event);
                return Err(Failed { error: ModelError::Stalled { at: at(), seconds }, retry_in: None });
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after_s = retry_after(&response);
        let wait = retry_after_s.map_or(self.timeouts.retry, Duration::from_secs);
        let retry_in = (is_passing(status) && wait <= self.timeouts.longest_retry).then_some(wait);
        let detail = self.upstream.refusal(response).await;
        let error = ModelError::Refused { at: at(), status: status.as_u16(), detail, retry_after_s };
        Err(Failed { error, retry_in })
    }
}

struct Failed {
    error: ModelError,
    /// Set when asking again may help.
    retry_in: Option<Duration>,
}

#[async_trait]
impl Model for OpenAi {
    fn name(&self) -> &str {
        &self.name
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let body = request::body(&self.model, self.token_limit, &request).map_err(|error| ModelError::Protocol {
            at: self.upstream.at.clone(),
            detail: format!("the request could not be written: {error}"),
        })?;
        let until = Instant::now() + self.timeouts.first_event;
        let response = match self.ask(body.clone(), until).await {
            Ok(response) => response,
            Err(Failed { retry_in: Some(wait), error }) => {
                if Instant::now() + wait >= until {
                    return Err(error);
                }
                tracing::debug!(%error, "asking the model again");
                sleep(wait).await;
                self.ask(body, until).await.map_err(|failed| failed.error)?
            }
            Err(failed) => return Err(failed.error),
        };
        Ok(answer::read(response, &self.upstream, self.timeouts, until))
    }
}

/// A duration as errors tell it, rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
