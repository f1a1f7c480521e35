//! What was said: messages, and how a client's history is matched with the stored one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{ConversationId, MessageId},
    knowledge::Citation,
    model::FinishReason,
    time::Timestamp,
};

/// Who said it. What a client sends as `system` is instruction, not conversation, and is never stored as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Assistant,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

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
    pub created_at: Timestamp,
}

impl Message {
    /// What a client knows it by. An answer that goes on from another one is known by that one's id.
    pub fn client_name(&self) -> String {
        self.client_id.clone().unwrap_or_else(|| self.id.to_string())
    }
}

/// What a client's history changes in the stored one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// How many of the stored messages stay, from the start. What follows them is replaced.
    pub keep: usize,
    /// Where the new messages start in the client's history.
    pub new_from: usize,
}

/// Matches a client's history with the stored one: by the client's message ids, else by the longest common prefix of
/// role and text. A body in which nothing matches and the assistant says nothing (a client that sends only the new
/// question) is appended; any other body that differs is an edit, and replaces what follows the match.
pub fn merge(stored: &[Message], sent: &[ClientMessage]) -> Merge {
    let same = |stored: &Message, sent: &ClientMessage| stored.role == sent.role && stored.content == sent.text;
    let prefix = stored.iter().zip(sent).take_while(|(stored, sent)| same(stored, sent)).count();

    // The last sent message that is already stored, under the client's id or the id that we answered with.
    let by_id = sent.iter().enumerate().rev().find_map(|(at, message)| {
        let id = message.id.as_deref()?;
        let position =
            stored.iter().rposition(|stored| stored.client_id.as_deref() == Some(id) || stored.id.to_string() == id)?;
        Some((at, position))
    });
    if let Some((at, position)) = by_id {
        if prefix > at {
            return Merge { keep: prefix, new_from: prefix };
        }
        // A known id with other words is an edit of that very message; the assistant's words are ours to keep.
        let edited = sent[at].role == Role::User && !same(&stored[position], &sent[at]);
        return if edited {
            Merge { keep: position, new_from: at }
        } else {
            Merge { keep: position + 1, new_from: at + 1 }
        };
    }
    if prefix == 0 && sent.iter().all(|message| message.role == Role::User) {
        return Merge { keep: stored.len(), new_from: 0 };
    }
    Merge { keep: prefix, new_from: prefix }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn stored(lines: &[(Role, &str, Option<&str>)]) -> Vec<Message> {
        lines
            .iter()
            .enumerate()
            .map(|(at, (role, text, id))| Message {
                id: MessageId(Uuid::from_u128(at as u128 + 1)),
                conversation_id: ConversationId(Uuid::nil()),
                client_id: id.map(str::to_owned),
                role: *role,
                content: (*text).to_owned(),
                status: MessageStatus::Complete,
                finish: None,
                citations: vec![],
                steps: vec![],
                created_at: Timestamp::from_micros(0),
            })
            .collect()
    }

    fn sent(lines: &[(Role, &str, Option<&str>)]) -> Vec<ClientMessage> {
        lines
            .iter()
            .map(|(role, text, id)| ClientMessage { id: id.map(str::to_owned), role: *role, text: (*text).to_owned() })
            .collect()
    }

    use Role::{Assistant as A, User as U};

    #[test]
    fn a_repeated_history_brings_only_what_is_new() {
        let have = stored(&[(U, "hi", None), (A, "hello", None)]);
        let merged = merge(&have, &sent(&[(U, "hi", None), (A, "hello", None), (U, "more", None)]));
        assert_eq!(merged, Merge { keep: 2, new_from: 2 });
    }

    #[test]
    fn a_lone_new_question_is_appended() {
        let have = stored(&[(U, "hi", None), (A, "hello", None)]);
        assert_eq!(merge(&have, &sent(&[(U, "more", None)])), Merge { keep: 2, new_from: 0 });
    }

    #[test]
    fn an_edited_history_replaces_what_follows_the_match() {
        let have = stored(&[(U, "hi", None), (A, "hello", None), (U, "a", None), (A, "b", None)]);
        let merged = merge(&have, &sent(&[(U, "hi", None), (A, "hello", None), (U, "edited", None)]));
        assert_eq!(merged, Merge { keep: 2, new_from: 2 });
    }

    #[test]
    fn ids_win_over_words() {
        let have = stored(&[(U, "hi", Some("m1")), (A, "hello", None)]);
        let answer = have[1].id.to_string();
        let again =
            sent(&[(U, "hi", Some("m1")), (A, "hello (as the client shows it)", Some(&answer)), (U, "x", Some("m3"))]);
        assert_eq!(merge(&have, &again), Merge { keep: 2, new_from: 2 });
        let edit = sent(&[(U, "hi there", Some("m1"))]);
        assert_eq!(merge(&have, &edit), Merge { keep: 0, new_from: 0 });
    }

    #[test]
    fn an_answer_that_went_on_is_one_message_to_its_client() {
        let mut have = stored(&[(U, "hi", Some("m1")), (A, "sure?", None), (A, "done", None)]);
        have[2].client_id = Some(have[1].client_name());
        let known = have[1].client_name();
        let again = sent(&[(U, "hi", Some("m1")), (A, "sure?done", Some(&known)), (U, "thanks", Some("m2"))]);
        assert_eq!(merge(&have, &again), Merge { keep: 3, new_from: 2 });
    }

    #[test]
    fn a_regenerated_answer_keeps_the_question() {
        let have = stored(&[(U, "hi", Some("m1")), (A, "hello", None)]);
        assert_eq!(merge(&have, &sent(&[(U, "hi", Some("m1"))])), Merge { keep: 1, new_from: 1 });
    }
}
