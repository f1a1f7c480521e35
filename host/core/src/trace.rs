//! Traces: what a host did for one request, as spans (OpenTelemetry specification, "Tracing API"). Any part of a host starts
//! spans here; the composition root chooses where ended spans go. Without that, a span is nothing.
//!
//! The context of the work in progress belongs to its task: [`within`] sets it and [`current`] reads it. A spawned task
//! begins without one, so whoever spawns it passes the own one on.

mod context;
pub mod gen_ai;
mod sampler;
mod span;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::task::futures::TaskLocalFuture;

pub use self::{
    context::{SpanContext, SpanId, TraceId},
    sampler::{Sampler, UnknownSampler},
    span::{AttributeValue, Span, SpanKind, SpanRecord},
};
use crate::time::{Clock, Random};

/// Takes ended spans, and what the host measured, out of the host.
#[async_trait]
pub trait TelemetryExporter: Send + Sync + 'static {
    /// Takes an ended span. It never waits: a span that there is no room for is dropped and counted.
    fn take_span(&self, span: SpanRecord);
    /// The time between two exports of the metrics. `None` when they aren't exported.
    fn metrics_every(&self) -> Option<Duration>;
    /// Sends the present values of the metrics.
    async fn send_metrics(&self);
    /// Sends all that was taken until now, and the metrics.
    async fn flush(&self);
}

/// Starts spans. It is cheap to clone. Without an exporter, it starts none.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Tracing>>);

struct Tracing {
    sampler: Sampler,
    exporter: Arc<dyn TelemetryExporter>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Tracer {
    pub fn new(
        sampler: Sampler,
        exporter: Arc<dyn TelemetryExporter>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self(Some(Arc::new(Tracing { sampler, exporter, clock, random })))
    }

    /// Whether spans are started at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Where spans and metrics go. `None` when they go nowhere.
    pub fn exporter(&self) -> Option<&Arc<dyn TelemetryExporter>> {
        self.0.as_ref().map(|tracing| &tracing.exporter)
    }

    /// Starts a span below the current one. Where there is none, it begins a trace.
    pub fn start(&self, kind: SpanKind, name: fmt::Arguments<'_>) -> Span {
        self.start_below(current(), kind, name)
    }

    /// Starts a span below another one, such as a client's. Without a parent, it begins a trace.
    pub fn start_below(&self, parent: Option<SpanContext>, kind: SpanKind, name: fmt::Arguments<'_>) -> Span {
        let Some(tracing) = &self.0 else { return Span::default() };
        let trace = parent.map_or_else(|| TraceId::random(&*tracing.random), |parent| parent.trace);
        let context = SpanContext {
            trace,
            span: SpanId::random(&*tracing.random),
            sampled: tracing.sampler.samples(parent, trace),
        };
        Span::start(context, parent, kind, name, &tracing.exporter, &tracing.clock)
    }
}

tokio::task_local! {
    static CURRENT: Option<SpanContext>;
}

/// The context of the work in progress, which new spans and log lines belong to.
pub fn current() -> Option<SpanContext> {
    CURRENT.try_with(|context| *context).ok().flatten()
}

/// Runs a future within a context.
pub fn within<F: Future>(context: Option<SpanContext>, future: F) -> TaskLocalFuture<Option<SpanContext>, F> {
    CURRENT.scope(context, future)
}

#[cfg(test)]
mod tests;
