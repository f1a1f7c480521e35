//! Rates of keys: requests within a minute and answers at once, by key, visitor and client address.

use std::time::Duration;

use reqwest::Response;
use resly_tests::{
    app::TestApp,
    model::{After, Reply, event},
};
use serde_json::{Value, json};

const SHOP: &str = "https://shop.example";

/// A widget's key with rates of its own; what isn't named is unlimited.
async fn widget(app: &TestApp, rates: Value) -> String {
    let mut all = json!({"key": {}, "visitor": {}, "address": {}});
    for subject in ["key", "visitor", "address"] {
        for rate in ["requests_per_minute", "streams"] {
            all[subject][rate] = rates[subject][rate].clone();
        }
    }
    let body = json!({"name": "widget", "scopes": ["chat", "search"], "origins": [SHOP], "rate_limits": all});
    app.make_key(body).await["key"].as_str().unwrap().to_owned()
}

async fn search(app: &TestApp, key: &str, forwarded: &str) -> Response {
    let request = app.client.post(app.url("/api/search")).bearer_auth(key).header("origin", SHOP);
    request.header("x-forwarded-for", forwarded).json(&json!({"query": "x"})).send().await.unwrap()
}

async fn chat(app: &TestApp, key: &str, visitor: &str) -> Response {
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "visitorId": visitor});
    let request = app.client.post(app.url("/api/chat")).bearer_auth(key).header("origin", SHOP);
    request.json(&body).send().await.unwrap()
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn refused(response: Response, slug: &str, subject: &str) {
    assert_eq!(response.status(), 429);
    assert_eq!(header(&response, "access-control-allow-origin"), SHOP, "a page may read why");
    let after: u64 = header(&response, "retry-after").parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], format!("/docs/problems/{slug}"), "{problem}");
    assert_eq!(problem["rate"]["subject"], subject, "{problem}");
}

#[tokio::test]
async fn a_widget_can_not_spend_its_month_in_a_minute() {
    let app = TestApp::start().await;
    let key = app.publishable(SHOP).await;
    let mut let_in = 0;
    let hit = loop {
        let response = search(&app, &key, "").await;
        if response.status() != 200 {
            break response;
        }
        let_in += 1;
        assert_eq!(header(&response, "ratelimit-policy"), "\"address\";q=60;w=60");
        assert!(header(&response, "ratelimit").starts_with(&format!("\"address\";r={};t=", 60 - let_in)));
    };
    assert_eq!((let_in, app.used("messages").await), (60, 60), "what is refused is counted nowhere");
    assert!(header(&hit, "ratelimit").starts_with("\"address\";r=0;t="));
    refused(hit, "rate-limited", "address").await;

    app.later(Duration::from_secs(60));
    assert_eq!(search(&app, &key, "").await.status(), 200);
    // The servers' own keys have no rates, unless an admin sets some.
    for _ in 0..70 {
        assert_eq!(app.post("/api/search", &json!({"query": "x"})).await.status(), 200);
    }
}

#[tokio::test]
async fn each_subject_has_its_own_rate_and_the_tightest_is_told() {
    let app = TestApp::start().await;
    let rates = json!({"key": {"requests_per_minute": 5}, "visitor": {"requests_per_minute": 2},
        "address": {"requests_per_minute": 100}});
    let key = widget(&app, rates).await;
    let first = chat(&app, &key, "anna").await;
    assert_eq!(header(&first, "ratelimit-policy"), "\"visitor\";q=2;w=60");
    assert_eq!(chat(&app, &key, "anna").await.status(), 200);
    refused(chat(&app, &key, "anna").await, "rate-limited", "visitor").await;
    let other = chat(&app, &key, "bob").await;
    assert_eq!((other.status().as_u16(), header(&other, "ratelimit-policy")), (200, "\"visitor\";q=2;w=60"));
    for _ in 0..2 {
        assert_eq!(search(&app, &key, "").await.status(), 200, "what was refused of anna took nothing of the key's");
    }
    refused(chat(&app, &key, "carol").await, "rate-limited", "key").await;
    assert_eq!(app.used("messages").await, 5);

    // Another key has a minute of its own; a rotated one goes on with the old one's.
    let others = widget(&app, json!({"key": {"requests_per_minute": 5}})).await;
    assert_eq!(search(&app, &others, "").await.status(), 200);
    let keys: Value = app.send_as(&app.admin, "GET", "/api/admin/keys").await.json().await.unwrap();
    let id = keys["keys"].as_array().unwrap().iter().find(|k| k["rate_limits"]["visitor"]["requests_per_minute"] == 2);
    let id = id.unwrap()["id"].as_str().unwrap();
    let path = format!("/api/admin/keys/{id}");
    let rotated = app.admin_post(&format!("{path}/rotate"), &json!({})).await["key"].as_str().unwrap().to_owned();
    refused(search(&app, &rotated, "").await, "rate-limited", "key").await;
    // What an admin changes holds at once.
    app.admin_send("PATCH", &path, &json!({"rate_limits": {"key": {"requests_per_minute": 6}}})).await;
    assert_eq!(search(&app, &key, "").await.status(), 200);
    refused(search(&app, &key, "").await, "rate-limited", "key").await;
}

#[tokio::test]
async fn approvals_count_for_their_visitor() {
    let app = TestApp::start().await;
    let key = widget(&app, json!({"visitor": {"requests_per_minute": 2}})).await;
    let ask = |query: &str, body: Option<Value>| {
        let url = app.url(&format!("/api/chat/approvals/{}{query}", uuid::Uuid::nil()));
        let request = match body {
            Some(body) => app.client.post(url).json(&body),
            None => app.client.get(url),
        };
        request.bearer_auth(&key).header("origin", SHOP).send()
    };
    assert_eq!(ask("?visitorId=bob", None).await.unwrap().status(), 404);
    let verdict = json!({"approved": true, "visitorId": "bob"});
    assert_eq!(ask("", Some(verdict.clone())).await.unwrap().status(), 404);
    refused(ask("?visitorId=bob", None).await.unwrap(), "rate-limited", "visitor").await;
    refused(ask("", Some(verdict)).await.unwrap(), "rate-limited", "visitor").await;
    assert_eq!(ask("?visitorId=anna", None).await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_month_is_told_when_less_of_it_is_left() {
    let app = TestApp::start().await;
    app.limit(json!({"messages": 3})).await;
    let key = widget(&app, json!({"key": {"requests_per_minute": 10}})).await;
    let response = search(&app, &key, "").await;
    assert!(header(&response, "ratelimit").starts_with("\"messages\";r=2;"), "{}", header(&response, "ratelimit"));
}

#[tokio::test]
async fn an_address_is_what_a_trusted_proxy_says() {
    let rates = json!({"address": {"requests_per_minute": 2}});
    let app = TestApp::with_settings(&[("RESLY_TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let key = widget(&app, rates.clone()).await;
    for address in ["198.51.100.1", "198.51.100.2", "2001:db8:1:2::1", "2001:db8:1:3::1"] {
        for _ in 0..2 {
            assert_eq!(search(&app, &key, address).await.status(), 200, "{address}");
        }
    }
    for again in ["198.51.100.1", "203.0.113.9, 198.51.100.2", "2001:db8:1:2:ffff::7", "[2001:db8:1:3::5]:4711"] {
        refused(search(&app, &key, again).await, "rate-limited", "address").await;
    }

    // Whoever isn't trusted vouches for nobody.
    let app = TestApp::start().await;
    let key = widget(&app, rates).await;
    let mut answers = Vec::new();
    for address in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        answers.push(search(&app, &key, address).await.status().as_u16());
    }
    assert_eq!(answers, [200, 200, 429]);
}

#[tokio::test]
async fn an_answer_counts_until_it_is_written() {
    let app = TestApp::start().await;
    let key = widget(&app, json!({"visitor": {"streams": 1}, "key": {"streams": 2}})).await;
    let half = || Reply::Raw(vec![event(&json!({"content": "Half of it. \n And "}), Value::Null)], After::Stall);
    app.model.says([half(), half()]);
    let first = chat(&app, &key, "anna").await;
    assert_eq!(first.status(), 200);
    refused(chat(&app, &key, "anna").await, "too-many-streams", "visitor").await;
    // Leaving doesn't end it.
    let conversation = header(&first, "x-conversation-id").to_owned();
    drop(first);
    refused(chat(&app, &key, "anna").await, "too-many-streams", "visitor").await;
    // Following it counts, too, for the visitor whom the query names.
    let follow = |visitor: &str| {
        let path = app.url(&format!("/api/chat/{conversation}/stream?visitorId={visitor}"));
        app.client.get(path).bearer_auth(&key).header("origin", SHOP).send()
    };
    refused(follow("anna").await.unwrap(), "too-many-streams", "visitor").await;
    assert_eq!(follow("dave").await.unwrap().status(), 204, "another has nothing to follow");
    let second = chat(&app, &key, "bob").await;
    assert_eq!(second.status(), 200);
    refused(chat(&app, &key, "carol").await, "too-many-streams", "key").await;
    assert_eq!(search(&app, &key, "").await.status(), 200, "a search is no stream");

    let path = app.url(&format!("/api/chat/{conversation}/stream?visitorId=anna"));
    let cancel = app.client.delete(path).bearer_auth(&key).header("origin", SHOP).send().await.unwrap();
    assert_eq!(cancel.status(), 204);
    while app.host().turns.live.count() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(chat(&app, &key, "anna").await.text().await.unwrap(), "ok");
    assert_eq!(chat(&app, &key, "anna").await.text().await.unwrap(), "ok", "and is over with its answer");
}

#[tokio::test]
async fn a_crowd_is_let_in_exactly_as_far_as_its_rate() {
    let app = TestApp::start().await;
    let key = widget(&app, json!({"key": {"requests_per_minute": 17}})).await;
    let answers = futures::future::join_all((0..60).map(|_| search(&app, &key, ""))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status() == 200).count(), 17);
}

#[tokio::test]
async fn two_hosts_share_a_minute_within_the_stated_bound() {
    let (one, other) = TestApp::pair_reaching("127.0.0.1:9".parse().unwrap()).await;
    let limit = 40_usize;
    let key = widget(&one, json!({"key": {"requests_per_minute": limit}})).await;
    // `src/rates/mod.rs`: a twentieth for each further host before it asks, twice where its minute began earlier.
    let bound = limit / 10;
    let mut let_in = 0;
    for _ in 0..limit {
        for app in [&one, &other] {
            let_in += usize::from(search(app, &key, "").await.status() == 200);
        }
    }
    assert!((limit - bound..=limit + bound).contains(&let_in), "{let_in} of {limit}");
    for app in [&one, &other] {
        refused(search(app, &key, "").await, "rate-limited", "key").await;
        app.later(Duration::from_secs(61));
        assert_eq!(search(app, &key, "").await.status(), 200);
    }
}
