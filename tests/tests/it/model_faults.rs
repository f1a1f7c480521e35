//! A model that misbehaves: each way is a clear typed outcome, nothing is lost, nothing is billed twice.

use resly_tests::{
    app::TestApp,
    model::{After, Reply, event},
};
use serde_json::{Value, json};

fn ask() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}]})
}

fn token(text: &str) -> String {
    event(&json!({"content": text}), Value::Null)
}

#[tokio::test]
async fn what_fails_before_the_first_byte_is_a_problem() {
    let cases = [
        (
            "in-band error",
            Reply::Raw(vec!["data: {\"error\":{\"message\":\"sk-secret overloaded\"}}\n\n".to_owned()], After::End),
            502,
        ),
        ("no finish reason", Reply::Raw(vec!["data: [DONE]\n\n".to_owned()], After::End), 502),
        ("cut at once", Reply::Raw(vec![], After::Cut), 502),
        ("not an event stream", Reply::Raw(vec!["data: <html>\n\n".to_owned()], After::End), 502),
        ("refused", Reply::Status(401, json!({"error": {"message": "bad key sk-secret"}})), 502),
        (
            "half a tool call, then cut",
            Reply::Raw(
                vec![event(
                    &json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "call_connector", "arguments": "{\"connec"}}]}),
                    Value::Null,
                )],
                After::Cut,
            ),
            502,
        ),
        (
            "half a tool call, then an end without a reason",
            Reply::Raw(
                vec![
                    event(
                        &json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "call_connector", "arguments": "{"}}]}),
                        Value::Null,
                    ),
                    "data: [DONE]\n\n".to_owned(),
                ],
                After::End,
            ),
            502,
        ),
    ];
    for (name, reply, status) in cases {
        let app = TestApp::start().await;
        app.model.says([reply.clone(), reply]);
        let response = app.chat().json(&ask()).send().await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        let text = response.text().await.unwrap();
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert!(problem["type"].as_str().unwrap().starts_with("/docs/problems/"), "{name}: {text}");
        assert!(!text.contains("sk-secret"), "{name}: the provider's words stay in the log");
        app.idle().await;
        assert_eq!(app.used("messages").await, 0, "{name}");
    }
}

#[tokio::test]
async fn what_fails_after_the_first_byte_never_looks_like_success() {
    let app = TestApp::start().await;
    let in_band = "data: {\"error\":{\"message\":\"sk-secret\"}}\n\n".to_owned();
    for broken in [
        Reply::Raw(vec![token("Half an "), token("answer")], After::End),
        Reply::Raw(vec![token("Half a line\n"), in_band], After::End),
    ] {
        breaks_off(&app, &broken).await;
    }
    app.idle().await;
    assert_eq!(app.used("messages").await, 4, "those that saw text are counted, once each");
}

/// Asks in each format for an answer that breaks off.
async fn breaks_off(app: &TestApp, broken: &Reply) {
    app.model.says([broken.clone(), broken.clone(), broken.clone()]);
    let text = app.chat().json(&ask()).send().await.unwrap();
    assert_eq!(text.status(), 200);
    assert!(text.text().await.is_err(), "the connection is reset");

    let ui = app.chat_in("ui").json(&ask()).send().await.unwrap().text().await.unwrap();
    let types: Vec<String> =
        TestApp::events(&ui).iter().map(|chunk| chunk["type"].as_str().unwrap().to_owned()).collect();
    assert!(types.contains(&"error".to_owned()) && !types.contains(&"finish".to_owned()), "{types:?}");

    let json = app.chat().header("accept", "application/json").json(&ask()).send().await.unwrap();
    assert_eq!(json.status(), 502);
    let problem = json.text().await.unwrap();
    assert!(problem.contains("/docs/problems/model-broken"), "{problem}");
    assert!(!ui.contains("sk-secret") && !problem.contains("sk-secret"), "the provider's words stay in the log");
}

#[tokio::test]
async fn a_tool_that_is_not_there_or_does_not_fit_is_told_so() {
    let app = TestApp::start().await;
    app.model.says([
        Reply::Calls(
            String::new(),
            vec![
                ("rm_rf".to_owned(), json!({})),
                ("call_connector".to_owned(), json!({"connection": "nobody", "action": "x", "input": {}})),
            ],
        ),
        Reply::text("I can't do that."),
    ]);
    let answer = app.answer(ask()).await;
    assert_eq!(answer["content"], "I can't do that.");
    let told = app.model.asked()[1]["messages"].to_string();
    assert!(told.contains("unknown_tool") && told.contains("unknown_action"), "{told}");
    assert_eq!(app.used("connector_calls").await, 0);
}

#[tokio::test]
async fn a_model_that_loops_on_tools_is_stopped() {
    let app = TestApp::start().await;
    app.model.says((0..20).map(|_| Reply::call("search_knowledge", json!({"query": "x"}))));
    let response = app.chat().json(&ask()).send().await.unwrap();
    assert_eq!(response.status(), 502);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/tool-loop");
    assert!(app.model.asked().len() < 12);
    app.idle().await;
    assert_eq!(app.used("messages").await, 0);
}
