//! Deletes a connection with its credentials, and asks the service to revoke its tokens.

use resly_core::{
    boxed,
    id::{ConnectionId, OrganizationId},
};

use super::{ConnectionError, find};
use crate::{App, accounts::Revocation};

/// Deletes a connection.
#[boxed]
pub async fn revoke(app: &App, organization: OrganizationId, id: ConnectionId) -> Result<Revocation, ConnectionError> {
    let connection = find(app, organization, id).await?;
    // Without the connector's manifest, nobody knows where its tokens are revoked.
    let prepared = app.connectors.prepare(&connection).await.ok();
    let deleted = app.store.delete_connection(organization, id, app.clock.now()).await?;
    let accounts = deleted.ok_or(ConnectionError::Missing)?;
    Ok(match prepared {
        Some(prepared) => app.accounts.revoke(&connection, &prepared.installable, accounts).await,
        None => Revocation::Done,
    })
}
