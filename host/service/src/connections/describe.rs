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

/// When each of these connections was called last. One that isn't there has no call in the log.
#[boxed]
pub async fn last_calls(
    app: &App,
    organization: OrganizationId,
    of: &[ConnectionId],
) -> Result<HashMap<ConnectionId, Timestamp>, StoreError> {
    Ok(app.store.last_calls(organization, of).await?.into_iter().collect())
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
    let (organization, id) = (connection.organization, connection.id);
    let health = app.store.health(organization, id).await?.map(|health| health.state).unwrap_or_default();
    let mut ends = app.store.credential_expiries(organization).await?.into_iter();
    let credentials_expire_at = ends.find(|(of, _)| *of == id).map(|(_, ends)| ends);
    Ok(DescribedConnection { connection, account, health, credentials_expire_at })
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
