//! Deletes the conversations that are older than their organization's plan keeps them.

use std::time::Duration;

use resly_core::{boxed, error::StoreError};
use resly_store::{DeletedRows, Retention};

use crate::App;

/// Between two transactions, so that chats come first. A transaction takes some milliseconds.
const PAUSE: Duration = Duration::from_millis(50);

/// Deletes what is due in every organization, in short transactions with pauses. Any number of hosts may do it at once:
/// each takes what no other is deleting.
#[boxed]
pub async fn expire(app: &App) -> Result<(), StoreError> {
    for retention in app.store.retentions().await? {
        let (deleted, visitors) = expire_one(app, retention).await?;
        if deleted != DeletedRows::default() || visitors > 0 {
            tracing::info!(
                organization = %retention.organization,
                days = retention.days,
                conversations = deleted.conversations,
                messages = deleted.messages,
                tickets = deleted.tickets,
                connector_calls = deleted.connector_calls,
                visitors,
                "deleted conversations that the plan keeps no longer"
            );
        }
    }
    Ok(())
}

async fn expire_one(app: &App, retention: Retention) -> Result<(DeletedRows, u64), StoreError> {
    let mut deleted = DeletedRows::default();
    let mut after = None;
    loop {
        let batch = app.store.expire_conversations(retention, after, app.clock.now()).await?;
        deleted.add(batch.deleted);
        after = batch.next;
        if after.is_none() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let mut visitors = 0;
    loop {
        let (gone, more) = app.store.expire_visitors(retention, app.clock.now()).await?;
        visitors += gone;
        if !more {
            return Ok((deleted, visitors));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
