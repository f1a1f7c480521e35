//! Deletes a version.

use resly_core::{boxed, id::OrganizationId};
use resly_store::VersionRemoval;

use super::ConnectorError;
use crate::App;

/// Deletes a version that no connection uses. Its number stays taken: only the same content can be added under it
/// again.
#[boxed]
pub async fn delete(
    app: &App,
    organization: OrganizationId,
    connector: String,
    version: String,
) -> Result<(), ConnectorError> {
    if app.catalogue.is_bundled(&connector) {
        return Err(ConnectorError::Bundled(connector));
    }
    match app.store.delete_connector(organization, connector, version).await? {
        VersionRemoval::Gone => {
            app.components.sweep_soon().await;
            Ok(())
        }
        VersionRemoval::Missing => Err(ConnectorError::NoVersion),
        VersionRemoval::InUse(connections) => Err(ConnectorError::InUse(connections)),
    }
}
