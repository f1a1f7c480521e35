//! Fuel: what is set aside for calls that run, what is burnt, and which of the two a refusal is for.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Response;
use resly_tests::{
    app::TestApp,
    crm::{account, definition, installed},
    outage::Relay,
    postgres,
    service::ScriptedService,
};
use serde_json::{Value, json};

const ACCOUNT: &str = "/eu/api/accounts/1";

async fn crm() -> (ScriptedService, TestApp, String) {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers(ACCOUNT, 200, account());
    let id = installed(&app, &service, "production").await;
    (service, app, id)
}

/// A call of the action, on its way.
fn call(app: &TestApp, id: &str) -> impl Future<Output = Response> + use<> {
    let request = app.client.post(app.url(&format!("/api/admin/connections/{id}/actions/get_account")));
    let request = request.bearer_auth(&app.admin).json(&json!({"id": "1"})).send();
    async { request.await.unwrap() }
}

async fn fuel(app: &TestApp) -> (u64, u64) {
    let usage: Value = app.send_as(&app.admin, "GET", "/api/admin/usage").await.json().await.unwrap();
    let fuel = &usage["meters"]["fuel"];
    (fuel["used"].as_u64().unwrap(), fuel["reserved"].as_u64().unwrap())
}

async fn is_problem(response: Response, status: u16, slug: &str) -> Value {
    assert_eq!(response.status(), status);
    let after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!(after <= 5, status == 503, "{after}");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], format!("/docs/problems/{slug}"), "{problem}");
    problem
}

#[tokio::test]
async fn calls_at_once_are_no_limit_reached() {
    let (service, app, id) = crm().await;
    app.limit(json!({"fuel": 1_000_000_000})).await;
    let (before, _) = fuel(&app).await;
    let taken = service.received().len();
    service.hold();
    let calls: Vec<_> = (0..8).map(|_| tokio::spawn(call(&app, &id))).collect();
    service.has_taken(taken + 8).await;
    let (used, reserved) = fuel(&app).await;
    assert_eq!(used, before, "what is set aside is not used");
    assert!((1..500_000_000).contains(&reserved), "{reserved}");
    service.release();
    let mut burnt = 0;
    for answer in join_all(calls).await {
        let answer: Value = answer.unwrap().json().await.unwrap();
        burnt += answer["fuel"].as_u64().unwrap_or_else(|| panic!("{answer}"));
    }
    assert_eq!(fuel(&app).await, (before + burnt, 0));
}

#[tokio::test]
async fn what_is_only_set_aside_is_told_apart_from_a_limit() {
    let (service, app, id) = crm().await;
    let (used, _) = fuel(&app).await;
    app.limit(json!({"fuel": used + 20_000_000})).await;
    let taken = service.received().len();
    service.hold();
    let first = tokio::spawn(call(&app, &id));
    service.has_taken(taken + 1).await;
    let problem = is_problem(call(&app, &id).await, 503, "limit-set-aside").await;
    assert_eq!((&problem["limit"]["meter"], &problem["limit"]["used"]), (&json!("fuel"), &json!(used)), "{problem}");
    assert!(problem["limit"]["reserved"].as_u64().unwrap() > 0, "{problem}");

    // One that comes while there is none waits for a moment, and gets what the first gives back.
    let second = tokio::spawn(call(&app, &id));
    tokio::task::yield_now().await;
    service.release();
    assert_eq!(
        (first.await.unwrap().status(), second.await.unwrap().status()),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );

    let (used, _) = fuel(&app).await;
    app.limit(json!({"fuel": used})).await;
    let problem = is_problem(call(&app, &id).await, 429, "limit-reached").await;
    assert_eq!((&problem["limit"]["used"], &problem["limit"]["limit"]), (&json!(used), &json!(used)), "{problem}");
}

#[tokio::test]
async fn a_call_that_burns_more_than_usual_gets_more_and_never_past_the_limit() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers(ACCOUNT, 200, account());
    let id = installed(&app, &service, "production").await;
    app.limit(json!({"fuel": 1_000_000_000})).await;
    call(&app, &id).await;
    let mut heavy = definition(&service);
    heavy["version"] = json!("1.0.1");
    heavy["actions"][0]["response"]["mapping"] = json!("[range(60000) | . * 2] | length");
    app.admin_post("/api/admin/connectors", &heavy).await;
    let body = json!({"version": "1.0.1", "credentials": {"api_key": resly_tests::crm::SECRET}});
    let moved = app.admin_send("PATCH", &format!("/api/admin/connections/{id}"), &body).await;
    assert_eq!(moved.status(), 200);

    let answer: Value = call(&app, &id).await.json().await.unwrap();
    assert_eq!(answer["output"], 60_000, "{answer}");
    let burnt = answer["fuel"].as_u64().unwrap();
    assert!(burnt > 16_000_000, "{burnt}: more than is set aside for a call that is not known");

    let (used, _) = fuel(&app).await;
    let limit = used + burnt / 2;
    app.limit(json!({"fuel": limit})).await;
    is_problem(call(&app, &id).await, 429, "limit-reached").await;
    assert_eq!(fuel(&app).await, (limit, 0), "a hard cap is hard");
}

#[tokio::test]
async fn a_call_that_ends_while_the_database_is_away_is_settled_when_it_is_back() {
    let service = ScriptedService::start().await.unwrap();
    let relay = Relay::start(&postgres::database().await);
    let app = TestApp::on_postgres(&relay.url, service.address).await;
    service.answers(ACCOUNT, 200, account());
    let id = installed(&app, &service, "production").await;
    app.limit(json!({"fuel": 1_000_000_000})).await;
    let (before, calls) = (fuel(&app).await.0, app.used("connector_calls").await);
    let taken = service.received().len();
    service.hold();
    let calling = tokio::spawn(call(&app, &id));
    service.has_taken(taken + 1).await;
    assert!(fuel(&app).await.1 > 0);
    relay.cut();
    service.release();
    let answer: Value = calling.await.unwrap().json().await.unwrap();
    assert_eq!(answer["output"]["name"], "Acme", "what the service said is not lost: {answer}");
    relay.mend();

    let settled = async {
        while fuel(&app).await.1 > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await.expect("long before its lease of five minutes ends");
    assert_eq!(fuel(&app).await.0, before + answer["fuel"].as_u64().unwrap());
    assert_eq!(app.used("connector_calls").await, calls + 1);
    assert_eq!(app.logs().await[0]["fuel"], answer["fuel"]);
}
