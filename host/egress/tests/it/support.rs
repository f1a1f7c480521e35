//! Services that answer as told, a resolver that answers as told, and sessions over them.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::Response,
};
use bytes::Bytes;
use resly_core::{
    connector::outbound::{Outbound, OutboundFailure, OutboundRequest, OutboundResponse},
    id::{ConnectionId, OrganizationId},
    testing::ConstantRandom,
};
use resly_egress::{
    CredentialSource, Egress, EgressConfig, Resolve, RetryPolicy, Session, SessionSpec, parse_allow, parse_routes,
};
use resly_manifest::Manifest;
use resly_vault::Credentials;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

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

/// A service on loopback that remembers what it was asked.
pub struct Service {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Service {
    pub async fn start(answer: impl Fn(&Received) -> Response + Clone + Send + Sync + 'static) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        let router = Router::new().fallback(move |request: Request| {
            let (answer, log) = (answer.clone(), Arc::clone(&log));
            async move {
                let seen = read(request).await;
                let response = answer(&seen);
                log.lock().unwrap().push(seen);
                response
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received[0].clone()
    }
}

pub async fn read(request: Request) -> Received {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 4 << 20).await.unwrap_or_default().to_vec();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Received {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
    }
}

pub fn ok(body: impl Into<Body>) -> Response {
    Response::new(body.into())
}

pub fn status(status: u16) -> Response {
    http::Response::builder().status(status).body(Body::empty()).unwrap()
}

pub fn redirect(status: u16, location: &str) -> Response {
    http::Response::builder().status(status).header("location", location).body(Body::empty()).unwrap()
}

/// A service on loopback that takes requests off the wire by itself, keeps their bytes, and answers each with an empty
/// 200. It reads as simple servers do: a head up to an empty line, then as many bytes as its content-length says. What
/// comes after is the next request, so a request that holds two of them is counted as two.
pub struct Wire {
    pub port: u16,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Wire {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::serve(stream, Arc::clone(&log)));
            }
        });
        Self { port, requests }
    }

    async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Vec<u8>>>>) -> io::Result<()> {
        let mut unread = Vec::new();
        loop {
            while let Some(length) = Self::length(&unread) {
                log.lock().unwrap().push(unread.drain(..length).collect());
                say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
            }
            if stream.read_buf(&mut unread).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Of the first request in it, when that is whole.
    fn length(unread: &[u8]) -> Option<usize> {
        let head = unread.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let lines = unread[..head].split(|byte| *byte == b'\n');
        let mut lengths = lines.filter_map(|line| line.strip_prefix(b"content-length: "));
        let body = lengths.next().map_or(0, |length| str::from_utf8(length).unwrap().trim().parse().unwrap());
        (unread.len() >= head + body).then_some(head + body)
    }

    /// What has arrived since the last time.
    pub fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

/// A listener that hands each connection to a task once its first request has been read; counts connections.
pub async fn raw<F, R>(serve: F) -> (u16, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut buffer = [0; 8192];
            let _ = stream.read(&mut buffer).await;
            tokio::spawn(serve(stream));
        }
    });
    (port, connections)
}

pub async fn say(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

/// Names under `.test` are loopback; others are as told, or unknown.
#[derive(Default)]
pub struct Names {
    known: HashMap<&'static str, Vec<&'static str>>,
    others: Option<&'static str>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    pub fn of(known: impl IntoIterator<Item = (&'static str, Vec<&'static str>)>) -> Self {
        Self { known: known.into_iter().collect(), ..Self::default() }
    }

    /// Every name leads there.
    pub fn anywhere(address: &'static str) -> Self {
        Self { others: Some(address), ..Self::default() }
    }

    /// The names that were looked up, in this order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        match self.known.get(name) {
            Some(addresses) => Ok(addresses.iter().map(|text| text.parse().unwrap()).collect()),
            None if self.others.is_some() => Ok(self.others.iter().map(|text| text.parse().unwrap()).collect()),
            None if name.ends_with(".test") => Ok(vec![Ipv4Addr::LOCALHOST.into()]),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// An egress whose operator has listed `allow` and routed `routes`. Retries wait a millisecond.
pub fn egress(allow: &str, routes: &str) -> Arc<Egress> {
    egress_with(allow, routes, Arc::new(Names::default()), |_| {})
}

pub fn egress_with(
    allow: &str,
    routes: &str,
    names: Arc<Names>,
    adjust: impl FnOnce(&mut EgressConfig),
) -> Arc<Egress> {
    let mut config = EgressConfig {
        allow: parse_allow(allow).unwrap(),
        routes: parse_routes(routes).unwrap(),
        retry: RetryPolicy { base: Duration::from_millis(1), ..RetryPolicy::default() },
        ..EgressConfig::default()
    };
    adjust(&mut config);
    Egress::new(config, names, Arc::new(ConstantRandom(0))).unwrap()
}

pub fn manifest(hosts: &[&str], auth: Value) -> Value {
    json!({"id": "t", "name": "T", "version": "1.0.0", "hosts": hosts, "auth": auth, "actions": []})
}

pub fn none() -> Value {
    json!({"type": "none"})
}

pub fn spec(manifest: Value) -> SessionSpec {
    let manifest: Manifest = serde_json::from_value(manifest).unwrap();
    let auth = manifest.auth.clone();
    SessionSpec {
        organization: OrganizationId(Uuid::from_u128(1)),
        connection: ConnectionId(Uuid::from_u128(2)),
        manifest: Arc::new(manifest),
        auth,
        settings: json!({}),
        credentials: CredentialSource::None,
        idempotent: false,
        http_calls: 16,
        response_bytes: 1 << 20,
        deadline: Duration::from_secs(30),
    }
}

pub fn plain(credentials: Value) -> CredentialSource {
    CredentialSource::Plain(Credentials::new(serde_json::from_value(credentials).unwrap()))
}

pub fn get(url: impl Into<String>) -> OutboundRequest {
    OutboundRequest { method: "GET".to_owned(), url: url.into(), headers: Vec::new(), body: None, timeout: None }
}

pub fn post(url: impl Into<String>, body: &str) -> OutboundRequest {
    OutboundRequest { method: "POST".to_owned(), body: Some(Bytes::from(body.to_owned())), ..get(url) }
}

/// One request in a session of its own.
pub async fn once(
    egress: &Arc<Egress>,
    spec: SessionSpec,
    request: OutboundRequest,
) -> Result<OutboundResponse, OutboundFailure> {
    egress.session(spec).send(request).await
}

pub fn text(response: &OutboundResponse) -> String {
    String::from_utf8(response.body.to_vec()).unwrap()
}

pub fn log(session: &Session) -> Value {
    Value::Array(session.requests())
}
