//! What agents keep of a conversation beside what is said in it: notes to each other, tags, and until when it may rest.

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConversationId, OrganizationId, RowId},
    time::Timestamp,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    HandoverError, Store,
    audit::{Author, Subject, view},
    error::OperationError,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time},
};

/// The most notes of a conversation.
pub const NOTES_MOST: u64 = 500;

/// What an agent tells the others. Neither the visitor nor the assistant sees it.
#[derive(Clone, Debug)]
pub struct ConversationNote {
    pub id: RowId,
    /// The member who wrote it, when it is known.
    pub author: Option<Uuid>,
    pub body: String,
    pub created_at: Timestamp,
}

/// Why a note or tags aren't kept.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    #[error("there is no such conversation")]
    Missing,
    #[error("the conversation has {NOTES_MOST} notes; no more fit")]
    TooMany,
    #[error("a conversation has at most {most} tags")]
    TooManyTags { most: usize },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A change of a conversation's tags.
#[derive(Clone, Debug)]
pub struct TagChange {
    pub organization: OrganizationId,
    pub conversation: ConversationId,
    pub add: Vec<String>,
    pub remove: Vec<String>,
    /// The most tags that it may have then.
    pub most: usize,
    pub now: Timestamp,
}

#[derive(Serialize)]
struct TagsView<'t> {
    tags: &'t [String],
}

/// The notes of a conversation, oldest first.
pub(crate) async fn of(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    conversation: ConversationId,
) -> Result<Vec<ConversationNote>, sqlx::Error> {
    let sql = "SELECT id, author_id, body, created_at FROM conversation_notes
               WHERE conversation_id = $1 AND organization_id = $2 ORDER BY created_at, id";
    let found = rows!(db, (Id, Option<Id>, String, Time), sql, Id(conversation.0), Id(organization.0))?;
    let note = |(id, author, body, created_at): (Id, Option<Id>, String, Time)| ConversationNote {
        id: RowId(id.0),
        author: author.map(|author| author.0),
        body,
        created_at: created_at.0,
    };
    Ok(found.into_iter().map(note).collect())
}

async fn change_tags(
    db: &mut Conn<'_>,
    change: &TagChange,
) -> Result<(Vec<String>, Vec<String>), OperationError<NoteError>> {
    let TagChange { organization, conversation, add, remove, most, now } = change;
    let sql = db.pick(
        "SELECT tags FROM conversations WHERE id = $1 AND organization_id = $2",
        "SELECT to_jsonb(tags) FROM conversations WHERE id = $1 AND organization_id = $2 FOR NO KEY UPDATE",
    );
    let found = row!(db, (Json<Vec<String>>,), sql, Id(conversation.0), Id(organization.0))?;
    let (Json(before),) = found.ok_or(OperationError::Refused(NoteError::Missing))?;
    let mut after: Vec<String> = before.iter().filter(|tag| !remove.contains(tag)).cloned().collect();
    for tag in add {
        if !after.contains(tag) {
            after.push(tag.clone());
        }
    }
    if after.len() > *most && after.len() > before.len() {
        return Err(OperationError::Refused(NoteError::TooManyTags { most: *most }));
    }
    if after != before {
        let sql = db.pick(
            "UPDATE conversations SET tags = $3, updated_at = $4 WHERE id = $1 AND organization_id = $2",
            "UPDATE conversations SET tags = ARRAY(SELECT jsonb_array_elements_text($3)), updated_at = $4
             WHERE id = $1 AND organization_id = $2",
        );
        execute!(db, sql, Id(conversation.0), Id(organization.0), Json(&after), Time(*now))?;
    }
    Ok((before, after))
}

impl Store {
    /// Adds a note to a conversation.
    #[boxed]
    pub async fn add_conversation_note(
        &self,
        organization: OrganizationId,
        conversation: ConversationId,
        note: ConversationNote,
    ) -> Result<(), NoteError> {
        self.write(organization, "keep a note on a conversation", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let sql = "SELECT COUNT(*) FROM conversation_notes WHERE conversation_id = $1 AND organization_id = $2";
                let kept = row!(db, (Count,), sql, Id(conversation.0), Id(organization.0))?;
                if kept.is_some_and(|(Count(kept),)| kept >= NOTES_MOST) {
                    return Err(OperationError::Refused(NoteError::TooMany));
                }
                let inserted = execute!(
                    db,
                    "INSERT INTO conversation_notes (id, organization_id, conversation_id, author_id, body, created_at)
                     SELECT $1, organization_id, id, $4, $5, $6 FROM conversations WHERE id = $3 AND organization_id = $2",
                    Id(note.id.0),
                    Id(organization.0),
                    Id(conversation.0),
                    note.author.map(Id),
                    Text(&note.body),
                    Time(note.created_at)
                )?;
                if inserted == 0 { Err(OperationError::Refused(NoteError::Missing)) } else { Ok(()) }
            })
        })
        .await
    }

    /// Adds and removes tags of a conversation. Returns those that it has then.
    #[boxed]
    pub async fn tag_conversation(&self, change: TagChange) -> Result<Vec<String>, NoteError> {
        let by = Author::current();
        self.write(change.organization, "change a conversation's tags", move |mut db| {
            Box::pin(async move {
                let (before, after) = change_tags(&mut db, &change).await?;
                let (old, new) = (view(&TagsView { tags: &before })?, view(&TagsView { tags: &after })?);
                let subject = Subject::by_id(change.conversation);
                by.changed(&mut db, change.organization, "conversation.tag", subject, old, new).await?;
                Ok(after)
            })
        })
        .await
    }

    /// Lets a conversation rest until a time, or ends that. The visitor's next message ends it as well.
    #[boxed]
    pub async fn snooze_conversation(
        &self,
        organization: OrganizationId,
        conversation: ConversationId,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), HandoverError> {
        self.write(organization, "snooze a conversation", move |mut db| {
            Box::pin(async move {
                let sql = "UPDATE conversations SET snoozed_until = $3, updated_at = $4
                           WHERE id = $1 AND organization_id = $2";
                let changed = execute!(db, sql, Id(conversation.0), Id(organization.0), until.map(Time), Time(now))?;
                if changed == 0 { Err(OperationError::Refused(HandoverError::Missing)) } else { Ok(()) }
            })
        })
        .await
    }
}
