//! What a connection still needs before chats use it.

use resly_core::{
    boxed,
    connector::connection::{ConnectionStatus, Environment, Installable, Owner},
    id::{ConnectionId, OrganizationId},
};
use resly_manifest::{Auth, Manifest};

use super::{ConnectionError, DescribedConnection, get};
use crate::{App, accounts::authorization::REDIRECT};

/// The next thing that an admin does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupStep {
    Authenticate,
    Test,
    Enable,
}

/// A connection with its connector.
pub struct ConnectionSetup {
    pub described: DescribedConnection,
    pub installable: Installable,
    /// Whether the OAuth app's client is there: the connection's own, or the operator's.
    pub has_client: bool,
    /// The address to which an OAuth service sends browsers back, which its app is registered with.
    pub redirect_uri: Option<String>,
    /// Whether it has what its environment needs.
    pub is_credentialed: bool,
}

/// Reads a connection with its connector.
#[boxed]
pub async fn setup(
    app: &App,
    organization: OrganizationId,
    id: ConnectionId,
) -> Result<ConnectionSetup, ConnectionError> {
    let described = get(app, organization, id).await?;
    let connection = &described.connection;
    let installable = app.connectors.prepare(connection).await?.installable.clone();
    let has_client = app.accounts.has_client(connection, &installable);
    let is_credentialed = app.accounts.is_credentialed(connection, &installable).await?;
    let redirect_uri = app.public_url().ok().map(|public| format!("{public}{REDIRECT}"));
    Ok(ConnectionSetup { described, installable, has_client, redirect_uri, is_credentialed })
}

impl ConnectionSetup {
    pub fn manifest(&self) -> &Manifest {
        &self.installable.manifest
    }

    /// How it authenticates.
    pub fn auth(&self) -> &Auth {
        self.described.connection.auth_in(self.manifest())
    }

    /// The next step. `None` when chats use it.
    pub fn next(&self) -> Option<SetupStep> {
        let connection = &self.described.connection;
        if connection.status == ConnectionStatus::Enabled {
            return None;
        }
        let production = connection.environment == Environment::Production;
        if production && (!self.is_credentialed || connection.status == ConnectionStatus::NeedsAuth) {
            return Some(SetupStep::Authenticate);
        }
        // The sandbox needs no test, and without one in the manifest there is none to run there.
        let testable = production || (self.manifest().test.is_some() && connection.owner == Owner::Organization);
        if connection.tested_at.is_none() && testable { Some(SetupStep::Test) } else { Some(SetupStep::Enable) }
    }
}
