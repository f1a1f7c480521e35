//! A collector of OpenTelemetry on loopback (OTLP/HTTP with JSON). It keeps what it is sent, and answers well or badly.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is test code in a library's place")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{future, stream};
use serde_json::Value;
use tokio::net::TcpListener;

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Accepts,
    /// It answers with this status.
    Refuses(u16),
    /// It never answers.
    Hangs,
    /// It accepts, with a body that has no end.
    Endless,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Export {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Clone)]
pub struct Collector {
    /// The base URL, as `OTEL_EXPORTER_OTLP_ENDPOINT` takes it.
    pub url: String,
    manner: Manner,
    exports: Arc<Mutex<Vec<Export>>>,
}

impl Collector {
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self { url, manner, exports: Arc::default() };
        let router = Router::new().fallback(receive).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    /// Everything that it was sent.
    pub fn exports(&self) -> Vec<Export> {
        self.exports.lock().unwrap().clone()
    }

    /// The spans in the order in which they ended.
    pub fn spans(&self) -> Vec<Value> {
        self.bodies("/v1/traces")
            .iter()
            .flat_map(|body| list(&body["resourceSpans"][0]["scopeSpans"][0]["spans"]))
            .collect()
    }

    /// The one span with this name.
    pub fn span(&self, name: &str) -> Value {
        let mut spans = self.spans();
        spans.retain(|span| span["name"] == name);
        assert_eq!(spans.len(), 1, "{name}: {:#?}", self.names());
        spans.remove(0)
    }

    /// The names of the spans.
    pub fn names(&self) -> Vec<String> {
        self.spans().iter().map(|span| span["name"].as_str().unwrap().to_owned()).collect()
    }

    /// A metric as it was sent last.
    pub fn metric(&self, name: &str) -> Value {
        let last = self.bodies("/v1/metrics").pop().unwrap_or_else(|| panic!("no metrics were sent"));
        let metrics = list(&last["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]);
        metrics.into_iter().find(|metric| metric["name"] == name).unwrap_or_else(|| panic!("no {name} in {last}"))
    }

    fn bodies(&self, path: &str) -> Vec<Value> {
        let exports = self.exports();
        let of_path = exports.iter().filter(|export| export.path == path);
        of_path.map(|export| serde_json::from_slice(&export.body).unwrap()).collect()
    }
}

fn list(values: &Value) -> Vec<Value> {
    values.as_array().cloned().unwrap_or_else(|| panic!("{values} is no list"))
}

/// An attribute of a span or of a metric's point. Null when it isn't there.
pub fn attribute(of: &Value, name: &str) -> Value {
    let found = list(&of["attributes"]).into_iter().find(|attribute| attribute["key"] == name);
    let value = found.map(|attribute| attribute["value"].clone()).unwrap_or_default();
    let value = value.as_object().and_then(|value| value.values().next().cloned()).unwrap_or_default();
    if value.is_object() { value["values"].clone() } else { value }
}

async fn receive(State(collector): State<Collector>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    collector.exports.lock().unwrap().push(Export { path: uri.path().to_owned(), headers, body });
    match collector.manner {
        Manner::Accepts => "{}".into_response(),
        Manner::Refuses(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Manner::Hangs => future::pending().await,
        Manner::Endless => {
            let pieces = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b' '; 4096])));
            Body::from_stream(pieces).into_response()
        }
    }
}
