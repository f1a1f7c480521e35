//! The message `ExportTraceServiceRequest`.

use resly_core::trace::{AttributeValue, SpanId, SpanKind, SpanRecord, TraceId};
use serde::Serialize;

use super::{Attribute, Resource, SCOPE, Scope, Text, Value, Values, nanos, resource};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: Vec<Span<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    trace_id: Text<TraceId>,
    span_id: Text<SpanId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<Text<SpanId>>,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: Text<u64>,
    end_time_unix_nano: Text<u64>,
    attributes: Vec<Attribute<'a>>,
    status: Status,
}

#[derive(Serialize)]
struct Status {
    code: u8,
}

/// Writes spans.
pub fn traces(attributes: &[(String, String)], spans: &[SpanRecord]) -> serde_json::Result<Vec<u8>> {
    let scope_spans = [ScopeSpans { scope: SCOPE, spans: spans.iter().map(span).collect() }];
    serde_json::to_vec(&Request { resource_spans: [ResourceSpans { resource: resource(attributes), scope_spans }] })
}

fn span(record: &SpanRecord) -> Span<'_> {
    let kind = match record.kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
    };
    Span {
        trace_id: Text(record.context.trace),
        span_id: Text(record.context.span),
        parent_span_id: record.parent.map(Text),
        name: &record.name,
        kind,
        start_time_unix_nano: nanos(record.start),
        end_time_unix_nano: nanos(record.end),
        attributes: record.attributes.iter().map(|(key, found)| Attribute { key, value: value(found) }).collect(),
        // Unset, or an error.
        status: Status { code: if record.failed { 2 } else { 0 } },
    }
}

fn value(value: &AttributeValue) -> Value<'_> {
    match value {
        AttributeValue::Text(text) => Value::StringValue(text),
        AttributeValue::Texts(texts) => {
            Value::ArrayValue(Values { values: texts.iter().map(|text| Value::StringValue(text)).collect() })
        }
        AttributeValue::Integer(number) => Value::IntValue(Text(*number)),
        AttributeValue::Number(number) => Value::DoubleValue(*number),
        AttributeValue::Flag(flag) => Value::BoolValue(*flag),
    }
}
