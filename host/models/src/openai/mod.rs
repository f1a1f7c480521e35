//! A model behind `/v1/chat/completions`, as OpenAI, Ollama, vLLM, llama.cpp and most gateways serve it.
//!
//! Strict about ends, lenient about quirks: [`answer`] reads the stream, [`calls`] puts tool calls together, [`chunk`]
//! knows the shapes servers send, [`request`] writes what they are asked.

mod answer;
mod calls;
mod chunk;
mod data;
mod request;
mod retry;
#[cfg(test)]
mod tests;
mod thinking;
mod unsupported;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::StreamExt;
use resly_core::model::{Model, ModelError, ModelRequest, ModelStream};
use secrecy::SecretString;
use tokio::time::{Instant, sleep, timeout_at};

use self::{
    answer::Answer,
    request::{EncodedRequest, Settings, TokenLimit},
    retry::Retrying,
    unsupported::{OptionalField, UnsupportedFields},
};
use crate::{
    config::{Endpoint, ModelOptions},
    upstream::{Authentication, ConfigError, Upstream, is_passing, reason},
};

/// How many requests may be refused for fields that are then left out, before the refusal counts.
const MOST_REFUSALS: usize = 4;

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
    server: Arc<Server>,
}

/// One model at one server, with what was learnt about it.
struct Server {
    model: String,
    upstream: Upstream,
    settings: Settings,
    timeouts: Timeouts,
    refused: Mutex<UnsupportedFields>,
}

impl OpenAi {
    pub(crate) fn from_options(options: ModelOptions) -> Result<Self, ConfigError> {
        let ModelOptions { endpoint: Endpoint { url, model, key }, authentication, temperature } = options;
        Self::new(OpenAiConfig { authentication, temperature, ..OpenAiConfig::new(url, model, key) })
    }

    pub fn new(config: OpenAiConfig) -> Result<Self, ConfigError> {
        let OpenAiConfig { url, key, authentication, timeouts, .. } = &config;
        let path = ["chat", "completions"];
        let upstream = Upstream::new(url, &path, authentication, key.clone(), timeouts.connect)?;
        let token_limit = TokenLimit::of(upstream.host(), &config.model);
        let server = Server {
            settings: Settings { token_limit, temperature: config.temperature },
            upstream,
            timeouts: config.timeouts,
            refused: Mutex::default(),
            model: config.model,
        };
        Ok(Self { name: format!("openai:{}", server.model), server: Arc::new(server) })
    }
}

impl Server {
    /// Asks, without what the server refused, until it answers, or refuses for another reason.
    async fn ask(&self, request: &ModelRequest, until: Instant) -> Result<Answer, Failed> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut refusals = 0;
        loop {
            let written = request::body(&self.model, self.settings, &refused, request);
            let EncodedRequest { body, optional } = written.map_err(|error| {
                let detail = format!("the request could not be written: {error}");
                Failed::not_retryable(ModelError::Protocol { at: self.upstream.at.clone(), detail })
            })?;
            match self.attempt(body, &optional, until).await {
                Ok(response) => {
                    if refusals > 0 {
                        self.refused
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .join(refused.without_request_limits());
                    }
                    return Ok(answer::read(response, &self.upstream, self.timeouts, until));
                }
                Err(failed) if failed.fields.is_empty() || refusals == MOST_REFUSALS => return Err(failed),
                Err(Failed { fields, error, .. }) => {
                    let names: Vec<&str> = fields.iter().map(OptionalField::name).collect();
                    tracing::warn!(%error, fields = names.join(", "), "the model's server refuses fields; asking without");
                    refused.add(fields);
                    refusals += 1;
                }
            }
        }
    }

    /// One attempt, up to the response's head.
    async fn attempt(
        &self,
        body: Vec<u8>,
        optional: &[OptionalField],
        until: Instant,
    ) -> Result<reqwest::Response, Failed> {
        let at = || self.upstream.at.clone();
        let accept = if optional.contains(&OptionalField::Stream) { "text/event-stream" } else { "application/json" };
        let response = match timeout_at(until, self.upstream.post(body, accept)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                // Nothing of an answer has come: the connection was refused, or an idle one was closed under us.
                let error = ModelError::Unreachable { at: at(), detail: self.upstream.explain(error) };
                return Err(Failed { retry_in: Some(self.timeouts.retry), ..Failed::not_retryable(error) });
            }
            Err(_) => {
                let seconds = whole_seconds(self.timeouts.first_event);
                return Err(Failed::not_retryable(ModelError::Stalled { at: at(), seconds }));
            }
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = self.upstream.retry_after(&response);
        let wait = retry_after.unwrap_or(self.timeouts.retry);
        let retry_in = (is_passing(status) && wait <= self.timeouts.longest_retry).then_some(wait);
        let refusal = self.upstream.refusal(response).await;
        let fields = match status.as_u16() {
            400 | 422 => unsupported::named(&refusal, optional),
            _ => Vec::new(),
        };
        let detail = self.upstream.sanitize(&reason(&refusal));
        let retry_after_s = retry_after.map(whole_seconds);
        let error = ModelError::Refused { at: at(), status: status.as_u16(), detail, retry_after_s };
        Err(Failed { error, retry_in, fields })
    }
}

struct Failed {
    error: ModelError,
    /// Set when asking again may help.
    retry_in: Option<Duration>,
    /// What the server refused of what it can be asked without.
    fields: Vec<OptionalField>,
}

impl Failed {
    fn not_retryable(error: ModelError) -> Self {
        Self { error, retry_in: None, fields: Vec::new() }
    }
}

#[async_trait]
impl Model for OpenAi {
    fn name(&self) -> &str {
        &self.name
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let until = Instant::now() + self.server.timeouts.first_event;
        let (server, wait) = match self.server.ask(&request, until).await {
            Ok(answer) => {
                // It may still fail before its first word; then there is one more attempt.
                let server = Arc::clone(&self.server);
                let again = async move {
                    sleep(server.timeouts.retry).await;
                    server.ask(&request, until).await.map_err(|failed| failed.error)
                };
                return Ok(Retrying::new(answer, again).boxed());
            }
            Err(Failed { retry_in: Some(wait), error, .. }) if Instant::now() + wait < until => {
                tracing::debug!(%error, "asking the model again");
                (&self.server, wait)
            }
            Err(failed) => return Err(failed.error),
        };
        sleep(wait).await;
        let answer = server.ask(&request, until).await.map_err(|failed| failed.error)?;
        Ok(answer.boxed())
    }
}

/// A duration as errors tell it, rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
