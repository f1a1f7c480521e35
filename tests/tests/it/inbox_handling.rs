//! How agents keep their inbox, over HTTP: search, filters, tags, notes, canned replies, snoozing, merging, availability,
//! and the same for many conversations.

use std::time::Duration;

use http::StatusCode;
use resly_core::member::Role;
use resly_service::inbox::search;
use resly_tests::{app::TestApp, console::ConsoleClient, model::Reply};
use serde_json::{Value, json};

const ANNA: &str = "01989c3a-7e10-7aaa-8bbb-0123456789ab";

async fn ask(app: &TestApp, visitor: &str, conversation: Option<&str>, text: &str) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": text}], "visitorId": visitor});
    if let Some(id) = conversation {
        body["conversationId"] = json!(id);
    }
    app.post_as(&app.key, "/api/chat?format=json", &body).await.json().await.unwrap()
}

/// A question with its answer; the conversation's id.
async fn began(app: &TestApp, visitor: &str, text: &str) -> String {
    app.model.says([Reply::text("Let me see.")]);
    ask(app, visitor, None, text).await["conversationId"].as_str().unwrap().to_owned()
}

async fn listed(app: &TestApp, key: &str, query: &str) -> Vec<String> {
    let found = app.send_as(key, "GET", &format!("/api/admin/conversations?{query}")).await;
    assert_eq!(found.status(), StatusCode::OK, "{query}");
    let found: Value = found.json().await.unwrap();
    found["conversations"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

async fn change(app: &TestApp, id: &str, what: &str, body: Value) -> (StatusCode, Value) {
    let answer = app.post_as(&app.admin, &format!("/api/admin/conversations/{id}/{what}"), &body).await;
    let status = answer.status();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

async fn whole(app: &TestApp, id: &str) -> Value {
    app.send_as(&app.admin, "GET", &format!("/api/admin/conversations/{id}")).await.json().await.unwrap()
}

#[tokio::test]
async fn conversations_are_found_by_their_words_in_any_language() {
    let app = TestApp::start().await;
    let parcel = began(&app, "anna", "Where are my parcels? I have been waiting for a week.").await;
    let german = began(&app, "ben", "Ich möchte mein Abonnement kündigen, bitte helfen Sie mir.").await;
    let chinese = began(&app, "cai", "我的订阅费什么时候退款？").await;
    assert_eq!(search::index(app.host()).await.unwrap(), 3);
    let find = async |text: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("text", text).finish();
        listed(&app, &app.admin, &query).await
    };
    assert_eq!(find("parcel waiting").await, [parcel.as_str()]);
    assert_eq!(find("KUNDIGEN").await, [german.as_str()]);
    assert_eq!(find("退款").await, [chinese.as_str()]);
    assert!(find("parcel kündigen").await.is_empty());
    for hostile in ["\" OR \"*", "' OR 1=1 --", "<script>", "NEAR(a b)", "\u{0}", "a:b ^c"] {
        assert!(find(hostile).await.is_empty(), "{hostile}");
    }
    assert_eq!(listed(&app, &app.admin, "language=de").await, [german.as_str()]);
    let stranger = app.stranger_admin().await;
    assert!(listed(&app, &stranger, "text=parcel").await.is_empty(), "it is another organization's");

    // With its visitor, the words go.
    let deleted = app.send_as(&app.admin, "DELETE", "/api/admin/visitors/cai").await;
    assert!(deleted.status().is_success(), "{}", deleted.text().await.unwrap());
    resly_service::deletions::run_due(app.host()).await.unwrap();
    assert!(find("退款").await.is_empty());
    assert_eq!(search::index(app.host()).await.unwrap(), 0);
}

#[tokio::test]
async fn notes_and_tags_are_the_agents_own() {
    let app = TestApp::start().await;
    let id = began(&app, "anna", "Hello").await;
    let hostile = "<script>alert(1)</script> note";
    let (status, note) = change(&app, &id, "notes", json!({"note": hostile, "author": ANNA})).await;
    assert_eq!((status, &note["body"]), (StatusCode::CREATED, &json!(hostile)));
    assert_eq!(change(&app, &id, "notes", json!({"note": " "})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (_, tags) = change(&app, &id, "tags", json!({"add": [" late ", "<b>"], "remove": ["x"]})).await;
    assert_eq!(tags["tags"], json!(["late", "<b>"]));
    for bad in [json!({"add": [""]}), json!({"add": ["a\nb"]}), json!({"add": ["x".repeat(101)]})] {
        assert_eq!(change(&app, &id, "tags", bad).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(listed(&app, &app.admin, "tag=late").await, [id.as_str()]);
    let record = whole(&app, &id).await;
    assert_eq!((&record["notes"][0]["author"], &record["tags"]), (&json!(ANNA), &json!(["late", "<b>"])));

    // Neither the visitor nor the model sees a note.
    let heard = app.send_as(&app.key, "GET", &format!("/api/chat/{id}/messages?visitorId=anna")).await;
    assert!(!heard.text().await.unwrap().contains("note"));
    app.model.says([Reply::text("Yes?")]);
    ask(&app, "anna", Some(&id), "And now?").await;
    assert!(!app.model.asked().last().unwrap().to_string().contains("alert(1)"));
    let mut agent = ConsoleClient::signed_in(&app, Role::Agent).await;
    let page = agent.page(&format!("/console/conversations/{id}")).await;
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
    assert!(page.contains("&lt;b&gt;") && page.contains("late"), "{page}");
    let stranger = app.stranger_admin().await;
    let path = format!("/api/admin/conversations/{id}/notes");
    assert_eq!(app.post_as(&stranger, &path, &json!({"note": "x"})).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_snoozed_conversation_comes_back() {
    let app = TestApp::start().await;
    let id = began(&app, "anna", "Hello").await;
    let soon = |seconds: u64| json!({"until": app.host().clock.now().plus(Duration::from_secs(seconds)).to_string()});
    assert_eq!(change(&app, &id, "snooze", soon(3600)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(change(&app, &id, "snooze", soon(400 * 24 * 3600)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(listed(&app, &app.admin, "snoozed=true").await, [id.as_str()]);
    assert!(listed(&app, &app.admin, "snoozed=false").await.is_empty());
    app.later(Duration::from_secs(3600));
    assert_eq!(listed(&app, &app.admin, "snoozed=false").await, [id.as_str()], "by itself");
    assert_eq!(change(&app, &id, "snooze", soon(3600)).await.0, StatusCode::NO_CONTENT);
    app.model.says([Reply::text("Yes?")]);
    ask(&app, "anna", Some(&id), "Are you there?").await;
    assert_eq!(whole(&app, &id).await["handling"]["snoozed_until"], Value::Null, "the visitor wrote");
}

#[tokio::test]
async fn a_merged_conversation_goes_on_in_the_other_one() {
    let app = TestApp::start().await;
    let (from, into) = (began(&app, "anna", "First").await, began(&app, "anna", "Second").await);
    let other = began(&app, "ben", "Mine").await;
    assert_eq!(change(&app, &from, "merge", json!({"into": other})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(change(&app, &from, "merge", json!({"into": into})).await.0, StatusCode::NO_CONTENT);
    let (status, problem) = change(&app, &from, "merge", json!({"into": into})).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/docs/problems/conversation-merged")));
    assert_eq!(whole(&app, &from).await["handling"]["merged_into"], json!(into));
    assert_eq!(whole(&app, &into).await["merged_from"], json!([from]));
    app.model.says([Reply::text("Third's answer.")]);
    let answer = ask(&app, "anna", Some(&from), "Third").await;
    assert_eq!(answer["conversationId"], json!(into));
    assert_eq!(app.contents(&into).await, ["Second", "Let me see.", "Third", "Third's answer."]);
    let heard = app.send_as(&app.key, "GET", &format!("/api/chat/{from}/messages?visitorId=anna")).await;
    let heard: Value = heard.json().await.unwrap();
    assert_eq!(heard["conversationId"], json!(into));
    let mut agent = ConsoleClient::signed_in(&app, Role::Agent).await;
    assert!(agent.page(&format!("/console/conversations/{from}")).await.contains("Go on there"));
}

#[tokio::test]
async fn the_visitor_is_told_in_their_language_and_whether_anybody_is_there() {
    let app = TestApp::start().await;
    let mut agent = ConsoleClient::signed_in(&app, Role::Agent).await;
    let id = began(&app, "anna", "Wo bleibt mein Paket? Ich warte seit einer Woche darauf und bin verärgert.").await;
    let path = format!("/api/chat/{id}/hand-over?visitorId=anna");
    let handed: Value = app.post_as(&app.key, &path, &json!({})).await.json().await.unwrap();
    assert!(handed["notice"].as_str().unwrap().contains("Jemand aus unserem Team"), "{handed}");

    let list = agent.page("/console/conversations").await;
    assert!(list.contains("You are available"), "{list}");
    let list = agent.submit("/console/conversations/availability", &[("available", "no")]).await;
    assert!(list.contains("You are away"), "{list}");
    let answer = ask(&app, "anna", Some(&id), "Ist da jemand?").await;
    assert_eq!(answer["status"], "handed_over");
    assert!(answer["content"].as_str().unwrap().contains("niemand aus unserem Team"), "{answer}");
    let members: Value = app.send_as(&app.admin, "GET", "/api/admin/members").await.json().await.unwrap();
    assert_eq!(members["members"][0]["available"], json!(false));
}

#[tokio::test]
async fn canned_replies_are_inserted_with_their_placeholders_filled() {
    let app = TestApp::start().await;
    let body = "Hello {{visitor.name}}, <b>{{agent.name}}</b> here.";
    let made = app.admin_post("/api/admin/canned-replies", &json!({"name": "/Hello", "body": body})).await;
    assert_eq!(made["name"], "hello");
    for bad in [
        json!({"name": "two words", "body": "x"}),
        json!({"name": "hello", "body": "taken"}),
        json!({"name": "x", "body": "{{visitor.mail}}"}),
        json!({"name": "x", "body": " "}),
    ] {
        let refused = app.post_as(&app.admin, "/api/admin/canned-replies", &bad).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    let id = began(&app, "<i>anna</i>", "Hello").await;
    let mut agent = ConsoleClient::signed_in(&app, Role::Agent).await;
    let path = format!("/console/conversations/{id}");
    agent.page(&path).await;
    agent.submit(&format!("{path}/take"), &[]).await;
    let canned = made["id"].as_str().unwrap();
    let page = agent.post(&format!("{path}/canned"), &[("canned", canned), ("content", "Good day.")]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.html.contains("Good day.\nHello &lt;i&gt;anna&lt;/i&gt;, &lt;b&gt;"), "{}", page.html);
    assert!(!page.html.contains("<i>anna") && !page.html.contains("{{"), "{}", page.html);

    let page = agent.page("/console/canned-replies").await;
    assert!(page.contains("/hello") && page.contains("&lt;b&gt;"), "{page}");
    let refused = agent.post("/console/canned-replies", &[("name", "hello"), ("body", "<script>x</script>")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.html.contains("another canned reply has this name") || refused.html.contains("Another canned reply")
    );
    assert!(!refused.html.contains("<script>x"), "{}", refused.html);
    let page = agent.submit(&format!("/console/canned-replies/{canned}"), &[("name", "bye"), ("body", "Bye")]).await;
    assert!(page.contains("/bye is saved"), "{page}");
    let page = agent.submit(&format!("/console/canned-replies/{canned}/delete"), &[]).await;
    assert!(page.contains("No canned replies yet"), "{page}");
}

#[tokio::test]
async fn many_conversations_are_changed_at_once() {
    let app = TestApp::start().await;
    let (one, two) = (began(&app, "anna", "One").await, began(&app, "ben", "Two").await);
    let bulk = async |body: Value| {
        let answer = app.post_as(&app.admin, "/api/admin/conversations/bulk", &body).await;
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let gone = "01a2297c-3095-7f82-9e7b-6a24928415c7";
    let (_, done) = bulk(json!({"conversations": [one, two, gone], "tag": "late"})).await;
    assert_eq!(done, json!({"changed": 2, "left": 1}));
    assert_eq!(listed(&app, &app.admin, "tag=late").await.len(), 2);
    assert_eq!(change(&app, &one, "assign", json!({"assignee": gone})).await.0, StatusCode::NO_CONTENT);
    let (_, done) = bulk(json!({"conversations": [one, two], "assign": ANNA})).await;
    assert_eq!(done, json!({"changed": 1, "left": 1}), "another agent has the first one");
    assert_eq!(listed(&app, &app.admin, &format!("assignee={ANNA}")).await, [two.as_str()]);
    assert!(listed(&app, &app.admin, "assignee=nobody").await.is_empty());
    for bad in [
        json!({"conversations": [], "close": true}),
        json!({"conversations": [one]}),
        json!({"conversations": [one], "close": true, "tag": "x"}),
    ] {
        assert_eq!(bulk(bad).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let mut agent = ConsoleClient::signed_in(&app, Role::Agent).await;
    agent.page("/console/conversations").await;
    let fields =
        [("conversation", one.as_str()), ("conversation", &two), ("action", "close"), ("back", "//evil.example")];
    let answer = agent.post("/console/conversations/bulk", &fields).await;
    assert_eq!((answer.status, answer.location.as_str()), (StatusCode::SEE_OTHER, "/console/conversations"));
    assert!(agent.page(&answer.location).await.contains("Changed: 2."));
    assert_eq!(listed(&app, &app.admin, "state=closed").await.len(), 2);
}

#[tokio::test]
async fn the_audit_log_has_what_agents_did_and_forgets_it_in_time() {
    let app = TestApp::start().await;
    let id = began(&app, "anna", "Hello").await;
    change(&app, &id, "assign", json!({"assignee": ANNA})).await;
    change(&app, &id, "tags", json!({"add": ["late"]})).await;
    change(&app, &id, "close", json!({})).await;
    app.knows("Returns", "Send it back within 30 days.").await;
    let log: Value = app.send_as(&app.admin, "GET", "/api/admin/audit").await.json().await.unwrap();
    let actions: Vec<_> =
        log["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for action in ["conversation.assign", "conversation.tag", "conversation.close", "source.create"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    assert!(!log.to_string().contains("within 30 days"), "a source's text isn't in it");

    let days =
        async |days: Value| app.admin_send("PUT", "/api/admin/audit/retention", &json!({"days": days})).await.status();
    assert_eq!(days(json!(29)).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(days(json!(30)).await, StatusCode::OK);
    assert_eq!(resly_service::audit::expire(app.host()).await.unwrap(), 0);
    app.later(Duration::from_secs(31 * 24 * 3600));
    assert!(resly_service::audit::expire(app.host()).await.unwrap() > 4);
    let log: Value = app.send_as(&app.admin, "GET", "/api/admin/audit").await.json().await.unwrap();
    assert_eq!(log["entries"], json!([]));
}
