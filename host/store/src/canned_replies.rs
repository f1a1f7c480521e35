//! Canned replies: texts that agents use again and again, by short names.

use resly_core::{
    boxed,
    error::StoreError,
    id::{OrganizationId, RowId},
    time::Timestamp,
};
use serde::Serialize;

use crate::{
    Store,
    audit::{Author, Subject, view},
    error::{OperationError, failed},
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Text, Time},
};

/// The most canned replies of an organization.
pub const CANNED_REPLIES_MOST: u64 = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannedReply {
    pub id: RowId,
    /// What agents type after a slash. No other one of the organization has it.
    pub name: String,
    /// The text, with placeholders.
    pub body: String,
    pub updated_at: Timestamp,
}

/// Why a canned reply isn't kept.
#[derive(Debug, thiserror::Error)]
pub enum CannedReplyError {
    #[error("there is no such canned reply")]
    Missing,
    #[error("another canned reply has this name")]
    NameTaken,
    #[error("an organization has at most {CANNED_REPLIES_MOST} canned replies")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the audit log shows.
#[derive(Serialize)]
struct CannedReplyView<'r> {
    name: &'r str,
    body: &'r str,
}

impl<'r> CannedReplyView<'r> {
    fn of(reply: &'r CannedReply) -> Self {
        Self { name: &reply.name, body: &reply.body }
    }
}

#[derive(sqlx_macros::FromRow)]
struct ReplyRow {
    id: Id,
    name: String,
    body: String,
    updated_at: Time,
}

impl From<ReplyRow> for CannedReply {
    fn from(ReplyRow { id, name, body, updated_at }: ReplyRow) -> Self {
        Self { id: RowId(id.0), name, body, updated_at: updated_at.0 }
    }
}

async fn find(db: &mut Conn<'_>, organization: OrganizationId, id: RowId) -> Result<Option<CannedReply>, sqlx::Error> {
    let sql = db.pick(
        "SELECT id, name, body, updated_at FROM canned_replies WHERE id = $1 AND organization_id = $2",
        "SELECT id, name, body, updated_at FROM canned_replies WHERE id = $1 AND organization_id = $2 FOR UPDATE",
    );
    Ok(row!(db, ReplyRow, sql, Id(id.0), Id(organization.0))?.map(CannedReply::from))
}

/// A second reply of a name violates the table's constraint.
fn taken(error: sqlx::Error) -> OperationError<CannedReplyError> {
    match &error {
        sqlx::Error::Database(reason) if reason.is_unique_violation() => {
            OperationError::Refused(CannedReplyError::NameTaken)
        }
        _ => OperationError::Database(error),
    }
}

impl Store {
    /// The organization's canned replies, by their names.
    #[boxed]
    pub async fn canned_replies(&self, organization: OrganizationId) -> Result<Vec<CannedReply>, StoreError> {
        let doing = "list the canned replies";
        let mut db = self.reader(organization, doing).await?;
        let sql = "SELECT id, name, body, updated_at FROM canned_replies WHERE organization_id = $1 ORDER BY name, id";
        let found = rows!(db, ReplyRow, sql, Id(organization.0)).map_err(failed(doing))?;
        Ok(found.into_iter().map(CannedReply::from).collect())
    }

    /// Keeps a new canned reply.
    #[boxed]
    pub async fn add_canned_reply(
        &self,
        organization: OrganizationId,
        reply: CannedReply,
    ) -> Result<(), CannedReplyError> {
        let by = Author::current();
        self.write(organization, "keep a canned reply", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let count = "SELECT COUNT(*) FROM canned_replies WHERE organization_id = $1";
                let kept = row!(db, (Count,), count, Id(organization.0))?;
                if kept.is_some_and(|(Count(kept),)| kept >= CANNED_REPLIES_MOST) {
                    return Err(OperationError::Refused(CannedReplyError::TooMany));
                }
                let inserted = execute!(
                    db,
                    "INSERT INTO canned_replies (id, organization_id, name, body, created_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, $5)",
                    Id(reply.id.0),
                    Id(organization.0),
                    Text(&reply.name),
                    Text(&reply.body),
                    Time(reply.updated_at)
                );
                inserted.map_err(taken)?;
                let (subject, after) = (Subject::new(reply.id, &reply.name), view(&CannedReplyView::of(&reply))?);
                Ok(by.created(db, organization, "canned_reply.create", subject, after).await?)
            })
        })
        .await
    }

    /// Replaces a canned reply's name and text.
    #[boxed]
    pub async fn change_canned_reply(
        &self,
        organization: OrganizationId,
        reply: CannedReply,
    ) -> Result<(), CannedReplyError> {
        let by = Author::current();
        self.write(organization, "change a canned reply", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let before = find(db, organization, reply.id).await?;
                let before = before.ok_or(OperationError::Refused(CannedReplyError::Missing))?;
                let changed = execute!(
                    db,
                    "UPDATE canned_replies SET name = $3, body = $4, updated_at = $5
                     WHERE id = $1 AND organization_id = $2",
                    Id(reply.id.0),
                    Id(organization.0),
                    Text(&reply.name),
                    Text(&reply.body),
                    Time(reply.updated_at)
                );
                changed.map_err(taken)?;
                let (old, new) = (view(&CannedReplyView::of(&before))?, view(&CannedReplyView::of(&reply))?);
                let subject = Subject::new(reply.id, &reply.name);
                Ok(by.changed(db, organization, "canned_reply.change", subject, old, new).await?)
            })
        })
        .await
    }

    /// Deletes a canned reply.
    #[boxed]
    pub async fn delete_canned_reply(&self, organization: OrganizationId, id: RowId) -> Result<(), CannedReplyError> {
        let by = Author::current();
        self.write(organization, "delete a canned reply", move |mut db| {
            Box::pin(async move {
                let db = &mut db;
                let before = find(db, organization, id).await?;
                let before = before.ok_or(OperationError::Refused(CannedReplyError::Missing))?;
                let sql = "DELETE FROM canned_replies WHERE id = $1 AND organization_id = $2";
                execute!(db, sql, Id(id.0), Id(organization.0))?;
                let (subject, old) = (Subject::new(id, &before.name), view(&CannedReplyView::of(&before))?);
                Ok(by.deleted(db, organization, "canned_reply.delete", subject, old).await?)
            })
        })
        .await
    }
}
