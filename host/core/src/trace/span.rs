//! A span: one piece of work with its beginning, its end and what is told of it.

use std::{
    fmt::{self, Display},
    sync::Arc,
};

use super::{SpanContext, SpanId, TelemetryExporter};
use crate::time::{Clock, Timestamp};

/// Bytes of a text of an attribute.
const TEXT: usize = 1 << 10;

/// What a span is to the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    Internal,
    /// It answers a request.
    Server,
    /// It waits for another program.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    Text(String),
    Texts(Vec<&'static str>),
    Integer(i64),
    Number(f64),
    Flag(bool),
}

/// A span that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanRecord {
    pub context: SpanContext,
    pub parent: Option<SpanId>,
    pub name: String,
    pub kind: SpanKind,
    pub start: Timestamp,
    pub end: Timestamp,
    pub attributes: Vec<(&'static str, AttributeValue)>,
    pub failed: bool,
}

/// A span in progress. It ends when it is dropped, also by a panic. Without an exporter it is nothing, and one that isn't
/// sampled records nothing.
#[derive(Default)]
pub struct Span(Option<Box<ActiveSpan>>);

struct ActiveSpan {
    context: SpanContext,
    /// `None` when it isn't sampled.
    record: Option<SpanRecord>,
    exporter: Arc<dyn TelemetryExporter>,
    clock: Arc<dyn Clock>,
}

impl Span {
    pub(super) fn start(
        context: SpanContext,
        parent: Option<SpanContext>,
        kind: SpanKind,
        name: fmt::Arguments<'_>,
        exporter: &Arc<dyn TelemetryExporter>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let record = context.sampled.then(|| {
            let now = clock.now();
            SpanRecord {
                context,
                parent: parent.map(|parent| parent.span),
                name: name.to_string(),
                kind,
                start: now,
                end: now,
                attributes: Vec::new(),
                failed: false,
            }
        });
        Self(Some(Box::new(ActiveSpan { context, record, exporter: Arc::clone(exporter), clock: Arc::clone(clock) })))
    }

    /// The context for what happens within it.
    pub fn context(&self) -> Option<SpanContext> {
        self.0.as_ref().map(|span| span.context)
    }

    fn record(&mut self) -> Option<&mut SpanRecord> {
        self.0.as_mut()?.record.as_mut()
    }

    /// Gives it another name, once more is known.
    pub fn rename(&mut self, name: fmt::Arguments<'_>) {
        if let Some(record) = self.record() {
            record.name = name.to_string();
        }
    }

    /// Sets an attribute. Never to what a client or a service said: a value is an id, a number, or a name that an operator
    /// or a manifest gave.
    pub fn set(&mut self, name: &'static str, value: impl Into<AttributeValue>) {
        if let Some(record) = self.record() {
            let mut value = value.into();
            if let AttributeValue::Text(text) = &mut value {
                text.truncate(text.floor_char_boundary(TEXT));
            }
            record.attributes.push((name, value));
        }
    }

    /// Sets an attribute to a text that is made only when it is needed.
    pub fn set_display(&mut self, name: &'static str, value: impl Display) {
        if self.record().is_some() {
            self.set(name, value.to_string());
        }
    }

    /// Marks it as failed, with the kind of the error (OpenTelemetry's `error.type`).
    pub fn fail(&mut self, kind: &str) {
        self.set("error.type", kind);
        if let Some(record) = self.record() {
            record.failed = true;
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.fail("panic");
        }
        if let Some(span) = self.0.take()
            && let Some(record) = span.record
        {
            let end = span.clock.now();
            span.exporter.take_span(SpanRecord { end, ..record });
        }
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for AttributeValue {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for AttributeValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for AttributeValue {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Vec<&'static str>> for AttributeValue {
    fn from(texts: Vec<&'static str>) -> Self {
        Self::Texts(texts)
    }
}
