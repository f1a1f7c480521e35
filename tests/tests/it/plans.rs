//! Plans and subscriptions, as operators set them and as organizations feel them.

use std::time::Duration;

use reqwest::Response;
use resly_http::router::openapi_document;
use resly_tests::{app::TestApp, model::Reply};
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn send(app: &TestApp, key: &str, method: &str, path: &str, body: &Value) -> Response {
    let request = app.client.request(method.parse().unwrap(), app.url(path)).bearer_auth(key);
    request.json(body).send().await.unwrap()
}

/// An operator's request that must succeed.
async fn operate(app: &TestApp, method: &str, path: &str, body: Value) -> Value {
    let response = app.admin_send(method, path, &body).await;
    let status = response.status();
    let answer: Value = response.json().await.unwrap();
    assert!(status.is_success(), "{method} {path}: {status}: {answer}");
    answer
}

async fn refusal(response: Response, status: u16, slug: &str) -> Value {
    assert_eq!(response.status(), status);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], format!("/docs/problems/{slug}"), "{problem}");
    problem
}

/// A customer's organization with this subscription: its id, and its admin's key.
async fn tenant(app: &TestApp, name: &str, subscription: Value) -> (String, String) {
    let body = json!({"name": name, "subscription": subscription});
    let made = operate(app, "POST", "/api/operator/organizations", body).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&made["organization"]["id"]), text(&made["admin_key"]))
}

/// Another key of a customer. No host has remembered it.
async fn fresh_key(app: &TestApp, organization: &str) -> String {
    let path = format!("/api/operator/organizations/{organization}/keys");
    operate(app, "POST", &path, json!({"name": "another"})).await["key"].as_str().unwrap().to_owned()
}

async fn search(app: &TestApp, key: &str) -> Response {
    app.post_as(key, "/api/search", &json!({"query": "x"})).await
}

#[tokio::test]
async fn an_operator_s_routes_are_closed_to_every_organization() {
    let app = TestApp::start().await;
    let (id, admin) = tenant(&app, "Acme", json!({})).await;
    let document: Value = serde_json::from_str(openapi_document()).unwrap();
    let mut tried = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/operator/") || path == "/api/operator/billing/events" {
            continue;
        }
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace("{id}", &id);
            let response = send(&app, &admin, &method.to_ascii_uppercase(), &path, &json!({})).await;
            refusal(response, 403, "insufficient-scope").await;
            tried += 1;
        }
    }
    assert!(tried >= 11, "{tried}");
    let mine = send(&app, &admin, "PATCH", "/api/admin/plan", &json!({"limits": {"messages": null}})).await;
    refusal(mine, 403, "insufficient-scope").await;
    let key = json!({"name": "more", "scopes": ["operator"]});
    refusal(app.post_as(&admin, "/api/admin/keys", &key).await, 403, "insufficient-scope").await;

    for unknown in ["not-an-id", "01989c3a-7e10-7aaa-8bbb-0123456789ab"] {
        let path = format!("/api/operator/organizations/{unknown}");
        refusal(app.send_as(&app.admin, "GET", &path).await, 404, "not-found").await;
        let path = format!("{path}/subscription");
        refusal(app.admin_send("PATCH", &path, &json!({"status": "active"})).await, 404, "not-found").await;
    }
    refusal(app.send_as(&app.admin, "GET", "/api/operator/plans/NO").await, 404, "not-found").await;
}

#[tokio::test]
async fn a_plan_sets_what_its_organizations_may_use() {
    let app = TestApp::start().await;
    let spec = json!({"id": "starter", "title": "Starter", "limits": {"messages": 2}, "features": ["search", "chat"]});
    operate(&app, "POST", "/api/operator/plans", spec.clone()).await;
    refusal(app.admin_send("POST", "/api/operator/plans", &spec).await, 409, "conflict").await;
    let wrong = json!({"id": "No Slug", "per_minute": {"messages": 0}, "features": ["teleport"], "log_days": 0});
    let wrong = refusal(app.admin_send("POST", "/api/operator/plans", &wrong).await, 422, "invalid-request").await;
    let paths: Vec<&str> = wrong["errors"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["per_minute.messages", "log_days", "id", "features[0]"]);

    let (id, admin) = tenant(&app, "Acme", json!({"plan": "starter"})).await;
    let taken = app.admin_send("POST", "/api/operator/organizations", &json!({"name": "Acme"})).await;
    refusal(taken, 409, "conflict").await;
    for _ in 0..2 {
        assert_eq!(search(&app, &admin).await.status(), 200);
    }
    let reached = refusal(search(&app, &admin).await, 429, "limit-reached").await;
    assert_eq!((&reached["limit"]["of"], &reached["limit"]["per"]), (&json!("plan"), &json!("month")));
    assert_eq!((&reached["limit"]["limit"], &reached["retryable"]), (&json!(2), &json!(false)));

    // More for all who have the plan, and from the next request on.
    operate(&app, "PATCH", "/api/operator/plans/starter", json!({"limits": {"messages": 3}})).await;
    assert_eq!(search(&app, &admin).await.status(), 200);
    assert_eq!(search(&app, &admin).await.status(), 429);
    // Something for this one alone stays when the plan changes.
    let own = format!("/api/operator/organizations/{id}/overrides");
    operate(&app, "PUT", &own, json!({"limits": {"messages": 4}})).await;
    operate(&app, "PATCH", "/api/operator/plans/starter", json!({"limits": {"messages": 1}})).await;
    assert_eq!(search(&app, &admin).await.status(), 200);
    let one = operate(&app, "GET", &format!("/api/operator/organizations/{id}"), json!({})).await;
    assert_eq!((&one["plan"], &one["overrides"]["limits"]), (&json!("starter"), &json!({"messages": 4})));
    operate(&app, "PUT", &own, json!({})).await;
    assert_eq!(search(&app, &admin).await.status(), 429);

    let plan: Value = app.send_as(&admin, "GET", "/api/admin/plan").await.json().await.unwrap();
    assert_eq!((&plan["name"], &plan["limits"]["messages"]), (&json!("starter"), &json!(1)));
    assert_eq!((&plan["features"], &plan["subscription"]["status"]), (&json!(["chat", "search"]), &json!("active")));
    operate(&app, "PATCH", &format!("/api/operator/organizations/{id}/subscription"), json!({"plan": "standard"}))
        .await;
    assert_eq!(search(&app, &admin).await.status(), 200);
    operate(&app, "PATCH", "/api/operator/plans/starter", json!({"retired": true})).await;
    let back = json!({"plan": "starter"});
    let retired = app.admin_send("PATCH", &format!("/api/operator/organizations/{id}/subscription"), &back).await;
    let retired = refusal(retired, 422, "invalid-request").await;
    assert_eq!(retired["errors"][0]["path"], "plan");
}

#[tokio::test]
async fn a_feature_that_a_plan_lacks_is_403_with_the_plans_that_have_it() {
    let app = TestApp::start().await;
    for (id, features) in [("basic", json!(["chat"])), ("pro", json!(["chat", "webhooks", "rest"]))] {
        operate(&app, "POST", "/api/operator/plans", json!({"id": id, "title": id, "features": features})).await;
    }
    operate(&app, "PATCH", "/api/operator/plans/standard", json!({"features": ["chat", "search"]})).await;
    let (id, admin) = tenant(&app, "Acme", json!({"plan": "basic"})).await;
    let hook = json!({"url": "https://hooks.example/x"});
    let lacking =
        refusal(send(&app, &admin, "PUT", "/api/admin/webhook", &hook).await, 403, "plan-lacks-feature").await;
    assert_eq!(lacking["feature"], "webhooks");
    assert_eq!(lacking["plans"], json!([{"id": "pro", "title": "pro"}]));
    assert!(lacking["detail"].as_str().unwrap().contains("`pro`"), "{lacking}");
    // Looking at what there is needs no feature.
    assert_eq!(app.send_as(&admin, "GET", "/api/admin/webhook/deliveries").await.status(), 200);
    let lacking = refusal(search(&app, &admin).await, 403, "plan-lacks-feature").await;
    assert_eq!(lacking["plans"], json!([{"id": "standard", "title": "Standard"}]));
    let documents = app.client.post(app.url("/api/admin/sources/files")).bearer_auth(&admin).body("x");
    let lacking = refusal(documents.send().await.unwrap(), 403, "plan-lacks-feature").await;
    assert_eq!(lacking["plans"], json!([]));
    // REST tells it in its own form.
    let rest = app.client.get(app.url("/rest/v1/tickets")).header("apikey", &admin).send().await.unwrap();
    assert_eq!(rest.status(), 403);
    assert_eq!(rest.json::<Value>().await.unwrap()["code"], "plan-lacks-feature");

    operate(&app, "PATCH", &format!("/api/operator/organizations/{id}/subscription"), json!({"plan": "pro"})).await;
    let fresh = fresh_key(&app, &id).await;
    assert_eq!(send(&app, &fresh, "PUT", "/api/admin/webhook", &hook).await.status(), 201);
}

#[tokio::test]
async fn a_minute_has_a_limit_that_passes() {
    let app = TestApp::start().await;
    operate(&app, "PATCH", "/api/admin/plan", json!({"per_minute": {"messages": 1}})).await;
    // The minute may end between two requests, and not between three.
    let mut refused = None;
    for _ in 0..3 {
        let response = search(&app, &app.key).await;
        if response.status() == 429 {
            refused = Some(response);
        }
    }
    let refused = refused.unwrap();
    let after: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!(refused.headers()["ratelimit-policy"], "\"messages\";q=1;w=60");
    let problem = refusal(refused, 429, "limit-reached").await;
    assert_eq!((&problem["limit"]["per"], &problem["retryable"]), (&json!("minute"), &json!(true)));
    assert!(problem["detail"].as_str().unwrap().contains("within a minute"), "{problem}");
    app.later(Duration::from_secs(60));
    assert_eq!(search(&app, &app.key).await.status(), 200);
}

#[tokio::test]
async fn a_subscription_that_is_over_refuses_until_it_is_renewed() {
    let app = TestApp::start().await;
    let ends = app.host().clock.now().plus(14 * DAY);
    let trial = json!({"status": "trial", "trial_ends_at": ends.to_string()});
    let (id, admin) = tenant(&app, "Acme", trial).await;
    assert_eq!(search(&app, &admin).await.status(), 200);
    app.later(14 * DAY);
    refusal(search(&app, &admin).await, 403, "subscription-ended").await;
    let plan: Value = app.send_as(&admin, "GET", "/api/admin/plan").await.json().await.unwrap();
    assert_eq!(plan["subscription"]["status"], "expired", "an admin still reads");
    assert_eq!(plan["subscription_ends_at"], plan["subscription"]["trial_ends_at"]);

    let path = format!("/api/operator/organizations/{id}/subscription");
    let paid_until = app.host().clock.now().plus(30 * DAY).to_string();
    operate(&app, "PATCH", &path, json!({"status": "active", "current_period_ends_at": paid_until})).await;
    assert_eq!(search(&app, &admin).await.status(), 200);
    // Nobody paid for the next month: a week of grace.
    app.later(30 * DAY);
    let due = operate(&app, "GET", &format!("/api/operator/organizations/{id}"), json!({})).await;
    assert_eq!(due["subscription"]["status"], "past_due");
    assert_eq!(search(&app, &admin).await.status(), 200);
    app.later(7 * DAY);
    refusal(search(&app, &admin).await, 403, "subscription-ended").await;
}

#[tokio::test]
async fn organizations_are_listed_in_pages() {
    let app = TestApp::start().await;
    for name in ["A", "B", "C"] {
        tenant(&app, name, json!({})).await;
    }
    let page = operate(&app, "GET", "/api/operator/organizations?limit=2&plan=standard", json!({})).await;
    let names = |page: &Value| -> Vec<String> {
        let all = page["organizations"].as_array().unwrap().iter();
        all.map(|organization| organization["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&page), ["C", "B"]);
    let path = format!("/api/operator/organizations?limit=2&before={}", page["next"].as_str().unwrap());
    let rest = operate(&app, "GET", &path, json!({})).await;
    assert_eq!((names(&rest)[0].as_str(), &rest["next"]), ("A", &Value::Null));
    let id = page["organizations"][0]["id"].as_str().unwrap();
    let renamed = operate(&app, "PATCH", &format!("/api/operator/organizations/{id}"), json!({"name": "Cedar"})).await;
    assert_eq!(renamed["name"], "Cedar");
    let taken = app.admin_send("PATCH", &format!("/api/operator/organizations/{id}"), &json!({"name": "A"})).await;
    refusal(taken, 409, "conflict").await;
}

#[tokio::test]
async fn usage_is_summed_by_day_key_and_conversation() {
    let app = TestApp::start().await;
    app.model.says((0..3).map(|_| Reply::text("Hello.")));
    let question = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let first = app.answer(question.clone()).await;
    app.answer(question.clone()).await;
    app.later(DAY);
    assert_eq!(search(&app, &app.admin).await.status(), 200);
    app.answer(question).await;
    app.knows("A page", "Some words.").await;

    let from = app.host().clock.now().plus(Duration::ZERO).micros() - 2 * 24 * 3600 * 1_000_000;
    let from = resly_core::time::Timestamp::from_micros(from);
    let history =
        async |by: &str| operate(&app, "GET", &format!("/api/admin/usage/history?from={from}&{by}"), json!({})).await;
    let rows = |history: &Value| -> Vec<(Value, i64)> {
        let rows = history["rows"].as_array().unwrap().iter();
        rows.map(|row| (row["group"].clone(), row["meters"]["messages"].as_i64().unwrap())).collect()
    };
    let days = history("by=day").await;
    assert_eq!(rows(&days).iter().map(|(_, messages)| *messages).collect::<Vec<_>>(), [2, 2], "{days}");
    assert!(days["rows"][0]["meters"]["embeddings"].as_i64().unwrap() > 0, "{days}");
    let keys = history("by=key").await;
    let mut messages: Vec<i64> = rows(&keys).iter().map(|(_, messages)| *messages).collect();
    messages.sort_unstable();
    assert_eq!(messages, [0, 1, 3], "the source belongs to no key: {keys}");
    let page = history("by=conversation&limit=1").await;
    let rest = history(&format!("by=conversation&before={}", page["next"].as_str().unwrap())).await;
    let all: Vec<(Value, i64)> = rows(&page).into_iter().chain(rows(&rest)).collect();
    assert_eq!(all.len(), 4, "three conversations, and what belongs to none: {all:?}");
    assert!(all.contains(&(first["conversationId"].clone(), 1)), "{all:?}");
    assert_eq!(all.last().unwrap(), &(Value::Null, 1));
    let long = app.send_as(&app.admin, "GET", "/api/admin/usage/history?from=2020-01-01T00:00:00Z").await;
    refusal(long, 422, "invalid-request").await;
}

#[tokio::test]
async fn a_visitor_has_a_cap_of_the_key_by_day() {
    let app = TestApp::start().await;
    let made = app.make_key(json!({"name": "widget", "scopes": ["chat"], "visitor_message_cap": 2})).await;
    let key = made["key"].as_str().unwrap().to_owned();
    let ask = async |visitor: Value| {
        let body = json!({"messages": [{"role": "user", "content": "Hi"}], "visitorId": visitor});
        app.post_as(&key, "/api/chat?format=json", &body).await
    };
    app.model.says((0..5).map(|_| Reply::text("Hello.")));
    assert_eq!(ask(json!("ada")).await.status(), 200);
    assert_eq!(ask(json!("ada")).await.status(), 200);
    let reached = refusal(ask(json!("ada")).await, 429, "limit-reached").await;
    assert_eq!((&reached["limit"]["of"], &reached["limit"]["per"]), (&json!("visitor"), &json!("day")));
    assert_eq!(ask(json!("bob")).await.status(), 200, "another visitor");
    assert_eq!(app.used("messages").await, 3, "what is refused is not counted");
    app.later(DAY);
    assert_eq!(ask(json!("ada")).await.status(), 200, "another day");
    let path = format!("/api/admin/keys/{}", made["id"].as_str().unwrap());
    let changed = operate(&app, "PATCH", &path, json!({"visitor_message_cap": null})).await;
    assert_eq!(changed["visitor_message_cap"], Value::Null);
}
