//! The console's inbox: an agent takes a conversation over and gives it back; tickets are opened, changed and commented on.

use http::StatusCode;
use resly_core::member::Role;
use resly_tests::{app::TestApp, console::ConsoleClient, model::Reply};
use serde_json::{Value, json};

/// A conversation with one question, whose text is hostile.
async fn asked(app: &TestApp) -> String {
    app.model.says([Reply::text("On its way.")]);
    let body = json!({"messages": [{"role": "user", "content": "<script>alert(1)</script> Where is my parcel?"}],
        "visitorId": "anna"});
    let answer: Value = app.post_as(&app.key, "/api/chat?format=json", &body).await.json().await.unwrap();
    answer["conversationId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn conversations_are_taken_over_answered_and_given_back() {
    let app = TestApp::start().await;
    let mut agent = ConsoleClient::signed_in(&app, Role::Agent).await;
    assert!(agent.page("/console/conversations").await.contains("No conversations yet"));
    let id = asked(&app).await;
    let path = format!("/console/conversations/{id}");
    let hand_over = format!("/api/chat/{id}/hand-over?visitorId=anna");
    assert_eq!(app.post_as(&app.key, &hand_over, &json!({})).await.status(), StatusCode::OK);

    assert!(agent.page("/console").await.contains("For a person: 1 conversation"), "home tells of it");
    let list = agent.page("/console/conversations?state=waiting").await;
    assert!(list.contains(&path) && list.contains("anna") && list.contains("&lt;script&gt;"), "{list}");
    assert!(!list.contains("<script>alert"), "{list}");
    assert!(!agent.page("/console/conversations?visitor=ben").await.contains(&path));
    let page = agent.page(&path).await;
    assert!(page.contains("Take over") && page.contains("asked for by the visitor") && page.contains("On its way."));
    assert!(!page.contains("Your reply") && !page.contains("<script>alert"), "{page}");

    let page = agent.submit(&format!("{path}/take"), &[]).await;
    assert!(!agent.page("/console").await.contains("For a person"));
    assert!(page.contains("It is yours") && page.contains("Your reply"), "{page}");
    let empty = agent.post(&format!("{path}/reply"), &[("content", " ")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", empty.html);
    let sent = agent.post(&format!("{path}/reply"), &[("content", "I look into it.")]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.html);
    assert!(agent.page(&format!("{path}/transcript")).await.contains("I look into it."));

    // Another agent can't answer, and takes it on purpose only.
    let mut other = ConsoleClient::signed_in(&app, Role::Agent).await;
    assert!(other.page(&path).await.contains("Take it from"));
    let refused = other.post(&format!("{path}/take"), &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.html.contains("has this conversation now"), "{}", refused.html);
    let typed = other.post(&format!("{path}/reply"), &[("content", "Me too")]).await;
    assert!(typed.status == StatusCode::CONFLICT && typed.html.contains("Me too"), "{}", typed.html);

    let page = agent.submit(&format!("{path}/return"), &[]).await;
    assert!(page.contains("The assistant answers the visitor"), "{page}");
    let again = agent.post(&format!("{path}/return"), &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let page = agent.submit(&format!("{path}/close"), &[]).await;
    assert!(page.contains("opens it again"), "{page}");

    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    let page = viewer.page(&path).await;
    assert!(page.contains("I look into it.") && !page.contains("Take over"), "{page}");
    let missing = viewer.get("/console/conversations/01a2297c-3095-7f82-9e7b-6a24928415c7").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn tickets_are_opened_changed_and_commented_on() {
    let app = TestApp::start().await;
    let mut agent = ConsoleClient::signed_in(&app, Role::Agent).await;
    assert!(agent.page("/console/tickets").await.contains("No tickets yet"));
    let id = asked(&app).await;
    let form = agent.page(&format!("/console/tickets/new?conversation={id}")).await;
    assert!(form.contains("linked with the conversation"), "{form}");
    let fields = |subject: &'static str, due: &'static str| {
        [
            ("subject", subject),
            ("body", "It is late.\r\nVery."),
            ("status", "open"),
            ("priority", "urgent"),
            ("assignee", ""),
            ("requester", "anna@example.com"),
            ("due_at", due),
            ("tags", "parcel, , late"),
        ]
    };
    let wrong = agent.post("/console/tickets", &fields(" ", "soon")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.html.contains("a day and a time are expected") && wrong.html.contains("anna@example.com"));
    let linked = [fields("Parcel", "2026-01-31T12:00").as_slice(), &[("conversation", id.as_str())]].concat();
    let opened = agent.post("/console/tickets", &linked).await;
    assert_eq!(opened.status, StatusCode::SEE_OTHER, "{}", opened.html);
    let path = opened.location;
    let page = agent.page(&path).await;
    assert!(page.contains("2026-01-31T12:00") && page.contains("parcel, late"), "{page}");
    assert!(page.contains(&format!("/console/conversations/{id}")), "{page}");
    assert!(agent.page("/console/tickets?status=open&priority=urgent").await.contains(&path));
    assert!(!agent.page("/console/tickets?status=closed").await.contains(&path));

    let empty = agent.post(&format!("{path}/comments"), &[("comment", "")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = agent.submit(&format!("{path}/comments"), &[("comment", "<b>Called</b> them.")]).await;
    assert!(page.contains("&lt;b&gt;Called") && !page.contains("<b>Called"), "{page}");
    let mut changed = fields("Parcel", "");
    changed[2] = ("status", "resolved");
    let page = agent.submit(&path, &changed).await;
    assert!(page.contains("The ticket is saved"), "{page}");
    let unknown = agent.post("/console/tickets/01a2297c-3095-7f82-9e7b-6a24928415c7", &changed).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    assert!(viewer.page(&path).await.contains("Called"));
}
