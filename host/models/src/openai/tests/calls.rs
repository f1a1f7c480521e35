//! Tool calls come whole or not at all.

use super::*;

#[tokio::test]
async fn parallel_calls_in_fragments_come_whole_and_last() {
    let part = |index: u64, id: &str, name: &str, arguments: &str| {
        let call =
            json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        json!({"choices": [{"index": 0, "delta": {"content": null, "tool_calls": [call]}}]})
    };
    let parts = done(&[
        says("Let me see. "),
        part(0, "a", "call_connector", ""),
        part(1, "b", "search_knowledge", "{\"query\":"),
        part(0, "", "", "{\"action\":\"find\"}"),
        part(1, "", "", "\"x\"}"),
        finishes("tool_calls"),
    ]);
    let (events, error) = answer(parts, End::Close).await;
    assert!(error.is_none());
    assert_eq!(text(&events), "Let me see. ");
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        data: ProviderData::default(),
    };
    assert_eq!(
        calls(&events),
        [&call("a", "call_connector", "{\"action\":\"find\"}"), &call("b", "search_knowledge", "{\"query\":\"x\"}")]
    );
    assert_eq!(finish(&events).map(|(reason, _)| reason), Some(FinishReason::ToolCalls));
}

#[tokio::test]
async fn calls_under_any_finish_reason_are_calls() {
    for reason in ["stop", "function_call", "tool_calls", "length"] {
        let call = json!({"function": {"name": "f", "arguments": {"x": 1}}});
        let parts = done(&[json!({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": reason}]})]);
        let (events, error) = answer(parts, End::Close).await;
        assert!(error.is_none());
        assert_eq!(calls(&events)[0].arguments, "{\"x\": 1}".replace(' ', ""));
        assert_eq!(finish(&events).map(|(reason, _)| reason), Some(FinishReason::ToolCalls), "{reason}");
    }
}

#[tokio::test]
async fn half_a_call_never_acts() {
    let half = json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":"}}]}}]});
    for end in [End::Close, End::Cut] {
        let (events, error) = answer(sse(std::slice::from_ref(&half)), end).await;
        assert!(events.is_empty());
        assert!(matches!(error, Some(ModelError::Truncated { .. })));
    }
    let (events, error) = answer(done(&[half.clone(), finishes("length")]), End::Close).await;
    assert!(events.is_empty());
    assert!(matches!(error, Some(ModelError::Protocol { .. })));
    let (events, _) = answer(done(&[half.clone(), finishes("content_filter")]), End::Close).await;
    assert_eq!(finish(&events).map(|(reason, _)| reason), Some(FinishReason::ContentFilter));
    assert!(calls(&events).is_empty());
    // A stream that ended well with words that aren't JSON: the turn tells the model so.
    let (events, error) = answer(done(&[half, finishes("tool_calls")]), End::Close).await;
    assert!(error.is_none());
    assert_eq!(calls(&events)[0].arguments, "{\"x\":");
}
