//! The messages that a turn stores.

use resly_core::{
    conversation::{ClientMessage, Message, MessageStatus},
    id::{ConversationId, MessageId},
    model::Role,
    turn::store::NewTurn,
};

/// A message that a client sent, whole.
pub(super) fn stored_message(
    turn: &NewTurn,
    conversation: ConversationId,
    message: &ClientMessage,
    id: MessageId,
) -> Message {
    Message {
        id,
        conversation_id: conversation,
        client_id: message.id.clone(),
        role: message.role,
        content: message.text.clone(),
        status: MessageStatus::Complete,
        finish: None,
        citations: Vec::new(),
        steps: Vec::new(),
        usage: None,
        created_at: turn.now,
        superseded_at: None,
        author: None,
    }
}

/// The empty answer.
pub(super) fn blank(turn: &NewTurn, conversation: ConversationId) -> Message {
    let nothing = ClientMessage { id: None, role: Role::Assistant, text: String::new() };
    Message { status: MessageStatus::Streaming, ..stored_message(turn, conversation, &nothing, turn.answer) }
}
