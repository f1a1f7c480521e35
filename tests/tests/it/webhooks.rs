//! Webhooks: how messages are signed and delivered again, and where they may not go.

use resly_tests::{
    app::TestApp,
    crm::{account, installed},
    service::{Received, ScriptedService},
};
use serde_json::{Value, json};

use crate::health::{MINUTE, alerts, body, get, health, inspect, is_signed, send, told};

#[tokio::test]
async fn a_webhook_is_tried_again_tested_rotated_and_removed() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let url = format!("http://{}/hook", service.address);
    for (wrong, path) in [
        (json!({"url": "http://example.com/"}), "url"),
        (json!({"url": "https://10.0.0.1/"}), "url"),
        (json!({"url": "https://user:pass@example.com/"}), "url"),
        (json!({"url": url, "events": []}), "events"),
        (json!({"url": url, "events": ["connection.failing", "webhook.test"]}), "events[1]"),
        (json!({"url": url, "events": ["connection.broken"]}), "events[0]"),
    ] {
        let (status, problem) = send(&app, "PUT", "/api/admin/webhook", &wrong).await;
        assert_eq!((status, &problem["errors"][0]["path"]), (422, &json!(path)), "{wrong}: {problem}");
        assert!(!problem.to_string().contains("webhook.test"), "it can't be chosen: {problem}");
    }
    assert_eq!(send(&app, "POST", "/api/admin/webhook/test", &json!({})).await.0, 404);
    let (status, made) = send(&app, "PUT", "/api/admin/webhook", &json!({"url": url})).await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert_eq!(status, 201);
    let (status, again) =
        send(&app, "PUT", "/api/admin/webhook", &json!({"url": url, "events": ["connection.needs_auth"]})).await;
    assert_eq!((status, &again["secret"], &again["id"]), (200, &Value::Null, &made["id"]));
    assert!(!get(&app, "/api/admin/webhook").await.to_string().contains(&secret));
    app.nothing_on_disk_contains(&secret);

    // It isn't there yet: 404, then a redirect, then all is well.
    let (_, tested) = send(&app, "POST", "/api/admin/webhook/test", &json!({})).await;
    assert_eq!((&tested["ok"], &tested["status"]), (&json!(false), &json!(404)));
    service.answers("/eu/api/accounts/1", 401, json!({}));
    inspect(&app, 20 * MINUTE).await;
    assert_eq!(app.host().hooks.deliver_due().await.unwrap(), 1);
    service.answers("/hook", 302, json!({}));
    assert_eq!(app.host().hooks.deliver_due().await.unwrap(), 0, "not at once");
    app.later(MINUTE);
    app.host().hooks.deliver_due().await.unwrap();
    let listed = get(&app, "/api/admin/webhook/deliveries").await["deliveries"][0].clone();
    assert_eq!(
        (&listed["state"], &listed["tries"], &listed["last_status"]),
        (&json!("pending"), &json!(2), &json!(302)),
        "{listed}"
    );
    assert!(listed["last_error"].as_str().unwrap().contains("redirects"));
    service.answers("/hook", 204, json!({}));
    let (_, rotated) = send(&app, "POST", "/api/admin/webhook/rotate", &json!({"overlap_s": 3600})).await;
    let newer = rotated["secret"].as_str().unwrap().to_owned();
    app.later(2 * MINUTE);
    app.host().hooks.deliver_due().await.unwrap();
    let listed = get(&app, "/api/admin/webhook/deliveries").await["deliveries"][0].clone();
    assert_eq!((&listed["state"], &listed["tries"]), (&json!("delivered"), &json!(3)), "{listed}");
    let received = told(&service, "/hook");
    let tries: Vec<&Received> = received.iter().filter(|one| body(one)["type"] == "connection.needs_auth").collect();
    assert_eq!(tries.len(), 3);
    assert!(tries.iter().all(|one| one.header("webhook-id") == tries[0].header("webhook-id")), "repeats can be told");
    assert!(is_signed(tries[2], &secret) && is_signed(tries[2], &newer) && !is_signed(tries[1], &newer));
    let again = format!("/api/admin/webhook/deliveries/{}/replay", listed["id"].as_str().unwrap());
    assert_eq!(app.send_as(&app.stranger_admin().await, "POST", &again).await.status(), 404);
    assert_eq!(app.send_as(&app.admin, "POST", &again).await.status(), 204);
    app.host().hooks.deliver_due().await.unwrap();
    let received = told(&service, "/hook");
    assert_eq!(received.last().unwrap().header("webhook-id"), tries[0].header("webhook-id"), "sent once more");
    app.later(61 * MINUTE);
    let (_, tested) = send(&app, "POST", "/api/admin/webhook/test", &json!({})).await;
    assert_eq!(tested["ok"], true, "{tested}");
    let last = told(&service, "/hook").pop().unwrap();
    assert!(is_signed(&last, &newer) && !is_signed(&last, &secret), "the old one is over");

    let stranger = app.stranger_admin().await;
    for path in ["/api/admin/webhook", "/api/admin/webhook/rotate"] {
        let method = if path.ends_with("rotate") { "POST" } else { "GET" };
        let request = app.client.request(method.parse().unwrap(), app.url(path)).bearer_auth(&stranger);
        assert_eq!(request.json(&json!({})).send().await.unwrap().status(), 404, "{path}");
    }
    let theirs: Value = app.send_as(&stranger, "GET", "/api/admin/alerts").await.json().await.unwrap();
    assert_eq!(theirs["alerts"], json!([]));
    let alert = alerts(&app, "open").await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/admin/alerts/{alert}/resolve");
    assert_eq!(app.send_as(&stranger, "POST", &path).await.status(), 404);
    assert_eq!(app.admin_post(&path, &json!({})).await["state"], "resolved");
    assert_eq!(send(&app, "DELETE", "/api/admin/webhook", &json!({})).await.0, 204);
    assert_eq!(send(&app, "DELETE", "/api/admin/webhook", &json!({})).await.0, 404);
    assert_eq!(health(&app, &id).await["state"], "needs_auth");
}

#[tokio::test]
async fn a_webhook_reaches_nothing_private() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::start().await;
    let url = format!("https://localhost:{}/hook", service.address.port());
    let (status, made) = send(&app, "PUT", "/api/admin/webhook", &json!({"url": url})).await;
    assert_eq!(status, 201, "only its name could tell: {made}");
    let (_, tested) = send(&app, "POST", "/api/admin/webhook/test", &json!({})).await;
    assert_eq!((&tested["ok"], &tested["status"]), (&json!(false), &Value::Null), "{tested}");
    assert!(tested["message"].as_str().unwrap().contains("public addresses"), "{tested}");
    assert!(service.received().is_empty());
}
