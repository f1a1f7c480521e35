//! The span of a request, by OpenTelemetry's semantic conventions for HTTP. It lasts until the response's head, as the metric
//! does. It has the route's pattern and not the path, because keys and nonces are in paths.

use axum::{
    extract::{MatchedPath, Request},
    response::Response,
};
use http::HeaderMap;
use resly_core::trace::{Span, SpanContext, SpanKind, Tracer};

use crate::{edge::exchange::PROBES, metrics::method_name, problem::ToldProblem};

/// Begins the span, below the client's own where the request names it. Probes have none.
pub fn start(tracer: &Tracer, request: &Request) -> Span {
    if !tracer.is_on() || PROBES.contains(&request.uri().path()) {
        return Span::default();
    }
    let parent = parent(request.headers());
    let method = method_name(request.method());
    let method = if method == "other" { "_OTHER" } else { method };
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    // The conventions have `HTTP` for a method that isn't known.
    let name = if method == "_OTHER" { "HTTP" } else { method };
    let mut span = match route {
        Some(route) => tracer.start_below(parent, SpanKind::Server, format_args!("{name} {route}")),
        None => tracer.start_below(parent, SpanKind::Server, format_args!("{name}")),
    };
    span.set("http.request.method", method);
    if let Some(route) = route {
        span.set("http.route", route);
    }
    span
}

/// Tells what was answered.
pub fn end(span: &mut Span, response: &Response) {
    span.set("http.response.status_code", u64::from(response.status().as_u16()));
    let problem = response.extensions().get::<ToldProblem>().map(|problem| problem.kind.slug);
    if let Some(problem) = problem {
        span.set("resly.problem", problem);
    }
    if response.status().is_server_error() {
        span.fail(problem.unwrap_or(response.status().as_str()));
    }
}

/// The client's span. Two headers name none.
fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    let mut sent = headers.get_all("traceparent").iter();
    match (sent.next(), sent.next()) {
        (Some(value), None) => SpanContext::parse(value.to_str().ok()?),
        _ => None,
    }
}
