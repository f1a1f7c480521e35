//! The message `ExportMetricsServiceRequest`.

use resly_core::time::Timestamp;
use serde::Serialize;

use super::{Attribute, Resource, SCOPE, Scope, Text, Value, nanos, resource};
use crate::recorder::{Sample, SampleValue};

/// Values are totals since the host's start.
const CUMULATIVE: u8 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_metrics: [ResourceMetrics<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    resource: Resource<'a>,
    scope_metrics: [ScopeMetrics<'a>; 1],
}

#[derive(Serialize)]
struct ScopeMetrics<'a> {
    scope: Scope,
    metrics: Vec<Metric<'a>>,
}

#[derive(Serialize)]
struct Metric<'a> {
    name: &'static str,
    description: &'static str,
    unit: &'static str,
    #[serde(flatten)]
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Data<'a> {
    #[serde(rename_all = "camelCase")]
    Sum { data_points: Vec<Point<'a>>, aggregation_temporality: u8, is_monotonic: bool },
    #[serde(rename_all = "camelCase")]
    Gauge { data_points: Vec<Point<'a>> },
    #[serde(rename_all = "camelCase")]
    Histogram { data_points: Vec<Point<'a>>, aggregation_temporality: u8 },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Point<'a> {
    attributes: Vec<Attribute<'a>>,
    start_time_unix_nano: Text<u64>,
    time_unix_nano: Text<u64>,
    #[serde(flatten)]
    value: PointValue,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PointValue {
    #[serde(rename_all = "camelCase")]
    Count { as_int: Text<u64> },
    #[serde(rename_all = "camelCase")]
    Gauge { as_double: f64 },
    #[serde(rename_all = "camelCase")]
    Histogram { count: Text<u64>, sum: f64, bucket_counts: Vec<Text<u64>>, explicit_bounds: &'static [f64] },
}

/// Writes samples, of which those of a metric follow each other. `started` is when their totals begin.
pub fn metrics(
    attributes: &[(String, String)],
    samples: &[Sample],
    started: Timestamp,
    now: Timestamp,
) -> serde_json::Result<Vec<u8>> {
    let by_metric = samples.chunk_by(|a, b| a.description.name == b.description.name);
    let metrics = by_metric.filter_map(|samples| metric(samples, started, now)).collect();
    let scope_metrics = [ScopeMetrics { scope: SCOPE, metrics }];
    let resource_metrics = [ResourceMetrics { resource: resource(attributes), scope_metrics }];
    serde_json::to_vec(&Request { resource_metrics })
}

fn metric(samples: &[Sample], started: Timestamp, now: Timestamp) -> Option<Metric<'_>> {
    let Sample { description, value, .. } = samples.first()?;
    let data_points = samples.iter().map(|sample| point(sample, started, now)).collect();
    let data = match value {
        SampleValue::Count(_) => Data::Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: true },
        SampleValue::Gauge(_) => Data::Gauge { data_points },
        SampleValue::Histogram { .. } => Data::Histogram { data_points, aggregation_temporality: CUMULATIVE },
    };
    Some(Metric { name: description.name, description: description.help, unit: unit(description.name), data })
}

fn point(sample: &Sample, started: Timestamp, now: Timestamp) -> Point<'_> {
    // An empty value says that there is none, such as an error of what went well.
    let labels = sample.key.labels().filter(|label| !label.value().is_empty());
    let attributes = labels.map(|label| Attribute { key: label.key(), value: Value::StringValue(label.value()) });
    let value = match &sample.value {
        SampleValue::Count(count) => PointValue::Count { as_int: Text(*count) },
        SampleValue::Gauge(number) => PointValue::Gauge { as_double: *number },
        SampleValue::Histogram { bounds, counts, sum } => PointValue::Histogram {
            count: Text(counts.iter().sum()),
            sum: *sum,
            bucket_counts: counts.iter().copied().map(Text).collect(),
            explicit_bounds: bounds,
        },
    };
    Point { attributes: attributes.collect(), start_time_unix_nano: nanos(started), time_unix_nano: nanos(now), value }
}

/// The unit (The Unified Code for Units of Measure), which names have at their ends.
fn unit(name: &str) -> &'static str {
    match name {
        "gen_ai.client.token.usage" => "{token}",
        "gen_ai.client.operation.duration" => "s",
        name if name.ends_with("_seconds") => "s",
        name if name.ends_with("_bytes") => "By",
        _ => "1",
    }
}
