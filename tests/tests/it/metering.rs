//! What is counted, and where it ends.

use resly_tests::{
    app::TestApp,
    crm::{account, connected, definition},
    model::Reply,
    service::ScriptedService,
};
use serde_json::{Value, json};

fn ask(question: &str) -> Value {
    json!({"messages": [{"role": "user", "content": question}]})
}

#[tokio::test]
async fn a_hard_cap_is_hard_and_says_so() {
    let app = TestApp::start().await;
    app.limit(json!({"messages": 2})).await;
    let first = app.chat().json(&ask("1")).send().await.unwrap();
    assert!(first.headers()["ratelimit"].to_str().unwrap().contains("r=1"));
    first.text().await.unwrap();
    app.answer(ask("2")).await;
    let third = app.chat().json(&ask("3")).send().await.unwrap();
    assert_eq!(third.status(), 429);
    assert_eq!(third.headers()["content-type"], "application/problem+json");
    assert!(third.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(third.headers().contains_key("ratelimit") && third.headers().contains_key("ratelimit-policy"));
    let problem: Value = third.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/limit-reached");
    assert_eq!((&problem["limit"]["meter"], &problem["limit"]["limit"]), (&json!("messages"), &json!(2)));
    assert_eq!(app.used("messages").await, 2);

    app.limit(json!({"messages": 3})).await;
    app.answer(ask("3")).await;
    assert_eq!(app.used("messages").await, 3);
}

#[tokio::test]
async fn a_crowd_at_the_cap_gets_exactly_what_is_left() {
    let app = TestApp::start().await;
    app.limit(json!({"messages": 7})).await;
    let answers = futures::future::join_all((0..40).map(|_| app.chat().json(&ask("x")).send())).await;
    let good = answers.iter().filter(|answer| answer.as_ref().unwrap().status() == 200).count();
    assert_eq!(good, 7);
    assert_eq!(app.used("messages").await, 7);
}

#[tokio::test]
async fn searches_and_embeddings_count_too() {
    let app = TestApp::start().await;
    app.knows("Returns", "You may return anything within 30 days.").await;
    assert!(app.used("embeddings").await >= 1);
    let found: Value = app.post("/api/search", &json!({"query": "return days"})).await.json().await.unwrap();
    let passages = found.as_array().or(found["results"].as_array()).or(found["passages"].as_array()).unwrap();
    assert!(passages[0].to_string().contains("30 days"));
    assert_eq!(app.used("messages").await, 1);
}

#[tokio::test]
async fn what_fails_before_its_first_byte_costs_nothing() {
    let app = TestApp::start().await;
    app.model.says([Reply::Status(500, json!({"error": {"message": "down"}})), Reply::Status(500, json!({}))]);
    let response = app.chat().json(&ask("Hi")).send().await.unwrap();
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    app.idle().await;
    assert_eq!(app.used("messages").await, 0);
}

#[tokio::test]
async fn a_search_past_the_cap_is_refused() {
    let app = TestApp::start().await;
    app.limit(json!({"messages": 0})).await;
    assert_eq!(app.post("/api/search", &json!({"query": "x"})).await.status(), 429);
}

#[tokio::test]
async fn a_call_without_a_credential_runs_nothing_and_counts_nothing() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    app.admin_post("/api/admin/connectors", &definition(&service)).await;
    let mut oauth = definition(&service);
    oauth["id"] = json!("crm-oauth");
    let host = format!("http://{}", service.address);
    oauth["auth"] = json!({"type": "oauth2", "authorize_url": format!("{host}/authorize"),
        "token_url": format!("{host}/token"), "scopes": ["read"]});
    app.admin_post("/api/admin/connectors", &oauth).await;
    for (connector, credentials, what) in [
        ("crm", Value::Null, "lacks a credential"),
        ("crm-oauth", Value::Null, "no account is connected"),
        ("crm-oauth", json!({"client_id": "us", "client_secret": "c-secret-0123456789"}), "no account is connected"),
    ] {
        let body = json!({"connector": connector, "environment": "production", "settings": {},
            "credentials": credentials});
        let id = app.admin_post("/api/admin/connections", &body).await["id"].as_str().unwrap().to_owned();
        let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
        assert_eq!((&tested["ok"], &tested["reason"]), (&json!(false), &json!("needs_auth")), "{tested}");
        assert!(tested["message"].as_str().unwrap().contains(what), "{tested}");
        let row = &app.logs().await[0];
        assert_eq!((&row["status"], &row["fuel"]), (&json!("needs_auth"), &json!(0)), "but it is logged");
        let path = format!("/api/admin/connections/{id}");
        let view: Value = app.send_as(&app.admin, "GET", &path).await.json().await.unwrap();
        assert_eq!((&view["status"], &view["health"]), (&json!("needs_auth"), &json!("needs_auth")), "{view}");
    }
    assert_eq!((app.used("connector_calls").await, app.used("fuel").await), (0, 0));
    assert!(service.received().is_empty());

    let id = connected(&app, "production").await;
    assert_eq!(app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await["ok"], true);
    assert_eq!(app.used("connector_calls").await, 1);
}
