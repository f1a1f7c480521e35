//! `/readyz` tells the truth, soon, and whatever the database does.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use resly_tests::{
    app::TestApp,
    host::{Running, master_key},
    outage::Relay,
    postgres,
};
use serde_json::{Value, json};

/// The status, the body, and how long it took.
async fn ready(base: &str) -> (u16, Value, Duration) {
    let asked = Instant::now();
    let response = resly_tests::app::client().get(format!("{base}/readyz")).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap(), asked.elapsed())
}

/// Asks until the status is this: an outcome is remembered for a second.
async fn becomes(base: &str, expected: u16) -> Value {
    let begun = Instant::now();
    loop {
        let (status, body, _) = ready(base).await;
        if status == expected {
            return body;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{status}: {body}");
    }
}

#[tokio::test]
async fn a_ready_host_says_what_it_has_checked() {
    let app = TestApp::start().await;
    let (status, body, _) = ready(&app.url("")).await;
    assert_eq!(status, 200, "{body}");
    let checks = json!({"serving": "ok", "database": "ok", "schema": "ok", "disk": "ok", "connectors": "ok", "object_store": "ok"});
    assert_eq!(body, json!({"status": "ready", "read_only": false, "checks": checks}));
}

#[tokio::test]
async fn a_host_that_stops_is_not_ready() {
    let app = TestApp::start().await;
    app.host().stopping.store(true, Ordering::SeqCst);
    let (status, body, _) = ready(&app.url("")).await;
    assert_eq!((status, &body["type"]), (503, &json!("/docs/problems/host-stopping")));
    assert_eq!((&body["checks"]["serving"], &body["checks"]["database"]), (&json!("failed"), &json!("ok")));
}

#[tokio::test]
async fn a_database_that_is_silent_or_away_or_old_makes_a_host_unready_within_a_second() {
    let database = postgres::database().await;
    let relay = Relay::start(&database);
    let (data, master) = (tempfile::tempdir().unwrap(), master_key());
    let settings = [("RESLY_DATABASE_URL", relay.url.as_str()), ("RESLY_MASTER_KEY", master.as_str())];
    let host = Running::start(data.path(), &settings).await.unwrap();
    becomes(&host.base, 200).await;

    // It takes connections and requests, and answers nothing.
    relay.silence();
    let body = becomes(&host.base, 503).await;
    assert_eq!(body["type"], "/docs/problems/store-unavailable", "{body}");
    assert_eq!(
        (&body["checks"]["database"], &body["checks"]["schema"]),
        (&json!("failed"), &json!("unknown")),
        "{body}"
    );
    let probes = futures::future::join_all((0..50).map(|_| ready(&host.base))).await;
    for (status, body, took) in probes {
        assert_eq!(status, 503, "{body}");
        assert!(took < Duration::from_secs(2), "{took:?}: a check takes 0.8 s, and all wait for the same one");
    }
    let alive = resly_tests::app::client().get(format!("{}/healthz", host.base)).send().await.unwrap();
    assert_eq!(alive.status(), 200, "the process runs");

    relay.cut();
    let body = becomes(&host.base, 503).await;
    assert_eq!(body["checks"]["database"], "failed", "{body}");
    relay.mend();
    becomes(&host.base, 200).await;

    // A backup of an older version was restored under the host.
    let sql = "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
    let psql = std::process::Command::new("psql").args([database.as_str(), "-c", sql]).output();
    let psql = psql.expect("the tests need PostgreSQL's client programs");
    assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    let body = becomes(&host.base, 503).await;
    assert_eq!((&body["type"], &body["checks"]["schema"]), (&json!("/docs/problems/schema-behind"), &json!("failed")));
    host.stop().await;
}
