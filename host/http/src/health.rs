//! `/healthz` and `/readyz`, for load balancers and operators.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Api,
    problem::{Kind, Problem, kinds},
    readiness::{Check, Checks, ROOM},
};

/// The process is up.
#[utoipa::path(get, path = "/healthz", tag = "host", operation_id = "healthz", security(()),
    responses((status = 200, description = "`ok`", body = String, content_type = "text/plain")))]
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The host can answer.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    /// Always `ready`.
    status: &'static str,
    /// Whether it answers reads only (`RESLY_READ_ONLY`).
    read_only: bool,
    checks: Checks,
}

/// The process can answer: it isn't stopping, its database answers and has the tables of this version, the disk of a
/// SQLite database has room, and the bundled connectors are compiled.
#[utoipa::path(get, path = "/readyz", tag = "host", operation_id = "readyz", security(()),
    responses((status = 200, description = "Every check has passed", body = Ready),
        (status = 503, description = "A check has failed. `type` tells the first of them, `checks` all", body = crate::problem::members::ProblemBody, content_type = "application/problem+json")))]
pub async fn ready(State(api): State<Api>) -> Result<Json<Ready>, Problem> {
    let checks = api.readiness.check(&api.app).await;
    match failure(&checks) {
        None => Ok(Json(Ready { status: "ready", read_only: api.app.store.is_read_only(), checks })),
        Some((kind, detail, seconds)) => {
            Err(Problem::new(kind, detail).with(|members| members.checks = Some(checks)).retry_after(seconds))
        }
    }
}

/// The first check that failed: its problem, what to do, and after how many seconds to look again.
fn failure(checks: &Checks) -> Option<(&'static Kind, String, u64)> {
    // A host without the object store runs what it has compiled, so it stays ready.
    let Checks { serving, database, schema, disk, connectors, object_store: _ } = *checks;
    let room = ROOM >> 20;
    [
        (serving, &kinds::HOST_STOPPING, "this host is stopping".to_owned(), 5),
        (database, &kinds::STORE_UNAVAILABLE, "the database doesn't answer".to_owned(), 2),
        (
            schema,
            &kinds::SCHEMA_BEHIND,
            "the database's tables are of an older version than this host; start the host again".to_owned(),
            60,
        ),
        (
            disk,
            &kinds::DISK_FULL,
            format!("less than {room} MiB are free on the disk of the data folder; an operator has to make room"),
            60,
        ),
        (
            connectors,
            &kinds::STILL_COMPILING,
            "the bundled connectors are still being compiled, once for each version of the host".to_owned(),
            5,
        ),
    ]
    .into_iter()
    .find(|(check, ..)| *check != Check::Ok)
    .map(|(_, kind, detail, seconds)| (kind, detail, seconds))
}
