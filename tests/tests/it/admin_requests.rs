//! What an admin gets wrong: each mistake is told by name and place, and changes nothing.

use resly_http::router::openapi_document;
use resly_tests::{
    app::TestApp,
    crm::{account, connected, definition, installed},
    service::ScriptedService,
};
use serde_json::{Value, json};

/// A request with a body as it is, and what came of it.
async fn send(app: &TestApp, method: &str, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let request = app.client.request(method.parse().unwrap(), app.url(path)).bearer_auth(&app.admin).body(body);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

async fn get(app: &TestApp, path: &str) -> (u16, Value) {
    send(app, "GET", path, "").await
}

async fn patch(app: &TestApp, id: &str, change: &Value) -> (u16, Value) {
    let request = app.client.patch(app.url(&format!("/api/admin/connections/{id}"))).bearer_auth(&app.admin);
    let response = request.json(change).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn every_list_refuses_a_parameter_that_it_does_not_know() {
    let app = TestApp::start().await;
    let document: Value = serde_json::from_str(openapi_document()).unwrap();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/admin/") || methods["get"].is_null() {
            continue;
        }
        let path: String =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
        let (status, problem) = get(&app, &format!("{path}?conection=1")).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!("conection")), "{path}: {problem}");
        assert_eq!(problem["type"], "/docs/problems/invalid-parameter");
        asked += 1;
    }
    assert!(asked > 15, "{asked}");
    let (_, problem) = get(&app, "/api/admin/alerts?stat=open").await;
    assert_eq!(problem["allowed"], json!(["state", "connection", "before", "limit"]));
}

#[tokio::test]
async fn a_name_that_there_is_not_is_refused_with_those_there_are() {
    let app = TestApp::start().await;
    for (query, parameter, one) in [
        ("logs?status=failed", "status", "rate_limited"),
        ("logs?status=okay", "status", "ok"),
        ("logs?reason=bad", "reason", "upstream"),
        ("logs?environment=staging", "environment", "sandbox"),
        ("logs?caller=me", "caller", "health"),
        ("alerts?state=closed", "state", "resolved"),
        ("approvals?state=open", "state", "pending"),
    ] {
        let (status, problem) = get(&app, &format!("/api/admin/{query}")).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(parameter)), "{query}: {problem}");
        assert!(problem["allowed"].as_array().unwrap().contains(&json!(one)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(&format!("`{one}`")), "{problem}");
    }
    for (query, parameter) in
        [("logs?limit=0", "limit"), ("logs?from=yesterday", "from"), ("tickets?limit=1&limit=2", "limit")]
    {
        let (status, problem) = get(&app, &format!("/api/admin/{query}")).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(parameter)), "{query}: {problem}");
    }
    assert_eq!(get(&app, "/api/admin/logs?status=ok&reason=upstream&caller=chat&limit=5").await.0, 200);
}

#[tokio::test]
async fn every_mistake_of_a_query_is_told_at_once() {
    let app = TestApp::start().await;
    let (status, problem) = get(&app, "/api/admin/logs?conection=1&limit=0&status=okay&from=yesterday").await;
    assert_eq!((status, &problem["type"]), (400, &json!("/docs/problems/invalid-parameter")), "{problem}");
    let errors = problem["errors"].as_array().unwrap();
    let paths: Vec<&Value> = errors.iter().map(|error| &error["path"]).collect();
    assert_eq!(paths, ["status", "from", "limit", "conection"], "{problem}");
    assert!(!problem.to_string().contains("yesterday"), "{problem}");
}

#[tokio::test]
async fn a_body_may_be_left_out_where_nothing_has_to_be_in_it() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let connection = installed(&app, &service, "sandbox").await;
    let key = app.make_key(json!({"name": "k", "scopes": ["chat"]})).await["id"].as_str().unwrap().to_owned();
    let url = format!("http://{}/hook", service.address);
    let made = app.client.put(app.url("/api/admin/webhook")).bearer_auth(&app.admin).json(&json!({"url": url}));
    assert_eq!(made.send().await.unwrap().status(), 201);
    for path in ["/api/admin/webhook/rotate".to_owned(), format!("/api/admin/keys/{key}/rotate")] {
        let (status, answer) = send(&app, "POST", &path, "").await;
        assert_eq!(status, 200, "{path}: {answer}");
    }
    let call = format!("/api/admin/connections/{connection}/actions/get_account");
    let (status, problem) = send(&app, "POST", &call, "").await;
    assert_eq!((status, &problem["type"]), (422, &json!("/docs/problems/connector-invalid-input")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("/id: it is missing"), "{problem}");
    let (status, problem) = send(&app, "PUT", "/api/admin/webhook", "").await;
    assert_eq!((status, &problem["type"]), (400, &json!("/docs/problems/invalid-json")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("url"), "{problem}");
}

#[tokio::test]
async fn no_body_has_members_that_nobody_reads() {
    let document: Value = serde_json::from_str(openapi_document()).unwrap();
    let mut seen = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let content = &operation["requestBody"]["content"]["application/json"]["schema"];
            let Some(name) = content["$ref"].as_str().filter(|_| path.starts_with("/api/admin/")) else { continue };
            let schema = document.pointer(name.trim_start_matches('#')).unwrap();
            assert_eq!(schema["additionalProperties"], json!(false), "{method} {path}");
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen}");
    let app = TestApp::start().await;
    for (path, body) in [
        ("keys", json!({"name": "x", "scopes": ["chat"], "mesage_cap": 5})),
        ("connections", json!({"connector": "shopify", "environment": "sandbox", "polcy": {}})),
    ] {
        let (status, problem) = send(&app, "POST", &format!("/api/admin/{path}"), body.to_string()).await;
        assert_eq!(status, 422, "{path}: {problem}");
        assert!(problem.to_string().contains("unknown"), "{problem}");
    }
}

#[tokio::test]
async fn a_mistake_in_a_body_is_told_at_its_path() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    app.admin_post("/api/admin/connectors", &definition(&service)).await;
    let install = |extra: Value| {
        let mut body = json!({"connector": "crm", "environment": "sandbox", "settings": {}});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    for (path, body, at) in [
        ("connections", json!({"connector": "crm"}), "environment"),
        ("connections", install(json!({"environment": "hunter2"})), "environment"),
        ("connections", install(json!({"credentials_expire_at": "soon"})), "credentials_expire_at"),
        ("connections", install(json!({"version": "7.0.0"})), "version"),
        ("connections", install(json!({"credentials": {"api_key": ["hunter2"]}})), "credentials.api_key"),
        ("connections", install(json!({"mappings": {"get_account": 77_123_456}})), "mappings.get_account"),
        ("connections", install(json!({"settings": {"region": ["hunter2"]}})), "settings.region"),
        ("connections", json!(["hunter2"]), "$"),
        ("workflows", json!({"name": "x", "triggers": ["a", 77_123_456]}), "triggers[1]"),
        ("keys", json!({"name": "x", "scopes": ["hunter2"]}), "scopes[0]"),
    ] {
        let response = app.post_as(&app.admin, &format!("/api/admin/{path}"), &body).await;
        assert_eq!(response.status(), 422, "{body}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["errors"][0]["path"], at, "{body}: {problem}");
        let text = problem.to_string();
        assert!(!text.contains("hunter2") && !text.contains("77") && !text.contains(" line "), "{text}");
    }
}

#[tokio::test]
async fn a_failed_call_tells_how_long_it_took() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let path = format!("/api/admin/connections/{id}/actions/get_account");
    let problem: Value = app.post_as(&app.admin, &path, &json!({"id": "404"})).await.json().await.unwrap();
    let logged = &app.logs().await[0];
    assert!(logged["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(problem["duration_ms"], logged["duration_ms"], "{problem}");
}

#[tokio::test]
async fn a_change_made_from_what_is_no_longer_so_is_refused() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    app.admin_post("/api/admin/connectors", &definition(&service)).await;
    let id = connected(&app, "sandbox").await;
    let seen = get(&app, &format!("/api/admin/connections/{id}")).await.1["revision"].clone();
    let (status, first) = patch(&app, &id, &json!({"name": "Ours", "revision": seen})).await;
    assert_eq!((status, &first["name"]), (200, &json!("Ours")), "{first}");
    let (status, problem) = patch(&app, &id, &json!({"name": "Mine", "revision": seen})).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/docs/problems/changed-meanwhile")), "{problem}");
    let now = get(&app, &format!("/api/admin/connections/{id}")).await.1;
    assert_eq!((&now["name"], &now["revision"]), (&json!("Ours"), &first["revision"]), "nothing was done");
    assert_eq!(patch(&app, &id, &json!({"name": "Mine", "revision": now["revision"]})).await.0, 200);
    assert_eq!(patch(&app, &id, &json!({"name": "Theirs"})).await.0, 200, "who doesn't say takes what is there");
}

#[tokio::test]
async fn a_change_of_nothing_changes_nothing() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let path = format!("/api/admin/connections/{id}");
    let before = get(&app, &path).await.1;
    assert_eq!(send(&app, "PATCH", &path, "").await, (200, before.clone()));
    let same = json!({"name": before["name"], "settings": before["settings"], "environment": "production",
        "version": before["version"], "policy": before["policy"], "mappings": before["mappings"],
        "revision": before["revision"]});
    for change in [json!({}), json!({"name": before["name"]}), same] {
        assert_eq!(patch(&app, &id, &change).await, (200, before.clone()), "{change}");
    }
    assert_eq!(get(&app, &path).await.1, before);
    let stale = json!({"revision": before["revision"].as_u64().unwrap() + 1});
    assert_eq!(patch(&app, &id, &stale).await.0, 409, "it was made from something else");
    let changed = patch(&app, &id, &json!({"policy": {"deny_writes": true}})).await.1;
    assert_eq!(changed["revision"].as_u64().unwrap(), before["revision"].as_u64().unwrap() + 1, "{changed}");
}

#[tokio::test]
async fn a_setting_that_there_is_not_is_refused_with_those_there_are() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let mut wanted = definition(&service);
    app.admin_post("/api/admin/connectors", &wanted).await;
    let install = async |settings: Value| {
        let body = json!({"connector": "crm", "environment": "sandbox", "settings": settings});
        let response = app.post_as(&app.admin, "/api/admin/connections", &body).await;
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let id = install(json!({"region": "us"})).await.1["id"].as_str().unwrap().to_owned();
    let wrong = json!({"regoin": "us", "region": 7});
    for (status, problem) in [install(wrong.clone()).await, patch(&app, &id, &json!({"settings": wrong})).await] {
        assert_eq!(status, 422, "{problem}");
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!((errors.len(), &errors[0]["path"]), (2, &json!("settings.regoin")), "{problem}");
        assert!(errors[0]["message"].as_str().unwrap().contains("this connector's are: region"), "{problem}");
        assert_eq!(errors[1]["path"], "settings.region", "{problem}");
    }

    // The next version has another; a schema may leave its names open.
    wanted["version"] = json!("1.1.0");
    wanted["settings"] = json!({"type": "object", "additionalProperties": {"type": "string"},
        "properties": {"region": {"type": "string", "default": "eu"}}});
    app.admin_post("/api/admin/connectors", &wanted).await;
    let open = patch(&app, &id, &json!({"version": "1.1.0", "settings": {"tone": "kind"}})).await;
    assert_eq!((open.0, &open.1["settings"]), (200, &json!({"region": "eu", "tone": "kind"})), "{}", open.1);
    wanted["version"] = json!("1.2.0");
    wanted["settings"]["additionalProperties"] = json!(false);
    app.admin_post("/api/admin/connectors", &wanted).await;
    let (_, problem) = install(json!({"tone": "kind"})).await;
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1), "told once: {problem}");
    assert_eq!(problem["errors"][0]["path"], "settings.tone", "{problem}");
}

#[tokio::test]
async fn an_organization_that_keeps_enough_versions_is_told_to_delete_some() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let nth = |n: usize| {
        let mut definition = definition(&service);
        definition["version"] = json!(format!("1.{n}.0"));
        definition["fixtures"] = json!([{"match": {}, "response": {"text": "x".repeat(900_000)}}]);
        definition
    };
    // 16 MiB of them.
    for n in 0..18 {
        app.admin_post("/api/admin/connectors", &nth(n)).await;
    }
    let response = app.post_as(&app.admin, "/api/admin/connectors", &nth(100)).await;
    assert_eq!(response.status(), 409);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["type"], "/docs/problems/too-many-versions", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("16777216 bytes of definitions"), "{problem}");
    assert_eq!(send(&app, "DELETE", "/api/admin/connectors/crm/versions/1.3.0", "").await.0, 204);
    app.admin_post("/api/admin/connectors", &nth(100)).await;
}
