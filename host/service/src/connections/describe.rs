//! Reads connections together with the organization's own account, their health, and when their credentials end.

use std::collections::HashMap;

use resly_core::{
    boxed,
    connector::{account::Account, connection::Connection, health::HealthState},
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};

use super::{ConnectionError, find};
use crate::App;

/// A connection with its account and its health.
pub struct DescribedConnection {
    pub connection: Connection,
    /// The organization's own, once it is authorized.
    pub account: Option<Account>,
    pub health: HealthState,
    /// When its credentials end, if an admin has said so.
    pub credentials_expire_at: Option<Timestamp>,
}

/// The organization's connections.
#[boxed]
pub async fn list(app: &App, organization: OrganizationId) -> Result<Vec<DescribedConnection>, ConnectionError> {
    let connections = app.store.list_connections(organization).await?;
    let mut accounts = app.store.own_accounts(organization).await?;
    let extras = Extras::of(app, organization).await?;
    let described = connections.into_iter().map(|connection| {
        let account = accounts.remove(&connection.id);
        extras.describe(connection, account)
    });
    Ok(described.collect())
}

/// A connection in a list, with when it was called last.
pub struct InstalledConnection {
    pub described: DescribedConnection,
    /// `None` when the log holds no call of it.
    pub last_call: Option<Timestamp>,
}

/// The organization's connections, the newest first.
#[boxed]
pub async fn installed(app: &App, organization: OrganizationId) -> Result<Vec<InstalledConnection>, ConnectionError> {
    let described = list(app, organization).await?;
    let calls: HashMap<ConnectionId, Timestamp> = app.store.last_calls(organization).await?.into_iter().collect();
    let installed = described.into_iter().rev().map(|described| {
        let last_call = calls.get(&described.connection.id).copied();
        InstalledConnection { described, last_call }
    });
    Ok(installed.collect())
}

/// One connection.
#[boxed]
pub async fn get(
    app: &App,
    organization: OrganizationId,
    id: ConnectionId,
) -> Result<DescribedConnection, ConnectionError> {
    describe(app, find(app, organization, id).await?).await
}

/// Reads the account and the health of a connection.
#[boxed]
pub async fn describe(app: &App, connection: Connection) -> Result<DescribedConnection, ConnectionError> {
    let account = app.accounts.own(&connection).await?;
    let extras = Extras::of(app, connection.organization).await?;
    Ok(extras.describe(connection, account))
}

struct Extras {
    states: HashMap<ConnectionId, HealthState>,
    ends: HashMap<ConnectionId, Timestamp>,
}

impl Extras {
    async fn of(app: &App, organization: OrganizationId) -> Result<Self, StoreError> {
        let states = app.store.health_states(organization).await?.into_iter().collect();
        let ends = app.store.credential_expiries(organization).await?.into_iter().collect();
        Ok(Self { states, ends })
    }

    fn describe(&self, connection: Connection, account: Option<Account>) -> DescribedConnection {
        let health = self.states.get(&connection.id).copied().unwrap_or_default();
        let credentials_expire_at = self.ends.get(&connection.id).copied();
        DescribedConnection { connection, account, health, credentials_expire_at }
    }
}
