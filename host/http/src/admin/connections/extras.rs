//! What lists of connections show beside what each one is.

use std::collections::HashMap;

use resly_core::{
    connector::health::HealthState,
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};
use resly_service::App;

/// What is known of an organization's connections beside what they are.
pub struct ConnectionExtras {
    states: HashMap<ConnectionId, HealthState>,
    ends: HashMap<ConnectionId, Timestamp>,
}

impl ConnectionExtras {
    pub async fn of(app: &App, organization: OrganizationId) -> Result<Self, StoreError> {
        let states = app.store.health_states(organization).await?.into_iter().collect();
        let ends = app.store.credential_expiries(organization).await?.into_iter().collect();
        Ok(Self { states, ends })
    }

    /// How a connection is.
    pub fn state(&self, connection: ConnectionId) -> HealthState {
        self.states.get(&connection).copied().unwrap_or_default()
    }

    /// When a connection's credentials end, as far as an admin said so.
    pub fn credentials_end(&self, connection: ConnectionId) -> Option<Timestamp> {
        self.ends.get(&connection).copied()
    }
}
