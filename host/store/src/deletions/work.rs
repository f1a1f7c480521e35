//! The work on a request: a host takes it under a lease, and deletes the visitor's rows part by part.

use resly_core::{
    boxed,
    connector::account::{Account, AccountKey},
    error::StoreError,
    id::{DeletionId, MessageId, OrganizationId},
    time::Timestamp,
};

use crate::{
    RowScope, Store, accounts,
    error::{failed, unexpected},
    purge::{self, DeletedRows},
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Text, Time},
};

/// A request that this host works on until its lease ends.
#[derive(Clone, Debug)]
pub struct DueDeletion {
    pub id: DeletionId,
    pub organization: OrganizationId,
    /// The client's id of the visitor.
    pub visitor: String,
    /// The visitor's row. `None` when the visitor had accounts and never chatted.
    row: Option<Id>,
    pub created_at: Timestamp,
}

/// Adds what was deleted to the record, and renews the lease.
async fn add(
    db: &mut Conn<'_>,
    due: &DueDeletion,
    deleted: DeletedRows,
    accounts: [u64; 2],
    lease_until: Timestamp,
) -> Result<(), sqlx::Error> {
    let [accounts, unconfirmed] = accounts;
    execute!(
        db,
        "UPDATE deletion_requests SET conversations = conversations + $2, messages = messages + $3,
             tickets = tickets + $4, approvals = approvals + $5, connector_calls = connector_calls + $6,
             idempotency_results = idempotency_results + $7, accounts = accounts + $8,
             unconfirmed_revocations = unconfirmed_revocations + $9, lease_until = $10
         WHERE id = $1",
        Id(due.id.0),
        Count(deleted.conversations),
        Count(deleted.messages),
        Count(deleted.tickets),
        Count(deleted.approvals),
        Count(deleted.connector_calls),
        Count(deleted.idempotency_results),
        Count(accounts),
        Count(unconfirmed),
        Time(lease_until)
    )
    .map(drop)
}

async fn take(db: &mut Conn<'_>, now: Timestamp, lease_until: Timestamp) -> Result<Option<DueDeletion>, sqlx::Error> {
    let sql = db.pick(
        "UPDATE deletion_requests SET lease_until = $2 WHERE id = (
             SELECT id FROM deletion_requests WHERE state = 'pending' AND lease_until <= $1
             ORDER BY lease_until, id LIMIT 1)
         RETURNING id, organization_id, visitor, visitor_id, created_at",
        "UPDATE deletion_requests SET lease_until = $2 WHERE id = (
             SELECT id FROM deletion_requests WHERE state = 'pending' AND lease_until <= $1
             ORDER BY lease_until, id LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, organization_id, visitor, visitor_id, created_at",
    );
    let taken = row!(db, (Id, Id, Option<String>, Option<Id>, Time), sql, Time(now), Time(lease_until))?;
    let Some((id, organization, visitor, row, created_at)) = taken else { return Ok(None) };
    let visitor = visitor.ok_or_else(|| unexpected("a pending deletion without its visitor"))?;
    let (id, organization) = (DeletionId(id.0), OrganizationId(organization.0));
    Ok(Some(DueDeletion { id, organization, visitor, row, created_at: created_at.0 }))
}

/// Deletes a part of the visitor's conversations. Returns whether there may be more.
async fn delete_some(db: &mut Conn<'_>, due: &DueDeletion, lease_until: Timestamp) -> Result<bool, sqlx::Error> {
    let sql = db.pick(
        "SELECT id, next_position FROM conversations WHERE organization_id = $1 AND visitor_id = $2
         ORDER BY id LIMIT $3",
        "SELECT id, next_position FROM conversations WHERE organization_id = $1 AND visitor_id = $2
         ORDER BY id LIMIT $3 FOR UPDATE",
    );
    let found = rows!(db, (Id, i64), sql, Id(due.organization.0), due.row, purge::CONVERSATIONS)?;
    if found.is_empty() {
        return Ok(false);
    }
    let deleted = purge::purge(db, due.organization, &purge::batch(found)).await?;
    add(db, due, deleted, [0, 0], lease_until).await?;
    Ok(true)
}

/// Deletes what is left of the visitor, and the name from the record.
async fn complete(db: &mut Conn<'_>, due: &DueDeletion, now: Timestamp) -> Result<(), sqlx::Error> {
    let organization = Id(due.organization.0);
    execute!(
        db,
        "DELETE FROM oauth_flows WHERE organization_id = $1 AND visitor = $2",
        organization,
        Text(&due.visitor)
    )?;
    execute!(
        db,
        "DELETE FROM visitor_usage WHERE organization_id = $1 AND visitor = $2",
        organization,
        Text(&due.visitor)
    )?;
    // `core/src/connector/call/invocation.rs` names the scope of a connector's state for a visitor.
    execute!(
        db,
        "DELETE FROM connector_state WHERE organization_id = $1
           AND (connection_id, connector) IN (SELECT id, connector || '/' || $2 FROM connections WHERE organization_id = $1)",
        organization,
        Text(&due.visitor)
    )?;
    if let Some(row) = due.row {
        execute!(db, "DELETE FROM visitors WHERE id = $1 AND organization_id = $2", row, organization)?;
    }
    execute!(
        db,
        "UPDATE deletion_requests SET state = 'done', visitor = NULL, visitor_id = NULL, completed_at = $2
         WHERE id = $1 AND state = 'pending'",
        Id(due.id.0),
        Time(now)
    )
    .map(drop)
}

impl Store {
    /// Takes a request that no host works on, until the lease ends.
    #[boxed]
    pub async fn take_deletion(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<DueDeletion>, StoreError> {
        self.write(RowScope::Host, "take a request to delete a visitor's data", move |mut db| {
            Box::pin(async move { Ok(take(&mut db, now, lease_until).await?) })
        })
        .await
    }

    /// Asks to cancel the answers that are being written to the visitor, and returns them. A host that died may have
    /// been writing one until its lease ends.
    #[boxed]
    pub async fn cancel_answers_to_visitor(&self, due: DueDeletion) -> Result<Vec<MessageId>, StoreError> {
        self.write(due.organization, "cancel the answers to a visitor", move |mut db| {
            Box::pin(async move {
                let running = rows!(
                    db,
                    (Id,),
                    "UPDATE turns SET cancel_requested = $3
                     WHERE organization_id = $1 AND status = 'streaming'
                       AND conversation_id IN (SELECT id FROM conversations WHERE organization_id = $1 AND visitor_id = $2)
                     RETURNING id",
                    Id(due.organization.0),
                    due.row,
                    true
                )?;
                Ok(running.into_iter().map(|(id,)| MessageId(id.0)).collect())
            })
        })
        .await
    }

    /// Gives a request back until `at`.
    #[boxed]
    pub async fn postpone_deletion(&self, due: DueDeletion, at: Timestamp) -> Result<(), StoreError> {
        self.write(due.organization, "postpone the deletion of a visitor's data", move |mut db| {
            Box::pin(async move {
                let sql = "UPDATE deletion_requests SET lease_until = $2 WHERE id = $1 AND state = 'pending'";
                Ok(execute!(db, sql, Id(due.id.0), Time(at)).map(drop)?)
            })
        })
        .await
    }

    /// The visitor's accounts, apart from those that were connected after the request.
    #[boxed]
    pub async fn visitor_accounts(&self, due: &DueDeletion) -> Result<Vec<(AccountKey, Account)>, StoreError> {
        let doing = "list a visitor's accounts";
        let mut db = self.reader(due.organization, doing).await?;
        accounts::of_visitor(&mut db.conn(), due.organization, &due.visitor, due.created_at)
            .await
            .map_err(failed(doing))
    }

    /// Deletes an account of the visitor, adds it to the record, and returns it. `confirmed` tells whether its service has
    /// revoked its tokens.
    #[boxed]
    pub async fn delete_visitor_account(
        &self,
        due: DueDeletion,
        key: AccountKey,
        confirmed: bool,
        lease_until: Timestamp,
    ) -> Result<Option<Account>, StoreError> {
        self.write(due.organization, "delete a visitor's account", move |mut db| {
            Box::pin(async move {
                let account = accounts::delete(&mut db, &key).await?;
                let gone = u64::from(account.is_some());
                let counts = [gone, if confirmed { 0 } else { gone }];
                add(&mut db, &due, DeletedRows::default(), counts, lease_until).await?;
                Ok(account)
            })
        })
        .await
    }

    /// Deletes some of the visitor's rows, adds them to the record and renews the lease. Returns whether there may be
    /// more.
    #[boxed]
    pub async fn delete_visitor_rows(&self, due: DueDeletion, lease_until: Timestamp) -> Result<bool, StoreError> {
        self.write(due.organization, "delete a visitor's conversations", move |mut db| {
            Box::pin(async move { Ok(delete_some(&mut db, &due, lease_until).await?) })
        })
        .await
    }

    /// Ends a request after the visitor's rows were deleted.
    #[boxed]
    pub async fn complete_deletion(&self, due: DueDeletion, now: Timestamp) -> Result<(), StoreError> {
        self.write(due.organization, "complete the deletion of a visitor's data", move |mut db| {
            Box::pin(async move { Ok(complete(&mut db, &due, now).await?) })
        })
        .await
    }
}
