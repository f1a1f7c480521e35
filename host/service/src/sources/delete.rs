//! Deletes what is left of the sources and crawls that were deleted. A request only hides them, so it is short, and what it
//! hid is found no more.

use std::time::Duration;

use resly_core::{boxed, error::StoreError};

use crate::App;

/// Between two transactions, so that other writes come first.
const PAUSE: Duration = Duration::from_millis(20);

/// Deletes what is left, in short transactions with pauses. Any number of hosts may do it at once, also after the one that
/// took the request has died.
#[boxed]
pub async fn delete_hidden(app: &App) -> Result<(), StoreError> {
    while app.store.delete_hidden().await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
