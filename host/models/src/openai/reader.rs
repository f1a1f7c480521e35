//! Reads the events of `/v1/chat/completions` and makes a model's events of them.

use std::mem;

use resly_core::model::{FinishReason, ModelError, ModelEvent, ProviderData, ToolCall};

use super::{
    calls::Calls,
    chunk::{Choice, Chunk, Delta},
    data::{self, Members},
    request::THINKING,
    thinking::ThinkingSplitter,
};
use crate::{
    answer::{AnswerReader, AnswerState, Flow, MOST_DATA},
    sse::Event,
};

/// What the stream has said so far.
pub struct ChatReader {
    state: AnswerState,
    thinking: ThinkingSplitter,
    calls: Calls,
    /// What stands beside the message's own members.
    data: Members,
    data_bytes: usize,
}

impl AnswerReader for ChatReader {
    fn state(&self) -> &AnswerState {
        &self.state
    }

    fn state_mut(&mut self) -> &mut AnswerState {
        &mut self.state
    }

    fn event(&mut self, event: &Event) -> Result<Flow, ModelError> {
        if event.name() == "error" {
            return Err(self.state.in_band(&event.data()));
        }
        self.data(&event.data())
    }

    fn whole(&mut self, body: &str) -> Result<Flow, ModelError> {
        self.data(body)
    }

    fn flush(&mut self) {
        self.thinking.end(&mut self.state.text);
    }

    fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError> {
        let mut reason = self.state.finish.unwrap_or(FinishReason::Stop);
        let calls = mem::take(&mut self.calls);
        let mut events = Vec::new();
        if !calls.is_empty() && reason != FinishReason::ContentFilter {
            if reason == FinishReason::Length && !calls.is_whole() {
                return Err(self.state.protocol("the token limit was reached in the middle of a tool call".to_owned()));
            }
            let mut calls = calls.finish().map_err(|detail| self.state.protocol(detail))?;
            let data = self.take_data(&mut calls);
            if !data.is_empty() {
                events.push(ModelEvent::Data(data));
            }
            events.extend(calls.into_iter().map(ModelEvent::ToolCall));
            reason = FinishReason::ToolCalls;
        } else if reason == FinishReason::ToolCalls {
            reason = FinishReason::Stop;
        }
        events.push(ModelEvent::Finish(reason));
        Ok(events)
    }
}

impl ChatReader {
    pub fn new(state: AnswerState) -> Self {
        Self {
            state,
            thinking: ThinkingSplitter::default(),
            calls: Calls::default(),
            data: Members::new(),
            data_bytes: 0,
        }
    }

    fn data(&mut self, data: &str) -> Result<Flow, ModelError> {
        let data = data.trim();
        if data.is_empty() {
            return Ok(Flow::On);
        }
        if data == "[DONE]" {
            return self.state.ended();
        }
        let chunk: Chunk<'_> = serde_json::from_str(data)
            .map_err(|error| self.state.protocol(format!("a chunk of the answer can't be read: {error}")))?;
        if chunk.error.is_some() || chunk.object.0 == "error" {
            return Err(self.state.in_band(data));
        }
        self.state.heard = true;
        self.state.name(&chunk.model.0);
        for choice in chunk.choices.0 {
            // One answer was asked for; others than the first are not ours.
            if choice.index.0.unwrap_or(0) == 0 {
                self.choice(choice)?;
            }
        }
        if let Some(usage) = &chunk.usage {
            self.state.report(usage.reported());
        }
        Ok(Flow::On)
    }

    fn choice(&mut self, choice: Choice<'_>) -> Result<(), ModelError> {
        if let Some(error) = choice.error {
            return Err(self.state.in_band(error.get()));
        }
        for delta in [choice.delta.0, choice.message.0] {
            let Delta { content, refusal, tool_calls, function_call, mut data, .. } = delta;
            let calls = !tool_calls.0.is_empty() || function_call.is_some();
            self.state.wrote |= calls || !content.0.is_empty() || !refusal.0.is_empty();
            self.thinking.push(&content.0, &mut self.state.text);
            self.state.text.push_str(&refusal.0);
            if let Some(thinking) = data::thinking(&data) {
                self.state.hidden.add(thinking);
            }
            self.count_data(&mut data);
            data::merge(&mut self.data, data);
            for mut part in tool_calls.0 {
                self.count_data(&mut part.data);
                self.count_data(&mut part.function.0.data);
                self.calls.add(part).map_err(|detail| self.state.protocol(detail))?;
            }
            if let Some(part) = &function_call {
                self.calls.add_function(part).map_err(|detail| self.state.protocol(detail))?;
            }
        }
        if let Some(finish) = self.finish_reason(&choice.finish_reason.0)? {
            self.state.finish.get_or_insert(finish);
        }
        Ok(())
    }

    /// Counts data that came, and drops it once there is too much.
    fn count_data(&mut self, data: &mut Members) {
        if data.is_empty() {
            return;
        }
        let came = ProviderData(mem::take(data));
        self.data_bytes = self.data_bytes.saturating_add(came.bytes());
        if self.data_bytes <= MOST_DATA {
            *data = came.0;
        }
    }

    /// The data of the message, and the calls with theirs: all of it, or none when it is too much.
    fn take_data(&mut self, calls: &mut [ToolCall]) -> ProviderData {
        let mut data = mem::take(&mut self.data);
        if self.data_bytes > MOST_DATA {
            tracing::warn!(at = %self.state.at(), bytes = self.data_bytes, "the model's answer has too much data beside its text to be returned");
            calls.iter_mut().for_each(|call| call.data = ProviderData::default());
            data.clear();
        }
        let thinking = self.thinking.take_thinking();
        if !thinking.is_empty() {
            data.insert(THINKING.to_owned(), thinking.into());
        }
        ProviderData(data)
    }

    /// What a finish reason means, whatever the API it is borrowed from. A name that isn't known ends an answer early: an
    /// answer that is taken for whole although it isn't does more harm than one that says that it may be cut.
    fn finish_reason(&mut self, name: &str) -> Result<Option<FinishReason>, ModelError> {
        let name = name.to_ascii_lowercase();
        Ok(match name.as_str() {
            "" => None,
            "stop" | "end_turn" | "stop_sequence" | "eos" | "eos_token" | "end" | "complete" | "completed" | "done" => {
                Some(FinishReason::Stop)
            }
            "tool_calls" | "tool_call" | "function_call" | "tool_use" => Some(FinishReason::ToolCalls),
            "length" | "max_tokens" | "model_length" | "max_output_tokens" | "model_context_window_exceeded" => {
                Some(FinishReason::Length)
            }
            "content_filter" | "content-filter" | "safety" | "refusal" | "sensitive" | "recitation" | "blocklist"
            | "prohibited_content" | "spii" => Some(FinishReason::ContentFilter),
            "error" | "abort" | "cancelled" | "insufficient_system_resource" | "network_error" => {
                return Err(self.state.in_band(&format!("the answer was ended with the reason `{name}`")));
            }
            _ => Some(FinishReason::Other),
        })
    }
}
