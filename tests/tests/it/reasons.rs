//! What an admin is told to do about a fault: what its cause needs, and nothing else.

use resly_tests::{
    app::TestApp,
    crm::{account, installed},
    service::ScriptedService,
};
use serde_json::{Value, json};

async fn get(app: &TestApp, path: &str) -> Value {
    app.send_as(&app.admin, "GET", path).await.json().await.unwrap()
}

/// A redirect that isn't followed, a login page and an empty body: the service works, and the definition doesn't fit it.
#[tokio::test]
async fn an_answer_that_the_definition_does_not_expect_is_a_reason_of_its_own() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let path = "/eu/api/accounts/1";
    let test = async || app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    let unexpected = |told: &Value| {
        assert_eq!((&told["reason"], &told["fault"]), (&json!("mapping"), &json!("unexpected_answer")), "{told}");
        let what_to_do = told["what_to_do"].as_str().unwrap();
        assert!(what_to_do.contains("mapping in the connector's definition"), "{told}");
        assert!(what_to_do.contains("ask its author"), "{told}");
    };
    service.answers(path, 200, json!({"other": 1}));
    unexpected(&test().await);
    let seen = get(&app, &format!("/api/admin/connections/{id}/health")).await;
    assert_eq!((&seen["state"], &seen["reason"]), (&json!("degraded"), &json!("mapping")), "{seen}");
    service.answers(path, 302, json!("https://login.example.com/?next=secret"));
    let told = test().await;
    unexpected(&told);
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("it redirects to login.example.com") && message.contains("`redirects`"), "{told}");
    assert!(!message.contains("next="), "{told}");
    service.answers_bytes(path, "text/html", b"<!doctype html><title>Sign in</title>");
    unexpected(&test().await);
    let listed = get(&app, "/api/admin/alerts?state=open").await;
    let alerts = listed["alerts"].as_array().unwrap();
    assert_eq!((alerts.len(), &alerts[0]["reason"]), (1, &json!("mapping")), "{alerts:?}");
    assert!(!alerts[0]["what_to_do"].as_str().unwrap().contains("nothing needs changing"), "{alerts:?}");
}

#[tokio::test]
async fn what_to_do_about_a_missing_key_says_only_what_applies() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    app.admin_post("/api/admin/connectors", &resly_tests::crm::definition(&service)).await;
    let body = json!({"connector": "crm", "environment": "production", "settings": {}});
    let id = app.admin_post("/api/admin/connections", &body).await["id"].as_str().unwrap().to_owned();
    let told = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    let what_to_do = told["what_to_do"].as_str().unwrap();
    assert!(what_to_do.contains("`credentials`"), "{told}");
    assert!(!what_to_do.contains("oauth") && !what_to_do.contains("visitor"), "{told}");
}

#[tokio::test]
async fn a_sandbox_connection_says_that_publishable_keys_are_not_offered_it() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    app.admin_post("/api/admin/connectors", &resly_tests::crm::definition(&service)).await;
    for (environment, allow, noted) in [("sandbox", true, true), ("sandbox", false, false), ("production", true, false)]
    {
        let policy = json!({"allow_publishable": allow});
        let body = json!({"connector": "crm", "environment": environment, "settings": {}, "policy": policy});
        let made = app.admin_post("/api/admin/connections", &body).await;
        assert_eq!(made["notes"].to_string().contains("allow_publishable"), noted, "{made}");
    }
}

#[tokio::test]
async fn a_connections_own_mapping_that_finds_nothing_is_told() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let path = format!("/api/admin/connections/{id}");
    let preview = format!("{path}/actions/get_account/mapping/preview");
    for (filter, nothing) in [(".nme", true), ("{nme}", true), (".name", false)] {
        let changed = app.client.patch(app.url(&path)).bearer_auth(&app.admin);
        changed.json(&json!({"mappings": {"get_account": filter}})).send().await.unwrap().error_for_status().unwrap();
        let test = app.admin_post(&format!("{path}/test"), &json!({})).await;
        assert_eq!(test["ok"], true, "{filter}: {test}");
        let called = app.admin_post(&format!("{path}/actions/get_account"), &json!({"id": "1"})).await;
        let previewed = app.admin_post(&preview, &json!({"filter": filter})).await;
        for (told, note) in
            [(&test, &test["notes"][0]), (&called, &called["log"][0]["message"]), (&previewed, &previewed["notes"][0])]
        {
            let said = note.as_str().is_some_and(|note| note.contains("found nothing in the action's output"));
            assert_eq!(said, nothing, "{filter}: {told}");
        }
        assert_eq!(test["notes"].to_string().contains("mapping for `get_account`"), nothing, "{filter}: {test}");
    }
}
