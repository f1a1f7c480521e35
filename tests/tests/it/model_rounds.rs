//! Rounds of a language model, as several providers stream them: what goes back to the provider, what the client sees of its
//! calls, and how an answer that was cut is told.

use std::collections::BTreeSet;

use resly_tests::{
    accounts::Accounts,
    app::TestApp,
    model::{After, Reply, ending, event},
};
use serde_json::{Value, json};

fn ask(words: &str) -> Value {
    json!({"messages": [{"role": "user", "content": words}]})
}

/// A stream of deltas that ends with a finish reason.
fn stream(deltas: &[Value], finish: &str) -> Reply {
    let mut events: Vec<String> = deltas.iter().map(|delta| event(delta, Value::Null)).collect();
    events.push(event(&json!({}), json!(finish)));
    events.push(ending());
    Reply::Raw(events, After::End)
}

/// A whole call, with what its provider sends beside it.
fn call(name: &str, arguments: &Value, beside: Value) -> Value {
    let function = json!({"name": name, "arguments": arguments.to_string()});
    let mut call = json!({"index": 0, "id": "call_0", "type": "function", "function": function});
    call.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
    json!({"tool_calls": [call]})
}

fn search() -> Value {
    json!({"query": "parcels"})
}

#[tokio::test]
async fn a_provider_gets_back_what_it_sent_beside_a_message_and_a_call() {
    let app = TestApp::start().await;
    let google = json!({"google": {"thought_signature": "EjQKMgEMOdbH+/=="}});
    app.model.says([
        stream(
            &[
                json!({"role": "assistant", "content": null, "reasoning_content": ""}),
                json!({"reasoning_content": "Secret-thought "}),
                json!({"reasoning_content": "one."}),
                call("search_knowledge", &search(), json!({"extra_content": google})),
            ],
            "tool_calls",
        ),
        stream(&[json!({"reasoning_content": "Secret-thought two."}), json!({"content": "Done."})], "stop"),
    ]);
    let response = app.chat_in("ui").json(&ask("Where?")).send().await.unwrap();
    let shown = response.text().await.unwrap();
    assert!(!shown.contains("Secret-thought") && !shown.contains("thought_signature"), "{shown}");
    let sent = app.model.asked()[1]["messages"].as_array().unwrap().clone();
    let assistant = sent.iter().find(|message| message["role"] == "assistant").unwrap();
    assert_eq!(assistant["reasoning_content"], "Secret-thought one.");
    assert_eq!(assistant["tool_calls"][0]["extra_content"], google);
    assert_eq!(
        (&assistant["tool_calls"][0]["id"], &sent.last().unwrap()["tool_call_id"]),
        (&json!("call_0"), &json!("call_0"))
    );
}

#[tokio::test]
async fn it_gets_it_back_after_a_customer_confirmed() {
    let accounts = Accounts::start().await.unwrap();
    let app = TestApp::with_egress_to(&accounts.service).await;
    accounts.install(&app, "accounts", json!({})).await;
    let close = json!({"connection": "accounts", "action": "close", "input": {"id": "1"}});
    app.model.says([
        stream(
            &[
                json!({"reasoning_content": "It is to be closed."}),
                call("call_connector", &close, json!({"extra_content": {"google": {"thought_signature": "s"}}})),
            ],
            "tool_calls",
        ),
        Reply::text("It is closed."),
    ]);
    let asked = app.answer(json!({"id": "c", "messages": [{"role": "user", "content": "Close account 1"}]})).await;
    assert_eq!(asked["finishReason"], "tool-calls");
    let told = app.get(&format!("/api/chat/approvals/{}", asked["approvals"][0]["id"].as_str().unwrap())).await;
    let stored = app.get(&format!("/api/messages/{}", asked["id"].as_str().unwrap())).await;
    for shown in [&asked, &told, &stored] {
        assert!(
            !shown.to_string().contains("It is to be closed.") && !shown.to_string().contains("signature"),
            "{shown}"
        );
    }
    app.answer(json!({"id": "c", "messages": [{"role": "user", "content": "yes"}]})).await;
    assert_eq!(accounts.closed().len(), 1);
    let sent = app.model.asked()[1]["messages"].clone();
    let called = sent.as_array().unwrap().iter().find(|message| message["tool_calls"].is_array()).unwrap();
    assert_eq!(called["reasoning_content"], "It is to be closed.");
    assert_eq!(called["tool_calls"][0]["extra_content"]["google"]["thought_signature"], "s");
    assert_eq!(called["tool_calls"][0]["id"], "call_0");
}

#[tokio::test]
async fn calls_of_two_rounds_have_ids_of_their_own_in_the_stream() {
    let app = TestApp::start().await;
    let round =
        || stream(&[json!({"content": "Let me look."}), call("search_knowledge", &search(), json!({}))], "tool_calls");
    app.model.says([round(), round(), Reply::text("Done.")]);
    let response = app.chat_in("ui").json(&ask("Where?")).send().await.unwrap();
    let chunks = TestApp::events(&response.text().await.unwrap());
    let ids = |kind: &str| -> Vec<String> {
        let of = chunks.iter().filter(|chunk| chunk["type"] == kind);
        of.map(|chunk| chunk["toolCallId"].as_str().unwrap().to_owned()).collect()
    };
    let (started, ended) = (ids("tool-input-available"), ids("tool-output-available"));
    assert_eq!(started, ended);
    assert_eq!(started.iter().collect::<BTreeSet<_>>().len(), 2, "{started:?}");
    let parts: Vec<&str> = chunks
        .iter()
        .filter(|chunk| chunk["type"] == "text-delta")
        .map(|chunk| chunk["delta"].as_str().unwrap())
        .collect();
    assert_eq!(parts.concat(), "Let me look.Let me look.Done.", "a part begins with its first word");
    let last = chunks.iter().rfind(|chunk| chunk["type"] == "finish").unwrap();
    assert_eq!((&last["finishReason"], &last["messageMetadata"]["finishReason"]), (&json!("stop"), &json!("stop")));
}

#[tokio::test]
async fn an_answer_that_is_cut_says_so_in_every_format() {
    for (finish, told) in [("length", "length"), ("content_filter", "content-filter"), ("something_new", "other")] {
        let app = TestApp::start().await;
        app.model.says((0..3).map(|_| stream(&[json!({"content": "Half an ans"})], finish)));
        let answer = app.answer(ask("Why?")).await;
        assert_eq!(answer["finishReason"], told);
        assert!(answer["content"].as_str().unwrap().contains("[The answer is cut here"), "{answer}");
        let stored = app.get(&format!("/api/messages/{}", answer["id"].as_str().unwrap())).await;
        assert_eq!(stored["finishReason"], told);
        let ui = app.chat_in("ui").json(&ask("Why?")).send().await.unwrap().text().await.unwrap();
        assert_eq!(TestApp::events(&ui).iter().rfind(|chunk| chunk["type"] == "finish").unwrap()["finishReason"], told);
        let text = app.chat().json(&ask("Why?")).send().await.unwrap().text().await.unwrap();
        assert!(text.contains("[The answer is cut here"), "{text}");
    }
}

#[tokio::test]
async fn thinking_is_neither_shown_nor_stored() {
    let app = TestApp::start().await;
    let pieces = ["<thi", "nk>Secret-thought", ". </th", "ink>\n\n", "It ", "ships."];
    let deltas: Vec<Value> = pieces.iter().map(|piece| json!({"content": piece})).collect();
    app.model.says([stream(&deltas, "stop"), stream(&deltas, "stop"), stream(&deltas[..2], "length")]);
    let answer = app.answer(ask("Where?")).await;
    assert_eq!(answer["content"], "It ships.");
    assert_eq!(app.get(&format!("/api/messages/{}", answer["id"].as_str().unwrap())).await["content"], "It ships.");
    let text = app.chat().json(&ask("Where?")).send().await.unwrap();
    assert_eq!(text.text().await.unwrap(), "It ships.");
    let cut = app.answer(ask("Where?")).await;
    assert!(!cut.to_string().contains("Secret-thought") && cut["finishReason"] == "length", "{cut}");
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again_and_else_told_as_one() {
    for status in [500, 502, 503, 504, 529, 408] {
        let app = TestApp::start().await;
        app.model.says([Reply::Status(status, json!({"error": {"message": "oops"}})), Reply::text("Hello.")]);
        assert_eq!(app.answer(ask("Hi")).await["content"], "Hello.", "{status}");

        let failing = || Reply::Status(status, json!({"error": {"message": "oops"}}));
        app.model.says([failing(), failing()]);
        let response = app.chat().json(&ask("Hi")).send().await.unwrap();
        assert!(response.headers().contains_key("retry-after"), "{status}");
        let problem: Value = response.json().await.unwrap();
        let kind = if matches!(status, 503 | 529) { "model-busy" } else { "model-unavailable" };
        assert_eq!(problem["type"], format!("/docs/problems/{kind}"), "{status}");
    }
    // A wait that is too long is told, in whole seconds.
    let app = TestApp::start().await;
    app.model.says([Reply::Says(429, ("retry-after-ms", "41500".to_owned()))]);
    let response = app.chat().json(&ask("Hi")).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "42");
}

#[tokio::test]
async fn a_server_that_refuses_a_field_is_asked_without_it() {
    let settings = [("RESLY_MODEL_TEMPERATURE", "0.3"), ("RESLY_MODEL_MAX_TOKENS", "77")];
    let app = TestApp::with_settings(&settings).await;
    let refusal = |param: &str| {
        Reply::Status(400, json!({"error": {"message": format!("Unsupported parameter: '{param}'"), "param": param}}))
    };
    app.model.says([refusal("max_tokens"), refusal("temperature"), Reply::text("One."), Reply::text("Two.")]);
    assert_eq!(app.answer(ask("Hi")).await["content"], "One.");
    assert_eq!(app.answer(ask("Hi")).await["content"], "Two.");
    let asked = app.model.asked();
    assert_eq!((asked.len(), &asked[0]["max_tokens"], &asked[0]["temperature"]), (4, &json!(77), &json!(0.3)));
    assert_eq!((&asked[3]["max_completion_tokens"], asked[3].get("temperature")), (&json!(77), None));
}
