//! Where turns are kept: one method for each moment of a turn that must be one transaction.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    approval::ChatClient,
    conversation::{ClientMessage, Message, MessageStatus},
    error::StoreError,
    id::{ConversationId, KeyId, MessageId, OrganizationId, TicketId},
    knowledge::Citation,
    meter::{LimitReached, Remaining},
    model::{FinishReason, TokenUsage},
    time::Timestamp,
};

/// Which conversation a client means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationRef {
    /// None yet.
    New,
    /// `conversationId`: one that this organization has, and that is no other visitor's.
    Id(ConversationId),
    /// `id`: the client's own name for it, under its key and visitor. Made when it isn't there.
    Named(String),
}

/// A question to accept.
#[derive(Clone, Debug)]
pub struct NewTurn {
    pub organization: OrganizationId,
    pub key: KeyId,
    /// The key's own cap on messages in a period.
    pub key_cap: Option<u64>,
    pub conversation: ConversationRef,
    /// The id to give a conversation that has to be made.
    pub new_conversation: ConversationId,
    /// Whom the client asks for. A conversation that has no visitor yet becomes theirs.
    pub visitor: Option<String>,
    /// The client's history without `system` messages; the last one is the user's. Empty when an answer is continued.
    pub messages: Vec<ClientMessage>,
    /// The answer that this one goes on from: what follows it is replaced, and the client knows both by one id.
    pub continues: Option<MessageId>,
    /// Ids for the messages that turn out to be new, at least as many as `messages`.
    pub message_ids: Vec<MessageId>,
    /// The answer's id, which is the turn's.
    pub answer: MessageId,
    pub idempotency: Option<Idempotency>,
    pub now: Timestamp,
    /// Until when the turn counts as alive without a sign of life.
    pub lease_until: Timestamp,
}

/// An `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), scoped to the API key and the visitor.
#[derive(Clone, Debug)]
pub struct Idempotency {
    pub key: String,
    /// SHA-256 of what the request means.
    pub fingerprint: [u8; 32],
}

/// A question that was accepted: it is stored, and counted.
#[derive(Clone, Debug)]
pub struct AcceptedTurn {
    pub conversation: ConversationId,
    pub answer: MessageId,
    /// The whole conversation up to and with the new question, or the answer that is continued, oldest first.
    pub history: Vec<Message>,
    /// What is left of the tightest limit on messages, for the response's header fields.
    pub remaining: Option<Remaining>,
}

#[derive(Debug)]
pub enum BeginTurn {
    Accepted(AcceptedTurn),
    /// The same request was answered before: nothing is counted, the stored answer is given again.
    Replay(Message),
}

/// The most messages that one request may add to a conversation: it counts as one, and each is kept.
pub const NEW_MESSAGES_MOST: usize = 100;

#[derive(Debug, thiserror::Error)]
pub enum BeginTurnError {
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// There is no such conversation, or it is another organization's or visitor's: they look the same.
    #[error("there is no such conversation")]
    NoConversation,
    /// Nothing that this caller may know of asked for such an approval, or what asked was replaced since.
    #[error("there is no such approval")]
    NoApproval,
    /// A request makes the host store at most [`NEW_MESSAGES_MOST`].
    #[error(
        "the history brings {new} messages that aren't stored yet, and a request may bring {NEW_MESSAGES_MOST}; go on with \
         `conversationId` and send the new ones only"
    )]
    TooManyNew { new: usize },
    #[error("a request with this idempotency key is still being answered")]
    InFlight {
        /// The answer that is being written, where it is known.
        answer: Option<MessageId>,
        /// When its host counts as dead, unless it gives a sign of life before.
        lease_left: Duration,
    },
    #[error("this idempotency key was used for another request")]
    KeyReused,
    #[error("the organization's subscription has ended")]
    SubscriptionEnded,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An answer to store.
#[derive(Clone, Debug)]
pub struct FinishedTurn {
    pub organization: OrganizationId,
    pub answer: MessageId,
    pub content: String,
    pub status: MessageStatus,
    /// Why it ended; `None` when it failed.
    pub finish: Option<FinishReason>,
    pub citations: Vec<Citation>,
    pub steps: Vec<Value>,
    pub usage: TokenUsage,
    /// Gives the message back to the meter: only for a turn that failed before its first byte.
    pub refund: bool,
    pub now: Timestamp,
}

/// A ticket that a turn opened.
#[derive(Clone, Debug)]
pub struct NewTicket {
    pub id: TicketId,
    pub organization: OrganizationId,
    pub conversation: Option<ConversationId>,
    pub subject: String,
    pub body: String,
    pub now: Timestamp,
}

#[async_trait]
pub trait TurnStore: Send + Sync + 'static {
    /// Accepts a question in one transaction: checks the idempotency key, counts one message against the organization
    /// and the key, finds or makes the conversation, stores what [`crate::conversation::merge`] says is new, and
    /// inserts the empty answer as `streaming`.
    ///
    /// A request with the idempotency key of a turn that was `interrupted` or `failed` is run again under the same
    /// key; an interrupted one stays counted once.
    async fn begin_turn(&self, turn: NewTurn) -> Result<BeginTurn, BeginTurnError>;
    /// Stores the answer. Idempotent: the first end counts.
    async fn finish_turn(&self, turn: FinishedTurn) -> Result<(), StoreError>;
    /// Says that a turn is alive.
    async fn renew_turn(
        &self,
        organization: OrganizationId,
        answer: MessageId,
        lease_until: Timestamp,
    ) -> Result<(), StoreError>;
    /// A search: counts one message, returns what is left.
    async fn count_search(
        &self,
        organization: OrganizationId,
        key: KeyId,
        key_cap: Option<u64>,
        now: Timestamp,
    ) -> Result<Option<Remaining>, BeginTurnError>;
    async fn message(&self, organization: OrganizationId, id: MessageId) -> Result<Option<Message>, StoreError>;
    /// The conversation that a client names, by its own name for it under its key and visitor, or by id: one of its key,
    /// or one in which a turn of its key runs. A secret key reaches those of all keys. A visitor's is that visitor's alone.
    async fn find_conversation(&self, person: &ChatClient, name: &str) -> Result<Option<ConversationId>, StoreError>;
    /// The newest answer of a conversation that a host is writing. One whose lease is over is nobody's.
    async fn answer_in_progress(
        &self,
        organization: OrganizationId,
        conversation: ConversationId,
        now: Timestamp,
    ) -> Result<Option<MessageId>, StoreError>;
    /// Asks the host that writes an answer, whichever it is, to cancel it.
    async fn request_cancel(&self, organization: OrganizationId, answer: MessageId) -> Result<(), StoreError>;
    /// The answers in progress, on all hosts, that somebody asked to cancel.
    async fn cancel_requests(&self) -> Result<Vec<MessageId>, StoreError>;
    async fn create_ticket(&self, ticket: NewTicket) -> Result<(), StoreError>;
}
