//! The JSON format: one object at the end of the answer.

use axum::{body::Body, response::Response};
use futures::StreamExt;
use http::{HeaderName, HeaderValue, header};
use resly_core::{
    conversation::{Message, MessageStatus},
    id::{ConversationId, MessageId},
    model::{self, FinishReason, Role},
    time::Timestamp,
    turn::{
        live::{AnswerEvents, TurnEvent},
        replay::Replay,
    },
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{approvals::RequestedApproval, citations::Citation, text::server_timing};
use crate::{openapi_enums, problem::Problem};

/// A message with what came with it: the same members whether it comes live, is repeated or was stored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    #[schema(value_type = String, format = "uuid")]
    id: MessageId,
    #[schema(value_type = String, format = "uuid")]
    conversation_id: ConversationId,
    #[schema(value_type = openapi_enums::Role)]
    role: Role,
    content: String,
    #[schema(value_type = openapi_enums::MessageStatus)]
    status: MessageStatus,
    /// Why an answer ended, once it has.
    #[schema(required, value_type = Option<openapi_enums::FinishReason>)]
    finish_reason: Option<FinishReason>,
    citations: Vec<Citation>,
    /// What the answer was made with: the tool calls, without their output, as `{tool, ok}` and, where they apply,
    /// `connection`, `action`, `title`, `reason`, `approval`, `authorize`; and, as the step `history`, what was left out of
    /// it: `{tool, ok, omitted: {messages, tokens}}`.
    #[schema(value_type = Vec<BTreeMap<String, Value>>)]
    steps: Vec<Value>,
    /// `null` while an answer is being written, and for the user's messages.
    #[schema(required)]
    usage: Option<TokenUsage>,
    /// What the answer asks to confirm; only in the answer itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    approvals: Option<Vec<RequestedApproval>>,
    /// Only at `GET /api/messages/{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// When an edit or a new answer took this message's place, or `null`; only at `GET /api/messages/{id}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    superseded_at: Option<Option<Timestamp>>,
}

/// The tokens of an answer over all its rounds, as the model's provider counted them. The built-in model uses none.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenUsage {
    /// Cached input included.
    input_tokens: u64,
    /// The part of `inputTokens` that the provider read from its cache.
    cached_input_tokens: u64,
    /// Thinking included.
    output_tokens: u64,
    /// Whether a count is the host's estimate, wholly or in part, because the provider didn't say it.
    estimated: bool,
}

impl From<model::TokenUsage> for TokenUsage {
    fn from(usage: model::TokenUsage) -> Self {
        let model::TokenUsage { input, cached_input, output, estimated } = usage;
        Self { input_tokens: input, cached_input_tokens: cached_input, output_tokens: output, estimated }
    }
}

impl Answer {
    fn of(message: &Message) -> Self {
        Self {
            id: message.id,
            conversation_id: message.conversation_id,
            role: message.role,
            content: message.content.clone(),
            status: message.status,
            finish_reason: message.finish,
            citations: Citation::all(&message.citations),
            steps: message.steps.clone(),
            usage: message.usage.map(TokenUsage::from),
            approvals: None,
            created_at: None,
            superseded_at: None,
        }
    }

    /// A stored message, with its times.
    pub fn stored(message: &Message) -> Self {
        let (created_at, superseded_at) = (Some(message.created_at), Some(message.superseded_at));
        Self { created_at, superseded_at, ..Self::of(message) }
    }

    /// An answer that was given before, with the approvals that are still pending.
    pub fn replayed(given: &Replay) -> Self {
        Self { approvals: Some(given.pending().map(RequestedApproval::from).collect()), ..Self::of(&given.message) }
    }

    pub fn respond(&self) -> Result<Response, Problem> {
        let body = serde_json::to_vec(self).map_err(|error| Problem::internal(&error))?;
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }
}

/// Waits for the end of the turn, and sends the answer.
pub async fn wait(answer: AnswerEvents) -> Result<Response, Problem> {
    let AnswerEvents { conversation, message, mut events, .. } = answer;
    let mut asked = Vec::new();
    let ending = loop {
        match events.next().await {
            Some(TurnEvent::ApprovalAsked(approval)) => asked.push(RequestedApproval::from(&*approval)),
            Some(TurnEvent::Finished(ending)) => break ending,
            Some(TurnEvent::Failed(failure)) => return Err(failure.into()),
            Some(_) => {}
            None => return Err(Problem::internal(&"a turn's events ended without an end")),
        }
    };
    let answer = Answer {
        id: message,
        conversation_id: conversation,
        role: Role::Assistant,
        content: ending.text.clone(),
        status: ending.status,
        finish_reason: Some(ending.finish),
        citations: Citation::all(&ending.citations),
        steps: ending.steps.clone(),
        usage: Some(ending.usage.into()),
        approvals: Some(asked),
        created_at: None,
        superseded_at: None,
    };
    let mut response = answer.respond()?;
    if let Some(timing) = server_timing(&ending.timing) {
        response.headers_mut().insert(HeaderName::from_static("server-timing"), timing);
    }
    Ok(response)
}
