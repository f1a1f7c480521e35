//! API keys: scopes, rotation with an overlap, deletion, and what a wrong one gets.

use std::time::Duration;

use reqwest::Response;
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

/// The id that a key's text holds.
fn id_of(key: &str) -> String {
    let id = key.split('_').nth(2).unwrap();
    format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..])
}

async fn refused(response: Response, status: u16, slug: &str) -> Value {
    assert_eq!(response.status(), status);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], format!("/docs/problems/{slug}"), "{problem}");
    problem
}

#[tokio::test]
async fn the_last_admin_key_can_not_lock_everybody_out() {
    let app = TestApp::start().await;
    let path = format!("/api/admin/keys/{}", id_of(&app.admin));
    let gone = refused(app.send_as(&app.admin, "DELETE", &path).await, 409, "last-admin-key").await;
    assert!(gone["detail"].as_str().unwrap().contains("make another one first"), "{gone}");
    for change in [json!({"scopes": ["chat"]}), json!({"expires_at": "2099-01-01T00:00:00Z"})] {
        refused(app.admin_send("PATCH", &path, &change).await, 409, "last-admin-key").await;
    }
    assert_eq!(app.send_as(&app.admin, "GET", "/api/admin/keys").await.status(), 200, "it works on");

    // One that ends is no help for long; a rotated key and its successor are one key in two.
    app.make_key(json!({"name": "guest", "scopes": ["admin"], "expires_at": "2099-01-01T00:00:00Z"})).await;
    refused(app.send_as(&app.admin, "DELETE", &path).await, 409, "last-admin-key").await;
    let rotate = app.post_as(&app.admin, &format!("{path}/rotate"), &json!({"overlap_s": 600})).await;
    let new = rotate.json::<Value>().await.unwrap()["key"].as_str().unwrap().to_owned();
    let new_path = format!("/api/admin/keys/{}", id_of(&new));
    refused(app.send_as(&app.admin, "DELETE", &new_path).await, 409, "last-admin-key").await;
    assert_eq!(app.send_as(&new, "DELETE", &path).await.status(), 204);
    refused(app.send_as(&new, "DELETE", &new_path).await, 409, "last-admin-key").await;
}

#[tokio::test]
async fn an_expired_key_is_not_revived() {
    let app = TestApp::start().await;
    let expiring = json!({"name": "app", "scopes": ["search"], "expires_at": "2099-01-01T00:00:00Z"});
    let made = app.make_key(expiring).await;
    let path = format!("/api/admin/keys/{}", made["id"].as_str().unwrap());
    let soon = app.host().clock.now().plus(Duration::from_secs(60));
    assert_eq!(app.admin_send("PATCH", &path, &json!({"expires_at": soon})).await.status(), 200);
    let rotate = format!("{path}/rotate");
    let rotated: Value = app.post_as(&app.admin, &rotate, &json!({"overlap_s": 3600})).await.json().await.unwrap();
    let listed: Value = app.send_as(&app.admin, "GET", "/api/admin/keys").await.json().await.unwrap();
    let new = listed["keys"].as_array().unwrap().iter().find(|key| key["id"] == rotated["id"]).unwrap();
    assert_eq!(new["expires_at"], json!(soon), "a rotation doesn't outlive what an admin said");
    assert_eq!(search(&app, rotated["key"].as_str().unwrap()).await, 200);

    app.later(Duration::from_secs(61));
    assert_eq!(search(&app, rotated["key"].as_str().unwrap()).await, 401);
    for id in [&made["id"], &rotated["id"]] {
        let path = format!("/api/admin/keys/{}", id.as_str().unwrap());
        refused(app.post_as(&app.admin, &format!("{path}/rotate"), &json!({})).await, 409, "key-expired").await;
        refused(app.admin_send("PATCH", &path, &json!({"expires_at": null})).await, 409, "key-expired").await;
        assert_eq!(app.send_as(&app.admin, "DELETE", &path).await.status(), 204);
        refused(app.post_as(&app.admin, &format!("{path}/rotate"), &json!({})).await, 404, "not-found").await;
    }
}

#[tokio::test]
async fn a_key_is_edited() {
    let app = TestApp::start().await;
    let body = json!({"name": "widget", "scopes": ["chat", "search"], "origins": ["https://shop.example"]});
    let made = app.make_key(body).await;
    let (path, key) = (format!("/api/admin/keys/{}", made["id"].as_str().unwrap()), made["key"].as_str().unwrap());
    let from = async |origin: &str| {
        let request = app.client.post(app.url("/api/search")).bearer_auth(key).header("origin", origin);
        request.json(&json!({"query": "x"})).send().await.unwrap().status().as_u16()
    };
    assert_eq!((from("https://shop.example").await, from("https://new.example").await), (200, 403));
    let change = json!({"name": "new shop", "origins": ["https://new.example"], "message_cap": 9});
    let changed: Value = app.admin_send("PATCH", &path, &change).await.json().await.unwrap();
    assert_eq!((&changed["name"], &changed["origins"]), (&json!("new shop"), &json!(["https://new.example"])));
    assert_eq!((&changed["message_cap"], &changed["scopes"]), (&json!(9), &json!(["chat", "search"])));
    assert_eq!((from("https://shop.example").await, from("https://new.example").await), (403, 200));
    let one: Value = app.send_as(&app.admin, "GET", &path).await.json().await.unwrap();
    assert_eq!((&one["message_cap"], one.get("key")), (&json!(9), None));

    app.admin_send("PATCH", &path, &json!({"message_cap": null, "scopes": ["chat"]})).await;
    assert_eq!(from("https://new.example").await, 403, "it may not search any more");
    for (wrong, at) in [
        (json!({"scopes": ["admin"]}), "scopes"),
        (json!({"scopes": []}), "scopes"),
        (json!({"origins": []}), "origins"),
        (json!({"origins": ["https://*.example"]}), "origins[0]"),
        (json!({"name": " "}), "name"),
        (json!({"expires_at": "2001-01-01T00:00:00Z"}), "expires_at"),
        (json!({"kind": "secret"}), "kind"),
        (json!({"rate_limits": {"visitor": {"streams": 0}}}), "rate_limits.visitor.streams"),
    ] {
        let problem = refused(app.admin_send("PATCH", &path, &wrong).await, 422, "invalid-request").await;
        assert_eq!(problem["errors"][0]["path"], at, "{problem}");
    }
    let stranger = app.stranger_admin().await;
    let foreign = app.client.patch(app.url(&path)).bearer_auth(&stranger).json(&json!({"name": "mine"}));
    refused(foreign.send().await.unwrap(), 404, "not-found").await;
    refused(app.admin_send("PATCH", "/api/admin/keys/nothing", &json!({})).await, 404, "not-found").await;
}

#[tokio::test]
async fn a_wildcard_is_no_origin() {
    let app = TestApp::start().await;
    for origin in
        ["https://*.example", "https://*.co.uk", "https://*", "*", "https://*.shop.example", "https://%2A.com"]
    {
        let body = json!({"name": "w", "kind": "publishable", "scopes": ["chat"], "origins": [origin]});
        let problem = refused(app.post_as(&app.admin, "/api/admin/keys", &body).await, 422, "invalid-request").await;
        assert!(problem["errors"][0]["message"].as_str().unwrap().contains("wildcard"), "{problem}");
    }
}

#[tokio::test]
async fn an_admin_lays_no_hands_on_an_operators_key() {
    let app = TestApp::start().await;
    let admin = app.make_key(json!({"name": "admin", "scopes": ["admin"]})).await;
    let request = app.client.patch(app.url(&format!("/api/admin/keys/{}", id_of(&app.admin))));
    let changed = request.bearer_auth(admin["key"].as_str().unwrap()).json(&json!({"name": "x"})).send().await;
    refused(changed.unwrap(), 403, "insufficient-scope").await;
    let path = format!("/api/admin/keys/{}", admin["id"].as_str().unwrap());
    let raise = app.client.patch(app.url(&path)).bearer_auth(admin["key"].as_str().unwrap());
    refused(raise.json(&json!({"scopes": ["operator"]})).send().await.unwrap(), 403, "insufficient-scope").await;
}
