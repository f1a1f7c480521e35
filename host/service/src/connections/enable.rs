//! Offers a connection to chats, and takes it away from them. Admins can call it in both states.

use resly_core::{
    boxed,
    connector::connection::{Connection, ConnectionStatus, Environment},
    id::{ConnectionId, OrganizationId},
};

use super::{ConnectionError, find, not_changed};
use crate::App;

/// Offers a connection to chats. In production, it needs a credential that works and a passed test.
#[boxed]
pub async fn enable(app: &App, organization: OrganizationId, id: ConnectionId) -> Result<Connection, ConnectionError> {
    let connection = find(app, organization, id).await?;
    let prepared = app.connectors.prepare(&connection).await?;
    // The publishers that the organization trusts may have changed since the connection was installed.
    app.catalogue.choose(organization, &connection.connector, Some(&connection.version)).await?;
    if !app.accounts.is_credentialed(&connection, &prepared.installable).await? {
        let (what, remedy) = app.accounts.missing_credential(&connection, &prepared.installable);
        return Err(ConnectionError::NoCredential(what, remedy));
    }
    if connection.status == ConnectionStatus::NeedsAuth {
        return Err(ConnectionError::CredentialRefused);
    }
    if connection.environment == Environment::Production && connection.tested_at.is_none() {
        return Err(ConnectionError::Untested);
    }
    if !app.store.enable_connection(&connection).await? {
        return Err(not_changed(app, organization, id).await);
    }
    Ok(Connection { status: ConnectionStatus::Enabled, ..connection })
}

/// Takes a connection away from chats.
#[boxed]
pub async fn disable(app: &App, organization: OrganizationId, id: ConnectionId) -> Result<Connection, ConnectionError> {
    let connection = find(app, organization, id).await?;
    if !app.store.disable_connection(organization, id, app.clock.now()).await? {
        return Err(ConnectionError::Missing);
    }
    Ok(Connection { status: ConnectionStatus::Disabled, ..connection })
}
