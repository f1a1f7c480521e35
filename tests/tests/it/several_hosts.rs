//! What holds for an answer that another host of the same database writes.

use std::{sync::Arc, time::Duration};

use reqwest::Response;
use resly_core::{id::MessageId, turn::store::AnswerWriter};
use resly_store::HostLease;
use resly_tests::{
    app::TestApp,
    model::{After, Reply, ending, event},
    relay::TcpRelay,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

pub fn ask(question: &str) -> Value {
    json!({"messages": [{"role": "user", "content": question}]})
}

fn piece(text: &str) -> String {
    event(&json!({"content": text}), Value::Null)
}

/// Two hosts, and an answer that the first one has begun and won't end by itself.
pub async fn writing() -> (TestApp, TestApp, Response) {
    let (writer, other) = TestApp::pair_reaching("127.0.0.1:9".parse().unwrap()).await;
    writer.model.says([Reply::Raw(vec![piece("Half ")], After::Stall)]);
    let mut response = writer.chat().header("idempotency-key", "k1").json(&ask("Hi")).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "Half ");
    (writer, other, response)
}

/// The same, with an answer that ends when the gate is notified: "Half done."
async fn writing_until_told() -> (TestApp, TestApp, Response, Arc<Notify>) {
    let (writer, other) = TestApp::pair_reaching("127.0.0.1:9".parse().unwrap()).await;
    let rest = vec![piece("done."), event(&json!({}), json!("stop")), ending()];
    let gate = writer.model.says_after(vec![piece("Half ")], rest);
    let mut response = writer.chat().json(&ask("Hi")).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "Half ");
    (writer, other, response, gate)
}

pub fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers()[name].to_str().unwrap()
}

fn stream_of(response: &Response) -> String {
    format!("/api/chat/{}/stream", header(response, "x-conversation-id"))
}

fn message_of(response: &Response) -> String {
    format!("/api/messages/{}", header(response, "x-message-id"))
}

/// Says of a host where others reach it, and for how long from now it counts as running.
pub async fn announce(host: &TestApp, url: Option<&str>, lease: Duration) {
    let (app, url) = (host.host(), url.map(str::to_owned));
    let now = app.clock.now();
    let lease = HostLease { id: app.cluster.id, url, version: "test", now, lease_until: now.plus(lease) };
    app.store.renew_host(lease).await.unwrap();
}

/// An address that nobody listens on.
const NOBODY: &str = "http://127.0.0.1:9";
const LONG: Duration = Duration::from_secs(1000);

#[tokio::test]
async fn an_answer_is_cancelled_on_any_host() {
    let (writer, other, response) = writing().await;
    let (path, message) = (stream_of(&response), message_of(&response));

    // Someone else can't, nor does another answer end with it.
    let stranger = other.stranger().await;
    assert_eq!(other.send_as(&stranger, "DELETE", &path).await.status(), 204);
    writer.host().turns.cancel_requested().await.unwrap();
    assert_eq!(other.get(&message).await["status"], "streaming");
    writer.model.says([Reply::Raw(vec![piece("More ")], After::Stall)]);
    let mut unrelated = writer.chat().json(&ask("Hi")).send().await.unwrap();
    assert_eq!(unrelated.chunk().await.unwrap().unwrap(), "More ");

    assert_eq!(other.send_as(&other.key, "DELETE", &path).await.status(), 204);
    let rest = response.bytes().await.unwrap_or_default();
    assert!(rest.is_empty(), "nothing after the cancellation");
    let answer = other.get(&message).await;
    assert_eq!((&answer["status"], &answer["content"]), (&json!("cancelled"), &json!("Half ")));
    assert_eq!(other.send_as(&other.key, "GET", &path).await.status(), 204);
    assert_eq!(writer.host().turns.live.count(), 1, "the other answer goes on");

    // The writing host can't be reached: it finds the request in the database.
    announce(&writer, Some(NOBODY), LONG).await;
    assert_eq!(other.send_as(&other.key, "DELETE", &stream_of(&unrelated)).await.status(), 204);
    writer.host().turns.cancel_requested().await.unwrap();
    let message = message_of(&unrelated);
    assert!(unrelated.bytes().await.unwrap_or_default().is_empty());
    assert_eq!(other.get(&message).await["status"], "cancelled");
    assert_eq!(writer.used("messages").await, 2);
}

#[tokio::test]
async fn an_answer_is_the_same_byte_for_byte_on_any_host() {
    for format in ["text", "ui", "json"] {
        let (writer, other) = TestApp::pair_reaching("127.0.0.1:9".parse().unwrap()).await;
        writer.knows("Colours", "The sky is blue. \u{1f535}").await;
        let rest = vec![piece("blue. [1]"), event(&json!({}), json!("stop")), ending()];
        writer.model.says([Reply::Calls(
            "Let me see.".to_owned(),
            vec![("search_knowledge".to_owned(), json!({"query": "sky"}))],
        )]);
        let gate = writer.model.says_after(vec![piece("It is \"")], rest);
        let mut asked = writer.chat_in("ui").json(&ask("Which colour is the sky?")).send().await.unwrap();
        let mut seen = String::new();
        while !seen.contains("It is") {
            seen.push_str(&String::from_utf8_lossy(&asked.chunk().await.unwrap().unwrap()));
        }
        let path = format!("{}?format={format}", stream_of(&asked));
        let answer = header(&asked, "x-message-id").parse().map(MessageId).unwrap();
        let live = writer.host().turns.live.find_answer(writer.organization(), answer).unwrap();

        let before = Arc::strong_count(&live);
        let read = async |app: &TestApp| {
            let response = app.send_as(&app.key, "GET", &path).await;
            let status = response.status();
            let mut headers = response.headers().clone();
            headers.remove("date");
            (status, headers, response.bytes().await.unwrap())
        };
        let released = async {
            while Arc::strong_count(&live) < before + 2 {
                tokio::task::yield_now().await;
            }
            gate.notify_one();
        };
        let (here, there, ()) = tokio::join!(read(&writer), read(&other), released);
        assert_eq!(here.0, 200);
        assert!(String::from_utf8_lossy(&here.2).contains("blue"), "{here:?}");
        assert_eq!(here, there, "{format}");
    }
}

#[tokio::test]
async fn a_reader_on_another_host_loses_nothing_when_the_connection_breaks() {
    let (writer, other, asked, gate) = writing_until_told().await;
    let direct = TcpRelay::start(writer.address()).await;
    announce(&writer, Some(&direct.url), LONG).await;
    let mut followed = other.send_as(&other.key, "GET", &stream_of(&asked)).await;
    assert_eq!(followed.chunk().await.unwrap().unwrap(), "Half ");
    direct.cut();
    // It asks again, and gets what came before a second time.
    while direct.connections() < 2 {
        tokio::task::yield_now().await;
    }
    gate.notify_one();
    assert_eq!(followed.text().await.unwrap(), "done.");
}

/// A host that drains refuses new connections and still writes.
#[tokio::test]
async fn an_answer_of_a_host_that_refuses_connections_is_read_when_it_has_ended() {
    for format in ["text", "ui", "json"] {
        let (writer, other, asked, gate) = writing_until_told().await;
        let nobody = TcpRelay::start("127.0.0.1:9".parse().unwrap()).await;
        announce(&writer, Some(&nobody.url), LONG).await;
        let path = format!("{}?format={format}", stream_of(&asked));
        let tried = async {
            while nobody.connections() == 0 {
                tokio::task::yield_now().await;
            }
            gate.notify_one();
        };
        let (followed, ()) = tokio::join!(other.send_as(&other.key, "GET", &path), tried);
        assert_eq!(followed.status(), 200);
        let text = followed.text().await.unwrap();
        assert!(text.contains("Half ") && text.contains("done."), "{format}: {text}");
        if format == "ui" {
            assert_eq!(TestApp::events(&text).last().unwrap()["messageMetadata"]["status"], "complete", "{text}");
        }
    }
}

#[tokio::test]
async fn an_answer_of_a_host_that_is_gone_is_marked_as_interrupted() {
    let (writer, other, asked, gate) = writing_until_told().await;
    let (path, message) = (stream_of(&asked), message_of(&asked));
    let mut streams = vec![other.send_as(&other.key, "GET", &path).await];
    assert_eq!(streams[0].chunk().await.unwrap().unwrap(), "Half ");
    let direct = TcpRelay::start(writer.address()).await;
    announce(&writer, Some(&direct.url), LONG).await;
    streams.push(other.send_as(&other.key, "GET", &path).await);
    assert_eq!(streams[1].chunk().await.unwrap().unwrap(), "Half ");

    // The host doesn't answer, and its lease is over.
    announce(&writer, Some(NOBODY), Duration::ZERO).await;
    direct.cut();
    let json = other.send_as(&other.key, "GET", &format!("{path}?format=json")).await;
    let answer: Value = json.json().await.unwrap();
    assert_eq!((&answer["status"], &answer["content"]), (&json!("interrupted"), &json!("")), "{answer}");
    assert!(streams.pop().unwrap().text().await.is_err(), "a broken answer doesn't look like success");
    assert_eq!(other.send_as(&other.key, "GET", &path).await.status(), 204, "nothing is in progress any more");
    assert_eq!(other.get(&message).await["status"], "interrupted");

    // The host was slow: what it writes now comes too late.
    gate.notify_one();
    writer.idle().await;
    assert_eq!(writer.get(&message).await["status"], "interrupted");
    assert_eq!(writer.used("messages").await, 1);
    drop(streams);
}

#[tokio::test]
async fn following_an_answer_of_a_host_without_an_address_says_where_to_read_it() {
    let (writer, other, response) = writing().await;
    let (path, message) = (stream_of(&response), header(&response, "x-message-id").to_owned());
    let stranger = other.stranger().await;
    assert_eq!(other.send_as(&stranger, "GET", &path).await.status(), 204);

    announce(&writer, None, LONG).await;
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
async fn a_host_tells_the_others_where_it_is_until_it_ends() {
    let (writer, other, response) = writing().await;
    let (answer, organization) =
        (header(&response, "x-message-id").parse().map(MessageId).unwrap(), writer.organization());
    let id = writer.host().cluster.id;
    let known = async || {
        let now = other.host().clock.now();
        other.host().turns.store.answer_writer(organization, answer, now).await.unwrap().unwrap()
    };
    let url = format!("http://{}", writer.address());
    assert_eq!(known().await, AnswerWriter { host: Some(id), url: Some(url), alive: true });
    writer.host().cluster.leave().await;
    assert_eq!(known().await, AnswerWriter { host: Some(id), url: None, alive: false });
}

#[tokio::test]
async fn a_retry_is_told_to_wait_for_the_lease_of_the_writing_host() {
    let (writer, other, _response) = writing().await;
    announce(&writer, Some(NOBODY), LONG).await;
    let retry = async |app: &TestApp| app.chat().header("idempotency-key", "k1").json(&ask("Hi")).send().await.unwrap();
    let here = retry(&writer).await;
    assert_eq!((here.status().as_u16(), header(&here, "retry-after")), (409, "1"), "the host knows that it is alive");
    let elsewhere = retry(&other).await;
    assert_eq!((elsewhere.status().as_u16(), header(&elsewhere, "retry-after")), (409, "30"));

    // The other host has heard nothing of the writer since.
    let lease = other.host().turns.limits.lease;
    other.later(lease - Duration::from_secs(10));
    let soon = retry(&other).await;
    let seconds: u64 = header(&soon, "retry-after").parse().unwrap();
    assert!(soon.status() == 409 && (1..=10).contains(&seconds), "{seconds}");
    other.later(Duration::from_secs(10));
    other.model.says([Reply::text("Anew.")]);
    let anew = retry(&other).await;
    assert_eq!((anew.status().as_u16(), anew.text().await.unwrap()), (200, "Anew.".to_owned()));
    assert_eq!(other.used("messages").await, 1);
}

#[tokio::test]
async fn a_retry_takes_the_place_of_a_host_that_is_gone() {
    let (writer, other, response) = writing().await;
    let retry = async |app: &TestApp| app.chat().header("idempotency-key", "k1").json(&ask("Hi")).send().await.unwrap();
    // The host was slow to renew its lease, and runs.
    let direct = format!("http://{}", writer.address());
    announce(&writer, Some(&direct), Duration::ZERO).await;
    assert_eq!(retry(&other).await.status(), 409);
    assert_eq!(retry(&writer).await.status(), 409);

    announce(&writer, Some(NOBODY), Duration::ZERO).await;
    other.model.says([Reply::text("Anew.")]);
    let anew = retry(&other).await;
    assert_eq!((anew.status().as_u16(), anew.text().await.unwrap()), (200, "Anew.".to_owned()));
    let (first, again) = (other.get(&message_of(&response)).await, retry(&other).await);
    assert_eq!(first["status"], "interrupted");
    assert_eq!((header(&again, "idempotent-replayed"), other.used("messages").await), ("true", 1));
}
