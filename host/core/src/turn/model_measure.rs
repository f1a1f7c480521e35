//! Measures one request to the language model.

use std::sync::Arc;

use super::Turns;
use crate::{
    id::ConversationId,
    metrics::{Metrics, gen_ai as metric, names},
    model::{FinishReason, Model, ModelError, ModelEvent, TokenUsage},
    time::{Clock, Timestamp},
    trace::{Span, gen_ai},
};

pub(super) struct ModelMeasure {
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    model: Arc<dyn Model>,
    began: Timestamp,
    answered: bool,
    /// Ends with the measure: at the end of the stream, or when the answer is cancelled.
    span: Span,
}

impl ModelMeasure {
    pub fn start(turns: &Turns, conversation: ConversationId) -> Self {
        let mut span = gen_ai::chat(&turns.tracer, turns.model.name(), turns.limits.max_tokens);
        gen_ai::set_conversation(&mut span, conversation);
        Self {
            metrics: turns.metrics.clone(),
            clock: Arc::clone(&turns.clock),
            model: Arc::clone(&turns.model),
            began: turns.clock.now(),
            answered: false,
            span,
        }
    }

    pub fn observe(&mut self, event: &ModelEvent) {
        if !self.answered {
            self.answered = true;
            let took = self.clock.now().since(self.began);
            gen_ai::set_time_to_first_chunk(&mut self.span, took.as_secs_f64());
        }
        if let ModelEvent::Model(name) = event {
            gen_ai::set_response_model(&mut self.span, name);
        }
    }

    /// The stream has ended well. Metrics don't have what is only estimated.
    pub fn ended(&mut self, usage: &TokenUsage, reason: FinishReason) {
        self.took("ok", "");
        gen_ai::set_finish_reason(&mut self.span, reason);
        if !usage.is_zero() {
            gen_ai::set_usage(&mut self.span, usage);
        }
        if usage.estimated {
            return;
        }
        for (kind, tokens) in [("input", usage.input), ("output", usage.output)] {
            if tokens > 0 {
                self.metrics.record(&names::MODEL_TOKENS, [kind.into()], tokens as f64);
                if let Some(metrics) = self.metrics.open_telemetry() {
                    let (provider, model) = gen_ai::provider_and_model(self.model.name());
                    let series =
                        [gen_ai::CHAT.into(), provider.to_owned().into(), model.to_owned().into(), kind.into()];
                    metrics.record(&metric::TOKEN_USAGE, series, tokens as f64);
                }
            }
        }
    }

    pub fn failed(&mut self, error: &ModelError) {
        self.took(error.kind(), error.kind());
        self.span.fail(error.kind());
        self.metrics.count(&names::MODEL_ERRORS, [error.kind().into()]);
    }

    /// `error` is the kind of the error, and empty without one.
    fn took(&self, result: &'static str, error: &'static str) {
        let took = self.clock.now().since(self.began);
        self.metrics.time(&names::MODEL_REQUEST_DURATION, [result.into()], took);
        if let Some(metrics) = self.metrics.open_telemetry() {
            let (provider, model) = gen_ai::provider_and_model(self.model.name());
            let series = [gen_ai::CHAT.into(), provider.to_owned().into(), model.to_owned().into(), error.into()];
            metrics.time(&metric::OPERATION_DURATION, series, took);
        }
    }
}
