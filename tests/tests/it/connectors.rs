//! `call_connector` end to end: the model asks, the component runs in the sandbox, the service is called with a
//! credential that nobody else sees, and the usage report is what happened.

use resly_tests::{
    app::TestApp,
    crm::{SECRET, account, definition, installed},
    model::Reply,
    service::ScriptedService,
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_declarative_connector_answers_a_customer() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let (calls, fuel) = (app.used("connector_calls").await, app.used("fuel").await);
    app.model.says([Reply::connector("crm", "get_account", json!({"id": "1"})), Reply::text("Acme is on Pro [1].")]);
    let answer = app.answer(json!({"messages": [{"role": "user", "content": "Which plan is Acme on?"}]})).await;
    assert_eq!(answer["content"], "Acme is on Pro [1].");
    assert_eq!(answer["citations"][0]["sourceId"], id.as_str());

    let received = service.received();
    let request = received.last().unwrap();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/eu/api/accounts/1?expand=plan"));
    assert_eq!(request.header("x-api-key"), Some(SECRET));

    let asked = app.model.asked();
    let told = asked[1]["messages"].to_string();
    assert!(told.contains("Pro") && !told.contains("internal") && !told.contains("price"), "mapped: {told}");
    for body in &asked {
        assert!(!body.to_string().contains(SECRET));
    }
    assert_eq!(app.used("connector_calls").await, calls + 1);
    let logs = app.logs().await;
    let burnt = |log: &Value| log["cost"]["fuel"].as_u64().or(log["fuel"].as_u64()).unwrap();
    assert!(burnt(&logs[0]) > 0);
    assert_eq!(app.used("fuel").await, fuel + burnt(&logs[0]), "the report is what the log says");
    assert_eq!(app.used("messages").await, 1);

    // Within the time that the manifest gives (`cache_s`), the same read is known: no request, no call.
    let requests = service.received().len();
    app.model.says([Reply::connector("crm", "get_account", json!({"id": "1"})), Reply::text("Still Pro [1].")]);
    let again = app.answer(json!({"messages": [{"role": "user", "content": "And now?"}]})).await;
    assert_eq!(again["content"], "Still Pro [1].");
    assert_eq!((service.received().len(), app.used("connector_calls").await), (requests, calls + 1));
}

#[tokio::test]
async fn a_connector_definition_is_validated_whole_and_never_changes() {
    let app = TestApp::start().await;
    let definition = json!({
        "id": "crm", "name": "Acme CRM", "version": "1.0.0", "hosts": ["crm.example.com"],
        "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key"},
        "settings": {"type": "object", "properties": {"region": {"type": "string", "default": "eu"}}},
        "actions": [{"id": "get_account", "title": "Look up an account", "description": "Finds an account.",
            "input": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
            "request": {"method": "GET", "url": "https://crm.example.com/{{ settings.region }}/{{ input.id }}"}}],
        "test": {"action": "get_account", "input": {"id": "1"}},
    });
    let path = "/api/admin/connectors";
    let post = async |path: &str, body: &Value| {
        let response = app.post_as(&app.admin, path, body).await;
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap())
    };
    let (status, body) = post(path, &definition).await;
    assert_eq!(status, 201, "{body}");
    let mut other = definition.clone();
    other["name"] = json!("Another CRM");
    assert_eq!(post(path, &other).await.0, 409);
    let mut bundled = definition.clone();
    bundled["id"] = json!("shopify");
    assert_eq!(post(path, &bundled).await.0, 409);
    let mut wrong = definition.clone();
    wrong["id"] = json!("Not An Id");
    wrong["actions"][0]["id"] = json!("NO");
    let (_, problem) = post(path, &wrong).await;
    assert_eq!(problem["type"], "/docs/problems/invalid-connector");
    assert!(problem["errors"].as_array().unwrap().len() >= 2, "{problem}");

    let install =
        json!({"connector": "crm", "environment": "production", "settings": {}, "credentials": {"token": "x"}});
    let (_, refused) = post("/api/admin/connections", &install).await;
    assert_eq!(refused["errors"].as_array().unwrap().len(), 2, "one missing, one unknown: {refused}");
    let install =
        json!({"connector": "crm", "environment": "production", "settings": {}, "credentials": {"api_key": "canary"}});
    let (status, installed) = post("/api/admin/connections", &install).await;
    assert_eq!(status, 201);
    assert!(!installed.to_string().contains("canary"));
    assert_eq!(installed["settings"]["region"], "eu", "defaults are filled in");
    assert_eq!((&installed["status"], &installed["has_credentials"]), (&json!("installed"), &json!(true)));

    let path = format!("/api/admin/connections/{}", installed["id"].as_str().unwrap());
    let forget = app.admin_send("PATCH", &path, &json!({"credentials": null})).await;
    let changed: Value = forget.json().await.unwrap();
    assert_eq!(changed["has_credentials"], false);
    let (_, refused) = post(&format!("{path}/enable"), &json!({})).await;
    assert_eq!(refused["type"], "/docs/problems/connector-needs-auth");
}

#[tokio::test]
async fn a_misspelt_change_of_a_connection_is_refused() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let id = installed(&app, &service, "sandbox").await;
    for change in [json!({"polcy": {"deny_writes": true}}), json!({"owner": "organization"})] {
        let request = app.client.patch(app.url(&format!("/api/admin/connections/{id}"))).bearer_auth(&app.admin);
        let response = request.json(&change).send().await.unwrap();
        assert_eq!(response.status(), 422, "{change}: {}", response.text().await.unwrap());
    }
}

#[tokio::test]
async fn a_service_s_errors_have_kinds() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let path = format!("/api/admin/connections/{id}/actions/get_account");
    let output: Value = app.admin_post(&path, &json!({"id": "1"})).await;
    assert_eq!(output["output"], json!({"id": "1", "name": "Acme", "plan": "Pro"}));
    assert!(output["fuel"].as_u64().unwrap() > 0 && output["http_calls"] == 1);

    let missing = app.post_as(&app.admin, &path, &json!({"id": "2"})).await;
    assert!(missing.status().is_client_error() || missing.status().is_server_error());
    assert!(missing.text().await.unwrap().contains("not"));
    let wrong = app.post_as(&app.admin, &path, &json!({"id": 5})).await;
    assert!(wrong.status().is_client_error());
    let logs = app.logs().await;
    let told = |n: usize| (logs[n]["status"].as_str().unwrap(), logs[n]["reason"].as_str().unwrap());
    assert_eq!(told(0), ("invalid_input", "request_configuration"), "what reached nobody is in the log, too");
    assert_eq!(told(1), ("not_found", "request_configuration"));
}

#[tokio::test]
async fn a_service_that_echoes_the_credential_gives_nothing_away() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let encoded: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    service.answers("/eu/api/accounts/3", 200, json!({"data": {"id": SECRET, "name": encoded, "plan": {"name": "p"}}}));
    service.answers("/eu/api/accounts/4", 500, json!({"message": format!("bad key {SECRET}")}));
    for account in ["3", "4"] {
        let path = format!("/api/admin/connections/{id}/actions/get_account");
        let text = app.post_as(&app.admin, &path, &json!({"id": account})).await.text().await.unwrap();
        assert!(!text.contains(SECRET) && !text.contains(&encoded), "{text}");
    }
    let logs = serde_json::to_string(&app.logs().await).unwrap();
    let listed = app.send_as(&app.admin, "GET", "/api/admin/connections").await.text().await.unwrap();
    assert!(!logs.contains(SECRET) && !listed.contains(SECRET));
    app.nothing_on_disk_contains(SECRET);
}

#[tokio::test]
async fn a_connector_reaches_only_what_it_was_granted() {
    let service = ScriptedService::start().await.unwrap();
    // The operator allows nothing private: the definition may be refused, or its dial is.
    let app = TestApp::start().await;
    let response = app.post_as(&app.admin, "/api/admin/connectors", &definition(&service)).await;
    if response.status().is_success() {
        let made = app
            .admin_post(
                "/api/admin/connections",
                &json!({"connector": "crm", "name": "CRM", "environment": "production", "settings": {},
                    "credentials": {"api_key": SECRET}}),
            )
            .await;
        let path = format!("/api/admin/connections/{}/test", made["id"].as_str().unwrap());
        let tested = app.admin_post(&path, &json!({})).await;
        assert_eq!(tested["ok"], false, "{tested}");
    }
    assert!(service.received().is_empty(), "nothing was dialled");
}

#[tokio::test]
async fn the_sandbox_environment_touches_nothing_and_costs_nothing() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    installed(&app, &service, "sandbox").await;
    app.model.says([Reply::connector("crm", "get_account", json!({"id": "1"})), Reply::text("Acme is on Pro.")]);
    let answer = app.answer(json!({"messages": [{"role": "user", "content": "Which plan is Acme on?"}]})).await;
    assert_eq!(answer["content"], "Acme is on Pro.");
    assert!(app.model.asked()[1]["messages"].to_string().contains("Pro"));
    assert!(service.received().is_empty());
    assert_eq!((app.used("connector_calls").await, app.used("fuel").await), (0, 0));
    let usage = app.send_as(&app.admin, "GET", "/api/admin/usage").await.text().await.unwrap();
    assert!(usage.contains("sandbox"), "its calls are reported beside the others: {usage}");
}

#[tokio::test]
async fn shopify_answers_from_its_fixtures() {
    let app = TestApp::start().await;
    let made = app
        .admin_post(
            "/api/admin/connections",
            &json!({"connector": "shopify", "name": "Our shop", "environment": "sandbox",
                "settings": {"shop": "acme-demo", "verify_email": false}, "credentials": {"api_key": "shpat_x"}}),
        )
        .await;
    let id = made["id"].as_str().unwrap();
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    app.model.says([
        Reply::connector("shopify", "find_order", json!({"number": "#1001"})),
        Reply::text("It is on its way [1]."),
    ]);
    let body = json!({"messages": [{"role": "user", "content": "Where is my order #1001?"}]});
    let answer = app.answer(body).await;
    assert_eq!(answer["content"], "It is on its way [1].");
    let told = app.model.asked()[1]["messages"].to_string();
    assert!(told.contains("#1001"), "{told}");
    assert_eq!(app.logs().await[0]["status"], "ok");
}

#[tokio::test]
async fn a_limit_on_connector_calls_is_told_to_the_model_and_costs_nothing_more() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    installed(&app, &service, "production").await;
    let used = app.used("connector_calls").await;
    app.limit(json!({"connector_calls": used})).await;
    let requests = service.received().len();
    app.model.says([
        Reply::connector("crm", "get_account", json!({"id": "1"})),
        Reply::text("I can't look that up right now."),
    ]);
    let body = json!({"messages": [{"role": "user", "content": "Which plan is Acme on?"}]});
    assert_eq!(app.answer(body).await["content"], "I can't look that up right now.");
    assert!(app.model.asked()[1]["messages"].to_string().contains("limit"));
    assert_eq!((app.used("connector_calls").await, service.received().len()), (used, requests));
}

#[tokio::test]
async fn another_organization_sees_none_of_it() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let id = installed(&app, &service, "production").await;
    let stranger = app.stranger_admin().await;
    for (method, path) in [
        ("GET", format!("/api/admin/connections/{id}")),
        ("DELETE", format!("/api/admin/connections/{id}")),
        ("POST", format!("/api/admin/connections/{id}/test")),
        ("POST", format!("/api/admin/connections/{id}/disable")),
        ("POST", format!("/api/admin/connections/{id}/actions/get_account")),
    ] {
        let response = if method == "POST" {
            app.post_as(&stranger, &path, &json!({"id": "1"})).await
        } else {
            app.send_as(&stranger, method, &path).await
        };
        assert_eq!(response.status(), 404, "{method} {path}");
    }
    let catalogue = app.send_as(&stranger, "GET", "/api/admin/connectors").await.text().await.unwrap();
    assert!(!catalogue.contains("Acme CRM"));
}

#[tokio::test]
async fn stripe_tells_a_customer_s_subscription() {
    let app = TestApp::start().await;
    let made = app
        .admin_post(
            "/api/admin/connections",
            &json!({"connector": "stripe", "name": "Billing", "environment": "sandbox", "settings": {}}),
        )
        .await;
    let id = made["id"].as_str().unwrap();
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert_eq!(tested["ok"], true, "{tested}");
    let call = async |action: &str, input: Value| {
        app.admin_post(&format!("/api/admin/connections/{id}/actions/{action}"), &input).await["output"].clone()
    };
    let found = call("find_customers", json!({"email": "ada@example.com"})).await;
    let customer = json!({"customer": found["customers"][0]["id"]});
    let one = &call("list_subscriptions", customer.clone()).await["subscriptions"][0];
    assert_eq!((&one["status"], &one["renews"]), (&json!("active"), &json!("2026-12-01T00:00:00Z")));
    assert_eq!(one["items"], json!([{"plan": "Pro", "quantity": 1, "price": "29.00 EUR", "every": "1 month"}]));
    assert_eq!(call("get_customer", customer.clone()).await["balance"], "-5.00 EUR");
    assert_eq!(call("list_invoices", customer.clone()).await["invoices"][0]["open"], "0.00 EUR");
    assert_eq!(call("list_charges", customer).await["charges"][1]["failed_because"], "Your card was declined.");
    let nobody = format!("/api/admin/connections/{id}/actions/list_charges");
    let nobody = app.post_as(&app.admin, &nobody, &json!({"customer": "cus_nobody"})).await;
    assert!(nobody.text().await.unwrap().contains("No such customer"));
}
