//! The provider against a scripted upstream on loopback.

mod calls;
mod data;
mod refusals;

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use resly_core::model::{
    FinishReason, Model, ModelError, ModelEvent, ModelMessage, ModelRequest, ProviderData, ReportedUsage, Role,
    ToolCall,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{OpenAi, OpenAiConfig, Timeouts};
use crate::testing::{End, Reply, upstream};

const KEY: &str = "sk-very-secret";

fn timeouts() -> Timeouts {
    Timeouts {
        first_event: Duration::from_secs(20),
        idle: Duration::from_secs(20),
        linger: Duration::from_secs(20),
        retry: Duration::ZERO,
        longest_retry: Duration::from_secs(1),
        connect: Duration::from_secs(5),
    }
}

fn model(url: &str, timeouts: Timeouts) -> OpenAi {
    OpenAi::new(OpenAiConfig { timeouts, ..OpenAiConfig::new(url, "m", Some(SecretString::from(KEY))) }).unwrap()
}

fn question() -> ModelRequest {
    ModelRequest {
        instructions: "Answer.".into(),
        passages: vec![],
        messages: vec![ModelMessage::Text { role: Role::User, text: "Hi?".into() }],
        tools: vec![],
        max_tokens: 100,
    }
}

async fn ask(url: &str, timeouts: Timeouts) -> (Vec<ModelEvent>, Option<ModelError>) {
    let stream = match model(url, timeouts).stream(Arc::new(question())).await {
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

fn sse(chunks: &[Value]) -> Vec<String> {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

fn done(chunks: &[Value]) -> Vec<String> {
    let mut parts = sse(chunks);
    parts.push("data: [DONE]\n\n".into());
    parts
}

fn streamed(parts: Vec<String>, end: End) -> Reply {
    Reply { status: 200, headers: vec![("content-type", "text/event-stream")], parts, end }
}

fn refused(status: u16, headers: Vec<(&'static str, &'static str)>, body: &str) -> Reply {
    Reply { status, headers, parts: vec![body.into()], end: End::Close }
}

fn says(text: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
}

fn finishes(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// One answer to one reply.
async fn answer(parts: Vec<String>, end: End) -> (Vec<ModelEvent>, Option<ModelError>) {
    let (url, _) = upstream(vec![streamed(parts, end)]).await;
    ask(&url, timeouts()).await
}

fn text(events: &[ModelEvent]) -> String {
    let texts = events.iter().map(|event| if let ModelEvent::Text(text) = event { text.as_str() } else { "" });
    texts.collect()
}

/// How the answer ended, and what was said last of its tokens.
fn finish(events: &[ModelEvent]) -> Option<(FinishReason, ReportedUsage)> {
    let Some(ModelEvent::Finish(reason)) = events.last() else { return None };
    let reported = events.iter().rev().find_map(|event| match event {
        ModelEvent::Usage(usage) => Some(*usage),
        _ => None,
    });
    Some((*reason, reported.unwrap_or_default()))
}

fn said(input: u64, output: u64) -> ReportedUsage {
    ReportedUsage { input: Some(input), cached_input: None, output: Some(output) }
}

fn calls(events: &[ModelEvent]) -> Vec<&ToolCall> {
    let calls =
        events.iter().filter_map(|event| if let ModelEvent::ToolCall(call) = event { Some(call) } else { None });
    calls.collect()
}

#[tokio::test]
async fn an_answer_streams_and_its_usage_comes_late() {
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "details": {"x": 1}}});
    let parts = done(&[says("Hel"), says("lo"), finishes("stop"), usage]);
    let (url, script) = upstream(vec![streamed(parts, End::Close)]).await;
    let (events, error) = ask(&url, timeouts()).await;
    assert!(error.is_none());
    assert_eq!(text(&events), "Hello");
    assert_eq!(finish(&events), Some((FinishReason::Stop, said(9, 2))));
    let asked = script.asked.lock().unwrap();
    let (headers, body) = &asked[0];
    assert_eq!(headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(headers["accept"], "text/event-stream");
    assert_eq!(body["stream_options"]["include_usage"], true);
}

#[tokio::test]
async fn neither_usage_nor_done_is_needed() {
    let (events, error) = answer(sse(&[says("Hi"), finishes("stop")]), End::Close).await;
    assert!(error.is_none());
    assert_eq!(finish(&events), Some((FinishReason::Stop, ReportedUsage::default())));
}

#[tokio::test]
async fn an_end_that_is_owed_is_not_waited_for_long() {
    let (url, _) = upstream(vec![streamed(sse(&[says("Hi"), finishes("stop")]), End::Hang)]).await;
    let (events, error) = ask(&url, Timeouts { linger: Duration::from_millis(20), ..timeouts() }).await;
    assert!(error.is_none());
    assert_eq!(finish(&events).map(|(reason, _)| reason), Some(FinishReason::Stop));
}

#[tokio::test]
async fn a_stream_without_a_finish_reason_is_truncated() {
    for (parts, end) in [
        (sse(&[says("Hi")]), End::Close),
        (done(&[says("Hi")]), End::Close),
        (sse(&[says("Hi")]), End::Cut),
        (vec![], End::Close),
    ] {
        let said = if parts.is_empty() { "" } else { "Hi" };
        let (events, error) = answer(parts, end).await;
        assert_eq!(text(&events), said);
        assert!(finish(&events).is_none());
        assert!(matches!(error, Some(ModelError::Truncated { .. })), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_after_its_finish_reason_is_whole() {
    let (events, error) = answer(sse(&[says("Hi"), finishes("stop")]), End::Cut).await;
    assert!(error.is_none());
    assert!(finish(&events).is_some());
}

#[tokio::test]
async fn an_error_in_the_stream_is_an_error() {
    let in_band: [String; 5] = [
        r#"data: {"error":{"message":"overloaded","type":"server_error"}}"#.into(),
        r#"data: {"error":"overloaded"}"#.into(),
        r#"data: {"object":"error","message":"overloaded"}"#.into(),
        "event: error\ndata: overloaded".into(),
        r#"data: {"choices":[{"delta":{},"finish_reason":"error","error":{"message":"overloaded"}}]}"#.into(),
    ];
    for last in in_band {
        let mut parts = sse(&[says("Hi")]);
        parts.push(format!("{last}\n\n"));
        parts.extend(done(&[finishes("stop")]));
        let (events, error) = answer(parts, End::Close).await;
        assert_eq!(text(&events), "Hi");
        assert!(finish(&events).is_none());
        assert!(matches!(&error, Some(ModelError::InBand { detail, .. }) if detail == "overloaded"), "{error:?}");
    }
}

#[tokio::test]
async fn a_model_that_stalls_is_told_apart_from_one_that_ended() {
    let (url, _) = upstream(vec![streamed(sse(&[says("Hi")]), End::Hang)]).await;
    let (events, error) = ask(&url, Timeouts { idle: Duration::from_millis(20), ..timeouts() }).await;
    assert_eq!(text(&events), "Hi");
    assert!(matches!(error, Some(ModelError::Stalled { seconds: 1, .. })), "{error:?}");
    // Comments are no events.
    let (url, _) = upstream(vec![streamed(vec![": thinking\n\n".into()], End::Hang)]).await;
    let (events, error) = ask(&url, Timeouts { first_event: Duration::from_millis(200), ..timeouts() }).await;
    assert!(events.is_empty());
    assert!(matches!(error, Some(ModelError::Stalled { .. })), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_read_breaks_the_protocol() {
    for part in ["data: {\"choices\":[{\n\n", "data: hello\n\n", "data: {\"choices\":\"x\"}\n\n"] {
        let (events, error) = answer(vec![part.into()], End::Close).await;
        assert!(events.is_empty());
        assert!(matches!(error, Some(ModelError::Protocol { .. })), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let whole = json!({
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    });
    let json = |body: Value| refused(200, vec![("content-type", "application/json; charset=utf-8")], &body.to_string());
    let (url, _) = upstream(vec![json(whole), json(json!({"error": {"message": "no such model"}}))]).await;
    let (events, error) = ask(&url, timeouts()).await;
    assert!(error.is_none());
    assert_eq!(text(&events), "Hello");
    assert_eq!(finish(&events), Some((FinishReason::Stop, said(3, 1))));
    let (_, error) = ask(&url, timeouts()).await;
    assert!(matches!(&error, Some(ModelError::InBand { detail, .. }) if detail == "no such model"), "{error:?}");
}

#[test]
fn a_base_url_is_checked_and_its_secrets_are_not_told() {
    for url in ["", "localhost:11434/v1", "ftp://x/v1", "http://"] {
        assert!(OpenAi::new(OpenAiConfig::new(url, "m", None)).is_err(), "{url}");
    }
    let error = OpenAi::new(OpenAiConfig::new("ftp://me:secret@x/v1?key=secret", "m", None)).err().unwrap();
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_connection_serves_one_answer_after_another() {
    let parts = || done(&[says("Hi"), finishes("stop")]);
    let ends = [End::Close, End::Late, End::Close, End::Late];
    let (url, script) = upstream(ends.map(|end| streamed(parts(), end)).to_vec()).await;
    let model = model(&url, timeouts());
    for _ in ends {
        let events: Vec<_> = model.stream(Arc::new(question())).await.unwrap().collect().await;
        assert!(events.iter().all(Result::is_ok));
        // What is left of a response is read on a task of its own.
        for _ in 0..2000 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(script.callers.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn thinking_is_no_part_of_an_answer() {
    let cases: [(&[&str], &str); 4] = [
        (&["<th", "ink>secret", "</thi", "nk>\n", "\nHello"], "Hello"),
        (&["<think>secret"], ""),
        (&["<think>", "</think>", "Hello"], "Hello"),
        (&["Hello ", "there <3"], "Hello there <3"),
    ];
    for (pieces, expected) in cases {
        let mut chunks: Vec<Value> = pieces.iter().map(|piece| says(piece)).collect();
        chunks.push(finishes("stop"));
        let (events, error) = answer(done(&chunks), End::Close).await;
        assert!(error.is_none());
        assert_eq!(text(&events), expected, "{pieces:?}");
    }
}

#[tokio::test]
async fn endings_other_than_a_stop_are_told() {
    for (name, reason) in [
        ("stop", FinishReason::Stop),
        ("STOP", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
        ("SAFETY", FinishReason::ContentFilter),
        ("something_new", FinishReason::Other),
    ] {
        let (events, error) = answer(done(&[says("Hi"), finishes(name)]), End::Close).await;
        assert!(error.is_none());
        assert_eq!(finish(&events).map(|(reason, _)| reason), Some(reason), "{name}");
    }
}

#[tokio::test]
async fn an_answer_is_known_by_its_first_byte_and_not_by_its_content_type() {
    let typed = |content_type: &'static str, parts: Vec<String>| Reply {
        status: 200,
        headers: vec![("content-type", content_type)],
        parts,
        end: End::Close,
    };
    let events = || done(&[says("Hello"), finishes("stop")]);
    let whole = json!({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}).to_string();
    let (head, tail) = whole.split_at(20);
    let replies = vec![
        typed("application/json", events()),
        typed("text/plain", events()),
        typed("application/json", [vec!["\u{FEFF}".to_owned(), "\n".to_owned()], events()].concat()),
        typed("text/event-stream", vec![" \n".to_owned(), head.to_owned(), tail.to_owned()]),
        typed("application/octet-stream", vec![whole.clone()]),
    ];
    let many = replies.len();
    let (url, _) = upstream(replies).await;
    for n in 0..many {
        let (events, error) = ask(&url, timeouts()).await;
        assert!(error.is_none(), "{n}: {error:?}");
        assert_eq!(text(&events), "Hello", "{n}");
    }
    let refusal = typed("text/event-stream", vec![r#"{"error": {"message": "no credit"}}"#.to_owned()]);
    let (url, _) = upstream(vec![refusal]).await;
    let (_, error) = ask(&url, timeouts()).await;
    assert!(matches!(&error, Some(ModelError::InBand { detail, .. }) if detail == "no credit"), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_fails_before_its_first_word_is_asked_for_again() {
    let good = || streamed(done(&[says("Hi"), finishes("stop")]), End::Close);
    let in_band = |code: u16| {
        let event = format!("data: {{\"error\":{{\"code\":{code},\"message\":\"over\"}}}}\n\n");
        streamed(vec![event], End::Close)
    };
    for failing in
        [in_band(502), in_band(429), streamed(vec![], End::Cut), streamed(vec![": hello\n\n".into()], End::Cut)]
    {
        let (url, script) = upstream(vec![failing, good()]).await;
        let (events, error) = ask(&url, timeouts()).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!((text(&events).as_str(), script.asked.lock().unwrap().len()), ("Hi", 2));
    }
    // What doesn't pass, or comes after a word, is not.
    for failing in [in_band(400), streamed(sse(&[says("Hi")]), End::Cut)] {
        let (url, script) = upstream(vec![failing, good()]).await;
        let (_, error) = ask(&url, timeouts()).await;
        assert!(error.is_some());
        assert_eq!(script.asked.lock().unwrap().len(), 1);
    }
}
