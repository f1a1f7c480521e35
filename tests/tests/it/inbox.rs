//! The inbox over HTTP: a visitor asks for a person, an agent answers, and the assistant is silent meanwhile.

use resly_tests::{
    app::TestApp,
    model::{Reply, ending, event},
};
use serde_json::{Value, json};

/// A chat's message, as the client of a visitor sends it.
async fn ask(app: &TestApp, conversation: Option<&str>, text: &str, format: &str) -> reqwest::Response {
    let mut body = json!({"messages": [{"role": "user", "content": text}], "visitorId": "anna"});
    if let Some(id) = conversation {
        body["conversationId"] = json!(id);
    }
    app.post_as(&app.key, &format!("/api/chat?format={format}"), &body).await
}

async fn began(app: &TestApp) -> String {
    app.model.says([Reply::text("On its way.")]);
    let answer: Value = ask(app, None, "Where is my parcel?", "json").await.json().await.unwrap();
    assert_eq!(answer["status"], "complete");
    answer["conversationId"].as_str().unwrap().to_owned()
}

async fn messages(app: &TestApp, id: &str, after: &str) -> Value {
    let path = format!("/api/chat/{id}/messages?visitorId=anna&after={after}");
    app.send_as(&app.key, "GET", &path).await.json().await.unwrap()
}

/// A key for the tables.
async fn data_key(app: &TestApp) -> String {
    let made = app.make_key(json!({"name": "data", "scopes": ["data:write"]})).await;
    made["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_agent_takes_over_a_conversation_and_gives_it_back() {
    let app = TestApp::start().await;
    let id = began(&app).await;
    let stranger = app.post_as(&app.key, &format!("/api/chat/{id}/hand-over?visitorId=ben"), &json!({})).await;
    assert_eq!(stranger.status(), 404, "it is another visitor's");
    let hand_over = format!("/api/chat/{id}/hand-over?visitorId=anna");
    let handed: Value = app.post_as(&app.key, &hand_over, &json!({})).await.json().await.unwrap();
    assert_eq!((&handed["state"], &handed["conversationId"]), (&json!("waiting"), &json!(id)));
    assert!(handed["notice"].as_str().unwrap().contains("A person of our team will answer"));

    // All three formats say who answers.
    let answer: Value = ask(&app, Some(&id), "Hello?", "json").await.json().await.unwrap();
    assert_eq!((&answer["status"], &answer["content"]), (&json!("handed_over"), &handed["notice"]));
    let text = ask(&app, Some(&id), "Hello??", "text").await;
    assert_eq!(text.headers()["x-conversation-state"], "waiting");
    assert_eq!(text.text().await.unwrap(), handed["notice"].as_str().unwrap());
    let events = ask(&app, Some(&id), "Hello???", "ui").await.text().await.unwrap();
    assert!(events.contains(r#""status":"handed_over""#) && events.contains("[DONE]"), "{events}");
    assert_eq!(app.model.asked().len(), 1, "the assistant wasn't asked");

    let anna = "01989c3a-7e10-7aaa-8bbb-0123456789ab";
    let ben = "01989c3a-7e10-7aaa-8bbb-0123456789ac";
    let at = |what: &str| format!("/api/admin/conversations/{id}/{what}");
    let early = app.post_as(&app.admin, &at("reply"), &json!({"content": "Hi"})).await;
    assert_eq!(early.status(), 409);
    let assigned = app.post_as(&app.admin, &at("assign"), &json!({"assignee": anna})).await;
    assert_eq!(assigned.status(), 204);
    let refused = app.post_as(&app.admin, &at("assign"), &json!({"assignee": ben})).await;
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/conversation-taken");
    assert!(problem["detail"].as_str().unwrap().contains(anna), "{problem}");
    let empty = app.post_as(&app.admin, &at("reply"), &json!({"content": " "})).await;
    assert_eq!(empty.status(), 422);
    let said = app.post_as(&app.admin, &at("reply"), &json!({"content": "I look into it.", "author": anna})).await;
    assert_eq!(said.status(), 201);
    let said: Value = said.json().await.unwrap();
    assert_eq!((&said["role"], &said["author"]), (&json!("agent"), &json!(anna)));

    let heard = messages(&app, &id, answer["id"].as_str().unwrap()).await;
    assert_eq!(heard["state"], "agent");
    let last = heard["messages"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["role"], &last["content"]), (&json!("agent"), &json!("I look into it.")));
    let nothing = messages(&app, &id, last["id"].as_str().unwrap()).await;
    assert_eq!(nothing["messages"], json!([]));

    let listed = app.send_as(&app.admin, "GET", &format!("/api/admin/conversations?state=agent&assignee={anna}")).await;
    let listed: Value = listed.json().await.unwrap();
    assert_eq!(listed["conversations"][0]["id"], json!(id));
    let path = format!("/rest/v1/conversations?select=state,handed_over_by&id=eq.{id}");
    let data = data_key(&app).await;
    let row: Value = app.send_as(&data, "GET", &path).await.json().await.unwrap();
    assert_eq!(row, json!([{"state": "agent", "handed_over_by": "visitor"}]));

    assert_eq!(app.post_as(&app.admin, &at("return"), &json!({})).await.status(), 204);
    app.model.says([Reply::text("It came.")]);
    let answer: Value = ask(&app, Some(&id), "And now?", "json").await.json().await.unwrap();
    assert_eq!((&answer["status"], &answer["content"]), (&json!("complete"), &json!("It came.")));
    let told = app.model.asked().last().unwrap()["messages"].to_string();
    assert!(told.contains("A person of the company wrote this") && told.contains("I look into it."), "{told}");
    assert_eq!(app.post_as(&app.admin, &at("close"), &json!({})).await.status(), 204);
    let whole: Value =
        app.send_as(&app.admin, "GET", &format!("/api/admin/conversations/{id}")).await.json().await.unwrap();
    assert_eq!(whole["handling"]["state"], "closed");
}

#[tokio::test]
async fn an_answer_in_progress_ends_when_a_person_takes_over() {
    let app = TestApp::start().await;
    let id = began(&app).await;
    let piece = |text: &str| event(&json!({"content": text}), Value::Null);
    let gate =
        app.model.says_after(vec![piece("Let me ")], vec![piece("think."), event(&json!({}), json!("stop")), ending()]);
    let mut stream = ask(&app, Some(&id), "Why?", "ui").await;
    let mut seen = String::new();
    while !seen.contains("Let me") {
        let chunk = stream.chunk().await.unwrap().unwrap_or_else(|| panic!("it ended: {seen}"));
        seen.push_str(str::from_utf8(&chunk).unwrap());
    }
    let assign = format!("/api/admin/conversations/{id}/assign");
    assert_eq!(app.post_as(&app.admin, &assign, &json!({})).await.status(), 204);
    seen.push_str(&stream.text().await.unwrap());
    assert!(
        seen.contains("a person of our team has taken over") && seen.contains(r#""status":"handed_over""#),
        "{seen}"
    );
    assert!(!seen.contains("think."), "{seen}");
    gate.notify_one();
    let heard = messages(&app, &id, "").await;
    let last = heard["messages"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["status"], &last["content"]), (&json!("interrupted"), &json!("Let me ")));
}

#[tokio::test]
async fn a_rule_hands_over_and_needs_no_connection() {
    let app = TestApp::start().await;
    let rule = json!({"name": "Lawyers", "triggers": ["my lawyer"], "action": "hand_over"});
    app.admin_post("/api/admin/workflows", &rule).await;
    let refused = json!({"name": "x", "triggers": ["y"], "action": "fly"});
    assert_eq!(app.post_as(&app.admin, "/api/admin/workflows", &refused).await.status(), 422);
    let answer: Value = ask(&app, None, "You hear from my lawyer!", "json").await.json().await.unwrap();
    assert_eq!((&answer["status"], &answer["steps"][0]["tool"]), (&json!("handed_over"), &json!("hand_over")));
    assert!(app.model.asked().is_empty());
    let id = answer["conversationId"].as_str().unwrap();
    let heard = messages(&app, id, "").await;
    assert_eq!(heard["state"], "waiting");
}

#[tokio::test]
async fn tickets_have_what_a_help_desk_needs() {
    let app = TestApp::start().await;
    let ticket = json!({"subject": "Parcel", "body": "late", "priority": "urgent", "requester": "anna@example.com",
        "due_at": "2026-01-31T12:00:00Z"});
    let data = data_key(&app).await;
    let made = app.post_as(&data, "/rest/v1/tickets?select=id,status,priority", &ticket).await;
    assert_eq!(made.status(), 201);
    let listed: Value = app.send_as(&app.admin, "GET", "/api/admin/tickets").await.json().await.unwrap();
    let listed = &listed["tickets"][0];
    assert_eq!((&listed["priority"], &listed["tags"]), (&json!("urgent"), &json!([])));
    let comment = json!({"ticket_id": listed["id"], "body": "Called them."});
    assert_eq!(app.post_as(&data, "/rest/v1/ticket_comments", &comment).await.status(), 201);
    let bad = json!({"subject": "x", "body": "y", "priority": "soon"});
    assert_eq!(app.post_as(&data, "/rest/v1/tickets", &bad).await.status(), 400);
}
