//! Data beside the API's own members. It goes back to the server with the next request.

use resly_core::model::estimate::{TokenEstimate, estimate};

use super::*;

/// The members of the last request's message that has tool calls.
fn question_after(events: &[ModelEvent]) -> ModelRequest {
    let data =
        events.iter().find_map(|event| if let ModelEvent::Data(data) = event { Some(data.clone()) } else { None });
    let calls: Vec<ToolCall> = calls(events).into_iter().cloned().collect();
    let results = calls.iter().map(|call| ModelMessage::ToolResult {
        call_id: call.id.clone(),
        name: call.name.clone(),
        content: "ok".to_owned(),
    });
    let results: Vec<ModelMessage> = results.collect();
    let mut request = question();
    request.messages.push(ModelMessage::ToolCalls { text: text(events), calls, data: data.unwrap_or_default() });
    request.messages.extend(results);
    request
}

/// What the server gets back, in the next round, of the message that it sent.
async fn returned(parts: Vec<String>) -> (Vec<ModelEvent>, Value) {
    let good = streamed(done(&[says("Hi"), finishes("stop")]), End::Close);
    let (url, script) = upstream(vec![streamed(parts, End::Close), good]).await;
    let model = model(&url, timeouts());
    let events: Vec<_> = model.stream(Arc::new(question())).await.unwrap().map(Result::unwrap).collect().await;
    let _: Vec<_> = model.stream(Arc::new(question_after(&events))).await.unwrap().collect().await;
    let sent = script.asked.lock().unwrap()[1].1["messages"][2].clone();
    (events, sent)
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

#[tokio::test]
async fn a_tool_round_gives_the_server_back_what_it_sent_beside_its_calls() {
    let call = |extra: Value| {
        let mut call = json!({"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        call.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        delta(json!({"tool_calls": [call]}))
    };
    // The shapes of DeepSeek and Kimi, of Gemini's compatible API, and of OpenRouter.
    let thought = |text: &str| delta(json!({"content": null, "reasoning_content": text}));
    let (events, sent) = returned(done(&[
        delta(json!({"role": "assistant", "content": null, "reasoning_content": ""})),
        thought("The order "),
        thought("first."),
        thought(" "),
        thought(" "),
        call(json!({})),
        finishes("tool_calls"),
    ]))
    .await;
    assert_eq!(sent["reasoning_content"], "The order first.  ");
    assert_eq!(text(&events), "", "reasoning is not the answer");
    let mut thought = TokenEstimate::default();
    events.iter().for_each(|event| {
        if let ModelEvent::Hidden(thinking) = event {
            thought.merge(*thinking)
        }
    });
    assert_eq!(thought.tokens(), estimate("The order first.  "));

    let google = json!({"google": {"thought_signature": "EjQK+/=="}});
    let (_, sent) = returned(done(&[call(json!({"extra_content": google.clone()})), finishes("stop")])).await;
    assert_eq!(sent["tool_calls"][0]["extra_content"], google);
    assert!(sent.get("extra_content").is_none());

    let detail = |text: &str| {
        delta(json!({"reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text, "index": 0}]}))
    };
    let parts = done(&[detail("Let "), detail("me."), call(json!({})), finishes("tool_calls")]);
    let (_, sent) = returned(parts).await;
    assert_eq!(sent["reasoning"], "Let me.");
    assert_eq!(sent["reasoning_details"], json!([{"type": "reasoning.text", "text": "Let me.", "index": 0}]));

    let (events, sent) = returned(done(&[
        says("<thi"),
        says("nk>Look"),
        says(" first.</think>\n\nOne moment."),
        call(json!({})),
        finishes("tool_calls"),
    ]))
    .await;
    assert_eq!(text(&events), "One moment.");
    assert_eq!(sent["content"], "<think>Look first.</think>\n\nOne moment.");
}

#[tokio::test]
async fn too_much_data_is_left_out_whole() {
    let long = "x".repeat(600 << 10);
    let call =
        delta(json!({"tool_calls": [{"id": "c", "signature": "s", "function": {"name": "f", "arguments": "{}"}}]}));
    let think = || delta(json!({"reasoning_content": long}));
    let (events, sent) = returned(done(&[call, think(), think(), finishes("tool_calls")])).await;
    assert_eq!(calls(&events).len(), 1);
    assert!(sent.get("reasoning_content").is_none() && sent["tool_calls"][0].get("signature").is_none());
}
