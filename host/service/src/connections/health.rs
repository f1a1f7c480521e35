//! How a connection is, and why nobody looks at it when nobody does.

use resly_core::{
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

/// Calls that are looked at.
const CALLS: u32 = 50;

/// How a connection is.
pub struct ConnectionHealth {
    pub status: ConnectionStatus,
    /// `None` before any call in production.
    pub health: Option<Health>,
    /// Why it isn't checked on the schedule.
    pub unchecked: Option<&'static str>,
    /// How long this host's circuit breaker is open.
    pub open_until: Option<Timestamp>,
    /// Of the last 50 in production.
    pub calls: usize,
    pub failures: usize,
    pub last_call: Option<LoggedCall>,
}

/// What the newest calls in production told, the circuit breaker, the last 50 of those calls.
pub async fn health(
    app: &App,
    organization: OrganizationId,
    id: ConnectionId,
) -> Result<ConnectionHealth, ConnectionError> {
    let connection = find(app, organization, id).await?;
    let health = app.store.health(organization, id).await?;
    // What fixtures answered tells nothing of the service.
    let environment = Some(Environment::Production);
    let query = LogQuery { connection: Some(id), environment, limit: CALLS, ..LogQuery::default() };
    let calls = app.store.logs(organization, query).await?.calls;
    // What the breaker held back reached no service.
    let fine = [CallStatus::Ok, CallStatus::Failed(FaultKind::CircuitOpen)];
    let failures = calls.iter().filter(|logged| !fine.contains(&logged.call.status)).count();
    Ok(ConnectionHealth {
        status: connection.status,
        health,
        unchecked: health_check_exclusion(app, &connection).await,
        open_until: app.egress.open_for(id).map(|wait| app.clock.now().plus(wait)),
        calls: calls.len(),
        failures,
        last_call: calls.into_iter().next(),
    })
}

/// Why the connection isn't looked at on the schedule (`checks.rs`), when it isn't.
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
