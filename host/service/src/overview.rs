//! An organization at a glance: what it used this month, and its connections.

use resly_core::{boxed, connector::connection::Connection, error::StoreError, id::OrganizationId, meter::UsageReport};

use crate::App;

/// The usage and the connections of an organization.
pub struct Overview {
    pub usage: UsageReport,
    pub connections: Vec<Connection>,
}

/// The organization as it is now.
#[boxed]
pub async fn get(app: &App, organization: OrganizationId) -> Result<Overview, StoreError> {
    let usage = app.store.usage(organization, app.clock.now()).await?;
    let connections = app.store.list_connections(organization).await?;
    Ok(Overview { usage, connections })
}
