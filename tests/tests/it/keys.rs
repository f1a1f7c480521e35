//! API keys: scopes, rotation with an overlap, deletion, and what a wrong one gets.

use resly_tests::app::TestApp;
use serde_json::{Value, json};

async fn search(app: &TestApp, key: &str) -> u16 {
    app.post_as(key, "/api/search", &json!({"query": "x"})).await.status().as_u16()
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say() {
    let app = TestApp::start().await;
    let made = app.make_key(json!({"name": "searcher", "scopes": ["search"]})).await;
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("rsk_live_"), "{key}");
    assert_eq!(search(&app, key).await, 200);
    let body = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let refused = app.post_as(key, "/api/chat", &body).await;
    assert_eq!(refused.status(), 403);
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["type"].as_str().unwrap().starts_with("/docs/problems/"));
    assert_eq!(app.post_as(key, "/api/admin/keys", &json!({"name": "x", "scopes": ["admin"]})).await.status(), 403);
}

#[tokio::test]
async fn a_rotated_key_overlaps_and_a_deleted_one_is_gone() {
    let app = TestApp::start().await;
    let made = app.make_key(json!({"name": "app", "scopes": ["chat", "search"]})).await;
    let (id, old) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let path = format!("/api/admin/keys/{id}/rotate");
    let rotated: Value = app.post_as(&app.admin, &path, &json!({"overlap_s": 3600})).await.json().await.unwrap();
    let new = rotated["key"].as_str().unwrap();
    assert_ne!(old, new);
    assert_eq!((search(&app, old).await, search(&app, new).await), (200, 200));

    let listed = app.send_as(&app.admin, "GET", "/api/admin/keys").await.text().await.unwrap();
    for key in [old, new] {
        let secret = key.rsplit('_').nth(1).unwrap();
        assert!(!listed.contains(secret), "a secret is shown once");
    }
    app.send_as(&app.admin, "DELETE", &format!("/api/admin/keys/{id}")).await;
    assert_eq!((search(&app, old).await, search(&app, new).await), (401, 200));
}

#[tokio::test]
async fn a_wrong_key_is_unauthorized_whatever_is_wrong_with_it() {
    let app = TestApp::start().await;
    let mut swapped = app.key.clone();
    swapped.replace_range(swapped.len() - 1.., if swapped.ends_with('0') { "1" } else { "0" });
    let long = "x".repeat(10_000);
    for key in ["", "nonsense", "rsk_live_a_b_c", swapped.as_str(), long.as_str()] {
        let response = app.post_as(key, "/api/search", &json!({"query": "x"})).await;
        assert_eq!(response.status(), 401, "{key}");
        assert!(response.headers().contains_key("www-authenticate"));
        let text = response.text().await.unwrap();
        assert!(key.len() < 8 || !text.contains(key), "the key is not echoed");
    }
    let bare = app.client.post(app.url("/api/search")).json(&json!({"query": "x"})).send().await.unwrap();
    assert_eq!(bare.status(), 401);
}
