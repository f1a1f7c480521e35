//! Errors of `/rest` have PostgREST's body, those of authentication and rates too.

use axum::{
    body::Body,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use resly_rest::RestError;
use resly_service::rest::RestFailure;

use crate::problem::{Problem, ToldProblem, kinds};

/// A refusal of a request on the tables.
pub struct Refusal(RestFailure);

impl<E: Into<RestFailure>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.0 {
            RestFailure::Refused(error) => response(&error),
            // `translate` gives it PostgREST's body.
            RestFailure::Source(error) => Problem::from(error).into_response(),
            RestFailure::Store(error) => Problem::from(error).into_response(),
        }
    }
}

fn response(error: &RestError) -> Response {
    let body = serde_json::to_string(error).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Gives a problem PostgREST's body. Its status and other headers stay.
pub async fn translate(request: Request, next: Next) -> Response {
    translated(next.run(request).await)
}

/// Whether a path is one of the tables'.
pub fn is_of_tables(path: &str) -> bool {
    path.starts_with("/rest/")
}

/// A problem with PostgREST's body; any other response as it is.
pub fn translated(mut answered: Response) -> Response {
    let Some(ToldProblem { kind, detail }) = answered.extensions_mut().remove() else { return answered };
    let code = match kind.slug {
        slug if slug == kinds::UNAUTHENTICATED.slug => "PGRST301",
        slug if slug == kinds::INSUFFICIENT_SCOPE.slug => "42501",
        slug if slug == kinds::NOT_FOUND.slug => "PGRST125",
        slug if slug == kinds::METHOD_NOT_ALLOWED.slug => "PGRST117",
        slug => slug,
    };
    let error = RestError::new(kind.status.as_u16(), code, detail).hint(format!("See /docs/problems/{}.", kind.slug));
    let told = response(&error);
    let headers = told.headers().clone();
    *answered.body_mut() = told.into_body();
    for name in [header::CONTENT_TYPE, header::CACHE_CONTROL] {
        if let Some(value) = headers.get(&name) {
            answered.headers_mut().insert(name, value.clone());
        }
    }
    answered.headers_mut().remove(header::CONTENT_LENGTH);
    answered
}
