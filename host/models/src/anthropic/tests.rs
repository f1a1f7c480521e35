//! The provider against a scripted upstream on loopback.

use std::sync::Arc;

use futures::StreamExt;
use reqwest::header::HeaderName;
use resly_core::model::{
    FinishReason, Model, ModelError, ModelEvent, ModelMessage, ModelRequest, ReportedUsage, Role, ToolCall, ToolSpec,
    estimate::{TokenEstimate, estimate},
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::Anthropic;
use crate::{
    config::{Endpoint, ModelOptions, Timeouts},
    testing::{End, Reply, Script, upstream},
    upstream::Authentication,
};

const KEY: &str = "sk-ant-very-secret";

fn model(url: &str) -> Anthropic {
    let endpoint = Endpoint { url: url.to_owned(), model: "m".to_owned(), key: Some(SecretString::from(KEY)) };
    let authentication = Authentication::Header(HeaderName::from_static("x-api-key"));
    let timeouts = Timeouts { retry: std::time::Duration::ZERO, ..Timeouts::default() };
    Anthropic::new(ModelOptions { endpoint, authentication, temperature: Some(0.2) }, timeouts).unwrap()
}

fn question() -> ModelRequest {
    ModelRequest {
        instructions: "Answer.".into(),
        passages: vec![],
        messages: vec![ModelMessage::Text { role: Role::User, text: "Hi?".into() }],
        tools: vec![ToolSpec {
            name: "f".into(),
            description: "Does it.".into(),
            parameters: json!({"type": "object", "properties": {"x": {"type": "number"}}}),
            actions: vec![],
        }],
        max_tokens: 100,
    }
}

fn streamed(events: &[Value], end: End) -> Reply {
    let named = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    let parts = events.iter().map(named).collect();
    Reply { status: 200, headers: vec![("content-type", "text/event-stream")], parts, end }
}

fn starts() -> Value {
    let usage = json!({"input_tokens": 9, "output_tokens": 1});
    json!({"type": "message_start", "message": {"content": [], "stop_reason": null, "usage": usage}})
}

fn block(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn says(text: &str) -> [Value; 2] {
    [block(0, json!({"type": "text", "text": ""})), delta(0, json!({"type": "text_delta", "text": text}))]
}

fn stops(reason: &str) -> Vec<Value> {
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    vec![
        json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop"}),
    ]
}

fn calls(json: &[&str]) -> Vec<Value> {
    let call = block(1, json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}));
    let parts = json.iter().map(|part| delta(1, json!({"type": "input_json_delta", "partial_json": part})));
    std::iter::once(call).chain(parts).collect()
}

fn good() -> Reply {
    streamed(&[vec![starts()], says("Hi").to_vec(), stops("end_turn")].concat(), End::Close)
}

async fn ask(url: &str, request: ModelRequest) -> (Vec<ModelEvent>, Option<ModelError>) {
    let stream = match model(url).stream(Arc::new(request)).await {
        Ok(stream) => stream,
        Err(error) => return (vec![], Some(error)),
    };
    let mut events = Vec::new();
    let mut error = None;
    for item in stream.collect::<Vec<_>>().await {
        assert!(error.is_none(), "something came after an error: {item:?}");
        match item {
            Ok(event) => events.push(event),
            Err(failed) => error = Some(failed),
        }
    }
    (events, error)
}

/// The estimate of what the model thought.
fn hidden(events: &[ModelEvent]) -> u64 {
    let mut all = TokenEstimate::default();
    events.iter().for_each(|event| {
        if let ModelEvent::Hidden(thinking) = event {
            all.merge(*thinking)
        }
    });
    all.tokens()
}

async fn answer(events: &[Value], end: End) -> (Vec<ModelEvent>, Option<ModelError>) {
    let (url, _) = upstream(vec![streamed(events, end)]).await;
    ask(&url, question()).await
}

fn sent(script: &Script, n: usize) -> Value {
    script.asked.lock().unwrap()[n].1.clone()
}

#[tokio::test]
async fn an_answer_streams_and_its_tokens_are_running_counts() {
    let (url, script) = upstream(vec![good()]).await;
    let (events, error) = ask(&url, question()).await;
    assert!(error.is_none(), "{error:?}");
    let said = |output| ModelEvent::Usage(ReportedUsage { input: Some(9), cached_input: None, output: Some(output) });
    let expected = [said(1), ModelEvent::Text("Hi".to_owned()), said(7), ModelEvent::Finish(FinishReason::Stop)];
    assert_eq!(events, expected);
    let asked = script.asked.lock().unwrap();
    let (headers, body) = &asked[0];
    assert_eq!(
        (&headers["x-api-key"], &headers["anthropic-version"]),
        (&KEY.parse().unwrap(), &"2023-06-01".parse().unwrap())
    );
    assert!(!headers.contains_key("authorization"));
    assert_eq!((&body["max_tokens"], &body["stream"], &body["temperature"]), (&json!(100), &json!(true), &json!(0.2)));
    assert!(body["system"].as_str().unwrap().starts_with("Answer."));
    assert_eq!(body["messages"], json!([{"role": "user", "content": [{"type": "text", "text": "Hi?"}]}]));
    assert_eq!(body["tools"][0]["input_schema"]["type"], "object");
    assert!(body.get("tool_choice").is_none());
}

#[tokio::test]
async fn a_stream_without_a_stop_reason_is_truncated_and_half_a_call_never_acts() {
    let half = [vec![starts()], says("Hm").to_vec(), calls(&["{\"x\":"])].concat();
    for end in [End::Close, End::Cut] {
        let (events, error) = answer(&half, end).await;
        assert!(!events.iter().any(|event| matches!(event, ModelEvent::ToolCall(_) | ModelEvent::Finish(_))));
        assert!(matches!(error, Some(ModelError::Truncated { .. })), "{error:?}");
    }
    let ended = [half.clone(), vec![json!({"type": "message_stop"})]].concat();
    assert!(matches!(answer(&ended, End::Close).await.1, Some(ModelError::Truncated { .. })));
    let (_, error) = answer(&[half.clone(), stops("max_tokens")].concat(), End::Close).await;
    assert!(matches!(error, Some(ModelError::Protocol { .. })), "{error:?}");
    let (events, error) = answer(&[half, stops("refusal")].concat(), End::Close).await;
    assert!(error.is_none());
    assert_eq!(events.last(), Some(&ModelEvent::Finish(FinishReason::ContentFilter)));
    assert!(!events.iter().any(|event| matches!(event, ModelEvent::ToolCall(_))));
}

#[tokio::test]
async fn an_error_in_the_stream_is_an_error_and_one_before_it_is_tried_again() {
    let failed = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "Overloaded"}});
    let late = [vec![starts()], says("Hi").to_vec(), vec![failed("overloaded_error")], stops("end_turn")].concat();
    let (events, error) = answer(&late, End::Close).await;
    assert!(events.contains(&ModelEvent::Text("Hi".to_owned())));
    assert!(matches!(&error, Some(ModelError::InBand { detail, .. }) if detail == "Overloaded"), "{error:?}");

    let (url, script) = upstream(vec![streamed(&[failed("overloaded_error")], End::Close), good()]).await;
    assert!(ask(&url, question()).await.1.is_none());
    assert_eq!(script.asked.lock().unwrap().len(), 2);
    let (url, script) = upstream(vec![streamed(&[failed("invalid_request_error")], End::Close)]).await;
    assert!(matches!(ask(&url, question()).await.1, Some(ModelError::InBand { .. })));
    assert_eq!(script.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_tells_why_without_the_key_and_an_optional_field_is_left_out() {
    let refused = |message: &str| Reply {
        status: 400,
        headers: vec![],
        parts: vec![
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}}).to_string(),
        ],
        end: End::Close,
    };
    let (url, _) = upstream(vec![refused(&format!("bad key {KEY}"))]).await;
    let (_, error) = ask(&url, question()).await;
    assert!(matches!(&error, Some(ModelError::Refused { detail, .. }) if detail == "bad key [key]"), "{error:?}");

    let (url, script) = upstream(vec![refused("`temperature` is deprecated for this model."), good()]).await;
    assert!(ask(&url, question()).await.1.is_none());
    assert!(sent(&script, 0).get("temperature").is_some() && sent(&script, 1).get("temperature").is_none());
}

#[tokio::test]
async fn thinking_goes_back_where_it_stood_and_results_follow_at_once() {
    let thinking = json!({"type": "thinking", "thinking": "Look first.", "signature": "Eq=="});
    let redacted = json!({"type": "redacted_thinking", "data": "Em4="});
    let round = [
        starts(),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "Look "})),
        delta(0, json!({"type": "thinking_delta", "thinking": "first."})),
        delta(0, json!({"type": "signature_delta", "signature": "Eq=="})),
        block(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "One moment."})),
        block(2, redacted.clone()),
        block(3, json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "{\"x\":"})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "1}"})),
        block(4, json!({"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}})),
    ];
    let (url, script) =
        upstream(vec![streamed(&[round.to_vec(), stops("tool_use")].concat(), End::Close), good()]).await;
    let (events, error) = ask(&url, question()).await;
    assert!(error.is_none(), "{error:?}");
    assert!(!events.iter().any(|event| matches!(event, ModelEvent::Text(text) if text.contains("Look"))));
    assert_eq!(hidden(&events), estimate("Look first."));
    let data =
        events.iter().find_map(|event| if let ModelEvent::Data(data) = event { Some(data.clone()) } else { None });
    let calls: Vec<ToolCall> = events
        .iter()
        .filter_map(|event| if let ModelEvent::ToolCall(call) = event { Some(call.clone()) } else { None })
        .collect();
    let arguments: Vec<&str> = calls.iter().map(|call| call.arguments.as_str()).collect();
    assert_eq!(arguments, ["{\"x\":1}", "{}"]);

    let mut request = question();
    // The model is to answer now.
    request.tools.clear();
    let results = calls.iter().map(|call| ModelMessage::ToolResult {
        call_id: call.id.clone(),
        name: call.name.clone(),
        content: "ok".to_owned(),
    });
    let results: Vec<_> = results.collect();
    request.messages.push(ModelMessage::ToolCalls {
        text: "One moment.".into(),
        calls,
        data: data.unwrap_or_default(),
    });
    request.messages.extend(results);
    assert!(ask(&url, request).await.1.is_none());
    let body = sent(&script, 1);
    let call = |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "f", "input": input});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "ok"});
    assert_eq!(
        body["messages"].as_array().unwrap()[1..],
        [
            json!({"role": "assistant", "content": [thinking, {"type": "text", "text": "One moment."}, redacted,
                call("toolu_1", json!({"x": 1})), call("toolu_2", json!({}))]}),
            json!({"role": "user", "content": [result("toolu_1"), result("toolu_2")]}),
        ]
    );
    assert_eq!(body["tools"], json!([{"name": "f", "input_schema": {"type": "object"}}]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
}

#[tokio::test]
async fn what_is_new_is_skipped_and_endings_are_told() {
    let news =
        [json!({"type": "ping"}), json!({"type": "something_new", "index": 5}), delta(9, json!({"type": "new_delta"}))];
    for (reason, expected) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("tool_use", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Other),
    ] {
        let events = [vec![starts()], news.to_vec(), says("Hi").to_vec(), stops(reason)].concat();
        let (events, error) = answer(&events, End::Close).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(events.last(), Some(&ModelEvent::Finish(expected)), "{reason}");
    }
}
