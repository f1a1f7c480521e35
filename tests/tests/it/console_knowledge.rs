//! Knowledge, the playground and the first page of the console.

use std::sync::Arc;

use http::StatusCode;
use resly_core::{member::Role, principal::Scope, testing::ScriptedExtractor};
use resly_tests::{
    app::TestApp,
    console::ConsoleClient,
    host::{make_organization, mint},
    model::Reply,
};
use serde_json::json;

const GUIDE: &[(&str, &str)] = &[
    ("title", "Returns"),
    ("text", "# Zebra parcels\n\nA zebra parcel goes back within thirty days.\n\n# Lions\n\nLions stay."),
    ("format", "markdown"),
];

/// The id at the end of a page's address.
fn id_in(location: &str) -> &str {
    location.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn a_source_added_by_the_form_answers_in_the_playground_with_its_citation() {
    let app = TestApp::start().await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    assert!(admin.page("/console/knowledge").await.contains("Nothing is known yet"));
    admin.page("/console/knowledge/new").await;
    let added = admin.post("/console/knowledge/text", GUIDE).await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.html);
    let source = admin.page(&added.location).await;
    for part in ["in 2 passages", "Zebra parcels", "goes back within thirty days", "Answers that cite it", "None"] {
        assert!(source.contains(part), "{part}: {source}");
    }
    assert!(admin.page("/console/knowledge").await.contains("Returns"));

    app.model.says([Reply::text("It goes back within thirty days [1].")]);
    admin.page("/console/playground").await;
    let asked = [("question", "When does a zebra parcel go back?"), ("form", "one"), ("as", "server")];
    let answer = admin.post("/console/playground", &asked).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.html);
    for part in
        ["It goes back within thirty days [1].", "It cites", "Returns › Zebra parcels", "by words 1st", "First words"]
    {
        assert!(answer.html.contains(part), "{part}: {}", answer.html);
    }
    assert_eq!(app.used("messages").await, 1);
    let again = admin.post("/console/playground", &asked).await;
    assert!(again.html.contains("answered before"), "{}", again.html);
    assert_eq!(app.used("messages").await, 1, "a form that is sent twice asks once");
    let cited = admin.page(&added.location).await;
    assert!(cited.contains("It goes back within thirty days [1]."), "the source names the answer: {cited}");
}

#[tokio::test]
async fn an_answer_of_the_playground_shows_what_it_was_made_of() {
    let app = TestApp::start().await;
    let mut agent = ConsoleClient::signed_in(&app, Role::Agent).await;
    let call = Reply::call("create_ticket", json!({"subject": "A zebra", "body": "It is lost."}));
    app.model.says([call, Reply::text("A person will look.")]);
    agent.page("/console/playground").await;
    let asked = [("question", "Help!"), ("instruction", "Be kind."), ("form", "two"), ("as", "server")];
    let answer = agent.post("/console/playground", &asked).await.html;
    for part in ["create_ticket", "A zebra", "A person will look.", "search_knowledge", "Output tokens"] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    let sent = app.model.asked();
    assert!(sent[0].to_string().contains("Be kind."), "{}", sent[0]);
    let refused = agent.post("/console/playground", &[("question", " "), ("form", "three")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.html.contains("aria-invalid") && refused.html.contains("bytes are expected"), "{}", refused.html);
    let mixed = [("question", "Hi"), ("instruction", "Be rude."), ("form", "four"), ("as", "site")];
    let mixed = agent.post("/console/playground", &mixed).await;
    assert_eq!(mixed.status, StatusCode::UNPROCESSABLE_ENTITY, "a publishable key sends no instruction");
    // The conversation goes on for the member who began it, and for nobody else.
    let (_, conversation) = answer.split_once(r#"name="conversation" value=""#).unwrap();
    let conversation = conversation.split('"').next().unwrap().to_owned();
    let next =
        |form| [("question", "And now?"), ("conversation", conversation.as_str()), ("form", form), ("as", "server")];
    app.model.says([Reply::text("Wait.")]);
    assert!(agent.post("/console/playground", &next("five")).await.html.contains("Wait."));
    let mut other = ConsoleClient::signed_in(&app, Role::Agent).await;
    let refused = other.post("/console/playground", &next("six")).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{}", refused.html);
    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    assert_eq!(viewer.get("/console/playground").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_upload_that_cannot_be_read_shows_failed_with_the_reason() {
    let extractor = Arc::<ScriptedExtractor>::default();
    let app = TestApp::reading(extractor as _, None, None).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page("/console/knowledge/new?kind=file").await;
    let none = admin.post_files("/console/knowledge/file", &[("title", "T")], &[]).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(none.html.contains("Choose a file."), "{}", none.html);
    let broken =
        admin.post_files("/console/knowledge/file", &[("title", "A broken guide")], &[("file", b"%damaged")]).await;
    assert_eq!(broken.status, StatusCode::SEE_OTHER, "{}", broken.html);
    let page = admin.page(&broken.location).await;
    assert!(page.contains("failed") && page.contains("Open it in the program that made it"), "{page}");
    assert!(page.contains("A broken guide"), "{page}");
    let list = admin.page("/console/knowledge?status=failed").await;
    assert!(list.contains("A broken guide") && list.contains(id_in(&broken.location)), "{list}");
    assert!(admin.page("/console").await.contains("could not be read"), "home says it");
    let gone = admin.post(&format!("{}/delete", broken.location), &[]).await;
    assert_eq!((gone.status, gone.location.as_str()), (StatusCode::SEE_OTHER, "/console/knowledge"));
    assert_eq!(admin.get(&broken.location).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_file_uploaded_by_the_form_is_found() {
    let extractor = Arc::<ScriptedExtractor>::default();
    let app = TestApp::reading(extractor as _, None, None).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page("/console/knowledge/new?kind=file").await;
    let text = b"title: Guide\nA zebra eats grass.\n";
    let sent = admin.post_files("/console/knowledge/file", &[("title", "Animals")], &[("file", text)]).await;
    let page = admin.page(&sent.location).await;
    assert!(page.contains("Animals") && page.contains("A zebra eats grass."), "{page}");
    let found = admin.page("/console/knowledge/search?q=zebra").await;
    assert!(found.contains("Animals") && found.contains("by words 1st"), "{found}");
    let nothing = admin.page("/console/knowledge/search?q=submarine").await;
    assert!(nothing.contains("Nothing is found"), "{nothing}");
}

#[tokio::test]
async fn a_text_is_edited_in_place_and_mistakes_stand_at_their_fields() {
    let app = TestApp::start().await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page("/console/knowledge/new").await;
    let wrong =
        admin.post("/console/knowledge/text", &[("title", ""), ("text", "x"), ("url", "javascript:alert(1)")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.html.matches("class=\"mistake\"").count(), 2, "{}", wrong.html);
    let added = admin.post("/console/knowledge/text", GUIDE).await;
    let hostile = "</textarea><script>alert(1)</script>";
    let saved = admin.submit(&added.location, &[("title", hostile), ("text", hostile), ("format", "plain")]).await;
    assert!(saved.contains("It is saved") && !saved.contains("<script>alert"), "{saved}");
    for path in ["/console/knowledge", "/console/knowledge/search?q=script+alert", "/console"] {
        assert!(!admin.page(path).await.contains("<script>alert"), "{path}");
    }
    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    let seen = viewer.page(&added.location).await;
    assert!(!seen.contains("<textarea") && !seen.contains("/delete"), "a viewer reads: {seen}");
    assert_eq!(viewer.post(&added.location, GUIDE).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn synonyms_are_lines() {
    let app = TestApp::start().await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page("/console/knowledge/synonyms").await;
    let lines = [("synonyms", "refund, money back\npin => password")];
    let page = admin.submit("/console/knowledge/synonyms", &lines).await;
    assert!(page.contains("refund, money back\npin =&gt; password"), "{page}");
    let wrong = admin.post("/console/knowledge/synonyms", &[("synonyms", "alone")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.html.contains("alone") && wrong.html.contains("class=\"mistake\""), "{}", wrong.html);
}

#[tokio::test]
async fn a_site_is_added_with_its_bounds() {
    let app = TestApp::start().await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page("/console/knowledge/new?kind=site").await;
    let wrong = [("url", "https://help.example/"), ("pages", "many"), ("include", "help")];
    let wrong = admin.post("/console/knowledge/site", &wrong).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", wrong.html);
    let site = [("url", "https://help.example/"), ("pages", "20"), ("include", "/help/\n/faq/"), ("refresh", "86400")];
    let page = admin.submit("/console/knowledge/site", &site).await;
    for part in ["/help/", "/faq/", "every day", "Run now", "0 of 0 pages read"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(admin.page("/console/knowledge/crawls").await.contains("https://help.example/"));
}

#[tokio::test]
async fn the_checklist_of_home_ticks_what_is_done() {
    let app = TestApp::start().await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Owner).await;
    let done = |page: &str| page.matches("class=\"tick done\"").count();
    let begin = admin.page("/console").await;
    assert!(begin.contains("Get started") && begin.contains("You can't sign in again yet"), "{begin}");
    assert_eq!(done(&begin), 1, "the test's own key may chat: {begin}");
    let alone = make_organization(app.host(), "alone").await;
    mint(app.host(), alone, &[Scope::Chat, Scope::Operator]).await;
    let mut operator = ConsoleClient::member_of(&app, alone, Role::Owner).await;
    assert_eq!(done(&operator.page("/console").await), 0, "an app has no key yet");
    admin.page("/console/knowledge/new").await;
    admin.post("/console/knowledge/text", GUIDE).await;
    assert_eq!(done(&admin.page("/console").await), 2);
    let shop = json!({"shop": "acme", "verify_email": false});
    let install = json!({"connector": "shopify", "name": "Shop", "environment": "sandbox", "settings": shop});
    let made = app.admin_post("/api/admin/connections", &install).await;
    let connection = format!("/api/admin/connections/{}", made["id"].as_str().unwrap());
    app.admin_post(&format!("{connection}/test"), &json!({})).await;
    app.admin_post(&format!("{connection}/enable"), &json!({})).await;
    assert_eq!(done(&admin.page("/console").await), 3);
    app.model.says([Reply::text("Yes.")]);
    admin.page("/console/playground").await;
    admin.post("/console/playground", &[("question", "Zebra?"), ("form", "one")]).await;
    assert_eq!(done(&admin.page("/console").await), 4);
    app.publishable("https://shop.example").await;
    let end = admin.page("/console").await;
    assert!(!end.contains("Get started"), "all is done: {end}");
    app.limit(json!({"messages": 1})).await;
    let full = admin.page("/console").await;
    assert!(
        full.contains("100 % of this month&#39;s messages") || full.contains("100 % of this month's messages"),
        "{full}"
    );
}
