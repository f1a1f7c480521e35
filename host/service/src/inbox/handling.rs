//! How agents keep their inbox: notes, tags, snoozing, merging, who is available, and the same for many conversations.

use std::time::Duration;

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConversationId, OrganizationId, PersonId, RowId},
    ticket::{TAG_BYTES, TAGS},
    time::Timestamp,
};
use resly_store::{
    CannedReply, ConversationNote, ConversationQuery, ConversationRecord, ConversationSummary, HandoverError,
    MergeError, NoteError, TagChange,
};
use uuid::Uuid;

use super::conversations::{self, end_answer};
use crate::{App, FieldError};

/// The longest note, in bytes.
pub const NOTE_BYTES: usize = 10_000;
/// How far ahead a conversation may be snoozed.
pub const SNOOZE_MOST: Duration = Duration::from_secs(366 * 24 * 3600);
/// Conversations that are changed at once.
pub const BULK_MOST: usize = 200;

/// Other conversations of a visitor that are offered for a merge.
const OTHERS: u32 = 20;

/// What an agent has before them.
pub struct Desk {
    pub record: ConversationRecord,
    /// The newest other conversations of the visitor that go on by themselves.
    pub others: Vec<ConversationSummary>,
    pub canned_replies: Vec<CannedReply>,
}

/// A conversation with what an agent may need for it. `None` when there is no such conversation.
#[boxed]
pub async fn desk(app: &App, organization: OrganizationId, id: ConversationId) -> Result<Option<Desk>, StoreError> {
    let Some(record) = app.store.conversation(organization, id).await? else { return Ok(None) };
    let others = match &record.visitor {
        Some(visitor) => {
            let query =
                ConversationQuery { visitor: Some(visitor.clone()), limit: OTHERS, ..ConversationQuery::default() };
            app.store.find_conversations(organization, query).await?
        }
        None => Vec::new(),
    };
    let others = others.into_iter().filter(|other| other.id != id && other.merged_into.is_none()).collect();
    let canned_replies = app.store.canned_replies(organization).await?;
    Ok(Some(Desk { record, others, canned_replies }))
}

/// Why something wasn't kept of a conversation.
#[derive(Debug, thiserror::Error)]
pub enum HandlingError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Handover(#[from] HandoverError),
}

impl HandlingError {
    fn invalid(path: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(path, message)])
    }
}

/// Adds a note, which neither the visitor nor the assistant sees.
#[boxed]
pub async fn note(
    app: &App,
    organization: OrganizationId,
    conversation: ConversationId,
    author: Option<Uuid>,
    body: &str,
) -> Result<ConversationNote, HandlingError> {
    if body.trim().is_empty() || body.len() > NOTE_BYTES {
        return Err(HandlingError::invalid("note", format!("1 to {NOTE_BYTES} bytes are expected")));
    }
    let created_at = app.clock.now();
    let note = ConversationNote { id: RowId(app.random.uuid(created_at)), author, body: body.to_owned(), created_at };
    app.store.add_conversation_note(organization, conversation, note.clone()).await?;
    Ok(note)
}

/// Adds and removes tags. Returns those that the conversation has then.
#[boxed]
pub async fn tag(
    app: &App,
    organization: OrganizationId,
    conversation: ConversationId,
    add: Vec<String>,
    remove: Vec<String>,
) -> Result<Vec<String>, HandlingError> {
    let add: Vec<String> = add.iter().map(|tag| tag.trim().to_owned()).collect();
    let is_bad = |tag: &String| tag.is_empty() || tag.len() > TAG_BYTES || tag.chars().any(char::is_control);
    if add.len() > TAGS || remove.len() > TAGS || add.iter().any(is_bad) {
        let message = format!("at most {TAGS} tags of 1 to {TAG_BYTES} bytes without control characters are expected");
        return Err(HandlingError::invalid("tags", message));
    }
    let change = TagChange { organization, conversation, add, remove, most: TAGS, now: app.clock.now() };
    Ok(app.store.tag_conversation(change).await?)
}

/// Lets a conversation rest until a time, or with `None` ends that. The visitor's next message ends it as well.
#[boxed]
pub async fn snooze(
    app: &App,
    organization: OrganizationId,
    conversation: ConversationId,
    until: Option<Timestamp>,
) -> Result<(), HandlingError> {
    let now = app.clock.now();
    if until.is_some_and(|until| until <= now || until > now.plus(SNOOZE_MOST)) {
        return Err(HandlingError::invalid("until", "a time within the next year is expected"));
    }
    Ok(app.store.snooze_conversation(organization, conversation, until, now).await?)
}

/// Merges a conversation into another one of the same visitor, where it goes on.
#[boxed]
pub async fn merge(
    app: &App,
    organization: OrganizationId,
    from: ConversationId,
    into: ConversationId,
) -> Result<(), HandlingError> {
    app.store.merge_conversations(organization, from, into, app.clock.now()).await?;
    end_answer(app, organization, from);
    Ok(())
}

/// Says whether a member answers visitors now. False when the person isn't a member.
#[boxed]
pub async fn set_availability(
    app: &App,
    organization: OrganizationId,
    person: PersonId,
    available: bool,
) -> Result<bool, StoreError> {
    app.store.set_availability(organization, person, available).await
}

/// What is done to many conversations.
#[derive(Clone, Debug)]
pub enum BulkAction {
    Close,
    Assign(Uuid),
    Tag(String),
}

/// What became of a change of many conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkOutcome {
    pub changed: usize,
    /// Those that aren't there, that another agent has, or that can't have it.
    pub left: usize,
}

/// Does the same to many conversations, one after the other. One that can't be changed is left as it is.
#[boxed]
pub async fn change_many(
    app: &App,
    organization: OrganizationId,
    of: Vec<ConversationId>,
    action: BulkAction,
) -> Result<BulkOutcome, HandlingError> {
    if of.is_empty() || of.len() > BULK_MOST {
        return Err(HandlingError::invalid("conversations", format!("1 to {BULK_MOST} conversations are expected")));
    }
    let mut outcome = BulkOutcome::default();
    for id in of {
        let done = match &action {
            BulkAction::Close => conversations::close(app, organization, id).await.map_err(HandlingError::from),
            BulkAction::Assign(member) => {
                let assigned = conversations::assign(app, organization, id, Some(*member), None).await;
                assigned.map_err(HandlingError::from)
            }
            BulkAction::Tag(tag) => self::tag(app, organization, id, vec![tag.clone()], Vec::new()).await.map(drop),
        };
        match done {
            Ok(()) => outcome.changed += 1,
            Err(
                error @ (HandlingError::Invalid(_)
                | HandlingError::Handover(HandoverError::Store(_))
                | HandlingError::Note(NoteError::Store(_))),
            ) => return Err(error),
            Err(_) => outcome.left += 1,
        }
    }
    Ok(outcome)
}
