//! The JSON format: one object, when the answer is whole.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use futures::StreamExt;
use http::{HeaderName, HeaderValue, header};
use resly_core::{
    conversation::{Message, MessageStatus, Role},
    id::{ConversationId, MessageId},
    knowledge::Citation,
    model::{FinishReason, TokenUsage},
    turn::{
        live::{LiveTurn, TurnEvent},
        replay::Replay,
    },
};
use serde_json::{Value, json};

use super::{approvals, text::server_timing};
use crate::problem::Problem;

/// Waits for the end.
pub async fn wait(live: &Arc<LiveTurn>) -> Result<Response, Problem> {
    let mut events = live.follow().boxed();
    let mut asked = Vec::new();
    let ending = loop {
        match events.next().await {
            Some(TurnEvent::ApprovalAsked(approval)) => asked.push(approvals::asked(&approval)),
            Some(TurnEvent::Finished(ending)) => break ending,
            Some(TurnEvent::Failed(failure)) => return Err(failure.into()),
            Some(_) => {}
            None => return Err(Problem::internal(&"a turn's events ended without an end")),
        }
    };
    let mut body = render(Parts {
        id: live.message,
        conversation: live.conversation,
        role: Role::Assistant,
        content: &ending.text,
        status: ending.status,
        finish: Some(ending.finish),
        citations: &ending.citations,
        steps: &ending.steps,
        usage: Some(ending.usage),
    });
    body["approvals"] = json!(asked);
    let mut response = Response::new(Body::from(body.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(timing) = server_timing(&ending.timing) {
        headers.insert(HeaderName::from_static("server-timing"), timing);
    }
    Ok(response)
}

/// An answer that was given before, with what still waits for a person.
pub fn replay(given: &Replay) -> Value {
    let asked: Vec<_> = given.pending().map(approvals::asked).collect();
    let mut body = render(Parts::of(&given.message));
    body["approvals"] = json!(asked);
    body
}

/// A stored message, in the same shape, with its times.
pub fn object(message: &Message) -> Value {
    let mut body = render(Parts::of(message));
    body["created_at"] = json!(message.created_at);
    body["supersededAt"] = json!(message.superseded_at);
    body
}

/// What the live, the repeated and the stored answer have in common, so that they can't differ.
struct Parts<'m> {
    id: MessageId,
    conversation: ConversationId,
    role: Role,
    content: &'m str,
    status: MessageStatus,
    finish: Option<FinishReason>,
    citations: &'m [Citation],
    steps: &'m [Value],
    usage: Option<TokenUsage>,
}

impl<'m> Parts<'m> {
    fn of(message: &'m Message) -> Self {
        Self {
            id: message.id,
            conversation: message.conversation_id,
            role: message.role,
            content: &message.content,
            status: message.status,
            finish: message.finish,
            citations: &message.citations,
            steps: &message.steps,
            usage: message.usage,
        }
    }
}

fn render(parts: Parts<'_>) -> Value {
    let Parts { id, conversation, role, content, status, finish, citations, steps, usage } = parts;
    json!({
        "id": id,
        "conversationId": conversation,
        "role": role,
        "content": content,
        "status": status,
        "finishReason": finish,
        "citations": citations,
        "steps": steps,
        "usage": usage.map(self::usage),
    })
}

/// The tokens of an answer.
pub fn usage(usage: TokenUsage) -> Value {
    json!({"inputTokens": usage.input, "outputTokens": usage.output})
}
