//! One request and its response: refuses requests whose framing can't be trusted, and reports to [`Activity`] whose turn it
//! is, the host's or the client's.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Version, header, uri::Authority};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tower::ServiceExt;

use super::{
    activity::{Activity, FramingCheck},
    connection_limiter::ExceededLimit,
};
use crate::{
    problem::{Problem, kinds},
    rest::errors::{self, is_of_tables},
};

/// The longest path and query, which HTTP/1 and HTTP/2 share.
const URI_CAP: usize = 16 << 10;
/// The same for the tables: clients send lists of ids, which are longest when their commas are percent-encoded.
const TABLES_URI_CAP: usize = 48 << 10;
/// The requests that a connection beyond the limits may still make.
pub const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The state that all requests of a connection share.
#[derive(Clone)]
pub struct Exchange {
    pub router: Router,
    pub peer: Option<SocketAddr>,
    pub activity: Arc<Activity>,
    pub beyond: Option<ExceededLimit>,
}

impl Exchange {
    pub async fn answer(self, mut request: Request<Incoming>) -> Result<Response, std::convert::Infallible> {
        let Self { router, peer, activity, beyond } = self;
        let counted = ExchangeGuard::start(&activity);
        let version = request.version();
        if let Some(peer) = peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        activity.set_unread(!http_body::Body::is_end_stream(request.body()));
        let refused = refuse(&request, counted.framing).or_else(|| over_limit_problem(&request, beyond?));
        let framing = counted.framing;
        let mut response = match refused {
            Some(problem) if is_of_tables(request.uri().path()) => errors::translated(problem.into_response()),
            Some(problem) => problem.into_response(),
            None => router.oneshot(request.map(|inner| RequestBody::wrap(inner, &activity))).await?,
        };
        if version < Version::HTTP_2 && (beyond.is_some() || framing == FramingCheck::Unknown) {
            response.headers_mut().insert(header::CONNECTION, CLOSE);
        }
        // Such a body ends with the connection, so only a reset tells a client that it is broken.
        let ends_with_connection =
            version == Version::HTTP_10 && http_body::Body::size_hint(response.body()).exact().is_none();
        if ends_with_connection {
            activity.set_reset(true);
        }
        Ok(response.map(|inner| {
            counted.activity.host_waits_for_client();
            Body::new(ResponseBody { inner, counted, waits: false, whole: false, ends_with_connection })
        }))
    }
}

const CLOSE: HeaderValue = HeaderValue::from_static("close");

fn malformed(detail: &'static str) -> Problem {
    Problem::new(&kinds::MALFORMED_REQUEST, detail).header(header::CONNECTION, CLOSE)
}

/// Checks a request's framing (RFC 9112, sections 3.2 and 6) and its address.
fn refuse<B>(request: &Request<B>, framing: FramingCheck) -> Option<Problem> {
    let cap = if is_of_tables(request.uri().path()) { TABLES_URI_CAP } else { URI_CAP };
    let long = request.uri().path_and_query().is_some_and(|path| path.as_str().len() > cap);
    if long {
        let problem = Problem::new(&kinds::URI_TOO_LONG, format!("path and query may have at most {cap} bytes"));
        let http1 = request.version() < Version::HTTP_2;
        return Some(if http1 { problem.header(header::CONNECTION, CLOSE) } else { problem });
    }
    if request.version() >= Version::HTTP_2 {
        return None;
    }
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Some(malformed("there is more than one Host header field")),
        (None, None) if request.version() == Version::HTTP_11 => {
            return Some(malformed("an HTTP/1.1 request needs a Host header field"));
        }
        (Some(host), None) if !is_host(host) => {
            return Some(malformed("the Host header field is not a host with an optional port"));
        }
        _ => {}
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        if !is_chunked(headers) {
            return Some(malformed("the only transfer coding that is read is one `chunked`"));
        }
        if framing == FramingCheck::Conflict {
            return Some(malformed("a request has either Content-Length or Transfer-Encoding"));
        }
    }
    None
}

/// Checks a host. It may be empty when the target has no authority.
fn is_host(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    text.is_empty() || (!text.contains('@') && text.parse::<Authority>().is_ok())
}

fn is_chunked(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::TRANSFER_ENCODING).iter();
    let only = values.next().and_then(|value| value.to_str().ok());
    values.next().is_none() && only.is_some_and(|only| only.trim().eq_ignore_ascii_case("chunked"))
}

/// Beyond the limits, only health checks are answered.
fn over_limit_problem<B>(request: &Request<B>, beyond: ExceededLimit) -> Option<Problem> {
    if PROBES.contains(&request.uri().path()) {
        return None;
    }
    let detail = match beyond {
        ExceededLimit::Total => "this host has as many connections open as it may; try again shortly",
        ExceededLimit::Address => "this address has as many connections open as it may; close some, or share them",
    };
    Some(Problem::new(&kinds::TOO_MANY_CONNECTIONS, detail).retry_after(2))
}

/// One exchange, from its request's head to its response's end.
struct ExchangeGuard {
    activity: Arc<Activity>,
    framing: FramingCheck,
}

impl ExchangeGuard {
    fn start(activity: &Arc<Activity>) -> Self {
        Self { framing: activity.request_started(), activity: Arc::clone(activity) }
    }
}

/// Notes when a request's body has been read to its end.
struct RequestBody {
    inner: Incoming,
    activity: Arc<Activity>,
}

impl RequestBody {
    fn wrap(inner: Incoming, activity: &Arc<Activity>) -> Body {
        if http_body::Body::is_end_stream(&inner) {
            return Body::empty();
        }
        Body::new(Self { inner, activity: Arc::clone(activity) })
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.inner.is_end_stream() {
            self.activity.set_unread(false);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body, which reports whether the client waits for the host or the host for the client.
struct ResponseBody {
    inner: Body,
    counted: ExchangeGuard,
    /// The client waits for the host.
    waits: bool,
    whole: bool,
    ends_with_connection: bool,
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Pending if !self.waits => {
                self.waits = true;
                self.counted.activity.client_waits_for_host();
            }
            Poll::Pending => {}
            Poll::Ready(frame) => {
                if std::mem::take(&mut self.waits) {
                    self.counted.activity.host_waits_for_client();
                }
                self.whole |= match frame {
                    None => true,
                    Some(Ok(frame)) => frame.is_trailers(),
                    Some(Err(_)) => false,
                };
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.waits {
            self.counted.activity.host_waits_for_client();
        }
        if self.ends_with_connection && (self.whole || http_body::Body::is_end_stream(&self.inner)) {
            self.counted.activity.set_reset(false);
        }
    }
}

impl Drop for ExchangeGuard {
    fn drop(&mut self) {
        self.activity.request_ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(version: Version, fields: &[(&str, &str)]) -> Option<String> {
        let mut request = Request::builder().version(version).uri("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let problem = refuse(&request.body(()).unwrap(), FramingCheck::Clear)?;
        Some(problem.detail().to_owned())
    }

    #[test]
    fn hosts() {
        let http11 = |hosts: &[&str]| {
            let fields: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            refused(Version::HTTP_11, &fields)
        };
        for host in ["a", "a.example:80", "[::1]:8080", "127.0.0.1", ""] {
            assert_eq!(http11(&[host]), None, "{host:?}");
        }
        for wrong in [&[][..], &["a", "a"], &["a b"], &["user@a"], &["a/b"], &["a,b", "c"]] {
            assert!(http11(wrong).is_some(), "{wrong:?}");
        }
        assert_eq!(refused(Version::HTTP_10, &[]), None);
        assert_eq!(refused(Version::HTTP_2, &[]), None);
    }

    #[test]
    fn transfer_codings() {
        let coded = |codings: &[&str]| {
            let fields: Vec<_> = codings.iter().map(|coding| ("transfer-encoding", *coding)).collect();
            refused(Version::HTTP_11, &[&[("host", "a")][..], &fields].concat())
        };
        assert_eq!(coded(&["chunked"]), None);
        assert_eq!(coded(&["Chunked"]), None);
        for wrong in
            [&["chunked, chunked"][..], &["chunked", "chunked"], &["gzip, chunked"], &["x"], &[""], &["chunked;a=b"]]
        {
            assert!(coded(wrong).is_some(), "{wrong:?}");
        }
    }
}
