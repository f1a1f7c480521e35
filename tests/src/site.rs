//! A web site on loopback with pages that a test sets, for what reads the web. It is an embedder, too.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

/// What the site answers for a path.
#[derive(Clone, Debug, Default)]
pub struct SitePage {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

#[derive(Default)]
struct Pages {
    pages: Mutex<HashMap<String, SitePage>>,
    requests: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    gate: watch::Sender<Gate>,
}

#[derive(Default)]
struct Gate {
    /// Requests that are still answered; all when `None`.
    left: Option<usize>,
    passed: usize,
    held: usize,
}

/// A scripted site. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    pub address: SocketAddr,
    pages: Arc<Pages>,
}

impl Site {
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let pages = Arc::<Pages>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&pages));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, pages })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sets a page with status 200. An `ETag` of its text goes with it, and a request that has it is answered 304.
    pub fn has(&self, path: &str, body: &str) {
        self.answers(path, 200, body);
    }

    pub fn answers(&self, path: &str, status: u16, body: &str) {
        self.answers_with(path, SitePage { status, headers: Vec::new(), body: body.to_owned() });
    }

    pub fn answers_with(&self, path: &str, page: SitePage) {
        lock(&self.pages.pages).insert(path.to_owned(), page);
    }

    /// Answers 404 from now on.
    pub fn loses(&self, path: &str) {
        lock(&self.pages.pages).remove(path);
    }

    /// From now on it answers so many requests, and holds those after them until `release`.
    pub fn hold_after(&self, requests: usize) {
        self.pages.gate.send_replace(Gate { left: Some(requests), passed: 0, held: 0 });
    }

    pub fn release(&self) {
        self.pages.gate.send_replace(Gate::default());
    }

    /// Waits until it holds a request.
    pub async fn holding(&self) {
        // The sender lives as long as the site.
        let _ = self.pages.gate.subscribe().wait_for(|gate| gate.held > 0).await;
    }

    /// Waits until it has answered so many requests since `hold_after` or `release`.
    pub async fn answered(&self, requests: usize) {
        let _ = self.pages.gate.subscribe().wait_for(|gate| gate.passed >= requests).await;
    }

    /// The base URL of the embedder, which answers `/v1/embeddings`.
    pub fn embedder_url(&self) -> String {
        self.url("/v1")
    }

    /// The paths that were asked for since the last call, with the status of the answer.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.pages.requests))
    }

    /// The most requests that were in progress at the same time.
    pub fn most_at_once(&self) -> usize {
        self.pages.most_at_once.load(Ordering::SeqCst)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(site): State<Arc<Pages>>, request: Request) -> Response {
    let at_once = site.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    site.most_at_once.fetch_max(at_once, Ordering::SeqCst);
    let mut passes = false;
    site.gate.send_modify(|gate| {
        passes = gate.left != Some(0);
        gate.left = gate.left.map(|left| left.saturating_sub(1));
        gate.passed += usize::from(passes);
        gate.held += usize::from(!passes);
    });
    if !passes {
        let _ = site.gate.subscribe().wait_for(|gate| gate.left.is_none()).await;
    }
    let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    if path == "/v1/embeddings" {
        return embed(request).await;
    }
    let page = lock(&site.pages).get(&path).cloned();
    let page = page.unwrap_or(SitePage { status: 404, ..SitePage::default() });
    let etag = format!("\"{}-{}\"", page.body.len(), page.body.bytes().map(u64::from).sum::<u64>());
    let known = request.headers().get("if-none-match").is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let status = if page.status == 200 && known { 304 } else { page.status };
    lock(&site.requests).push(format!("{path} {status}"));
    let mut response = Response::builder().status(status);
    let own = page.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("etag"));
    if page.status == 200 && !own {
        response = response.header("etag", etag);
    }
    for (name, value) in page.headers {
        response = response.header(name, value);
    }
    let body = if status == 304 { Body::empty() } else { Body::from(page.body) };
    site.at_once.fetch_sub(1, Ordering::SeqCst);
    response.body(body).unwrap_or_default()
}

/// A vector for each text, by its length and its letters (OpenAI's API reference, "Create embeddings").
async fn embed(request: Request) -> Response {
    let body = to_bytes(request.into_body(), 64 << 20).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let texts = body["input"].as_array().cloned().unwrap_or_default();
    let vector = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        [text.len(), text.bytes().map(usize::from).sum::<usize>() % 1000]
    };
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text)}))
        .collect();
    let answer = json!({"object": "list", "data": data, "model": "scripted"});
    let response = Response::builder().header("content-type", "application/json");
    response.body(Body::from(answer.to_string())).unwrap_or_default()
}
