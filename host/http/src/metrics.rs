//! `/metrics`: what the host measures, in Prometheus' text format (exposition format 0.0.4).
//!
//! What happens is recorded where it happens, through [`Metrics`]. Gauges are read when somebody asks.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header};
pub use metrics_exporter_prometheus::BuildError as PrometheusError;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use resly_core::metrics::{Description, Gauge, Kind, Metrics, names};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{
    Api, disk,
    problem::{Problem, kinds},
};
use crate::edge::descriptors;

/// Keeps what is recorded, for Prometheus to read.
pub struct Prometheus {
    metrics: Metrics,
    handle: PrometheusHandle,
}

impl Prometheus {
    /// Fails when a histogram has no buckets.
    pub fn new() -> Result<Self, PrometheusError> {
        let mut builder = PrometheusBuilder::new();
        for Description { name, kind, .. } in names::all() {
            if let Kind::Histogram(buckets) = kind {
                builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)?;
            }
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        Ok(Self { metrics: Metrics::new(Arc::new(recorder)), handle })
    }

    /// Where the host records.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Sorts recorded numbers into buckets. They take memory until then, so this is called every few seconds.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

/// Who may read the metrics.
pub enum MetricsAccess {
    /// Whoever sends this token.
    Token(SecretString),
    /// Programs on this machine that ask directly.
    ThisMachine,
    Nobody,
}

/// What proxies add to a request that they pass on.
const FORWARDED: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

impl MetricsAccess {
    fn check(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Result<(), Problem> {
        let (allowed, detail) = match self {
            Self::Token(token) => {
                (is_bearer(headers, token), "send the host's RESLY_METRICS_TOKEN as `Authorization: Bearer …`")
            }
            Self::ThisMachine => {
                let local = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
                let direct = !FORWARDED.iter().any(|name| headers.contains_key(*name));
                (local && direct, "without RESLY_METRICS_TOKEN, only programs on the host's own machine may read them")
            }
            Self::Nobody => (false, "in production they are closed until RESLY_METRICS_TOKEN is set on the host"),
        };
        if allowed {
            return Ok(());
        }
        let challenge = HeaderValue::from_static("Bearer realm=\"resly metrics\"");
        Err(Problem::new(&kinds::METRICS_CLOSED, detail).header(header::WWW_AUTHENTICATE, challenge))
    }
}

fn is_bearer(headers: &HeaderMap, token: &SecretString) -> bool {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, sent)) = sent.and_then(|value| value.split_once(' ')) else { return false };
    // Hashes are compared, so that the time that it takes says nothing of the token.
    scheme.eq_ignore_ascii_case("bearer") && Sha256::digest(sent.trim()) == Sha256::digest(token.expose_secret())
}

/// Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "host", operation_id = "metrics", security(()),
    responses((status = 200, description = "Counters, gauges and histograms. They are for those who have the host's `RESLY_METRICS_TOKEN` as a bearer token, if it is set", body = String, content_type = "text/plain"),
        (status = 401, description = "The token is missing or wrong", body = crate::problem::members::ProblemBody, content_type = "application/problem+json")))]
pub async fn read(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    api.metrics_access.check(peer, request.headers())?;
    set_gauges(&api);
    let mut response = api.prometheus.handle.render().into_response();
    let value = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    Ok(response)
}

/// Reads what the parts of the host know of themselves.
pub fn set_gauges(api: &Api) {
    let app = &api.app;
    let (sandbox, pool, metrics) = (app.sandbox.stats(), app.store.pool_usage(), &app.metrics);
    let set = |gauge: &Gauge, value: u64| metrics.set(gauge, [], value as f64);
    set(&names::TURNS_RUNNING, app.turns.live.count() as u64);
    set(&names::SANDBOX_RUNNING, sandbox.running.into());
    set(&names::SANDBOX_MAPPING, sandbox.mapping.into());
    set(&names::SANDBOX_QUEUED, sandbox.queued as u64);
    set(&names::SANDBOX_COMPILING, sandbox.compiling as u64);
    set(&names::SANDBOX_COMPILE_QUEUE, sandbox.compile_queue as u64);
    set(&names::SANDBOX_CODE, sandbox.code_bytes);
    set(&names::DATABASE_OPEN, pool.open.into());
    set(&names::DATABASE_USED, pool.in_use.into());
    set(&names::WRITER_QUEUE, pool.writer_queue as u64);
    set(&names::CONNECTIONS_OPEN, api.connection_limiter.open() as u64);
    metrics.set_count(&names::CONNECTIONS_BEYOND, [], api.connection_limiter.refused());
    set(&names::BODY, api.body_memory.taken() as u64);
    if let Some(free) = disk::free_bytes(&app.data) {
        set(&names::DATA_FREE, free);
    }
    metrics.set(&names::BUILD, [env!("CARGO_PKG_VERSION").into()], 1.0);
    if let Some(bytes) = resident_bytes() {
        set(&names::RESIDENT, bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // One of them reads the folder.
        set(&names::OPEN_FDS, open.count().saturating_sub(1) as u64);
    }
    if let Some(limit) = descriptors::limit() {
        set(&names::MAX_FDS, limit);
    }
}

/// The resident memory of this process in bytes (Linux, proc(5), `VmRSS`). `None` when it can't be read.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Clients can send any method, so only known ones become labels.
pub fn method_name(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::POST => "POST",
        http::Method::PATCH => "PATCH",
        http::Method::PUT => "PUT",
        http::Method::DELETE => "DELETE",
        http::Method::OPTIONS => "OPTIONS",
        http::Method::HEAD => "HEAD",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn buckets_add_up() {
        let prometheus = Prometheus::new().unwrap();
        let metrics = prometheus.metrics();
        for micros in [400, 900, 60_000_000] {
            let series = ["/api/chat".into(), "POST".into(), "200".into()];
            metrics.time(&names::REQUEST_DURATION, series, Duration::from_micros(micros));
        }
        prometheus.upkeep();
        metrics.count(&names::TURNS, ["complete".into()]);
        metrics.count(&names::TURNS, ["complete".into()]);
        metrics.set(&names::TURNS_RUNNING, [], 3.0);
        let text = prometheus.handle.render();
        let labels = "route=\"/api/chat\",method=\"POST\",status=\"200\"";
        for line in [
            "# TYPE resly_turns_total counter",
            "resly_turns_total{outcome=\"complete\"} 2",
            "# TYPE resly_request_duration_seconds histogram",
            &format!("resly_request_duration_seconds_bucket{{{labels},le=\"0.001\"}} 2"),
            &format!("resly_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 3"),
            &format!("resly_request_duration_seconds_count{{{labels}}} 3"),
            "resly_turns_running 3",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}: {text}");
        }
    }

    #[test]
    fn the_metrics_are_for_those_who_may_read_them() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            HeaderMap::from_iter(pairs.iter().map(pair))
        };
        let none = headers(&[]);
        let (here, mapped, there) = ("127.0.0.1:9", "[::ffff:127.0.0.1]:9", "10.0.0.9:9");
        let at = |peer: &str| Some(peer.parse().unwrap());
        let machine = MetricsAccess::ThisMachine;
        assert!(machine.check(at(here), &none).is_ok() && machine.check(at(mapped), &none).is_ok());
        assert!(machine.check(at(there), &none).is_err() && machine.check(None, &none).is_err());
        for name in FORWARDED {
            assert!(machine.check(at(here), &headers(&[(name, "203.0.113.9")])).is_err(), "{name}");
        }
        assert!(MetricsAccess::Nobody.check(at(here), &none).is_err());
        let token = MetricsAccess::Token("scrape-0123456789".to_owned().into());
        assert!(token.check(at(there), &headers(&[("authorization", "bearer scrape-0123456789")])).is_ok());
        for wrong in ["Bearer scrape-012345678", "Basic scrape-0123456789", "scrape-0123456789"] {
            assert!(token.check(at(here), &headers(&[("authorization", wrong)])).is_err(), "{wrong}");
        }
        assert!(token.check(at(here), &none).is_err());
    }
}
