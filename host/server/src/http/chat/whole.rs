//! The JSON format: one object, when the answer is whole.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use futures::StreamExt;
use http::{HeaderName, HeaderValue, header};
use resly_core::{
    conversation::Message,
    turn::{
        live::{LiveTurn, TurnEvent},
        replay::Replay,
    },
};
use serde_json::{Value, json};

use super::{approvals, text::server_timing};
use crate::http::problem::Problem;

/// Waits for the end.
pub async fn wait(live: &Arc<LiveTurn>) -> Result<Response, Problem> {
    let mut events = live.follow().boxed();
    let (mut steps, mut approvals) = (Vec::new(), Vec::new());
    let ending = loop {
        match events.next().await {
            Some(TurnEvent::ToolFinished { name, ok, output, .. }) => {
                let reason = if ok { Value::Null } else { output["error"].clone() };
                let authorize = if ok { Value::Null } else { output["authorize"].clone() };
                steps.push(json!({"tool": name, "ok": ok, "reason": reason, "authorize": authorize}));
            }
            Some(TurnEvent::ToolDenied { name, .. }) => {
                steps.push(json!({"tool": name, "ok": false, "reason": "declined"}));
            }
            Some(TurnEvent::ApprovalAsked(approval)) => {
                steps.push(json!({"tool": "call_connector", "ok": false, "reason": "needs_confirmation"}));
                approvals.push(approvals::asked(&approval));
            }
            Some(TurnEvent::Finished(ending)) => break ending,
            Some(TurnEvent::Failed(failure)) => return Err(failure.into()),
            Some(_) => {}
            None => return Err(Problem::internal(&"a turn's events ended without an end")),
        }
    };
    let body = json!({
        "id": live.message,
        "conversationId": live.conversation,
        "role": "assistant",
        "content": ending.text,
        "status": ending.status,
        "finishReason": ending.finish,
        "citations": ending.citations,
        "steps": steps,
        "approvals": approvals,
        "usage": {"inputTokens": ending.usage.input, "outputTokens": ending.usage.output},
    });
    let mut response = Response::new(Body::from(body.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(timing) = server_timing(&ending.timing) {
        headers.insert(HeaderName::from_static("server-timing"), timing);
    }
    Ok(response)
}

/// An answer that was given before, with what still waits for a person.
pub fn replay(given: Replay) -> Value {
    let asked: Vec<_> = given.pending().map(approvals::asked).collect();
    let mut body = stored(given.message);
    body["approvals"] = json!(asked);
    body
}

/// A stored message, in the same shape, with its time.
pub fn object(message: Message) -> Value {
    let at = message.created_at;
    let mut body = stored(message);
    body["created_at"] = json!(at);
    body
}

fn stored(message: Message) -> Value {
    json!({
        "id": message.id,
        "conversationId": message.conversation_id,
        "role": message.role,
        "content": message.content,
        "status": message.status,
        "finishReason": message.finish,
        "citations": message.citations,
        "steps": message.steps,
    })
}
