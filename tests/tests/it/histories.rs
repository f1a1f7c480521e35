//! What a conversation keeps, whose it is, and what a model is sent of it.

use resly_tests::{
    accounts::Accounts,
    app::TestApp,
    model::{After, Reply, event},
};
use serde_json::{Value, json};

fn ask(question: &str) -> Value {
    json!({"messages": [{"role": "user", "content": question}]})
}

fn of(mut body: Value, member: &str, value: &str) -> Value {
    body[member] = json!(value);
    body
}

/// Role and text of what the model was sent last, without the system message.
fn told(app: &TestApp) -> Vec<(String, String)> {
    let asked = app.model.asked().pop().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = asked["messages"].as_array().unwrap().iter();
    let messages = messages.map(|message| (text(&message["role"]), text(&message["content"])));
    messages.filter(|(role, _)| role != "system").collect()
}

#[tokio::test]
async fn a_repeated_question_deletes_nothing_and_what_is_superseded_stays_readable() {
    let app = TestApp::start().await;
    app.model.says(["a", "b", "c", "d"].map(Reply::text));
    let (mut answers, mut conversation) = (vec![], String::new());
    for question in ["hi", "my order is 7", "it is broken", "hi"] {
        let mut body = ask(question);
        if !conversation.is_empty() {
            body["conversationId"] = json!(conversation);
        }
        let answer = app.answer(body).await;
        conversation = answer["conversationId"].as_str().unwrap().to_owned();
        answers.push(answer);
    }
    assert_eq!(app.contents(&conversation).await.len(), 8);

    // An edit of the second question, by a client that sends whole histories.
    let edit = json!({"conversationId": conversation, "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": answers[0]["content"]},
        {"role": "user", "content": "my order is 8"}]});
    app.answer(edit).await;
    assert_eq!(app.contents(&conversation).await.len(), 4);
    for (at, answer) in answers.iter().enumerate() {
        let found = app.get(&format!("/api/messages/{}", answer["id"].as_str().unwrap())).await;
        assert_eq!(found["content"], answer["content"]);
        assert_eq!(found["supersededAt"].is_string(), at > 0, "{found}");
    }
    let path = format!("/api/admin/conversations/{conversation}");
    let seen: Value = app.send_as(&app.admin, "GET", &path).await.json().await.unwrap();
    let messages = seen["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 10);
    let superseded = messages.iter().filter(|message| message["superseded_at"].is_string());
    assert_eq!(superseded.count(), 6);
}

#[tokio::test]
async fn a_page_s_visitors_share_no_names_streams_approvals_or_idempotency_keys() {
    let app = TestApp::start().await;
    let page = app.publishable("https://shop.example").await;
    let send = |method: &'static str, path: &'static str, visitor: Option<&'static str>, key: Option<&'static str>| {
        let request = app.client.request(method.parse().unwrap(), app.url(path)).bearer_auth(&page);
        let mut request = request.header("origin", "https://shop.example");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if method == "POST" {
            let body = of(ask("Hi"), "id", "chat");
            request = request.json(&visitor.map_or(body.clone(), |visitor| of(body, "visitorId", visitor)));
        }
        request.send()
    };
    app.model.says([Reply::Raw(vec![event(&json!({"content": "Half "}), Value::Null)], After::Stall)]);
    let mut alices = send("POST", "/api/chat", Some("alice"), Some("k")).await.unwrap();
    assert_eq!(alices.chunk().await.unwrap().unwrap(), "Half ");
    let conversation = alices.headers()["x-conversation-id"].to_str().unwrap().to_owned();

    for path in ["/api/chat/chat/stream?visitorId=bob", "/api/chat/chat/stream"] {
        assert_eq!(send("GET", path, None, None).await.unwrap().status(), 204);
        assert_eq!(send("DELETE", path, None, None).await.unwrap().status(), 204);
    }
    for visitor in [Some("bob"), None] {
        let other = send("POST", "/api/chat", visitor, Some("k")).await.unwrap();
        assert_eq!(other.status(), 200, "neither in flight nor another body: another visitor's key");
        assert_ne!(other.headers()["x-conversation-id"], conversation.as_str());
        let mut body = of(ask("Hi"), "conversationId", &conversation);
        if let Some(visitor) = visitor {
            body["visitorId"] = json!(visitor);
        }
        let request = app.client.post(app.url("/api/chat")).bearer_auth(&page).header("origin", "https://shop.example");
        assert_eq!(request.json(&body).send().await.unwrap().status(), 404);
    }
    let resumed = send("GET", "/api/chat/chat/stream?visitorId=alice", None, None).await.unwrap();
    assert_eq!(resumed.status(), 200, "nobody has stopped it");
    assert_eq!(resumed.headers()["x-conversation-id"], conversation.as_str());
    assert_eq!(send("DELETE", "/api/chat/chat/stream?visitorId=alice", None, None).await.unwrap().status(), 204);
    app.idle().await;
    assert_eq!(send("GET", "/api/chat/chat/stream?visitorId=alice", None, None).await.unwrap().status(), 204);
}

#[tokio::test]
async fn a_yes_without_the_visitor_who_was_asked_does_nothing() {
    let accounts = Accounts::start().await.unwrap();
    let app = TestApp::with_egress_to(&accounts.service).await;
    accounts.install(&app, "accounts", json!({})).await;
    app.model.says([Reply::connector("accounts", "close", json!({"id": "1"}))]);
    let asked = app.answer(of(ask("Close account 1"), "visitorId", "alice")).await;
    let approval = asked["approvals"][0]["id"].as_str().unwrap();
    let path = format!("/api/chat/approvals/{approval}");
    let yes = of(ask("yes"), "conversationId", asked["conversationId"].as_str().unwrap());
    let part = json!({"type": "dynamic-tool", "state": "approval-responded",
        "approval": {"id": approval, "approved": true}});
    let pressed = json!({"messages": [{"role": "assistant", "parts": [part]}]});
    for body in [&yes, &pressed, &of(yes.clone(), "visitorId", "bob"), &of(pressed.clone(), "visitorId", "bob")] {
        assert_eq!(app.post("/api/chat", body).await.status(), 404);
    }
    for body in [json!({"approved": true}), json!({"approved": true, "visitorId": "bob"})] {
        assert_eq!(app.post(&path, &body).await.status(), 404);
    }
    assert_eq!(app.send_as(&app.key, "GET", &path).await.status(), 404);
    assert!(accounts.closed().is_empty());
    assert_eq!(app.get(&format!("{path}?visitorId=alice")).await["state"], "pending");
    assert_eq!(app.post(&path, &json!({"approved": true, "visitorId": "alice"})).await.status(), 200);
    assert_eq!(accounts.closed().len(), 1);
}

#[tokio::test]
async fn after_an_empty_answer_the_model_is_still_sent_an_alternation() {
    let app = TestApp::start().await;
    app.model.says([Reply::text("Hello."), Reply::text(""), Reply::text("Fine.")]);
    let first = app.answer(ask("Hi")).await;
    let go_on = |question: &str| of(ask(question), "conversationId", first["conversationId"].as_str().unwrap());
    app.post("/api/chat?format=json", &go_on("One?")).await.bytes().await.unwrap();
    assert_eq!(app.answer(go_on("Two?")).await["content"], "Fine.");
    let pair = |role: &str, text: &str| (role.to_owned(), text.to_owned());
    assert_eq!(told(&app), [pair("user", "Hi"), pair("assistant", "Hello."), pair("user", "One?\n\nTwo?")]);
}

#[tokio::test]
async fn a_long_history_is_cut_by_whole_exchanges_and_a_step_says_so() {
    let app = TestApp::start().await;
    let long = "word ".repeat(4_000);
    let first = app.answer(ask(&long)).await;
    let conversation = first["conversationId"].as_str().unwrap();
    let mut last = Value::Null;
    for at in 0..6 {
        last = app.answer(of(ask(&format!("{at} {long}")), "conversationId", conversation)).await;
    }
    let sent = told(&app);
    assert_eq!(sent.first().unwrap().0, "user");
    let bytes: usize = sent.iter().map(|(_, text)| text.len()).sum();
    assert!(bytes < 66_000, "{bytes}");
    assert!(sent.last().unwrap().1.starts_with("5 "));
    let step = &last["steps"][0];
    assert_eq!((&step["tool"], &step["ok"]), (&json!("history"), &json!(true)), "{step}");
    assert!(step["omitted"]["messages"].as_u64().unwrap() >= 2 && step["omitted"]["tokens"].as_u64().unwrap() > 5_000);
}

#[tokio::test]
async fn an_answer_has_one_shape_live_repeated_and_stored() {
    let accounts = Accounts::start().await.unwrap();
    let app = TestApp::with_egress_to(&accounts.service).await;
    accounts.install(&app, "accounts", json!({})).await;
    app.model.says([Reply::connector("accounts", "get", json!({"id": "1"})), Reply::text("Acme [1].")]);
    let send = async || -> Value {
        let request = app.chat_in("json").header("idempotency-key", "k").json(&ask("Look up account 1"));
        request.send().await.unwrap().json().await.unwrap()
    };
    let (live, again) = (send().await, send().await);
    assert_eq!(live, again);
    assert_eq!(live["steps"][0]["title"], "Our accounts: Look up an account");
    assert!(live["usage"]["inputTokens"].is_u64() && live["usage"]["outputTokens"].is_u64(), "{live}");
    let stored = app.get(&format!("/api/messages/{}", live["id"].as_str().unwrap())).await;
    for member in ["id", "conversationId", "role", "content", "status", "citations", "steps", "usage"] {
        assert_eq!(stored[member], live[member], "{member}");
    }
}
