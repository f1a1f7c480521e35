//! Accounts of visitors: each has their own, nobody sees another's, and only a chat that a server vouches for uses one.

use resly_tests::{
    app::TestApp,
    browser::Browser,
    model::Reply,
    oauth::{CLIENT_ID, CLIENT_SECRET, OauthService},
    service::ScriptedService,
};
use serde_json::{Value, json};

use crate::oauth::agree;

/// The service's connector for visitors' accounts, with Anna's connected, so that it is tested; enabled.
pub async fn opened(service: &OauthService) -> (TestApp, String) {
    let app = TestApp::reaching(service.address).await;
    service.registers(app.url("/oauth/callback"));
    app.admin_post("/api/admin/connectors", &service.definition("authorization_code")).await;
    let new = json!({"connector": "desk", "environment": "production", "owner": "visitor",
        "credentials": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}, "policy": {"allow_publishable": true}});
    let id = app.admin_post("/api/admin/connections", &new).await["id"].as_str().unwrap().to_owned();
    let start = app.post_as(&app.admin, &format!("/api/admin/connections/{id}/oauth/start"), &json!({})).await;
    assert_eq!(start.status(), 422, "it has no account of its own");
    let untested = app.post_as(&app.admin, &format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    assert_eq!(untested.status(), 409);
    connect(&app, service, &id, "anna").await;
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    (app, id)
}

pub fn of(id: &str, visitor: &str) -> String {
    format!("/api/admin/connections/{id}/visitors/{visitor}")
}

pub async fn connect(app: &TestApp, service: &OauthService, id: &str, visitor: &str) {
    service.is_used_by(visitor);
    let link = app.admin_post(&format!("{}/oauth/start", of(id, visitor)), &json!({})).await;
    let mut browser = Browser::new();
    let back = agree(&mut browser, link["authorize_url"].as_str().unwrap()).await;
    let page = browser.open(&back).await;
    assert_eq!((page.status, page.text.contains("You can close this page")), (200, true), "{}", page.text);
    for secret in service.secrets().iter().filter(|secret| !secret.starts_with("code-")) {
        assert!(!browser.seen.contains(secret.as_str()));
    }
}

async fn shown(app: &TestApp, path: &str) -> Value {
    app.send_as(&app.admin, "GET", path).await.json().await.unwrap()
}

/// A chat in which the model calls an action; gives the step, and what the model was told.
pub async fn chat(app: &TestApp, key: &str, visitor: Option<&str>, action: &str) -> (Value, String) {
    app.model.says([Reply::connector("desk", action, json!({})), Reply::text("That is it.")]);
    let mut body = json!({"messages": [{"role": "user", "content": "Which account is mine?"}]});
    if let Some(visitor) = visitor {
        body["visitorId"] = json!(visitor);
    }
    let request = app.client.post(app.url("/api/chat?format=json")).bearer_auth(key).json(&body);
    let answer: Value = request.header("origin", "https://shop.example").send().await.unwrap().json().await.unwrap();
    let told = app.model.asked().last().unwrap()["messages"].to_string();
    (answer["steps"][0].clone(), told)
}

/// What the model was told of a missing account is nothing that an admin does; the log has that.
async fn reads_as_a_customer_s(app: &TestApp, told: &str, route: &str) {
    assert!(told.contains("the customer has to connect their account first"), "{told}");
    assert!(!told.contains("/api/admin"), "{told}");
    let logs = shown(app, "/api/admin/logs?caller=chat&limit=1").await;
    assert!(logs["logs"][0]["message"].as_str().unwrap().contains(route), "{logs}");
    assert!(logs["logs"][0]["what_to_do"].as_str().unwrap().contains("/visitors/{visitor}/oauth/start"), "{logs}");
}

#[tokio::test]
async fn each_visitor_has_an_account_and_nobody_sees_another_s() {
    let service = OauthService::start().await.unwrap();
    let (app, id) = opened(&service).await;
    let view = shown(&app, &of(&id, "anna")).await;
    assert_eq!((&view["visitor"], &view["authorized"]), (&json!("anna"), &json!(true)));
    assert_eq!(shown(&app, &of(&id, "berta")).await["authorized"], false);

    let (step, told) = chat(&app, &app.key, Some("anna"), "me").await;
    assert_eq!((&step["ok"], told.contains("anna")), (&json!(true), true), "{step} {told}");
    // Berta hasn't connected hers: she gets nothing of Anna's, and the app learns what to do.
    let calls = app.used("connector_calls").await;
    let (step, told) = chat(&app, &app.key, Some("berta"), "me").await;
    assert_eq!((&step["reason"], told.contains("anna")), (&json!("needs_auth"), false), "{step} {told}");
    assert_eq!(step["authorize"], json!({"connection": id, "visitor": "berta"}));
    reads_as_a_customer_s(&app, &told, "/visitors/{visitor}/oauth/start").await;
    assert_eq!(app.used("connector_calls").await, calls, "nothing was called");
    assert_eq!(shown(&app, &format!("/api/admin/connections/{id}")).await["status"], "enabled");

    connect(&app, &service, &id, "berta").await;
    let (_, told) = chat(&app, &app.key, Some("berta"), "me").await;
    assert!(told.contains("berta") && !told.contains("anna"), "what is remembered is hers too: {told}");
    let (_, told) = chat(&app, &app.key, Some("anna"), "me").await;
    assert!(told.contains("anna") && !told.contains("berta"), "{told}");
    // Another account of hers is another account: what is remembered of the one before is not its.
    service.is_used_by("carla");
    let link = app.admin_post(&format!("{}/oauth/start", of(&id, "anna")), &json!({})).await;
    let mut browser = Browser::new();
    let back = agree(&mut browser, link["authorize_url"].as_str().unwrap()).await;
    assert_eq!(browser.open(&back).await.status, 200);
    let (_, told) = chat(&app, &app.key, Some("anna"), "me").await;
    assert!(told.contains("carla"), "{told}");
    // An admin says whose account is meant.
    let call = format!("/api/admin/connections/{id}/actions/me");
    let refused = async |path: &str| {
        let refused = app.post_as(&app.admin, path, &json!({})).await;
        assert_eq!(refused.status(), 424);
        refused.json::<Value>().await.unwrap()["detail"].as_str().unwrap().to_owned()
    };
    let detail = refused(&call).await;
    assert!(detail.contains("query parameter `visitor`"), "{detail}");
    let detail = refused(&format!("{call}?visitor=dora")).await;
    assert!(detail.contains("POST /api/admin/connections/{id}/visitors/{visitor}/oauth/start"), "{detail}");
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert!(tested["message"].as_str().unwrap().contains("query parameter `visitor`"), "{tested}");
    let output = app.admin_post(&format!("{call}?visitor=berta"), &json!({})).await;
    assert_eq!(output["output"]["account"], "berta");
}

#[tokio::test]
async fn only_a_server_says_whose_chat_it_is() {
    let service = OauthService::start().await.unwrap();
    let (app, _) = opened(&service).await;
    let publishable = app.publishable("https://shop.example").await;
    let (step, told) = chat(&app, &publishable, Some("anna"), "me").await;
    assert_eq!((&step["ok"], &step["reason"]), (&json!(false), &json!("unknown_action")), "{step} {told}");
    let (step, told) = chat(&app, &app.key, None, "me").await;
    assert_eq!(step["reason"], "denied", "{step} {told}");
    assert!(told.contains("it isn't known whose account is meant") && !told.contains("visitorId"), "{told}");
    let logs = shown(&app, "/api/admin/logs?caller=chat&limit=1").await;
    assert!(logs["logs"][0]["message"].as_str().unwrap().contains("has to send `visitorId`"), "{logs}");
}

#[tokio::test]
async fn a_dead_account_is_one_visitor_s_trouble_and_deletion_revokes() {
    let service = OauthService::start().await.unwrap();
    let (app, id) = opened(&service).await;
    service.ends_grants();
    connect(&app, &service, &id, "berta").await;
    let (step, told) = chat(&app, &app.key, Some("anna"), "me").await;
    assert_eq!(step["authorize"]["visitor"], "anna", "{step}");
    reads_as_a_customer_s(&app, &told, "/visitors/{visitor}/oauth/start").await;
    assert_eq!(shown(&app, &of(&id, "anna")).await["authorized"], false);
    assert_eq!(shown(&app, &format!("/api/admin/connections/{id}")).await["status"], "enabled");
    let (step, told) = chat(&app, &app.key, Some("berta"), "me").await;
    assert_eq!((&step["ok"], told.contains("berta")), (&json!(true), true), "{step}");

    let deleted = app.send_as(&app.admin, "DELETE", &of(&id, "berta")).await;
    assert_eq!((deleted.status().as_u16(), service.revocations(), service.alive()), (204, 1, 0));
    let (step, told) = chat(&app, &app.key, Some("berta"), "me").await;
    assert_eq!((&step["reason"], told.contains("berta")), (&json!("needs_auth"), false), "{step} {told}");
    assert_eq!(app.send_as(&app.admin, "DELETE", &of(&id, "berta")).await.status(), 404);
    let stranger = app.stranger_admin().await;
    assert_eq!(app.send_as(&stranger, "GET", &of(&id, "anna")).await.status(), 404);
    for bad in ["a%0Ab", &"x".repeat(201)] {
        assert_eq!(app.send_as(&app.admin, "GET", &of(&id, bad)).await.status(), 422, "{bad}");
    }
}

#[tokio::test]
async fn a_visitor_s_key_is_sent_for_that_visitor_alone() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/me", 200, json!({"it": "works"}));
    let host = service.address.to_string();
    let definition = json!({"id": "desk", "name": "Desk", "version": "1.0.0", "hosts": [host],
        "auth": {"type": "api_key", "name": "X-Key"},
        "actions": [{"id": "me", "title": "Me", "description": "Me.", "input": {"type": "object", "properties": {}},
            "request": {"method": "GET", "url": format!("http://{host}/me")}, "response": {"mapping": "."}}],
        "test": {"action": "me", "input": {}}});
    app.admin_post("/api/admin/connectors", &definition).await;
    let mut new = json!({"connector": "desk", "environment": "production", "owner": "visitor",
        "credentials": {"api_key": "for-everybody"}});
    assert_eq!(app.post_as(&app.admin, "/api/admin/connections", &new).await.status(), 422);
    new.as_object_mut().unwrap().remove("credentials");
    let id = app.admin_post("/api/admin/connections", &new).await["id"].as_str().unwrap().to_owned();
    let put = |visitor: &'static str, credentials: Value| {
        let path = app.url(&format!("{}/credentials", of(&id, visitor)));
        let request = app.client.put(path).bearer_auth(&app.admin).json(&credentials);
        async move { request.send().await.unwrap() }
    };
    assert_eq!(put("anna", json!({"token": "x"})).await.status(), 422);
    for visitor in ["anna", "berta"] {
        let key = format!("visitor-canary-{visitor}");
        let kept = put(visitor, json!({"api_key": key})).await.text().await.unwrap();
        assert!(kept.contains("\"authorized\":true") && !kept.contains("canary"), "{kept}");
        app.nothing_on_disk_contains(&key);
    }
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test?visitor=anna"), &json!({})).await;
    assert_eq!(tested["ok"], true, "{tested}");
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    let (step, _) = chat(&app, &app.key, Some("berta"), "me").await;
    assert_eq!(step["ok"], true, "{step}");
    let keys: Vec<_> = service.received().iter().map(|seen| seen.header("x-key").unwrap().to_owned()).collect();
    assert_eq!(keys, ["visitor-canary-anna", "visitor-canary-berta"]);
    let (step, told) = chat(&app, &app.key, Some("carla"), "me").await;
    assert_eq!(step["reason"], "needs_auth", "{step}");
    reads_as_a_customer_s(&app, &told, "PUT /api/admin/connections/{id}/visitors/{visitor}/credentials").await;
}
