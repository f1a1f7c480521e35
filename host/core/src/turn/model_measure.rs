//! Measures one request to the language model.

use std::sync::Arc;

use super::Turns;
use crate::{
    metrics::{Metrics, names},
    model::{ModelError, TokenUsage},
    time::{Clock, Timestamp},
};

pub(super) struct ModelMeasure {
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    began: Timestamp,
}

impl ModelMeasure {
    pub fn start(turns: &Turns) -> Self {
        let clock = Arc::clone(&turns.clock);
        Self { metrics: turns.metrics.clone(), began: clock.now(), clock }
    }

    /// The stream has ended well. What is only estimated isn't recorded.
    pub fn ended(&self, usage: &TokenUsage) {
        self.took("ok");
        if usage.estimated {
            return;
        }
        for (kind, tokens) in [("input", usage.input), ("output", usage.output)] {
            if tokens > 0 {
                self.metrics.record(&names::MODEL_TOKENS, [kind.into()], tokens as f64);
            }
        }
    }

    pub fn failed(&self, error: &ModelError) {
        self.took(error.kind());
        self.metrics.count(&names::MODEL_ERRORS, [error.kind().into()]);
    }

    fn took(&self, result: &'static str) {
        let took = self.clock.now().since(self.began);
        self.metrics.time(&names::MODEL_REQUEST_DURATION, [result.into()], took);
    }
}
