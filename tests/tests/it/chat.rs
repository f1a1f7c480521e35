//! `/api/chat`: its three formats, conversations that continue, idempotency, resuming and cancelling.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use resly_tests::{
    app::TestApp,
    model::{After, Reply, event},
};
use serde_json::{Value, json};

fn ask(question: &str) -> Value {
    json!({"messages": [{"role": "user", "content": question}]})
}

#[tokio::test]
async fn text_carries_its_metadata_in_the_headers() {
    let app = TestApp::start().await;
    app.knows("Passwords", "# Reset\n\nTo reset your password, open Settings and choose Reset — naïve users too.")
        .await;
    app.model.says([Reply::text("Open Settings [1].")]);
    let response = app.chat().json(&ask("How do I reset my password?")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-type").starts_with("text/plain"));
    let (conversation, message) = (header("x-conversation-id"), header("x-message-id"));
    let citations: Value = serde_json::from_str(&header("x-citations")).unwrap();
    assert_eq!(citations[0]["n"], 1);
    assert!(citations[0]["title"].as_str().unwrap().starts_with("Passwords"));
    assert!(citations[0]["snippet"].as_str().unwrap().contains("naïve"), "escaped in the header, whole after parsing");
    assert_eq!(response.text().await.unwrap(), "Open Settings [1].");

    let stored = app.get(&format!("/api/messages/{message}")).await;
    assert_eq!(stored["content"], "Open Settings [1].");
    assert_eq!(stored["conversation_id"].as_str().or(stored["conversationId"].as_str()), Some(conversation.as_str()));
    assert_eq!(stored["citations"][0]["n"], 1);

    let asked = app.model.asked();
    let prompt = asked[0].to_string();
    assert!(prompt.contains("open Settings"), "the passage reached the model");
}

#[tokio::test]
async fn json_is_one_object() {
    let app = TestApp::start().await;
    app.model.says([Reply::text("Hello there.")]);
    let answer = app.answer(ask("Hi")).await;
    assert_eq!(answer["content"].as_str().or(answer["text"].as_str()), Some("Hello there."), "{answer}");
    assert!(answer["conversationId"].is_string() && answer["citations"].is_array(), "{answer}");
}

#[tokio::test]
async fn the_ui_stream_starts_and_finishes() {
    let app = TestApp::start().await;
    app.model.says([Reply::text("Hello there.")]);
    let response = app.chat_in("ui").json(&ask("Hi")).send().await.unwrap();
    assert_eq!(response.headers()["x-vercel-ai-ui-message-stream"], "v1");
    let body = response.text().await.unwrap();
    let chunks = TestApp::events(&body);
    let types: Vec<&str> = chunks.iter().map(|chunk| chunk["type"].as_str().unwrap()).collect();
    assert_eq!(types.first(), Some(&"start"));
    assert_eq!(types.last(), Some(&"finish"));
    let text: String = chunks.iter().filter_map(|chunk| chunk["delta"].as_str()).collect();
    assert_eq!(text, "Hello there.");
    assert!(body.trim_end().ends_with("data: [DONE]"));
}

#[tokio::test]
async fn a_conversation_goes_on_and_stores_only_what_is_new() {
    let app = TestApp::start().await;
    app.model.says([Reply::text("First."), Reply::text("Second."), Reply::text("Third."), Reply::text("Fourth.")]);
    let first = app.answer(ask("One?")).await;
    let id = first["conversationId"].as_str().unwrap();

    // Only the new question.
    let second = app.answer(json!({"conversationId": id, "messages": [{"role": "user", "content": "Two?"}]})).await;
    assert_eq!(second["conversationId"], id);
    let history = app.model.asked()[1]["messages"].to_string();
    assert!(history.contains("One?") && history.contains("First.") && history.contains("Two?"));

    // The whole history, as the widget sends it.
    let whole = json!([
        {"role": "user", "content": "One?"}, {"role": "assistant", "content": "First."},
        {"role": "user", "content": "Two?"}, {"role": "assistant", "content": "Second."},
        {"role": "user", "content": "Three?"},
    ]);
    app.answer(json!({"conversationId": id, "messages": whole})).await;
    assert_eq!(app.contents(id).await, ["One?", "First.", "Two?", "Second.", "Three?", "Third."]);

    // An edit of the second question replaces what followed it.
    let edited = json!([
        {"role": "user", "content": "One?"}, {"role": "assistant", "content": "First."},
        {"role": "user", "content": "Two, rather?"},
    ]);
    app.answer(json!({"conversationId": id, "messages": edited})).await;
    assert_eq!(app.contents(id).await, ["One?", "First.", "Two, rather?", "Fourth."]);
}

#[tokio::test]
async fn a_client_s_own_name_continues_its_conversation() {
    let app = TestApp::start().await;
    let body =
        json!({"id": "my-chat", "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}]});
    let first = app.answer(body.clone()).await;
    let second = app
        .answer(json!({"id": "my-chat", "messages": [
        {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]},
        {"id": "m2", "role": "user", "parts": [{"type": "text", "text": "Again"}]}]}))
        .await;
    assert_eq!(first["conversationId"], second["conversationId"]);
    let other = app.second_key().await;
    let response = app.post_as(&other, "/api/chat?format=json", &body).await;
    let elsewhere: Value = response.json().await.unwrap();
    assert_ne!(first["conversationId"], elsewhere["conversationId"], "the name is the key's own");
}

#[tokio::test]
async fn another_organization_s_conversation_looks_like_none() {
    let app = TestApp::start().await;
    let mine = app.answer(ask("Hi")).await;
    let stranger = app.stranger().await;
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let mut bodies = Vec::new();
    for id in [mine["conversationId"].as_str().unwrap(), unknown] {
        let body = json!({"conversationId": id, "messages": [{"role": "user", "content": "Hi"}]});
        let response = app.post_as(&stranger, "/api/chat", &body).await;
        assert_eq!(response.status(), 404);
        bodies.push(response.text().await.unwrap().replace(id, "ID"));
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn an_idempotency_key_answers_once() {
    let app = TestApp::start().await;
    app.model.says([Reply::text("Only once.")]);
    let send = |body: Value| app.chat().header("idempotency-key", "k1").json(&body).send();
    let first = send(ask("Hi")).await.unwrap();
    let id = first.headers()["x-message-id"].clone();
    assert_eq!(first.text().await.unwrap(), "Only once.");
    let again = send(ask("Hi")).await.unwrap();
    assert_eq!(again.status(), 200);
    assert_eq!(again.headers()["x-message-id"], id);
    assert_eq!(again.text().await.unwrap(), "Only once.");
    let other = send(ask("Something else")).await.unwrap();
    assert_eq!(other.status(), 422);
    assert_eq!(app.used("messages").await, 1);
    assert_eq!(app.model.asked().len(), 1);
}

#[tokio::test]
async fn a_repeated_request_is_replayed_in_any_format() {
    let app = TestApp::start().await;
    app.model.says([Reply::text("Once.")]);
    let ask_in = async |format: &str, question: &str| {
        let request = app.chat_in(format).header("idempotency-key", "k-1").json(&ask(question));
        request.send().await.unwrap()
    };
    let first = ask_in("text", "Hi").await;
    let id = first.headers()["x-message-id"].to_str().unwrap().to_owned();
    assert_eq!(first.text().await.unwrap(), "Once.");

    let events = ask_in("ui", "Hi").await.text().await.unwrap();
    assert!(events.contains("\"delta\":\"Once.\"") && events.contains(&id) && events.ends_with("data: [DONE]\n\n"));
    let whole = ask_in("json", "Hi").await;
    assert_eq!(whole.headers()["idempotent-replayed"], "true");
    let whole: Value = whole.json().await.unwrap();
    assert_eq!((&whole["id"], &whole["content"]), (&json!(id), &json!("Once.")));

    let reused = ask_in("text", "Other").await;
    assert_eq!(reused.status(), 422);
    let problem: Value = reused.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/idempotency-key-reused");
}

/// Without a port, since the client of these tests doesn't show trailers.
#[tokio::test]
async fn text_ends_with_trailers_for_those_who_ask() {
    let app = TestApp::start().await;
    app.model.says([Reply::text("It is so.")]);
    let request = |te: Option<&str>| {
        let mut request = Request::post("/api/chat").header("content-type", "application/json");
        request = request.header("authorization", format!("Bearer {}", app.key));
        request = te.into_iter().fold(request, |request, te| request.header("te", te));
        request.body(Body::from(ask("Hi").to_string())).unwrap()
    };
    let response = app.route(request(Some("trailers"))).await;
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.headers()["trailer"], "x-citations, x-approvals, x-finish-reason, server-timing");
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap();
    assert_eq!(trailers["x-citations"], "[]");
    assert_eq!(trailers["x-finish-reason"], "stop");
    assert!(trailers["server-timing"].to_str().unwrap().starts_with("accept;dur="));
    assert_eq!(body.to_bytes(), "It is so.");

    let plain = app.route(request(None)).await;
    assert!(!plain.headers().contains_key("trailer"));
    assert!(plain.into_body().collect().await.unwrap().trailers().is_none());
}

#[tokio::test]
async fn a_key_in_flight_conflicts_and_cancelling_ends_it() {
    let app = TestApp::start().await;
    app.model.says([Reply::Raw(vec![event(&json!({"content": "Half "}), Value::Null)], After::Stall)]);
    let mut first = app.chat().header("idempotency-key", "k1").json(&ask("Hi")).send().await.unwrap();
    let conversation = first.headers()["x-conversation-id"].to_str().unwrap().to_owned();
    assert_eq!(first.chunk().await.unwrap().unwrap(), "Half ");
    let second = app.chat().header("idempotency-key", "k1").json(&ask("Hi")).send().await.unwrap();
    assert_eq!(second.status(), 409);

    // Someone else can neither see nor stop it.
    let stranger = app.stranger().await;
    let path = format!("/api/chat/{conversation}/stream");
    assert_eq!(app.send_as(&stranger, "GET", &path).await.status(), 204);
    app.send_as(&stranger, "DELETE", &path).await;

    let mut resumed = app.send_as(&app.key, "GET", &path).await;
    assert_eq!(resumed.status(), 200);
    assert!(!resumed.chunk().await.unwrap().unwrap().is_empty());
    assert!(app.send_as(&app.key, "DELETE", &path).await.status().is_success());
    let rest: Vec<u8> = first.bytes().await.map(|bytes| bytes.to_vec()).unwrap_or_default();
    assert!(rest.is_empty(), "nothing after the cancellation");
    app.idle().await;
    assert_eq!(app.send_as(&app.key, "GET", &path).await.status(), 204);
    assert_eq!(app.contents(&conversation).await, ["Hi", "Half "]);
    assert_eq!(app.used("messages").await, 1);
}

#[tokio::test]
async fn a_client_that_leaves_is_billed_once_and_finds_its_answer() {
    let app = TestApp::start().await;
    app.model.says([Reply::text("All of this is stored.")]);
    let response = app.chat().json(&ask("Hi")).send().await.unwrap();
    let message = response.headers()["x-message-id"].to_str().unwrap().to_owned();
    drop(response);
    app.idle().await;
    assert_eq!(app.get(&format!("/api/messages/{message}")).await["content"], "All of this is stored.");
    assert_eq!(app.used("messages").await, 1);
}
