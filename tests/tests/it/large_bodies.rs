//! Large bodies: what they may take of the host, and that nobody else waits for them.

use std::sync::mpsc;

use futures::future::join_all;
use resly_core::id::OrganizationId;
use resly_http::body_memory::MOST;
use resly_tests::app::TestApp;
use serde_json::{Value, json};
use uuid::Uuid;

/// A list of about this many bytes.
fn list(element: &str, bytes: usize) -> String {
    format!("[{}]", vec![element; bytes / (element.len() + 1)].join(","))
}

async fn send(app: &TestApp, key: &str, path: &str, body: String) -> reqwest::Response {
    try_send(app, key, path, body).await.unwrap()
}

/// A client that still writes when it is refused may find the connection closed.
async fn try_send(app: &TestApp, key: &str, path: &str, body: String) -> reqwest::Result<reqwest::Response> {
    let request = app.client.post(app.url(path)).bearer_auth(key);
    request.header("content-type", "application/json").body(body).send().await
}

/// Keeps the threads for heavy work busy until the sender is dropped.
async fn occupied(app: &TestApp) -> mpsc::Sender<()> {
    let (free, held) = mpsc::channel::<()>();
    let (started, mut running) = tokio::sync::mpsc::unbounded_channel();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let threads = (std::thread::available_parallelism().map_or(1, usize::from) / 4).max(1);
    for n in 0..threads {
        let (readers, held, started) = (app.api().readers.clone(), held.clone(), started.clone());
        tokio::spawn(async move {
            let organization = OrganizationId(Uuid::from_u128(n as u128));
            let work = move || {
                started.send(()).unwrap();
                let _ = held.lock().unwrap().recv();
            };
            drop(readers.heavy.run(organization, work).await);
        });
    }
    for _ in 0..threads {
        running.recv().await.unwrap();
    }
    free
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_would_expand_is_refused_before_it_is_parsed() {
    let app = TestApp::start().await;
    let (large, usual) = (15 << 20, 1_000_000);
    let text = |list: String| json!({"document": list}).to_string();
    let cases = [
        ("/api/admin/connectors/import", format!(r#"{{"document": {}}}"#, list("0", large)), 413),
        ("/api/admin/connectors/import", format!(r#"{{"document": {}}}"#, list("[]", large)), 413),
        ("/api/admin/connectors/import", format!(r#"{{"document": {}}}"#, list(r#"{"":0}"#, large)), 413),
        ("/api/admin/connectors/import", text(list("0", large)), 422),
        ("/api/admin/connectors/import", list("0", large), 413),
        ("/api/admin/sources", format!(r#"{{"title": "t", "text": {}}}"#, list("0", large)), 413),
        ("/api/admin/connectors", list("{\"\":0}", usual), 413),
        ("/api/admin/connectors/check", list("{\"\":0}", usual), 413),
        (
            "/api/admin/connectors/dry-run",
            format!(r#"{{"action": "a", "definition": {}}}"#, list("{\"\":0}", usual)),
            413,
        ),
        ("/api/chat", format!(r#"{{"messages": [], "more": {}}}"#, list("{\"\":0}", usual)), 413),
    ];
    for (path, body, status) in cases {
        let response = send(&app, &app.admin, path, body).await;
        assert_eq!(response.status(), status, "{path}");
        let problem: Value = response.json().await.unwrap();
        let detail = problem.to_string();
        assert!(detail.contains("MiB of memory"), "{path}: {detail}");
    }
    assert_eq!(app.api().body_memory.taken(), 0, "all of it came back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_to_be_read_is_bounded_and_keeps_nobody_else_waiting() {
    let app = TestApp::start().await;
    let (stranger, abroad) = (app.stranger().await, app.stranger_admin().await);
    let free = occupied(&app).await;
    let zeros = format!(r#"{{"document": {}}}"#, list("0", 15 << 20));
    let imports = (0..16).map(|_| try_send(&app, &app.admin, "/api/admin/connectors/import", zeros.clone()));
    let flood = join_all(imports);
    let meanwhile = async {
        // Until the flood has taken all that one organization may.
        while app.api().body_memory.taken() + (15 << 20) <= MOST / 2 {
            tokio::task::yield_now().await;
        }
        // Large for a chat, and read on another thread than what is heavy.
        let long = json!({"messages": [{"role": "user", "content": "Is it? ".repeat(100_000)}]}).to_string();
        for body in [json!({"messages": [{"role": "user", "content": "Hi"}]}).to_string(), long] {
            app.model.says([resly_tests::model::Reply::text("Yes.")]);
            assert_eq!(send(&app, &stranger, "/api/chat?format=json", body).await.status(), 200);
        }
        assert!(app.api().body_memory.taken() <= MOST / 2 + (2 << 20));
        // Another organization's document is taken in, and waits for its turn.
        let small = json!({"document": {"openapi": "3.0.0", "paths": {}}}).to_string();
        let mut import = Box::pin(send(&app, &abroad, "/api/admin/connectors/import", small));
        assert!(futures::poll!(&mut import).is_pending());
        drop(free);
        assert_eq!(import.await.status(), 200);
    };
    let (answers, ()) = tokio::join!(flood, meanwhile);
    let (mut refused, mut read) = (0, 0);
    for answer in answers {
        let Ok(answer) = answer else {
            refused += 1;
            continue;
        };
        match answer.status().as_u16() {
            503 => {
                assert_eq!(answer.headers()["retry-after"], "2");
                let problem: Value = answer.json().await.unwrap();
                assert_eq!(problem["type"], "/docs/problems/host-busy");
                refused += 1;
            }
            413 => read += 1,
            other => panic!("{other}"),
        }
    }
    assert!(refused >= 4 && read >= 1, "{refused} refused, {read} read");
    app.idle().await;
    assert_eq!(app.api().body_memory.taken(), 0);
}

#[tokio::test]
async fn a_request_brings_a_bounded_number_of_new_messages() {
    let app = TestApp::start().await;
    let history = |count: usize| {
        let role = |n: usize| if n.is_multiple_of(2) { "user" } else { "assistant" };
        (0..count)
            .map(|n| json!({"id": format!("m{n}"), "role": role(n), "content": format!("{n}")}))
            .collect::<Vec<_>>()
    };
    let ask = async |body: Value| app.chat_in("json").json(&body).send().await.unwrap();
    for body in [json!({"messages": history(999)}), json!({"id": "mine", "messages": history(101)})] {
        let refused = ask(body).await;
        assert_eq!(refused.status(), 422);
        let problem: Value = refused.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains("a request may bring 100"), "{problem}");
    }
    assert_eq!(app.used("messages").await, 0);
    app.model.says([resly_tests::model::Reply::text("Yes."), resly_tests::model::Reply::text("Again.")]);
    let first = ask(json!({"id": "mine", "messages": history(99)})).await;
    assert_eq!(first.status(), 200);
    let answer: Value = first.json().await.unwrap();
    // What is stored already isn't new: a client may send all of it again.
    let mut all = history(99);
    all.push(json!({"id": answer["id"], "role": "assistant", "content": "Yes."}));
    all.push(json!({"id": "last", "role": "user", "content": "And?"}));
    assert_eq!(ask(json!({"id": "mine", "messages": all})).await.status(), 200);
    assert_eq!(app.used("messages").await, 2);
}
