//! Requests to delete a visitor's data, and the record that it was done.
//!
//! A request detaches the visitor at once: the row gets another name, so that whoever chats under the old one is a new
//! visitor and reaches nothing of what is being deleted. A host then deletes in short transactions, each with its
//! counts, so a host that dies in between leaves a true record, and another one goes on.

mod work;

use resly_core::{
    boxed,
    error::StoreError,
    id::{DeletionId, OrganizationId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::work::DueDeletion;
use crate::{
    Store,
    columns::{returning, select},
    error::failed,
    page::Cursor,
    purge::DeletedRows,
    query::Query,
    sql::{Conn, execute, row},
    types::{Count, Id, Text, Time, named},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeletionState {
    /// Something may still be there.
    Pending,
    Done,
}

/// A request to delete a visitor's data, and what was deleted so far.
#[derive(Clone, Debug)]
pub struct Deletion {
    pub id: DeletionId,
    /// The key, or the person in the console.
    pub requested_by: Uuid,
    pub state: DeletionState,
    pub deleted: DeletedRows,
    /// Connected accounts that were deleted.
    pub accounts: u64,
    /// Of these, the ones whose service didn't confirm that their tokens are revoked.
    pub unconfirmed_revocations: u64,
    pub created_at: Timestamp,
    pub completed_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct NewDeletion {
    pub id: DeletionId,
    pub organization: OrganizationId,
    /// The client's id of the visitor.
    pub visitor: String,
    /// A keyed hash of it, which stays.
    pub visitor_hash: [u8; 32],
    /// The key, or the person in the console.
    pub requested_by: Uuid,
    pub now: Timestamp,
}

/// Which requests to list. What is `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct DeletionQuery {
    pub visitor_hash: Option<[u8; 32]>,
    pub before: Option<Cursor>,
    pub limit: u32,
}

#[derive(sqlx_macros::FromRow)]
struct DeletionRow {
    id: Id,
    key_id: Id,
    state: String,
    conversations: Count,
    messages: Count,
    tickets: Count,
    approvals: Count,
    connector_calls: Count,
    idempotency_results: Count,
    accounts: Count,
    unconfirmed_revocations: Count,
    created_at: Time,
    completed_at: Option<Time>,
}

impl DeletionRow {
    fn deletion(self) -> Result<Deletion, sqlx::Error> {
        Ok(Deletion {
            id: DeletionId(self.id.0),
            requested_by: self.key_id.0,
            state: named(self.state)?,
            deleted: DeletedRows {
                conversations: self.conversations.0,
                messages: self.messages.0,
                tickets: self.tickets.0,
                approvals: self.approvals.0,
                connector_calls: self.connector_calls.0,
                idempotency_results: self.idempotency_results.0,
            },
            accounts: self.accounts.0,
            unconfirmed_revocations: self.unconfirmed_revocations.0,
            created_at: self.created_at.0,
            completed_at: self.completed_at.map(|at| at.0),
        })
    }
}

/// Stores a request, and detaches the visitor. Returns the pending request when there is one, and `None` when nothing is
/// stored about the visitor.
async fn request(db: &mut Conn<'_>, new: &NewDeletion) -> Result<Option<Deletion>, sqlx::Error> {
    let organization = Id(new.organization.0);
    let sql = db.pick(
        "SELECT id FROM visitors WHERE organization_id = $1 AND external_id = $2",
        "SELECT id FROM visitors WHERE organization_id = $1 AND external_id = $2 FOR UPDATE",
    );
    let visitor = row!(db, (Id,), sql, organization, Text(&new.visitor))?;
    match visitor {
        Some((visitor,)) => detach(db, new, visitor).await?,
        None => {
            if let Some(pending) = pending(db, new).await? {
                return Ok(Some(pending));
            }
            let sql =
                "SELECT connection_id FROM connection_accounts WHERE organization_id = $1 AND visitor = $2 LIMIT 1";
            if row!(db, (Id,), sql, organization, Text(&new.visitor))?.is_none() {
                return Ok(None);
            }
        }
    }
    let stored = row!(
        db,
        DeletionRow,
        returning!(
            deletion,
            "INSERT INTO deletion_requests
                 (id, organization_id, key_id, visitor_hash, visitor, visitor_id, state, lease_until, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $7)"
        ),
        Id(new.id.0),
        organization,
        Id(new.requested_by),
        new.visitor_hash.as_slice(),
        Text(&new.visitor),
        visitor.map(|(id,)| id),
        Time(new.now)
    )?;
    stored.map(DeletionRow::deletion).transpose()
}

async fn pending(db: &mut Conn<'_>, new: &NewDeletion) -> Result<Option<Deletion>, sqlx::Error> {
    let found = row!(
        db,
        DeletionRow,
        select!(
            deletion,
            "FROM deletion_requests
             WHERE organization_id = $1 AND state = 'pending' AND (visitor = $2 OR visitor_id = $3)
             ORDER BY created_at DESC, id DESC LIMIT 1"
        ),
        Id(new.organization.0),
        Text(&new.visitor),
        Id(Uuid::parse_str(&new.visitor).unwrap_or_default())
    )?;
    found.map(DeletionRow::deletion).transpose()
}

/// Gives the visitor's row a name that nobody uses, and voids the approvals that wait for the visitor.
async fn detach(db: &mut Conn<'_>, new: &NewDeletion, visitor: Id) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "UPDATE visitors SET external_id = $2, updated_at = $3 WHERE id = $1",
        visitor,
        format!("deleted:{}", new.id),
        Time(new.now)
    )?;
    execute!(
        db,
        "UPDATE approvals SET state = 'expired'
         WHERE organization_id = $1 AND state = 'pending'
           AND conversation_id IN (SELECT id FROM conversations WHERE visitor_id = $2)",
        Id(new.organization.0),
        visitor
    )
    .map(drop)
}

impl Store {
    /// The client's id of a visitor, whom the text names by that id or by ours. `None` for a visitor who never chatted,
    /// or whose data is being deleted.
    #[boxed]
    pub async fn find_visitor(
        &self,
        organization: OrganizationId,
        name_or_id: &str,
    ) -> Result<Option<String>, StoreError> {
        let doing = "find a visitor";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            (String,),
            "SELECT external_id FROM visitors v WHERE organization_id = $1 AND (external_id = $2 OR id = $3)
               AND NOT EXISTS (SELECT 1 FROM deletion_requests d WHERE d.organization_id = $1 AND d.visitor_id = v.id)
             ORDER BY CASE WHEN external_id = $2 THEN 0 ELSE 1 END LIMIT 1",
            Id(organization.0),
            Text(name_or_id),
            Id(Uuid::parse_str(name_or_id).unwrap_or_default())
        );
        Ok(found.map_err(failed(doing))?.map(|(external_id,)| external_id))
    }

    /// Stores a request to delete a visitor's data. From then on, nobody reaches it by chatting under the visitor's name.
    /// Returns the pending request when there is one, and `None` when nothing is stored about the visitor.
    #[boxed]
    pub async fn request_deletion(&self, new: NewDeletion) -> Result<Option<Deletion>, StoreError> {
        self.write(new.organization, "store a request to delete a visitor's data", move |mut db| {
            Box::pin(async move { Ok(request(&mut db, &new).await?) })
        })
        .await
    }

    #[boxed]
    pub async fn deletion(&self, organization: OrganizationId, id: DeletionId) -> Result<Option<Deletion>, StoreError> {
        let doing = "read a request to delete a visitor's data";
        let mut db = self.reader(organization, doing).await?;
        let sql = select!(deletion, "FROM deletion_requests WHERE id = $1 AND organization_id = $2");
        let found = row!(db, DeletionRow, sql, Id(id.0), Id(organization.0)).map_err(failed(doing))?;
        found.map(DeletionRow::deletion).transpose().map_err(failed(doing))
    }

    /// The organization's requests, newest first.
    #[boxed]
    pub async fn deletions(
        &self,
        organization: OrganizationId,
        query: DeletionQuery,
    ) -> Result<Vec<Deletion>, StoreError> {
        let doing = "list the requests to delete a visitor's data";
        let mut db = self.reader(organization, doing).await?;
        let mut list = Query::new(&db.conn(), select!(deletion, "FROM deletion_requests WHERE organization_id = "));
        list.bind(Id(organization.0))
            .filter(" AND visitor_hash = ", query.visitor_hash.map(Vec::from))
            .older(" AND (created_at, id)", query.before)
            .push(" ORDER BY created_at DESC, id DESC LIMIT ")
            .bind(i64::from(query.limit));
        let found: Vec<DeletionRow> = list.fetch_all(&mut db.conn()).await.map_err(failed(doing))?;
        found.into_iter().map(DeletionRow::deletion).collect::<Result<_, _>>().map_err(failed(doing))
    }
}
