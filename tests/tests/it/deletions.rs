//! `DELETE /api/admin/visitors/{visitor}`: from the request to the record, with an answer that is being written and an
//! account at a service.

use std::time::Duration;

use resly_service::deletions::run_due;
use resly_tests::{app::TestApp, oauth::OauthService};
use serde_json::{Value, json};

use crate::visitors::{chat, connect, of, opened};

/// A text that is too long for one page of the database's file, with this word at its end.
fn long(word: &str) -> String {
    format!("{} {word}", "My story is a long one. ".repeat(400))
}

async fn delete(app: &TestApp, visitor: &str) -> reqwest::Response {
    app.send_as(&app.admin, "DELETE", &format!("/api/admin/visitors/{visitor}")).await
}

async fn admin_get(app: &TestApp, path: &str) -> Value {
    app.send_as(&app.admin, "GET", path).await.json().await.unwrap()
}

#[tokio::test]
async fn a_visitor_is_deleted_with_the_accounts_and_a_record_stays() {
    let service = OauthService::start().await.unwrap();
    let (app, id) = opened(&service).await;
    connect(&app, &service, &id, "berta").await;
    chat(&app, &app.key, Some("anna"), "me").await;
    chat(&app, &app.key, Some("berta"), "me").await;
    let question = json!({"messages": [{"role": "user", "content": long("ANNASCANARY")}], "visitorId": "anna"});
    let asked = app.answer(question).await;
    let conversation = asked["conversationId"].as_str().unwrap();
    let revoked = service.revocations();

    let response = delete(&app, "anna").await;
    assert_eq!(response.status(), 202);
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    let pending: Value = response.json().await.unwrap();
    assert_eq!((&pending["status"], &pending["completed_at"]), (&json!("pending"), &Value::Null), "{pending}");
    let again: Value = delete(&app, "anna").await.json().await.unwrap();
    assert_eq!(again["id"], pending["id"], "one request is enough");
    run_due(app.host()).await.unwrap();

    let done = admin_get(&app, &place).await;
    assert_eq!(done["status"], "done", "{done}");
    assert_eq!((&done["deleted"]["conversations"], &done["deleted"]["accounts"]), (&json!(2), &json!(1)), "{done}");
    assert_eq!(
        (&done["deleted"]["connector_calls"], &done["unconfirmed_revocations"]),
        (&json!(1), &json!(0)),
        "{done}"
    );
    assert_eq!(service.revocations(), revoked + 1);
    assert!(done["completed_at"].is_string());
    assert_eq!(delete(&app, "anna").await.status(), 404, "nothing is left");
    let found = admin_get(&app, "/api/admin/deletion-requests?visitor=anna").await;
    assert_eq!(found["deletion_requests"], json!([done]));
    assert!(!found.to_string().contains("anna"));
    assert_eq!(admin_get(&app, "/api/admin/deletion-requests?visitor=berta").await["deletion_requests"], json!([]));
    let stranger = app.stranger_admin().await;
    assert_eq!(app.send_as(&stranger, "GET", &place).await.status(), 404);
    assert_eq!(app.send_as(&stranger, "DELETE", "/api/admin/visitors/berta").await.status(), 404);
    assert_eq!(app.send_as(&app.key, "DELETE", "/api/admin/visitors/berta").await.status(), 403);

    let gone = app.send_as(&app.admin, "GET", &format!("/api/admin/conversations/{conversation}")).await;
    assert_eq!(gone.status(), 404);
    assert_eq!(admin_get(&app, &of(&id, "anna")).await["authorized"], false);
    assert_eq!(admin_get(&app, &of(&id, "berta")).await["authorized"], true);
    app.nothing_on_disk_contains("ANNASCANARY");
    let (step, told) = chat(&app, &app.key, Some("berta"), "me").await;
    assert_eq!((&step["ok"], told.contains("berta")), (&json!(true), true), "{step} {told}");
}

#[tokio::test]
async fn a_running_answer_is_cancelled_first_and_the_visitor_begins_anew() {
    let app = TestApp::start().await;
    let asking = |text: &str| json!({"messages": [{"role": "user", "content": text}], "visitorId": "anna/1"});
    let first = app.answer(asking("Remember the number 7.")).await;
    let _held = app.model.says_after(vec!["It ".to_owned()], vec!["is 7.".to_owned()]);
    let mut running = app.chat_in("ui").json(&asking(&long("CANARYTWO"))).send().await.unwrap();
    running.chunk().await.unwrap().unwrap();

    let accepted = delete(&app, "anna%2F1").await;
    let place = accepted.headers()["location"].to_str().unwrap().to_owned();
    run_due(app.host()).await.unwrap();
    assert_eq!(admin_get(&app, &place).await["status"], "pending", "an answer is being written");
    let rest = running.text().await.unwrap();
    assert!(!rest.contains("is 7."), "it was cancelled: {rest}");
    app.idle().await;
    // Whoever chats now is a visitor of whom nothing is known.
    let continued = json!({"messages": [{"role": "user", "content": "Which number?"}], "visitorId": "anna/1",
        "conversationId": first["conversationId"]});
    assert_eq!(app.post("/api/chat?format=json", &continued).await.status(), 404);
    let new = app.answer(asking("Hello again")).await;

    app.later(Duration::from_secs(3));
    run_due(app.host()).await.unwrap();
    let done = admin_get(&app, &place).await;
    assert_eq!((&done["status"], &done["deleted"]["conversations"]), (&json!("done"), &json!(2)), "{done}");
    let new = format!("/api/admin/conversations/{}", new["conversationId"].as_str().unwrap());
    assert_eq!(admin_get(&app, &new).await["visitor"], "anna/1");
    app.nothing_on_disk_contains("CANARYTWO");
}
