//! `/healthz`, `/readyz` and `/metrics`: for load balancers and whoever runs the host.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};

use super::problem::Problem;
use crate::app::App;

/// The process is up.
#[utoipa::path(get, path = "/healthz", tag = "host", operation_id = "healthz", security(()),
    responses((status = 200, description = "`ok`", body = String, content_type = "text/plain")))]
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The process can answer: its store does.
#[utoipa::path(get, path = "/readyz", tag = "host", operation_id = "readyz", security(()),
    responses((status = 200, description = "`ok`", body = String, content_type = "text/plain"),
        (status = 503, description = "The store can't be reached", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.store.ping().await?;
    Ok("ok\n")
}

/// Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "host", operation_id = "metrics", security(()),
    responses((status = 200, description = "Counters and gauges", body = String, content_type = "text/plain")))]
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut response = app.metrics_text().into_response();
    let value = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}
