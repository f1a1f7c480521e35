//! Brings up to date what the database derives from passages for those who query it themselves.

use std::time::Duration;

use resly_core::{boxed, error::StoreError};

use crate::App;

/// Between two transactions, so that other writes come first.
const PAUSE: Duration = Duration::from_millis(20);

/// Brings all passages up to date, in short transactions with pauses. Any host goes on with it after the one that began has
/// died.
#[boxed]
pub async fn refresh_passages(app: &App) -> Result<(), StoreError> {
    while app.store.refresh_passages(resly_search::language).await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
