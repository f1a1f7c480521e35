//! The log of connector calls: every call is in it, with why it failed and what to do, and nothing that was said.

use resly_tests::{
    app::TestApp,
    crm::{SECRET, account, installed},
    model::Reply,
    service::ScriptedService,
};
use serde_json::{Value, json};

async fn logs(app: &TestApp, filter: &str) -> Vec<Value> {
    let path = format!("/api/admin/logs?{filter}");
    let found: Value = app.send_as(&app.admin, "GET", &path).await.json().await.unwrap();
    found["logs"].as_array().unwrap_or_else(|| panic!("{found}")).clone()
}

#[tokio::test]
async fn every_call_is_logged_whoever_makes_it_and_however_it_ends() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    service.answers("/eu/api/accounts/9", 500, json!({"message": format!("no luck for {SECRET}")}));
    let id = installed(&app, &service, "production").await;
    let tested = &logs(&app, "caller=admin").await[0];
    assert_eq!(
        (&tested["status"], &tested["reason"], &tested["version"]),
        (&json!("ok"), &Value::Null, &json!("1.0.0"))
    );
    assert_eq!((&tested["key_name"], &tested["cached"]), (&json!("test"), &json!(false)));

    // A chat: what went well, what was known already, what the input's schema refused, what the service failed at.
    let ask = async |input: Value| {
        app.model.says([Reply::connector("crm", "get_account", input), Reply::text("So it is.")]);
        app.answer(json!({"messages": [{"role": "user", "content": "Which plan is Acme on?"}]})).await
    };
    let answer = ask(json!({"id": "1"})).await;
    ask(json!({"id": "1"})).await;
    ask(json!({"id": ["anna@example.com"]})).await;
    ask(json!({"id": "9"})).await;
    let chats = logs(&app, "caller=chat").await;
    let told: Vec<(&str, Option<&str>, bool)> = chats
        .iter()
        .map(|row| (row["status"].as_str().unwrap(), row["reason"].as_str(), row["cached"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("upstream", Some("upstream"), false),
            ("invalid_input", Some("request_configuration"), false),
            ("ok", None, true),
            ("ok", None, false)
        ]
    );
    assert_eq!(chats[3]["conversation"], answer["conversationId"]);
    assert_eq!(chats[3]["requests"][0]["path"], "/eu/api/accounts/1", "{}", chats[3]);
    assert!(chats[3]["fuel"].as_u64().unwrap() > 0 && chats[3]["response_bytes"].as_u64().unwrap() > 0);
    assert!(chats[0]["what_to_do"].as_str().unwrap().contains("status page"));
    assert!(chats[0]["message"].as_str().unwrap().contains("no luck for [redacted]"), "{}", chats[0]);
    let all = serde_json::to_string(&chats).unwrap();
    assert!(!all.contains(SECRET) && !all.contains("anna@example.com") && !all.contains("expand"), "{all}");
    let counted = app.used("connector_calls").await;
    assert_eq!(counted, 3, "the test, the good one and the failed one: what reached nobody isn't counted");

    // Policy and limits refuse, too.
    app.limit(json!({"connector_calls": counted})).await;
    ask(json!({"id": "2"})).await;
    app.limit(json!({"connector_calls": null})).await;
    let offered = json!({"messages": [{"role": "user", "content": "Which plan is Acme on?"}]});
    app.model.says([Reply::connector("crm", "get_account", json!({"id": "3"})), Reply::text("No.")]);
    app.admin_post(&format!("/api/admin/connections/{id}/disable"), &json!({})).await;
    app.answer(offered).await;
    let refused = logs(&app, "caller=chat&limit=2").await;
    let of = |reason: &str| refused.iter().any(|row| row["reason"] == reason);
    assert!(of("limit"), "{refused:?}");
    assert_eq!(app.used("connector_calls").await, counted);
}

#[tokio::test]
async fn the_log_is_searched_by_what_it_tells() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let path = format!("/api/admin/connections/{id}/actions/get_account");
    app.post_as(&app.admin, &path, &json!({"id": "404"})).await;
    let row = &logs(&app, "status=not_found").await[0];
    let (key, at) = (row["key"].as_str().unwrap(), row["created_at"].as_str().unwrap());
    for (filter, found) in [
        (format!("connection={id}"), 2),
        ("connector=crm&action=get_account&environment=production".to_owned(), 2),
        (format!("key={key}&reason=request_configuration"), 1),
        ("reason=upstream".to_owned(), 0),
        ("environment=sandbox".to_owned(), 0),
        (format!("from={at}"), 1),
        (format!("to={at}"), 1),
        ("q=ACCOUNTS/404".to_owned(), 1),
        ("q=expand".to_owned(), 0),
        ("caller=health".to_owned(), 0),
        ("limit=1".to_owned(), 1),
        (format!("conversation={id}"), 0),
    ] {
        assert_eq!(logs(&app, &filter).await.len(), found, "{filter}");
    }
    for wrong in ["reason=bad", "environment=staging", "from=yesterday", "connection=x", "limit=0"] {
        let refused = app.send_as(&app.admin, "GET", &format!("/api/admin/logs?{wrong}")).await;
        assert_eq!(refused.status(), 400, "{wrong}");
    }
    let stranger = app.stranger_admin().await;
    let theirs: Value = app.send_as(&stranger, "GET", "/api/admin/logs").await.json().await.unwrap();
    assert_eq!(theirs["logs"], json!([]));
}

#[tokio::test]
async fn an_operator_says_how_long_logs_are_kept() {
    let app = TestApp::start().await;
    let plan = async |body: Value| {
        let request = app.client.patch(app.url("/api/admin/plan")).bearer_auth(&app.admin);
        request.json(&body).send().await.unwrap()
    };
    let before: Value = app.send_as(&app.admin, "GET", "/api/admin/plan").await.json().await.unwrap();
    assert_eq!(before["log_days"], 30);
    let changed: Value = plan(json!({"log_days": 7})).await.json().await.unwrap();
    assert_eq!((&changed["log_days"], &changed["limits"]["messages"]), (&json!(7), &Value::Null));
    assert_eq!(plan(json!({"log_days": 0})).await.status(), 422);
    let refused: Value = plan(json!({"log_days": 9, "log_bytes_per_day": 1})).await.json().await.unwrap();
    assert_eq!(refused["errors"][0]["path"], "log_bytes_per_day");
    let after: Value = app.send_as(&app.admin, "GET", "/api/admin/plan").await.json().await.unwrap();
    assert_eq!(after, changed, "a change with a mistake changes nothing");
    let admin = app.make_key(json!({"name": "admin", "scopes": ["admin"]})).await;
    let request = app.client.patch(app.url("/api/admin/plan")).bearer_auth(admin["key"].as_str().unwrap());
    assert_eq!(request.json(&json!({"log_days": 9})).send().await.unwrap().status(), 403);
}
