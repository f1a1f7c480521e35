//! The queue of ended spans, and the task that sends them in batches.

use std::sync::Arc;

use resly_core::{
    metrics::{Metrics, names},
    trace::SpanRecord,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    Bounds,
    client::{Client, Signal},
    wire,
};

/// Takes spans without waiting. The task ends when the queue is dropped.
pub struct SpanQueue {
    queue: mpsc::Sender<Message>,
    metrics: Metrics,
}

enum Message {
    Span(Box<SpanRecord>),
    /// Answered when all spans before it were sent or dropped.
    Flush(oneshot::Sender<()>),
}

impl SpanQueue {
    pub fn start(client: Arc<Client>, resource: Arc<[(String, String)]>, metrics: Metrics, bounds: Bounds) -> Self {
        let (queue, messages) = mpsc::channel(bounds.queue);
        tokio::spawn(Batches { messages, client, resource, metrics: metrics.clone(), bounds }.run());
        Self { queue, metrics }
    }

    pub fn take(&self, span: SpanRecord) {
        if self.queue.try_send(Message::Span(Box::new(span))).is_err() {
            self.metrics.count(&names::SPANS_DROPPED, ["full".into()]);
        }
    }

    /// Waits until all spans that were taken before were sent or dropped.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            // The task ends only after its queue.
            let _ = flushed.await;
        }
    }
}

struct Batches {
    messages: mpsc::Receiver<Message>,
    client: Arc<Client>,
    resource: Arc<[(String, String)]>,
    metrics: Metrics,
    bounds: Bounds,
}

impl Batches {
    async fn run(mut self) {
        let mut batch = Vec::new();
        let mut due = Instant::now();
        loop {
            let message = if batch.is_empty() {
                self.messages.recv().await
            } else {
                match timeout_at(due, self.messages.recv()).await {
                    Ok(message) => message,
                    Err(_) => {
                        self.send(&mut batch).await;
                        continue;
                    }
                }
            };
            match message {
                Some(Message::Span(span)) => {
                    if batch.is_empty() {
                        due = Instant::now() + self.bounds.delay;
                    }
                    batch.push(*span);
                    if batch.len() >= self.bounds.batch {
                        self.send(&mut batch).await;
                    }
                }
                Some(Message::Flush(done)) => {
                    self.send(&mut batch).await;
                    // Nobody waits any more where this fails.
                    let _ = done.send(());
                }
                None => return self.send(&mut batch).await,
            }
        }
    }

    async fn send(&self, batch: &mut Vec<SpanRecord>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let body = wire::traces(&self.resource, batch);
        batch.clear();
        let dropped = match body {
            Ok(body) => match self.client.post(Signal::Traces, body).await {
                Ok(0) => return,
                Ok(rejected) => ("rejected", rejected.min(count)),
                Err(_) => ("failed", count),
            },
            Err(error) => {
                tracing::error!(%error, "spans can't be written for OpenTelemetry");
                ("failed", count)
            }
        };
        let (reason, dropped) = dropped;
        self.metrics.add(&names::SPANS_DROPPED, [reason.into()], dropped);
    }
}
