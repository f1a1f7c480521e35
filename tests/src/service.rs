//! A scripted service on loopback for connectors to call. It answers by path and records every request.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode},
    response::Response,
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

type Answers = HashMap<String, (u16, Value)>;

#[derive(Default)]
struct Script {
    answers: Mutex<Answers>,
    /// Answers that come first, each one once.
    first: Mutex<HashMap<String, VecDeque<(u16, Value)>>>,
    /// Answers that aren't JSON: type and bytes.
    raw: Mutex<HashMap<String, (String, Vec<u8>)>>,
    received: Mutex<Vec<Received>>,
    /// Whether answers wait.
    held: watch::Sender<bool>,
}

#[derive(Clone)]
pub struct ScriptedService {
    pub address: SocketAddr,
    script: Arc<Script>,
}

impl ScriptedService {
    pub async fn start() -> std::io::Result<Self> {
        let script = Arc::new(Script::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, script })
    }

    /// Sets the answer for a path. Other paths answer 404. The body of a redirect is its target.
    pub fn answers(&self, path: &str, status: u16, body: Value) {
        lock(&self.script.answers).insert(path.to_owned(), (status, body));
    }

    /// Adds an answer for a path that is given once: after earlier ones of this kind, and before the permanent one.
    pub fn answers_once(&self, path: &str, status: u16, body: Value) {
        lock(&self.script.first).entry(path.to_owned()).or_default().push_back((status, body));
    }

    /// From now on it accepts requests but answers them only after `release`.
    pub fn hold(&self) {
        self.script.held.send_replace(true);
    }

    pub fn release(&self) {
        self.script.held.send_replace(false);
    }

    /// Waits until it has accepted this many requests.
    pub async fn has_taken(&self, count: usize) {
        while lock(&self.script.received).len() < count {
            tokio::task::yield_now().await;
        }
    }

    /// Sets the exact bytes of the answer for a path, with status 200.
    pub fn answers_bytes(&self, path: &str, content_type: &str, body: &[u8]) {
        lock(&self.script.raw).insert(path.to_owned(), (content_type.to_owned(), body.to_vec()));
    }

    pub fn received(&self) -> Vec<Received> {
        lock(&self.script.received).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 16 << 20).await.unwrap_or_default().to_vec();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    lock(&script.received).push(Received {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers,
        body,
    });
    // The sender lives as long as the script.
    let _ = script.held.subscribe().wait_for(|held| !held).await;
    let path = parts.uri.path();
    if let Some((content_type, body)) = lock(&script.raw).get(path).cloned() {
        let mut response = Response::new(Body::from(body));
        if let Ok(content_type) = HeaderValue::from_str(&content_type) {
            response.headers_mut().insert("content-type", content_type);
        }
        return response;
    }
    let first = lock(&script.first).get_mut(path).and_then(VecDeque::pop_front);
    let found = first.or_else(|| lock(&script.answers).get(path).cloned());
    let (status, body) = found.unwrap_or((404, serde_json::json!({"error": "no such thing"})));
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    let location = body.as_str().filter(|_| response.status().is_redirection()).map(HeaderValue::from_str);
    if let Some(Ok(location)) = location {
        response.headers_mut().insert("location", location);
    }
    response
}
