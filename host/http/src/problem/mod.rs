//! Problems: RFC 9457 `application/problem+json`, and the one place where domain errors become HTTP.
//!
//! A handler returns `Result<_, Problem>`. Domain errors convert by `From` in [`from_domain`], and errors of use cases
//! in [`from_service`]. An error that a client can't act on is [`Problem::internal`]: the client gets a fixed text, and
//! the log gets the cause under the same id.

mod from_domain;
mod from_inbox;
mod from_members;
mod from_service;
pub mod kinds;
pub mod members;

use std::borrow::Cow;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, header};
use resly_core::meter::LimitReached;
use resly_service::FieldError;
use serde_json::Value;

use self::members::{InvalidMember, Members, ProblemBody};
pub use from_domain::{call_problem, failure_kind, fault_problem};
pub use kinds::Kind;

/// An answer that says what failed and what to do next.
#[derive(Debug)]
pub struct Problem {
    kind: &'static Kind,
    detail: Cow<'static, str>,
    // Boxed, so that a result with a problem stays small.
    members: Box<Members>,
    headers: Vec<(HeaderName, HeaderValue)>,
    limit: Option<LimitReached>,
}

impl Problem {
    pub fn new(kind: &'static Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), members: Box::default(), headers: Vec::new(), limit: None }
    }

    /// A failure of the host. Only the log gets the cause.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        let id = uuid::Uuid::from_bytes(incident());
        tracing::error!(incident = %id, %cause, "a request failed");
        Self::new(&kinds::INTERNAL, "the request could not be completed; the host's log has the cause")
            .with(|members| members.instance = Some(format!("urn:uuid:{id}")))
    }

    pub fn not_found(what: &'static str) -> Self {
        Self::new(&kinds::NOT_FOUND, what)
    }

    /// A request whose JSON is well-formed but wrong.
    pub fn invalid(mistakes: Vec<FieldError>) -> Self {
        let detail = match mistakes.as_slice() {
            [only] => format!("{}: {}", only.path, only.message),
            many => {
                format!("{} mistakes; the first is at {}", many.len(), many.first().map_or("", |m| m.path.as_str()))
            }
        };
        Self::new(&kinds::INVALID_REQUEST, detail)
            .with(|members| members.errors = Some(mistakes.into_iter().map(InvalidMember::from).collect()))
    }

    pub fn invalid_at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError::new(path, message)])
    }

    /// A reached limit, with `Retry-After` and the rate limit fields.
    pub fn limit(limit: LimitReached) -> Self {
        let mut problem = Self::new(&kinds::LIMIT_REACHED, limit.to_string());
        problem.members.limit = Some((&limit).into());
        problem.members.retryable = Some(limit.passes_soon());
        problem.limit = Some(limit);
        problem
    }

    /// Sets members.
    pub fn with(mut self, tell: impl FnOnce(&mut Members)) -> Self {
        tell(&mut self.members);
        self
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sets `Retry-After`.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Every mistake of the request, where the problem tells them.
    pub fn errors(&self) -> &[InvalidMember] {
        self.members.errors.as_deref().unwrap_or_default()
    }

    /// The problem's JSON, as it is sent.
    pub fn to_json(&self) -> Value {
        // Plain structs always serialize.
        serde_json::to_value(ProblemBody::new(self.kind, &self.detail, &self.members)).unwrap_or_default()
    }
}

/// The id of a cause in the log. It protects nothing, so it may be zero when the generator fails.
fn incident() -> [u8; 16] {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        tracing::error!("the operating system gives no random bytes");
    }
    *uuid::Builder::from_random_bytes(bytes).as_uuid().as_bytes()
}

/// A reached limit in the response's extensions. The outer layer has the clock, and adds the fields that count in
/// seconds.
#[derive(Clone)]
pub struct LimitHit(pub LimitReached);

/// What a response's problem says, in its extensions, for answers that have another body.
#[derive(Clone)]
pub struct ToldProblem {
    pub kind: &'static Kind,
    pub detail: Cow<'static, str>,
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let body = self.to_json().to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.kind.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers.drain(..) {
            headers.append(name, value);
        }
        response.extensions_mut().insert(ToldProblem { kind: self.kind, detail: self.detail });
        if let Some(limit) = self.limit.take() {
            response.extensions_mut().insert(LimitHit(limit));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_titles_are_sentences() {
        let mut slugs: Vec<_> = kinds::ALL.iter().map(|kind| kind.slug).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), kinds::ALL.len());
        for kind in kinds::ALL {
            assert!(
                kind.slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b.is_ascii_digit()),
                "{}",
                kind.slug
            );
            assert!(kind.status.is_client_error() || kind.status.is_server_error());
            assert!(kind.explanation.ends_with('.'), "{}", kind.slug);
        }
    }

    #[test]
    fn an_internal_problem_says_nothing_of_its_cause() {
        let json = Problem::internal(&"password=hunter2").to_json();
        assert!(!json.to_string().contains("hunter2"));
        assert_eq!(json["status"], 500);
        assert_eq!(json["type"], "/docs/problems/internal");
    }
}
