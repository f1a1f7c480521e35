//! Components that are made to exhaust the compiler: each gets a verdict, and nobody else notices.

use futures::future::join_all;
use reqwest::{Response, StatusCode};
use resly_manifest::{Manifest, package::pack};
use resly_sandbox::CompileBudget;
use resly_tests::{
    app::TestApp,
    bombs::{self, Bomb},
};
use serde_json::{Value, json};

/// As many as are uploaded at once.
const BOMBS: usize = 20;

/// An honest connector, small, with a module beside it.
pub fn honest(id: &str, functions: usize) -> Vec<u8> {
    let component = wat::parse_str(include_str!("../../bench/echo.wat")).unwrap();
    pack(&bombs::padded(&component, functions), &manifest(id)).unwrap()
}

fn manifest(id: &str) -> Manifest {
    serde_json::from_value(json!({
        "id": id, "name": "N", "version": "1.0.0", "hosts": ["api.example.com"],
        "actions": [{"id": "a", "title": "A", "description": "A.", "input": {"type": "object"}}]
    }))
    .unwrap()
}

async fn upload(app: &TestApp, key: &str, wasm: Vec<u8>) -> Response {
    let request = app.client.post(app.url("/api/admin/connectors")).bearer_auth(key);
    request.header("content-type", "application/wasm").body(wasm).send().await.unwrap()
}

/// How far a connector is, as its organization sees it.
async fn seen(app: &TestApp, key: &str, id: &str) -> Value {
    app.send_as(key, "GET", &format!("/api/admin/connectors/{id}?version=1.0.0")).await.json().await.unwrap()
}

/// Installs the demo's shop, and calls it once, so that its component is in the cache that all tests share.
async fn shop(app: &TestApp) -> String {
    let install = json!({"connector": "shopify", "name": "Shop", "environment": "sandbox", "settings": {"shop": "acme", "verify_email": false}});
    let made = app.admin_post("/api/admin/connections", &install).await;
    let action = format!("/api/admin/connections/{}/actions/find_order", made["id"].as_str().unwrap());
    app.admin_post(&action, &json!({"number": "#1001"})).await;
    action
}

/// A refusal says what to do.
fn is_advice(reason: &Value) -> bool {
    reason.as_str().is_some_and(|reason| reason.contains("make") || reason.contains("build"))
}

/// Uploads a bomb; its id when the compiler has to tell.
async fn throw(app: &TestApp, id: String, bomb: &Bomb) -> Option<String> {
    let packed = pack(&bomb.bytes, &manifest(&id)).unwrap();
    let response = upload(app, &app.admin, packed).await;
    let status = response.status();
    let answer: Value = response.json().await.unwrap();
    if status == StatusCode::ACCEPTED {
        assert!(!bomb.at_once, "{}: {answer}", bomb.name);
        return Some(id);
    }
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{}: {answer}", bomb.name);
    assert_eq!(answer["type"], "/docs/problems/invalid-connector", "{}", bomb.name);
    assert!(is_advice(&answer["detail"]), "{}: {answer}", bomb.name);
    None
}

#[tokio::test]
async fn bombs_get_a_verdict_and_nobody_else_waits_for_them() {
    // What this host compiles besides is in the cache by then: its budget is too small for anything real.
    shop(&TestApp::start().await).await;
    let app = TestApp::compiling_within(CompileBudget { cpu_s: 1, ..CompileBudget::default() }).await;
    let action = shop(&app).await;
    let bombs: Vec<Bomb> = (1..).flat_map(bombs::all).take(BOMBS).collect();
    let thrown = bombs.iter().enumerate().map(|(n, bomb)| throw(&app, format!("bomb-{n}"), bomb));
    let mut open: Vec<String> = join_all(thrown).await.into_iter().flatten().collect();

    // Another organization's upload gets its turn before all of them have had theirs.
    let stranger = app.stranger_admin().await;
    upload(&app, &stranger, honest("honest", 100)).await;
    let mut neighbours_turn = None;
    while let Some(id) = open.last() {
        let called = app.admin_post(&action, &json!({"number": "#1001"})).await;
        assert_eq!(called["output"]["orders"][0]["order"], "#1001", "calls go on");
        if neighbours_turn.is_none() {
            let honest = seen(&app, &stranger, "honest").await;
            match honest["state"].as_str() {
                Some("compiling") => {}
                state => {
                    assert_eq!(state, Some("ready"), "{honest}");
                    neighbours_turn = Some(open.len());
                }
            }
        }
        let bomb = seen(&app, &app.admin, id).await;
        if bomb["state"] != "compiling" {
            assert!(bomb["state"] == "refused" && is_advice(&bomb["reason"]), "{bomb}");
            open.pop();
        }
    }
    assert!(neighbours_turn.is_some_and(|left| left > 1), "the neighbour waited for all of them: {neighbours_turn:?}");
}
