//! What a collector gets, and what a hostile one can't do. No test waits for a bound of the default length.

use std::{
    convert::Infallible,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt, future, stream};
use metrics::{Key, Metadata, Recorder};
use resly_core::{
    id::OrganizationId,
    metrics::{gen_ai as metric, names},
    testing::{ManualClock, SequenceRandom},
    trace::{SpanKind, gen_ai},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// What a collector does with each request.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Accepts,
    /// Rejects two spans of each request.
    RejectsTwo,
    Answers(u16),
    /// Answers 503 once, then accepts.
    FailsOnce,
    Hangs,
    /// Answers 200 with a body that never ends.
    Endless,
    /// Answers 200 with a body that comes to nothing.
    Stalls,
    Redirects,
}

#[derive(Clone)]
struct Collector {
    manner: Manner,
    requests: Arc<Mutex<Vec<(String, HeaderMap, Value)>>>,
    count: Arc<AtomicUsize>,
}

impl Collector {
    async fn start(manner: Manner) -> (Self, String) {
        let collector = Self { manner, requests: Arc::default(), count: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, url)
    }

    fn requests(&self) -> Vec<(String, HeaderMap, Value)> {
        self.requests.lock().unwrap().clone()
    }

    fn spans(&self) -> Vec<Value> {
        let requests = self.requests();
        let bodies = requests.iter().map(|(_, _, body)| &body["resourceSpans"][0]["scopeSpans"][0]["spans"]);
        bodies.filter_map(Value::as_array).flatten().cloned().collect()
    }
}

async fn receive(State(collector): State<Collector>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let before = collector.count.fetch_add(1, Ordering::SeqCst);
    let body = serde_json::from_slice(&body).unwrap();
    collector.requests.lock().unwrap().push((uri.path().to_owned(), headers, body));
    let piece = || Bytes::from(vec![b' '; 16 << 10]);
    match collector.manner {
        Manner::Accepts => "{}".into_response(),
        Manner::RejectsTwo => r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too\nold"}}"#.into_response(),
        Manner::Answers(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Manner::FailsOnce if before == 0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Manner::FailsOnce => "{}".into_response(),
        Manner::Hangs => future::pending().await,
        Manner::Endless => Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(piece()))).into_response(),
        Manner::Stalls => {
            let first = stream::once(future::ready(Ok::<_, Infallible>(Bytes::from_static(b"{"))));
            Body::from_stream(first.chain(stream::pending())).into_response()
        }
        Manner::Redirects => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
    }
}

/// Bounds that a test doesn't notice.
fn short() -> Bounds {
    Bounds {
        delay: Duration::from_secs(3600),
        response: Duration::from_millis(50),
        backoff: Duration::ZERO,
        ..Bounds::default()
    }
}

struct Host {
    tracer: Tracer,
    metrics: Metrics,
    clock: Arc<ManualClock>,
    /// What Prometheus would read.
    counts: Arc<MetricRecorder>,
}

fn host(url: &str, bounds: Bounds, more: &[(&str, &str)]) -> Host {
    let environment = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.to_owned()),
        name => more.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned()),
    };
    let config = TelemetryConfig::read(&environment, &mut Vec::new()).unwrap();
    let clock = Arc::<ManualClock>::default();
    let counts = Arc::new(MetricRecorder::new(clock.now()));
    let random = Arc::new(SequenceRandom::default());
    let metrics = Metrics::new(Arc::clone(&counts) as _);
    let (metrics, tracer) = start_within(config, "host-1", metrics, Arc::clone(&clock) as _, random, bounds).unwrap();
    Host { tracer, metrics, clock, counts }
}

impl Host {
    fn spans(&self, count: usize) {
        for n in 0..count {
            drop(self.tracer.start(SpanKind::Internal, format_args!("span {n}")));
        }
    }

    async fn flush(&self) {
        self.tracer.exporter().unwrap().flush().await;
    }

    fn dropped(&self, reason: &'static str) -> u64 {
        let key = Key::from_parts(names::SPANS_DROPPED.name, vec![metrics::Label::new("reason", reason)]);
        let found = self.counts.snapshot().into_iter().find(|sample| sample.key == key);
        match found.map(|sample| sample.value) {
            Some(recorder::SampleValue::Count(count)) => count,
            _ => 0,
        }
    }
}

/// Leaves only spans to be sent.
const NO_METRICS: (&str, &str) = ("OTEL_METRICS_EXPORTER", "none");

#[tokio::test]
async fn a_span_is_sent_as_the_protocol_writes_it() {
    let (collector, url) = Collector::start(Manner::Accepts).await;
    let host = host(&url, short(), &[NO_METRICS, ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=se%20cret")]);
    let outer = host.tracer.start(SpanKind::Server, format_args!("outer"));
    let organization = OrganizationId(uuid::Uuid::from_u128(1));
    let mut inner = host.tracer.start_below(outer.context(), SpanKind::Client, format_args!("inner"));
    inner.set("text", "a");
    inner.set("number", 7_u64);
    inner.set("share", 0.5);
    inner.set("flag", true);
    inner.set("list", vec!["a", "b"]);
    inner.set_display("id", organization);
    inner.fail("timeout");
    let (trace, parent) = (outer.context().unwrap().trace.to_string(), outer.context().unwrap().span.to_string());
    host.clock.advance(Duration::from_millis(3));
    drop(inner);
    drop(outer);
    host.flush().await;
    let requests = collector.requests();
    let [(path, headers, body)] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(path, "/v1/traces");
    assert_eq!(
        (&headers["x-key"], &headers["content-type"]),
        (&"se cret".parse().unwrap(), &"application/json".parse().unwrap())
    );
    let resource = body["resourceSpans"][0]["resource"]["attributes"].as_array().unwrap();
    assert!(resource.contains(&json!({"key": "service.name", "value": {"stringValue": "resly"}})), "{body}");
    assert!(resource.contains(&json!({"key": "service.instance.id", "value": {"stringValue": "host-1"}})));
    assert_eq!(body["resourceSpans"][0]["scopeSpans"][0]["scope"]["name"], "resly");
    let spans = collector.spans();
    let id = spans[0]["spanId"].as_str().unwrap();
    assert_eq!(
        spans[0],
        json!({"traceId": trace, "spanId": id, "parentSpanId": parent, "name": "inner", "kind": 3,
            "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000003000000",
            "attributes": [
                {"key": "text", "value": {"stringValue": "a"}},
                {"key": "number", "value": {"intValue": "7"}},
                {"key": "share", "value": {"doubleValue": 0.5}},
                {"key": "flag", "value": {"boolValue": true}},
                {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}},
                {"key": "id", "value": {"stringValue": "00000000-0000-0000-0000-000000000001"}},
                {"key": "error.type", "value": {"stringValue": "timeout"}}],
            "status": {"code": 2}})
    );
    assert_eq!((trace.len(), id.len()), (32, 16));
    assert_eq!((&spans[1]["kind"], &spans[1]["status"]["code"]), (&json!(2), &json!(0)));
    assert!(spans[1].get("parentSpanId").is_none());
}

#[tokio::test]
async fn spans_go_in_batches_and_none_is_lost_between_them() {
    let (collector, url) = Collector::start(Manner::Accepts).await;
    let host = host(&url, Bounds { batch: 4, ..short() }, &[NO_METRICS]);
    host.spans(10);
    host.flush().await;
    let sizes = collector
        .requests()
        .into_iter()
        .map(|(_, _, body)| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len());
    assert_eq!(sizes.collect::<Vec<_>>(), [4, 4, 2]);
    assert_eq!(collector.spans()[9]["name"], "span 9");
}

#[tokio::test]
async fn metrics_are_totals_since_the_start() {
    let (collector, url) = Collector::start(Manner::Accepts).await;
    let host = host(&url, short(), &[]);
    host.metrics.add(&names::TURNS, ["complete".into()], 2);
    host.metrics.count(&names::TURNS, ["cancelled".into()]);
    host.metrics.set(&names::TURNS_RUNNING, [], 1.5);
    for seconds in [0.0625, 0.25, 1000.0] {
        host.metrics.record(&names::TURN_DURATION, [], seconds);
    }
    let open_telemetry = host.metrics.open_telemetry().unwrap();
    let series = ["chat".into(), "openai".into(), "m".into(), "".into()];
    open_telemetry.record(&metric::OPERATION_DURATION, series, 0.01);
    host.clock.advance(Duration::from_secs(1));
    host.flush().await;
    let requests = collector.requests();
    let (path, _, body) = &requests[0];
    assert_eq!((requests.len(), path.as_str()), (1, "/v1/metrics"));
    let metrics = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    let metric = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("{body}"));
    let times = |mut point: Value, more: Value| {
        let point_members = point.as_object_mut().unwrap();
        point_members.insert("startTimeUnixNano".into(), json!("1700000000000000000"));
        point_members.insert("timeUnixNano".into(), json!("1700000001000000000"));
        point_members.extend(more.as_object().unwrap().clone());
        point
    };
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    assert_eq!(
        metric("resly_turns_total")["sum"],
        json!({"dataPoints": [
                times(json!({"attributes": [attribute("outcome", "cancelled")]}), json!({"asInt": "1"})),
                times(json!({"attributes": [attribute("outcome", "complete")]}), json!({"asInt": "2"}))],
            "aggregationTemporality": 2, "isMonotonic": true})
    );
    assert_eq!(
        metric("resly_turns_running")["gauge"],
        json!({"dataPoints": [times(json!({"attributes": []}), json!({"asDouble": 1.5}))]})
    );
    let histogram = metric("resly_turn_duration_seconds");
    assert_eq!((&histogram["unit"], &histogram["histogram"]["aggregationTemporality"]), (&json!("s"), &json!(2)));
    let point = &histogram["histogram"]["dataPoints"][0];
    let bounds = point["explicitBounds"].as_array().unwrap();
    let counts = point["bucketCounts"].as_array().unwrap();
    assert_eq!((bounds.len() + 1, &bounds[1]), (counts.len(), &json!(0.1)));
    assert_eq!((&counts[1], &counts[2], counts.last().unwrap()), (&json!("1"), &json!("1"), &json!("1")));
    assert_eq!((&point["count"], &point["sum"]), (&json!("3"), &json!(1000.3125)));
    let generative = metric("gen_ai.client.operation.duration");
    let attributes = generative["histogram"]["dataPoints"][0]["attributes"].as_array().unwrap();
    assert!(attributes.contains(&attribute("gen_ai.request.model", "m")), "{generative}");
    assert_eq!(attributes.len(), 3, "no error: {generative}");
    assert!(host.counts.snapshot().iter().all(|sample| !sample.description.name.starts_with("gen_ai.")));
}

#[tokio::test]
async fn what_a_collector_rejects_or_refuses_is_counted() {
    for (manner, requests, failed, rejected) in [
        (Manner::RejectsTwo, 1, 0, 2),
        (Manner::Answers(400), 1, 3, 0),
        (Manner::Answers(500), 1, 3, 0),
        (Manner::Answers(503), 3, 3, 0),
        (Manner::Answers(429), 3, 3, 0),
        (Manner::FailsOnce, 2, 0, 0),
        // The headers are for the collector alone.
        (Manner::Redirects, 1, 3, 0),
    ] {
        let (collector, url) = Collector::start(manner).await;
        let host = host(&url, short(), &[NO_METRICS]);
        host.spans(3);
        host.flush().await;
        assert_eq!(collector.requests().len(), requests);
        assert_eq!((host.dropped("failed"), host.dropped("rejected")), (failed, rejected));
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_spans_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let host = host(&url, short(), &[]);
    host.spans(3);
    host.flush().await;
    assert_eq!(host.dropped("failed"), 3);
}

#[tokio::test]
async fn a_collector_that_hangs_is_left_after_a_while_and_the_queue_is_bounded() {
    let (collector, url) = Collector::start(Manner::Hangs).await;
    let host = host(&url, Bounds { queue: 8, batch: 2, timeout: Duration::from_millis(200), ..short() }, &[NO_METRICS]);
    // The task that takes them doesn't run between: this test has one thread.
    host.spans(11);
    assert_eq!(host.dropped("full"), 3);
    host.flush().await;
    assert_eq!((collector.requests().len(), host.dropped("failed")), (4, 8), "none of them twice");
}

#[tokio::test]
async fn a_response_without_an_end_is_cut_and_counts_as_accepted() {
    for manner in [Manner::Endless, Manner::Stalls] {
        let (collector, url) = Collector::start(manner).await;
        let host = host(&url, short(), &[NO_METRICS]);
        host.spans(3);
        host.flush().await;
        host.spans(1);
        host.flush().await;
        assert_eq!((collector.spans().len(), host.dropped("failed")), (4, 0));
    }
}

#[tokio::test]
async fn each_signal_can_be_left_out() {
    let (collector, url) = Collector::start(Manner::Accepts).await;
    let host = host(&url, short(), &[NO_METRICS, ("OTEL_TRACES_EXPORTER", "none")]);
    assert!(host.metrics.open_telemetry().is_none());
    assert_eq!(host.tracer.exporter().unwrap().metrics_every(), None);
    let span = gen_ai::retrieval(&host.tracer, OrganizationId(uuid::Uuid::from_u128(1)));
    assert!(!span.context().unwrap().sampled, "logs have a trace's id all the same");
    drop(span);
    host.flush().await;
    assert!(collector.requests().is_empty());
}

#[test]
fn a_recorder_keeps_what_another_part_of_the_host_counts() {
    let recorder = MetricRecorder::new(ManualClock::default().now());
    let counter = recorder.register_counter(
        &Key::from_static_name(names::CONNECTIONS_BEYOND.name),
        &Metadata::new("test", metrics::Level::INFO, None),
    );
    counter.absolute(5);
    counter.absolute(3);
    assert!(matches!(recorder.snapshot()[0].value, recorder::SampleValue::Count(5)));
}
