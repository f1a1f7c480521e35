//! `GET /api/admin/connections/{id}/health`: a connection's health, its cause, and what to do.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use resly_core::{
    connector::{
        connection::ConnectionStatus,
        failure_reason::FailureReason,
        health::{Health, HealthState},
    },
    time::Timestamp,
};
use resly_service::{App, connections as use_cases};
use serde::Serialize;
use utoipa::ToSchema;

use super::{connections, logs::LoggedCall};
use crate::{
    guard::Admin,
    openapi_enums,
    problem::Problem,
    query::{NoParameters, Query},
};

#[derive(Serialize, ToSchema)]
pub struct ConnectionHealth {
    #[schema(value_type = openapi_enums::HealthState)]
    state: HealthState,
    /// Why it isn't healthy, as in the log.
    #[schema(required, value_type = Option<openapi_enums::Reason>)]
    reason: Option<FailureReason>,
    /// What an admin does next.
    #[schema(required)]
    what_to_do: Option<&'static str>,
    /// The message of the last failed call.
    #[schema(required)]
    message: Option<String>,
    /// Since when it has been in this state.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// When the newest call had a result that counts.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    checked_at: Option<Timestamp>,
    /// `null` when it isn't checked on the schedule; then the member `not_checked_because` says why.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_check_at: Option<Timestamp>,
    failures_in_a_row: u32,
    #[schema(required)]
    not_checked_because: Option<&'static str>,
    /// The connection's.
    #[schema(value_type = openapi_enums::ConnectionStatus)]
    status: ConnectionStatus,
    breaker: Breaker,
    /// Among the last 50 calls in production.
    calls: usize,
    failures: usize,
    #[schema(required)]
    last_call: Option<LoggedCall>,
}

/// The circuit breaker of the host that was asked.
#[derive(Serialize, ToSchema)]
pub struct Breaker {
    state: BreakerState,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    open_until: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BreakerState {
    Closed,
    /// Requests fail at once.
    Open,
}

/// The connection's health: the state that calls in production have shown, the circuit breaker, and the last 50 of
/// these calls.
#[utoipa::path(get, path = "/api/admin/connections/{id}/health", tag = "admin", operation_id = "getConnectionHealth",
    params(("id" = String, Path, description = "The connection's id")),
    responses((status = 200, description = "How it is", body = ConnectionHealth)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
    Path(id): Path<String>,
) -> Result<Json<ConnectionHealth>, Problem> {
    let found = use_cases::health(&app, principal.organization, connections::parse(&id)?).await?;
    let (calls, failures) = (found.recent.len(), found.failures());
    let use_cases::ConnectionHealth { status, health, unchecked, open_until, recent } = found;
    let reason = health.as_ref().and_then(|health| health.reason);
    Ok(Json(ConnectionHealth {
        state: health.as_ref().map_or(HealthState::Unknown, |health| health.state),
        reason,
        what_to_do: reason.map(FailureReason::advice),
        since: health.as_ref().map(|health| health.since),
        checked_at: health.as_ref().and_then(|health| health.checked_at),
        next_check_at: health.as_ref().map(|health| health.next_check_at).filter(|_| unchecked.is_none()),
        failures_in_a_row: health.as_ref().map_or(0, |health| health.failures),
        message: health.and_then(|health: Health| health.message),
        not_checked_because: unchecked,
        status,
        breaker: Breaker {
            state: if open_until.is_some() { BreakerState::Open } else { BreakerState::Closed },
            open_until,
        },
        calls,
        failures,
        last_call: recent.into_iter().next().map(LoggedCall::from),
    }))
}
