//! Token endpoints as services run them: what they answer is read, and why they refuse is told as it is.

use std::time::Duration;

use resly_core::member::Role;
use resly_tests::{
    app::TestApp,
    console::ConsoleClient,
    oauth::{OauthService, WriteAnswer},
};
use serde_json::{Value, json};

use crate::oauth::{authorize, installed, query};

async fn call(app: &TestApp, id: &str) -> (u16, Value) {
    let response = app.post_as(&app.admin, &format!("/api/admin/connections/{id}/actions/me"), &json!({})).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn connection(app: &TestApp, id: &str) -> Value {
    app.send_as(&app.admin, "GET", &format!("/api/admin/connections/{id}")).await.json().await.unwrap()
}

/// A host with the service's connector as `oauth` says, authorized; what came of that, and the connection.
async fn authorized(service: &OauthService, oauth: Value) -> (TestApp, String, Option<String>) {
    let app = TestApp::reaching(service.address).await;
    service.registers(app.url("/oauth/callback"));
    let mut definition = service.definition("authorization_code");
    definition["auth"].as_object_mut().unwrap().extend(oauth.as_object().unwrap().clone());
    app.admin_post("/api/admin/connectors", &definition).await;
    let credentials =
        json!({"client_id": resly_tests::oauth::CLIENT_ID, "client_secret": resly_tests::oauth::CLIENT_SECRET});
    let new = json!({"connector": "desk", "environment": "production", "credentials": credentials});
    let id = app.admin_post("/api/admin/connections", &new).await["id"].as_str().unwrap().to_owned();
    let page = authorize(&app, &id).await;
    let reason = query(&page, "reason").or_else(|| query(&page, "test"));
    (app, id, reason)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn slack(tokens: Value) -> (&'static str, String) {
    let bot = json!({"ok": true, "token_type": "bot", "access_token": tokens["access_token"], "scope": "orders.read,profile",
        "refresh_token": tokens["refresh_token"], "expires_in": tokens["expires_in"], "team": {"id": "T1"}});
    ("application/json; charset=utf-8", bot.to_string())
}

fn slack_user(tokens: Value) -> (&'static str, String) {
    let user = json!({"token_type": "user", "access_token": tokens["access_token"], "scope": "orders.read,profile",
        "refresh_token": tokens["refresh_token"], "expires_in": tokens["expires_in"]});
    let whole = json!({"ok": true, "token_type": "bot", "access_token": "xoxb-of-another", "authed_user": user});
    ("application/json", whole.to_string())
}

fn github(tokens: Value) -> (&'static str, String) {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("access_token", &text(&tokens["access_token"]))
        .append_pair("refresh_token", &text(&tokens["refresh_token"]))
        .append_pair("expires_in", "28800")
        .append_pair("scope", "orders.read,profile")
        .append_pair("token_type", "bearer")
        .finish();
    ("application/x-www-form-urlencoded; charset=utf-8", form)
}

fn listed(tokens: Value) -> (&'static str, String) {
    let list = json!({"access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"], "token_type": "",
        "scope": ["orders.read", "profile"], "expires_in": 0});
    ("text/plain", format!("\u{feff}{list}"))
}

fn without_refresh(tokens: Value) -> (&'static str, String) {
    ("application/json", json!({"access_token": tokens["access_token"], "expires_in": "0"}).to_string())
}

#[tokio::test]
async fn services_answer_in_their_own_ways() {
    let pointer = json!({"token_types": ["user"], "token_pointers": {"access_token": "/authed_user/access_token"}});
    let ways: [(WriteAnswer, Value); 4] =
        [(slack, json!({"token_types": ["bot"]})), (slack_user, pointer), (github, json!({})), (listed, json!({}))];
    for (nth, (answers, oauth)) in ways.into_iter().enumerate() {
        let service = OauthService::start().await.unwrap();
        service.answers_as(answers);
        let (app, id, reason) = authorized(&service, oauth).await;
        assert_eq!(reason.as_deref(), Some("passed"), "{nth}");
        let view = connection(&app, &id).await;
        assert_eq!(view["scopes"], json!(["orders.read", "profile"]), "{nth}");
        // And so does a renewal.
        service.expire();
        assert_eq!((call(&app, &id).await.0, service.refreshes()), (200, 1), "{nth}");
        for _ in 0..3 {
            assert_eq!((call(&app, &id).await.0, service.refreshes()), (200, 1), "{nth}: what is fresh stays");
        }
    }
    // Slack's renewal answers in the standard's place.
    let service = OauthService::start().await.unwrap();
    service.answers_as(slack_user);
    let pointer =
        json!({"token_types": ["user", "bot"], "token_pointers": {"access_token": "/authed_user/access_token"}});
    let (app, id, _) = authorized(&service, pointer).await;
    service.answers_as(slack);
    service.expire();
    assert_eq!((call(&app, &id).await.0, service.refreshes()), (200, 1));
}

#[tokio::test]
async fn a_lifetime_of_0_is_no_lifetime() {
    let service = OauthService::start().await.unwrap();
    service.answers_as(without_refresh);
    let (app, id, reason) = authorized(&service, json!({})).await;
    assert_eq!(reason.as_deref(), Some("passed"));
    app.later(Duration::from_secs(86_400));
    assert_eq!((call(&app, &id).await.0, connection(&app, &id).await["expires_at"].clone()), (200, Value::Null));
}

#[tokio::test]
async fn a_type_that_nobody_named_is_refused_with_the_place_to_name_it() {
    let service = OauthService::start().await.unwrap();
    service.answers_as(slack);
    let (app, id, reason) = authorized(&service, json!({})).await;
    assert_eq!(reason.as_deref(), Some("answer_unusable"));
    let mut browser = ConsoleClient::signed_in(&app, Role::Viewer).await;
    let path = format!("/console/connections/{id}?oauth=failed&reason=answer_unusable");
    assert!(browser.page(&path).await.contains("token_types"));
}

#[tokio::test]
async fn the_reason_is_the_true_one() {
    for (refusal, expected) in [
        ((400, r#"{"error": "invalid_grant"}"#, None), "code_refused"),
        ((200, "error=bad_verification_code", None), "code_refused"),
        ((400, r#"{"error": "redirect_uri_mismatch"}"#, None), "redirect_refused"),
        ((401, r#"{"error": "invalid_client"}"#, None), "client_refused"),
        ((401, "", None), "client_refused"),
        ((400, r#"{"error": "invalid_request"}"#, None), "tokens_refused"),
        ((404, "<html>nothing here</html>", None), "token_url_wrong"),
        ((404, r#"{"error": "Not Found"}"#, None), "token_url_wrong"),
        ((405, "", None), "token_url_wrong"),
        ((302, "", None), "token_url_wrong"),
        ((200, "<html>welcome</html>", None), "answer_unusable"),
        ((429, "", Some(30)), "service_unavailable"),
        ((503, "", None), "service_unavailable"),
    ] {
        let service = OauthService::start().await.unwrap();
        service.refuses(Some(refusal));
        let (app, id, reason) = authorized(&service, json!({})).await;
        assert_eq!(reason.as_deref(), Some(expected), "{refusal:?}");
        assert_eq!(connection(&app, &id).await["authorized"], false);
        let mut browser = ConsoleClient::signed_in(&app, Role::Viewer).await;
        let page = browser.page(&format!("/console/connections/{id}?oauth=failed&reason={expected}")).await;
        assert!(!page.contains("has the cause"), "{expected} is told: {page}");
    }
    // An address that the host itself refuses: a private one, over https.
    let service = OauthService::start().await.unwrap();
    let (_, _, reason) = authorized(&service, json!({"token_url": "https://127.0.0.1:9/token"})).await;
    assert_eq!(reason.as_deref(), Some("token_url_refused"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_calls_on_each_of_two_hosts_ask_a_busy_service_once() {
    let service = OauthService::start().await.unwrap();
    let (first, second) = TestApp::pair_reaching(service.address).await;
    let id = installed(&first, &service, "authorization_code").await;
    authorize(&first, &id).await;
    service.expire();
    service.refuses(Some((429, "", Some(60))));
    let before = service.token_requests();
    for _ in 0..2 {
        let calls = [&first, &second].into_iter().flat_map(|host| (0..50).map(|_| call(host, &id)));
        for (status, problem) in futures::future::join_all(calls).await {
            assert_ne!(status, 200, "{problem}");
            assert_ne!(status, 424, "nobody has to authorize anything: {problem}");
        }
        assert_eq!(service.token_requests(), before + 1);
    }
    service.refuses(None);
    first.later(Duration::from_secs(61));
    assert_eq!((call(&first, &id).await.0, service.token_requests()), (200, before + 2));
    assert_eq!(call(&second, &id).await.0, 200, "the other host has what the first one got");
}

#[tokio::test]
async fn plain_http_is_refused_where_it_is_written() {
    let service = OauthService::start().await.unwrap();
    let (listed, app) = (TestApp::reaching(service.address).await, TestApp::start().await);
    for name in ["authorize_url", "token_url", "revoke_url"] {
        let mut definition = service.definition("authorization_code");
        for other in ["authorize_url", "token_url", "revoke_url"] {
            if other != name {
                definition["auth"][other] = json!("https://auth.example.com/x");
            }
        }
        assert_eq!(listed.admin_post("/api/admin/connectors/check", &definition).await["ok"], true, "{name}");
        let told = app.admin_post("/api/admin/connectors/check", &definition).await;
        assert_eq!(
            (&told["ok"], &told["errors"][0]["path"]),
            (&json!(false), &json!(format!("/auth/{name}"))),
            "{told}"
        );
        assert!(told["errors"][0]["message"].as_str().unwrap().contains("RESLY_EGRESS_ALLOW"), "{told}");
        let posted = app.post_as(&app.admin, "/api/admin/connectors", &definition).await;
        assert_eq!(posted.status(), 422);
        definition["auth"][name] = json!("http://auth.example.com/x");
        let told = listed.admin_post("/api/admin/connectors/check", &definition).await;
        assert_eq!(
            (&told["ok"], &told["errors"][0]["path"]),
            (&json!(false), &json!(format!("/auth/{name}"))),
            "{told}"
        );
    }
}
