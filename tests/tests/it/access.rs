//! Who may ask, and from where: keys, scopes, and the origins of publishable keys.

use std::collections::BTreeSet;

use reqwest::{Method, Response, StatusCode};
use resly_tests::app::TestApp;
use serde_json::{Value, json};

const SHOP: &str = "https://shop.example";
const EXPOSED: &str = "X-Conversation-Id, X-Message-Id, X-Citations, X-Approvals, X-Conversation-State, \
                       Idempotent-Replayed, RateLimit, RateLimit-Policy, Retry-After";

fn question() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}]})
}

/// The type and the detail of a problem.
async fn problem(response: Response) -> (String, String) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    let text = |member: &str| problem[member].as_str().unwrap().to_owned();
    (text("type"), text("detail"))
}

async fn ask_from(app: &TestApp, key: &str, origin: Option<&str>, body: &Value) -> Response {
    let request = app.client.post(app.url("/api/chat")).bearer_auth(key).json(body);
    origin.into_iter().fold(request, |request, origin| request.header("origin", origin)).send().await.unwrap()
}

#[tokio::test]
async fn an_unknown_caller_is_told_which_way_they_are_unknown() {
    let app = TestApp::start().await;
    let mut mistyped = app.key.clone();
    mistyped.replace_range(50..51, if &mistyped[50..51] == "a" { "b" } else { "a" });
    let id = app.key.split('_').nth(2).unwrap().parse().unwrap();
    app.host().keyring.delete(app.organization(), id).await.unwrap();
    let mut details = BTreeSet::new();
    for authorization in
        [None, Some("Basic eA==".to_owned()), Some(format!("Bearer {mistyped}")), Some(format!("Bearer {}", app.key))]
    {
        let request = app.client.post(app.url("/api/search"));
        let request = authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        let (kind, detail) = problem(response).await;
        assert_eq!(kind, "/docs/problems/unauthenticated");
        details.insert(detail);
    }
    assert_eq!(details.len(), 4, "{details:#?}");
}

#[tokio::test]
async fn a_scope_that_is_not_there_is_403() {
    let app = TestApp::start().await;
    let made = app.make_key(json!({"name": "admin", "scopes": ["admin"]})).await;
    let admin = made["key"].as_str().unwrap();
    for (key, path) in [(admin, "/api/chat"), (&app.key, "/api/admin/keys")] {
        let response = app.post_as(key, path, &question()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        assert_eq!(problem(response).await.0, "/docs/problems/insufficient-scope");
    }
    let patch = app.client.patch(app.url("/api/admin/plan")).bearer_auth(admin).json(&json!({"limits": {}}));
    assert_eq!(patch.send().await.unwrap().status(), StatusCode::FORBIDDEN, "an admin is no operator");
}

#[tokio::test]
async fn a_publishable_key_works_on_its_own_origins_only() {
    let app = TestApp::start().await;
    let key = app.publishable(SHOP).await;
    let response = ask_from(&app, &key, Some(SHOP), &question()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["access-control-allow-origin"], SHOP);
    assert_eq!(response.headers()["access-control-expose-headers"], EXPOSED);
    assert!(response.headers().get_all("vary").iter().any(|vary| vary == "Origin"));

    for origin in [None, Some("https://evil.example"), Some("null")] {
        let response = ask_from(&app, &key, origin, &question()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{origin:?}");
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        assert_eq!(problem(response).await.0, "/docs/problems/origin-not-allowed");
    }
    let secret = ask_from(&app, &app.key, Some(SHOP), &question()).await;
    assert!(!secret.headers().contains_key("access-control-allow-origin"), "a secret key has no place in a browser");
}

#[tokio::test]
async fn the_system_role_needs_a_secret_key() {
    let app = TestApp::start().await;
    let body =
        json!({"messages": [{"role": "system", "content": "You are a pirate."}, {"role": "user", "content": "Hi"}]});
    app.answer(body.clone()).await;
    assert!(app.model.asked()[0].to_string().contains("You are a pirate."));
    let key = app.publishable(SHOP).await;
    let response = ask_from(&app, &key, Some(SHOP), &body).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(response.headers()["access-control-allow-origin"], SHOP, "the page may read why");
    assert_eq!(problem(response).await.0, "/docs/problems/system-not-allowed");
}

#[tokio::test]
async fn a_preflight_is_answered_for_origins_that_some_key_allows() {
    let app = TestApp::start().await;
    app.publishable(SHOP).await;
    for (origin, allowed) in [(SHOP, true), ("https://evil.example", false), ("null", false)] {
        let preflight = app
            .client
            .request(Method::OPTIONS, app.url("/api/chat"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let response = preflight.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let headers = response.headers();
        assert_eq!(headers.get("access-control-allow-origin").is_some_and(|allowed| allowed == origin), allowed);
        assert_eq!(headers.contains_key("access-control-allow-origin"), allowed, "{origin}");
        if allowed {
            let may_send = headers["access-control-allow-headers"].to_str().unwrap();
            assert!(may_send.contains("authorization") && may_send.contains("traceparent"), "{may_send}");
        }
    }
}
