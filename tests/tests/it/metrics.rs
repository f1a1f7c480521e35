//! `/metrics` of a running host.

use reqwest::StatusCode;
use resly_tests::{
    app::TestApp,
    crm::{account, installed},
    model::Reply,
    service::ScriptedService,
};
use serde_json::{Value, json};

/// The value of a series. `None` when it isn't there.
async fn metric(app: &TestApp, series: &str) -> Option<String> {
    let text = app.client.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map(str::to_owned)
}

async fn is(app: &TestApp, series: &str, expected: &str) {
    assert_eq!(metric(app, series).await.as_deref(), Some(expected), "{series}");
}

#[tokio::test]
async fn turns_are_counted_by_outcome_and_model_errors_by_kind() {
    let app = TestApp::start().await;
    assert_eq!(metric(&app, "resly_turns_total{outcome=\"complete\"}").await, None);
    let question = json!({"messages": [{"role": "user", "content": "Hi"}]});
    app.answer(question.clone()).await;
    app.answer(question.clone()).await;
    app.model.says([Reply::Status(401, json!({"error": {"message": "bad key"}}))]);
    assert_eq!(app.chat_in("json").json(&question).send().await.unwrap().status(), StatusCode::BAD_GATEWAY);
    is(&app, "resly_turns_total{outcome=\"complete\"}", "2").await;
    is(&app, "resly_turns_total{outcome=\"model-refused\"}", "1").await;
    is(&app, "resly_model_errors_total{kind=\"refused\"}", "1").await;
}

#[tokio::test]
async fn connector_calls_are_counted_by_caller_and_faults_by_kind() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let connection = installed(&app, &service, "production").await;
    let action = format!("/api/admin/connections/{connection}/actions/get_account");
    app.admin_post(&action, &json!({"id": "1"})).await;
    assert_eq!(app.post_as(&app.admin, &action, &json!({"id": "9"})).await.status(), StatusCode::NOT_FOUND);
    is(&app, "resly_connector_calls_total{caller=\"admin\"}", "3").await;
    is(&app, "resly_connector_faults_total{kind=\"not_found\"}", "1").await;
}

#[tokio::test]
async fn webhook_attempts_are_counted_by_result() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let url = format!("http://{}/hook", service.address);
    assert_eq!(app.admin_send("PUT", "/api/admin/webhook", &json!({"url": url})).await.status(), StatusCode::CREATED);
    for _ in 0..2 {
        app.admin_post("/api/admin/webhook/test", &json!({})).await;
    }
    service.answers("/hook", 204, Value::Null);
    app.admin_post("/api/admin/webhook/test", &json!({})).await;
    is(&app, "resly_webhook_attempts_total{result=\"failed\"}", "2").await;
    is(&app, "resly_webhook_attempts_total{result=\"delivered\"}", "1").await;
}

#[tokio::test]
async fn the_host_shows_its_version_its_pool_and_its_queues() {
    let app = TestApp::start().await;
    is(&app, &format!("resly_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), "1").await;
    is(&app, "resly_sandbox_compile_queue", "0").await;
    for gauge in ["resly_database_connections_open", "resly_database_connections_used"] {
        assert!(metric(&app, gauge).await.unwrap().parse::<u32>().is_ok(), "{gauge}");
    }
}
