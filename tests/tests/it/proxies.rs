//! Answers through the proxies that hosts usually stand behind: each piece arrives as it is written, and an answer that
//! broke off doesn't look whole.

use std::time::Duration;

use resly_tests::{
    app::TestApp,
    model::{After, Reply, event},
    proxy::Proxy,
    wire::until,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// Longer than anything here may take: a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn request(app: &TestApp, format: &str) -> String {
    let body = json!({"messages": [{"role": "user", "content": "Hi"}]}).to_string();
    format!(
        "POST /api/chat?format={format} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nAccept-Encoding: gzip\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        app.key,
        body.len()
    )
}

fn half() -> String {
    event(&json!({"content": "Half of it."}), Value::Null)
}

async fn through(app: &TestApp, proxy: &Proxy) {
    for format in ["text", "ui"] {
        // The model says no more: what waits for the end of the answer waits for ever.
        app.model.says([Reply::Raw(vec![half()], After::Stall)]);
        let mut stream = proxy.connect().await;
        stream.write_all(request(app, format).as_bytes()).await.unwrap();
        let first = timeout(PATIENCE, until(&mut stream, "Half of it."))
            .await
            .unwrap_or_else(|_| panic!("{format} is held back"));
        assert!(first.starts_with("HTTP/1.1 200"), "{format}: {first}");
        assert!(first.to_lowercase().contains("cache-control: no-store, no-transform"), "{format}: {first}");
    }
    for format in ["text", "ui", "json"] {
        for whole in [false, true] {
            let mut events = vec![half()];
            if whole {
                events.push(event(&json!({}), json!("stop")) + "data: [DONE]\n\n");
            }
            app.model.says([Reply::Raw(events, After::End)]);
            let mut stream = proxy.connect().await;
            stream.write_all(request(app, format).as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            // A reset is as good as an end that comes too early.
            let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
            let answer = String::from_utf8_lossy(&answer);
            let looks_whole = match format {
                "text" => end.is_ok() && answer.ends_with("\r\n0\r\n\r\n"),
                "ui" => !answer.contains(r#""type":"error""#) && answer.contains("[DONE]"),
                _ => answer.starts_with("HTTP/1.1 200"),
            };
            assert_eq!(looks_whole, whole, "{format}: {answer}");
        }
    }
}

#[tokio::test]
async fn nginx_as_it_comes() {
    let app = TestApp::start().await;
    let proxy = Proxy::nginx(app.address(), "").await;
    through(&app, &proxy).await;
}

#[tokio::test]
async fn nginx_with_http_1_1() {
    let app = TestApp::start().await;
    let proxy = Proxy::nginx(app.address(), "proxy_http_version 1.1; proxy_set_header Connection \"\";").await;
    through(&app, &proxy).await;
}

#[tokio::test]
async fn haproxy() {
    let app = TestApp::start().await;
    let proxy = Proxy::haproxy(app.address()).await;
    through(&app, &proxy).await;
}
