//! What hosts ask each other is answered to hosts alone. To everybody else there is nothing at those paths.

use axum::{
    Router,
    extract::{Request, State},
};
use http::{HeaderMap, StatusCode};
use resly_tests::app::TestApp;
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc};

use crate::several_hosts::{announce, header, writing};

/// A request that a host sent: its path and its headers.
type Sent = (String, HeaderMap);

/// An address in place of a host's. It keeps what others ask that host, and answers nothing of it.
async fn listen() -> (String, mpsc::UnboundedReceiver<Sent>) {
    let (sender, received) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(keep).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

async fn keep(State(sender): State<mpsc::UnboundedSender<Sent>>, request: Request) -> StatusCode {
    let _ = sender.send((request.uri().to_string(), request.headers().clone()));
    StatusCode::SERVICE_UNAVAILABLE
}

/// What a request is answered: the status, the headers and the problem, without what differs each time.
async fn answered(app: &TestApp, method: &str, path: &str, headers: &HeaderMap) -> (StatusCode, HeaderMap, Value) {
    let request = app.client.request(method.parse().unwrap(), app.url(path)).headers(headers.clone());
    let response = request.send().await.unwrap();
    let (status, mut headers) = (response.status(), response.headers().clone());
    headers.remove("date");
    headers.remove("content-length");
    let mut body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
    if let Some(body) = body.as_object_mut() {
        body.remove("instance");
    }
    (status, headers, body)
}

#[tokio::test]
async fn a_hosts_request_is_answered_once_and_to_that_host_alone() {
    let (writer, other, asked) = writing().await;
    let (url, mut received) = listen().await;
    announce(&writer, Some(&url), std::time::Duration::from_secs(1000)).await;
    let path = format!("/api/chat/{}/stream", header(&asked, "x-conversation-id"));
    let request = other.client.get(other.url(&path)).bearer_auth(&other.key);
    tokio::spawn(request.send());
    let (path, headers) = received.recv().await.unwrap();
    let (answer, organization) = (header(&asked, "x-message-id").to_owned(), writer.organization().to_string());
    assert!(path.contains(&answer) && path.contains(&organization), "{path}");
    let signed = HeaderMap::from_iter([(http::header::AUTHORIZATION, headers["authorization"].clone())]);
    let with = |name: &'static str, value: &str| {
        let mut headers = signed.clone();
        headers.insert(name, value.parse().unwrap());
        headers
    };

    let nothing = answered(&writer, "GET", "/nothing/here", &HeaderMap::new()).await;
    assert_eq!(nothing.0, 404);
    let mac = headers["authorization"].to_str().unwrap();
    let forged = format!("{}{}", &mac[..mac.len() - 1], if mac.ends_with('0') { '1' } else { '0' });
    let elsewhere = path.replace(&answer, &uuid::Uuid::from_u128(1).to_string());
    let stranger = path.replace(&organization, &uuid::Uuid::from_u128(1).to_string());
    let queried = format!("{path}?");
    let key = format!("Bearer {}", writer.admin);
    for (method, path, headers) in [
        ("GET", &*path, HeaderMap::new()),
        ("GET", &path, with("authorization", &forged)),
        ("GET", &path, with("authorization", &key)),
        ("GET", &path, with("origin", "https://shop.example")),
        ("GET", &path, with("x-forwarded-for", "203.0.113.1")),
        ("GET", &path, with("forwarded", "for=203.0.113.1")),
        ("GET", &path, with("via", "1.1 proxy")),
        ("GET", &elsewhere, signed.clone()),
        ("GET", &stranger, signed.clone()),
        ("GET", &queried, signed.clone()),
        ("DELETE", &path, signed.clone()),
        ("POST", &path, signed.clone()),
        ("GET", "/internal/", HeaderMap::new()),
        ("GET", "/internal/hosts", HeaderMap::new()),
    ] {
        assert_eq!(answered(&writer, method, path, &headers).await, nothing, "{method} {path} {headers:?}");
    }
    let preflight = HeaderMap::from_iter([
        (http::header::ORIGIN, "https://shop.example".parse().unwrap()),
        (http::header::ACCESS_CONTROL_REQUEST_METHOD, "GET".parse().unwrap()),
    ]);
    assert_eq!(answered(&writer, "OPTIONS", &path, &preflight).await, nothing);
    // It means the other host.
    assert_eq!(answered(&other, "GET", &path, &signed).await, nothing);

    let mut stream = writer.client.get(writer.url(&path)).headers(signed.clone()).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"{\""), "{first:?}");
    assert_eq!(answered(&writer, "GET", &path, &signed).await, nothing, "it was sent before");
}

#[tokio::test]
async fn a_host_without_others_answers_no_host() {
    let app = TestApp::start().await;
    let nothing = answered(&app, "GET", "/nothing/here", &HeaderMap::new()).await;
    let id = uuid::Uuid::from_u128(1);
    let path = format!("/internal/hosts/{}/organizations/{id}/turns/{id}", app.host().cluster.id);
    let zeros = format!("Resly-Host 0.{}.{}", "0".repeat(32), "0".repeat(64));
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, zeros.parse().unwrap())]);
    assert_eq!(answered(&app, "GET", &path, &headers).await, nothing);
}
