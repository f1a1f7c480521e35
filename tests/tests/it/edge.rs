//! Connections that send little or nothing, or too many at once, and requests that break HTTP's own rules.

use std::{net::SocketAddr, time::Duration};

use resly_tests::{
    app::TestApp,
    model::{After, Reply, event},
    wire::{raw, until},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than anything here may take: a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn address(app: &TestApp) -> SocketAddr {
    app.address()
}

async fn sent(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Whether the host ends the connection, whatever it says before.
async fn ends(stream: &mut TcpStream) -> bool {
    timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.is_ok()
}

#[tokio::test]
async fn a_connection_that_does_nothing_is_closed_whatever_it_began_with() {
    let app = TestApp::with_settings(&[("RESLY_HEAD_TIMEOUT_S", "1"), ("RESLY_IDLE_TIMEOUT_S", "1")]).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [&preface[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let beginnings: [&[u8]; 8] = [
        b"",
        b"P",
        &preface[..16],
        &preface[..23],
        preface,
        &settings,
        b"GET / HTTP/1.1\r\nHo",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for beginning in beginnings {
        let mut stream = sent(address(&app), beginning).await;
        assert!(ends(&mut stream).await, "{:?}", String::from_utf8_lossy(beginning));
    }
    assert!(app.api().connection_limiter.open() <= 1, "their places are free again");
}

#[tokio::test]
async fn an_answer_that_takes_long_is_not_idle() {
    let app = TestApp::with_settings(&[("RESLY_HEAD_TIMEOUT_S", "1"), ("RESLY_IDLE_TIMEOUT_S", "1")]).await;
    let gate = app.model.says_after(vec![text("First. ")], vec![text("Second."), stop()]);
    let body = json!({"messages": [{"role": "user", "content": "Hi"}]}).to_string();
    let request = post(&app, "text", "HTTP/1.1", &body);
    let mut stream = sent(address(&app), request.as_bytes()).await;
    until(&mut stream, "First.").await;
    // Another connection is idle for as long as the host allows; this one waited longer than that.
    let mut idle = sent(address(&app), b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(ends(&mut idle).await);
    gate.notify_one();
    until(&mut stream, "Second.").await;
}

#[tokio::test]
async fn beyond_an_addresss_share_only_health_checks_are_answered() {
    let app = TestApp::with_settings(&[("RESLY_MAX_CONNECTIONS_PER_ADDRESS", "4")]).await;
    let to = address(&app);
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(to).await.unwrap());
    }
    let health = raw(to, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"), "{health}");
    let refused = raw(to, b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.contains("/docs/problems/too-many-connections"),
        "{refused}"
    );
    assert!(refused.to_lowercase().contains("retry-after: 2"), "{refused}");
    // Visits that say nothing don't keep out one that does.
    for _ in 0..100 {
        silent.push(TcpStream::connect(to).await.unwrap());
    }
    assert!(raw(to, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    drop(silent);
    while app.api().connection_limiter.open() > 0 {
        tokio::task::yield_now().await;
    }
    let served = raw(to, b"GET /openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(served.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn trusted_proxies_have_no_share() {
    let settings = [("RESLY_MAX_CONNECTIONS_PER_ADDRESS", "1"), ("RESLY_TRUSTED_PROXIES", "127.0.0.1")];
    let app = TestApp::with_settings(&settings).await;
    let _silent = [TcpStream::connect(address(&app)).await.unwrap(), TcpStream::connect(address(&app)).await.unwrap()];
    let request = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(raw(address(&app), request).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_malformed_request_is_told_so() {
    let app = TestApp::start().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(20 << 10));
    let longer = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(200 << 10));
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(200 << 10));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    let posted = |fields: &str| format!("POST /api/chat HTTP/1.1\r\nHost: a\r\n{fields}\r\n2\r\n{{}}\r\n0\r\n\r\n");
    let cases: Vec<(&str, String, u16, &str)> = vec![
        ("no request line", "nonsense\r\n\r\n".into(), 400, "malformed-request"),
        ("a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400, "malformed-request"),
        ("no version", "GET /healthz\r\n\r\n".into(), 400, "malformed-request"),
        ("another version", "GET / HTTP/3.7\r\nHost: a\r\n\r\n".into(), 400, "malformed-request"),
        ("a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n".into(), 400, "malformed-request"),
        ("a field without a colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n".into(), 400, "malformed-request"),
        ("a folded field", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n".into(), 400, "malformed-request"),
        ("a long path", long, 414, "uri-too-long"),
        ("a longer path", longer, 414, "uri-too-long"),
        ("a large field", large, 431, "headers-too-large"),
        ("many fields", many, 431, "headers-too-large"),
        ("no Host", "GET /healthz HTTP/1.1\r\n\r\n".into(), 400, "malformed-request"),
        ("two Hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(), 400, "malformed-request"),
        ("no host in Host", "GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n".into(), 400, "malformed-request"),
        ("chunked twice", posted("Transfer-Encoding: chunked, chunked\r\n"), 400, "malformed-request"),
        (
            "chunked in two fields",
            posted("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            400,
            "malformed-request",
        ),
        ("an unknown coding", posted("Transfer-Encoding: x\r\n"), 400, "malformed-request"),
        ("an unknown coding first", posted("Transfer-Encoding: x, chunked\r\n"), 400, "malformed-request"),
        (
            "a length, then a coding",
            posted("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
            400,
            "malformed-request",
        ),
        (
            "a coding, then a length",
            posted("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"),
            400,
            "malformed-request",
        ),
        ("two lengths", posted("Content-Length: 2\r\nContent-Length: 3\r\n"), 400, "malformed-request"),
        ("a length that is no number", posted("Content-Length: two\r\n"), 400, "malformed-request"),
    ];
    for (name, request, status, slug) in cases {
        let answer = timeout(PATIENCE, raw(address(&app), request.as_bytes())).await.expect(name);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert!(answer.contains("application/problem+json"), "{name}: {answer}");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let problem: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}: {answer}"));
        assert_eq!(problem["type"], format!("/docs/problems/{slug}"), "{name}");
    }
    let old = raw(address(&app), b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(old.contains(" 200 OK"), "HTTP/1.0 needs no Host: {old}");
    let absent = b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(raw(address(&app), absent).await.starts_with("HTTP/1.1 200"), "empty lines before a request are ignored");
}

#[tokio::test]
async fn a_path_that_cannot_be_decoded_is_a_problem_on_every_route() {
    let app = TestApp::start().await;
    let routes = [
        "/docs/%ff",
        "/docs/problems/%ff",
        "/api/messages/%ff",
        "/api/chat/%ff/stream",
        "/oauth/begin/%ff",
        "/api/admin/connectors/%ff",
        "/api/admin/connections/%ff",
        "/%ff",
    ];
    for route in routes {
        let response = app.send_as(&app.admin, "GET", route).await;
        let status = response.status().as_u16();
        assert!(matches!(status, 400 | 404), "{route}: {status}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{route}");
    }
}

/// What follows a body on the wire doesn't hold back its answer.
#[tokio::test]
async fn an_answer_does_not_wait_for_what_is_pipelined_behind_it() {
    let app = TestApp::start().await;
    let body = json!({"messages": [{"role": "user", "content": "Hi"}]}).to_string();
    for behind in ["\r\n", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hea"] {
        app.model.says([Reply::Raw(vec![text("Half of it.")], After::Stall)]);
        let request = post(&app, "text", "HTTP/1.1", &body) + behind;
        let mut stream = sent(address(&app), request.as_bytes()).await;
        let first = timeout(PATIENCE, until(&mut stream, "Half of it.")).await;
        assert!(first.is_ok(), "the answer was held back by {behind:?}");
    }
    app.model.says([Reply::text("Whole.")]);
    let request =
        post(&app, "text", "HTTP/1.1", &body) + "\r\nGET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let both = raw(address(&app), request.as_bytes()).await;
    assert!(both.contains("Whole.") && both.ends_with("ok\n"), "{both}");
    // A malformed request behind a good one is told so, too.
    let answers = raw(address(&app), b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n").await;
    assert!(answers.contains("ok\n") && answers.contains("malformed-request"), "{answers}");
}

#[tokio::test]
async fn a_body_over_the_cap_gets_its_answer_even_when_the_client_sends_all_of_it_first() {
    let app = TestApp::start().await;
    let body = "x".repeat(20 << 20);
    let head = |framing: &str| {
        format!(
            "POST /api/chat HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n",
            app.key
        )
    };
    let sized = head(&format!("Content-Length: {}", body.len())) + &body;
    let chunked = head("Transfer-Encoding: chunked") + &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for request in [sized, chunked] {
        let mut stream = TcpStream::connect(address(&app)).await.unwrap();
        timeout(PATIENCE, stream.write_all(request.as_bytes())).await.unwrap().expect("the host reads on");
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().expect("no reset");
        assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body-too-large"), "{answer}");
    }
}

/// On HTTP/1.0 an answer ends with its connection: only a reset tells that it broke off.
#[tokio::test]
async fn on_http_1_0_a_broken_answer_ends_in_a_reset_and_a_whole_one_does_not() {
    let app = TestApp::start().await;
    let body = json!({"messages": [{"role": "user", "content": "Hi"}]}).to_string();
    for whole in [false, true] {
        let mut events = vec![text("Half of it.")];
        if whole {
            events.push(stop());
        }
        app.model.says([Reply::Raw(events, After::End)]);
        let mut stream = sent(address(&app), post(&app, "text", "HTTP/1.0", &body).as_bytes()).await;
        let mut answer = Vec::new();
        let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(end.is_ok(), whole, "{}", String::from_utf8_lossy(&answer));
    }
}

fn text(text: &str) -> String {
    event(&json!({"content": text}), Value::Null)
}

fn stop() -> String {
    event(&json!({}), json!("stop")) + "data: [DONE]\n\n"
}

fn post(app: &TestApp, format: &str, version: &str, body: &str) -> String {
    format!(
        "POST /api/chat?format={format} {version}\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        app.key,
        body.len()
    )
}
