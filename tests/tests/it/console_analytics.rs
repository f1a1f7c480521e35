//! The console's Analytics: cards that lead to their conversations, plots with their numbers, filters and files.

use std::time::Duration;

use http::StatusCode;
use resly_core::member::Role;
use resly_service::analytics;
use resly_tests::{app::TestApp, console::ConsoleClient};
use serde_json::json;

use crate::analytics::ask;

#[tokio::test]
async fn analytics_shows_numbers_and_the_conversations_behind_them() {
    let app = TestApp::start().await;
    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    assert!(viewer.page("/console/analytics").await.contains("No conversations in these days"));
    assert!(viewer.page("/console/analytics/questions").await.contains("No unanswered questions"));
    assert!(viewer.page("/console/analytics/connectors").await.contains("No calls in these days"));

    app.knows("Returns", "You may return a parcel within 30 days, in its box.").await;
    let answer = ask(&app, "How do I return a parcel?", "Within 30 days [1].").await;
    let hostile = "<img src=x onerror=alert(1)> What is this?";
    ask(&app, hostile, "I don't know.").await;
    let rating = format!("/api/messages/{}/rating", answer["id"].as_str().unwrap());
    assert_eq!(app.post_as(&app.key, &rating, &json!({"rating": "up"})).await.status(), 204);
    app.later(Duration::from_secs(7200));
    analytics::update(app.host()).await.unwrap();

    let page = viewer.page("/console/analytics").await;
    for shown in
        ["Resolution rate", "50 %", "1 of 2 settled", "Deflection", "100 %", "Conversations by outcome", "English"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(page.contains("<svg") && page.contains("days.csv") && !page.contains("Compute all again"), "{page}");
    for (card, count) in [("conversations", 2), ("resolved", 1), ("abandoned", 1), ("handed_over", 0), ("rated", 1)] {
        let list = viewer.page(&format!("/console/analytics/conversations?card={card}")).await;
        let noun = if count == 1 { "conversation" } else { "conversations" };
        assert!(list.contains(&format!("{count} {noun} that began")), "{card}: {list}");
        assert_eq!(list.matches("href=\"/console/conversations/").count(), count, "{card}: {list}");
        assert!(!list.contains("<img src=x"), "{list}");
    }
    let filtered = viewer.page("/console/analytics?days=7&language=en&by=week").await;
    assert!(
        filtered.contains("/console/analytics/conversations?days=7&amp;language=en&amp;by=week&amp;card=resolved"),
        "{filtered}"
    );
    let wrong = viewer.page("/console/analytics?from=2026-03-01&to=2026-02-01").await;
    assert!(wrong.contains("the first day is after the last one"), "{wrong}");
    let csv = viewer.page("/console/analytics/days.csv?days=7").await;
    assert_eq!(csv.lines().count(), 8, "{csv}");
    assert!(csv.starts_with("day,conversations,resolved"), "{csv}");

    let refused = viewer.post("/console/analytics/recompute", &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    assert!(admin.page("/console/analytics").await.contains("Compute all again"));
    let page = admin.submit("/console/analytics/recompute", &[]).await;
    assert!(page.contains("being computed again"), "{page}");
    assert_eq!(analytics::update(app.host()).await.unwrap(), 2);
}
