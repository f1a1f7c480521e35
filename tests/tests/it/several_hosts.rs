//! What holds for an answer that another host of the same database writes.

use reqwest::Response;
use resly_tests::{
    app::TestApp,
    model::{After, Reply, event},
};
use serde_json::{Value, json};

fn ask(question: &str) -> Value {
    json!({"messages": [{"role": "user", "content": question}]})
}

/// Two hosts, and an answer that the first one has begun and won't end by itself.
async fn writing() -> (TestApp, TestApp, Response) {
    let (writer, other) = TestApp::pair_reaching("127.0.0.1:9".parse().unwrap()).await;
    writer.model.says([Reply::Raw(vec![event(&json!({"content": "Half "}), Value::Null)], After::Stall)]);
    let mut response = writer.chat().header("idempotency-key", "k1").json(&ask("Hi")).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "Half ");
    (writer, other, response)
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn an_answer_is_cancelled_on_any_host() {
    let (writer, other, response) = writing().await;
    let (conversation, message) = (header(&response, "x-conversation-id"), header(&response, "x-message-id"));
    let path = format!("/api/chat/{conversation}/stream");

    // Someone else can't, nor does another answer end with it.
    let stranger = other.stranger().await;
    assert_eq!(other.send_as(&stranger, "DELETE", &path).await.status(), 204);
    writer.host().turns.cancel_requested().await.unwrap();
    assert_eq!(other.get(&format!("/api/messages/{message}")).await["status"], "streaming");
    writer.model.says([Reply::Raw(vec![event(&json!({"content": "More "}), Value::Null)], After::Stall)]);
    let mut unrelated = writer.chat().json(&ask("Hi")).send().await.unwrap();
    assert_eq!(unrelated.chunk().await.unwrap().unwrap(), "More ");

    assert_eq!(other.send_as(&other.key, "DELETE", &path).await.status(), 204);
    writer.host().turns.cancel_requested().await.unwrap();
    let message = format!("/api/messages/{message}");
    let rest = response.bytes().await.unwrap_or_default();
    assert!(rest.is_empty(), "nothing after the cancellation");
    let answer = other.get(&message).await;
    assert_eq!((&answer["status"], &answer["content"]), (&json!("cancelled"), &json!("Half ")));
    assert_eq!(other.send_as(&other.key, "GET", &path).await.status(), 204);
    assert_eq!(writer.host().turns.live.count(), 1, "the other answer goes on");
    assert_eq!(writer.used("messages").await, 2);
}

#[tokio::test]
async fn following_an_answer_on_another_host_says_where_to_read_it() {
    let (writer, other, response) = writing().await;
    let (conversation, message) = (header(&response, "x-conversation-id"), header(&response, "x-message-id"));
    let path = format!("/api/chat/{conversation}/stream");
    let stranger = other.stranger().await;
    assert_eq!(other.send_as(&stranger, "GET", &path).await.status(), 204);

    let refused = other.send_as(&other.key, "GET", &path).await;
    assert_eq!(refused.status(), 409);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/answer-elsewhere");
    assert!(problem["detail"].as_str().unwrap().contains(&format!("GET /api/messages/{message}")), "{problem}");

    // A host that died leaves a turn that nobody writes.
    other.later(writer.host().turns.limits.lease * 2);
    assert_eq!(other.send_as(&other.key, "GET", &path).await.status(), 204);
}

#[tokio::test]
async fn a_retry_is_told_to_wait_for_the_lease_of_the_writing_host() {
    let (writer, other, _response) = writing().await;
    let retry = async |app: &TestApp| app.chat().header("idempotency-key", "k1").json(&ask("Hi")).send().await.unwrap();
    let here = retry(&writer).await;
    assert_eq!((here.status().as_u16(), header(&here, "retry-after")), (409, "1"), "the host knows that it is alive");
    let elsewhere = retry(&other).await;
    assert_eq!((elsewhere.status().as_u16(), header(&elsewhere, "retry-after")), (409, "30"));

    // The other host has heard nothing of the writer since.
    let lease = other.host().turns.limits.lease;
    other.later(lease - std::time::Duration::from_secs(10));
    let soon = retry(&other).await;
    let seconds: u64 = header(&soon, "retry-after").parse().unwrap();
    assert!(soon.status() == 409 && (1..=10).contains(&seconds), "{seconds}");
    other.later(std::time::Duration::from_secs(10));
    other.model.says([Reply::text("Anew.")]);
    let anew = retry(&other).await;
    assert_eq!((anew.status().as_u16(), anew.text().await.unwrap()), (200, "Anew.".to_owned()));
    assert_eq!(other.used("messages").await, 1);
}
