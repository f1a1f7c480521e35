//! Reads the events of `/v1/messages` and makes a model's events of them.

use reqwest::StatusCode;
use resly_core::model::{FinishReason, ModelError, ModelEvent};
use serde::Deserialize;

use super::{
    blocks::Blocks,
    event::{Message, StreamEvent, Usage},
};
use crate::{
    answer::{AnswerReader, AnswerState, Flow},
    sse::Event,
    upstream::is_passing,
};

/// What the stream has said so far.
pub struct MessageReader {
    state: AnswerState,
    blocks: Blocks,
    usage: Usage,
}

impl AnswerReader for MessageReader {
    fn state(&self) -> &AnswerState {
        &self.state
    }

    fn state_mut(&mut self) -> &mut AnswerState {
        &mut self.state
    }

    fn event(&mut self, event: &Event) -> Result<Flow, ModelError> {
        let data = event.data();
        if event.name() == "error" {
            return Err(self.in_band(&data));
        }
        let data = data.trim();
        if data.is_empty() {
            return Ok(Flow::On);
        }
        self.read(data)
    }

    fn whole(&mut self, body: &str) -> Result<Flow, ModelError> {
        self.read(body)
    }

    fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError> {
        let reason = self.state.finish.unwrap_or(FinishReason::Stop);
        // What the provider's filter stopped doesn't act.
        if !self.blocks.has_calls() || reason == FinishReason::ContentFilter {
            let reason = if reason == FinishReason::ToolCalls { FinishReason::Stop } else { reason };
            return Ok(vec![ModelEvent::Finish(reason)]);
        }
        let parts = self.blocks.finish().map_err(|detail| self.state.protocol(detail))?;
        if reason == FinishReason::Length && !parts.whole {
            return Err(self.state.protocol("the token limit was reached in the middle of a tool call".to_owned()));
        }
        let data = (!parts.data.is_empty()).then_some(ModelEvent::Data(parts.data));
        let calls = parts.calls.into_iter().map(ModelEvent::ToolCall);
        Ok(data.into_iter().chain(calls).chain([ModelEvent::Finish(FinishReason::ToolCalls)]).collect())
    }
}

impl MessageReader {
    pub fn new(state: AnswerState) -> Self {
        Self { state, blocks: Blocks::default(), usage: Usage::default() }
    }

    fn read(&mut self, data: &str) -> Result<Flow, ModelError> {
        let unreadable = |state: &AnswerState, error: serde_json::Error| {
            state.protocol(format!("an event of the answer can't be read: {error}"))
        };
        let event: StreamEvent<'_> = serde_json::from_str(data).map_err(|error| unreadable(&self.state, error))?;
        if event.error.is_some() || event.kind == "error" {
            return Err(self.in_band(data));
        }
        self.state.heard = true;
        match event.kind.as_ref() {
            "message" => {
                let message: Message<'_> =
                    serde_json::from_str(data).map_err(|error| unreadable(&self.state, error))?;
                self.message(message)?;
            }
            "message_start" => {
                if let Some(message) = event.message {
                    self.message(message)?;
                }
            }
            "content_block_start" => {
                if let Some(block) = event.content_block {
                    self.start(event.index, block)?;
                }
            }
            "content_block_delta" => {
                if let Some(delta) = event.delta {
                    self.state.wrote = true;
                    self.state.text.push_str(&delta.text);
                    self.state.hidden.add(&delta.thinking);
                    self.blocks.add(event.index, &delta).map_err(|detail| self.state.protocol(detail))?;
                }
            }
            "message_delta" => {
                if let Some(reason) = event.delta.and_then(|delta| delta.stop_reason) {
                    self.state.finish = Some(finish_reason(&reason));
                }
                self.count(event.usage);
            }
            "message_stop" => return self.state.ended(),
            _ => {}
        }
        Ok(Flow::On)
    }

    fn message(&mut self, message: Message<'_>) -> Result<(), ModelError> {
        self.state.name(message.model.as_deref().unwrap_or_default());
        for (index, block) in (0..).zip(message.content) {
            self.start(index, block)?;
        }
        if let Some(reason) = &message.stop_reason {
            self.state.finish = Some(finish_reason(reason));
        }
        self.count(message.usage);
        Ok(())
    }

    fn start(&mut self, index: u64, block: serde_json::Map<String, serde_json::Value>) -> Result<(), ModelError> {
        self.state.wrote = true;
        let text = self.blocks.start(index, block).map_err(|detail| self.state.protocol(detail))?;
        self.state.text.push_str(&text);
        Ok(())
    }

    fn count(&mut self, usage: Option<Usage>) {
        if let Some(usage) = usage {
            self.usage.update(usage);
            self.state.report(self.usage.reported());
        }
    }

    /// An error names its kind in place of a status.
    fn in_band(&mut self, data: &str) -> ModelError {
        #[derive(Deserialize)]
        struct Failed {
            error: Kind,
        }
        #[derive(Deserialize)]
        struct Kind {
            #[serde(rename = "type")]
            kind: String,
        }
        let error = self.state.in_band(data);
        let status = serde_json::from_str::<Failed>(data).ok().and_then(|failed| match failed.error.kind.as_str() {
            "overloaded_error" => StatusCode::from_u16(529).ok(),
            "rate_limit_error" => Some(StatusCode::TOO_MANY_REQUESTS),
            "api_error" => Some(StatusCode::INTERNAL_SERVER_ERROR),
            "timeout_error" => Some(StatusCode::GATEWAY_TIMEOUT),
            _ => None,
        });
        self.state.passing |= !self.state.heard && status.is_some_and(is_passing);
        error
    }
}

/// A reason that isn't known ends an answer early.
fn finish_reason(name: &str) -> FinishReason {
    match name {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}
