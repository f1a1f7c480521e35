//! What a stranger may send: each is a typed problem, and none is counted.

use resly_tests::app::TestApp;
use serde_json::{Value, json};

#[tokio::test]
async fn a_body_that_is_wrong_says_what_is_wrong() {
    let app = TestApp::start().await;
    let many: Vec<Value> = (0..5_000).map(|_| json!({"role": "user", "content": "x"})).collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("not JSON", b"{\"messages\": [".to_vec()),
        ("nothing", Vec::new()),
        ("invalid UTF-8", b"{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}".to_vec()),
        ("a list", b"[]".to_vec()),
        ("no messages", b"{}".to_vec()),
        ("empty history", json!({"messages": []}).to_string().into_bytes()),
        ("messages of the wrong type", json!({"messages": "hi"}).to_string().into_bytes()),
        ("content of the wrong type", json!({"messages": [{"role": "user", "content": 7}]}).to_string().into_bytes()),
        ("unknown role", json!({"messages": [{"role": "root", "content": "x"}]}).to_string().into_bytes()),
        ("an empty question", json!({"messages": [{"role": "user", "content": "  "}]}).to_string().into_bytes()),
        (
            "the assistant speaks last",
            json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]})
                .to_string()
                .into_bytes(),
        ),
        (
            "a bad id",
            json!({"conversationId": "../../etc", "messages": [{"role": "user", "content": "x"}]})
                .to_string()
                .into_bytes(),
        ),
        (
            "an id of the wrong type",
            json!({"conversationId": 5, "messages": [{"role": "user", "content": "x"}]}).to_string().into_bytes(),
        ),
        ("a huge history", json!({"messages": many}).to_string().into_bytes()),
        ("deep nesting", format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)).into_bytes()),
    ];
    for (name, body) in cases {
        let response = app.chat().header("content-type", "application/json").body(body).send().await.unwrap();
        let status = response.status().as_u16();
        assert!(matches!(status, 400 | 404 | 413 | 422), "{name}: {status}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{name}");
        let problem: Value = response.json().await.unwrap();
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{name}: {problem}");
    }
    assert_eq!(app.used("messages").await, 0);
    assert!(app.model.asked().is_empty());
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused() {
    let app = TestApp::start().await;
    let body = json!({"messages": [{"role": "user", "content": "x".repeat(3 << 20)}]}).to_string();
    let response = app.chat().header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let app = TestApp::start().await;
    let response = app.chat().header("content-type", "text/plain").body("hi").send().await.unwrap();
    assert_eq!(response.status(), 415);
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_too() {
    let app = TestApp::start().await;
    let missing = app.send_as(&app.key, "GET", "/api/nothing").await;
    assert_eq!(missing.status(), 404);
    assert_eq!(missing.headers()["content-type"], "application/problem+json");
    let wrong = app.send_as(&app.key, "GET", "/api/chat").await;
    assert_eq!(wrong.status(), 405);
    assert_eq!(wrong.headers()["allow"], "POST");
    let problem: Value = wrong.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/method-not-allowed");
}

#[tokio::test]
async fn a_message_that_never_was_and_one_of_another_s_look_the_same() {
    let app = TestApp::start().await;
    let mine = app.answer(json!({"messages": [{"role": "user", "content": "Hi"}]})).await;
    let stranger = app.stranger().await;
    let id = mine["id"].as_str().or(mine["messageId"].as_str()).unwrap();
    for id in [id, "01890a5d-ac96-774b-bcce-b302099a8057", "nonsense"] {
        assert_eq!(app.send_as(&stranger, "GET", &format!("/api/messages/{id}")).await.status(), 404, "{id}");
    }
}
