//! One request to the collector: bounded in time, in attempts and in what is read of the response.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
    redirect,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::{Bounds, TelemetryConfig, TelemetryError};

/// Bytes of a response that are read. A collector says in them what it rejects.
const RESPONSE: usize = 64 << 10;
/// Characters of a collector's message that are logged.
const MESSAGE: usize = 300;
/// The longest pause that a collector may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }
}

/// Why a request came to nothing. It has neither the URL nor the headers.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("it can't be reached: {0}")]
    Unreachable(String),
    #[error("it answered with status {status}")]
    Refused { status: StatusCode, retry_after: Option<Duration> },
    #[error("it didn't answer within {0:?}")]
    Slow(Duration),
}

impl ExportError {
    /// The pause before another attempt. `None` when there is no use in one. A collector that hangs isn't asked again: it
    /// may have what it was sent.
    fn pause(&self, backoff: Duration) -> Option<Duration> {
        match self {
            Self::Unreachable(_) => Some(backoff),
            Self::Refused { status, retry_after } => {
                let passing = matches!(status.as_u16(), 429 | 502 | 503 | 504);
                passing.then(|| retry_after.unwrap_or(backoff).min(LONGEST_PAUSE))
            }
            Self::Slow(_) => None,
        }
    }
}

/// The collector.
pub struct Client {
    http: reqwest::Client,
    traces: Url,
    metrics: Url,
    headers: HeaderMap,
    bounds: Bounds,
    /// Whether the last request failed, so that an outage is logged once.
    failing: AtomicBool,
}

/// What a collector says of a request that it accepted in part.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Accepted {
    partial_success: Option<PartialSuccess>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    rejected_spans: Option<Box<RawValue>>,
    rejected_data_points: Option<Box<RawValue>>,
    error_message: String,
}

/// A 64-bit number: a text in Protobuf's JSON, and a number from servers that are lenient.
fn count(number: Option<&RawValue>) -> u64 {
    number.and_then(|number| number.get().trim_matches('"').parse().ok()).unwrap_or(0)
}

impl Client {
    pub fn new(config: &TelemetryConfig, bounds: Bounds) -> Result<Self, TelemetryError> {
        // Whoever comes first installs it; all of us install the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            // The headers are for this collector alone.
            .redirect(redirect::Policy::none())
            .connect_timeout(bounds.timeout)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("resly/", env!("CARGO_PKG_VERSION")));
        if config.endpoint.scheme() == "http" {
            // Plain HTTP needs no roots, and works on a machine that has none.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| TelemetryError(error.to_string()))?;
        let url = |signal: Signal| {
            let mut url = config.endpoint.clone();
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().extend(["v1", signal.name()]);
            }
            url
        };
        Ok(Self {
            http,
            traces: url(Signal::Traces),
            metrics: url(Signal::Metrics),
            headers: config.headers.clone(),
            bounds,
            failing: AtomicBool::new(false),
        })
    }

    /// Sends a request, again where that may help. Returns how many of its items the collector rejected.
    pub async fn post(&self, signal: Signal, body: Vec<u8>) -> Result<u64, ExportError> {
        let body = Bytes::from(body);
        let mut backoff = self.bounds.backoff;
        let mut attempt = 1;
        loop {
            let error = match self.send(signal, body.clone()).await {
                Ok(rejected) => {
                    if self.failing.swap(false, Ordering::Relaxed) {
                        tracing::info!("OpenTelemetry's collector takes telemetry again");
                    }
                    return Ok(rejected);
                }
                Err(error) => error,
            };
            match error.pause(backoff) {
                Some(pause) if attempt < self.bounds.attempts => sleep(pause).await,
                _ => {
                    if !self.failing.swap(true, Ordering::Relaxed) {
                        let signal = signal.name();
                        tracing::warn!(%error, signal, "OpenTelemetry's collector doesn't take telemetry; it is dropped until it does");
                    }
                    return Err(error);
                }
            }
            backoff *= 2;
            attempt += 1;
        }
    }

    async fn send(&self, signal: Signal, body: Bytes) -> Result<u64, ExportError> {
        let url = match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
        };
        let request = self.http.post(url.clone()).headers(self.headers.clone());
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        let response = match timeout(self.bounds.timeout, request.send()).await {
            Ok(response) => response.map_err(|error| ExportError::Unreachable(explain(error)))?,
            Err(_) => return Err(ExportError::Slow(self.bounds.timeout)),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(rejected(signal, &self.read(response).await));
        }
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_after = seconds.map(Duration::from_secs);
        // So that the connection can be used again where the body is short.
        self.read(response).await;
        Err(ExportError::Refused { status, retry_after })
    }

    /// The beginning of a response's body, as far as it comes in time. One that goes on is cut off, and so is its
    /// connection.
    async fn read(&self, mut response: Response) -> Vec<u8> {
        let mut body = Vec::new();
        let reading = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk[..chunk.len().min(RESPONSE - body.len())]);
                if body.len() >= RESPONSE {
                    break;
                }
            }
        };
        // What came until then is read. The status has said already whether the request was accepted.
        let _ = timeout(self.bounds.response, reading).await;
        body
    }
}

fn rejected(signal: Signal, body: &[u8]) -> u64 {
    let accepted: Accepted = serde_json::from_slice(body).unwrap_or_default();
    let Some(partial) = accepted.partial_success else { return 0 };
    let rejected = match signal {
        Signal::Traces => count(partial.rejected_spans.as_deref()),
        Signal::Metrics => count(partial.rejected_data_points.as_deref()),
    };
    if rejected > 0 || !partial.error_message.is_empty() {
        let message: String =
            partial.error_message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE).collect();
        tracing::warn!(rejected, message, signal = signal.name(), "OpenTelemetry's collector rejects telemetry");
    }
    rejected
}

/// The whole chain of causes, without the URL.
fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
