//! Analytics over the API: outcomes, the conversations behind each number, ratings, and unanswered questions.

use std::time::Duration;

use resly_core::member::Role;
use resly_service::analytics;
use resly_tests::{app::TestApp, console::ConsoleClient, model::Reply};
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(3600);
const CARDS: [&str; 8] =
    ["conversations", "resolved", "durable", "handed_over", "abandoned", "open", "rated", "deflected"];

/// Asks, and gives the answer.
pub async fn ask(app: &TestApp, question: &str, reply: &str) -> Value {
    app.model.says([Reply::text(reply)]);
    let body = json!({"messages": [{"role": "user", "content": question}]});
    let answer = app.post_as(&app.key, "/api/chat?format=json", &body).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

async fn get(app: &TestApp, path: &str) -> Value {
    app.send_as(&app.admin, "GET", &format!("/api/admin/analytics{path}")).await.json().await.unwrap()
}

/// The number of a card, after all pages of the conversations behind it were counted.
async fn card(app: &TestApp, report: &Value, card: &str) -> u64 {
    let total = &report["total"];
    let number = match card {
        "conversations" | "open" => total[card].as_u64().unwrap(),
        "rated" => u64::MAX,
        _ => total[card]["part"].as_u64().unwrap(),
    };
    let (mut listed, mut before) = (0, String::new());
    loop {
        let page = get(app, &format!("/conversations?card={card}&limit=1{before}")).await;
        listed += page["conversations"].as_array().unwrap().len() as u64;
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert!(number == u64::MAX || number == listed, "{card}: {number} and {listed} listed");
    listed
}

#[tokio::test]
async fn each_number_leads_to_as_many_conversations() {
    let app = TestApp::start().await;
    app.knows("Returns", "You may return a parcel within 30 days, in its box.").await;
    let good = ask(&app, "How do I return a parcel?", "Within 30 days [1].").await;
    let bad = ask(&app, "May I return a parcel late?", "Within 30 days [1].").await;
    ask(&app, "What is the meaning of my horoscope?", "I don't know.").await;
    let handed = ask(&app, "Return a parcel by a person?", "One moment [1].").await;
    let hand_over = format!("/api/chat/{}/hand-over", handed["conversationId"].as_str().unwrap());
    assert_eq!(app.post_as(&app.key, &hand_over, &json!({})).await.status(), 200);
    let rating = |answer: &Value| format!("/api/messages/{}/rating", answer["id"].as_str().unwrap());
    assert_eq!(app.post_as(&app.key, &rating(&good), &json!({"rating": "up"})).await.status(), 204);
    assert_eq!(app.post_as(&app.key, &rating(&bad), &json!({"rating": "up"})).await.status(), 204);
    assert_eq!(app.post_as(&app.key, &rating(&bad), &json!({"rating": "down"})).await.status(), 204);
    assert_eq!(app.post_as(&app.key, &rating(&bad), &json!({"rating": "meh"})).await.status(), 422);
    assert_eq!(app.post_as(&app.stranger().await, &rating(&bad), &json!({"rating": "up"})).await.status(), 404);

    assert_eq!(analytics::update(app.host()).await.unwrap(), 4);
    let report = get(&app, "").await;
    assert_eq!((&report["total"]["conversations"], &report["total"]["open"]), (&json!(4), &json!(4)), "{report}");
    app.later(2 * HOUR);
    analytics::update(app.host()).await.unwrap();
    let report = get(&app, "?by=week").await;
    assert_eq!(report["total"]["resolved"], json!({"part": 1, "whole": 3}), "{report}");
    assert_eq!(report["total"]["abandoned"], json!({"part": 2, "whole": 3}), "{report}");
    assert_eq!(report["total"]["satisfaction"], json!({"part": 1, "whole": 2}), "{report}");
    let mut counts = Vec::new();
    for name in CARDS {
        counts.push(card(&app, &report, name).await);
    }
    assert_eq!(counts, [4, 1, 0, 0, 2, 1, 2, 3], "{report}");

    // A person never comes, and the first visitor doesn't come back.
    app.later(8 * 24 * HOUR);
    analytics::update(app.host()).await.unwrap();
    let report = get(&app, "").await;
    let mut counts = Vec::new();
    for name in CARDS {
        counts.push(card(&app, &report, name).await);
    }
    assert_eq!(counts, [4, 1, 1, 0, 3, 0, 2, 3], "{report}");
    let language = get(&app, "?language=xx").await;
    assert_eq!(language["total"]["conversations"], 0);
    assert!(language["languages"].as_array().unwrap().iter().any(|group| group["group"] == "en"), "{language}");
    assert_eq!(report["keys"].as_array().unwrap().len(), 1, "{report}");

    let recomputed = app.post_as(&app.admin, "/api/admin/analytics/recompute", &json!({})).await;
    assert_eq!(recomputed.status(), 202);
    assert_eq!(analytics::update(app.host()).await.unwrap(), 4);
    assert_eq!(get(&app, "").await["total"], report["total"], "the same conversations have the same outcomes");

    let stranger = app.send_as(&app.stranger_admin().await, "GET", "/api/admin/analytics").await;
    let stranger: Value = stranger.json().await.unwrap();
    assert_eq!(stranger["total"]["conversations"], 0);
    for wrong in ["?from=yesterday", "?from=2026-02-30", "?from=2026-03-01&to=2026-02-01", "?by=month", "?card=x"] {
        let refused = app.send_as(&app.admin, "GET", &format!("/api/admin/analytics{wrong}")).await;
        assert!([400, 422].contains(&refused.status().as_u16()), "{wrong}: {}", refused.status());
    }
}

#[tokio::test]
async fn unanswered_questions_are_grouped_and_become_an_article() {
    let app = TestApp::start().await;
    let hostile = "How do I cancel my <i>order</i>?";
    for question in ["How do I cancel my order?", "Can I cancel the orders?", "thanks", "Where is the nearest shop?"] {
        ask(&app, question, "I don't know.").await;
    }
    let asked = ask(&app, hostile, "I don't know.").await;
    let id = asked["conversationId"].as_str().unwrap();
    let at = |what: &str| format!("/api/admin/conversations/{id}/{what}");
    assert_eq!(app.post_as(&app.admin, &at("assign"), &json!({})).await.status(), 204);
    let said = json!({"content": "Under Account, choose Cancel."});
    assert_eq!(app.post_as(&app.admin, &at("reply"), &said).await.status(), 201);
    analytics::update(app.host()).await.unwrap();
    let found = get(&app, "/questions").await;
    let groups = found["groups"].as_array().unwrap();
    let counts: Vec<u64> = groups.iter().map(|group| group["questions"].as_u64().unwrap()).collect();
    assert_eq!(counts, [3, 1], "a thank-you asks nothing: {found}");
    assert_eq!(groups[0]["examples"][0]["reason"], "no_source");

    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let page = admin.page("/console/analytics/questions").await;
    assert!(page.contains("Draft an article") && page.contains("&lt;i&gt;order"), "{page}");
    assert!(!page.contains("<i>order"), "{page}");
    let draft = format!("/console/knowledge/new?draft={}", groups[0]["id"].as_str().unwrap());
    assert!(page.contains(&draft), "{page}");
    let form = admin.page(&draft).await;
    assert!(form.contains("Can I cancel the orders?") && form.contains("Under Account, choose Cancel."), "{form}");
    assert!(!form.contains("<i>order"), "{form}");
    let sources: Value = app.send_as(&app.admin, "GET", "/api/admin/sources").await.json().await.unwrap();
    assert_eq!(sources["sources"], json!([]), "nothing is published by itself");
    let csv = admin.page("/console/analytics/questions.csv").await;
    assert!(csv.contains("group,asked,question") && csv.lines().count() == 5, "{csv}");
    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    assert!(!viewer.page("/console/analytics/questions").await.contains("Draft an article"));
    let overview = viewer.page("/console").await;
    assert!(overview.contains("4 unanswered questions this week"), "{overview}");
}
