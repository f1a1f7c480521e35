//! What is behind the hosts: a language model and the service of a connector. They keep account of what they really did.
//!
//! The model answers each request with a text that it gives only once.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt,
};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use super::{
    dice::Dice,
    lock,
    question::{Kind, Question},
};
use crate::model::{ending, event};

/// Per cent of the model's answers that are reset at a random byte.
const RESETS: usize = 8;

/// What a question's answer was, as the model wrote it to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub question: u64,
    /// Tokens of the round that wrote it, once the model has told them. A round that calls the connector has
    /// [`CALL_TOKENS`].
    pub tokens: Option<(u64, u64)>,
    /// Whether a tool was called for it.
    pub called: bool,
}

/// The tokens of a round that calls the connector.
pub const CALL_TOKENS: (u64, u64) = (11, 7);

/// What the model and the service did.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// By text.
    pub answers: HashMap<String, Written>,
    pub asked: u64,
    /// How often the answer to a question was reset.
    pub resets: HashMap<u64, u64>,
    /// Requests that the service received, by the item that they name. Each call of the model names another one.
    pub received: HashMap<String, u64>,
    /// Those of them that order something.
    pub ordered: HashMap<String, u64>,
}

struct Shared {
    account: Mutex<Account>,
    connection: OnceLock<String>,
    /// Counts everything that happens. Kills are timed by it.
    pulse: watch::Sender<u64>,
    serial: AtomicU64,
    seed: u64,
    resets: bool,
    /// Whether requests at `/hold` are still waiting.
    held: watch::Sender<usize>,
}

/// Both of them. Cheap to clone.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    /// With `resets`, some answers of the model end in a reset.
    pub async fn start(seed: u64, resets: bool) -> Result<Self> {
        let shared = Arc::new(Shared {
            account: Mutex::default(),
            connection: OnceLock::new(),
            pulse: watch::Sender::new(0),
            serial: AtomicU64::new(0),
            seed,
            resets,
            held: watch::Sender::new(0),
        });
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/items/{id}", get(item))
            .route("/hold/{id}", get(hold))
            .route("/orders/{id}", post(order))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        // Tokens are small and must not wait for more to come.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, shared })
    }

    /// The connector's manifest.
    pub fn definition(&self) -> Value {
        let host = self.address.to_string();
        let action = |id: &str, (method, side_effect): (&str, &str), path: &str| {
            json!({"id": id, "title": id, "description": "Does what its name says.", "side_effect": side_effect,
                "input": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
                "request": {"method": method, "url": format!("http://{host}/{path}/{{{{ input.id }}}}")}})
        };
        let (read, write) = (("GET", "read"), ("POST", "write"));
        let actions = [
            action("get_item", read, "items"),
            action("wait_for_item", read, "hold"),
            action("order_item", write, "orders"),
        ];
        json!({
            "id": "stock", "name": "Stock", "version": "1.0.0", "hosts": [host], "auth": {"type": "none"},
            "retry": {"retries": 0}, "actions": actions,
        })
    }

    /// Tells the model the connection that it calls.
    pub fn serves(&self, connection: &str) {
        // A second fleet on the same upstream keeps the first one's.
        let _ = self.shared.connection.set(connection.to_owned());
    }

    /// Counts something that happened.
    pub fn beat(&self) {
        self.shared.beat();
    }

    /// Waits until so many things have happened, from now on.
    pub async fn after(&self, beats: u64) {
        let mut pulse = self.shared.pulse.subscribe();
        let until = *pulse.borrow() + beats;
        // The sender lives as long as `self`.
        let _ = pulse.wait_for(|count| *count >= until).await;
    }

    /// Waits until so many requests hang at the service.
    pub async fn holding(&self, requests: usize) {
        let _ = self.shared.held.subscribe().wait_for(|held| *held >= requests).await;
    }

    pub fn held(&self) -> usize {
        *self.shared.held.borrow()
    }

    pub fn account(&self) -> Account {
        lock(&self.shared.account).clone()
    }
}

impl Shared {
    fn beat(&self) {
        self.pulse.send_modify(|count| *count += 1);
    }
}

/// The last question of a conversation, and whether a tool was called for it already.
fn question(body: &Value) -> Option<(Question, bool)> {
    let messages = body["messages"].as_array()?;
    let at = messages.iter().rposition(|message| message["role"] == "user")?;
    let text = match &messages[at]["content"] {
        Value::String(text) => text.clone(),
        parts => parts.as_array()?.iter().filter_map(|part| part["text"].as_str()).collect(),
    };
    let called = messages.iter().skip(at).any(|message| message["role"] == "tool");
    Some((Question::parse(&text)?, called))
}

async fn complete(State(shared): State<Arc<Shared>>, Json(body): Json<Value>) -> Response {
    shared.beat();
    let serial = shared.serial.fetch_add(1, Ordering::Relaxed);
    lock(&shared.account).asked += 1;
    let Some((Question { number, kind, .. }, called)) = question(&body) else {
        return (StatusCode::BAD_REQUEST, "the last question has no number").into_response();
    };
    let mut dice = Dice::new(shared.seed, 1 << 48 | serial);
    let may_call = body["tools"].as_array().is_some_and(|tools| !tools.is_empty());
    let mut written = None;
    let mut text_bytes = usize::MAX;
    let action = match kind {
        Kind::LookUp => Some("get_item"),
        Kind::Order => Some("order_item"),
        Kind::Plain | Kind::AtOnce => None,
    };
    let events = if let Some(action) = action.filter(|_| may_call && !called) {
        call(shared.connection.get().map_or("", String::as_str), action, &format!("{number}-{serial}"))
    } else {
        let pieces = 3 + dice.below(10);
        let mut pieces: Vec<String> = (0..pieces).map(|n| format!("word {n} ")).collect();
        pieces.insert(0, format!("Answer {serial} to question {number}: "));
        let tokens = (1000 + number % 1000, pieces.len() as u64);
        written = Some((pieces.concat(), Written { question: number, tokens: None, called }, tokens));
        let events = said(&pieces, tokens);
        text_bytes = events.iter().take(pieces.len()).map(String::len).sum();
        events
    };
    let bytes = events.concat().into_bytes();
    let cut = (shared.resets && dice.chance(RESETS)).then(|| dice.below(bytes.len()));
    let paced = kind != Kind::AtOnce;
    let writing = Writing { shared, question: number, bytes, at: 0, cut, paced, dice, text_bytes, written };
    let body = Body::from_stream(stream::unfold(writing, write));
    ([("content-type", "text/event-stream")], body).into_response()
}

/// A response of the model that is being sent.
struct Writing {
    shared: Arc<Shared>,
    question: u64,
    bytes: Vec<u8>,
    at: usize,
    /// Where the connection is reset.
    cut: Option<usize>,
    paced: bool,
    dice: Dice,
    /// After so many bytes the whole text has left.
    text_bytes: usize,
    /// What is accounted for then, and the tokens that are told at the end.
    written: Option<(String, Written, (u64, u64))>,
}

async fn write(mut writing: Writing) -> Option<(std::io::Result<Bytes>, Writing)> {
    let end = writing.cut.unwrap_or(writing.bytes.len());
    if writing.at >= end {
        let cut = writing.cut.take()?;
        writing.at = cut;
        writing.bytes.truncate(cut);
        *lock(&writing.shared.account).resets.entry(writing.question).or_default() += 1;
        return Some((Err(std::io::Error::other("reset")), writing));
    }
    let mut next = end;
    if writing.paced {
        tokio::time::sleep(Duration::from_micros(writing.dice.below(4000) as u64)).await;
        next = end.min(writing.at + 1 + writing.dice.below(600));
        writing.shared.beat();
    }
    if next >= writing.text_bytes
        && let Some((text, written, tokens)) = &writing.written
    {
        // Before the last byte leaves, so that nobody has an answer which isn't accounted for.
        let whole = next == writing.bytes.len();
        let written = Written { tokens: whole.then_some(*tokens), ..*written };
        lock(&writing.shared.account).answers.insert(text.clone(), written);
    }
    let piece = Bytes::copy_from_slice(&writing.bytes[writing.at..next]);
    writing.at = next;
    Some((Ok(piece), writing))
}

fn said(pieces: &[String], tokens: (u64, u64)) -> Vec<String> {
    let mut events: Vec<String> = pieces.iter().map(|piece| event(&json!({"content": piece}), Value::Null)).collect();
    events.push(event(&json!({}), json!("stop")));
    events.push(usage(tokens));
    events
}

fn call(connection: &str, action: &str, item: &str) -> Vec<String> {
    let arguments = json!({"connection": connection, "action": action, "input": {"id": item}}).to_string();
    let call = json!({"index": 0, "id": "call_0", "type": "function",
        "function": {"name": "call_connector", "arguments": arguments}});
    vec![event(&json!({"tool_calls": [call]}), Value::Null), event(&json!({}), json!("tool_calls")), ending()]
}

fn usage((input, output): (u64, u64)) -> String {
    let usage = json!({"id": "c", "object": "chat.completion.chunk", "choices": [],
        "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}});
    format!("data: {usage}\n\ndata: [DONE]\n\n")
}

async fn item(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Json<Value> {
    *lock(&shared.account).received.entry(id.clone()).or_default() += 1;
    shared.beat();
    Json(json!({"id": id, "in_stock": 3}))
}

async fn order(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Json<Value> {
    {
        let mut account = lock(&shared.account);
        *account.received.entry(id.clone()).or_default() += 1;
        *account.ordered.entry(id.clone()).or_default() += 1;
    }
    shared.beat();
    Json(json!({"id": id, "ordered": true}))
}

/// Never answers.
async fn hold(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Json<Value> {
    struct Held(Arc<Shared>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.held.send_modify(|held| *held -= 1);
        }
    }
    *lock(&shared.account).received.entry(id).or_default() += 1;
    shared.held.send_modify(|held| *held += 1);
    let _held = Held(shared);
    std::future::pending().await
}
