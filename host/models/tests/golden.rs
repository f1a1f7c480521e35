//! Answers of providers, replayed streamed and unstreamed: the same text, calls and tokens come of both
//! (`golden/README.md` names the documentation).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, response::IntoResponse, routing::post};
use futures::StreamExt;
use resly_core::model::{
    FinishReason, Model, ModelError, ModelEvent, ModelMessage, ModelRequest, ReportedUsage, Role, ToolCall,
};
use resly_models::{Endpoint, ModelConfig, ModelProvider};
use serde_json::{Value, json};

/// What a provider says of an answer's tokens.
fn said(input: u64, cached_input: Option<u64>, output: u64) -> ReportedUsage {
    ReportedUsage { input: Some(input), cached_input, output: Some(output) }
}

/// Each provider's answers, with the tokens of the round that calls a tool, and of the one that answers.
fn golden() -> Vec<(&'static str, ModelProvider, [ReportedUsage; 2])> {
    use ModelProvider::{Anthropic, OpenAi};
    let nothing = ReportedUsage::default();
    vec![
        ("openai", OpenAi, [said(1311, Some(0), 81), said(1502, Some(1280), 9)]),
        ("azure", OpenAi, [said(1309, Some(0), 17), said(1498, Some(1024), 9)]),
        // What is written to the cache and what is read from it are parts of the input.
        ("anthropic", Anthropic, [said(395 + 1024, Some(0), 93), said(601 + 1024, Some(1024), 12)]),
        ("anthropic-compatible", OpenAi, [said(1420, None, 57), said(1621, None, 12)]),
        // The thinking, which only the total has, is a part of the output.
        ("gemini", OpenAi, [said(1288, None, 18 + 112), said(1466, None, 10 + 41)]),
        ("mistral", OpenAi, [said(1377, None, 16), said(1569, None, 11)]),
        ("ollama", OpenAi, [said(1254, None, 21), said(1433, None, 10)]),
        ("ollama-without-usage", OpenAi, [nothing, nothing]),
        ("vllm", OpenAi, [said(1301, None, 14), said(1487, None, 7)]),
    ]
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

type Replies = Arc<Mutex<VecDeque<(u16, String)>>>;

async fn play(State(replies): State<Replies>, body: Bytes) -> impl IntoResponse {
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["messages"].is_array());
    let (status, reply) = replies.lock().unwrap().pop_front().expect("one more request than there are replies");
    let kind = if reply.starts_with('{') { "application/json" } else { "text/event-stream" };
    (axum::http::StatusCode::from_u16(status).unwrap(), [("content-type", kind)], reply)
}

/// A model of the provider, whose server sends these replies.
async fn model(provider: ModelProvider, replies: impl IntoIterator<Item = (u16, String)>) -> Arc<dyn Model> {
    let replies: Replies = Arc::new(Mutex::new(replies.into_iter().collect()));
    let router =
        Router::new().route("/v1/chat/completions", post(play)).route("/v1/messages", post(play)).with_state(replies);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let endpoint = Endpoint { url, model: "m".to_owned(), key: None };
    resly_models::model(Some(&ModelConfig { provider, endpoint, temperature: None })).unwrap()
}

/// What came of an answer.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    /// As the provider names it.
    model: String,
    text: String,
    /// Name and arguments.
    calls: Vec<(String, Value)>,
    usage: ReportedUsage,
    finish: Option<FinishReason>,
    failed: bool,
}

async fn ask(model: &dyn Model) -> Answer {
    let request = ModelRequest {
        instructions: "Answer.".to_owned(),
        passages: vec![],
        messages: vec![ModelMessage::Text { role: Role::User, text: "How long do parcels take?".to_owned() }],
        tools: vec![],
        max_tokens: 100,
    };
    let mut answer = Answer::default();
    let mut stream = model.stream(Arc::new(request)).await.unwrap();
    while let Some(event) = stream.next().await {
        match event {
            Ok(ModelEvent::Model(model)) => answer.model = model,
            Ok(ModelEvent::Text(text)) => answer.text.push_str(&text),
            Ok(ModelEvent::ToolCall(ToolCall { name, arguments, .. })) => {
                answer.calls.push((name, serde_json::from_str(&arguments).unwrap()));
            }
            Ok(ModelEvent::Usage(usage)) => answer.usage = usage,
            Ok(ModelEvent::Finish(reason)) => answer.finish = Some(reason),
            Ok(ModelEvent::Data(_) | ModelEvent::Cites(_) | ModelEvent::Hidden(_)) => {}
            Err(ModelError::Truncated { .. }) => answer.failed = true,
            Err(error) => panic!("{error}"),
        }
    }
    answer
}

#[tokio::test]
async fn a_streamed_answer_takes_the_tokens_of_the_same_answer_unstreamed() {
    for (name, provider, [calling, answering]) in golden() {
        let names = [format!("{name}-tools"), name.to_owned()];
        let mut sums = Vec::new();
        for form in ["sse", "json"] {
            let model = model(provider, names.iter().map(|name| (200, file(&format!("{name}.{form}"))))).await;
            let (call, answer) = (ask(&*model).await, ask(&*model).await);
            assert_eq!(call.calls, [("search_knowledge".to_owned(), json!({"query": "parcels"}))], "{name}.{form}");
            assert_eq!((call.finish, call.usage), (Some(FinishReason::ToolCalls), calling), "{name}.{form}");
            assert_eq!(answer.text, "Parcels take two days [1].", "{name}.{form}");
            assert_eq!((answer.finish, answer.usage), (Some(FinishReason::Stop), answering), "{name}.{form}");
            let sum = |count: fn(&ReportedUsage) -> Option<u64>| Some(count(&call.usage)? + count(&answer.usage)?);
            sums.push((
                sum(|usage| usage.input),
                sum(|usage| usage.cached_input),
                sum(|usage| usage.output),
                call.text,
                (call.model, answer.model),
            ));
        }
        assert!(!sums[0].4.0.is_empty(), "{name}");
        assert_eq!(sums[0], sums[1], "{name}");
    }
}

#[tokio::test]
async fn of_a_stream_that_breaks_what_was_said_last_is_known() {
    let cases = [
        // Only the last chunk would have told.
        ("openai", ModelProvider::OpenAi, 4, ReportedUsage::default()),
        ("vllm", ModelProvider::OpenAi, 4, said(1487, None, 3)),
        ("gemini", ModelProvider::OpenAi, 2, said(1466, None, 5 + 41)),
        // The input is known from the start; the output is a placeholder.
        ("anthropic", ModelProvider::Anthropic, 5, said(601 + 1024, Some(1024), 2)),
    ];
    for (name, provider, events, expected) in cases {
        let whole = file(&format!("{name}.sse"));
        let cut: String = whole.split_inclusive("\n\n").take(events).collect();
        let answer = ask(&*model(provider, [(200, cut)]).await).await;
        assert!(answer.failed && answer.finish.is_none() && !answer.text.is_empty(), "{name}: {answer:?}");
        assert_eq!(answer.usage, expected, "{name}");
    }
}

#[tokio::test]
async fn a_repeated_attempt_counts_once() {
    for (name, provider, [_, answering]) in golden() {
        let busy = (503, json!({"error": {"type": "overloaded_error", "message": "busy"}}).to_string());
        let answer = ask(&*model(provider, [busy, (200, file(&format!("{name}.sse")))]).await).await;
        assert_eq!((answer.finish, answer.usage), (Some(FinishReason::Stop), answering), "{name}");
    }
}
