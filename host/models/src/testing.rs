//! A scripted upstream: it plays one reply for each request.

use std::{
    collections::{HashSet, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    http::{HeaderMap, Response},
    serve::ListenerExt,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::Value;

/// What the upstream does for one request.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub parts: Vec<String>,
    pub end: End,
}

#[derive(Clone, Copy, PartialEq)]
pub enum End {
    Close,
    /// The connection is reset.
    Cut,
    /// The end comes a while after what was sent before.
    Late,
    /// Nothing more comes, and the connection stays open.
    Hang,
}

pub struct Script {
    pub replies: Mutex<VecDeque<Reply>>,
    pub asked: Mutex<Vec<(HeaderMap, Value)>>,
    pub callers: Mutex<HashSet<SocketAddr>>,
}

async fn play(
    State(script): State<Arc<Script>>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    script.callers.lock().unwrap().insert(caller);
    script.asked.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
    let reply = script.replies.lock().unwrap().pop_front().expect("one more request than was scripted");
    let parts = stream::iter(reply.parts.into_iter().map(|part| Ok::<_, io::Error>(Bytes::from(part))));
    let body = match reply.end {
        End::Close => Body::from_stream(parts),
        End::Cut => Body::from_stream(parts.chain(stream::once(async {
            // Lets the server flush what came before.
            tokio::task::yield_now().await;
            Err(io::Error::other("cut"))
        }))),
        End::Late => Body::from_stream(parts.chain(stream::once(async {
            tokio::task::yield_now().await;
            Ok(Bytes::from_static(b": the end\n\n"))
        }))),
        End::Hang => Body::from_stream(parts.chain(stream::pending())),
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(body).unwrap()
}

pub async fn upstream(replies: Vec<Reply>) -> (String, Arc<Script>) {
    let script =
        Arc::new(Script { replies: Mutex::new(replies.into()), asked: Mutex::default(), callers: Mutex::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Else a small second write waits for the acknowledgement of the first.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    let router = Router::new().route("/v1/{*api}", axum::routing::post(play)).with_state(Arc::clone(&script));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    (format!("http://{address}/v1"), script)
}
