//! A connection's pages in the console: its actions, mapping, settings and versions, and that it is revocable.

use http::StatusCode;
use resly_core::member::Role;
use resly_tests::{
    app::TestApp,
    console::ConsoleClient,
    crm::{account, connected, definition, installed},
    service::ScriptedService,
};
use serde_json::{Value, json};

use crate::console_connectors::api;

#[tokio::test]
async fn an_action_is_tried_with_a_form_from_its_schema() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let before = service.received().len();
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    assert!(admin.page(&format!("/console/connections/{id}/actions")).await.contains("Look up an account"));
    let path = format!("/console/connections/{id}/actions/get_account");
    assert!(admin.page(&path).await.contains(r#"name="input.id""#));
    let empty = admin.post(&path, &[("input.id", ""), ("do", "run")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(empty.html.contains(r#"id="f-input.id-error""#), "{}", empty.html);

    let shown = admin.post(&path, &[("input.id", "1"), ("do", "dry-run")]).await;
    for part in ["nothing was sent", "/eu/api/accounts/1", "[masked]"] {
        assert!(shown.html.contains(part), "{part}: {}", shown.html);
    }
    assert_eq!(service.received().len(), before, "nothing left the host");
    let ran = admin.post(&path, &[("input.id", "1"), ("do", "run")]).await;
    for part in ["it worked", "&quot;name&quot;: &quot;Acme&quot;", "Fuel"] {
        assert!(ran.html.contains(part), "{part}: {}", ran.html);
    }
    let failed = admin.post(&path, &[("input.id", "2"), ("do", "run")]).await;
    assert!(failed.html.contains("not_found") && failed.html.contains("Compare what was asked for"), "{}", failed.html);
    let log = app.logs().await;
    assert_eq!((&log[0]["caller"], &log[0]["key"]), (&json!("admin"), &Value::Null), "a member has no key");
    assert_eq!(admin.get(&format!("/console/connections/{id}/actions/nope")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_changes_something_runs_only_when_its_box_is_ticked() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let mut with_write = definition(&service);
    let url = format!("http://{}/eu/api/accounts/{{{{ input.id }}}}/close", service.address);
    with_write["actions"].as_array_mut().unwrap().push(json!({
        "id": "close_account", "title": "Close an account", "description": "Closes an account.", "side_effect": "write",
        "input": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
        "request": {"method": "POST", "url": url, "body": {"sure": true}}, "response": {"mapping": "."},
    }));
    app.admin_post("/api/admin/connectors", &with_write).await;
    service.answers("/eu/api/accounts/1/close", 200, json!({"closed": true}));
    let id = connected(&app, "production").await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let path = format!("/console/connections/{id}/actions/close_account");
    let page = admin.page(&path).await;
    let (first, second) = (page.find("Show the request only").unwrap(), page.find(r#"value="run""#).unwrap());
    assert!(first < second, "the Enter key only shows it");
    let unsure = admin.post(&path, &[("input.id", "1"), ("do", "run")]).await;
    assert_eq!((unsure.status, service.received().len()), (StatusCode::UNPROCESSABLE_ENTITY, 0), "{}", unsure.html);
    let ran = admin.post(&path, &[("input.id", "1"), ("sure", "on"), ("do", "run")]).await;
    assert!(ran.html.contains("&quot;closed&quot;: true"), "{}", ran.html);
    assert_eq!(service.received().len(), 1);
}

#[tokio::test]
async fn a_mapping_is_previewed_on_the_last_output_and_then_saved() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    app.admin_post("/api/admin/connectors", &definition(&service)).await;
    let id = connected(&app, "sandbox").await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let path = format!("/console/connections/{id}/mapping");
    assert!(admin.page(&path).await.contains("Run it once"));
    admin.post(&format!("/console/connections/{id}/actions/get_account"), &[("input.id", "1"), ("do", "run")]).await;
    let preview = admin.post(&path, &[("action", "get_account"), ("filter", "{plan}"), ("do", "preview")]).await;
    assert!(
        preview.html.contains("&quot;plan&quot;: &quot;Pro&quot;") && preview.html.contains("Before"),
        "{}",
        preview.html
    );
    assert_eq!(api(&app, &id).await["mappings"], json!({}), "a preview sets nothing");
    let wrong = admin.post(&path, &[("action", "get_account"), ("filter", "{{"), ("do", "save")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.html.contains(r#"id="f-filter-error""#) && wrong.html.contains("{{"), "{}", wrong.html);
    let saved = admin.submit(&path, &[("action", "get_account"), ("filter", "{plan}"), ("do", "save")]).await;
    assert!(saved.contains("The mapping is saved"), "{saved}");
    assert_eq!(api(&app, &id).await["mappings"], json!({"get_account": "{plan}"}));
    admin.submit(&path, &[("action", "get_account"), ("filter", ""), ("do", "save")]).await;
    assert_eq!(api(&app, &id).await["mappings"], json!({}));
}

#[tokio::test]
async fn settings_policy_and_environment_are_changed_from_what_was_seen() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let id = installed(&app, &service, "sandbox").await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let path = format!("/console/connections/{id}/settings");
    let revision = |page: &str| {
        let (_, rest) = page.split_once(r#"name="revision" value=""#).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let seen = revision(&admin.page(&path).await);
    let change = [("name", "New <name>"), ("settings.region", "us"), ("writes", "never"), ("revision", &seen)];
    let saved = admin.submit(&path, &change).await;
    assert!(saved.contains("New &lt;name&gt;") && !saved.contains("New <name>"), "{saved}");
    let view = api(&app, &id).await;
    assert_eq!((&view["settings"], &view["policy"]["deny_writes"]), (&json!({"region": "us"}), &json!(true)));
    let late = admin.post(&path, &change).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "somebody else changed it meanwhile");
    let unnamed = admin.post(&path, &[("name", ""), ("settings.region", "us")]).await;
    assert!(unnamed.html.contains(r#"id="f-name-error""#), "{}", unnamed.html);

    let moved = admin.submit(&format!("/console/connections/{id}/environment"), &[("environment", "production")]).await;
    assert!(moved.contains("It is in the production environment now") && moved.contains("Next: test it"), "{moved}");
    assert_eq!(api(&app, &id).await["status"], "installed");
    let disabled = admin.submit(&format!("/console/connections/{id}/disable"), &[]).await;
    assert!(disabled.contains("no more"), "{disabled}");
}

#[tokio::test]
async fn another_version_shows_what_it_asks_for_beside_the_present_one() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let id = installed(&app, &service, "sandbox").await;
    let mut newer = definition(&service);
    newer["version"] = json!("2.0.0");
    newer["hosts"].as_array_mut().unwrap().push(json!("files.example.com"));
    app.admin_post("/api/admin/connectors", &newer).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let path = format!("/console/connections/{id}/versions");
    assert!(admin.page(&path).await.contains("in use here"));
    let compared = admin.page(&format!("{path}?to=2.0.0")).await;
    for part in ["It asks for more", "may call another host or path", "files.example.com", "Move to 2.0.0"] {
        assert!(compared.contains(part), "{part}: {compared}");
    }
    let moved = admin.submit(&path, &[("version", "2.0.0")]).await;
    assert!(moved.contains("It runs version 2.0.0 now"), "{moved}");
    assert_eq!(api(&app, &id).await["version"], "2.0.0");
}

#[tokio::test]
async fn connections_are_revocable_anytime() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let id = installed(&app, &service, "sandbox").await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let path = format!("/console/connections/{id}/danger");
    assert!(admin.page(&path).await.contains("undone"));
    assert!(admin.submit(&path, &[]).await.contains("The connection is revoked"));
    assert_eq!(admin.get(&format!("/console/connections/{id}")).await.status, StatusCode::NOT_FOUND);
}
