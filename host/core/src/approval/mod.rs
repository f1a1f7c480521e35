//! Approvals: a person confirms a write before the host makes the call.
//!
//! [`render`] writes the text that the person reads, from the call's own input. [`reply`] reads a yes or no in the
//! person's message. [`round`] holds the other calls of the same model message. [`Approvals`] creates, decides and
//! executes approvals. An approval is executed at most once. A decision rests on the stored row alone, never on text
//! that a model wrote.

pub mod render;
pub mod reply;
pub mod round;
mod service;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::round::Round;
pub use self::service::{ApprovalRequest, Approvals};
use crate::{
    connector::fault::{FaultKind, Remedy},
    error::StoreError,
    id::{ApprovalId, ConnectionId, ConversationId, KeyId, MessageId, OrganizationId},
    principal::{KeyKind, Principal},
    time::Timestamp,
};

/// How long a person may take to decide.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The state of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    Pending,
    /// A person approved, and the call is being made. If the host dies meanwhile, the approval stays in this state and
    /// isn't executed again, because the service may have received the call.
    Approved,
    Declined,
    Expired,
    /// The call succeeded.
    Executed,
    /// The call failed, or could no longer be made.
    Failed,
}

impl ApprovalState {
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Approved, Self::Declined, Self::Expired, Self::Executed, Self::Failed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Executed => "executed",
            Self::Failed => "failed",
        }
    }
}

/// The result of the call: its output or its error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Output(Value),
    /// The parts of a [`Fault`](crate::connector::fault::Fault). Rows of earlier versions have no remedy.
    Error {
        #[serde(deserialize_with = "stored_kind")]
        kind: FaultKind,
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<Remedy>,
    },
}

/// Reads a stored kind. One that this version doesn't know becomes `Internal`, because the approval has to stay readable:
/// its state and message say what the customer needs, and a conversation that holds it must be able to go on.
fn stored_kind<'de, D: serde::Deserializer<'de>>(stored: D) -> Result<FaultKind, D::Error> {
    let name = String::deserialize(stored)?;
    Ok(FaultKind::named(&name).unwrap_or(FaultKind::Internal))
}

/// A write that a person is asked to confirm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    pub id: ApprovalId,
    pub organization: OrganizationId,
    pub conversation: ConversationId,
    /// The answer that asks for it.
    pub message: MessageId,
    /// The host's id of the model's tool call.
    pub call: String,
    /// The API key of the chat that asked.
    pub key: KeyId,
    /// The visitor that the client acted for.
    pub visitor: Option<String>,
    pub connection: ConnectionId,
    /// The connection's revision when the question was asked. Another revision makes the approval void.
    pub revision: u64,
    /// When the account that the call uses was connected. An account connected at another time makes the approval void.
    pub authorized_at: Option<Timestamp>,
    pub action: String,
    /// The input of the call. It can't be changed after the question was asked.
    pub input: Value,
    /// The connection's name and the action's title, as [`render::title`] writes them.
    pub title: String,
    /// The text that the person reads, as [`render::text`] writes it.
    pub text: String,
    pub state: ApprovalState,
    pub decided_by: Option<KeyId>,
    pub decided_at: Option<Timestamp>,
    /// Why it was declined.
    pub reason: Option<String>,
    pub outcome: Option<Outcome>,
    /// The calls of the round that asked. Only the first approval of an answer has them. Other hosts don't get them: no
    /// reader of the answer sees them.
    #[serde(skip)]
    pub round: Round,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Approval {
    /// The approval in its state at `now`: a pending one whose time is over has expired.
    pub fn at(mut self, now: Timestamp) -> Self {
        if self.state == ApprovalState::Pending && self.expires_at <= now {
            self.state = ApprovalState::Expired;
        }
        self
    }
}

/// Who reads or decides an approval: a client with an API key of the approval's organization. Anyone can read a
/// publishable key off a web page, so such a key reaches only approvals that were asked for under it, or under a key
/// that it was rotated from or to.
///
/// An approval that was asked of a visitor is reached by that visitor only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatClient {
    pub organization: OrganizationId,
    pub key: KeyId,
    pub kind: KeyKind,
    /// The visitor that the client acts for.
    pub visitor: Option<String>,
}

impl ChatClient {
    pub fn new(principal: &Principal, visitor: Option<&str>) -> Self {
        Self {
            organization: principal.organization,
            key: principal.key,
            kind: principal.kind,
            visitor: visitor.map(str::to_owned),
        }
    }
}

/// A person's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Approve,
    Decline { reason: Option<String> },
}

/// A verdict with what the store needs to apply it.
#[derive(Clone, Debug)]
pub struct Decision {
    pub id: ApprovalId,
    pub person: ChatClient,
    pub verdict: Verdict,
    pub now: Timestamp,
}

/// The result of [`ApprovalStore::decide_approval`].
#[derive(Debug)]
pub enum Decided {
    /// It was pending; it now has the verdict's state, or is expired. An approval is returned so only once.
    First(Approval),
    /// It had been decided before and didn't change.
    Before(Approval),
    /// No approval with that id exists for this person.
    Unknown,
}

/// The port that stores approvals.
#[async_trait]
pub trait ApprovalStore: Send + Sync + 'static {
    /// Stores all approvals of one answer, or none when that fails.
    async fn create_approvals(&self, approvals: Vec<Approval>) -> Result<(), StoreError>;
    /// Finds an approval. `None` when it doesn't exist or this person may not see it.
    async fn approval(&self, person: &ChatClient, id: ApprovalId) -> Result<Option<Approval>, StoreError>;
    /// Decides an approval in one conditional statement, so only one of several decisions at once finds it pending.
    async fn decide_approval(&self, decision: Decision) -> Result<Decided, StoreError>;
    /// Stores the outcome of an approved call. Only the first outcome is kept.
    async fn settle_approval(
        &self,
        organization: OrganizationId,
        id: ApprovalId,
        outcome: Outcome,
    ) -> Result<(), StoreError>;
}
