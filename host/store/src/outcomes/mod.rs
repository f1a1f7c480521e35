//! Outcomes of conversations, and what dashboards sum up of them.
//!
//! A job derives all of it from what is stored ([`work`]), so that a chat pays nothing. A row of `conversation_outcomes` and its
//! share of the sums in `outcome_days` change in one transaction ([`days`]), so that a number and the list behind it always
//! agree. [`read`] is what pages ask for.

mod calls;
mod days;
mod put;
mod questions;
mod ratings;
mod read;
mod work;

use resly_core::{
    id::{ConversationId, KeyId, MessageId, OrganizationId},
    outcome::{Facts, Gap, Judgement},
    time::Timestamp,
};
use uuid::Uuid;

pub(crate) use self::days::forget;
pub use self::{
    calls::{CallSum, CallSums},
    questions::{QuestionGroup, StoredQuestion},
    read::{ListedOutcome, OutcomeFilter, OutcomeGrouping, OutcomeQuery, OutcomeSum, OutcomeSums},
};
#[cfg(test)]
pub(crate) use self::{days::FORGET, read::list, work::DUE};
use crate::{
    page::Cursor,
    types::{Id, Json},
};

/// An organization's outcomes that this host computes, under a lease.
#[derive(Clone, Debug)]
pub struct OutcomeWork {
    pub organization: OrganizationId,
    pub(crate) lease: Uuid,
    /// Up to where conversations were looked at, in the order of their changes.
    pub seen: Cursor,
    /// Outcomes that were computed before are computed again.
    pub(crate) redo_at: Timestamp,
    /// Up to where the log of calls was counted.
    pub(crate) logged: Cursor,
}

/// A conversation whose outcome is due.
#[derive(Clone, Debug)]
pub struct DueConversation {
    pub id: ConversationId,
    pub started_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// The first key of a chain of rotations.
    pub key: KeyId,
    pub tags: Vec<String>,
    pub facts: Facts,
    /// The beginnings of the visitor's messages.
    pub questions: Vec<(MessageId, String)>,
}

/// Conversations to judge.
#[derive(Clone, Debug)]
pub struct OutcomeBatch {
    pub conversations: Vec<DueConversation>,
    /// Up to where conversations were looked at then.
    pub seen: Cursor,
    /// Whether there may be more.
    pub more: bool,
}

/// What the rules said of a conversation.
#[derive(Clone, Debug)]
pub struct NewOutcome {
    pub conversation: DueConversation,
    pub judgement: Judgement,
    pub rules_version: u64,
    /// BCP-47; `und` where it isn't known.
    pub language: &'static str,
    pub unanswered: Vec<NewQuestion>,
}

/// A question that the knowledge didn't answer.
#[derive(Clone, Debug)]
pub struct NewQuestion {
    pub id: MessageId,
    pub answer: MessageId,
    pub text: String,
    pub language: &'static str,
    pub gap: Gap,
    pub asked_at: Timestamp,
}

/// What a row of `conversation_outcomes` adds to the sums.
#[derive(Clone, Debug, sqlx_macros::FromRow)]
pub(crate) struct OutcomeRow {
    day: String,
    key_id: Id,
    language: String,
    outcome: String,
    tags: Json<Vec<String>>,
    person: bool,
    reopened: bool,
    messages: i64,
    answers: i64,
    unanswered: i64,
    rated_up: i64,
    rated_down: i64,
    first_answer_ms: Option<i64>,
}

/// The day in UTC, such as `2026-11-30`.
pub(crate) fn day_of(at: Timestamp) -> String {
    let mut text = at.to_string();
    text.truncate(10);
    text
}
