//! `GET /api/admin/connections/{id}/health`: how a connection is, why, and what to do; and what lists show of it.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    connector::{
        connection::{Connection, ConnectionStatus, Environment, Owner},
        fault::FaultKind,
        health::{Health, HealthState},
        reason::Reason,
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Timestamp,
};
use resly_store::LogQuery;
use serde_json::{Value, json};

use super::{connections, logs};
use crate::{
    app::App,
    http::{
        guard::Admin,
        problem::Problem,
        query::{Nothing, Query},
    },
};

/// How the connection is: what the newest calls in production told, the circuit breaker, the last 50 of those calls.
#[utoipa::path(get, path = "/api/admin/connections/{id}/health", tag = "admin", operation_id = "getConnectionHealth",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, description = "How it is", body = crate::http::schema::ConnectionHealth)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<Nothing>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let connection = connections::find(&app, &principal, &id).await?;
    let health = app.store.health(connection.organization, connection.id).await?;
    // What fixtures answered tells nothing of the service.
    let environment = Some(Environment::Production);
    let query = LogQuery { connection: Some(connection.id), environment, limit: 50, ..LogQuery::default() };
    let calls = app.store.logs(principal.organization, query).await?.calls;
    // What the breaker held back reached no service.
    let fine = ["ok", FaultKind::CircuitOpen.name()];
    let failures = calls.iter().filter(|logged| !fine.contains(&logged.call.status.as_str())).count();
    let open = app.hooks.egress.open_for(connection.id).map(|wait| app.clock.now().plus(wait));
    let unchecked = unchecked(&app, &connection).await;
    let mut view = view(health.as_ref());
    if unchecked.is_some() {
        view["next_check_at"] = Value::Null;
    }
    view["not_checked_because"] = json!(unchecked);
    view["status"] = json!(connection.status);
    view["breaker"] = json!({"state": if open.is_some() { "open" } else { "closed" }, "open_until": open});
    view["calls"] = json!(calls.len());
    view["failures"] = json!(failures);
    view["last_call"] = json!(calls.first().map(logs::view));
    Ok(Json(view))
}

/// Why the connection isn't looked at on the schedule (`checks.rs`), when it isn't.
async fn unchecked(app: &App, connection: &Connection) -> Option<&'static str> {
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

fn view(health: Option<&Health>) -> Value {
    let reason = health.and_then(|health| health.reason);
    json!({
        "state": health.map_or(HealthState::Unknown, |health| health.state),
        "reason": reason, "what_to_do": reason.map(Reason::what_to_do),
        "message": health.and_then(|health| health.message.as_ref()),
        "since": health.map(|health| health.since), "checked_at": health.and_then(|health| health.checked_at),
        "next_check_at": health.map(|health| health.next_check_at),
        "failures_in_a_row": health.map_or(0, |health| health.failures),
    })
}

/// What is known of an organization's connections beside what they are.
pub struct Beside {
    states: HashMap<ConnectionId, HealthState>,
    ends: HashMap<ConnectionId, Timestamp>,
}

impl Beside {
    pub async fn of(app: &App, organization: OrganizationId) -> Result<Self, StoreError> {
        let states = app.store.health_states(organization).await?.into_iter().collect();
        let ends = app.store.credential_expiries(organization).await?.into_iter().collect();
        Ok(Self { states, ends })
    }

    /// Adds it to a connection's view.
    pub fn add(&self, connection: &Connection, view: &mut Value) {
        view["health"] = json!(self.states.get(&connection.id).copied().unwrap_or_default());
        view["credentials_expire_at"] = json!(self.ends.get(&connection.id));
    }
}
