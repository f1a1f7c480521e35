//! Writes wait for a person, in every format: asked, confirmed or not, and made once.

use futures::future::join_all;
use reqwest::Response;
use resly_tests::{accounts::Accounts, app::TestApp, model::Reply};
use serde_json::{Value, json};

const WORDS: &str = "Before I do this, please confirm:\n\n`Our accounts: Close an account`\n- `id: \"1\"`\n\nReply `yes` to go ahead \
                     or `no` to leave it. Unanswered, it lapses after 15 minutes.";

async fn start() -> (TestApp, Accounts) {
    let accounts = Accounts::start().await.unwrap();
    let app = TestApp::with_egress_to(&accounts.service).await;
    (app, accounts)
}

fn close(id: &str) -> Reply {
    Reply::connector("accounts", "close", json!({"id": id}))
}

fn user(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

fn going_on(conversation: &str, text: &str) -> Value {
    json!({"conversationId": conversation, "messages": [{"role": "user", "content": text}]})
}

/// A question whose answer asks; the conversation and the approvals.
async fn asks(app: &TestApp) -> (String, Vec<Value>) {
    let answer = app.answer(user("Close account 1")).await;
    let approvals = answer["approvals"].as_array().unwrap().clone();
    assert!(!approvals.is_empty(), "{answer}");
    (answer["conversationId"].as_str().unwrap().to_owned(), approvals)
}

fn path(approval: &Value) -> String {
    format!("/api/chat/approvals/{}", approval["id"].as_str().unwrap())
}

async fn json(response: Response) -> Value {
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    assert!(status.is_success(), "{status}: {body}");
    body
}

#[tokio::test]
async fn in_json_the_answer_asks_and_a_yes_does_it_once() {
    let (app, accounts) = start().await;
    let connection = accounts.install(&app, "accounts", json!({})).await;
    let calls = app.used("connector_calls").await;
    app.model.says([close("1"), Reply::text("It is closed [1].")]);
    let answer = app.answer(user("Close account 1")).await;
    assert_eq!(answer["content"], WORDS);
    let approval = &answer["approvals"][0];
    assert_eq!(approval["title"], "Our accounts: Close an account");
    assert_eq!(approval["text"], "`Our accounts: Close an account`\n- `id: \"1\"`");
    assert!(approval["expiresAt"].is_string());
    assert!(accounts.closed().is_empty());
    assert_eq!(app.used("connector_calls").await, calls, "nothing was called, so nothing is counted");
    let found = app.get(&path(approval)).await;
    assert_eq!((&found["state"], &found["input"]), (&json!("pending"), &json!({"id": "1"})));
    assert_eq!((&found["action"], &found["connection"]), (&json!("close"), &json!(connection)));

    let conversation = answer["conversationId"].as_str().unwrap();
    let answer = app.answer(going_on(conversation, "Yes.")).await;
    assert_eq!(answer["content"], "It is closed [1].");
    assert_eq!(answer["citations"][0]["sourceId"], connection.as_str());
    let closed = accounts.closed();
    assert_eq!(closed.len(), 1);
    assert_eq!((closed[0].method.as_str(), closed[0].target.as_str()), ("POST", "/accounts/1/close"));
    assert_eq!(app.used("connector_calls").await, calls + 1);
    let found = app.get(&path(approval)).await;
    assert_eq!(found["state"], "executed");
    assert_eq!(found["outcome"]["output"], json!({"id": "1", "state": "closed"}));
    let stored = app.get(&format!("/api/messages/{}", answer["id"].as_str().unwrap())).await;
    assert_eq!(stored["steps"][0]["approval"], approval["id"]);
    let logs = app.logs().await;
    assert_eq!((&logs[0]["action"], &logs[0]["status"]), (&json!("close"), &json!("ok")));

    // Another yes is one to nothing.
    app.answer(going_on(conversation, "yes")).await;
    assert_eq!(accounts.closed().len(), 1);
}

#[tokio::test]
async fn in_text_the_header_names_what_is_asked() {
    let (app, accounts) = start().await;
    accounts.install(&app, "accounts", json!({})).await;
    app.model.says([close("1"), Reply::text("Left as it is.")]);
    let response = app.chat().json(&user("Close account 1")).send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let (conversation, approval) = (header("x-conversation-id"), header("x-approvals"));
    assert_eq!(response.text().await.unwrap(), WORDS);
    let response = app.chat().json(&going_on(&conversation, "no, thanks")).send().await.unwrap();
    assert!(!response.headers().contains_key("x-approvals"));
    assert_eq!(response.text().await.unwrap(), "Left as it is.");
    assert!(accounts.closed().is_empty());
    assert_eq!(app.get(&format!("/api/chat/approvals/{approval}")).await["state"], "declined");
    assert!(app.model.asked()[1]["messages"].to_string().contains("declined"));
}

#[tokio::test]
async fn in_the_ui_stream_the_same_message_goes_on() {
    let (app, accounts) = start().await;
    accounts.install(&app, "accounts", json!({})).await;
    app.model.says([close("1"), Reply::text("It is closed."), Reply::text("Welcome.")]);
    let question = json!({"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Close account 1"}]});
    let body = json!({"id": "chat", "messages": [question]});
    let response = app.chat_in("ui").json(&body).send().await.unwrap();
    let chunks = TestApp::events(&response.text().await.unwrap());
    let at = |wanted: &str| chunks.iter().position(|chunk| chunk["type"] == wanted);
    let asked = &chunks[at("tool-approval-request").unwrap()];
    assert!(at("tool-input-available") < at("tool-approval-request"));
    assert_eq!(
        chunks.iter().filter(|chunk| chunk["type"] == "start-step").count(),
        1,
        "the question is in the same step"
    );
    let data = &chunks[at("data-approval").unwrap()]["data"];
    assert_eq!((&data["id"], &data["title"]), (&asked["approvalId"], &json!("Our accounts: Close an account")));

    let message = chunks[0]["messageId"].clone();
    // Another input than the one that was shown changes nothing: the stored one counts.
    let input = json!({"connection": "accounts", "action": "close", "input": {"id": "2"}});
    let part = json!({"type": "dynamic-tool", "toolName": "call_connector", "toolCallId": asked["toolCallId"],
        "input": input, "state": "approval-responded", "approval": {"id": asked["approvalId"], "approved": true}});
    let answered = json!({"id": message, "role": "assistant", "parts": [{"type": "step-start"}, part]});
    let body = json!({"id": "chat", "messages": [question, answered]});
    let response = app.chat_in("ui").json(&body).send().await.unwrap();
    let went_on = response.headers()["x-message-id"].to_str().unwrap().to_owned();
    let chunks = TestApp::events(&response.text().await.unwrap());
    let types: Vec<&str> = chunks.iter().map(|chunk| chunk["type"].as_str().unwrap()).collect();
    assert_eq!(types[..4], ["start", "tool-input-available", "tool-output-available", "start-step"], "{types:?}");
    assert_eq!(chunks[0]["messageId"], message);
    assert_eq!(chunks[2]["toolCallId"], asked["toolCallId"]);
    assert_eq!(accounts.closed().len(), 1);
    assert_eq!(accounts.closed()[0].target, "/accounts/1/close");
    assert_ne!(went_on, message.as_str().unwrap());
    assert_eq!(app.get(&format!("/api/messages/{went_on}")).await["content"], "It is closed.");

    // A repeat answers anew and does nothing again; then the client's next question finds its message whole.
    let again = app.chat_in("ui").json(&body).send().await.unwrap();
    assert!(again.text().await.unwrap().contains("tool-output-available"));
    assert_eq!(accounts.closed().len(), 1);
    let thanks = json!({"id": "u2", "role": "user", "parts": [{"type": "text", "text": "Thanks"}]});
    let body = json!({"id": "chat", "messages": [question, answered, thanks]});
    let answer = app.answer(body).await;
    let contents = app.contents(answer["conversationId"].as_str().unwrap()).await;
    assert_eq!(contents, ["Close account 1", WORDS, "Welcome.", "Thanks", "ok"]);
}

#[tokio::test]
async fn twenty_who_approve_at_once_are_one_execution() {
    let (app, accounts) = start().await;
    accounts.install(&app, "accounts", json!({})).await;
    app.model.says([close("1")]);
    let (conversation, approvals) = asks(&app).await;
    let path = path(&approvals[0]);
    let body = json!({"approved": true});
    let deciding = join_all((0..19).map(|_| app.post(&path, &body)));
    let (decided, _) = futures::join!(deciding, app.answer(going_on(&conversation, "yes")));
    for response in decided {
        let state = json(response).await["state"].clone();
        assert!(state == "approved" || state == "executed", "{state}");
    }
    assert_eq!(accounts.closed().len(), 1);
    let repeated = json(app.post(&path, &json!({"approved": false})).await).await;
    assert_eq!(repeated["state"], "executed");
}

#[tokio::test]
async fn a_decision_from_outside_is_told_to_the_model() {
    let (app, accounts) = start().await;
    accounts.install(&app, "accounts", json!({})).await;
    app.model.says([close("1"), Reply::text("Done.")]);
    let (conversation, approvals) = asks(&app).await;
    let decided = json(app.post(&path(&approvals[0]), &json!({"approved": true})).await).await;
    assert_eq!((&decided["state"], &decided["outcome"]["output"]["state"]), (&json!("executed"), &json!("closed")));
    app.answer(going_on(&conversation, "And?")).await;
    assert!(app.model.asked()[1]["messages"].to_string().contains("closed"));
    assert_eq!(accounts.closed().len(), 1);

    app.model.says([close("2")]);
    let (_, approvals) = asks(&app).await;
    let no = json!({"approved": false, "reason": "not today"});
    let declined = json(app.post(&path(&approvals[0]), &no).await).await;
    assert_eq!((&declined["state"], &declined["reason"]), (&json!("declined"), &json!("not today")));
    assert_eq!(accounts.closed().len(), 1);
    let wrong = app.post(&path(&approvals[0]), &json!({"approved": "yes"})).await;
    assert!(wrong.status().is_client_error());
}

#[tokio::test]
async fn a_stranger_s_approval_looks_like_none() {
    let (app, accounts) = start().await;
    accounts.install(&app, "accounts", json!({"allow_publishable": true})).await;
    app.model.says([close("1")]);
    let (conversation, approvals) = asks(&app).await;
    let id = approvals[0]["id"].as_str().unwrap();
    let (stranger, page) = (app.stranger().await, app.publishable("https://shop.example").await);
    let mut bodies = Vec::new();
    for id in [id, "01890a5d-ac96-774b-bcce-b302099a8057", "none"] {
        for (key, method) in [(&stranger, "GET"), (&stranger, "POST"), (&page, "GET"), (&page, "POST")] {
            let method = method.parse().unwrap();
            let request = app.client.request(method, app.url(&format!("/api/chat/approvals/{id}"))).bearer_auth(key);
            let request = request.header("origin", "https://shop.example").json(&json!({"approved": true}));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 404);
            bodies.push(response.text().await.unwrap());
        }
        // Nor does it go on with an answer.
        let part =
            json!({"type": "dynamic-tool", "state": "approval-responded", "approval": {"id": id, "approved": true}});
        let history = json!({"messages": [{"role": "assistant", "parts": [part]}]});
        let response = app.post_as(&stranger, "/api/chat", &history).await;
        assert_eq!(response.status(), 404);
        bodies.push(response.text().await.unwrap());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
    // A page's key that goes on with a server's conversation confirms nothing there.
    let request = app.client.post(app.url("/api/chat?format=json")).bearer_auth(&page);
    let request = request.header("origin", "https://shop.example").json(&going_on(&conversation, "yes"));
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert!(accounts.closed().is_empty());
}

#[tokio::test]
async fn a_connection_says_whether_writes_are_asked_for() {
    let (app, accounts) = start().await;
    let connection = accounts.install(&app, "accounts", json!({"allow_writes": true})).await;
    app.model.says([close("1"), Reply::text("Closed.")]);
    assert_eq!(app.answer(user("Close account 1")).await["content"], "Closed.");
    assert_eq!(accounts.closed().len(), 1);

    // An admin's own call needs no confirmation.
    app.admin_post(&format!("/api/admin/connections/{connection}/actions/close"), &json!({"id": "2"})).await;
    assert_eq!(accounts.closed().len(), 2);

    let none = Accounts::install(&accounts, &app, "silent", json!({"deny_writes": true, "allow_writes": true})).await;
    app.model.says([Reply::connector("silent", "close", json!({"id": "1"})), Reply::text("I can't.")]);
    assert_eq!(app.answer(user("Close it at the other one")).await["content"], "I can't.");
    assert!(app.model.asked().last().unwrap().to_string().contains("unknown_action"), "{none}");
    assert_eq!(accounts.closed().len(), 2);
}
