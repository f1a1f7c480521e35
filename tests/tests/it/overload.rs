//! A host that gets more questions than it can accept.

use futures::future::join_all;
use reqwest::{StatusCode, header::RETRY_AFTER};
use resly_tests::app::TestApp;
use serde_json::{Value, json};

/// More places than a host has.
const MANY: usize = 1_000;

#[tokio::test]
async fn what_cant_be_accepted_soon_is_refused_and_costs_nothing() {
    let app = TestApp::start().await;
    let load = &app.host().turns.load;
    // Nobody is accepted while these are held.
    let held: Vec<_> = join_all((0..MANY).map(|_| load.enter())).await.into_iter().filter_map(Result::ok).collect();
    assert!(!held.is_empty());

    let question = json!({"messages": [{"role": "user", "content": "Hi"}]});
    for (path, body) in [("/api/chat", &question), ("/api/search", &json!({"query": "refunds"}))] {
        let refused = app.post(path, body).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(refused.headers().get(RETRY_AFTER).unwrap(), "1", "{path}");
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["type"], "/docs/problems/overloaded", "{path}");
    }
    // Operators still see what happens.
    let metrics = app.client.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("resly_shed_total{reason="), "{metrics}");
    assert_eq!(app.used("messages").await, 0);

    drop(held);
    app.answer(question).await;
    assert_eq!(app.used("messages").await, 1);
}
