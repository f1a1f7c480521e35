//! `GET /rest/v1/`, also without its last slash: the tables as OpenAPI.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use resly_rest::openapi;

use crate::guard::DataReader;

/// The tables, their columns and what may be done with them, as OpenAPI 2.0 in PostgREST's form.
#[utoipa::path(get, path = "/rest/v1/", tag = "data", operation_id = "describeTables",
    responses((status = 200, description = "An OpenAPI 2.0 document, from which types can be generated")))]
pub async fn describe(_: DataReader) -> Response {
    let document = openapi::document(env!("CARGO_PKG_VERSION")).to_string();
    let kind = HeaderValue::from_static("application/openapi+json; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], document).into_response()
}

/// Which methods the description takes.
#[utoipa::path(options, path = "/rest/v1/", tag = "data", operation_id = "describeTablesOptions",
    responses((status = 200, description = "The methods, in `Allow`")))]
pub async fn options(_: DataReader) -> Response {
    allow("OPTIONS,GET,HEAD")
}

/// An answer that lists methods as PostgREST does.
pub fn allow(methods: &str) -> Response {
    let methods = HeaderValue::try_from(methods).ok();
    let mut response = StatusCode::OK.into_response();
    response.headers_mut().extend(methods.map(|methods| (header::ALLOW, methods)));
    response
}
