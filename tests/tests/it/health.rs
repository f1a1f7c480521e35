//! Whether connections work: looked at on schedule, told to admins and their webhooks, paid for by nobody.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use resly_core::time::Timestamp;
use resly_service::checks;
use resly_tests::{
    app::TestApp,
    crm::{SECRET, account, installed},
    model::Reply,
    oauth::OauthService,
    service::{Received, ScriptedService},
};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::oauth;

const DAY: Duration = Duration::from_secs(86_400);
pub const MINUTE: Duration = Duration::from_secs(60);

pub async fn get(app: &TestApp, path: &str) -> Value {
    app.send_as(&app.admin, "GET", path).await.json().await.unwrap()
}

pub async fn health(app: &TestApp, id: &str) -> Value {
    get(app, &format!("/api/admin/connections/{id}/health")).await
}

pub async fn alerts(app: &TestApp, state: &str) -> Vec<Value> {
    get(app, &format!("/api/admin/alerts?state={state}")).await["alerts"].as_array().unwrap().clone()
}

/// Has the host look at what is due, so much later.
pub async fn inspect(app: &TestApp, later: Duration) -> usize {
    app.later(later);
    checks::run_due(app.host()).await.unwrap()
}

pub async fn send(app: &TestApp, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = app.client.request(method.parse().unwrap(), app.url(path)).bearer_auth(&app.admin);
    let response = request.json(body).send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Whether a message is signed with a secret, as its receiver would see.
pub fn is_signed(received: &Received, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let part = |name: &str| received.header(name).unwrap().to_owned();
    let signed =
        format!("{}.{}.{}", part("webhook-id"), part("webhook-timestamp"), String::from_utf8_lossy(&received.body));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(signed.as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    part("webhook-signature").split(' ').any(|signature| signature == expected)
}

pub fn told(service: &ScriptedService, path: &str) -> Vec<Received> {
    service.received().into_iter().filter(|received| received.target == path).collect()
}

pub fn body(received: &Received) -> Value {
    serde_json::from_slice(&received.body).unwrap()
}

#[tokio::test]
async fn an_enabled_connection_is_checked_on_schedule_and_nobody_pays() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let seen = health(&app, &id).await;
    assert_eq!(
        (&seen["state"], &seen["reason"], &seen["status"]),
        (&json!("healthy"), &Value::Null, &json!("enabled"))
    );
    let requests = service.received().len();
    assert_eq!(inspect(&app, MINUTE).await, 0, "the test was a check");
    let usage = get(&app, "/api/admin/usage").await;
    app.limit(json!({"connector_calls": usage["meters"]["connector_calls"]["used"], "fuel": 1})).await;

    assert_eq!(inspect(&app, 20 * MINUTE).await, 1);
    assert_eq!(inspect(&app, Duration::ZERO).await, 0);
    assert_eq!(service.received().len(), requests + 1);
    assert_eq!(service.received().last().unwrap().header("x-api-key"), Some(SECRET));
    let log = get(&app, "/api/admin/logs?caller=health").await["logs"].clone();
    assert_eq!(log.as_array().unwrap().len(), 1);
    assert_eq!(
        (&log[0]["status"], &log[0]["key"], &log[0]["action"]),
        (&json!("ok"), &Value::Null, &json!("get_account"))
    );
    assert!(log[0]["fuel"].as_u64().unwrap() > 0);
    let after = get(&app, "/api/admin/usage").await;
    for meter in ["connector_calls", "fuel"] {
        assert_eq!(after["meters"][meter]["used"], usage["meters"][meter]["used"], "{meter}");
        assert_eq!(after["sandbox"][meter], usage["sandbox"][meter], "{meter}");
    }
    let listed = get(&app, "/api/admin/connections").await;
    assert_eq!(listed["connections"][0]["health"], "healthy");

    // What chats can't use isn't looked at.
    app.admin_post(&format!("/api/admin/connections/{id}/disable"), &json!({})).await;
    assert_eq!(inspect(&app, 60 * MINUTE).await, 0);
}

#[tokio::test]
async fn the_sandbox_is_never_checked() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let id = installed(&app, &service, "sandbox").await;
    assert_eq!(inspect(&app, 60 * MINUTE).await, 0);
    let seen = health(&app, &id).await;
    assert_eq!((&seen["state"], &seen["next_check_at"]), (&json!("unknown"), &Value::Null));
    assert!(seen["not_checked_because"].as_str().unwrap().contains("sandbox"), "{seen}");
    assert!(service.received().is_empty());

    // What fixtures answered isn't what the service does, also after the move.
    service.answers("/eu/api/accounts/1", 200, account());
    let path = format!("/api/admin/connections/{id}");
    app.post_as(&app.admin, &format!("{path}/actions/get_account"), &json!({"id": "404"})).await;
    assert_eq!(send(&app, "PATCH", &path, &json!({"environment": "production"})).await.0, 200);
    let seen = health(&app, &id).await;
    assert_eq!((&seen["calls"], &seen["failures"], &seen["last_call"]), (&json!(0), &json!(0), &Value::Null), "{seen}");
    app.admin_post(&format!("{path}/test"), &json!({})).await;
    let seen = health(&app, &id).await;
    assert_eq!((&seen["state"], &seen["calls"], &seen["failures"]), (&json!("healthy"), &json!(1), &json!(0)));
    assert_eq!(seen["next_check_at"], Value::Null, "nobody looks before it is enabled");
    assert_eq!(seen["not_checked_because"], "the connection is not enabled");
    app.admin_post(&format!("{path}/enable"), &json!({})).await;
    let seen = health(&app, &id).await;
    assert!(seen["next_check_at"].is_string() && seen["not_checked_because"].is_null(), "{seen}");
}

#[tokio::test]
async fn visitors_accounts_are_not_checked_and_health_says_so() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    app.admin_post("/api/admin/connectors", &resly_tests::crm::definition(&service)).await;
    let body = json!({"connector": "crm", "environment": "production", "settings": {}, "owner": "visitor"});
    let id = app.admin_post("/api/admin/connections", &body).await["id"].as_str().unwrap().to_owned();
    let path = format!("/api/admin/connections/{id}");
    let theirs = json!({"api_key": "a-visitor-s-key-0123456789"});
    assert!(send(&app, "PUT", &format!("{path}/visitors/anna/credentials"), &theirs).await.0 < 300);
    app.admin_post(&format!("{path}/test?visitor=anna"), &json!({})).await;
    app.admin_post(&format!("{path}/enable"), &json!({})).await;
    assert_eq!(inspect(&app, 60 * MINUTE).await, 0);
    let seen = health(&app, &id).await;
    assert_eq!((&seen["state"], &seen["next_check_at"]), (&json!("healthy"), &Value::Null), "{seen}");
    assert!(seen["not_checked_because"].as_str().unwrap().contains("visitor"), "{seen}");
}

#[tokio::test]
async fn a_service_that_is_down_is_looked_at_sooner_and_told_once() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    service.answers("/hook", 200, json!({}));
    let id = installed(&app, &service, "production").await;
    let (status, made) =
        send(&app, "PUT", "/api/admin/webhook", &json!({"url": format!("http://{}/hook", service.address)})).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().unwrap().to_owned();

    service.answers("/eu/api/accounts/1", 500, json!({"message": "customer anna@example.com broke it"}));
    assert_eq!(inspect(&app, 20 * MINUTE).await, 1);
    let seen = health(&app, &id).await;
    assert_eq!(
        (&seen["state"], &seen["reason"], &seen["failures_in_a_row"]),
        (&json!("degraded"), &json!("upstream"), &json!(1))
    );
    assert!(seen["what_to_do"].as_str().unwrap().contains("status page"), "{seen}");
    assert!(alerts(&app, "open").await.is_empty());
    assert_eq!(inspect(&app, MINUTE * 3 / 2).await, 1, "sooner than usual");
    assert_eq!(inspect(&app, MINUTE / 2).await, 0, "but not at once");
    assert_eq!(inspect(&app, MINUTE * 3).await, 1);
    let seen = health(&app, &id).await;
    assert_eq!((&seen["state"], &seen["failures_in_a_row"]), (&json!("failing"), &json!(3)));
    inspect(&app, 20 * MINUTE).await;
    let open = alerts(&app, "open").await;
    assert_eq!(open.len(), 1, "one for its cause: {open:?}");
    assert_eq!(
        (&open[0]["kind"], &open[0]["connection"], &open[0]["severity"]),
        (&json!("connection_failing"), &json!(id), &json!("critical"))
    );

    service.answers("/eu/api/accounts/1", 200, account());
    inspect(&app, 20 * MINUTE).await;
    assert_eq!(health(&app, &id).await["state"], "healthy");
    assert!(alerts(&app, "open").await.is_empty());
    assert_eq!(alerts(&app, "resolved").await.len(), 1);

    assert_eq!(app.host().hooks.deliver_due().await.unwrap(), 2);
    assert_eq!(app.host().hooks.deliver_due().await.unwrap(), 0);
    let told = told(&service, "/hook");
    let kinds: Vec<Value> = told.iter().map(|received| body(received)["type"].clone()).collect();
    assert!(
        kinds.contains(&json!("connection.failing")) && kinds.contains(&json!("connection.recovered")),
        "{kinds:?}"
    );
    for received in &told {
        assert!(is_signed(received, &secret));
        let text = String::from_utf8_lossy(&received.body).into_owned();
        assert!(!text.contains(SECRET) && !text.contains("anna@example.com"), "{text}");
        assert_eq!(body(received)["data"]["connection"]["name"], "CRM");
    }
}

#[tokio::test]
async fn a_refused_credential_is_an_alert_until_another_one_works() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    service.answers("/eu/api/accounts/1", 401, json!({"message": format!("unknown key {SECRET}")}));
    app.model.says([Reply::connector("crm", "get_account", json!({"id": "1"})), Reply::text("I can't tell.")]);
    app.answer(json!({"messages": [{"role": "user", "content": "Which plan is Acme on?"}]})).await;
    let seen = health(&app, &id).await;
    assert_eq!(
        (&seen["state"], &seen["status"], &seen["reason"]),
        (&json!("needs_auth"), &json!("needs_auth"), &json!("needs_auth"))
    );
    let open = alerts(&app, "open").await;
    assert_eq!((open.len(), &open[0]["kind"]), (1, &json!("needs_auth")));
    assert!(open[0]["what_to_do"].as_str().unwrap().contains("Renew"), "{open:?}");
    assert!(!open[0].to_string().contains(SECRET) && !seen.to_string().contains(SECRET));
    assert_eq!(inspect(&app, 60 * MINUTE).await, 0, "a person has to act");

    service.answers("/eu/api/accounts/1", 200, account());
    let path = format!("/api/admin/connections/{id}");
    send(&app, "PATCH", &path, &json!({"credentials": {"api_key": "another-key-0123456789"}})).await;
    assert_eq!(get(&app, &path).await["health"], "unknown", "what is known was of the old one");
    app.admin_post(&format!("{path}/test"), &json!({})).await;
    let back = get(&app, &path).await;
    assert_eq!((&back["health"], &back["status"]), (&json!("healthy"), &json!("enabled")));
    assert!(alerts(&app, "open").await.is_empty());
}

#[tokio::test]
async fn the_breaker_shows_in_the_health() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    assert_eq!(health(&app, &id).await["breaker"], json!({"state": "closed", "open_until": null}));
    service.answers("/eu/api/accounts/1", 503, json!({}));
    for _ in 0..2 {
        let path = format!("/api/admin/connections/{id}/actions/get_account");
        app.post_as(&app.admin, &path, &json!({"id": "1"})).await;
    }
    let seen = health(&app, &id).await;
    assert_eq!(seen["breaker"]["state"], "open", "{seen}");
    assert!(seen["breaker"]["open_until"].is_string());
}

#[tokio::test]
async fn a_key_that_ends_is_told_two_weeks_ahead() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let path = format!("/api/admin/connections/{id}");
    let ends = app.host().clock.now().plus(Duration::from_secs(20 * 86_400));
    let (_, changed) = send(&app, "PATCH", &path, &json!({"credentials_expire_at": ends})).await;
    assert_eq!(changed["credentials_expire_at"], json!(ends));
    let warned = async |later: Duration| {
        app.later(later);
        app.host().store.warn_of_expiry(app.host().clock.now()).await.unwrap();
        alerts(&app, "open").await
    };
    assert!(warned(Duration::ZERO).await.is_empty());
    let open = warned(Duration::from_secs(7 * 86_400)).await;
    assert_eq!(
        (open.len(), &open[0]["kind"], &open[0]["severity"]),
        (1, &json!("credential_expiring"), &json!("warning"))
    );
    let (_, renewed) = send(&app, "PATCH", &path, &json!({"credentials": {"api_key": "another-key-0123456789"}})).await;
    assert_eq!(renewed["credentials_expire_at"], Value::Null, "the new one ends some other time");
    assert!(warned(Duration::ZERO).await.is_empty());
}

#[tokio::test]
async fn an_account_that_ends_is_told_ahead_however_it_ends_and_only_then() {
    let (service, receiver) = (OauthService::start().await.unwrap(), ScriptedService::start().await.unwrap());
    receiver.answers("/hook", 200, json!({}));
    let app = TestApp::reaching_all(&[service.address, receiver.address]).await;
    let hook = json!({"url": format!("http://{}/hook", receiver.address)});
    let (_, made) = send(&app, "PUT", "/api/admin/webhook", &hook).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    let id = oauth::installed(&app, &service, "authorization_code").await;
    let authorized = async || {
        let page = oauth::authorize(&app, &id).await;
        assert_eq!(oauth::query(&page, "test").as_deref(), Some("passed"));
    };
    // What is open, and how many messages that brought.
    let warned = async |later: Duration| {
        app.later(later);
        app.host().store.warn_of_expiry(app.host().clock.now()).await.unwrap();
        (alerts(&app, "open").await, app.host().hooks.deliver_due().await.unwrap())
    };

    // The host renews the access token, and a person the refresh token, in 30 days.
    service.refreshes_for(Some(30 * 86_400));
    let before = app.host().clock.now();
    authorized().await;
    let path = format!("/api/admin/connections/{id}");
    let ends: Timestamp = serde_json::from_value(get(&app, &path).await["expires_at"].clone()).unwrap();
    assert!((before.plus(30 * DAY)..=app.host().clock.now().plus(30 * DAY)).contains(&ends), "{ends}");
    assert_eq!(warned(15 * DAY).await, (vec![], 0));
    let (open, messages) = warned(2 * DAY).await;
    assert_eq!((open.len(), messages, &open[0]["kind"]), (1, 1, &json!("credential_expiring")));
    assert_eq!(open[0]["connection"], json!(id));
    let received = told(&receiver, "/hook").pop().unwrap();
    assert!(is_signed(&received, &secret));
    let message = body(&received);
    assert_eq!((&message["type"], &message["data"]["connection"]["id"]), (&json!("credential.expiring"), &json!(id)));
    for secret in service.secrets() {
        assert!(!String::from_utf8_lossy(&received.body).contains(&secret));
    }
    assert_eq!(warned(DAY).await, (open, 0), "it is told once");

    // Authorized again: this one ends later.
    authorized().await;
    assert_eq!(warned(Duration::ZERO).await, (vec![], 0));

    // An access token that nothing renews.
    service.refreshes_for(None);
    service.lives(20 * 86_400);
    authorized().await;
    assert_eq!(warned(5 * DAY).await, (vec![], 0));
    let (open, messages) = warned(2 * DAY).await;
    assert_eq!((open.len(), messages), (1, 1));

    // One that is renewed without end is no news.
    service.refreshes_for_ever();
    service.lives(3600);
    authorized().await;
    assert_eq!(warned(90 * DAY).await, (vec![], 0));
}
