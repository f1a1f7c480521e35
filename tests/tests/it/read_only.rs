//! A host that was told to answer reads only, on each store.

use resly_core::{error::StoreError, principal::Scope};
use resly_tests::{
    app::client,
    host::{Running, make_organization, master_key, mint},
    postgres,
};
use serde_json::{Value, json};

const SCOPES: [Scope; 5] = [Scope::Chat, Scope::Search, Scope::Admin, Scope::Operator, Scope::DataWrite];

async fn send(host: &Running, key: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let request = client().request(method.parse().unwrap(), format!("{}{path}", host.base)).bearer_auth(key);
    let request = body.iter().fold(request, |request, body| request.json(body));
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    if status == 503 {
        assert_eq!(response.headers()["retry-after"], "60", "{path}");
    }
    (status, response.json().await.unwrap_or_default())
}

async fn reads_and_writes_nothing(database: Option<String>) {
    let (data, master) = (tempfile::tempdir().unwrap(), master_key());
    let mut settings = vec![("RESLY_MASTER_KEY", master.as_str())];
    settings.extend(database.as_deref().map(|url| ("RESLY_DATABASE_URL", url)));
    let host = Running::start(data.path(), &settings).await.unwrap();
    let key = mint(&host.app, make_organization(&host.app, "moves").await, &SCOPES).await;
    let source = json!({"title": "Colours", "text": "The sky is blue."});
    assert_eq!(send(&host, &key, "POST", "/api/admin/sources", Some(source.clone())).await.0, 201);
    let question = json!({"messages": [{"role": "user", "content": "Which colour is the sky?"}]});
    let (_, answer) = send(&host, &key, "POST", "/api/chat?format=json", Some(question.clone())).await;
    let (_, ready) = send(&host, &key, "GET", "/readyz", None).await;
    assert_eq!(ready["read_only"], false);
    host.stop().await;

    settings.push(("RESLY_READ_ONLY", "1"));
    let host = Running::start(data.path(), &settings).await.unwrap();
    let (status, ready) = send(&host, &key, "GET", "/readyz", None).await;
    assert_eq!((status, &ready["read_only"]), (200, &json!(true)), "{ready}");
    let message = format!("/api/messages/{}", answer["id"].as_str().unwrap());
    let (status, read) = send(&host, &key, "GET", &message, None).await;
    assert_eq!((status, &read["content"]), (200, &answer["content"]), "{read}");
    for path in ["/api/admin/sources", "/api/admin/keys", "/api/admin/usage", "/rest/v1/messages", "/docs", "/healthz"]
    {
        assert_eq!(send(&host, &key, "GET", path, None).await.0, 200, "{path}");
    }
    for (method, path, body) in [
        ("POST", "/api/chat", question),
        ("POST", "/api/search", json!({"query": "sky"})),
        ("POST", "/api/admin/sources", source),
        ("POST", "/api/admin/keys", json!({"name": "k", "scopes": ["chat"]})),
        ("PATCH", "/api/admin/plan", json!({"limits": {"messages": 1}})),
        ("DELETE", "/api/admin/visitors/anna", json!({})),
    ] {
        let (status, problem) = send(&host, &key, method, path, Some(body)).await;
        assert_eq!((status, &problem["type"]), (503, &json!("/docs/problems/read-only")), "{path}: {problem}");
    }
    let ticket = json!({"subject": "s", "body": "b"});
    assert_eq!(send(&host, &key, "POST", "/rest/v1/tickets", Some(ticket)).await.0, 503);
    // Whoever else would write is refused by the store, and what copies leave out is still written.
    let now = host.app.clock.now();
    assert!(matches!(host.app.store.recover(now).await, Err(StoreError::ReadOnly { .. })));
    host.app.store.forget_rates(now).await.unwrap();
    host.app.keyring.flush().await;
    let (_, keys) = send(&host, &key, "GET", "/api/admin/keys", None).await;
    assert!(keys["keys"][0]["last_used_at"].is_string(), "{keys}");
    host.stop().await;
}

#[tokio::test]
async fn a_read_only_host_on_sqlite_answers_reads() {
    reads_and_writes_nothing(None).await;
}

#[tokio::test]
async fn a_read_only_host_on_postgres_answers_reads() {
    reads_and_writes_nothing(Some(postgres::database().await)).await;
}
