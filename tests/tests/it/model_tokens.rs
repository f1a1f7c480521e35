//! The tokens of models through a whole host: what providers say of them, in an answer, in the report and at a limit. The
//! providers' answers are those of `host/models/tests/golden`.

use std::path::Path;

use resly_tests::{
    app::TestApp,
    model::{After, Reply},
};
use serde_json::{Value, json};

const METERS: [&str; 3] = ["model_input_tokens", "model_cached_input_tokens", "model_output_tokens"];
/// Providers with OpenAI's API, and the tokens of two rounds: input, cached input, output.
const COMPATIBLE: [(&str, [u64; 3]); 7] = [
    ("openai", [1311 + 1502, 1280, 81 + 9]),
    ("azure", [1309 + 1498, 1024, 17 + 9]),
    ("anthropic-compatible", [1420 + 1621, 0, 57 + 12]),
    ("gemini", [1288 + 1466, 0, 18 + 112 + 10 + 41]),
    ("mistral", [1377 + 1569, 0, 16 + 11]),
    ("ollama", [1254 + 1433, 0, 21 + 10]),
    ("vllm", [1301 + 1487, 0, 14 + 7]),
];
const NATIVE: [(&str, [u64; 3]); 1] = [("anthropic", [395 + 1024 + 601 + 1024, 1024, 93 + 12])];

fn ask(words: &str) -> Value {
    json!({"messages": [{"role": "user", "content": words}]})
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/models/tests/golden").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The events of a provider's stream.
fn events(name: &str) -> Vec<String> {
    file(&format!("{name}.sse")).split_inclusive("\n\n").map(str::to_owned).collect()
}

fn reply(name: &str, streamed: bool) -> Reply {
    if streamed {
        Reply::Raw(events(name), After::End)
    } else {
        Reply::Status(200, serde_json::from_str(&file(&format!("{name}.json"))).unwrap())
    }
}

async fn report(app: &TestApp) -> Value {
    app.send_as(&app.admin, "GET", "/api/admin/usage").await.json().await.unwrap()
}

/// Each provider's answer with a round of tools, streamed and unstreamed: in the answer, as it is stored, and in the report.
async fn assert_counted(app: &TestApp, providers: &[(&str, [u64; 3])]) {
    let mut used = [0; 3];
    for (name, [input, cached, output]) in providers {
        for streamed in [true, false] {
            app.model.says([reply(&format!("{name}-tools"), streamed), reply(name, streamed)]);
            let answer = app.answer(ask("How long do parcels take?")).await;
            assert!(answer["content"].as_str().unwrap().ends_with("Parcels take two days [1]."), "{name}: {answer}");
            let usage = json!({"inputTokens": input, "cachedInputTokens": cached, "outputTokens": output,
                "estimated": false});
            assert_eq!(answer["usage"], usage, "{name}, streamed: {streamed}");
            let stored = app.get(&format!("/api/messages/{}", answer["id"].as_str().unwrap())).await;
            assert_eq!(stored["usage"], usage, "{name}");
            used = [used[0] + input, used[1] + cached, used[2] + output];
        }
    }
    let report = report(app).await;
    for (meter, used) in METERS.into_iter().zip(used) {
        assert_eq!(report["meters"][meter], json!({"used": used, "limit": null, "estimated": 0}));
    }
    assert_eq!(report["meters"]["messages"]["used"], 2 * providers.len());
}

#[tokio::test]
async fn what_providers_say_is_what_is_counted() {
    assert_counted(&TestApp::start().await, &COMPATIBLE).await;
    assert_counted(&TestApp::with_settings(&[("RESLY_MODEL_API", "anthropic")]).await, &NATIVE).await;
}

#[tokio::test]
async fn what_a_provider_does_not_say_is_estimated_and_marked() {
    let app = TestApp::start().await;
    app.model.says([reply("ollama-without-usage-tools", true), reply("ollama-without-usage", true)]);
    let answer = app.answer(ask("How long do parcels take?")).await;
    let usage = &answer["usage"];
    assert_eq!(usage["estimated"], true, "{usage}");
    let (input, output) = (usage["inputTokens"].as_u64().unwrap(), usage["outputTokens"].as_u64().unwrap());
    // Instructions, tools and the dialogue, twice; a call and a sentence.
    assert!((500..20_000).contains(&input) && (10..40).contains(&output), "{usage}");
    let report = report(&app).await;
    assert_eq!(report["meters"][METERS[0]], json!({"used": input, "limit": null, "estimated": input}));
    assert_eq!(report["meters"][METERS[2]], json!({"used": output, "limit": null, "estimated": output}));
}

#[tokio::test]
async fn a_cancelled_answer_counts_what_was_said_last() {
    let app = TestApp::start().await;
    app.model.says([Reply::Raw(events("vllm").into_iter().take(4).collect(), After::Stall)]);
    let mut response = app.chat().json(&ask("Hi")).send().await.unwrap();
    let (mut text, expected) = (String::new(), "Parcels take two");
    while text != expected {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let (conversation, message) = (header("x-conversation-id"), header("x-message-id"));
    app.send_as(&app.key, "DELETE", &format!("/api/chat/{conversation}/stream")).await;
    app.idle().await;
    let stored = app.get(&format!("/api/messages/{message}")).await;
    assert_eq!((&stored["status"], &stored["content"]), (&json!("cancelled"), &json!(expected)));
    let usage = &stored["usage"];
    assert_eq!((&usage["inputTokens"], &usage["outputTokens"]), (&json!(1487), &json!(3)), "{usage}");
}

#[tokio::test]
async fn a_failed_answer_gives_the_message_back_and_keeps_its_tokens() {
    let app = TestApp::with_settings(&[("RESLY_MODEL_API", "anthropic")]).await;
    let start = events("anthropic").into_iter().take(1);
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    app.model.says([Reply::Raw(start.chain([format!("event: error\ndata: {overloaded}\n\n")]).collect(), After::End)]);
    assert_eq!(app.chat_in("json").json(&ask("Hi")).send().await.unwrap().status(), 502);
    app.idle().await;
    assert_eq!(app.used("messages").await, 0);
    assert_eq!((app.used(METERS[0]).await, app.used(METERS[2]).await), (601 + 1024, 2));
}

#[tokio::test]
async fn a_limit_on_tokens_refuses_before_the_model_is_asked() {
    let app = TestApp::start().await;
    app.limit(json!({"model_output_tokens": 5})).await;
    app.answer(ask("1")).await;
    assert_eq!(app.used("model_output_tokens").await, 7, "an answer that is being written is finished");
    let refused = app.chat().json(&ask("2")).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/limit-reached");
    let limit = &problem["limit"];
    assert_eq!(
        (&limit["meter"], &limit["limit"], &limit["used"]),
        (&json!("model_output_tokens"), &json!(5), &json!(7))
    );
    assert!(problem["detail"].as_str().unwrap().contains("is finished"), "{problem}");
    assert_eq!(app.model.asked().len(), 1);
    assert_eq!(app.used("messages").await, 1);
    // A search asks no model.
    assert!(app.post("/api/search", &json!({"query": "x"})).await.status().is_success());
    app.limit(json!({"model_output_tokens": null})).await;
    app.answer(ask("2")).await;
}
