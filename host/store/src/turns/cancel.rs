//! Cancels an answer that another host writes. It sets a flag in the turn's row, which the writing host polls.

use resly_core::{
    error::StoreError,
    id::{MessageId, OrganizationId},
};

use crate::{
    RowScope, Store,
    error::failed,
    sql::{execute, rows},
    types::Id,
};

pub(super) async fn request(store: &Store, organization: OrganizationId, answer: MessageId) -> Result<(), StoreError> {
    store
        .write(organization, "ask to cancel an answer", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "UPDATE turns SET cancel_requested = $3
                     WHERE id = $1 AND organization_id = $2 AND status = 'streaming'",
                    Id(answer.0),
                    Id(organization.0),
                    true
                )?;
                Ok(())
            })
        })
        .await
}

/// Answers that are to be cancelled, and those that a person cut off. Both are few and have an index, so reading them every
/// second is cheap.
pub(super) async fn requests(store: &Store) -> Result<Vec<MessageId>, StoreError> {
    let doing = "look for answers to cancel";
    let mut db = store.reader(RowScope::Host, doing).await?;
    let sql = "SELECT id FROM turns WHERE status = 'streaming' AND cancel_requested
               UNION ALL SELECT id FROM turns WHERE status = 'interrupted' AND cancel_requested";
    let found = rows!(db, (Id,), sql);
    Ok(found.map_err(failed(doing))?.into_iter().map(|(id,)| MessageId(id.0)).collect())
}
