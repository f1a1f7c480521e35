//! A connector that reads and closes accounts of a scripted service, for the suites about writes.

use serde_json::{Value, json};

use crate::{
    app::TestApp,
    service::{Received, ScriptedService},
};

/// The service, with accounts `1` and `2` that can be read and closed.
pub struct Accounts {
    pub service: ScriptedService,
}

impl Accounts {
    pub async fn start() -> std::io::Result<Self> {
        let service = ScriptedService::start().await?;
        for id in ["1", "2"] {
            service.answers(&format!("/accounts/{id}"), 200, json!({"id": id, "name": "Acme"}));
            service.answers(&format!("/accounts/{id}/close"), 200, json!({"id": id, "state": "closed"}));
        }
        Ok(Self { service })
    }

    /// The connector's definition, with this id.
    pub fn definition(&self, id: &str) -> Value {
        let host = self.service.address.to_string();
        json!({
            "id": id, "name": "Accounts", "version": "1.0.0", "hosts": [host], "auth": {"type": "none"},
            "actions": [
                {"id": "get", "title": "Look up an account", "description": "Finds an account.", "side_effect": "read",
                    "input": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
                    "request": {"method": "GET", "url": format!("http://{host}/accounts/{{{{ input.id }}}}")},
                    "response": {"mapping": "."}},
                {"id": "close", "title": "Close an account", "description": "Closes an account for good.",
                    "side_effect": "write",
                    "input": {"type": "object", "properties": {"id": {"type": "string"}, "note": {"type": "string"}},
                        "required": ["id"]},
                    "request": {"method": "POST", "url": format!("http://{host}/accounts/{{{{ input.id }}}}/close"),
                        "body": {"note": "{{ input.note }}"}},
                    "response": {"mapping": "."}},
            ],
            "test": {"action": "get", "input": {"id": "1"}},
            "fixtures": [],
        })
    }

    /// Installs, tests and enables it. Returns the connection's id.
    pub async fn install(&self, app: &TestApp, id: &str, policy: Value) -> String {
        app.admin_post("/api/admin/connectors", &self.definition(id)).await;
        let body = json!({"connector": id, "name": "Our accounts", "environment": "production", "settings": {},
            "policy": policy});
        let made = app.admin_post("/api/admin/connections", &body).await;
        let connection = made["id"].as_str().unwrap_or_default().to_owned();
        app.admin_post(&format!("/api/admin/connections/{connection}/test"), &json!({})).await;
        app.admin_post(&format!("/api/admin/connections/{connection}/enable"), &json!({})).await;
        connection
    }

    /// The writes that reached the service.
    pub fn closed(&self) -> Vec<Received> {
        self.service.received().into_iter().filter(|request| request.method != "GET").collect()
    }
}
