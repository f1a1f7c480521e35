//! What an admin changes on one host is in force on the others within a second, and at once where they hear of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use resly_service::cluster::changes;
use resly_store::Heard;
use resly_tests::{app::TestApp, crm, service::ScriptedService};
use serde_json::{Value, json};

use crate::several_hosts::ask;

const SHOP: &str = "https://shop.example";

/// Asks until the answer is the new one. No request that began a second after the change may get the old one.
async fn within_a_second(what: &str, mut in_force: impl AsyncFnMut() -> bool) {
    let changed = Instant::now();
    loop {
        let began = changed.elapsed();
        if in_force().await {
            return;
        }
        assert!(began < Duration::from_secs(1), "{what}: the old answer, {began:?} after the change");
    }
}

async fn pair() -> (TestApp, TestApp, ScriptedService) {
    let service = ScriptedService::start().await.unwrap();
    service.answers("/eu/api/accounts/1", 200, crm::account());
    let (first, second) = TestApp::pair_reaching(service.address).await;
    (first, second, service)
}

async fn search(app: &TestApp, key: &str) -> u16 {
    app.post_as(key, "/api/search", &json!({"query": "sky"})).await.status().as_u16()
}

async fn admin(app: &TestApp, method: &str, path: &str, body: &Value) -> Value {
    let response = app.admin_send(method, path, body).await;
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// Whether a preflight from the shop's page is allowed.
async fn preflight(app: &TestApp) -> bool {
    let request = app.client.request(http::Method::OPTIONS, app.url("/api/chat")).header("origin", SHOP);
    let response = request.header("access-control-request-method", "POST").send().await.unwrap();
    response.headers().contains_key("access-control-allow-origin")
}

/// The descriptions of the actions that the model is offered.
async fn offered(app: &TestApp) -> String {
    assert_eq!(app.chat().json(&ask("Hi")).send().await.unwrap().status(), 200);
    app.model.asked().last().unwrap().to_string()
}

#[tokio::test]
async fn a_key_that_is_deleted_or_changed() {
    let (first, second, _service) = pair().await;
    let made = first.make_key(json!({"name": "k", "scopes": ["search"]})).await;
    let (key, path) = (made["key"].as_str().unwrap(), format!("/api/admin/keys/{}", made["id"].as_str().unwrap()));
    assert_eq!(search(&second, key).await, 200);

    admin(&first, "PATCH", &path, &json!({"scopes": ["chat"]})).await;
    within_a_second("other scopes", async || search(&second, key).await == 403).await;
    admin(&first, "PATCH", &path, &json!({"scopes": ["search"]})).await;
    within_a_second("the first scopes", async || search(&second, key).await == 200).await;
    assert_eq!(first.admin_send("DELETE", &path, &json!({})).await.status(), 204);
    within_a_second("no key", async || search(&second, key).await == 401).await;
}

#[tokio::test]
async fn a_rate_that_is_lowered_or_raised() {
    let (first, second, _service) = pair().await;
    let rates = |limit: u32| {
        json!({"rate_limits": {"key": {"requests_per_minute": limit, "streams": null},
        "visitor": {"requests_per_minute": null, "streams": null}, "address": {"requests_per_minute": null, "streams": null}}})
    };
    let mut body = rates(200);
    body["name"] = json!("k");
    body["scopes"] = json!(["search"]);
    let made = first.make_key(body).await;
    let (key, path) = (made["key"].as_str().unwrap(), format!("/api/admin/keys/{}", made["id"].as_str().unwrap()));
    for _ in 0..3 {
        assert_eq!(search(&second, key).await, 200);
    }
    admin(&first, "PATCH", &path, &rates(3)).await;
    within_a_second("a lower rate", async || search(&second, key).await == 429).await;
    admin(&first, "PATCH", &path, &rates(1000)).await;
    within_a_second("a higher rate", async || search(&second, key).await == 200).await;
    for _ in 0..5 {
        assert_eq!(search(&second, key).await, 200);
    }
}

#[tokio::test]
async fn an_origin_that_is_added_or_taken_away() {
    let (first, second, _service) = pair().await;
    assert!(!preflight(&second).await);
    let key = json!({"name": "widget", "kind": "publishable", "scopes": ["chat"], "origins": [SHOP]});
    let path = format!("/api/admin/keys/{}", first.make_key(key).await["id"].as_str().unwrap());
    within_a_second("an origin", async || preflight(&second).await).await;
    admin(&first, "PATCH", &path, &json!({"origins": ["https://other.example"]})).await;
    within_a_second("no origin", async || !preflight(&second).await).await;
}

#[tokio::test]
async fn a_plan_that_changes() {
    let (first, second, _service) = pair().await;
    assert_eq!(search(&second, &second.key).await, 200);
    first.limit(json!({"messages": 1})).await;
    assert_eq!(search(&second, &second.key).await, 429, "it holds from the next request on");
    first.limit(json!({"messages": 2})).await;
    assert_eq!(search(&second, &second.key).await, 200);
}

#[tokio::test]
async fn a_connection_that_is_enabled_gets_another_version_or_is_revoked() {
    let (first, second, service) = pair().await;
    assert!(!offered(&second).await.contains("Look up an account"));
    let id = crm::installed(&first, &service, "production").await;
    within_a_second("an enabled connection", async || offered(&second).await.contains("customer's account")).await;
    let path = format!("/api/admin/connections/{id}");
    let call = async || {
        let body = json!({"id": "1"});
        second.post_as(&second.admin, &format!("{path}/actions/get_account"), &body).await.status().as_u16()
    };
    assert_eq!(call().await, 200);

    let mut newer = crm::definition(&service);
    newer["version"] = json!("1.1.0");
    newer["actions"][0]["description"] = json!("Finds what is new.");
    first.admin_post("/api/admin/connectors", &newer).await;
    admin(&first, "PATCH", &path, &json!({"version": "1.1.0"})).await;
    first.admin_post(&format!("{path}/test"), &json!({})).await;
    first.client.post(first.url(&format!("{path}/enable"))).bearer_auth(&first.admin).send().await.unwrap();
    within_a_second("a new version", async || offered(&second).await.contains("Finds what is new.")).await;

    first.admin_post(&format!("{path}/disable"), &json!({})).await;
    within_a_second("a disabled connection", async || !offered(&second).await.contains("Finds what is new.")).await;
    assert_eq!(first.admin_send("DELETE", &path, &json!({})).await.status().as_u16() / 100, 2);
    assert_eq!(call().await, 404, "a call reads the connection anew");
}

#[tokio::test]
async fn a_source_that_is_added() {
    let (first, second, _service) = pair().await;
    let found = async || {
        let found = second.post("/api/search", &json!({"query": "colour of the sky"})).await;
        found.text().await.unwrap().contains("cerulean")
    };
    assert!(!found().await);
    first.knows("Colours", "The colour of the sky is cerulean.").await;
    within_a_second("a source", found).await;
}

/// The other host hears of a change and forgets what it remembers, before the second is over.
#[tokio::test]
async fn a_host_that_hears_of_a_change_applies_it_at_once() {
    let (first, second, _service) = pair().await;
    // What was changed before isn't told again.
    changes::tell(first.host()).await.unwrap();
    let mut listener = second.host().store.listen(second.host().cluster.id).await.unwrap().unwrap();
    let made = first.make_key(json!({"name": "k", "scopes": ["search"]})).await;
    let (key, path) = (made["key"].as_str().unwrap(), format!("/api/admin/keys/{}", made["id"].as_str().unwrap()));
    assert_eq!(first.admin_send("DELETE", &path, &json!({})).await.status(), 204);
    assert_eq!(search(&second, key).await, 401);
    let hear = async |listener: &mut _| changes::hear(second.host(), listener).await.unwrap();
    changes::tell(first.host()).await.unwrap();
    assert_eq!(hear(&mut listener).await, Heard::Change);

    let kept = first.make_key(json!({"name": "k", "scopes": ["search"]})).await;
    let (key, path) = (kept["key"].as_str().unwrap(), format!("/api/admin/keys/{}", kept["id"].as_str().unwrap()));
    changes::tell(first.host()).await.unwrap();
    assert_eq!(hear(&mut listener).await, Heard::Change);
    assert_eq!(search(&second, key).await, 200);
    assert_eq!(first.admin_send("DELETE", &path, &json!({})).await.status(), 204);
    changes::tell(first.host()).await.unwrap();
    // However often something changed, it is told once; and what changed nothing is told of by nobody.
    changes::tell(first.host()).await.unwrap();
    assert_eq!(hear(&mut listener).await, Heard::Change);
    assert_eq!(search(&second, key).await, 401, "at once");
    changes::tell(second.host()).await.unwrap();
    first.make_key(json!({"name": "k", "scopes": ["search"]})).await;
    changes::tell(first.host()).await.unwrap();
    assert_eq!(hear(&mut listener).await, Heard::Change);
    assert!(futures::FutureExt::now_or_never(hear(&mut listener)).is_none(), "nothing else was said");
}

/// Whether the second host hears of the first one's changes: it forgets a key before it would by itself.
async fn hears(first: &TestApp, second: &TestApp) -> bool {
    let made = first.make_key(json!({"name": "k", "scopes": ["search"]})).await;
    let (key, path) = (made["key"].as_str().unwrap(), format!("/api/admin/keys/{}", made["id"].as_str().unwrap()));
    let remembered = Instant::now();
    assert_eq!(search(second, key).await, 200);
    assert_eq!(first.admin_send("DELETE", &path, &json!({})).await.status(), 204);
    changes::tell(first.host()).await.unwrap();
    while search(second, key).await == 200 {}
    remembered.elapsed() < Duration::from_millis(800)
}

/// On a busy machine a request may take longer than what is remembered, and it takes a second to listen again.
async fn hears_soon(first: &TestApp, second: &TestApp) -> bool {
    for _ in 0..30 {
        if hears(first, second).await {
            return true;
        }
    }
    false
}

/// It doesn't while its connection is lost and can't be made anew, and goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_hears_of_changes_again_after_its_connection_was_lost() {
    let (first, second, line) = TestApp::pair_with_a_line().await;
    let app = Arc::clone(&second.api().app);
    let listening = tokio::spawn(async move { changes::listen(&app).await });
    assert!(hears_soon(&first, &second).await);

    line.cut();
    let before = line.tries();
    while line.tries() < before + 2 {
        tokio::task::yield_now().await;
    }
    assert!(!hears(&first, &second).await, "the key is in use until the host has forgotten it by itself");
    line.mend();
    assert!(hears_soon(&first, &second).await);
    assert!(!listening.is_finished());
    listening.abort();
}
