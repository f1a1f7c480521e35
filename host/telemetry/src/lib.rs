//! OpenTelemetry: sends traces and metrics to a collector by OTLP over HTTP, as JSON (OpenTelemetry Protocol Specification,
//! "OTLP/HTTP" and "JSON Protobuf Encoding").
//!
//! [`start`] makes what a host records to. Recording never waits: spans go through a bounded queue ([`spans`]), and what
//! doesn't fit is dropped and counted. Metrics are kept as running totals ([`recorder`]), so a lost export loses nothing.

mod client;
mod config;
mod recorder;
mod spans;
mod wire;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use resly_core::{
    metrics::Metrics,
    time::{Clock, Random},
    trace::{Sampler, SpanRecord, TelemetryExporter, Tracer},
};

pub use self::config::TelemetryConfig;
use self::{
    client::{Client, Signal},
    recorder::MetricRecorder,
    spans::SpanQueue,
};

/// The exporter can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for OpenTelemetry's collector can't be set up: {0}")]
pub struct TelemetryError(String);

/// The bounds within which telemetry is exported.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Spans that wait to be sent.
    queue: usize,
    /// Spans of one request.
    batch: usize,
    /// How long a span waits for others.
    delay: Duration,
    /// How long one request may take, to the head of its response.
    timeout: Duration,
    /// How long the rest of the response may take.
    response: Duration,
    /// Attempts at one request.
    attempts: u32,
    /// The pause before the second attempt. Each later one is twice as long.
    backoff: Duration,
}

impl Default for Bounds {
    /// Up to the time-out they are those of the specification's batch processor and exporter.
    fn default() -> Self {
        Self {
            queue: 2048,
            batch: 512,
            delay: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            response: Duration::from_secs(2),
            attempts: 3,
            backoff: Duration::from_secs(1),
        }
    }
}

/// Starts the export. `instance` tells this host from others. Gives what the host records to in place of `metrics`.
pub fn start(
    config: TelemetryConfig,
    instance: &str,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<(Metrics, Tracer), TelemetryError> {
    start_within(config, instance, metrics, clock, random, Bounds::default())
}

fn start_within(
    config: TelemetryConfig,
    instance: &str,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    bounds: Bounds,
) -> Result<(Metrics, Tracer), TelemetryError> {
    let resource: Arc<[(String, String)]> = config.resource(instance).into();
    let client = Arc::new(Client::new(&config, bounds)?);
    let (metrics, recorder) = if config.metrics {
        let recorder = Arc::new(MetricRecorder::new(clock.now()));
        (metrics.with_open_telemetry(Arc::clone(&recorder) as _), Some(recorder))
    } else {
        (metrics, None)
    };
    let spans = config.traces.then(|| {
        let (client, resource) = (Arc::clone(&client), Arc::clone(&resource));
        SpanQueue::start(client, resource, metrics.clone(), bounds)
    });
    // Without traces, no span is worth recording.
    let sampler = if config.traces { config.sampler } else { Sampler::NEVER };
    let metrics_every = config.metrics_every;
    let exporter = Telemetry { client, resource, recorder, spans, metrics_every, clock: Arc::clone(&clock) };
    Ok((metrics, Tracer::new(sampler, Arc::new(exporter), clock, random)))
}

/// Where the host's telemetry goes.
struct Telemetry {
    client: Arc<Client>,
    resource: Arc<[(String, String)]>,
    /// `None` when metrics aren't exported.
    recorder: Option<Arc<MetricRecorder>>,
    /// `None` when traces aren't exported.
    spans: Option<SpanQueue>,
    metrics_every: Duration,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl TelemetryExporter for Telemetry {
    fn take_span(&self, span: SpanRecord) {
        if let Some(spans) = &self.spans {
            spans.take(span);
        }
    }

    fn metrics_every(&self) -> Option<Duration> {
        self.recorder.as_ref().map(|_| self.metrics_every)
    }

    async fn send_metrics(&self) {
        let Some(recorder) = &self.recorder else { return };
        let series = recorder.snapshot();
        match wire::metrics(&self.resource, &series, recorder.started(), self.clock.now()) {
            // A rejected point is sent again with the next export, because it is a running total.
            Ok(body) => drop(self.client.post(Signal::Metrics, body).await),
            Err(error) => tracing::error!(%error, "metrics can't be written for OpenTelemetry"),
        }
    }

    async fn flush(&self) {
        let spans = async {
            if let Some(spans) = &self.spans {
                spans.flush().await;
            }
        };
        tokio::join!(spans, self.send_metrics());
    }
}

#[cfg(test)]
mod tests;
