//! The port that stores turns. Each method is one transaction.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    approval::ChatClient,
    conversation::{
        ClientMessage, Message, MessageStatus,
        handover::{ConversationState, HandOver, HandedOver},
    },
    error::StoreError,
    id::{ConversationId, HostId, KeyId, MessageId, OrganizationId, TicketId},
    knowledge::Citation,
    load::Overloaded,
    meter::{LimitReached, Remaining},
    model::{FinishReason, TokenUsage},
    time::Timestamp,
};

/// The conversation that a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationRef {
    /// A new conversation.
    New,
    /// `conversationId`: a conversation of this organization that belongs to no other visitor.
    Id(ConversationId),
    /// `id`: the client's own name for it, per API key and visitor. The conversation is created when there is none.
    Named(String),
}

/// A question to store.
#[derive(Clone, Debug)]
pub struct NewTurn {
    /// The host that runs the turn.
    pub host: HostId,
    pub organization: OrganizationId,
    pub key: KeyId,
    /// The API key's own limit on messages in a period.
    pub key_cap: Option<u64>,
    /// The API key's limit on messages of each visitor in a day.
    pub visitor_cap: Option<u64>,
    pub conversation: ConversationRef,
    /// The id for the conversation if one is created.
    pub new_conversation: ConversationId,
    /// The visitor that the client acts for. A conversation without a visitor is assigned to this one.
    pub visitor: Option<String>,
    /// The client's history without `system` messages. The last one is the user's. Empty when an answer is continued.
    pub messages: Vec<ClientMessage>,
    /// The answer that this turn continues. Messages after it are replaced. The client knows both answers by one id.
    pub continues: Option<MessageId>,
    /// Ids for the messages that turn out to be new, at least as many as `messages`.
    pub message_ids: Vec<MessageId>,
    /// The id of the answer; it also identifies the turn.
    pub answer: MessageId,
    pub idempotency: Option<Idempotency>,
    pub now: Timestamp,
    /// When the lease ends unless it is renewed.
    pub lease_until: Timestamp,
}

/// An `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), scoped to the API key and the visitor.
#[derive(Clone, Debug)]
pub struct Idempotency {
    pub key: String,
    /// SHA-256 of the request's meaning. Another request under the same key is refused by it.
    pub fingerprint: [u8; 32],
}

/// A question that is stored and counted.
#[derive(Clone, Debug)]
pub struct AcceptedTurn {
    pub conversation: ConversationId,
    pub answer: MessageId,
    /// The conversation, oldest message first, up to the new question or the continued answer.
    pub history: Vec<Message>,
    /// What is left of the tightest limit on messages, for the response's headers.
    pub remaining: Option<Remaining>,
}

#[derive(Debug)]
pub enum BeginTurn {
    Accepted(AcceptedTurn),
    /// The request was answered before. Nothing is counted, and the stored answer is sent again.
    Replay(Message),
    /// A person answers in this conversation. The question is stored and counted, and this notice is its answer.
    HandedOver {
        notice: Message,
        state: ConversationState,
        remaining: Option<Remaining>,
    },
}

/// The most new messages in one request. The request counts as one message, but each of them is stored.
pub const NEW_MESSAGES_MOST: usize = 100;

#[derive(Debug, thiserror::Error)]
pub enum BeginTurnError {
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// No such conversation exists for this caller. One of another organization or visitor gives the same error.
    #[error("there is no such conversation")]
    NoConversation,
    /// No such approval exists for this caller, or the answer that asked was replaced.
    #[error("there is no such approval")]
    NoApproval,
    /// The request has more than [`NEW_MESSAGES_MOST`] new messages.
    #[error(
        "the history brings {new} messages that aren't stored yet, and a request may bring {NEW_MESSAGES_MOST}; go on with \
         `conversationId` and send the new ones only"
    )]
    TooManyNew { new: usize },
    #[error("a request with this idempotency key is still being answered")]
    InFlight {
        /// The id of the answer in progress, if it is known.
        answer: Option<MessageId>,
        /// The time until the lease ends, unless its host renews it.
        lease_left: Duration,
    },
    #[error("this idempotency key was used for another request")]
    KeyReused,
    #[error("the organization's subscription has ended")]
    SubscriptionEnded,
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BeginTurnError {
    /// The kind, as traces name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Limit(_) => "limit_reached",
            Self::NoConversation => "no_conversation",
            Self::NoApproval => "no_approval",
            Self::TooManyNew { .. } => "too_many_new",
            Self::InFlight { .. } => "in_flight",
            Self::KeyReused => "key_reused",
            Self::SubscriptionEnded => "subscription_ended",
            Self::Overloaded(_) => "overloaded",
            Self::Store(_) => "store",
        }
    }
}

/// An answer to store.
#[derive(Clone, Debug)]
pub struct FinishedTurn {
    /// The host that ran the turn. Another host may have ended the turn for it since.
    pub host: HostId,
    pub organization: OrganizationId,
    pub answer: MessageId,
    pub content: String,
    pub status: MessageStatus,
    /// Why the model stopped. `None` when the turn failed.
    pub finish: Option<FinishReason>,
    pub citations: Vec<Citation>,
    pub steps: Vec<Value>,
    pub usage: TokenUsage,
    /// Takes the message off the usage again. Only for a turn that failed before the customer got any text.
    pub refund: bool,
    pub now: Timestamp,
}

/// An answer that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerInProgress {
    pub answer: MessageId,
    pub writer: AnswerWriter,
}

/// The host that writes an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerWriter {
    /// `None` when an older version of the host began the turn.
    pub host: Option<HostId>,
    /// Where other hosts reach it, such as `http://10.0.0.5:8080`. `None` when it has no such address.
    pub url: Option<String>,
    /// Whether its lease and the turn's are valid. A host without a valid lease may still be running.
    pub alive: bool,
}

/// What became of an answer that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishOutcome {
    /// It is stored, by this attempt or by an earlier one.
    Stored,
    /// The host was too slow: its lease ended, and the request was repeated, so that another answer took this one's place, or
    /// another host ended the answer.
    Superseded,
    /// A person took the conversation over meanwhile. What was written is kept, as an interrupted answer.
    HandedOver,
}

/// A support ticket that a turn opens.
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
    /// Accepts a question in one transaction. It checks the idempotency key and counts one message for the organization
    /// and the key. It finds or creates the conversation, stores the messages that [`crate::conversation::merge`] finds
    /// new, and inserts an empty answer with status `streaming`.
    ///
    /// A turn that was `interrupted` or `failed` runs again when its idempotency key is repeated. An interrupted one
    /// isn't counted a second time.
    async fn begin_turn(&self, turn: NewTurn) -> Result<BeginTurn, BeginTurnError>;
    /// Stores the answer. Idempotent: only the first call for an answer has an effect, and none after another host has
    /// ended the turn by [`TurnStore::end_for_gone_host`].
    async fn finish_turn(&self, turn: FinishedTurn) -> Result<FinishOutcome, StoreError>;
    /// Renews the lease of a running turn.
    async fn renew_turn(
        &self,
        organization: OrganizationId,
        answer: MessageId,
        lease_until: Timestamp,
    ) -> Result<(), StoreError>;
    /// Counts a search as one message, and returns what is left of the limit.
    async fn count_search(
        &self,
        organization: OrganizationId,
        key: KeyId,
        key_cap: Option<u64>,
        now: Timestamp,
    ) -> Result<Option<Remaining>, BeginTurnError>;
    async fn message(&self, organization: OrganizationId, id: MessageId) -> Result<Option<Message>, StoreError>;
    /// Finds a conversation by the client's name for it (per key and visitor) or by id. A publishable key reaches
    /// conversations of its own and those in which a turn of its key runs. A secret key reaches those of all keys. A
    /// visitor's conversation is reached by that visitor only.
    async fn find_conversation(&self, person: &ChatClient, name: &str) -> Result<Option<ConversationId>, StoreError>;
    /// The newest answer of a conversation that is being written. An answer whose lease has ended doesn't count.
    async fn answer_in_progress(
        &self,
        organization: OrganizationId,
        conversation: ConversationId,
        now: Timestamp,
    ) -> Result<Option<AnswerInProgress>, StoreError>;
    /// The host that writes an answer. `None` when the answer has ended.
    async fn answer_writer(
        &self,
        organization: OrganizationId,
        answer: MessageId,
        now: Timestamp,
    ) -> Result<Option<AnswerWriter>, StoreError>;
    /// Ends an answer as interrupted for the host `gone`, which no longer runs. The turn then belongs to the host `by`, so
    /// that `gone` can't store another end if it does run. Nothing happens when the answer has ended.
    async fn end_for_gone_host(
        &self,
        organization: OrganizationId,
        answer: MessageId,
        gone: HostId,
        by: HostId,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// Asks the host that writes an answer to cancel it, whichever host that is.
    async fn request_cancel(&self, organization: OrganizationId, answer: MessageId) -> Result<(), StoreError>;
    /// The answers in progress, on all hosts, that somebody asked to cancel.
    async fn cancel_requests(&self) -> Result<Vec<MessageId>, StoreError>;
    async fn create_ticket(&self, ticket: NewTicket) -> Result<(), StoreError>;
    /// Hands a conversation over to the people of its organization, and cuts off answers in it that are being written.
    /// Nothing changes when a person has it or is awaited. Returns who answers now, or `None` when there is no such conversation.
    async fn hand_over(&self, request: HandOver) -> Result<Option<HandedOver>, StoreError>;
}
