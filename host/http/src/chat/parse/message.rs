//! One message of a history, in each of the shapes that clients send.

use resly_core::{
    conversation::{ClientMessage, is_client_name},
    model::Role,
};
use resly_service::FieldError;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{kind, no_name};

#[derive(ToSchema)]
#[expect(dead_code, reason = "utoipa's derive reads it")]
pub struct ChatMessage {
    /// Your own id for the message.
    id: Option<String>,
    role: ChatRole,
    content: Option<ChatContent>,
    /// The AI SDK's parts, in place of `content`.
    parts: Option<Vec<ChatPart>>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "utoipa's derive reads it")]
pub enum ChatRole {
    User,
    Assistant,
    /// With a secret key.
    System,
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "utoipa's derive reads it")]
pub enum ChatContent {
    Text(String),
    /// Of the type `text` only.
    Parts(Vec<ChatPart>),
}

/// A part of a message. Those of the AI SDK have other members, too.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "utoipa's derive reads it")]
pub struct ChatPart {
    r#type: String,
    text: Option<String>,
}

/// A message as the host uses it.
pub(super) enum MessageContent {
    /// An instruction, which isn't part of the conversation.
    System(String),
    Message(ClientMessage),
}

pub(super) fn message(at: usize, item: Value, mistakes: &mut Vec<FieldError>) -> Option<MessageContent> {
    let path = |field: &str| format!("messages[{at}]{field}");
    let Value::Object(mut item) = item else {
        mistakes.push(FieldError::new(path(""), format!("an object is expected, not {}", kind(&item))));
        return None;
    };
    let before = mistakes.len();
    let id = match item.remove("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) if id.is_empty() => None,
        Some(Value::String(id)) if is_client_name(&id) => Some(id),
        Some(Value::String(_)) => {
            mistakes.push(FieldError::new(path(".id"), no_name()));
            None
        }
        Some(other) => {
            mistakes.push(FieldError::new(path(".id"), format!("a text is expected, not {}", kind(&other))));
            None
        }
    };
    let role = match item.remove("role") {
        Some(Value::String(role)) => match role.as_str() {
            "user" => Some(Some(Role::User)),
            // An agent's message that comes back is matched as an answer is. A client can't write a new one.
            "assistant" | "agent" => Some(Some(Role::Assistant)),
            "system" => Some(None),
            other => {
                let other: String = other.chars().take(40).collect();
                mistakes.push(FieldError::new(
                    path(".role"),
                    format!("`{other}` is none of `user`, `assistant`, `system`"),
                ));
                None
            }
        },
        Some(other) => {
            mistakes.push(FieldError::new(path(".role"), format!("a text is expected, not {}", kind(&other))));
            None
        }
        None => {
            mistakes.push(FieldError::new(path(".role"), "missing: one of `user`, `assistant`, `system`"));
            None
        }
    };
    let text = match (item.remove("parts"), item.remove("content")) {
        (Some(Value::Array(parts)), _) => ui_parts(at, parts, mistakes),
        (None | Some(Value::Null), Some(Value::String(text))) => text,
        (None | Some(Value::Null), Some(Value::Array(parts))) => content_parts(at, parts, mistakes),
        (Some(other), _) if !other.is_null() => {
            mistakes.push(FieldError::new(path(".parts"), format!("a list is expected, not {}", kind(&other))));
            String::new()
        }
        (_, Some(other)) => {
            let problem = format!("a text or a list of text parts is expected, not {}", kind(&other));
            mistakes.push(FieldError::new(path(".content"), problem));
            String::new()
        }
        (_, None) => {
            mistakes.push(FieldError::new(path(".content"), "missing: a text, or `parts`"));
            String::new()
        }
    };
    if mistakes.len() > before {
        return None;
    }
    Some(match role? {
        Some(role) => MessageContent::Message(ClientMessage { id, role, text }),
        None => MessageContent::System(text),
    })
}

/// Reads `content: [{type: "text", text}]`. Another type is refused, because it would be silently lost.
fn content_parts(at: usize, parts: Vec<Value>, mistakes: &mut Vec<FieldError>) -> String {
    let mut all = String::new();
    for (part_at, part) in parts.into_iter().enumerate() {
        let path = |field: &str| format!("messages[{at}].content[{part_at}]{field}");
        match part.get("type").and_then(Value::as_str) {
            Some("text" | "input_text" | "output_text") => match part.get("text") {
                Some(Value::String(text)) => all.push_str(text),
                _ => mistakes.push(FieldError::new(path(".text"), "a text is expected")),
            },
            Some(_) => mistakes.push(FieldError::new(path(".type"), "only parts of type `text` are taken")),
            None => mistakes.push(FieldError::new(path(""), "`{\"type\": \"text\", \"text\": …}` is expected")),
        }
    }
    all
}

/// Reads the AI SDK's parts. Its clients send an answer back with all of its parts (steps, tools, sources, reasoning).
/// Only the text is read, because the host has the rest. A user's file would be lost, so it is refused.
fn ui_parts(at: usize, parts: Vec<Value>, mistakes: &mut Vec<FieldError>) -> String {
    let mut all = String::new();
    for (part_at, part) in parts.into_iter().enumerate() {
        let path = |field: &str| format!("messages[{at}].parts[{part_at}]{field}");
        match part.get("type").and_then(Value::as_str) {
            Some("text") => match part.get("text") {
                Some(Value::String(text)) => all.push_str(text),
                _ => mistakes.push(FieldError::new(path(".text"), "a text is expected")),
            },
            Some("file") => mistakes.push(FieldError::new(path(".type"), "files aren't taken")),
            Some(_) => {}
            None => mistakes.push(FieldError::new(path(".type"), "missing: a part has a type, such as `text`")),
        }
    }
    all
}
