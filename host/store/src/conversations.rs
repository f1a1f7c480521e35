//! Conversations and their visitors: a turn finds or creates them, an admin reads and lists them.

mod list;
mod merge;
mod words;

use resly_core::{
    approval::ChatClient,
    boxed,
    conversation::{
        Message,
        handover::{ConversationState, HandoverSource},
    },
    error::StoreError,
    id::{ConversationId, KeyId, OrganizationId},
    principal::KeyKind,
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    Store,
    error::failed,
    messages::{ALL, MessageRow},
    notes::{self, ConversationNote},
    row_id::row_id,
    sql::{Conn, row, rows},
    types::{Id, Json, Text, Time, named},
};

#[cfg(test)]
pub(crate) use self::list::list;
pub(crate) use self::merge::follow;
pub use self::{
    list::{Assigned, ConversationQuery, ConversationSummary},
    merge::MergeError,
    words::{IndexedConversation, UnindexedConversation, WordGroups},
};

/// A whole conversation.
#[derive(Clone, Debug)]
pub struct ConversationRecord {
    pub id: ConversationId,
    /// The client's id of its visitor.
    pub visitor: Option<String>,
    pub created_at: Timestamp,
    pub handling: Handling,
    pub tags: Vec<String>,
    /// Conversations of the visitor that were merged into this one.
    pub merged_from: Vec<ConversationId>,
    /// Oldest first.
    pub notes: Vec<ConversationNote>,
    /// In order, with the superseded ones.
    pub messages: Vec<Message>,
}

/// Who answers in a conversation, and since when.
#[derive(Clone, Debug)]
pub struct Handling {
    pub state: ConversationState,
    /// The member who has it, or had it when it was closed.
    pub assignee: Option<Uuid>,
    /// Who asked for a person last, and when.
    pub handed_over: Option<(HandoverSource, Timestamp)>,
    /// What it was about then, for the agent.
    pub summary: Option<String>,
    pub closed_at: Option<Timestamp>,
    /// Until when nobody has to look at it. The visitor's next message ends that.
    pub snoozed_until: Option<Timestamp>,
    /// The conversation in which this one goes on.
    pub merged_into: Option<ConversationId>,
}

#[derive(sqlx_macros::FromRow)]
struct RecordRow {
    visitor: Option<String>,
    created_at: Time,
    state: String,
    assignee_id: Option<Id>,
    handed_over_by: Option<String>,
    handed_over_at: Option<Time>,
    summary: Option<String>,
    closed_at: Option<Time>,
    snoozed_until: Option<Time>,
    merged_into: Option<Id>,
    tags: Json<Vec<String>>,
}

impl RecordRow {
    fn handling(&self) -> Result<Handling, sqlx::Error> {
        let by = self.handed_over_by.clone().map(named).transpose()?;
        Ok(Handling {
            state: named(self.state.clone())?,
            assignee: self.assignee_id.map(|id| id.0),
            handed_over: by.zip(self.handed_over_at.map(|at| at.0)),
            summary: self.summary.clone(),
            closed_at: self.closed_at.map(|at| at.0),
            snoozed_until: self.snoozed_until.map(|at| at.0),
            merged_into: self.merged_into.map(|id| ConversationId(id.0)),
        })
    }
}

/// A conversation that a turn has locked.
pub(crate) struct LockedConversation {
    pub id: ConversationId,
    /// The first of the positions that the turn's messages get.
    pub position: i64,
    /// Whether this turn created it.
    pub is_new: bool,
    /// Who answers in it.
    pub state: ConversationState,
    /// Where it goes on.
    pub merged_into: Option<ConversationId>,
    /// Whether the turn was meant for a conversation that was merged into this one.
    pub is_merged: bool,
}

/// `state` after a visitor's message.
macro_rules! reopened {
    ($of:literal) => {
        concat!(
            "CASE WHEN ",
            $of,
            "state = 'closed' AND ",
            $of,
            "merged_into IS NULL THEN 'ai' ELSE ",
            $of,
            "state END"
        )
    };
}

/// Finds a conversation by the client's name, under its key's lineage and visitor, or creates it. Locks it for `places`
/// more messages.
#[expect(clippy::too_many_arguments, reason = "these are a conversation's columns")]
pub(crate) async fn make(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: ConversationId,
    key: KeyId,
    name: Option<&str>,
    visitor: Option<Id>,
    places: i64,
    now: Timestamp,
) -> Result<Option<LockedConversation>, sqlx::Error> {
    let held = row!(
        db,
        (Id, i64, String, Option<Id>),
        concat!(
            "INSERT INTO conversations
             (id, organization_id, key_id, name, visitor_id, next_position, created_at, updated_at)
         VALUES ($1, $2, COALESCE((SELECT lineage FROM api_keys WHERE id = $3), $3), $4, $5, $6, $7, $7)
         ON CONFLICT (key_id, COALESCE(visitor_id, key_id), name) WHERE name IS NOT NULL DO UPDATE
         SET next_position = conversations.next_position + excluded.next_position, updated_at = excluded.updated_at,
             snoozed_until = NULL, state = ",
            reopened!("conversations."),
            "
         WHERE conversations.organization_id = excluded.organization_id
         RETURNING id, next_position, state, merged_into"
        ),
        Id(id.0),
        Id(organization.0),
        Id(key.0),
        name.map(Text),
        visitor,
        places,
        Time(now)
    )?;
    held.map(|(held, next, state, merged_into)| {
        let (id, is_new) = (ConversationId(held.0), held.0 == id.0);
        let merged_into = merged_into.map(|id| ConversationId(id.0));
        let (position, state) = (next - places, named(state)?);
        Ok(LockedConversation { id, position, is_new, state, merged_into, is_merged: false })
    })
    .transpose()
}

/// Locks a conversation until the transaction ends, for `places` more messages. `None` for a conversation of another
/// visitor.
///
/// A conversation without a visitor becomes that of the visitor who continues it. It then loses the client's name.
/// Otherwise a client that uses the name without a visitor would read this visitor's messages.
///
/// A closed conversation is the assistant's again, unless it was merged into another one. One that was snoozed comes back.
pub(crate) async fn lock(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: ConversationId,
    visitor: Option<Id>,
    places: i64,
    now: Timestamp,
) -> Result<Option<LockedConversation>, sqlx::Error> {
    let held = row!(
        db,
        (i64, String, Option<Id>),
        concat!(
            "UPDATE conversations SET next_position = next_position + $3, updated_at = $4, snoozed_until = NULL,
             state = ",
            reopened!(""),
            ",
             name = CASE WHEN visitor_id IS NULL AND $5 IS NOT NULL THEN NULL ELSE name END,
             visitor_id = COALESCE(visitor_id, $5)
         WHERE id = $1 AND organization_id = $2 AND (visitor_id IS NULL OR visitor_id = $5)
         RETURNING next_position, state, merged_into"
        ),
        Id(id.0),
        Id(organization.0),
        places,
        Time(now),
        visitor
    )?;
    held.map(|(next, state, merged_into)| {
        let merged_into = merged_into.map(|id| ConversationId(id.0));
        let (position, state) = (next - places, named(state)?);
        Ok(LockedConversation { id, position, is_new: false, state, merged_into, is_merged: false })
    })
    .transpose()
}

/// Whether the organization has this conversation. In PostgreSQL it can't be deleted until the transaction ends.
pub(crate) async fn exists(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    id: ConversationId,
) -> Result<bool, sqlx::Error> {
    let sql = db.pick(
        "SELECT id FROM conversations WHERE id = $1 AND organization_id = $2",
        "SELECT id FROM conversations WHERE id = $1 AND organization_id = $2 FOR KEY SHARE",
    );
    Ok(row!(db, (Id,), sql, Id(id.0), Id(organization.0))?.is_some())
}

/// The visitor's row. The first visit creates it.
pub(crate) async fn visitor(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    external_id: &str,
    now: Timestamp,
) -> Result<Option<Id>, sqlx::Error> {
    let found = row!(
        db,
        (Id,),
        "INSERT INTO visitors (id, organization_id, external_id, created_at, last_seen_at, updated_at)
         VALUES ($1, $2, $3, $4, $4, $4)
         ON CONFLICT (organization_id, external_id) DO UPDATE
         SET last_seen_at = excluded.last_seen_at, updated_at = excluded.updated_at RETURNING id",
        row_id(now),
        Id(organization.0),
        Text(external_id),
        Time(now)
    )?;
    Ok(found.map(|(id,)| id))
}

/// The lineage of the key `$1`.
macro_rules! lineage {
    () => {
        "COALESCE((SELECT lineage FROM api_keys WHERE id = $1), $1)"
    };
}

/// The row of the visitor `$4` of the organization `$3`.
macro_rules! visitor {
    () => {
        "(SELECT id FROM visitors WHERE organization_id = $3 AND external_id = $4)"
    };
}

const BY_NAME: &str = concat!(
    "SELECT id FROM conversations WHERE key_id = ",
    lineage!(),
    " AND name = $2 AND organization_id = $3 AND (visitor_id = ",
    visitor!(),
    " OR ($4 IS NULL AND visitor_id IS NULL))"
);

/// `$5` tells whether any key of the organization will do. Otherwise the conversation has to be the key's own, or a turn of
/// the key has to run in it.
const BY_ID: &str = concat!(
    "SELECT c.id FROM conversations c
     WHERE c.id = $2 AND c.organization_id = $3 AND (c.visitor_id IS NULL OR c.visitor_id = ",
    visitor!(),
    ") AND ($5 OR c.key_id = ",
    lineage!(),
    " OR EXISTS (SELECT 1 FROM messages m JOIN turns t ON t.id = m.id
                 WHERE m.conversation_id = c.id AND m.status = 'streaming'
                   AND COALESCE((SELECT lineage FROM api_keys WHERE id = t.key_id), t.key_id) = ",
    lineage!(),
    "))"
);

/// A conversation's own columns. PostgreSQL has the tags as a list, SQLite as JSON.
macro_rules! record {
    ($tags:literal) => {
        concat!(
            "SELECT v.external_id AS visitor, c.created_at, c.state, c.assignee_id, c.handed_over_by, c.handed_over_at,
                    c.summary, c.closed_at, c.snoozed_until, c.merged_into, ",
            $tags,
            " AS tags
             FROM conversations c LEFT JOIN visitors v ON v.id = c.visitor_id
             WHERE c.id = $1 AND c.organization_id = $2"
        )
    };
}

impl Store {
    /// A conversation with its messages. `None` when the organization has no such conversation.
    #[boxed]
    pub async fn conversation(
        &self,
        organization: OrganizationId,
        id: ConversationId,
    ) -> Result<Option<ConversationRecord>, StoreError> {
        let doing = "read a conversation";
        let mut db = self.reader(organization, doing).await?;
        let sql = db.conn().pick(record!("c.tags"), record!("to_jsonb(c.tags)"));
        let found = row!(db, RecordRow, sql, Id(id.0), Id(organization.0)).map_err(failed(doing))?;
        let Some(found) = found else { return Ok(None) };
        let handling = found.handling().map_err(failed(doing))?;
        let messages = rows!(db, MessageRow, ALL, Id(id.0), Id(organization.0)).map_err(failed(doing))?;
        let messages = messages.into_iter().map(|row| row.placed().map(|placed| placed.message));
        let messages = messages.collect::<Result<_, _>>().map_err(failed(doing))?;
        let merged =
            "SELECT id FROM conversations WHERE merged_into = $1 AND organization_id = $2 ORDER BY created_at, id";
        let merged = rows!(db, (Id,), merged, Id(id.0), Id(organization.0)).map_err(failed(doing))?;
        let merged_from = merged.into_iter().map(|(id,)| ConversationId(id.0)).collect();
        let notes = notes::of(&mut db.conn(), organization, id).await.map_err(failed(doing))?;
        let RecordRow { visitor, created_at, tags: Json(tags), .. } = found;
        let created_at = created_at.0;
        Ok(Some(ConversationRecord { id, visitor, created_at, handling, tags, merged_from, notes, messages }))
    }

    /// The visitor of a conversation, by the id that the organization gave. `None` without one, or without such a
    /// conversation.
    #[boxed]
    pub async fn conversation_visitor(
        &self,
        organization: OrganizationId,
        id: ConversationId,
    ) -> Result<Option<String>, StoreError> {
        let doing = "read a conversation's visitor";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            (String,),
            "SELECT v.external_id FROM conversations c JOIN visitors v ON v.id = c.visitor_id
             WHERE c.id = $1 AND c.organization_id = $2",
            Id(id.0),
            Id(organization.0)
        );
        Ok(found.map_err(failed(doing))?.map(|(visitor,)| visitor))
    }

    /// A conversation by the client's name under its key's lineage and visitor, or else by its id. One that was merged leads
    /// to where it goes on.
    pub(crate) async fn look_up_conversation(
        &self,
        person: &ChatClient,
        name: &str,
    ) -> Result<Option<ConversationId>, StoreError> {
        let doing = "find a conversation";
        let mut db = self.reader(person.organization, doing).await?;
        let by_name = row!(
            db,
            (Id,),
            BY_NAME,
            Id(person.key.0),
            Text(name),
            Id(person.organization.0),
            person.visitor.as_deref().map(Text)
        )
        .map_err(failed(doing))?;
        if let Some((id,)) = by_name {
            let id = ConversationId(id.0);
            return merge::target(&mut db.conn(), person.organization, id).await.map(Some).map_err(failed(doing));
        }
        let Ok(id) = Uuid::parse_str(name) else { return Ok(None) };
        let by_id = row!(
            db,
            (Id,),
            BY_ID,
            Id(person.key.0),
            Id(id),
            Id(person.organization.0),
            person.visitor.as_deref().map(Text),
            person.kind == KeyKind::Secret
        );
        let Some((id,)) = by_id.map_err(failed(doing))? else { return Ok(None) };
        let id = ConversationId(id.0);
        merge::target(&mut db.conn(), person.organization, id).await.map(Some).map_err(failed(doing))
    }
}
