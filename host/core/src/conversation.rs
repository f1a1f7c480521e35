//! What was said: messages, and how a client's history is matched with the stored one ([`merge`]).

mod merge;

pub use self::merge::{Merge, merge};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{ConversationId, MessageId},
    knowledge::Citation,
    model::{FinishReason, Role, TokenUsage},
    time::Timestamp,
};

/// One message of the history that a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessage {
    /// The client's own id for it (the AI SDK sends one), unique within a conversation.
    pub id: Option<String>,
    pub role: Role,
    pub text: String,
}

/// How a message came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// An answer that is being written.
    Streaming,
    Complete,
    /// Stopped by the client; what was written until then is kept.
    Cancelled,
    /// Ended by an error.
    Failed,
    /// The host died while it was being written.
    Interrupted,
}

impl MessageStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One message as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub conversation_id: ConversationId,
    /// The client's own id for it; of an answer that goes on from another one, what the client knows that one by.
    pub client_id: Option<String>,
    pub role: Role,
    pub content: String,
    pub status: MessageStatus,
    /// Why an answer ended, once it has.
    pub finish: Option<FinishReason>,
    pub citations: Vec<Citation>,
    /// The tool calls of an answer, without their raw output:
    /// `[{"tool", "connection"?, "action"?, "ok", "reason"?, "approval"?}]`.
    pub steps: Vec<Value>,
    /// The tokens that an answer took; `None` until it has ended, and for a user's message.
    pub usage: Option<TokenUsage>,
    pub created_at: Timestamp,
    /// When an edit or a new answer took this message's place. Models aren't sent it any more; it stays readable.
    pub superseded_at: Option<Timestamp>,
}

impl Message {
    /// What a client knows it by. An answer that goes on from another one is known by that one's id.
    pub fn client_name(&self) -> String {
        self.client_id.clone().unwrap_or_else(|| self.id.to_string())
    }
}
