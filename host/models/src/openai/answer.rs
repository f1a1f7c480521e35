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
use reqwest::{Response, header::CONTENT_TYPE};
use resly_core::model::{FinishReason, ModelError, ModelEvent, ModelStream, TokenUsage};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::{
    Timeouts,
    calls::Calls,
    chunk::{Choice, Chunk, Delta, Usage},
    whole_seconds,
};
use crate::{
    sse::{Event, Reader},
    upstream::{Teller, Upstream, reason},
};

/// The largest answer that is taken in one piece from a server that doesn't stream.
const WHOLE: usize = 4 << 20;
/// How long, and for how many bytes, a finished response is read on so that its connection can be used again.
const DRAIN: (Duration, usize) = (Duration::from_secs(1), 64 << 10);

type Body = BoxStream<'static, Result<Bytes, reqwest::Error>>;

/// Turns a response into events. `until` is when the first event must have come.
pub fn read(response: Response, upstream: &Upstream, timeouts: Timeouts, until: Instant) -> ModelStream {
    let json = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().starts_with("application/json"));
    Answer {
        body: Some(response.bytes_stream().boxed()),
        source: if json { Source::Whole(Vec::new()) } else { Source::Events(Reader::default()) },
        timer: Box::pin(sleep_until(until)),
        waits: timeouts.first_event,
        timeouts,
        events: VecDeque::new(),
        said: Said { at: upstream.at.clone(), teller: upstream.teller.clone(), ..Said::default() },
    }
    .boxed()
}

struct Answer {
    /// Gone once the answer has ended, well or not.
    body: Option<Body>,
    source: Source,
    timer: Pin<Box<Sleep>>,
    /// What the timer stands for.
    waits: Duration,
    timeouts: Timeouts,
    /// What is ready to be passed on.
    events: VecDeque<Result<ModelEvent, ModelError>>,
    said: Said,
}

enum Source {
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
    fn take(&mut self, bytes: Bytes) -> Result<Flow, ModelError> {
        let mut heard = false;
        let mut flow = Flow::On;
        match &mut self.source {
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

    /// What can be read only at the body's end: an answer that came in one piece.
    fn last(&mut self) -> Result<Flow, ModelError> {
        match &mut self.source {
            Source::Whole(whole) => {
                let whole = mem::take(whole);
                self.said.data(&String::from_utf8_lossy(&whole))
            }
            Source::Events(_) => Ok(Flow::On),
        }
    }

    /// Passes on what a step brought.
    fn settle(&mut self, step: Result<Flow, ModelError>) {
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
struct Said {
    at: String,
    teller: Teller,
    /// Text that is not passed on yet: what came in one piece goes on in one piece.
    text: String,
    calls: Calls,
    finish: Option<FinishReason>,
    usage: TokenUsage,
}

impl Said {
    fn event(&mut self, event: &Event) -> Result<Flow, ModelError> {
        if event.name() == "error" {
            return Err(self.in_band(&reason(&event.data())));
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
            return Err(self.in_band(&reason(data)));
        }
        if let Some(Usage { prompt_tokens, completion_tokens }) = chunk.usage {
            // Some servers send running counts with every chunk: the last is the sum.
            self.usage.input = prompt_tokens.0.unwrap_or(self.usage.input);
            self.usage.output = completion_tokens.0.unwrap_or(self.usage.output);
        }
        for choice in &chunk.choices.0 {
            // One answer was asked for; others than the first are not ours.
            if choice.index.0.unwrap_or(0) == 0 {
                self.choice(choice)?;
            }
        }
        Ok(Flow::On)
    }

    fn choice(&mut self, choice: &Choice<'_>) -> Result<(), ModelError> {
        if let Some(error) = choice.error {
            return Err(self.in_band(&reason(error.get())));
        }
        for Delta { content, refusal, tool_calls, function_call } in [&choice.delta.0, &choice.message.0] {
            self.text.push_str(&content.0);
            self.text.push_str(&refusal.0);
            for part in &tool_calls.0 {
                self.calls.add(part).map_err(|detail| self.protocol(detail))?;
            }
            if let Some(part) = function_call {
                self.calls.add_function(part).map_err(|detail| self.protocol(detail))?;
            }
        }
        if let Some(finish) = self.finish_reason(&choice.finish_reason.0)? {
            self.finish.get_or_insert(finish);
        }
        Ok(())
    }

    /// What a finish reason means. Names that nobody documents end an answer as well as `stop` does.
    fn finish_reason(&self, name: &str) -> Result<Option<FinishReason>, ModelError> {
        Ok(match name {
            "" => None,
            "tool_calls" | "function_call" | "tool_use" => Some(FinishReason::ToolCalls),
            "length" | "max_tokens" | "model_length" => Some(FinishReason::Length),
            "content_filter" | "safety" => Some(FinishReason::ContentFilter),
            "error" | "abort" | "cancelled" | "insufficient_system_resource" => {
                return Err(self.in_band(&format!("the answer was ended with the reason `{name}`")));
            }
            _ => Some(FinishReason::Stop),
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
            let calls = calls.finish().map_err(|detail| self.protocol(detail))?;
            events.extend(calls.into_iter().map(ModelEvent::ToolCall));
            reason = FinishReason::ToolCalls;
        } else if reason == FinishReason::ToolCalls {
            reason = FinishReason::Stop;
        }
        events.push(ModelEvent::Finish { reason, usage: self.usage });
        Ok(events)
    }

    fn in_band(&self, detail: &str) -> ModelError {
        ModelError::InBand { at: self.at.clone(), detail: self.teller.tell(detail) }
    }

    fn protocol(&self, detail: String) -> ModelError {
        ModelError::Protocol { at: self.at.clone(), detail: self.teller.tell(&detail) }
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
