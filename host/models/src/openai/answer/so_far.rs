//! What is known of an answer while it streams. It reads the stream's events and makes a model's events of them.

use std::{mem, time::Duration};

use reqwest::StatusCode;
use resly_core::model::{FinishReason, ModelError, ModelEvent, ProviderData, TokenUsage, ToolCall};

use super::{
    super::{
        calls::Calls,
        chunk::{Choice, Chunk, Delta, Usage},
        data::{self, Members},
        request::THINKING,
        thinking::ThinkingSplitter,
        whole_seconds,
    },
    Flow,
};
use crate::{
    sse::Event,
    upstream::{LogSanitizer, Upstream, code, is_passing, reason},
};

/// The most bytes of data beside the API's own members that are kept of one answer.
const MOST_DATA: usize = 1 << 20;

/// What the stream has said so far.
#[derive(Default)]
pub(super) struct AnswerSoFar {
    at: String,
    teller: LogSanitizer,
    /// Text that is not passed on yet: what came in one piece goes on in one piece.
    pub text: String,
    pub thinking: ThinkingSplitter,
    calls: Calls,
    /// What stands beside the message's own members.
    data: Members,
    data_bytes: usize,
    /// An event was read.
    pub heard: bool,
    /// It reported an error that passes, before it said anything.
    pub passing: bool,
    pub finish: Option<FinishReason>,
    usage: TokenUsage,
}

impl AnswerSoFar {
    pub fn new(upstream: &Upstream) -> Self {
        Self { at: upstream.at.clone(), teller: upstream.teller.clone(), ..Self::default() }
    }

    pub fn event(&mut self, event: &Event) -> Result<Flow, ModelError> {
        if event.name() == "error" {
            return Err(self.in_band(&event.data()));
        }
        self.data(&event.data())
    }

    pub fn data(&mut self, data: &str) -> Result<Flow, ModelError> {
        let data = data.trim();
        if data.is_empty() {
            return Ok(Flow::On);
        }
        if data == "[DONE]" {
            return self.ended();
        }
        let chunk: Chunk<'_> = serde_json::from_str(data)
            .map_err(|error| self.protocol(format!("a chunk of the answer can't be read: {error}")))?;
        if chunk.error.is_some() || chunk.object.0 == "error" {
            return Err(self.in_band(data));
        }
        self.heard = true;
        if let Some(Usage { prompt_tokens, completion_tokens }) = chunk.usage {
            // Some servers send running counts with every chunk: the last is the sum.
            self.usage.input = prompt_tokens.0.unwrap_or(self.usage.input);
            self.usage.output = completion_tokens.0.unwrap_or(self.usage.output);
        }
        for choice in chunk.choices.0 {
            // One answer was asked for; others than the first are not ours.
            if choice.index.0.unwrap_or(0) == 0 {
                self.choice(choice)?;
            }
        }
        Ok(Flow::On)
    }

    fn choice(&mut self, choice: Choice<'_>) -> Result<(), ModelError> {
        if let Some(error) = choice.error {
            return Err(self.in_band(error.get()));
        }
        for delta in [choice.delta.0, choice.message.0] {
            let Delta { content, refusal, tool_calls, function_call, mut data, .. } = delta;
            self.thinking.push(&content.0, &mut self.text);
            self.text.push_str(&refusal.0);
            self.count_data(&mut data);
            data::merge(&mut self.data, data);
            for mut part in tool_calls.0 {
                self.count_data(&mut part.data);
                self.count_data(&mut part.function.0.data);
                self.calls.add(part).map_err(|detail| self.protocol(detail))?;
            }
            if let Some(part) = &function_call {
                self.calls.add_function(part).map_err(|detail| self.protocol(detail))?;
            }
        }
        if let Some(finish) = self.finish_reason(&choice.finish_reason.0)? {
            self.finish.get_or_insert(finish);
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
            tracing::warn!(at = %self.at, bytes = self.data_bytes, "the model's answer has too much data beside its text to be returned");
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
                return Err(self.in_band(&format!("the answer was ended with the reason `{name}`")));
            }
            _ => Some(FinishReason::Other),
        })
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

    /// The events that end an answer.
    pub fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError> {
        let mut reason = self.finish.unwrap_or(FinishReason::Stop);
        let calls = mem::take(&mut self.calls);
        let mut events = Vec::new();
        if !calls.is_empty() && reason != FinishReason::ContentFilter {
            if reason == FinishReason::Length && !calls.is_whole() {
                return Err(self.protocol("the token limit was reached in the middle of a tool call".to_owned()));
            }
            let mut calls = calls.finish().map_err(|detail| self.protocol(detail))?;
            let data = self.take_data(&mut calls);
            if !data.is_empty() {
                events.push(ModelEvent::Data(data));
            }
            events.extend(calls.into_iter().map(ModelEvent::ToolCall));
            reason = FinishReason::ToolCalls;
        } else if reason == FinishReason::ToolCalls {
            reason = FinishReason::Stop;
        }
        events.push(ModelEvent::Finish { reason, usage: self.usage });
        Ok(events)
    }

    /// An error that the server reports in its answer; `error` is as it was sent.
    fn in_band(&mut self, error: &str) -> ModelError {
        let status = code(error).and_then(|code| StatusCode::from_u16(code).ok());
        self.passing = !self.heard && status.is_some_and(is_passing);
        ModelError::InBand { at: self.at.clone(), detail: self.teller.sanitize(&reason(error)) }
    }

    pub fn protocol(&self, detail: String) -> ModelError {
        ModelError::Protocol { at: self.at.clone(), detail: self.teller.sanitize(&detail) }
    }
}
