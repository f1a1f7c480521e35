//! Reads the body of `/api/chat`. Unknown members are ignored, and known ones are checked strictly.
//!
//! Messages ([`message`]) come as `{role, content}` with a text or a list of `{type: "text", text}` parts (the shape of
//! OpenAI's chat API), or as the AI SDK's UI messages `{id, role, parts}`. Every mistake is named with its path.
//!
//! The last message is the user's, or it is the assistant's with a person's verdicts on pending calls ([`verdict`]).

mod message;
#[cfg(test)]
mod tests;
mod verdict;

use resly_core::{
    approval::Verdict,
    conversation::{CLIENT_NAME_BYTES, ClientMessage, is_client_name},
    id::ApprovalId,
    model::Role,
};
use resly_service::FieldError;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

pub use self::verdict::reason;
use self::{
    message::{ChatMessage, MessageContent, message},
    verdict::verdicts_of,
};
use crate::problem::Problem;

/// The most messages in one history.
pub const MESSAGES_CAP: usize = 1_000;

/// A question with its history, as `{role, content}` messages or as the AI SDK's UI messages. It is read member by member,
/// so that every mistake is told at once.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "utoipa's derive reads it")]
pub struct ChatRequest {
    /// At most 1,000. The last one is the user's, or the assistant's with a person's answers to what it asks to confirm.
    messages: Vec<ChatMessage>,
    /// From `X-Conversation-Id`: goes on with that conversation.
    conversation_id: Option<String>,
    /// Your own id for the person who asks. A conversation that has a visitor needs it each time.
    visitor_id: Option<String>,
    /// Your own name for the conversation, under this key and visitor.
    id: Option<String>,
}

/// A valid body.
#[derive(Debug, PartialEq, Eq)]
pub struct ChatBody {
    /// The messages with `role: system`. They are instructions, and not part of the conversation.
    pub system: Vec<String>,
    pub messages: Vec<ClientMessage>,
    /// A person's verdicts on the calls that the last message asks to confirm, if that message is the assistant's. A
    /// text that is no id is kept as it is.
    pub verdicts: Vec<(Result<ApprovalId, String>, Verdict)>,
    pub conversation_id: Option<String>,
    pub visitor_id: Option<String>,
    /// The client's own name for the conversation.
    pub name: Option<String>,
}

impl ChatBody {
    /// The SHA-256 of the request's meaning. Two bodies that differ only in spelling have the same.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut field = |text: Option<&str>| {
            hash.update([u8::from(text.is_some())]);
            let text = text.unwrap_or_default();
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        for instruction in &self.system {
            field(Some(instruction));
        }
        field(None);
        field(self.conversation_id.as_deref());
        field(self.visitor_id.as_deref());
        field(self.name.as_deref());
        for message in &self.messages {
            field(message.id.as_deref());
            field(Some(message.role.name()));
            field(Some(&message.text));
        }
        for (id, verdict) in &self.verdicts {
            field(None);
            field(Some(&id.as_ref().map_or_else(Clone::clone, ToString::to_string)));
            match verdict {
                Verdict::Approve => field(Some("approved")),
                Verdict::Decline { reason } => field(reason.as_deref()),
            }
        }
        hash.finalize().into()
    }
}

/// Reads a body's JSON.
pub fn chat_body(json: Value) -> Result<ChatBody, Problem> {
    let Value::Object(mut body) = json else {
        return Err(Problem::invalid_at("$", "a JSON object is expected, with `messages`"));
    };
    let mut mistakes = Vec::new();
    // A known name in the other casing is refused. If it were ignored, the request would begin a new conversation or
    // lose its visitor.
    for (other, name) in [("conversation_id", "conversationId"), ("visitor_id", "visitorId")] {
        if body.contains_key(other) {
            mistakes.push(FieldError::new(other, format!("it is written `{name}` here")));
        }
    }
    let conversation_id = text_field(&mut body, "conversationId", &mut mistakes);
    let visitor_id = text_field(&mut body, "visitorId", &mut mistakes);
    let name = text_field(&mut body, "id", &mut mistakes);

    let mut system: Vec<String> = Vec::new();
    let mut messages = Vec::new();
    let mut verdicts = Vec::new();
    match body.remove("messages") {
        Some(Value::Array(items)) if items.len() > MESSAGES_CAP => mistakes.push(FieldError::new(
            "messages",
            format!(
                "at most {MESSAGES_CAP} messages are taken, not {}; send `conversationId` and the new ones only",
                items.len()
            ),
        )),
        Some(Value::Array(items)) => {
            messages.reserve(items.len());
            let last = items.len().saturating_sub(1);
            for (at, item) in items.into_iter().enumerate() {
                if at == last {
                    verdicts = verdicts_of(at, &item, &mut mistakes);
                }
                match message(at, item, &mut mistakes) {
                    Some(MessageContent::System(text)) => system.push(text),
                    Some(MessageContent::Message(message)) => messages.push(message),
                    None => {}
                }
                if mistakes.len() >= 20 {
                    break;
                }
            }
            if mistakes.is_empty() {
                match messages.last() {
                    None => mistakes.push(FieldError::new("messages", "at least one message of the user is needed")),
                    Some(last) if last.role != Role::User && verdicts.is_empty() => {
                        mistakes.push(FieldError::new("messages", "the last message must be the user's"));
                    }
                    Some(last) if last.role != Role::User => {}
                    Some(last) if last.text.trim().is_empty() => {
                        mistakes.push(FieldError::new("messages", "the last message is empty"));
                    }
                    Some(_) => {}
                }
            }
        }
        Some(_) => mistakes.push(FieldError::new("messages", "a list of messages is expected")),
        None => mistakes.push(FieldError::new("messages", "missing: a list of `{role, content}` is needed")),
    }
    if !mistakes.is_empty() {
        return Err(Problem::invalid(mistakes));
    }
    Ok(ChatBody { system, messages, verdicts, conversation_id, visitor_id, name })
}

/// Reads a name or an id.
pub fn name<'t>(field: &str, text: &'t str) -> Result<&'t str, Problem> {
    if is_client_name(text) { Ok(text) } else { Err(Problem::invalid_at(field, no_name())) }
}

fn no_name() -> String {
    format!("at most {CLIENT_NAME_BYTES} bytes without control characters")
}

/// Reads a short text, or nothing. `null` counts as nothing.
fn text_field(body: &mut Map<String, Value>, name: &str, mistakes: &mut Vec<FieldError>) -> Option<String> {
    match body.remove(name)? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) if !is_client_name(&text) => {
            mistakes.push(FieldError::new(name, no_name()));
            None
        }
        Value::String(text) => Some(text),
        other => {
            mistakes.push(FieldError::new(name, format!("a text is expected, not {}", kind(&other))));
            None
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
