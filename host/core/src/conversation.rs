//! Conversations: their messages, how a client's history is matched with the stored one ([`merge`]), who answers
//! ([`handover`]), and what the visitor is told of it ([`notice`]).

pub mod handover;
mod merge;
pub mod notice;

pub use self::merge::{Merge, merge};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    id::{ConversationId, MessageId},
    knowledge::Citation,
    model::{FinishReason, Role, TokenUsage},
    time::Timestamp,
};

/// The most bytes of a client's own id or name of something: a visitor, a conversation or a message.
pub const CLIENT_NAME_BYTES: usize = 200;

/// Whether a text may be a client's own id or name of something. An empty one names nothing.
pub fn is_client_name(text: &str) -> bool {
    text.len() <= CLIENT_NAME_BYTES && !text.chars().any(char::is_control)
}

/// One message of the history that a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessage {
    /// The client's own id for it, unique within a conversation. The AI SDK sends one.
    pub id: Option<String>,
    pub role: Role,
    pub text: String,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// An answer in progress.
    Streaming,
    Complete,
    /// Stopped by the client. The text so far is kept.
    Cancelled,
    /// Ended by an error.
    Failed,
    /// Its host died, or a person took over, while it was written.
    Interrupted,
    /// A person answers instead. The text says so.
    #[serde(rename = "handed_over")]
    HandedOver,
}

impl MessageStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::HandedOver => "handed_over",
        }
    }
}

/// One stored message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub conversation_id: ConversationId,
    /// The client's own id for it. An answer that continues another one has that answer's id here.
    pub client_id: Option<String>,
    pub role: Role,
    /// The member who wrote an agent's message, when it is known.
    pub author: Option<Uuid>,
    pub content: String,
    pub status: MessageStatus,
    /// Why an answer ended; `None` until then.
    pub finish: Option<FinishReason>,
    pub citations: Vec<Citation>,
    /// The tool calls of an answer, without their raw output:
    /// `[{"tool", "connection"?, "action"?, "ok", "reason"?, "approval"?}]`.
    pub steps: Vec<Value>,
    /// The tokens that an answer used. `None` until it has ended, and for a user's message.
    pub usage: Option<TokenUsage>,
    pub created_at: Timestamp,
    /// When an edit or a new answer replaced this message. It stays readable but is no longer sent to models.
    pub superseded_at: Option<Timestamp>,
}

impl Message {
    /// The id by which a client knows it. An answer that continues another one has that answer's id.
    pub fn client_name(&self) -> String {
        self.client_id.clone().unwrap_or_else(|| self.id.to_string())
    }
}
