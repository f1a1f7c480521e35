//! Connections: install a connector, change, enable, disable and delete the connection.

mod change;
mod describe;
mod enable;
mod health;
mod install;
mod mappings;
mod revoke;
mod setup;
pub mod validate;

use resly_core::{
    boxed,
    connector::{
        call::{CallError, ConnectionStore},
        connection::Connection,
        fault::{Fault, Remedy},
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
};
use resly_vault::VaultError;

pub use self::{
    change::{Changed, ConnectionPatch, change},
    describe::{DescribedConnection, describe, get, last_calls, list},
    enable::{disable, enable},
    health::{ConnectionHealth, health},
    install::{NewConnection, draft, install},
    mappings::filter_size,
    revoke::revoke,
    setup::{ConnectionSetup, SetupStep, setup},
};
use crate::{App, FieldError, catalogue::NotInstallable};

/// Why something can't be done with a connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("there is no such connection")]
    Missing,
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    NotInstallable(#[from] NotInstallable),
    #[error(transparent)]
    Connector(#[from] CallError),
    /// It needs a credential in production. Says what is missing, and how an admin adds it.
    #[error("in production this connection needs {0}")]
    NoCredential(&'static str, Remedy),
    #[error("the service refused this connection's credential")]
    CredentialRefused,
    #[error("in production a connection is tested before it is enabled")]
    Untested,
    #[error("the connection has been changed meanwhile")]
    ChangedMeanwhile,
    /// Its mappings couldn't be examined.
    #[error("{}", .0.message)]
    Unexamined(Fault),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One connection of an organization.
#[boxed]
pub async fn find(app: &App, organization: OrganizationId, id: ConnectionId) -> Result<Connection, ConnectionError> {
    app.store.connection(organization, id).await?.ok_or(ConnectionError::Missing)
}

/// Why a change from a revision has changed nothing.
async fn not_changed(app: &App, organization: OrganizationId, id: ConnectionId) -> ConnectionError {
    match find(app, organization, id).await {
        Ok(_) => ConnectionError::ChangedMeanwhile,
        Err(error) => error,
    }
}
