//! An exporter that keeps the spans that it takes.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use crate::trace::{SpanRecord, TelemetryExporter};

/// Keeps ended spans, in the order of their ends.
#[derive(Debug, Default)]
pub struct SpanCollector(Mutex<Vec<SpanRecord>>);

impl SpanCollector {
    pub fn spans(&self) -> Vec<SpanRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl TelemetryExporter for SpanCollector {
    fn take_span(&self, span: SpanRecord) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn metrics_every(&self) -> Option<Duration> {
        None
    }

    async fn send_metrics(&self) {}

    async fn flush(&self) {}
}
