//! A connection's health, and why it isn't checked on the schedule.

use resly_core::{
    boxed,
    connector::{
        call::CallStatus,
        connection::{Connection, ConnectionStatus, Environment, Owner},
        fault::FaultKind,
        health::Health,
    },
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};
use resly_store::{LogQuery, LoggedCall};

use super::{ConnectionError, find};
use crate::App;

/// How many of the newest calls count.
const CALLS: u32 = 50;

/// A connection's health.
pub struct ConnectionHealth {
    pub status: ConnectionStatus,
    /// `None` before any call in production.
    pub health: Option<Health>,
    /// Why it isn't checked on the schedule.
    pub unchecked: Option<&'static str>,
    /// How long this host's circuit breaker is open.
    pub open_until: Option<Timestamp>,
    /// The last calls in production, 50 at most, newest first.
    pub recent: Vec<LoggedCall>,
}

impl ConnectionHealth {
    /// How many of the recent calls failed. A call that the breaker refused has reached no service.
    pub fn failures(&self) -> usize {
        let fine = [CallStatus::Ok, CallStatus::Failed(FaultKind::CircuitOpen)];
        self.recent.iter().filter(|logged| !fine.contains(&logged.call.status)).count()
    }
}

/// Reads the health that calls in production have shown, the circuit breaker, and the last 50 of these calls.
#[boxed]
pub async fn health(
    app: &App,
    organization: OrganizationId,
    id: ConnectionId,
) -> Result<ConnectionHealth, ConnectionError> {
    let connection = find(app, organization, id).await?;
    let health = app.store.health(organization, id).await?;
    // Answers of fixtures say nothing about the service.
    let environment = Some(Environment::Production);
    let query = LogQuery { connection: Some(id), environment, limit: CALLS, ..LogQuery::default() };
    let recent = app.store.logs(organization, query).await?.calls;
    Ok(ConnectionHealth {
        status: connection.status,
        health,
        unchecked: health_check_exclusion(app, &connection).await,
        open_until: app.egress.open_for(id).map(|wait| app.clock.now().plus(wait)),
        recent,
    })
}

/// Why the connection isn't checked on the schedule (`checks.rs`). `None` when it is checked.
async fn health_check_exclusion(app: &App, connection: &Connection) -> Option<&'static str> {
    if app.schedule.is_none() {
        return Some("the operator has switched health checks off");
    }
    if connection.environment == Environment::Sandbox {
        return Some("in the sandbox, fixtures answer: there is no service to look at");
    }
    if connection.owner == Owner::Visitor {
        return Some("each visitor has an account of their own, so there is none to check with: calls tell how it is");
    }
    if connection.status != ConnectionStatus::Enabled {
        return Some("the connection is not enabled");
    }
    let prepared = app.connectors.prepare(connection).await;
    let untestable = prepared.is_ok_and(|prepared| prepared.installable.manifest.test.is_none());
    untestable.then_some("the connector's manifest names no action to test with: calls tell how it is")
}
