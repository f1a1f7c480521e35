//! The index of the words of conversations: what the job that keeps it reads and writes, and how a list asks for words.
//!
//! It holds a short hash of each word, which the caller makes. A conversation's row goes with the conversation, in the same
//! transaction. Nothing is written when somebody chats: the job finds new messages by their ids, which begin with their
//! time. Any number of hosts may do the work at once.

use std::{collections::BTreeMap, time::Duration};

use resly_core::{
    boxed,
    conversation::MessageStatus,
    error::StoreError,
    id::{ConversationId, OrganizationId},
    model::Role,
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    RowScope, Store,
    query::Query,
    sql::{Conn, execute, row, rows},
    types::{Id, Text, Time, named},
};

/// Messages that one transaction looks at.
const MESSAGES: i64 = 500;
/// How long before the newest known message a new one is looked for: a message may be stored later than its id says.
const OVERLAP_MILLIS: u64 = 120_000;
/// Conversations that are read at once.
const BATCH: i64 = 10;
/// The newest messages of a conversation that are read, and the characters of each.
const READ: i64 = 200;
const CHARACTERS: i64 = 16_000;

/// A conversation that isn't in the index yet, or not as it is now. It is this host's until its lease ends.
#[derive(Clone, Debug)]
pub struct UnindexedConversation {
    pub organization: OrganizationId,
    pub conversation: ConversationId,
    /// What was said, newest first, without what an edit replaced. Of a long conversation, the newest part.
    pub said: Vec<(Role, String)>,
    /// Whether an answer is still being written.
    pub is_unfinished: bool,
    lease_until: Timestamp,
}

/// What the index keeps of a conversation.
#[derive(Clone, Debug)]
pub struct IndexedConversation {
    pub of: UnindexedConversation,
    /// Hashes of letters and digits, with spaces between.
    pub words: String,
    /// What the visitor writes in, as a BCP-47 code.
    pub language: Option<&'static str>,
    /// When to read it again.
    pub again_at: Option<Timestamp>,
}

/// Hashes to look for: a conversation has one of each group.
pub type WordGroups = Vec<Vec<String>>;

/// Where to look for new messages: before any that may be new.
fn begin_at(newest: Option<Uuid>, now: Timestamp) -> Uuid {
    let millis = |id: Uuid| u64::try_from(id.as_u128() >> 80).unwrap_or(0);
    let now = u64::try_from(now.micros() / 1000).unwrap_or(0);
    let from = newest.map_or(0, |id| millis(id).min(now).saturating_sub(OVERLAP_MILLIS));
    Uuid::from_u128(u128::from(from) << 80)
}

/// Marks the conversations of new messages. Returns whether there may be more.
async fn mark(db: &mut Conn<'_>, now: Timestamp) -> Result<bool, sqlx::Error> {
    let newest = "SELECT last_message_id FROM conversation_words ORDER BY last_message_id DESC LIMIT 1";
    let newest = row!(db, (Id,), newest)?.map(|(id,)| id.0);
    let found = rows!(
        db,
        (Id, Id, Id),
        "SELECT m.id, m.conversation_id, m.organization_id
         FROM messages m LEFT JOIN conversation_words w ON w.conversation_id = m.conversation_id
         WHERE m.id > $1 AND (w.conversation_id IS NULL OR w.last_message_id < m.id)
         ORDER BY m.id LIMIT $2",
        Id(begin_at(newest, now)),
        MESSAGES
    )?;
    let more = i64::try_from(found.len()) == Ok(MESSAGES);
    let last: BTreeMap<Uuid, (Id, Id)> = found
        .into_iter()
        .map(|(message, conversation, organization)| (conversation.0, (organization, message)))
        .collect();
    for (conversation, (organization, message)) in last {
        execute!(
            db,
            "INSERT INTO conversation_words (conversation_id, organization_id, last_message_id, due_at)
             SELECT id, organization_id, $3, $4 FROM conversations WHERE id = $1 AND organization_id = $2
             ON CONFLICT (conversation_id) DO UPDATE
             SET last_message_id = excluded.last_message_id, due_at = excluded.due_at
             WHERE conversation_words.last_message_id < excluded.last_message_id",
            Id(conversation),
            organization,
            message,
            Time(now)
        )?;
    }
    Ok(more)
}

async fn take(
    db: &mut Conn<'_>,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Vec<UnindexedConversation>, sqlx::Error> {
    let sql = db.pick(
        "UPDATE conversation_words SET due_at = $2 WHERE conversation_id IN (
             SELECT conversation_id FROM conversation_words WHERE due_at <= $1
             ORDER BY due_at, conversation_id LIMIT $3)
         RETURNING conversation_id, organization_id",
        "UPDATE conversation_words SET due_at = $2 WHERE conversation_id IN (
             SELECT conversation_id FROM conversation_words WHERE due_at <= $1
             ORDER BY due_at, conversation_id LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING conversation_id, organization_id",
    );
    let taken = rows!(db, (Id, Id), sql, Time(now), Time(lease_until), BATCH)?;
    let mut found = Vec::with_capacity(taken.len());
    for (conversation, organization) in taken {
        let messages = rows!(
            db,
            (String, String, String),
            "SELECT role, status, substr(content, 1, CAST($3 AS INTEGER)) FROM messages
             WHERE conversation_id = $1 AND organization_id = $2 AND superseded_at IS NULL
             ORDER BY position DESC, id DESC LIMIT $4",
            conversation,
            organization,
            CHARACTERS,
            READ
        )?;
        let is_unfinished = messages.iter().any(|(_, status, _)| status == MessageStatus::Streaming.name());
        let said = messages.into_iter().map(|(role, _, content)| Ok((named(role)?, content)));
        found.push(UnindexedConversation {
            organization: OrganizationId(organization.0),
            conversation: ConversationId(conversation.0),
            said: said.collect::<Result<_, sqlx::Error>>()?,
            is_unfinished,
            lease_until,
        });
    }
    Ok(found)
}

/// Adds the condition that a conversation has the words.
pub(super) fn filter(db: &Conn<'_>, query: &mut Query, organization: OrganizationId, groups: &WordGroups) {
    let is_plain = |word: &&String| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (or, and) = (db.pick(" OR ", " | "), db.pick(" AND ", " & "));
    let groups = groups.iter().map(|words| {
        let words: Vec<_> = words.iter().filter(is_plain).map(|word| format!("\"{word}\"")).collect();
        format!("({})", words.join(or))
    });
    let wanted: Vec<String> = groups.filter(|group| group != "()").collect();
    if wanted.is_empty() {
        query.push(" AND 1 = 0");
        return;
    }
    let wanted = wanted.join(and);
    match db {
        Conn::Sqlite(_) => query
            .push(
                " AND c.id IN (SELECT w.conversation_id FROM conversation_fts
                   JOIN conversation_words w ON w.number = conversation_fts.rowid WHERE conversation_fts MATCH ",
            )
            .bind(wanted)
            .push(" AND w.organization_id = ")
            .bind(Id(organization.0))
            .push(")"),
        Conn::Postgres { .. } => query
            .push(" AND c.id IN (SELECT resly_find_conversations(")
            .bind(wanted.replace('"', ""))
            .push("::text::tsquery, ")
            .bind(Id(organization.0))
            .push("))"),
    };
}

impl Store {
    /// Marks the conversations that have messages since they were read for the index. Returns whether there may be more.
    #[boxed]
    pub async fn mark_unindexed_conversations(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.write(RowScope::Host, "look for conversations with new messages", move |mut db| {
            Box::pin(async move { Ok(mark(&mut db, now).await?) })
        })
        .await
    }

    /// Takes some of the marked conversations of all organizations, until a lease ends.
    #[boxed]
    pub async fn take_unindexed_conversations(
        &self,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<UnindexedConversation>, StoreError> {
        self.write(RowScope::Host, "read conversations for the index", move |mut db| {
            Box::pin(async move { Ok(take(&mut db, now, now.plus(lease)).await?) })
        })
        .await
    }

    /// Stores the words of conversations. One that has new messages since it was taken, or is gone, is left as it is.
    #[boxed]
    pub async fn index_conversations(&self, found: Vec<IndexedConversation>) -> Result<(), StoreError> {
        self.write(RowScope::Host, "store the words of conversations", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                for IndexedConversation { of, words, language, again_at } in found {
                    execute!(
                        db,
                        "UPDATE conversation_words SET words = $4, language = $5, due_at = $6
                         WHERE conversation_id = $1 AND organization_id = $2 AND due_at = $3",
                        Id(of.conversation.0),
                        Id(of.organization.0),
                        Time(of.lease_until),
                        Text(&words),
                        language,
                        again_at.map(Time)
                    )?;
                }
                Ok(())
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_messages_are_looked_for_from_a_little_before_the_newest_known_one() {
        let now = Timestamp::from_micros(1_790_000_000_000_000);
        let id = |millis: u128| Uuid::from_u128(millis << 80 | 7);
        assert_eq!(begin_at(None, now), Uuid::nil());
        assert_eq!(begin_at(Some(id(1_789_000_000_000)), now), Uuid::from_u128(1_788_999_880_000 << 80));
        // A host whose clock is ahead hides nothing that others store.
        assert_eq!(begin_at(Some(id(1_800_000_000_000)), now), Uuid::from_u128(1_789_999_880_000 << 80));
    }
}
