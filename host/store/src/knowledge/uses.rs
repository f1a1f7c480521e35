//! The passages of a source, and the answers that cite it.

use resly_core::{
    boxed,
    error::StoreError,
    id::{ConversationId, MessageId, OrganizationId, PassageId, RevisionId, SourceId},
    knowledge::PassageText,
    time::Timestamp,
};

use super::TextRow;
use crate::{
    Store,
    error::failed,
    page::{self, Cursor},
    sql::{row, rows},
    types::{Id, Text, Time},
};

/// An answer that cites a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CitingAnswer {
    pub message: MessageId,
    pub conversation: ConversationId,
    /// The answer's first 240 characters.
    pub excerpt: String,
    pub created_at: Timestamp,
}

/// The answers that cite a source, among some of the newest messages.
#[derive(Clone, Debug, Default)]
pub struct CitingAnswers {
    /// Newest first.
    pub answers: Vec<CitingAnswer>,
    /// Where older messages begin, when there are more.
    pub older: Option<Cursor>,
}

/// The last message of those that are read.
pub(crate) const WINDOW: &str = "SELECT created_at, id FROM messages
     WHERE organization_id = $1 AND ($2 IS NULL OR (created_at, id) < ($2, $3))
     ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET $4";

macro_rules! citing {
    ($each:literal, $source:literal) => {
        concat!(
            "SELECT id, conversation_id, substr(content, 1, 240), created_at FROM messages
             WHERE organization_id = $1 AND ($2 IS NULL OR (created_at, id) < ($2, $3))
               AND ($4 IS NULL OR (created_at, id) >= ($4, $5)) AND superseded_at IS NULL
               AND EXISTS (SELECT 1 FROM ",
            $each,
            "(citations) c WHERE ",
            $source,
            " = $6)
             ORDER BY created_at DESC, id DESC"
        )
    };
}

const CITING: (&str, &str) = (
    citing!("json_each", "json_extract(c.value, '$.source_id')"),
    citing!("jsonb_array_elements", "c.value->>'source_id'"),
);

impl Store {
    /// The answers that cite a source, among the `most` newest messages before the cursor, which are read by their index.
    /// There is no index of citations: each answer would have to write it.
    #[boxed]
    pub async fn citing_answers(
        &self,
        organization: OrganizationId,
        source: SourceId,
        before: Option<Cursor>,
        most: u32,
    ) -> Result<CitingAnswers, StoreError> {
        let doing = "look for answers that cite a source";
        let (before, before_id) = page::bounds(before);
        let mut reader = self.reader(organization, doing).await?;
        let mut db = reader.conn();
        let last = row!(db, (Time, Id), WINDOW, Id(organization.0), before, before_id, i64::from(most) - 1);
        let (last, last_id) = last.map_err(failed(doing))?.unzip();
        let sql = db.pick(CITING.0, CITING.1);
        let found = rows!(
            db,
            (Id, Id, String, Time),
            sql,
            Id(organization.0),
            before,
            before_id,
            last,
            last_id,
            Text(&source.to_string())
        )
        .map_err(failed(doing))?;
        let answer = |(message, conversation, excerpt, created_at): (Id, Id, String, Time)| CitingAnswer {
            message: MessageId(message.0),
            conversation: ConversationId(conversation.0),
            excerpt,
            created_at: created_at.0,
        };
        let older = last.zip(last_id).map(|(at, id)| Cursor { at: at.0, id: id.0 });
        Ok(CitingAnswers { answers: found.into_iter().map(answer).collect(), older })
    }

    /// At most `limit` passages of a source, from this position on, in their order.
    #[boxed]
    pub async fn source_passages(
        &self,
        organization: OrganizationId,
        source: SourceId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<PassageText>, StoreError> {
        let doing = "read the passages of a source";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            TextRow,
            "SELECT p.id, s.revision, p.position, p.title, p.section, p.text
             FROM knowledge_sources s JOIN passages p ON p.source_id = s.id
             WHERE s.id = $1 AND s.organization_id = $2 AND s.chunks > 0 AND s.status <> 'deleting' AND p.position >= $3
             ORDER BY p.position LIMIT $4",
            Id(source.0),
            Id(organization.0),
            i64::try_from(from).unwrap_or(i64::MAX),
            i64::from(limit)
        )
        .map_err(failed(doing))?;
        let text = |row: TextRow| PassageText {
            id: PassageId(row.id.0),
            revision: RevisionId(row.revision.0),
            position: row.position.0,
            title: row.title,
            section: row.section,
            text: row.text,
        };
        Ok(found.into_iter().map(text).collect())
    }
}
