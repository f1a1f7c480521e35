//! Who answers in a conversation: the assistant, or an agent who took it over. Each change is one transaction, which locks
//! the conversation first. `handover/notice.rs` has what the visitor is told, `handover/pass_on.rs` what a merge does.

mod notice;
mod pass_on;

use resly_core::{
    alert::{Event, conversation_data, payload},
    boxed,
    conversation::{
        Message, MessageStatus,
        handover::{ConversationState, HandOver, HandedOver, HandoverSource, summary},
        notice::DetectLanguage,
    },
    error::StoreError,
    id::{ConversationId, MessageId, OrganizationId},
    model::Role,
    time::Timestamp,
};
use serde::Serialize;
use uuid::Uuid;

pub(crate) use self::{notice::notice_for, pass_on::pass_on};
use crate::{
    Store,
    audit::{Author, Subject, view},
    error::{OperationError, unexpected},
    mails, messages,
    recover::{self, DeadTurn},
    sql::{Conn, execute, row, rows},
    types::{Id, Text, Time, named, without_nul},
    webhooks,
};

/// Why a conversation isn't changed.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    #[error("there is no such conversation")]
    Missing,
    #[error("another agent has this conversation")]
    Taken {
        /// The member who has it.
        by: Uuid,
    },
    #[error("no agent has this conversation; take it over first")]
    NotTaken { state: ConversationState },
    #[error("the conversation was merged into another one; go on there")]
    Merged,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An agent takes a conversation, or gives it to another one.
#[derive(Clone, Debug)]
pub struct Assignment {
    pub organization: OrganizationId,
    pub conversation: ConversationId,
    /// Who gets it. `None`: somebody whom the organization doesn't name here.
    pub assignee: Option<Uuid>,
    /// Who may have it now. It is taken from nobody else.
    pub from: Option<Uuid>,
    pub now: Timestamp,
}

/// What an agent says.
#[derive(Clone, Debug)]
pub struct AgentReply {
    pub organization: OrganizationId,
    pub conversation: ConversationId,
    pub id: MessageId,
    /// `None`: somebody whom the organization doesn't name here.
    pub author: Option<Uuid>,
    pub content: String,
    pub now: Timestamp,
}

type Outcome<T> = Result<T, OperationError<HandoverError>>;

impl Store {
    /// Gives a conversation to an agent, and cuts off answers in it that are being written. Of two who take it at once, one
    /// gets it.
    #[boxed]
    pub async fn assign_conversation(&self, assignment: Assignment) -> Result<(), HandoverError> {
        let by = Author::current();
        self.write(assignment.organization, "assign a conversation", move |mut db| {
            Box::pin(async move {
                let before = assign(&mut db, &assignment).await?;
                let after = Holder { state: ConversationState::Agent, assignee: assignment.assignee };
                Ok(record(&mut db, &by, &assignment, "conversation.assign", &before, &after).await?)
            })
        })
        .await
    }

    /// Stores what an agent says in a conversation that nobody else has.
    #[boxed]
    pub async fn reply_as_agent(&self, reply: AgentReply) -> Result<Message, HandoverError> {
        self.write(reply.organization, "store an agent's message", move |mut db| {
            Box::pin(async move { self::reply(&mut db, reply).await })
        })
        .await
    }

    /// Gives a conversation back to the assistant, which answers the visitor's next message.
    #[boxed]
    pub async fn return_conversation(
        &self,
        organization: OrganizationId,
        id: ConversationId,
        now: Timestamp,
    ) -> Result<(), HandoverError> {
        let by = Author::current();
        self.write(organization, "give a conversation back", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let before = lock(db, organization, id).await?;
                let state = before.state;
                if !state.is_handed_over() {
                    return Err(OperationError::Refused(HandoverError::NotTaken { state }));
                }
                let sql =
                    "UPDATE conversations SET state = 'ai', assignee_id = NULL, snoozed_until = NULL, updated_at = $3
                           WHERE id = $1 AND organization_id = $2";
                execute!(db, sql, Id(id.0), Id(organization.0), Time(now))?;
                let after = Holder { state: ConversationState::Ai, assignee: None };
                tell(db, Event::ConversationReturned, organization, id, None, &after, now).await?;
                let subject = Subject::by_id(id);
                let (before, after) = (view(&before)?, view(&after)?);
                Ok(by.changed(db, organization, "conversation.return", subject, before, after).await?)
            })
        })
        .await
    }

    /// Marks a conversation as settled. The visitor's next message opens it again.
    #[boxed]
    pub async fn close_conversation(
        &self,
        organization: OrganizationId,
        id: ConversationId,
        now: Timestamp,
    ) -> Result<(), HandoverError> {
        let by = Author::current();
        self.write(organization, "close a conversation", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let before = lock(db, organization, id).await?;
                let sql =
                    "UPDATE conversations SET state = 'closed', closed_at = $3, snoozed_until = NULL, updated_at = $3
                           WHERE id = $1 AND organization_id = $2 AND state <> 'closed'";
                execute!(db, sql, Id(id.0), Id(organization.0), Time(now))?;
                let after = Holder { state: ConversationState::Closed, ..before };
                let subject = Subject::by_id(id);
                let (before, after) = (view(&before)?, view(&after)?);
                Ok(by.changed(db, organization, "conversation.close", subject, before, after).await?)
            })
        })
        .await
    }
}

/// Who has a locked conversation. The audit log shows it as well.
#[derive(Serialize)]
struct Holder {
    state: ConversationState,
    assignee: Option<Uuid>,
}

async fn find(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: ConversationId,
) -> Result<Option<Holder>, sqlx::Error> {
    let sql = db.pick(
        "SELECT state, assignee_id FROM conversations WHERE id = $1 AND organization_id = $2",
        "SELECT state, assignee_id FROM conversations WHERE id = $1 AND organization_id = $2 FOR NO KEY UPDATE",
    );
    let found = row!(db, (String, Option<Id>), sql, Id(id.0), Id(organization.0))?;
    let holder = |(state, assignee): (String, Option<Id>)| {
        Ok(Holder { state: named(state)?, assignee: assignee.map(|id| id.0) })
    };
    found.map(holder).transpose()
}

async fn lock(db: &mut Conn<'_>, organization: OrganizationId, id: ConversationId) -> Outcome<Holder> {
    find(db, organization, id).await?.ok_or(OperationError::Refused(HandoverError::Missing))
}

/// Hands a conversation over, unless it was before, and tells the agents by mail. Returns who
/// answers.
pub(crate) async fn hand_over(
    db: &mut Conn<'_>,
    request: HandOver,
    detect: DetectLanguage,
    mails_are_sent: bool,
) -> Result<Option<HandedOver>, sqlx::Error> {
    let HandOver { organization, conversation, by, summary, answer, now } = request;
    let Some(Holder { state, .. }) = find(db, organization, conversation).await? else { return Ok(None) };
    if state.is_handed_over() {
        let notice = notice_for(db, organization, conversation, state, detect).await?;
        return Ok(Some(HandedOver { state, notice }));
    }
    let state = ConversationState::Waiting;
    give(db, organization, conversation, state, None, Some((by, summary)), now).await?;
    cut_off(db, organization, conversation, answer, now).await?;
    if mails_are_sent {
        mails::tell_agents(db, organization, conversation, now).await?;
    }
    let notice = notice_for(db, organization, conversation, state, detect).await?;
    Ok(Some(HandedOver { state, notice }))
}

/// Tells the organization's webhook who answers now.
async fn tell(
    db: &mut Conn<'_>,
    event: Event,
    organization: OrganizationId,
    conversation: ConversationId,
    by: Option<HandoverSource>,
    holder: &Holder,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let data = conversation_data(conversation, holder.state, by, holder.assignee);
    webhooks::enqueue(db, organization, event, None, payload(event, now, data), now).await
}

async fn record(
    db: &mut Conn<'_>,
    author: &Author,
    assignment: &Assignment,
    action: &'static str,
    before: &Holder,
    after: &Holder,
) -> Result<(), sqlx::Error> {
    let subject = Subject::by_id(assignment.conversation);
    author.changed(db, assignment.organization, action, subject, view(before)?, view(after)?).await
}

/// Assigns a conversation. Returns who had it.
async fn assign(db: &mut Conn<'_>, assignment: &Assignment) -> Outcome<Holder> {
    let Assignment { organization, conversation, assignee, from, now } = *assignment;
    let before = lock(db, organization, conversation).await?;
    let Holder { state, assignee: holder } = before;
    if is_merged(db, organization, conversation).await? {
        return Err(OperationError::Refused(HandoverError::Merged));
    }
    let holder = holder.filter(|_| state == ConversationState::Agent);
    if let Some(by) = holder.filter(|_| holder != assignee && holder != from) {
        return Err(OperationError::Refused(HandoverError::Taken { by }));
    }
    // Who asked for a person, and when, stays as it was.
    let asked = (!state.is_handed_over()).then_some((HandoverSource::Agent, None));
    give(db, organization, conversation, ConversationState::Agent, assignee, asked, now).await?;
    cut_off(db, organization, conversation, None, now).await?;
    Ok(before)
}

/// Whether a conversation goes on in another one, so that nobody answers in it.
async fn is_merged(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversation: ConversationId,
) -> Result<bool, sqlx::Error> {
    let sql = "SELECT id FROM conversations WHERE id = $1 AND organization_id = $2 AND merged_into IS NOT NULL";
    Ok(row!(db, (Id,), sql, Id(conversation.0), Id(organization.0))?.is_some())
}

/// Sets who has a conversation. `asked` tells who asked for a person now, with the summary for the agent.
async fn give(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversation: ConversationId,
    state: ConversationState,
    assignee: Option<Uuid>,
    asked: Option<(HandoverSource, Option<String>)>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "UPDATE conversations SET state = $3, assignee_id = $4, closed_at = NULL, snoozed_until = NULL, updated_at = $5
         WHERE id = $1 AND organization_id = $2",
        Id(conversation.0),
        Id(organization.0),
        state.name(),
        assignee.map(Id),
        Time(now)
    )?;
    let Some((by, written)) = asked else { return Ok(()) };
    let text = match written {
        Some(text) => text,
        None => {
            let said = messages::live(db, organization, conversation).await?;
            summary(said.iter().map(|placed| &placed.message))
        }
    };
    execute!(
        db,
        "UPDATE conversations SET handed_over_by = $3, handed_over_at = $4, summary = $5
         WHERE id = $1 AND organization_id = $2",
        Id(conversation.0),
        Id(organization.0),
        by.name(),
        Time(now),
        Text(&text)
    )?;
    tell(db, Event::ConversationHandedOver, organization, conversation, Some(by), &Holder { state, assignee }, now)
        .await
}

/// Cuts off the answers of a conversation that are being written, or that a slow host may still store, except for `but`.
/// Their turns lose their host, so that `turns/finish.rs` stores none of them as an answer. Whoever stores one holds its
/// turn's lock, so that it is either stored before this or cut off.
pub(crate) async fn cut_off(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversation: ConversationId,
    but: Option<MessageId>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let turns = rows!(
        db,
        DeadTurn,
        "UPDATE turns SET status = 'interrupted', host_id = NULL, cancel_requested = $4
         WHERE organization_id = $1 AND status IN ('streaming', 'interrupted') AND host_id IS NOT NULL
             AND ($3 IS NULL OR id <> $3)
             AND id IN (SELECT id FROM messages WHERE conversation_id = $2 AND organization_id = $1
                        AND status IN ('streaming', 'interrupted'))
         RETURNING id, organization_id, conversation_id, key_id, period_start, billed",
        Id(organization.0),
        Id(conversation.0),
        but.map(|answer| Id(answer.0)),
        true
    )?;
    for turn in &turns {
        recover::interrupt_answer(db, turn, now).await?;
    }
    Ok(())
}

async fn reply(db: &mut Conn<'_>, reply: AgentReply) -> Outcome<Message> {
    let AgentReply { organization, conversation, id, author, content, now } = reply;
    let Holder { state, assignee } = lock(db, organization, conversation).await?;
    if state != ConversationState::Agent {
        return Err(OperationError::Refused(HandoverError::NotTaken { state }));
    }
    if let (Some(by), Some(author)) = (assignee, author)
        && by != author
    {
        return Err(OperationError::Refused(HandoverError::Taken { by }));
    }
    let sql = "UPDATE conversations SET next_position = next_position + 1, updated_at = $3
               WHERE id = $1 AND organization_id = $2 RETURNING next_position";
    let next = row!(db, (i64,), sql, Id(conversation.0), Id(organization.0), Time(now))?;
    let (next,) = next.ok_or_else(|| unexpected("a locked conversation is gone"))?;
    let message = Message {
        id,
        conversation_id: conversation,
        client_id: None,
        role: Role::Agent,
        author,
        content: without_nul(&content).into_owned(),
        status: MessageStatus::Complete,
        finish: None,
        citations: Vec::new(),
        steps: Vec::new(),
        usage: None,
        created_at: now,
        superseded_at: None,
    };
    messages::insert(db, organization, &message, next - 1).await?;
    Ok(message)
}
