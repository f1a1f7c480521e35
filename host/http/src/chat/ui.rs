//! The AI SDK's UI message stream, version 1 ("AI SDK UI: Stream Protocols"), as server-sent events.

mod chunk;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{Stream, stream::BoxStream};
use http::{HeaderName, HeaderValue, header};
use http_body::Frame;
use resly_core::{
    conversation::MessageStatus,
    id::{ConversationId, MessageId},
    knowledge,
    model::FinishReason,
    turn::{
        live::{AnswerEvents, TurnEvent, TurnResult},
        replay::Replay,
    },
};
use serde_json::Value;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use self::chunk::{Chunk, CitationMetadata, FinishMetadata, ProviderMetadata, StartMetadata};
use super::{approvals::RequestedApproval, citations::Citation, json::TokenUsage};

/// A comment that keeps proxies from closing the connection while a model thinks.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Streams a turn, from its start.
pub fn stream(answer: AnswerEvents) -> Response {
    let mut keep_alive = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    respond(Body::new(UiBody {
        writer: Writer::new(answer.conversation, answer.message, answer.continues.as_deref()),
        events: answer.events,
        keep_alive,
        over: false,
    }))
}

/// Sends an answer that was given before.
pub fn replay(given: &Replay) -> Response {
    let message = &given.message;
    let mut writer = Writer::new(message.conversation_id, message.id, message.client_id.as_deref());
    writer.next_step();
    for event in given.events() {
        writer.event(event);
    }
    writer.text(&message.content);
    let usage = message.usage.map(TokenUsage::from);
    writer.end(message.status, &message.citations, message.finish, usage);
    respond(Body::from(writer.take()))
}

fn respond(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(HeaderName::from_static("x-vercel-ai-ui-message-stream"), HeaderValue::from_static("v1"));
    response
}

/// Writes chunks into a buffer.
struct Writer {
    buffer: Vec<u8>,
    conversation: ConversationId,
    message: MessageId,
    /// How many text parts have begun. The last one may be open.
    texts: u32,
    text_open: bool,
    step: Step,
}

/// Where the stream is in the answer's steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// An answer continues. The results of its calls belong to the step that the client has, until a new step starts.
    Earlier,
    Open,
    /// The model's round is over. Its tools may still run, and then the next step starts.
    RoundOver,
}

impl Writer {
    /// `continues` is the client's id of the message that goes on.
    fn new(conversation: ConversationId, message: MessageId, continues: Option<&str>) -> Self {
        let buffer = Vec::with_capacity(512);
        let mut writer = Self { buffer, conversation, message, texts: 0, text_open: false, step: Step::Earlier };
        let name = continues.map_or_else(|| message.to_string(), str::to_owned);
        writer.chunk(&Chunk::Start {
            message_id: &name,
            message_metadata: StartMetadata { conversation_id: conversation, message_id: message },
        });
        if continues.is_none() {
            writer.next_step();
        }
        writer
    }

    fn chunk(&mut self, chunk: &Chunk<'_>) {
        self.buffer.extend_from_slice(b"data: ");
        // Writing plain structs to memory can't fail.
        let _ = serde_json::to_writer(&mut self.buffer, chunk);
        self.buffer.extend_from_slice(b"\n\n");
    }

    fn text(&mut self, text: &str) {
        // Blank lines separate paragraphs of one text, so a new part begins with its first word.
        let text = if self.text_open { text } else { text.trim_start_matches(['\n', '\r']) };
        if text.is_empty() {
            return;
        }
        self.next_step();
        if !self.text_open {
            self.texts += 1;
            self.text_open = true;
            self.chunk(&Chunk::TextStart { id: format!("text-{}", self.texts) });
        }
        // There are many of this chunk, so it is written without building a tree.
        self.buffer.extend_from_slice(b"data: {\"type\":\"text-delta\",\"id\":\"text-");
        self.buffer.extend_from_slice(self.texts.to_string().as_bytes());
        self.buffer.extend_from_slice(b"\",\"delta\":");
        let _ = serde_json::to_writer(&mut self.buffer, text);
        self.buffer.extend_from_slice(b"}\n\n");
    }

    fn close_text(&mut self) {
        if std::mem::take(&mut self.text_open) {
            self.chunk(&Chunk::TextEnd { id: format!("text-{}", self.texts) });
        }
    }

    fn next_step(&mut self) {
        if self.step == Step::RoundOver {
            self.close_text();
            self.chunk(&Chunk::FinishStep);
        }
        if self.step != Step::Open {
            self.step = Step::Open;
            self.chunk(&Chunk::StartStep);
        }
    }

    fn event(&mut self, event: TurnEvent) -> Over {
        match event {
            TurnEvent::Citations(_) => {}
            TurnEvent::Text(text) => self.text(&text),
            TurnEvent::RoundEnded => {
                self.next_step();
                self.step = Step::RoundOver;
            }
            TurnEvent::ToolStarted { id, name, input } => {
                self.close_text();
                self.chunk(&Chunk::ToolInputAvailable {
                    tool_call_id: &id,
                    tool_name: &name,
                    input: &input,
                    dynamic: true,
                });
            }
            TurnEvent::ToolFinished { id, ok: true, output, .. } => {
                self.chunk(&Chunk::ToolOutputAvailable { tool_call_id: &id, output: &output, dynamic: true });
            }
            TurnEvent::ToolFinished { id, ok: false, output, .. } => {
                let error = output.get("message").and_then(Value::as_str).unwrap_or("the tool failed");
                self.chunk(&Chunk::ToolOutputError { tool_call_id: &id, error_text: error, dynamic: true });
            }
            TurnEvent::ToolDenied { id, .. } => self.chunk(&Chunk::ToolOutputDenied { tool_call_id: &id }),
            TurnEvent::ApprovalAsked(approval) => {
                // The SDK looks for a person's answers in the last step, so the question belongs to this one.
                self.step = Step::Open;
                self.chunk(&Chunk::ToolApprovalRequest { approval_id: approval.id, tool_call_id: &approval.call });
                let data = RequestedApproval::from(&*approval);
                self.chunk(&Chunk::DataApproval { id: approval.id, data });
            }
            TurnEvent::Finished(ending) => {
                let TurnResult { status, citations, usage, finish, .. } = &*ending;
                self.end(*status, citations, Some(*finish), Some((*usage).into()));
                return Over(true);
            }
            TurnEvent::Failed(failure) => {
                self.close_text();
                self.chunk(&Chunk::Error { error_text: failure.to_string() });
                return Over(true);
            }
        }
        Over(false)
    }

    fn end(
        &mut self,
        status: MessageStatus,
        citations: &[knowledge::Citation],
        finish: Option<FinishReason>,
        usage: Option<TokenUsage>,
    ) {
        if self.step == Step::Earlier {
            self.next_step();
        }
        self.close_text();
        for citation in citations {
            let knowledge::Citation { n, title, url, source_id, snippet } = citation;
            let provider_metadata = ProviderMetadata { resly: CitationMetadata { n: *n, source_id, snippet } };
            let source_id = format!("citation-{n}");
            self.chunk(&match url {
                Some(url) => Chunk::SourceUrl { source_id, url, title, provider_metadata },
                None => Chunk::SourceDocument { source_id, media_type: "text/plain", title, provider_metadata },
            });
        }
        self.chunk(&Chunk::FinishStep);
        let message_metadata = FinishMetadata {
            usage,
            conversation_id: self.conversation,
            message_id: self.message,
            status,
            citations: Citation::all(citations),
            finish_reason: finish,
        };
        self.chunk(&Chunk::Finish { finish_reason: finish, message_metadata });
        self.buffer.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.buffer))
    }
}

/// Whether the stream has sent its last chunk.
struct Over(bool);

struct UiBody {
    writer: Writer,
    events: BoxStream<'static, TurnEvent>,
    keep_alive: Interval,
    over: bool,
}

impl http_body::Body for UiBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        while !this.over {
            match Pin::new(&mut this.events).poll_next(context) {
                Poll::Ready(Some(event)) => this.over = this.writer.event(event).0,
                Poll::Ready(None) => this.over = true,
                Poll::Pending => break,
            }
        }
        if !this.writer.buffer.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(this.writer.take()))));
        }
        if this.over {
            return Poll::Ready(None);
        }
        ready!(this.keep_alive.poll_tick(context));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b": keep-alive\n\n")))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use resly_core::{
        model::TokenUsage,
        turn::{failure::TurnFailure, live::Timing},
    };
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn chunks(events: Vec<TurnEvent>) -> Vec<Value> {
        write(Writer::new(ConversationId(Uuid::from_u128(1)), MessageId(Uuid::from_u128(2)), None), events)
    }

    fn write(mut writer: Writer, events: Vec<TurnEvent>) -> Vec<Value> {
        for event in events {
            writer.event(event);
        }
        let text = String::from_utf8(writer.take().to_vec()).unwrap();
        text.split_terminator("\n\n")
            .map(|chunk| chunk.strip_prefix("data: ").unwrap())
            .map(|chunk| if chunk == "[DONE]" { json!("[DONE]") } else { serde_json::from_str(chunk).unwrap() })
            .collect()
    }

    fn types(chunks: &[Value]) -> Vec<&str> {
        chunks.iter().map(|chunk| chunk["type"].as_str().unwrap_or("[DONE]")).collect()
    }

    fn text(text: &str) -> TurnEvent {
        TurnEvent::Text(text.to_owned())
    }

    #[test]
    fn a_turn_with_a_tool_is_two_steps() {
        let citation = knowledge::Citation {
            n: 1,
            title: "t".into(),
            url: Some("https://a.example".into()),
            source_id: "s".into(),
            snippet: "…".into(),
        };
        let chunks = chunks(vec![
            text("Let me \"look\"."),
            TurnEvent::RoundEnded,
            TurnEvent::ToolStarted { id: "c1".into(), name: "call_connector".into(), input: json!({"a": 1}) },
            TurnEvent::ToolFinished { id: "c1".into(), name: "call_connector".into(), ok: true, output: json!({}) },
            text("\n\n"),
            text("\nIt "),
            text("ships.\n\n"),
            TurnEvent::Finished(Arc::new(TurnResult {
                status: MessageStatus::Complete,
                text: String::new(),
                citations: vec![citation],
                steps: vec![],
                finish: FinishReason::Length,
                usage: TokenUsage::default(),
                timing: Timing::default(),
            })),
        ]);
        assert_eq!(
            types(&chunks),
            [
                "start",
                "start-step",
                "text-start",
                "text-delta",
                "text-end",
                "tool-input-available",
                "tool-output-available",
                "finish-step",
                "start-step",
                "text-start",
                "text-delta",
                "text-delta",
                "text-end",
                "source-url",
                "finish-step",
                "finish",
                "[DONE]"
            ]
        );
        assert_eq!(chunks[3]["delta"], "Let me \"look\".");
        assert_eq!(chunks[10]["id"], "text-2");
        assert_eq!((&chunks[10]["delta"], &chunks[11]["delta"]), (&json!("It "), &json!("ships.\n\n")));
        assert_eq!(
            (&chunks[15]["finishReason"], &chunks[15]["messageMetadata"]["finishReason"]),
            (&json!("length"), &json!("length"))
        );
        assert_eq!(chunks[15]["messageMetadata"]["citations"][0]["n"], 1);
    }

    #[test]
    fn an_answer_that_goes_on_ends_its_calls_in_the_step_that_asked() {
        let (id, name) = ("c1".to_owned(), "call_connector".to_owned());
        let started = TurnEvent::ToolStarted { id: id.clone(), name: name.clone(), input: json!({}) };
        let denied = TurnEvent::ToolDenied { id, name };
        let writer = Writer::new(ConversationId(Uuid::from_u128(1)), MessageId(Uuid::from_u128(2)), Some("m1"));
        let chunks = write(writer, vec![started, denied, text("Left as it is.")]);
        assert_eq!(chunks[0]["messageId"], "m1");
        let expected =
            ["start", "tool-input-available", "tool-output-denied", "start-step", "text-start", "text-delta"];
        assert_eq!(types(&chunks), expected);
    }

    #[test]
    fn a_failure_never_looks_like_success() {
        let chunks = chunks(vec![text("half"), TurnEvent::Failed(TurnFailure::ModelBroken)]);
        assert_eq!(types(&chunks), ["start", "start-step", "text-start", "text-delta", "text-end", "error"]);
    }
}
