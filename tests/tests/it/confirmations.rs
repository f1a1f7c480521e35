//! What a confirmation is bound to, how a repeat of its question shows it, what the model learns beside it, and what admins see of it.

use std::{collections::BTreeSet, time::Duration};

use resly_tests::{accounts::Accounts, app::TestApp, model::Reply};
use serde_json::{Value, json};

async fn start() -> (TestApp, Accounts, String) {
    let accounts = Accounts::start().await.unwrap();
    let app = TestApp::with_egress_to(&accounts.service).await;
    let connection = accounts.install(&app, "accounts", json!({})).await;
    (app, accounts, connection)
}

fn call(action: &str, id: &str) -> (String, Value) {
    ("call_connector".to_owned(), json!({"connection": "accounts", "action": action, "input": {"id": id}}))
}

fn said(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

fn going_on(conversation: &Value, text: &str) -> Value {
    json!({"conversationId": conversation, "messages": [{"role": "user", "content": text}]})
}

async fn asked(app: &TestApp) -> Value {
    app.model.says([Reply::Calls(String::new(), vec![call("close", "1")])]);
    let answer = app.answer(said("Close account 1")).await;
    assert!(answer["approvals"][0]["id"].is_string(), "{answer}");
    answer
}

/// What the AI SDK sends when a person has pressed a button.
fn pressed(approval: &Value) -> Value {
    let part = json!({"type": "dynamic-tool", "toolName": "call_connector", "toolCallId": "c", "input": {},
        "state": "approval-responded", "approval": {"id": approval["id"], "approved": true}});
    json!({"role": "assistant", "parts": [part]})
}

#[tokio::test]
async fn the_rest_of_the_round_reaches_the_model_after_a_yes() {
    let (app, accounts, _) = start().await;
    let round = vec![call("get", "1"), call("close", "2"), call("get", "2")];
    app.model.says([Reply::Calls(String::new(), round), Reply::text("Acme [2] is closed.")]);
    let answer = app.answer(said("Look both up and close the second")).await;
    assert_eq!(answer["approvals"].as_array().unwrap().len(), 1);
    let answer = app.answer(going_on(&answer["conversationId"], "yes")).await;
    assert_eq!(answer["content"], "Acme [2] is closed.");
    assert_eq!(answer["citations"][0]["title"], "Our accounts: Look up an account");
    assert_eq!(accounts.closed().len(), 1);

    let asked = app.model.asked().pop().unwrap();
    let messages = asked["messages"].as_array().unwrap();
    let at = messages.iter().position(|message| message["tool_calls"].is_array()).unwrap();
    assert_eq!(messages[at - 1]["content"], "yes");
    let made: Vec<&Value> = messages[at]["tool_calls"].as_array().unwrap().iter().map(|call| &call["id"]).collect();
    let told = &messages[at + 1..];
    assert_eq!(made, told.iter().map(|result| &result["tool_call_id"]).collect::<Vec<_>>());
    assert_eq!(made.len(), 3);
    let holds = |at: usize, text: &str| told[at]["content"].as_str().unwrap().contains(text);
    assert!(holds(0, "Acme") && holds(1, "closed") && holds(2, "Acme"), "{told:#?}");
    let reads = accounts.service.received().iter().filter(|request| request.method == "GET").count();
    assert_eq!(reads, 3, "the test of the connection, and each read once");
}

#[tokio::test]
async fn a_yes_counts_in_its_conversation_only() {
    let (app, accounts, _) = start().await;
    let answer = asked(&app).await;
    let other = app.answer(said("Hello")).await["conversationId"].clone();
    app.answer(going_on(&other, "yes")).await;
    app.answer(said("yes")).await;
    for body in [json!({"conversationId": other}), json!({"id": "a chat of mine"})] {
        let mut body = body;
        body["messages"] = json!([pressed(&answer["approvals"][0])]);
        assert_eq!(app.post("/api/chat", &body).await.status(), 404);
    }
    assert!(accounts.closed().is_empty());
    let path = format!("/api/chat/approvals/{}", answer["approvals"][0]["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await["state"], "pending");
}

#[tokio::test]
async fn a_button_pressed_after_the_talk_went_on_or_too_late_does_nothing() {
    let (app, accounts, _) = start().await;
    let answer = asked(&app).await;
    app.answer(going_on(&answer["conversationId"], "What would that do?")).await;
    let body = json!({"conversationId": answer["conversationId"], "messages": [pressed(&answer["approvals"][0])]});
    let after = app.answer(body).await;
    assert_eq!(after["steps"][0]["reason"], "declined", "{after}");

    let answer = asked(&app).await;
    app.later(Duration::from_secs(15 * 60));
    let body = json!({"conversationId": answer["conversationId"], "messages": [pressed(&answer["approvals"][0])]});
    let after = app.answer(body).await;
    assert_eq!(after["steps"][0]["reason"], "expired", "{after}");
    assert!(accounts.closed().is_empty());
}

/// The same question under the same key, in a format: its `X-Approvals`, and its body.
async fn repeated(app: &TestApp, format: &str, key: &str) -> (Option<String>, String) {
    let request = app.chat_in(format).header("idempotency-key", key).json(&said("Close account 1"));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let asked = response.headers().get("x-approvals").map(|ids| ids.to_str().unwrap().to_owned());
    (asked, response.text().await.unwrap())
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The chunks about the call and its approval.
fn of_the_call(stream: &str) -> Vec<Value> {
    let chunks = stream.split_terminator("\n\n").filter_map(|chunk| chunk.strip_prefix("data: "));
    let chunks = chunks.filter(|chunk| *chunk != "[DONE]").map(object);
    let about = |chunk: &Value| {
        let kind = chunk["type"].as_str().unwrap();
        kind.starts_with("tool-") || kind == "data-approval"
    };
    chunks.filter(about).collect()
}

fn kinds(chunks: &[Value]) -> Vec<&str> {
    chunks.iter().map(|chunk| chunk["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_repeated_question_asks_as_the_first_answer_did_while_nobody_has_decided() {
    let (app, accounts, _) = start().await;
    for format in ["json", "text", "ui"] {
        app.model.says([Reply::Calls("I will.".to_owned(), vec![call("close", "1")])]);
        let (first, again) = (repeated(&app, format, format).await, repeated(&app, format, format).await);
        assert_eq!((first.0.is_some(), &first.0), (format == "text" && again.0.is_some(), &again.0));
        match format {
            "json" => {
                let (first, again) = (object(&first.1), object(&again.1));
                let names = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
                assert_eq!(names(&first), names(&again));
                assert_eq!(first["approvals"].as_array().unwrap().len(), 1);
                for name in ["id", "content", "approvals"] {
                    assert_eq!(first[name], again[name]);
                }
            }
            "text" => assert_eq!(first, again),
            _ => {
                let (first, again) = (of_the_call(&first.1), of_the_call(&again.1));
                assert_eq!(kinds(&first), ["tool-input-available", "tool-approval-request", "data-approval"]);
                assert_eq!(first, again);
            }
        }
    }
    // What the repeat offers is as good as the first: a yes to it closes the account, once.
    let again = of_the_call(&repeated(&app, "ui", "text").await.1);
    let path = format!("/api/chat/approvals/{}", again[1]["approvalId"].as_str().unwrap());
    assert_eq!(app.post(&path, &json!({"approved": true})).await.status(), 200);
    let declined = object(&repeated(&app, "json", "json").await.1)["approvals"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/chat/approvals/{declined}");
    assert_eq!(app.post(&path, &json!({"approved": false})).await.status(), 200);
    app.later(Duration::from_secs(15 * 60));
    for (key, end) in [("text", "tool-output-available"), ("json", "tool-output-denied"), ("ui", "tool-output-error")] {
        let chunks = of_the_call(&repeated(&app, "ui", key).await.1);
        assert_eq!(kinds(&chunks), ["tool-input-available", end]);
        assert_eq!(repeated(&app, "text", key).await.0, None);
        let answer = object(&repeated(&app, "json", key).await.1);
        assert_eq!(answer["approvals"], json!([]));
        assert!(answer["steps"][0]["approval"].is_string(), "{answer}");
    }
    assert_eq!((accounts.closed().len(), app.model.asked().len()), (1, 3));
}

#[tokio::test]
async fn admins_see_what_was_asked_who_decided_and_what_came_of_it() {
    let (app, _accounts, connection) = start().await;
    let list = async |query: &str| -> Value {
        let response = app.send_as(&app.admin, "GET", &format!("/api/admin/approvals{query}")).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    };
    let first = asked(&app).await;
    app.answer(going_on(&first["conversationId"], "yes")).await;
    let second = asked(&app).await;
    let all = list("").await;
    let listed = all["approvals"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[0]["state"], &listed[1]["state"]), (&json!("pending"), &json!("executed")));
    assert_eq!((&listed[0]["id"], &listed[0]["decided_by"]), (&second["approvals"][0]["id"], &Value::Null));
    let done = &listed[1];
    assert_eq!((&done["title"], &done["text"]), (&first["approvals"][0]["title"], &first["approvals"][0]["text"]));
    assert_eq!((&done["connection"], &done["conversation_id"]), (&json!(connection), &first["conversationId"]));
    assert_eq!((&done["decided_by"], &done["decided_by_name"]), (&done["key"], &done["key_name"]));
    assert!(done["key_name"].is_string() && done["decided_at"].is_string());
    assert_eq!(done["outcome"]["output"]["state"], "closed");
    assert!(done.get("round").is_none(), "what the model read is no part of it");

    let page = list("?limit=1").await;
    assert_eq!(page["approvals"][0]["id"], listed[0]["id"]);
    let next = page["next"].as_str().unwrap();
    assert_eq!(list(&format!("?before={next}")).await["approvals"], json!([done]));
    assert_eq!(list("?state=executed").await["approvals"], json!([done]));
    assert_eq!(list(&format!("?connection={connection}&state=declined")).await["approvals"], json!([]));
    let wrong = app.send_as(&app.admin, "GET", "/api/admin/approvals?state=maybe").await;
    assert_eq!(wrong.status(), 400);
    assert_eq!(app.send_as(&app.key, "GET", "/api/admin/approvals").await.status(), 403);
    let stranger = app.stranger_admin().await;
    let theirs: Value = app.send_as(&stranger, "GET", "/api/admin/approvals").await.json().await.unwrap();
    assert_eq!(theirs, json!({"approvals": [], "next": null}));
}

/// `builtin` asked by a workflow's rule to close account 1, and then confirmed: its answer, and what is kept of it.
async fn confirmed_by_builtin(status: u16, body: Value) -> (String, Value) {
    let accounts = Accounts::start().await.unwrap();
    let app = TestApp::built_in(&accounts.service).await;
    let connection = accounts.install(&app, "accounts", json!({})).await;
    let rule = json!({"name": "Closing", "triggers": ["close"], "connection": connection, "action": "close"});
    app.admin_post("/api/admin/workflows", &rule).await;
    accounts.service.answers("/accounts/1/close", status, body);
    let answer = app.answer(said("Please close account 1")).await;
    let asked = answer["approvals"][0]["id"].as_str().unwrap_or_default().to_owned();
    let answer = app.answer(going_on(&answer["conversationId"], "Yes!")).await;
    let approval = app.get(&format!("/api/chat/approvals/{asked}")).await;
    (answer["content"].as_str().unwrap_or_default().to_owned(), approval)
}

#[tokio::test]
async fn a_confirmed_write_that_failed_is_never_told_as_a_search() {
    let refused = json!({"error": {"message": "no such account"}});
    for (status, said) in [
        (404, "This was not done: what it is about was not found."),
        (422, "This was not done: the details weren't accepted; please check them."),
        (401, "This was not done: the account isn't connected."),
        (429, "This was not done: the service is too busy right now; please try again later."),
        (500, "This failed, and I can't tell whether it was done all the same"),
    ] {
        let (content, approval) = confirmed_by_builtin(status, refused.clone()).await;
        assert!(content.starts_with(said), "{status}: {content}");
        assert_eq!(approval["state"], "failed", "{status}: {approval}");
        assert!(content.starts_with(approval["outcome"]["error"]["message"].as_str().unwrap()), "{status}: {approval}");
    }
    let (content, approval) = confirmed_by_builtin(200, json!(null)).await;
    assert_eq!(approval["state"], "executed", "{approval}");
    assert!(content.contains("is done"), "{content}");
}

#[tokio::test]
async fn a_model_is_told_whether_a_failed_write_was_done() {
    let (app, accounts, _) = start().await;
    for (status, done, words) in [(404, "no", "was not done"), (500, "unknown", "it isn't known whether it was done")] {
        accounts.service.answers("/accounts/1/close", status, json!({"error": {"message": "no such account"}}));
        let answer = asked(&app).await;
        app.model.says([Reply::text("I am sorry.")]);
        app.answer(going_on(&answer["conversationId"], "yes")).await;
        let asked = app.model.asked().pop().unwrap();
        let told = asked["messages"].as_array().unwrap().last().unwrap()["content"].to_string();
        assert!(told.contains(words) && told.contains("no such account"), "{status}: {told}");
        assert!(told.contains(&format!("\\\"done\\\":\\\"{done}")), "{status}: {told}");
    }
}
