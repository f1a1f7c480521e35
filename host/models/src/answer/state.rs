//! What every provider's answer has while it streams, and what a provider adds: how its events are read.

use std::time::Duration;

use reqwest::StatusCode;
use resly_core::model::{FinishReason, ModelError, ModelEvent, ReportedUsage, estimate::TokenEstimate};

use crate::{
    config::whole_seconds,
    sse::Event,
    upstream::{LogSanitizer, Upstream, code, is_passing, reason},
};

/// Characters of a model's name that are kept.
const MODEL_NAME: usize = 200;

/// Whether an answer goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    On,
    /// The stream said that it is done.
    Ended,
}

/// What the stream has said so far.
#[derive(Default)]
pub(crate) struct AnswerState {
    at: String,
    teller: LogSanitizer,
    /// Text that is not passed on yet: what came in one piece goes on in one piece.
    pub text: String,
    /// An event was read.
    pub heard: bool,
    /// It reported an error that passes, before it said anything.
    pub passing: bool,
    pub finish: Option<FinishReason>,
    /// Thinking that isn't passed on yet.
    pub hidden: TokenEstimate,
    /// The model wrote something: text, thinking or a call.
    pub wrote: bool,
    /// The model's own name, as the provider says it. `Some` until it is passed on.
    model: Option<String>,
    named: bool,
    reported: ReportedUsage,
    /// The report that isn't passed on yet.
    report: Option<ReportedUsage>,
}

impl AnswerState {
    pub fn new(upstream: &Upstream) -> Self {
        Self { at: upstream.at.clone(), teller: upstream.teller.clone(), ..Self::default() }
    }

    pub fn at(&self) -> &str {
        &self.at
    }

    /// Takes over the name of the model that writes the answer, which each chunk may repeat.
    pub fn name(&mut self, model: &str) {
        if !self.named && !model.is_empty() {
            self.named = true;
            self.model = Some(model.chars().take(MODEL_NAME).collect());
        }
    }

    pub fn take_model(&mut self) -> Option<String> {
        self.model.take()
    }

    /// Takes over what the provider says of the answer's tokens. A zero where there can't be one says nothing: some servers
    /// send zeros in place of counts that they don't have.
    pub fn report(&mut self, said: ReportedUsage) {
        let input = said.input.filter(|tokens| *tokens > 0);
        let output = said.output.filter(|tokens| *tokens > 0 || !self.wrote);
        self.reported.update(ReportedUsage { input, output, ..said });
        self.report = Some(self.reported);
    }

    pub fn take_report(&mut self) -> Option<ReportedUsage> {
        self.report.take()
    }

    /// The stream is over, by its own word or by the connection's end.
    pub fn ended(&self) -> Result<Flow, ModelError> {
        match self.finish {
            Some(_) => Ok(Flow::Ended),
            None => Err(ModelError::Truncated { at: self.at.clone() }),
        }
    }

    pub fn timed_out(&self, waited: Duration) -> Result<Flow, ModelError> {
        match self.finish {
            // Nothing that is still owed would change the answer.
            Some(_) => Ok(Flow::Ended),
            None => Err(ModelError::Stalled { at: self.at.clone(), seconds: whole_seconds(waited) }),
        }
    }

    /// An error that the server reports in its answer; `error` is as it was sent.
    pub fn in_band(&mut self, error: &str) -> ModelError {
        let status = code(error).and_then(|code| StatusCode::from_u16(code).ok());
        self.passing = !self.heard && status.is_some_and(is_passing);
        ModelError::InBand { at: self.at.clone(), detail: self.teller.sanitize(&reason(error)) }
    }

    pub fn protocol(&self, detail: String) -> ModelError {
        ModelError::Protocol { at: self.at.clone(), detail: self.teller.sanitize(&detail) }
    }
}

/// Reads the events of one provider's answer.
pub(crate) trait AnswerReader: Send + Unpin + 'static {
    fn state(&self) -> &AnswerState;
    fn state_mut(&mut self) -> &mut AnswerState;
    /// Reads one event of the stream.
    fn event(&mut self, event: &Event) -> Result<Flow, ModelError>;
    /// Reads an answer that came in one piece, from a server that doesn't stream.
    fn whole(&mut self, body: &str) -> Result<Flow, ModelError>;
    /// No more text comes: what was held back is text, or isn't.
    fn flush(&mut self) {}
    /// The events that end an answer.
    fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError>;
}
