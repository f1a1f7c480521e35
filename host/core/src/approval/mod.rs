//! Approvals: a write that a model wants waits for a person, who sees what the host rendered from the call's own input.
//!
//! One approval is one execution, ever. [`Approvals`] asks, decides and executes; [`render`] writes what the person reads;
//! [`words`] reads what the person says; [`round`] keeps what the model did beside it. Nothing that a model writes is part of a decision: an approval is known by its
//! stored row alone.

pub mod render;
pub mod round;
mod service;
pub mod words;

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

/// How long a person may think about it.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Where an approval is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    Pending,
    /// A person said yes, and the call is being made. It stays here when the host dies meanwhile: whether the service saw
    /// the call isn't known then, and it is not made again.
    Approved,
    Declined,
    Expired,
    /// The call was made and went well.
    Executed,
    /// The call was made and failed, or couldn't be made any more.
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

/// What came of the call: its output, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Output(Value),
    /// The fault's parts. What an earlier version stored has no remedy.
    Error {
        #[serde(deserialize_with = "stored_kind")]
        kind: FaultKind,
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remedy: Option<Remedy>,
    },
}

/// A kind that this version doesn't know is the host's own fault.
fn stored_kind<'de, D: serde::Deserializer<'de>>(stored: D) -> Result<FaultKind, D::Error> {
    let name = String::deserialize(stored)?;
    Ok(FaultKind::named(&name).unwrap_or(FaultKind::Internal))
}

/// A write that a person was asked to confirm.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    pub id: ApprovalId,
    pub organization: OrganizationId,
    pub conversation: ConversationId,
    /// The answer that asks.
    pub message: MessageId,
    /// What the model calls its call.
    pub call: String,
    /// The key under which the model was asked.
    pub key: KeyId,
    /// Whom the client said it asked for.
    pub visitor: Option<String>,
    pub connection: ConnectionId,
    /// The connection's revision when it was asked: another one voids the approval.
    pub revision: u64,
    /// When the account that the call uses was connected then: another one voids the approval, too.
    pub authorized_at: Option<Timestamp>,
    pub action: String,
    /// What the action will be called with: this, and nothing else.
    pub input: Value,
    /// Connection and action, as the host shows them.
    pub title: String,
    /// All that the person has to know, as the host wrote it.
    pub text: String,
    pub state: ApprovalState,
    pub decided_by: Option<KeyId>,
    pub decided_at: Option<Timestamp>,
    /// Why it was declined.
    pub reason: Option<String>,
    pub outcome: Option<Outcome>,
    /// Of the first approval of an answer: the round of calls that asked.
    pub round: Round,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Approval {
    /// The approval as it counts at `now`: what nobody decided in time has expired.
    pub fn at(mut self, now: Timestamp) -> Self {
        if self.state == ApprovalState::Pending && self.expires_at <= now {
            self.state = ApprovalState::Expired;
        }
        self
    }
}

/// Who reads an approval, or decides it: somebody who may chat, under a key of the approval's organization. A publishable
/// key, which anyone can read off a page, reaches only what was asked under it or a key that it was rotated from or to.
///
/// What was asked of a visitor is that visitor's: whoever names another one, or nobody, doesn't reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatClient {
    pub organization: OrganizationId,
    pub key: KeyId,
    pub kind: KeyKind,
    /// Whom the client says it speaks for.
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

/// What a person says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Approve,
    Decline { reason: Option<String> },
}

/// A verdict on its way to the store.
#[derive(Clone, Debug)]
pub struct Decision {
    pub id: ApprovalId,
    pub person: ChatClient,
    pub verdict: Verdict,
    pub now: Timestamp,
}

/// What a decision found.
#[derive(Debug)]
pub enum Decided {
    /// It was pending, and is now what the verdict says, or expired. Only one decision of an approval ever gets this.
    First(Approval),
    /// It had been decided before, and is as it was.
    Before(Approval),
    /// There is none with that id that this person may know of.
    Unknown,
}

/// Where approvals are kept.
#[async_trait]
pub trait ApprovalStore: Send + Sync + 'static {
    /// Keeps all that one answer asks, or none of it.
    async fn create_approvals(&self, approvals: Vec<Approval>) -> Result<(), StoreError>;
    /// `None` for what this person may not know of, as for what never was.
    async fn approval(&self, person: &ChatClient, id: ApprovalId) -> Result<Option<Approval>, StoreError>;
    /// Decides it, in one conditional statement: of any number of decisions at once, one finds it pending.
    async fn decide_approval(&self, decision: Decision) -> Result<Decided, StoreError>;
    /// Says what came of an approved one. The first outcome counts.
    async fn settle_approval(
        &self,
        organization: OrganizationId,
        id: ApprovalId,
        outcome: Outcome,
    ) -> Result<(), StoreError>;
}
