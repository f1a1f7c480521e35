//! Hand-over: a person of the organization answers a conversation in the assistant's place, until it is given back.
//!
//! It is a state of the conversation, never a phrase in an answer. While a person has the conversation, the assistant
//! doesn't answer in it: `store/src/turns` compares the state in the transactions that accept a question and that store
//! an answer.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::{
    id::{ConversationId, MessageId, OrganizationId},
    model::Role,
    time::Timestamp,
};

/// The most bytes of a summary.
pub const SUMMARY_BYTES: usize = 4_000;
/// Messages that a summary shows, and bytes of each.
const SHOWN: usize = 8;
const SHOWN_BYTES: usize = 400;

/// Who answers in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConversationState {
    /// The assistant.
    Ai,
    /// It was handed over, and nobody has taken it yet.
    Waiting,
    /// An agent has it.
    Agent,
    /// It is settled. The visitor's next message opens it again, for the assistant.
    Closed,
}

impl ConversationState {
    pub const ALL: [Self; 4] = [Self::Ai, Self::Waiting, Self::Agent, Self::Closed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ai => "ai",
            Self::Waiting => "waiting",
            Self::Agent => "agent",
            Self::Closed => "closed",
        }
    }

    /// Whether a person answers, or will.
    pub fn is_handed_over(self) -> bool {
        matches!(self, Self::Waiting | Self::Agent)
    }
}

/// The note below an answer that a person cut off by taking over.
pub const TAKEN_OVER: &str = "[The answer ends here: a person of our team has taken over and will answer you.]";

/// Who asked for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HandoverSource {
    Visitor,
    /// A workflow rule.
    Rule,
    /// The model, by its tool.
    Model,
    /// An agent, who took it.
    Agent,
}

impl HandoverSource {
    pub fn name(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Rule => "rule",
            Self::Model => "model",
            Self::Agent => "agent",
        }
    }
}

/// A request for a person.
#[derive(Clone, Debug)]
pub struct HandOver {
    pub organization: OrganizationId,
    pub conversation: ConversationId,
    pub by: HandoverSource,
    /// For the agent. The last messages when absent.
    pub summary: Option<String>,
    /// The answer that asks, which is finished. Others that are being written are cut off.
    pub answer: Option<MessageId>,
    pub now: Timestamp,
}

/// Who answers now, and what to tell the visitor of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    pub state: ConversationState,
    /// In the visitor's language.
    pub notice: &'static str,
}

/// The last messages in short, for an agent who takes the conversation.
pub fn summary<'m>(messages: impl DoubleEndedIterator<Item = &'m Message>) -> String {
    let said = messages.rev().filter(|message| !message.content.trim().is_empty()).take(SHOWN);
    let mut lines: Vec<String> = said
        .map(|message| {
            let who = match message.role {
                Role::User => "Visitor",
                Role::Assistant => "Assistant",
                Role::Agent => "Agent",
            };
            let text = message.content.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{who}: {}", cut(&text, SHOWN_BYTES))
        })
        .collect();
    lines.reverse();
    lines.join("\n")
}

/// The beginning of a text, with a mark where it was cut.
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", text[..text.floor_char_boundary(most)].trim_end())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::conversation::MessageStatus;

    fn message(role: Role, content: &str) -> Message {
        Message {
            id: MessageId(Uuid::nil()),
            conversation_id: ConversationId(Uuid::nil()),
            client_id: None,
            role,
            author: None,
            content: content.to_owned(),
            status: MessageStatus::Complete,
            finish: None,
            citations: vec![],
            steps: vec![],
            usage: None,
            created_at: Timestamp::from_micros(0),
            superseded_at: None,
        }
    }

    #[test]
    fn a_summary_has_the_last_messages_in_order_and_in_short() {
        let mut said: Vec<_> = (0..9).map(|n| message(Role::User, &format!("question\n{n}"))).collect();
        said.push(message(Role::Assistant, &"ü".repeat(SHOWN_BYTES)));
        said.push(message(Role::Assistant, "  "));
        said.push(message(Role::Agent, "I look into it."));
        let text = summary(said.iter());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), SHOWN);
        assert_eq!((lines[0], lines[SHOWN - 1]), ("Visitor: question 3", "Agent: I look into it."));
        assert!(lines[SHOWN - 2].ends_with("ü…") && text.len() < SUMMARY_BYTES);
    }

    #[test]
    fn names_are_those_that_are_stored() {
        for state in ConversationState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        assert_eq!(serde_json::to_value(MessageStatus::HandedOver).unwrap(), MessageStatus::HandedOver.name());
        assert!(HandoverSource::Rule.name() == "rule" && !ConversationState::Waiting.notice().is_empty());
    }
}
