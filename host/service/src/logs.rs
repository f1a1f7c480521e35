//! The log of connector calls.

use resly_core::{boxed, error::StoreError, id::OrganizationId};
use resly_store::{LogDay, LogPage, LogQuery};

use crate::App;

/// A page of the log.
pub struct Logs {
    pub page: LogPage,
    /// How much of its budget the log has used today, in the sandbox and in production.
    pub today: [LogDay; 2],
}

/// The calls that match a query, newest first.
#[boxed]
pub async fn list(app: &App, organization: OrganizationId, query: LogQuery) -> Result<Logs, StoreError> {
    let page = app.store.logs(organization, query).await?;
    let today = app.store.log_today(organization, app.clock.now()).await?;
    Ok(Logs { page, today })
}
