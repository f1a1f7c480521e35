//! What the host itself refuses a connector: it is told as such, whatever the connector makes of it, and never held
//! against the service.

use std::time::Duration;

use resly_service::checks;
use resly_tests::{
    app::TestApp,
    crm::{account, definition, installed},
    service::ScriptedService,
};
use serde_json::{Value, json};

async fn get(app: &TestApp, path: &str) -> Value {
    app.send_as(&app.admin, "GET", path).await.json().await.unwrap()
}

/// Calls the action, which fails: its problem, and what the log has of it.
async fn failed(app: &TestApp, id: &str) -> (Value, Value) {
    let path = format!("/api/admin/connections/{id}/actions/get_account");
    let problem: Value = app.post_as(&app.admin, &path, &json!({"id": "1"})).await.json().await.unwrap();
    (problem, app.logs().await[0].clone())
}

/// A CRM that worked, at its next version.
async fn moved(app: &TestApp, service: &ScriptedService, change: impl FnOnce(&mut Value)) -> String {
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(app, service, "production").await;
    let mut next = definition(service);
    next["version"] = json!("1.0.1");
    change(&mut next);
    app.admin_post("/api/admin/connectors", &next).await;
    let request = app.client.patch(app.url(&format!("/api/admin/connections/{id}"))).bearer_auth(&app.admin);
    let body = json!({"version": "1.0.1", "credentials": {"api_key": resly_tests::crm::SECRET}});
    assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
    id
}

fn is_told((problem, logged): &(Value, Value), status: u16, fault: &str, reason: &str, words: &str) {
    assert_eq!((&problem["status"], &problem["fault"]["kind"]), (&json!(status), &json!(fault)), "{problem}");
    assert_eq!((&problem["reason"], &problem["fault"]["retryable"]), (&json!(reason), &json!(false)), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    assert_eq!((&logged["status"], &logged["reason"]), (&json!(fault), &json!(reason)), "{logged}");
    assert!(logged["message"].as_str().unwrap().contains(words), "{logged}");
}

#[tokio::test]
async fn a_private_host_is_denied() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let id = moved(&app, &service, |next| {
        next["hosts"] = json!(["10.1.2.3"]);
        next["actions"][0]["request"]["url"] = json!("https://10.1.2.3/accounts/{{ input.id }}");
    })
    .await;
    is_told(&failed(&app, &id).await, 403, "denied", "denied", "RESLY_EGRESS_ALLOW");
    let health = get(&app, &format!("/api/admin/connections/{id}/health")).await;
    assert_eq!((&health["state"], &health["failures_in_a_row"]), (&json!("unknown"), &json!(0)), "{health}");

    // A test says the same.
    let test = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert_eq!((&test["ok"], &test["reason"], &test["fault"]), (&json!(false), &json!("denied"), &json!("denied")));
    assert!(test["what_to_do"].as_str().unwrap().contains("allow it there"), "{test}");
}

#[tokio::test]
async fn an_answer_beyond_the_call_s_bytes_is_a_limit_and_an_error_s_status_stays_the_service_s() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let id = moved(&app, &service, |next| next["limits"] = json!({"response_bytes": 20})).await;
    is_told(&failed(&app, &id).await, 502, "too_large", "limit", "limits.response_bytes");
    let health = async || get(&app, &format!("/api/admin/connections/{id}/health")).await;
    assert_eq!(health().await["failures_in_a_row"], 0);
    app.later(Duration::from_secs(3600));
    assert_eq!(checks::run_due(app.host()).await.unwrap(), 1);
    assert_eq!(health().await["reason"], "limit", "the host's own look stands for the connection");

    let long = json!({"message": "x".repeat(100)});
    service.answers("/eu/api/accounts/1", 404, long.clone());
    assert_eq!(failed(&app, &id).await.0["fault"]["kind"], "not_found");
    service.answers("/eu/api/accounts/1", 500, long);
    assert_eq!(failed(&app, &id).await.0["fault"]["kind"], "upstream");
    assert_eq!(health().await["reason"], "upstream");
}

#[tokio::test]
async fn more_requests_than_a_call_has_are_a_limit() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let id = moved(&app, &service, |next| {
        next["limits"] = json!({"http_calls": 1});
        next["actions"][0]["pagination"] = json!({"type": "page", "param": "page", "items": "[.data]"});
    })
    .await;
    is_told(&failed(&app, &id).await, 502, "too_large", "limit", "a call may send 1 requests");
}
