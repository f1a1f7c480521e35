//! Admin → Account in the console: current totals with their bars and history, the webhook, and the organization.

use std::time::Duration;

use http::StatusCode;
use resly_core::member::Role;
use resly_tests::{app::TestApp, console::ConsoleClient, model::Reply, service::ScriptedService};
use serde_json::json;

const BILLING: &str = "/console/account/billing";

async fn search(app: &TestApp, key: &str, times: usize) {
    for _ in 0..times {
        app.post_as(key, "/api/search", &json!({"query": "x"})).await;
    }
}

#[tokio::test]
async fn view_current_totals_in_account_billing_with_bars_that_turn_at_70_and_90_percent() {
    let app = TestApp::start().await;
    app.limit(json!({"messages": 10})).await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Viewer).await;
    for (more, used, bar) in
        [(6, 6, "bar\""), (1, 7, "bar warn\""), (1, 8, "bar warn\""), (1, 9, "bar bad\""), (5, 10, "bar bad\"")]
    {
        search(&app, &app.key, more).await;
        let page = browser.page(BILLING).await;
        assert!(page.contains(&format!("<strong>{used}</strong> of 10")), "{used}: {page}");
        assert!(page.contains(&format!("class=\"{bar}")), "{used}: {page}");
    }
    let page = browser.page(BILLING).await;
    assert!(page.contains("used up") && page.contains("Chats and searches are refused until"), "{page}");
    let events = browser.page("/console/account/billing/events").await;
    for percent in [70, 90, 100] {
        assert!(events.contains(&format!("Messages: {percent} % of 10 reached")), "{events}");
    }
    let plan = browser.page("/console/account/billing/plan").await;
    assert!(
        plan.contains("An owner of this organization asks for it") && plan.contains("operator of this host"),
        "{plan}"
    );
}

#[tokio::test]
async fn account_billing_history_by_day_key_connection_and_conversation() {
    let app = TestApp::start().await;
    let made = app.make_key(json!({"name": "=HYPERLINK(\"http://evil.example\")", "scopes": ["search"]})).await;
    let key = made["key"].as_str().unwrap();
    search(&app, key, 3).await;
    app.model.says([Reply::text("Hello.")]);
    let answer = app.answer(json!({"messages": [{"role": "user", "content": "Hi"}]})).await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Agent).await;

    let page = browser.page("/console/account/billing/history").await;
    assert!(page.contains("Messages by day") && page.contains("<svg class=\"wide\"") && page.contains("role=\"img\""));
    assert!(page.contains("usage.csv?by=day") && page.contains("Numbers"), "{page}");
    assert!(!page.contains("style="), "the policy of the page refuses it");
    let page = browser.page("/console/account/billing/history?by=key").await;
    assert!(page.contains("=HYPERLINK(&quot;"), "{page}");
    let conversation = answer["conversationId"].as_str().unwrap();
    let page = browser.page("/console/account/billing/history?by=conversation").await;
    assert!(page.contains(conversation) && page.contains("outside conversations"), "{page}");
    assert!(browser.page("/console/account/billing/history?by=connection").await.contains("without a connection"));
    let early = browser.page("/console/account/billing/history?month=2020-01&by=x&meter=x&before=x").await;
    assert!(early.contains("Nothing was used in this month"), "what can't be read is the default: {early}");
    let events = browser.page("/console/account/billing/events").await;
    assert!(events.contains("A question was answered") && events.matches("A search").count() == 3, "{events}");

    let csv = browser.get("/console/account/billing/usage.csv?by=key").await;
    assert_eq!(csv.status, StatusCode::OK);
    let header = "key,name,messages,embeddings,connector_calls,fuel,model_input_tokens,model_cached_input_tokens,model_output_tokens\r\n";
    assert!(csv.html.starts_with(header), "{}", csv.html);
    assert!(
        csv.html.contains(",\"'=HYPERLINK(\"\"http://evil.example\"\")\",3,0,0,0,"),
        "a formula is text: {}",
        csv.html
    );

    // Nobody else sees it.
    let stranger = app.stranger_admin().await;
    let theirs: serde_json::Value =
        app.send_as(&stranger, "GET", "/api/admin/usage/history?by=key").await.json().await.unwrap();
    assert_eq!(theirs["rows"], json!([]));
}

#[tokio::test]
async fn account_webhook_set_test_replay_rotate_and_remove() {
    const PATH: &str = "/console/account/webhook";
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Admin).await;
    browser.page(PATH).await;
    let refused = browser.post(PATH, &[("url", "https://10.0.0.1/"), ("events", "plan.changed")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.html.contains("aria-invalid") && refused.html.contains("https://10.0.0.1/"), "{}", refused.html);
    let none = browser.post(PATH, &[("url", "https://hooks.example.com/")]).await;
    assert!(none.html.contains("One or more of"), "{}", none.html);

    let url = format!("http://{}/hook", service.address);
    let made = browser.post(PATH, &[("url", &url), ("events", "plan.changed"), ("events", "usage.threshold")]).await;
    assert!(made.status == StatusCode::OK && made.html.contains("whsec_"), "{}", made.html);
    let failed = browser.post(&format!("{PATH}/test"), &[]).await;
    assert!(failed.html.contains("The test failed") && failed.html.contains("404"), "{}", failed.html);
    service.answers("/hook", 204, json!({}));
    assert!(browser.submit(&format!("{PATH}/test"), &[]).await.contains("Your server took the test."));

    app.limit(json!({"messages": 10})).await;
    search(&app, &app.key, 7).await;
    app.host().hooks.deliver_due().await.unwrap();
    let page = browser.page(PATH).await;
    assert!(page.contains("70, 90 or 100 % of a limit is used") && !page.contains("whsec_"), "{page}");
    let sent = || service.received().into_iter().filter(|one| one.target == "/hook").collect::<Vec<_>>();
    let before = sent();
    let (_, newest) = page.split_once("/messages/").unwrap();
    let replay = format!("{PATH}/messages/{}/replay", newest.split_once('/').unwrap().0);
    assert!(browser.submit(&replay, &[]).await.contains("sent again"));
    app.host().hooks.deliver_due().await.unwrap();
    let after = sent();
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after.last().unwrap().header("webhook-id"), before.last().unwrap().header("webhook-id"));

    let rotated = browser.post(&format!("{PATH}/rotate"), &[("overlap", "3600")]).await;
    assert!(
        rotated.html.contains("whsec_")
            && rotated.html.contains("signed with the old secret, too, for")
            && rotated.html.contains("59 min "),
        "{}",
        rotated.html
    );
    assert!(browser.submit(&format!("{PATH}/remove"), &[]).await.contains("The webhook is removed."));
    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    assert!(viewer.page(PATH).await.contains("No webhook is set"));
    assert_eq!(viewer.post(&format!("{PATH}/remove"), &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_plan_without_webhooks_refuses_them_in_the_console_as_well() {
    let app = TestApp::start().await;
    app.admin_post("/api/operator/plans", &json!({"id": "basic", "features": ["chat", "search"]})).await;
    let organization = app.organization();
    let subscribed = app
        .admin_send(
            "PATCH",
            &format!("/api/operator/organizations/{organization}/subscription"),
            &json!({"plan": "basic"}),
        )
        .await;
    assert_eq!(subscribed.status(), 200);
    let mut browser = ConsoleClient::signed_in(&app, Role::Owner).await;
    browser.page("/console/account/webhook").await;
    let url = [("url", "https://hooks.example.com/"), ("events", "plan.changed")];
    let refused = browser.post("/console/account/webhook", &url).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.html.contains("doesn't have `webhooks`"), "{}", refused.html);
    let plan = browser.page("/console/account/billing/plan").await;
    assert!(plan.contains("not included") && plan.contains("You own this organization"), "{plan}");
}

#[tokio::test]
async fn account_organization_deletes_a_visitors_data_and_keeps_the_record() {
    let app = TestApp::start().await;
    app.model.says([Reply::text("Hello.")]);
    app.answer(json!({"messages": [{"role": "user", "content": "Hi"}], "visitorId": "customer-4711"})).await;
    app.idle().await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Admin).await;
    let page = browser.page("/console/account/organization").await;
    assert!(page.contains(&app.organization().to_string()) && page.contains("until somebody deletes them"), "{page}");
    let path = "/console/account/organization/delete-visitor";
    browser.page(path).await;
    let unknown = browser.post(path, &[("visitor", "nobody")]).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unknown.html.contains("Nothing is stored about a visitor of this id."), "{}", unknown.html);
    assert!(browser.submit(path, &[("visitor", "customer-4711")]).await.contains("being deleted"));
    app.later(Duration::from_secs(1));
    resly_service::deletions::run_due(app.host()).await.unwrap();
    let record = browser.page("/console/account/organization/deletions").await;
    assert!(record.contains(">done<") && !record.contains("customer-4711"), "{record}");
}
