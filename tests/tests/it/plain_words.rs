//! What requests and command lines are told of their mistakes: all of them at once, in plain words, and truly.

use std::sync::atomic::Ordering;

use resly_tests::{
    app::TestApp,
    crm::{connected, definition},
    service::ScriptedService,
};
use serde_json::{Value, json};

/// The paths of a refusal's mistakes.
fn paths(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{problem}"));
    errors.iter().map(|error| error["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_mistake_of_a_workflow_is_told_at_once() {
    let app = TestApp::start().await;
    let refused = async |body: Value| -> Value {
        let response = app.post_as(&app.admin, "/api/admin/workflows", &body).await;
        assert_eq!(response.status(), 422, "{body}");
        response.json().await.unwrap()
    };
    let problem = refused(json!({"triggers": "refund", "connection": "nope", "instructions": 5, "enabled": "yes",
        "tone": "kind"}))
    .await;
    let mut told = paths(&problem);
    told.sort_unstable();
    assert_eq!(told, ["connection", "enabled", "instructions", "name", "tone", "triggers"], "{problem}");
    let text = problem.to_string();
    for jargon in ["UUID", "invalid type", "sequence", "found `n`"] {
        assert!(!text.contains(jargon), "{text}");
    }
    assert_eq!(paths(&refused(json!({})).await), ["name", "triggers", "$"]);
    assert_eq!(paths(&refused(json!([])).await), ["$"]);
    let good = json!({"name": "refunds", "triggers": ["refund"], "instructions": "Be kind.", "connection": null});
    let made = app.admin_post("/api/admin/workflows", &good).await;
    assert_eq!((&made["enabled"], &made["connection"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn the_test_of_a_definition_is_looked_at_beside_its_other_mistakes() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::start().await;
    let mut wrong = definition(&service);
    wrong["actions"][0]["cache_s"] = json!("long");
    wrong["test"] = json!({"action": "nope"});
    let check = async |definition: &Value| -> Value { app.admin_post("/api/admin/connectors/check", definition).await };
    let told = check(&wrong).await;
    let mut paths = paths(&told);
    paths.sort_unstable();
    assert_eq!(paths, ["/actions/0/cache_s", "/test/action"], "{told}");
    // What the mistake itself hides isn't told.
    wrong["actions"][0]["id"] = json!(5);
    let told = check(&wrong).await;
    assert!(!told.to_string().contains("/test/action"), "{told}");
}

#[tokio::test]
async fn a_name_in_the_other_casing_is_refused_by_name() {
    let app = TestApp::start().await;
    let message = json!([{"role": "user", "content": "Hi"}]);
    for (name, right) in [("conversation_id", "conversationId"), ("visitor_id", "visitorId")] {
        let mut body = json!({"messages": message});
        body[name] = json!("x");
        let response = app.post("/api/chat", &body).await;
        assert_eq!(response.status(), 422);
        let problem: Value = response.json().await.unwrap();
        assert_eq!(paths(&problem), [name]);
        assert!(problem["detail"].as_str().unwrap().contains(right), "{problem}");
    }
    assert_eq!(app.used("messages").await, 0);
}

#[tokio::test]
async fn a_decision_with_members_that_nobody_reads_is_refused() {
    let app = TestApp::start().await;
    let path = "/api/chat/approvals/01989c3a-7e10-7aaa-8bbb-0123456789ab";
    for body in [json!({"approved": true, "approve": false}), json!({"approved": true, "input": {}})] {
        let response = app.post(path, &body).await;
        assert_eq!(response.status(), 422, "{body}");
    }
    assert_eq!(app.post(path, &json!({"approved": true})).await.status(), 404);
    let problem: Value = app.post(path, &json!({"approved": "yes"})).await.json().await.unwrap();
    assert_eq!(problem["errors"][0]["message"], "true or false is expected, not a text", "{problem}");
}

#[tokio::test]
async fn null_is_a_sample() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::start().await;
    app.admin_post("/api/admin/connectors", &definition(&service)).await;
    let id = connected(&app, "sandbox").await;
    let path = format!("/api/admin/connections/{id}/actions/get_account/mapping/preview");
    let shown = app.admin_post(&path, &json!({"filter": ". // \"none\"", "sample": null})).await;
    assert_eq!((&shown["input"], &shown["output"]), (&Value::Null, &json!("none")), "{shown}");
    let without = app.post_as(&app.admin, &path, &json!({"filter": "."})).await;
    assert_eq!(without.status(), 404, "there is no output yet");
}

#[tokio::test]
async fn a_limit_says_whose_it_is_and_that_trying_again_is_no_use() {
    let app = TestApp::start().await;
    let capped = app.make_key(json!({"name": "small", "scopes": ["search"], "message_cap": 1})).await;
    let search = async |key: &str| app.post_as(key, "/api/search", &json!({"query": "x"})).await;
    let key = capped["key"].as_str().unwrap();
    assert_eq!(search(key).await.status(), 200);
    let problem: Value = search(key).await.json().await.unwrap();
    assert_eq!((&problem["type"], &problem["limit"]["of"]), (&json!("/docs/problems/limit-reached"), &json!("key")));
    let told = format!("{} {}", problem["title"], problem["detail"]);
    assert!(told.contains("key's own cap") && told.contains("message_cap") && !told.contains("plan"), "{told}");
    assert_eq!((&problem["retryable"], &problem["limit"]["limit"]), (&json!(false), &json!(1)));

    app.limit(json!({"messages": 1})).await;
    let problem: Value = search(&app.key).await.json().await.unwrap();
    assert_eq!((&problem["limit"]["of"], &problem["retryable"]), (&json!("plan"), &json!(false)));
    assert!(problem["detail"].as_str().unwrap().contains("plan's limit"), "{problem}");
}

#[tokio::test]
async fn a_host_is_ready_once_its_connectors_are_compiled() {
    let app = TestApp::start().await;
    let ready = async || app.client.get(app.url("/readyz")).send().await.unwrap();
    assert_eq!(ready().await.status(), 200);
    app.host().preparing.store(true, Ordering::SeqCst);
    let response = ready().await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    assert_eq!(response.json::<Value>().await.unwrap()["type"], "/docs/problems/still-compiling");
    app.host().prepare_connectors(&|_| {}).await.unwrap();
    assert_eq!(ready().await.status(), 200);
}
