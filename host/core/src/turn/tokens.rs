//! Counts the tokens of one round: what the provider has reported, and an estimate of what it hasn't.

use std::sync::Arc;

use crate::model::{
    ModelEvent, ModelRequest, ReportedUsage, TokenUsage,
    estimate::{TokenEstimate, estimate_request},
};

/// How far a round has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The provider has sent nothing yet.
    Asked,
    Answering,
    /// The stream ended well, so the last report is complete.
    Finished,
    /// The provider failed before it sent anything. Providers don't bill that.
    Failed,
}

/// One request to a model and what came of it.
pub(super) struct RoundTokens {
    request: Arc<ModelRequest>,
    progress: Progress,
    reported: ReportedUsage,
    /// All that the model wrote.
    written: TokenEstimate,
    /// The part of it that came after the last report of the output.
    unreported: TokenEstimate,
}

impl RoundTokens {
    pub fn new(request: Arc<ModelRequest>) -> Self {
        Self {
            request,
            progress: Progress::Asked,
            reported: ReportedUsage::default(),
            written: TokenEstimate::default(),
            unreported: TokenEstimate::default(),
        }
    }

    pub fn observe(&mut self, event: &ModelEvent) {
        if matches!(event, ModelEvent::Model(_)) {
            // A name alone is no answer.
            return;
        }
        self.progress = Progress::Answering;
        match event {
            ModelEvent::Text(text) => self.wrote(text),
            ModelEvent::ToolCall(call) => {
                self.wrote(&call.name);
                self.wrote(&call.arguments);
            }
            ModelEvent::Hidden(thinking) => {
                self.written.merge(*thinking);
                self.unreported.merge(*thinking);
            }
            ModelEvent::Usage(usage) => {
                self.reported.update(*usage);
                if usage.output.is_some() {
                    self.unreported = TokenEstimate::default();
                }
            }
            ModelEvent::Finish(_) => self.progress = Progress::Finished,
            ModelEvent::Cites(_) | ModelEvent::Data(_) | ModelEvent::Model(_) => {}
        }
    }

    fn wrote(&mut self, text: &str) {
        self.written.add(text);
        self.unreported.add(text);
    }

    /// The stream ended in an error.
    pub fn fail(&mut self) {
        if self.progress == Progress::Asked {
            self.progress = Progress::Failed;
        }
    }

    /// The tokens of the round. Of a stream that was cancelled or broke, the last report counts, and an estimate of what
    /// came after it.
    pub fn usage(&self) -> TokenUsage {
        if self.progress == Progress::Failed {
            return TokenUsage::default();
        }
        let ReportedUsage { input, cached_input, output } = self.reported;
        let after = match (output, self.progress) {
            (Some(_), Progress::Finished) => 0,
            (Some(_), _) => self.unreported.tokens(),
            (None, _) => self.written.tokens(),
        };
        TokenUsage {
            input: input.unwrap_or_else(|| estimate_request(&self.request)),
            cached_input: cached_input.unwrap_or_default(),
            output: output.unwrap_or_default() + after,
            estimated: input.is_none() || output.is_none() || after > 0,
        }
    }
}
