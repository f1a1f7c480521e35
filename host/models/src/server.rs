//! One model at one server: asking it, without what it refuses, once more where that may help. What it is asked and how its
//! answers are read is its [`Api`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use resly_core::model::{ModelError, ModelRequest, ModelStream};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    answer::{self, Answer, AnswerReader, AnswerState},
    config::{Timeouts, whole_seconds},
    retry::Retrying,
    unsupported::{self, OptionalField, UnsupportedFields},
    upstream::{Upstream, is_passing, reason},
};

/// How many requests may be refused for fields that are then left out, before the refusal counts.
const MOST_REFUSALS: usize = 4;

/// A request, and which of its fields a server may refuse without making it pointless.
pub(crate) struct EncodedRequest {
    pub body: Vec<u8>,
    pub optional: Vec<OptionalField>,
}

/// An API of language models.
pub(crate) trait Api: Send + Sync + 'static {
    type Reader: AnswerReader;

    /// The body of a request, without the fields that the server refused.
    fn encode(&self, refused: &UnsupportedFields, request: &ModelRequest) -> serde_json::Result<EncodedRequest>;
    fn reader(state: AnswerState) -> Self::Reader;
}

/// One model at one server, with what was learnt about it.
pub(crate) struct Server<A> {
    api: A,
    upstream: Upstream,
    timeouts: Timeouts,
    refused: Mutex<UnsupportedFields>,
}

impl<A: Api> Server<A> {
    pub fn new(api: A, upstream: Upstream, timeouts: Timeouts) -> Arc<Self> {
        Arc::new(Self { api, upstream, timeouts, refused: Mutex::default() })
    }

    /// Starts an answer. Dropping the stream cancels the request.
    pub async fn stream(self: &Arc<Self>, request: Arc<ModelRequest>) -> Result<ModelStream, ModelError> {
        let until = Instant::now() + self.timeouts.first_event;
        let wait = match self.ask(&request, until).await {
            Ok(answer) => {
                // It may still fail before its first word; then there is one more attempt.
                let server = Arc::clone(self);
                let again = async move {
                    sleep(server.timeouts.retry).await;
                    server.ask(&request, until).await.map_err(|failed| failed.error)
                };
                return Ok(Retrying::new(answer, again).boxed());
            }
            Err(Failed { retry_in: Some(wait), error, .. }) if Instant::now() + wait < until => {
                tracing::debug!(%error, "asking the model again");
                wait
            }
            Err(failed) => return Err(failed.error),
        };
        sleep(wait).await;
        let answer = self.ask(&request, until).await.map_err(|failed| failed.error)?;
        Ok(answer.boxed())
    }

    /// Asks, without what the server refused, until it answers, or refuses for another reason.
    async fn ask(&self, request: &ModelRequest, until: Instant) -> Result<Answer<A::Reader>, Failed> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut refusals = 0;
        loop {
            let EncodedRequest { body, optional } = self.api.encode(&refused, request).map_err(|error| {
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
                    let reader = A::reader(AnswerState::new(&self.upstream));
                    return Ok(answer::read(response, reader, self.timeouts, until));
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
