//! Sandbox and production: what each touches and counts, and what has to pass before chats get a connection.

use resly_tests::{
    app::TestApp,
    crm::{account, connected, definition, installed},
    model::Reply,
    service::ScriptedService,
};
use serde_json::{Value, json};

async fn patch(app: &TestApp, id: &str, change: &Value) -> Value {
    let request = app.client.patch(app.url(&format!("/api/admin/connections/{id}"))).bearer_auth(&app.admin);
    request.json(change).send().await.unwrap().json().await.unwrap()
}

async fn enable(app: &TestApp, id: &str) -> (u16, Value) {
    let response = app.post_as(&app.admin, &format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn test(app: &TestApp, id: &str) -> Value {
    app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await
}

#[tokio::test]
async fn production_takes_a_passed_test_there_with_the_hosts_it_has_now() {
    let service = ScriptedService::start().await.unwrap();
    let other = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    app.admin_post("/api/admin/connectors", &definition(&service)).await;
    let id = connected(&app, "production").await;
    let untested = |(status, problem): (u16, Value)| {
        assert_eq!((status, &problem["type"]), (409, &json!("/docs/problems/connection-untested")), "{problem}");
    };
    untested(enable(&app, &id).await);
    service.answers("/eu/api/accounts/1", 500, json!({}));
    assert_eq!(test(&app, &id).await["ok"], false);
    untested(enable(&app, &id).await);
    service.answers("/eu/api/accounts/1", 200, account());
    assert_eq!(test(&app, &id).await["ok"], true);
    assert_eq!(enable(&app, &id).await.0, 200);

    // A version that leads elsewhere is another account as far as anybody knows.
    let mut elsewhere = definition(&other);
    elsewhere["version"] = json!("1.1.0");
    app.admin_post("/api/admin/connectors", &elsewhere).await;
    let moved =
        patch(&app, &id, &json!({"version": "1.1.0", "credentials": {"api_key": "another-key-0123456789"}})).await;
    assert_eq!((&moved["tested_at"], &moved["status"]), (&Value::Null, &json!("installed")), "{moved}");
    untested(enable(&app, &id).await);
}

#[tokio::test]
async fn what_moves_from_the_sandbox_to_production_leaves_chats_until_it_is_tested_there() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "sandbox").await;
    let moved = patch(&app, &id, &json!({"environment": "production"})).await;
    assert_eq!((&moved["status"], &moved["tested_at"]), (&json!("installed"), &Value::Null), "{moved}");
    assert!(service.received().is_empty(), "a test in the sandbox touched nothing");
    assert_eq!(enable(&app, &id).await.0, 409);
    app.model.says([Reply::connector("crm", "get_account", json!({"id": "1"})), Reply::text("I can't look.")]);
    app.answer(json!({"messages": [{"role": "user", "content": "Which plan is Acme on?"}]})).await;
    assert!(service.received().is_empty(), "chats don't have it");
    assert_eq!(test(&app, &id).await["ok"], true);
    let path = format!("/api/admin/connections/{id}");
    let tested: Value = app.send_as(&app.admin, "GET", &path).await.json().await.unwrap();
    assert_eq!(tested["status"], "installed", "it was enabled for the sandbox alone");
    assert_eq!(enable(&app, &id).await.0, 200);
    assert_eq!(service.received().len(), 1);
}

#[tokio::test]
async fn the_sandbox_is_metered_apart_and_limited_by_nothing() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    app.limit(json!({"connector_calls": 0, "fuel": 0})).await;
    let id = installed(&app, &service, "sandbox").await;
    let path = format!("/api/admin/connections/{id}/actions/get_account");
    let output = app.admin_post(&path, &json!({"id": "1"})).await;
    assert_eq!(output["output"], json!({"id": "1", "name": "Acme", "plan": "Pro"}));
    let usage: Value = app.send_as(&app.admin, "GET", "/api/admin/usage").await.json().await.unwrap();
    assert_eq!(usage["sandbox"]["connector_calls"], 2, "its test, and a call: {usage}");
    assert!(usage["sandbox"]["fuel"].as_u64().unwrap() >= output["fuel"].as_u64().unwrap());
    assert_eq!((&usage["meters"]["connector_calls"]["used"], &usage["meters"]["fuel"]["used"]), (&json!(0), &json!(0)));
    assert!(service.received().is_empty());
    let host = service.address.ip().to_string();
    let requests = |log: &[Value]| log[0]["requests"].clone();
    let asked = |path: &str| json!({"method": "GET", "host": host, "path": path});
    let mut answered = asked("/eu/api/accounts/1");
    answered["status"] = json!(200);
    answered["bytes"] = json!(json!({"data": {"id": "1", "name": "Acme", "plan": {"name": "Pro"}}}).to_string().len());
    assert_eq!(requests(&app.logs().await), json!([answered]), "as in production");
    let other = app.post_as(&app.admin, &path, &json!({"id": "none such"})).await;
    assert_eq!(other.status(), 422);
    let other: Value = other.json().await.unwrap();
    assert!(other["detail"].as_str().unwrap().contains("/eu/api/accounts/none%20such: add one"), "{other}");
    assert_eq!((&other["reason"], &other["fault"]["kind"]), (&json!("request_configuration"), &json!("no_fixture")));
    assert_eq!((&other["type"], &other["http_calls"]), (&json!("/docs/problems/connector-no-fixture"), &json!(0)));
    let whole = format!("GET http://{}/eu/api/accounts/none%20such: add", service.address);
    assert!(other["detail"].as_str().unwrap().contains(&whole), "{other}");
    let mut missing = asked("/eu/api/accounts/none%20such");
    missing["error"] = json!("no fixture");
    assert_eq!(requests(&app.logs().await), json!([missing]), "what no fixture answers goes nowhere");
    assert!(service.received().is_empty());
}

#[tokio::test]
async fn the_sandbox_answers_for_no_host_that_production_would_refuse() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let mut elsewhere = definition(&service);
    elsewhere["hosts"] = json!([format!("{}/eu/", service.address)]);
    elsewhere["fixtures"] =
        json!([{"match": {}, "response": {"json": {"data": {"id": "1", "name": "A", "plan": {"name": "P"}}}}}]);
    app.admin_post("/api/admin/connectors", &elsewhere).await;
    let id = connected(&app, "sandbox").await;
    let path = format!("/api/admin/connections/{id}/actions/get_account");
    assert_eq!(app.admin_post(&path, &json!({"id": "1"})).await["output"]["name"], "A");
    patch(&app, &id, &json!({"settings": {"region": "us"}})).await;
    let refused = app.post_as(&app.admin, &path, &json!({"id": "1"})).await;
    let (status, problem): (_, Value) = (refused.status(), refused.json().await.unwrap());
    assert_eq!((status.as_u16(), &problem["reason"]), (403, &json!("denied")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("not among the hosts"), "{problem}");
    assert!(service.received().is_empty());
}

#[tokio::test]
async fn sample_data_is_marked_and_kept_from_browsers() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let id = installed(&app, &service, "sandbox").await;
    let output = app.admin_post(&format!("/api/admin/connections/{id}/actions/get_account"), &json!({"id": "1"})).await;
    assert_eq!(output["environment"], "sandbox");
    assert_eq!(test(&app, &id).await["environment"], "sandbox");
    patch(&app, &id, &json!({"policy": {"allow_publishable": true}})).await;

    let ask = || [Reply::connector("crm", "get_account", json!({"id": "1"})), Reply::text("It is on Pro [1].")];
    let body = json!({"messages": [{"role": "user", "content": "Which plan is Acme on?"}]});
    app.model.says(ask());
    let answer = app.answer(body.clone()).await;
    assert_eq!(answer["citations"][0]["title"], "CRM: Look up an account (sandbox)", "{answer}");
    let stored = app.get(&format!("/api/messages/{}", answer["id"].as_str().unwrap())).await;
    assert_eq!(stored["steps"][0]["title"], "CRM: Look up an account (sandbox)", "{stored}");
    let told = app.model.asked().last().unwrap()["messages"].to_string();
    assert!(told.contains("sample data of the connector's sandbox"), "{told}");

    app.model.says(ask());
    let publishable = app.publishable("https://shop.example").await;
    let request = app.client.post(app.url("/api/chat?format=json")).bearer_auth(&publishable);
    let answer: Value =
        request.header("origin", "https://shop.example").json(&body).send().await.unwrap().json().await.unwrap();
    assert!(!answer.to_string().contains("Acme\""), "{answer}");
    let told = app.model.asked().last().unwrap()["messages"].to_string();
    assert!(told.contains("unknown_action") && !told.contains("Pro\\\""), "{told}");
}

#[tokio::test]
async fn what_waits_for_its_credential_is_not_enabled() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    service.answers("/eu/api/accounts/1", 401, json!({}));
    assert_eq!(test(&app, &id).await["reason"], "needs_auth");
    let (status, problem) = enable(&app, &id).await;
    assert_eq!((status, &problem["type"]), (424, &json!("/docs/problems/connector-needs-auth")), "{problem}");
    service.answers("/eu/api/accounts/1", 200, account());
    patch(&app, &id, &json!({"credentials": {"api_key": "another-key-0123456789"}})).await;
    assert_eq!(test(&app, &id).await["ok"], true);
    assert_eq!(enable(&app, &id).await.0, 200);
}

#[tokio::test]
async fn what_the_breaker_holds_back_is_no_failure_of_its_own() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    service.answers("/eu/api/accounts/2", 503, json!({"message": "down for repair"}));
    let path = format!("/api/admin/connections/{id}/actions/get_account");
    let health = async || -> Value {
        app.send_as(&app.admin, "GET", &format!("/api/admin/connections/{id}/health")).await.json().await.unwrap()
    };
    let mut before = Value::Null;
    let held = loop {
        let problem: Value = app.post_as(&app.admin, &path, &json!({"id": "2"})).await.json().await.unwrap();
        if problem["fault"]["kind"] == "circuit_open" {
            break problem;
        }
        assert_eq!(problem["fault"]["kind"], "upstream", "{problem}");
        before = health().await;
    };
    assert_eq!((&held["reason"], &held["fault"]["retryable"]), (&json!("upstream"), &json!(true)), "{held}");
    let logged = &app.logs().await[0];
    assert_eq!((&logged["http_calls"], &logged["requests"]), (&json!(0), &json!([])), "nothing was sent: {logged}");
    let after = health().await;
    for member in ["state", "failures", "message", "reason"] {
        assert_eq!(before[member], after[member], "{member}: {before} {after}");
    }
    assert!(after["message"].as_str().unwrap().contains("down for repair"), "{after}");
}

#[tokio::test]
async fn limits_beyond_the_host_s_are_told_where_they_are_written() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    for (name, asked) in [
        ("fuel", json!(2_000_000_001_u64)),
        ("timeout_ms", json!(60_001)),
        ("memory_bytes", json!(64 << 20)),
        ("http_calls", json!(65)),
        ("response_bytes", json!(5 << 20)),
    ] {
        let mut greedy = definition(&service);
        greedy["limits"] = json!({name: asked});
        let told = app.admin_post("/api/admin/connectors/check", &greedy).await;
        assert_eq!(
            (&told["ok"], &told["errors"][0]["path"]),
            (&json!(false), &json!(format!("/limits/{name}"))),
            "{told}"
        );
    }
}
