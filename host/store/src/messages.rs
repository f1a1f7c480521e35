//! The messages of conversations.

use resly_core::{
    boxed,
    conversation::{Message, handover::ConversationState},
    error::StoreError,
    id::{ConversationId, MessageId, OrganizationId},
    knowledge::Citation,
    model::TokenUsage,
    time::Timestamp,
};
use serde_json::Value;

use crate::{
    Store,
    error::failed,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time, named},
};

#[derive(sqlx_macros::FromRow)]
pub(crate) struct MessageRow {
    id: Id,
    conversation_id: Id,
    position: i64,
    client_id: Option<String>,
    role: String,
    author_id: Option<Id>,
    content: String,
    status: String,
    finish_reason: Option<String>,
    citations: Json<Vec<Citation>>,
    steps: Json<Vec<Value>>,
    input_tokens: Option<Count>,
    output_tokens: Option<Count>,
    cached_input_tokens: Option<Count>,
    tokens_estimated: Option<bool>,
    created_at: Time,
    superseded_at: Option<Time>,
}

/// A message and its place in the conversation.
pub(crate) struct PositionedMessage {
    pub position: i64,
    pub message: Message,
}

impl MessageRow {
    pub fn placed(self) -> Result<PositionedMessage, sqlx::Error> {
        let message = Message {
            id: MessageId(self.id.0),
            conversation_id: ConversationId(self.conversation_id.0),
            client_id: self.client_id,
            role: named(self.role)?,
            author: self.author_id.map(|author| author.0),
            content: self.content,
            status: named(self.status)?,
            finish: self.finish_reason.map(named).transpose()?,
            citations: self.citations.0,
            steps: self.steps.0,
            usage: self.input_tokens.zip(self.output_tokens).map(|(input, output)| TokenUsage {
                input: input.0,
                cached_input: self.cached_input_tokens.map_or(0, |cached| cached.0),
                output: output.0,
                estimated: self.tokens_estimated.unwrap_or(false),
            }),
            created_at: self.created_at.0,
            superseded_at: self.superseded_at.map(|at| at.0),
        };
        Ok(PositionedMessage { position: self.position, message })
    }
}

macro_rules! columns {
    () => {
        "SELECT id, conversation_id, position, client_id, role, author_id, content, status, finish_reason, citations, steps,
                input_tokens, output_tokens, cached_input_tokens, tokens_estimated, created_at, superseded_at
         FROM messages "
    };
}

/// The messages of a conversation that were not superseded, in order.
const LIVE: &str = concat!(
    columns!(),
    "WHERE conversation_id = $1 AND organization_id = $2 AND superseded_at IS NULL ORDER BY position, id"
);

/// All messages of a conversation, in order: also those that were superseded.
pub(crate) const ALL: &str =
    concat!(columns!(), "WHERE conversation_id = $1 AND organization_id = $2 ORDER BY position, id");

/// A message by its id, even one that was superseded.
const BY_ID: &str = concat!(columns!(), "WHERE id = $1 AND organization_id = $2");

pub(crate) async fn live(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversation: ConversationId,
) -> Result<Vec<PositionedMessage>, sqlx::Error> {
    let found = rows!(db, MessageRow, LIVE, Id(conversation.0), Id(organization.0))?;
    found.into_iter().map(MessageRow::placed).collect()
}

/// A message by its id, even one that was superseded.
pub(crate) async fn find(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: MessageId,
) -> Result<Option<Message>, sqlx::Error> {
    let found = row!(db, MessageRow, BY_ID, Id(id.0), Id(organization.0))?;
    found.map(|row| row.placed().map(|placed| placed.message)).transpose()
}

/// Marks a conversation's messages from `position` on as superseded.
pub(crate) async fn supersede_from(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversation: ConversationId,
    position: i64,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "UPDATE messages SET superseded_at = $4, updated_at = $4
         WHERE conversation_id = $1 AND organization_id = $2 AND position >= $3 AND superseded_at IS NULL",
        Id(conversation.0),
        Id(organization.0),
        position,
        Time(now)
    )
    .map(drop)
}

/// Adds one message.
pub(crate) async fn insert(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    message: &Message,
    position: i64,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO messages (id, organization_id, conversation_id, position, client_id, role, content, status,
                               citations, steps, created_at, updated_at, author_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)",
        Id(message.id.0),
        Id(organization.0),
        Id(message.conversation_id.0),
        position,
        message.client_id.as_deref().map(Text),
        message.role.name(),
        Text(&message.content),
        message.status.name(),
        Json(&message.citations),
        Json(&message.steps),
        Time(message.created_at),
        message.author.map(Id)
    )
    .map(drop)
}

/// The messages of a conversation after one of them, or all; in order, without those that were superseded.
const AFTER: &str = concat!(
    columns!(),
    "WHERE conversation_id = $1 AND organization_id = $2 AND superseded_at IS NULL
         AND position > COALESCE((SELECT m.position FROM messages m WHERE m.id = $3 AND m.conversation_id = $1), -1)
     ORDER BY position, id LIMIT $4"
);

impl Store {
    /// At most `limit` messages of a conversation that follow `after`, and who answers in it. `None` when the organization
    /// has no such conversation.
    #[boxed]
    pub async fn messages_after(
        &self,
        organization: OrganizationId,
        conversation: ConversationId,
        after: Option<MessageId>,
        limit: u32,
    ) -> Result<Option<(ConversationState, Vec<Message>)>, StoreError> {
        let doing = "read the messages of a conversation";
        let mut db = self.reader(organization, doing).await?;
        let sql = "SELECT state FROM conversations WHERE id = $1 AND organization_id = $2";
        let state = row!(db, (String,), sql, Id(conversation.0), Id(organization.0)).map_err(failed(doing))?;
        let Some((state,)) = state else { return Ok(None) };
        let after = after.map(|after| Id(after.0));
        let found = rows!(db, MessageRow, AFTER, Id(conversation.0), Id(organization.0), after, i64::from(limit));
        let found = found.map_err(failed(doing))?.into_iter().map(|row| row.placed().map(|placed| placed.message));
        let found = found.collect::<Result<_, _>>().map_err(failed(doing))?;
        Ok(Some((named(state).map_err(failed(doing))?, found)))
    }

    pub(crate) async fn read_message(
        &self,
        organization: OrganizationId,
        id: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        let doing = "read a message";
        let mut db = self.reader(organization, doing).await?;
        find(&mut db.conn(), organization, id).await.map_err(failed(doing))
    }
}
