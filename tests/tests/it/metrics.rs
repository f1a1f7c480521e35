//! `/metrics` of a running host.

use std::{
    collections::BTreeSet,
    io::Write,
    process::{Command, Stdio},
};

use reqwest::StatusCode;
use resly_core::metrics::names;
use resly_tests::{
    app::TestApp,
    crm::{account, definition, installed},
    model::Reply,
    service::ScriptedService,
};
use serde_json::{Value, json};

async fn exposition(app: &TestApp) -> String {
    app.client.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap()
}

/// The value of a series. `None` when it isn't there.
async fn metric(app: &TestApp, series: &str) -> Option<String> {
    let text = exposition(app).await;
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map(str::to_owned)
}

async fn is(app: &TestApp, series: &str, expected: &str) {
    assert_eq!(metric(app, series).await.as_deref(), Some(expected), "{series}");
}

#[tokio::test]
async fn turns_are_counted_by_outcome_and_model_errors_by_kind() {
    let app = TestApp::start().await;
    assert_eq!(metric(&app, "resly_turns_total{outcome=\"complete\"}").await, None);
    let question = json!({"messages": [{"role": "user", "content": "Hi"}]});
    app.answer(question.clone()).await;
    app.answer(question.clone()).await;
    app.model.says([Reply::Status(401, json!({"error": {"message": "bad key"}}))]);
    assert_eq!(app.chat_in("json").json(&question).send().await.unwrap().status(), StatusCode::BAD_GATEWAY);
    is(&app, "resly_turns_total{outcome=\"complete\"}", "2").await;
    is(&app, "resly_turns_total{outcome=\"model-refused\"}", "1").await;
    is(&app, "resly_model_errors_total{kind=\"refused\"}", "1").await;
    is(&app, "resly_model_request_duration_seconds_count{result=\"ok\"}", "2").await;
    is(&app, "resly_model_request_duration_seconds_count{result=\"refused\"}", "1").await;
    is(&app, "resly_turn_duration_seconds_count", "3").await;
    is(&app, "resly_turn_first_text_seconds_count", "2").await;
    is(&app, "resly_problems_total{problem=\"model-refused\"}", "1").await;
}

#[tokio::test]
async fn connector_calls_are_counted_by_caller_and_faults_by_kind() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let connection = installed(&app, &service, "production").await;
    let action = format!("/api/admin/connections/{connection}/actions/get_account");
    app.admin_post(&action, &json!({"id": "1"})).await;
    assert_eq!(app.post_as(&app.admin, &action, &json!({"id": "9"})).await.status(), StatusCode::NOT_FOUND);
    is(&app, "resly_connector_calls_total{connector=\"declarative\",caller=\"admin\"}", "3").await;
    is(&app, "resly_connector_faults_total{connector=\"declarative\",kind=\"not_found\"}", "1").await;
    is(&app, "resly_connector_call_duration_seconds_count{connector=\"declarative\"}", "3").await;
    let fuel = metric(&app, "resly_connector_fuel_total{connector=\"declarative\"}").await.unwrap();
    assert!(fuel.parse::<u64>().unwrap() > 0, "{fuel}");
}

#[tokio::test]
async fn webhook_attempts_are_counted_by_result() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let url = format!("http://{}/hook", service.address);
    assert_eq!(app.admin_send("PUT", "/api/admin/webhook", &json!({"url": url})).await.status(), StatusCode::CREATED);
    for _ in 0..2 {
        app.admin_post("/api/admin/webhook/test", &json!({})).await;
    }
    service.answers("/hook", 204, Value::Null);
    app.admin_post("/api/admin/webhook/test", &json!({})).await;
    is(&app, "resly_webhook_attempts_total{result=\"failed\"}", "2").await;
    is(&app, "resly_webhook_attempts_total{result=\"delivered\"}", "1").await;
}

#[tokio::test]
async fn the_host_shows_its_version_its_pool_and_its_queues() {
    let app = TestApp::start().await;
    is(&app, &format!("resly_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), "1").await;
    is(&app, "resly_sandbox_compile_queue", "0").await;
    for gauge in ["resly_database_connections_open", "resly_database_connections_used"] {
        assert!(metric(&app, gauge).await.unwrap().parse::<u32>().is_ok(), "{gauge}");
    }
}

/// The series of a host, without their values.
async fn series(app: &TestApp) -> BTreeSet<String> {
    let text = exposition(app).await;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// Everything that has labels, once.
async fn touch_everything(app: &TestApp, service: &ScriptedService, of: &str) {
    let send = async |method: &str, path: &str, key: &str| {
        let request = app.client.request(method.parse().unwrap(), app.url(path)).bearer_auth(key);
        request.header("x-hostile", of).send().await.unwrap()
    };
    for path in [&format!("/{of}"), &format!("/api/{of}"), &format!("/docs/{of}"), &format!("/rest/v1/{of}")] {
        for method in ["GET", "POST", &of.to_uppercase()] {
            send(method, path, &app.admin).await;
        }
    }
    send("GET", &format!("/api/admin/keys/{of}"), &app.admin).await;
    send("GET", "/api/admin/keys", of).await;
    let mut own = definition(service);
    own["id"] = json!(of);
    let made = app.post_as(&app.admin, "/api/admin/connectors", &own).await;
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    let connection = json!({"connector": of, "name": of, "environment": "sandbox",
        "settings": {}, "credentials": {"api_key": "k"}});
    let made = app.post_as(&app.admin, "/api/admin/connections", &connection).await;
    let status = made.status();
    let made: Value = made.json().await.unwrap();
    assert!(status.is_success(), "{made}");
    let action = format!("/api/admin/connections/{}/actions/get_account", made["id"].as_str().unwrap());
    app.post_as(&app.admin, &action, &json!({"id": "1"})).await;
    app.post_as(&app.admin, &action, &json!({"wrong": of})).await;
}

#[tokio::test]
async fn what_strangers_and_organizations_name_makes_no_series() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    touch_everything(&app, &service, "first").await;
    // So that the series of this request itself is there.
    series(&app).await;
    let before = series(&app).await;
    for n in 0..12 {
        touch_everything(&app, &service, &format!("hostile-{n}")).await;
    }
    for n in 0..1000 {
        let method = format!("M{n}");
        let request = app.client.request(method.parse().unwrap(), app.url(&format!("/api/hostile-{n}?x={n}")));
        request.bearer_auth(&app.key).send().await.unwrap();
    }
    let after = series(&app).await;
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(before.len() < 1500, "{}", before.len());
}

#[tokio::test]
async fn prometheus_own_linter_has_nothing_to_say() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    touch_everything(&app, &service, "linted").await;
    app.answer(json!({"messages": [{"role": "user", "content": "Hi"}]})).await;
    let text = exposition(&app).await;
    let linter = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut linter = linter.expect("this test needs Prometheus' promtool; on Debian: apt-get install prometheus");
    linter.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let done = linter.wait_with_output().unwrap();
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(done.status.success() && said.trim().is_empty(), "{said}");
    for always in
        ["resly_build_info", "process_open_fds", "resly_store_commit_duration_seconds", "resly_data_free_bytes"]
    {
        assert!(text.contains(&format!("# TYPE {always} ")), "{always}: {text}");
    }
}

#[tokio::test]
async fn in_production_metrics_need_their_token() {
    let token = "a-token-of-the-scraper";
    for (settings, sent, expected) in [
        (vec![], None, 200),
        (vec![("RESLY_METRICS_TOKEN", token)], None, 401),
        (vec![("RESLY_METRICS_TOKEN", token)], Some("a-token-of-another"), 401),
        (vec![("RESLY_METRICS_TOKEN", token)], Some(token), 200),
    ] {
        let app = TestApp::with_settings(&settings).await;
        let mut request = app.client.get(app.url("/metrics"));
        if let Some(sent) = sent {
            request = request.bearer_auth(sent);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected, "{settings:?} {sent:?}");
        if expected == 401 {
            assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
            let problem: Value = response.json().await.unwrap();
            assert_eq!(problem["type"], "/docs/problems/metrics-closed");
            assert!(!problem.to_string().contains(token));
        }
    }
    // A proxy on the same machine passes the world's requests on.
    let app = TestApp::start().await;
    let forwarded = app.client.get(app.url("/metrics")).header("x-forwarded-for", "203.0.113.9").send().await.unwrap();
    assert_eq!(forwarded.status(), 401);
}

#[test]
fn the_handbook_has_every_metric() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md")).unwrap();
    for metric in names::all() {
        let row = page.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`{}`", metric.name)));
        let row = row.unwrap_or_else(|| panic!("{} is in no table", metric.name));
        for label in metric.labels {
            assert!(row.contains(&format!("`{label}`")), "{}: {label}: {row}", metric.name);
        }
    }
}
