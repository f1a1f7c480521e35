//! A CRM as an organization would describe it: a declarative connector with one action, called with an API key.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, reason = "this is test code in a library's place")]

use serde_json::{Value, json};

use crate::{app::TestApp, service::ScriptedService};

/// The API key. Only the service may see it.
pub const SECRET: &str = "crm-canary-5d41402abc4b2a76b9719d911017c592";

/// The connector's manifest.
pub fn definition(service: &ScriptedService) -> Value {
    let host = service.address.to_string();
    json!({
        "id": "crm", "name": "Acme CRM", "version": "1.0.0", "hosts": [host],
        "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key"},
        "settings": {"type": "object", "properties": {"region": {"type": "string", "default": "eu"}}},
        "actions": [{
            "id": "get_account", "title": "Look up an account", "description": "Finds a customer's account by its id.",
            "side_effect": "read", "cache_s": 60,
            "input": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
            "request": {"method": "GET",
                "url": format!("http://{host}/{{{{ settings.region }}}}/api/accounts/{{{{ input.id }}}}"),
                "headers": {"accept": "application/json"}, "query": {"expand": "plan"}, "body": null},
            "response": {"mapping": ".data | {id, name, plan: .plan.name}",
                "errors": [{"status": 404, "fault": "not-found"}]},
        }],
        "test": {"action": "get_account", "input": {"id": "1"}},
        "fixtures": [{"match": {"method": "GET", "path": "/eu/api/accounts/1"},
            "response": {"status": 200, "json": {"data": {"id": "1", "name": "Acme", "plan": {"name": "Pro"}}}}}],
    })
}

/// The service's answer at `/eu/api/accounts/1`.
pub fn account() -> Value {
    json!({"data": {"id": "1", "name": "Acme", "plan": {"name": "Pro", "price": 99}, "internal": "x"}})
}

/// Installs, tests and enables it. Returns the connection's id.
pub async fn installed(app: &TestApp, service: &ScriptedService, environment: &str) -> String {
    app.admin_post("/api/admin/connectors", &definition(service)).await;
    let id = connected(app, environment).await;
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert_eq!(tested["ok"], true, "{tested}");
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    id
}

/// Installs it only.
pub async fn connected(app: &TestApp, environment: &str) -> String {
    let made = app
        .admin_post(
            "/api/admin/connections",
            &json!({"connector": "crm", "name": "CRM", "environment": environment, "settings": {},
                "credentials": {"api_key": SECRET}}),
        )
        .await;
    assert!(!made.to_string().contains(SECRET));
    made["id"].as_str().unwrap().to_owned()
}
