//! `/healthz`, `/readyz` and `/metrics`, for load balancers and operators.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use resly_core::error::StoreError;
use resly_service::App;

use super::{
    Api,
    problem::{Problem, kinds},
};

/// The process is up.
#[utoipa::path(get, path = "/healthz", tag = "host", operation_id = "healthz", security(()),
    responses((status = 200, description = "`ok`", body = String, content_type = "text/plain")))]
pub async fn alive() -> &'static str {
    "ok\n"
}

/// How long the database may take to answer: load balancers ask every few seconds, and count silence as a failure.
const PATIENCE: Duration = Duration::from_secs(2);

/// The free bytes that the data folder's disk needs. The next checkpoint could use up less.
const ROOM: u64 = 16 << 20;

/// The process can answer: its store answers, its disk has room, and the bundled connectors are compiled.
#[utoipa::path(get, path = "/readyz", tag = "host", operation_id = "readyz", security(()),
    responses((status = 200, description = "`ok`", body = String, content_type = "text/plain"),
        (status = 503, description = "The store can't be reached, the disk is full, or bundled connectors are still compiled", body = crate::problem::members::ProblemBody, content_type = "application/problem+json")))]
pub async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    let answered = tokio::time::timeout(PATIENCE, app.store.ping()).await;
    answered.unwrap_or_else(|_| {
        let detail = format!("no answer within {} s", PATIENCE.as_secs());
        Err(StoreError::Unavailable { doing: "see whether the database answers", detail })
    })?;
    let room = free_bytes(&app.data);
    if room.is_some_and(|free| free < ROOM) {
        return Err(Problem::new(
            &kinds::DISK_FULL,
            format!(
                "less than {} MiB are free on the disk of the data folder; an operator has to make room",
                ROOM >> 20
            ),
        )
        .retry_after(60));
    }
    if app.preparing.load(Ordering::Relaxed) {
        let detail = "the bundled connectors are still being compiled, once for each version of the host";
        return Err(Problem::new(&kinds::STILL_COMPILING, detail).retry_after(5));
    }
    Ok("ok\n")
}

/// The bytes that are free for this process on the folder's disk. `None` when the system doesn't tell.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "host", operation_id = "metrics", security(()),
    responses((status = 200, description = "Counters and gauges", body = String, content_type = "text/plain")))]
pub async fn metrics(State(api): State<Api>) -> Response {
    let mut response = api.metrics_text().into_response();
    let value = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}
