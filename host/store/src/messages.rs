//! Messages: read, added to a conversation, replaced.

use resly_core::{
    conversation::Message,
    error::StoreError,
    id::{ConversationId, MessageId, OrganizationId},
    knowledge::Citation,
    time::Timestamp,
};
use serde_json::Value;

use crate::{
    Store,
    error::failed,
    sql::{Conn, execute, row, rows},
    types::{Id, Json, Text, Time, named},
};

#[derive(sqlx::FromRow)]
pub(crate) struct MessageRow {
    id: Id,
    conversation_id: Id,
    position: i64,
    client_id: Option<String>,
    role: String,
    content: String,
    status: String,
    finish_reason: Option<String>,
    citations: Json<Vec<Citation>>,
    steps: Json<Vec<Value>>,
    created_at: Time,
}

/// A message and its place in the conversation.
pub(crate) struct Placed {
    pub position: i64,
    pub message: Message,
}

impl MessageRow {
    pub fn placed(self) -> Result<Placed, sqlx::Error> {
        let message = Message {
            id: MessageId(self.id.0),
            conversation_id: ConversationId(self.conversation_id.0),
            client_id: self.client_id,
            role: named(self.role)?,
            content: self.content,
            status: named(self.status)?,
            finish: self.finish_reason.map(named).transpose()?,
            citations: self.citations.0,
            steps: self.steps.0,
            created_at: self.created_at.0,
        };
        Ok(Placed { position: self.position, message })
    }
}

/// The messages of a conversation that were not replaced, in order.
pub(crate) const LIVE: &str = "SELECT id, conversation_id, position, client_id, role, content, status, finish_reason,
            citations, steps, created_at
     FROM messages WHERE conversation_id = $1 AND organization_id = $2 AND superseded_at IS NULL
     ORDER BY position, id";

pub(crate) async fn live(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversation: ConversationId,
) -> Result<Vec<Placed>, sqlx::Error> {
    let found = rows!(db, MessageRow, LIVE, Id(conversation.0), Id(organization.0))?;
    found.into_iter().map(MessageRow::placed).collect()
}

/// A message by its id, even one that was replaced.
pub(crate) async fn any(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: MessageId,
) -> Result<Option<Message>, sqlx::Error> {
    let found = row!(
        db,
        MessageRow,
        "SELECT id, conversation_id, position, client_id, role, content, status, finish_reason,
            citations, steps, created_at
         FROM messages WHERE id = $1 AND organization_id = $2",
        Id(id.0),
        Id(organization.0)
    )?;
    found.map(|row| row.placed().map(|placed| placed.message)).transpose()
}

/// Marks as replaced what a conversation has from `position` on.
pub(crate) async fn supersede_from(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversation: ConversationId,
    position: i64,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "UPDATE messages SET superseded_at = $4
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
                               citations, steps, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
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
        Time(message.created_at)
    )
    .map(drop)
}

impl Store {
    pub(crate) async fn read_message(
        &self,
        organization: OrganizationId,
        id: MessageId,
    ) -> Result<Option<Message>, StoreError> {
        let doing = "read a message";
        let mut db = self.reader(doing).await?;
        let found = row!(
            db,
            MessageRow,
            "SELECT id, conversation_id, position, client_id, role, content, status, finish_reason,
            citations, steps, created_at
             FROM messages WHERE id = $1 AND organization_id = $2 AND superseded_at IS NULL",
            Id(id.0),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.map(|row| row.placed().map(|placed| placed.message)).transpose().map_err(failed(doing))
    }
}
