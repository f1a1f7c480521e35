//! What customers read: answers of `builtin`, and what clients get of a call that failed, hold nothing that is meant for
//! admins, whatever the service, the mapping or the connection is like.

use resly_tests::{
    app::TestApp,
    crm::{self, installed},
    model::Reply,
    service::ScriptedService,
};
use serde_json::{Value, json};

/// Words of admins, operators, authors and services. `{` and `}` stand for raw JSON.
const NOT_FOR_CUSTOMERS: [&str; 14] = [
    "/api/",
    "RESLY_",
    "127.0.0.1",
    "wasm",
    "trap",
    "fuel",
    "manifest",
    "mapping",
    "schema",
    "admin",
    "plan",
    "{",
    "}",
    "<html",
];

async fn ask(app: &TestApp, question: &str) -> Value {
    app.answer(json!({"messages": [{"role": "user", "content": question}]})).await
}

#[track_caller]
fn reads_well(case: &str, text: &str) {
    for word in NOT_FOR_CUSTOMERS {
        assert!(!text.contains(word), "{case}: `{word}` in {text}");
    }
}

#[tokio::test]
async fn whatever_fails_builtin_says_so_in_words_for_customers() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::built_in(&service).await;
    let id = installed_with_answer(&app, &service).await;
    let path = |account: &str| format!("/eu/api/accounts/{account}");
    service.answers(&path("2"), 500, json!({"error": {"message": "<html>stack at 127.0.0.1</html>"}}));
    service.answers(&path("3"), 401, json!({"message": "bad api_key for admin"}));
    service.answers(&path("4"), 429, json!({"message": "plan limit"}));
    service.answers(&path("5"), 200, json!("not an object"));
    service.answers(&path("6"), 404, json!({"detail": "{no} such account at 127.0.0.1"}));
    service.answers(&path("7"), 422, json!({"errors": ["schema"]}));
    for (account, said) in [
        ("2", "please try again later"),
        ("4", "please try again later"),
        ("6", "found nothing that matches"),
        ("5", ""),
        ("7", ""),
        ("3", "the account isn't connected"),
        // The connection waits for its admin from here on.
        ("1", ""),
    ] {
        let answer = ask(&app, &format!("Look up account {account}")).await;
        let content = answer["content"].as_str().unwrap();
        reads_well(account, content);
        assert!(content.contains(said), "{account}: {content}");
        assert_eq!(answer["citations"], json!([]), "{account}: {answer}");
    }
    let logs = app.logs().await;
    assert!(logs.iter().all(|call| call["connection"] == id.as_str()));
    assert!(logs.iter().any(|call| call["message"].as_str().is_some_and(|message| message.contains("stack at"))));
}

async fn installed_with_answer(app: &TestApp, service: &ScriptedService) -> String {
    service.answers("/eu/api/accounts/1", 200, crm::account());
    installed(app, service, "production").await
}

#[tokio::test]
async fn a_cut_result_is_shown_as_far_as_it_goes_and_cited() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::built_in(&service).await;
    installed_with_answer(&app, &service).await;
    let long = json!({"data": {"id": "8", "name": "n".repeat(60_000), "plan": {"name": "Pro"}}});
    service.answers("/eu/api/accounts/8", 200, long);
    let answer = ask(&app, "Look up account 8").await;
    let content = answer["content"].as_str().unwrap();
    reads_well("cut", content);
    assert!(content.contains("Pro") && content.contains("This may not be all of it."), "{content}");
    assert_eq!(answer["citations"].as_array().unwrap().len(), 1, "{answer}");
}

#[tokio::test]
async fn an_answer_that_found_nothing_cites_nothing_in_any_format() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::built_in(&service).await;
    for topic in ["Shipping", "Refunds", "Keys"] {
        app.knows(topic, &format!("# {topic}\n\nOur {topic} page tells how {topic} work, and what they cost.")).await;
    }
    let question = json!({"messages": [{"role": "user", "content": "Who wrote the novel about the white whale?"}]});
    let answer = app.answer(question.clone()).await;
    assert!(answer["content"].as_str().unwrap().starts_with("I found nothing"), "{answer}");
    assert_eq!(answer["citations"], json!([]));
    let text = app.chat().json(&question).send().await.unwrap();
    assert_eq!(text.headers()["x-citations"], "[]");
    let found = json!({"messages": [{"role": "user", "content": "What do refunds cost?"}]});
    let text = app.chat().json(&found).send().await.unwrap();
    let cited: Value = serde_json::from_str(text.headers()["x-citations"].to_str().unwrap()).unwrap();
    let content = text.text().await.unwrap();
    assert!(content.contains("[1]") && cited.as_array().unwrap().len() == 1, "{cited} {content}");
}

#[tokio::test]
async fn clients_get_a_fault_in_words_for_customers_and_models_what_they_can_act_on() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    installed_with_answer(&app, &service).await;
    service.answers("/eu/api/accounts/3", 401, json!({"message": "bad api_key for admin"}));
    app.model.says([Reply::connector("crm", "get_account", json!({"id": "3"})), Reply::text("I can't see that.")]);
    let body = json!({"messages": [{"role": "user", "content": "Which plan is account 3 on?"}]});
    let events = app.chat_in("ui").json(&body).send().await.unwrap().text().await.unwrap();
    let events = TestApp::events(&events);
    let output = events.iter().find(|event| event["type"].as_str().unwrap().starts_with("tool-output")).unwrap();
    assert!(output.to_string().contains("the account isn't connected"), "{output}");
    assert!(!output.to_string().contains("api_key"), "{output}");
    let told = app.model.asked().last().unwrap()["messages"].to_string();
    assert!(told.contains("only the company can connect it") && !told.contains("/api/"), "{told}");
}
