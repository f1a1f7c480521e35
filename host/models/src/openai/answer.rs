//! Reading an answer: server-sent events in, model events out, with a clear end or a clear error.

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, stream::BoxStream};
use reqwest::{Response, StatusCode};
use resly_core::{
    json::without_bom,
    model::{FinishReason, ModelError, ModelEvent, ProviderData, TokenUsage, ToolCall},
};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::{
    Timeouts,
    calls::Calls,
    chunk::{Choice, Chunk, Delta, Usage},
    data::{self, Members},
    request::THINKING,
    thinking::ThinkingSplitter,
    whole_seconds,
};
use crate::{
    sse::{Event, Reader},
    upstream::{LogSanitizer, Upstream, code, is_passing, reason},
};

/// The largest answer that is taken in one piece from a server that doesn't stream.
const WHOLE: usize = 4 << 20;
/// The most white space that is waited through for an answer's first byte.
const BLANK: usize = 4 << 10;
/// The most bytes of data beside the API's own members that are kept of one answer.
const MOST_DATA: usize = 1 << 20;
/// How long, and for how many bytes, a finished response is read on so that its connection can be used again.
const DRAIN: (Duration, usize) = (Duration::from_secs(1), 64 << 10);

type Body = BoxStream<'static, Result<Bytes, reqwest::Error>>;

/// Turns a response into events. `until` is when the first event must have come.
pub fn read(response: Response, upstream: &Upstream, timeouts: Timeouts, until: Instant) -> Answer {
    Answer {
        body: Some(response.bytes_stream().boxed()),
        source: Source::Unknown(Vec::new()),
        timer: Box::pin(sleep_until(until)),
        waits: timeouts.first_event,
        timeouts,
        events: VecDeque::new(),
        said: AnswerSoFar { at: upstream.at.clone(), teller: upstream.teller.clone(), ..AnswerSoFar::default() },
        passing: false,
    }
}

/// An answer on its way.
pub struct Answer {
    /// Gone once the answer has ended, well or not.
    body: Option<Body>,
    source: Source,
    timer: Pin<Box<Sleep>>,
    /// What the timer stands for.
    waits: Duration,
    timeouts: Timeouts,
    /// What is ready to be passed on.
    events: VecDeque<Result<ModelEvent, ModelError>>,
    said: AnswerSoFar,
    /// It ended with an error that asking again may help against.
    passing: bool,
}

enum Source {
    /// Nothing but white space has come. What an answer is shows in its first byte; the content type of some servers doesn't
    /// tell.
    Unknown(Vec<u8>),
    Events(Reader),
    /// The server answers with one JSON object.
    Whole(Vec<u8>),
}

/// Whether an answer goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    /// The stream said that it is done.
    Ended,
}

impl Stream for Answer {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            let step = match body.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(bytes))) => this.take(bytes),
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(error = %error.without_url(), "the model's stream was cut");
                    this.passing = !this.said.heard && !matches!(this.source, Source::Whole(_));
                    this.last().and(this.said.ended())
                }
                Poll::Ready(None) => this.last().and(this.said.ended()),
                Poll::Pending => {
                    ready!(this.timer.as_mut().poll(cx));
                    this.said.timed_out(this.waits)
                }
            };
            this.settle(step);
        }
    }
}

impl Answer {
    /// Whether it ended with an error before it said anything, and asking again may help.
    pub fn may_be_asked_again(&self) -> bool {
        self.passing
    }

    fn take(&mut self, bytes: Bytes) -> Result<Flow, ModelError> {
        let mut heard = false;
        let mut flow = Flow::On;
        let bytes = match self.recognise(bytes) {
            Some(bytes) => bytes,
            None => return Ok(Flow::On),
        };
        match &mut self.source {
            Source::Unknown(_) => {}
            Source::Whole(whole) => {
                if whole.len() + bytes.len() > WHOLE {
                    return Err(self.said.protocol(format!("the answer is larger than {WHOLE} bytes")));
                }
                whole.extend_from_slice(&bytes);
                heard = true;
            }
            Source::Events(reader) => {
                reader.push(bytes);
                while flow == Flow::On {
                    match reader.next() {
                        Ok(Some(event)) => {
                            heard = true;
                            flow = self.said.event(&event)?;
                        }
                        Ok(None) => break,
                        Err(error) => return Err(self.said.protocol(error.to_string())),
                    }
                }
            }
        }
        if heard {
            self.waits = if self.said.finish.is_some() { self.timeouts.linger } else { self.timeouts.idle };
            self.timer.as_mut().reset(Instant::now() + self.waits);
        }
        Ok(flow)
    }

    /// Finds out from its first byte what the answer is: an object, or an event stream, of which no line can begin like one.
    /// Gives back what is to be read.
    fn recognise(&mut self, bytes: Bytes) -> Option<Bytes> {
        const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
        let Source::Unknown(blank) = &mut self.source else { return Some(bytes) };
        let bytes = if blank.is_empty() {
            bytes
        } else {
            blank.extend_from_slice(&bytes);
            Bytes::from(mem::take(blank))
        };
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        let is_cut_mark = bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&bytes);
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        if is_cut_mark || (first.is_none() && bytes.len() < BLANK) {
            self.source = Source::Unknown(bytes.to_vec());
            return None;
        }
        if first.is_some_and(|byte| matches!(byte, b'{' | b'[')) {
            self.source = Source::Whole(Vec::new());
            return Some(bytes.slice_ref(text));
        }
        self.source = Source::Events(Reader::default());
        Some(bytes)
    }

    /// What can be read only at the body's end: an answer that came in one piece.
    fn last(&mut self) -> Result<Flow, ModelError> {
        match &mut self.source {
            Source::Whole(whole) => {
                let whole = mem::take(whole);
                self.said.data(&String::from_utf8_lossy(without_bom(&whole)))
            }
            Source::Events(_) | Source::Unknown(_) => Ok(Flow::On),
        }
    }

    /// Passes on what a step brought.
    fn settle(&mut self, step: Result<Flow, ModelError>) {
        if !matches!(step, Ok(Flow::On)) {
            self.said.thinking.end(&mut self.said.text);
        }
        // What was said before an error was said.
        let text = mem::take(&mut self.said.text);
        if !text.is_empty() {
            self.events.push_back(Ok(ModelEvent::Text(text)));
        }
        let end = match step {
            Ok(Flow::On) => return,
            Ok(Flow::Ended) => self.said.close(),
            Err(error) => Err(error),
        };
        let body = self.body.take();
        self.passing |= self.said.passing;
        match end {
            Ok(events) => {
                self.events.extend(events.into_iter().map(Ok));
                if let Some(body) = body {
                    drain(body);
                }
            }
            Err(error) => self.events.push_back(Err(error)),
        }
    }
}

/// What the stream has said so far.
#[derive(Default)]
struct AnswerSoFar {
    at: String,
    teller: LogSanitizer,
    /// Text that is not passed on yet: what came in one piece goes on in one piece.
    text: String,
    thinking: ThinkingSplitter,
    calls: Calls,
    /// What stands beside the message's own members.
    data: Members,
    data_bytes: usize,
    /// An event was read.
    heard: bool,
    /// It reported an error that passes, before it said anything.
    passing: bool,
    finish: Option<FinishReason>,
    usage: TokenUsage,
}

impl AnswerSoFar {
    fn event(&mut self, event: &Event) -> Result<Flow, ModelError> {
        if event.name() == "error" {
            return Err(self.in_band(&event.data()));
        }
        self.data(&event.data())
    }

    fn data(&mut self, data: &str) -> Result<Flow, ModelError> {
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
    fn ended(&self) -> Result<Flow, ModelError> {
        match self.finish {
            Some(_) => Ok(Flow::Ended),
            None => Err(ModelError::Truncated { at: self.at.clone() }),
        }
    }

    fn timed_out(&self, waited: Duration) -> Result<Flow, ModelError> {
        match self.finish {
            // Nothing that is still owed would change the answer.
            Some(_) => Ok(Flow::Ended),
            None => Err(ModelError::Stalled { at: self.at.clone(), seconds: whole_seconds(waited) }),
        }
    }

    /// The events that end an answer.
    fn close(&mut self) -> Result<Vec<ModelEvent>, ModelError> {
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

    fn protocol(&self, detail: String) -> ModelError {
        ModelError::Protocol { at: self.at.clone(), detail: self.teller.sanitize(&detail) }
    }
}

/// Reads a finished response to its end, because a connection whose response isn't can't be used again.
fn drain(mut body: Body) {
    if matches!(body.next().now_or_never(), Some(None | Some(Err(_)))) {
        return;
    }
    tokio::spawn(timeout(DRAIN.0, async move {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = body.next().await {
            bytes += chunk.len();
            if bytes > DRAIN.1 {
                break;
            }
        }
    }));
}
