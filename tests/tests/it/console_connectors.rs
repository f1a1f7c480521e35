//! "Setting Up Integrations" in the console: browse, install, authenticate, configure, test, enable; and who may do
//! it.

use http::StatusCode;
use resly_core::member::Role;
use resly_tests::{
    app::TestApp,
    browser::Browser,
    console::ConsoleClient,
    crm::{SECRET, account, definition, installed},
    model::Reply,
    oauth::{CLIENT_ID, CLIENT_SECRET, OauthService},
    service::ScriptedService,
};
use serde_json::{Value, json};

fn id_in(path: &str) -> String {
    path.strip_prefix("/console/connections/").unwrap().split(['/', '?']).next().unwrap().to_owned()
}

/// A connection as the API tells it.
pub async fn api(app: &TestApp, id: &str) -> Value {
    app.send_as(&app.admin, "GET", &format!("/api/admin/connections/{id}")).await.json().await.unwrap()
}

#[tokio::test]
async fn setting_up_integrations_from_the_catalogue_to_a_chat_that_is_answered_through_it() {
    let app = TestApp::start().await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let catalogue = admin.page("/console/connectors").await;
    for shown in ["Shopify", "Stripe", "Gmail", "No connector is installed yet"] {
        assert!(catalogue.contains(shown), "{shown}: {catalogue}");
    }
    let found = admin.page("/console/connectors?q=refund").await;
    assert!(found.contains("Stripe") && !found.contains("Gmail"), "{found}");

    let shopify = admin.page("/console/connectors/shopify").await;
    for shown in ["{{ settings.shop }}.myshopify.com", "X-Shopify-Access-Token", "it only reads", "Find an order"] {
        assert!(shopify.contains(shown), "{shown}: {shopify}");
    }
    let wizard = "/console/connectors/shopify/install";
    assert!(admin.page(&format!("{wizard}?version=1.1.0")).await.contains("Grant this and go on"));
    assert!(admin.page(&format!("{wizard}/environment?version=1.1.0")).await.contains("Sample data answers"));
    let chosen = "version=1.1.0&name=Our+shop&environment=sandbox&auth=api_key&owner=organization";
    assert!(admin.page(&format!("{wizard}/settings?{chosen}")).await.contains("Ask for the e-mail address"));

    let fields =
        |shop| [("name", "Our shop"), ("environment", "sandbox"), ("auth", "api_key"), ("settings.shop", shop)];
    let without = admin.post(&format!("{wizard}/settings"), &fields("")).await;
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(without.html.contains("this is needed"), "{}", without.html);
    let wrong = admin.post(&format!("{wizard}/settings"), &fields("Not A Shop")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        wrong.html.contains(r#"id="f-settings.shop-error""#) && wrong.html.contains("Not A Shop"),
        "{}",
        wrong.html
    );

    let made = admin.post(&format!("{wizard}/settings"), &fields("acme-demo")).await;
    let id = id_in(&made.location);
    assert_eq!(made.location, format!("/console/connections/{id}/setup/test"), "the sandbox needs no credentials");
    assert!(admin.page(&made.location).await.contains("Our shop is installed"));
    // Whoever leaves in between finds the next step on the connection's page.
    assert!(admin.page(&format!("/console/connections/{id}")).await.contains("Next: test it"));
    let tested = admin.post(&made.location, &[]).await;
    assert_eq!(tested.location, format!("/console/connections/{id}/setup/enable"), "{}", tested.html);
    assert!(admin.page(&tested.location).await.contains("The test passed"));
    let enabled = admin.submit(&format!("/console/connections/{id}/enable"), &[]).await;
    assert!(enabled.contains("Chats use this connection now") && enabled.contains("in use"), "{enabled}");
    let list = admin.page("/console/connectors").await;
    assert!(list.contains("Our shop") && list.contains("sample data") && list.contains("installed"), "{list}");

    app.model.says([
        Reply::connector("shopify", "find_order", json!({"number": "#1001", "email": "ada@example.com"})),
        Reply::text("It is on its way."),
    ]);
    let answer = app.answer(json!({"messages": [{"role": "user", "content": "Where is my order #1001?"}]})).await;
    assert_eq!(answer["content"], "It is on its way.");
    let told = app.model.asked()[1]["messages"].to_string();
    assert!(told.contains("JD014600003"), "the tracking number of the sample data: {told}");
}

#[tokio::test]
async fn setting_up_integrations_in_production_leads_through_credentials_that_are_never_shown_again() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    app.admin_post("/api/admin/connectors", &definition(&service)).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page("/console/connectors/crm/install/settings?environment=production").await;
    let fields = [("name", "CRM"), ("environment", "production"), ("settings.region", "eu")];
    let made = admin.post("/console/connectors/crm/install/settings", &fields).await;
    let id = id_in(&made.location);
    assert_eq!(made.location, format!("/console/connections/{id}/setup/authenticate"));

    let early = admin.post(&format!("/console/connections/{id}/enable"), &[]).await;
    assert_eq!(early.location, made.location, "without credentials there is nothing to enable");
    let empty = admin.post(&made.location, &[("credentials.api_key", " ")]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(empty.html.contains(r#"id="f-credentials.api_key-error""#), "{}", empty.html);
    let bad_date = admin.post(&made.location, &[("credentials.api_key", "k"), ("expires", "soon")]).await;
    assert!(bad_date.html.contains("a date is expected"), "{}", bad_date.html);
    let saved = admin.post(&made.location, &[("credentials.api_key", SECRET), ("expires", "2027-01-31")]).await;
    assert_eq!(saved.location, format!("/console/connections/{id}/setup/test"), "{}", saved.html);

    service.answers_once("/eu/api/accounts/1", 401, json!({}));
    let failed = admin.post(&saved.location, &[]).await;
    assert_eq!(failed.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(failed.html.contains("The test failed.") && !failed.html.contains("/api/admin"), "{}", failed.html);
    let again =
        admin.post(&format!("/console/connections/{id}/setup/authenticate"), &[("credentials.api_key", SECRET)]).await;
    let passed = admin.post(&again.location, &[]).await;
    assert_eq!(passed.location, format!("/console/connections/{id}/setup/enable"), "{}", passed.html);
    assert_eq!(service.received().last().unwrap().header("x-api-key"), Some(SECRET));
    assert!(admin.submit(&format!("/console/connections/{id}/enable"), &[]).await.contains("in use"));

    for page in ["", "/actions", "/mapping", "/settings", "/versions", "/danger", "/setup/authenticate"] {
        let page = admin.page(&format!("/console/connections/{id}{page}")).await;
        assert!(!page.contains(SECRET), "{page}");
    }
    let overview = admin.page(&format!("/console/connections/{id}")).await;
    assert!(overview.contains("The last 2 calls in production: 1 failed"), "{overview}");
    let forgotten = admin.submit(&format!("/console/connections/{id}/credentials/forget"), &[]).await;
    assert!(forgotten.contains("none yet"), "{forgotten}");
    assert_eq!(api(&app, &id).await["status"], "needs_auth");
}

#[tokio::test]
async fn authenticate_using_oauth_leads_to_the_service_and_back_to_the_connection() {
    let service = OauthService::start().await.unwrap();
    let app = TestApp::reaching(service.address).await;
    service.registers(app.url("/oauth/callback"));
    app.admin_post("/api/admin/connectors", &service.definition("authorization_code")).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page("/console/connectors/desk/install/settings?environment=production").await;
    let made = admin.post("/console/connectors/desk/install/settings", &[("environment", "production")]).await;
    let id = id_in(&made.location);
    let client = [("credentials.client_id", CLIENT_ID), ("credentials.client_secret", CLIENT_SECRET)];
    let page = admin.submit(&format!("/console/connections/{id}/setup/authenticate"), &client).await;
    assert!(page.contains("Authorize at"), "the app's client comes first: {page}");

    let leads = admin.post(&format!("/console/connections/{id}/authorize"), &[]).await;
    assert_eq!(leads.status, StatusCode::OK, "{}", leads.html);
    let start = app.url("/oauth/begin/");
    let (_, rest) = leads.html.split_once(&format!("href=\"{start}")).unwrap();
    let link = format!("{start}{}", rest.split('"').next().unwrap());
    let mut browser = Browser::new();
    let begun = browser.open(&link).await.location.unwrap();
    let agreed = browser.open(begun.as_str()).await.location.unwrap();
    let back = browser.open(agreed.as_str()).await.location.unwrap();
    assert_eq!(back.path(), format!("/console/connections/{id}"));
    let ended = admin.page(&format!("{}?{}", back.path(), back.query().unwrap())).await;
    assert!(ended.contains("It is authorized and its test passed"), "{ended}");
    assert!(ended.contains("Next: enable it"), "{ended}");
    let settings = admin.page(&format!("/console/connections/{id}/settings")).await;
    assert!(settings.contains("Authorize again") && settings.contains("orders.read"), "{settings}");
    let failed = admin.page(&format!("/console/connections/{id}?oauth=failed&reason=access_denied")).await;
    assert!(failed.contains("access was denied"), "{failed}");
}

#[tokio::test]
async fn who_may_not_manage_reads_and_changes_nothing() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let id = installed(&app, &service, "sandbox").await;
    for role in [Role::Viewer, Role::Agent] {
        let mut reader = ConsoleClient::signed_in(&app, role).await;
        assert!(!reader.page("/console/connectors/crm").await.contains("/install"));
        for page in ["", "/actions", "/actions/get_account", "/mapping", "/settings", "/versions"] {
            let page = reader.page(&format!("/console/connections/{id}{page}")).await;
            assert!(!page.contains("class=\"button primary\"") && !page.contains("danger"), "{page}");
        }
        for page in ["/danger", "/setup/authenticate", "/setup/test", "/setup/enable"] {
            assert_eq!(reader.get(&format!("/console/connections/{id}{page}")).await.status, StatusCode::FORBIDDEN);
        }
        for action in [
            "/settings",
            "/credentials",
            "/environment",
            "/disable",
            "/danger",
            "/mapping",
            "/versions",
            "/actions/get_account",
            "/setup/test",
            "/authorize",
        ] {
            let answer = reader.post(&format!("/console/connections/{id}{action}"), &[]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action}");
        }
    }
    let elsewhere = resly_tests::host::make_organization(app.host(), "elsewhere").await;
    let mut stranger = ConsoleClient::member_of(&app, elsewhere, Role::Owner).await;
    for page in ["", "/actions", "/mapping", "/settings", "/versions", "/danger"] {
        let answer = stranger.get(&format!("/console/connections/{id}{page}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{page}");
    }
    assert_eq!(api(&app, &id).await["status"], "enabled");
}

#[tokio::test]
async fn what_others_wrote_is_text() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let script = "\"><script>alert(1)</script>";
    let mut hostile = definition(&service);
    hostile["name"] = json!(format!("CRM {script}"));
    hostile["description"] = json!(script);
    hostile["actions"][0]["title"] = json!(format!("Look up {script}"));
    hostile["actions"][0]["input"]["properties"]["id"] =
        json!({"type": "string", "title": script, "description": script, "examples": [script], "default": script});
    app.admin_post("/api/admin/connectors", &hostile).await;
    let new = json!({"connector": "crm", "name": script, "environment": "sandbox"});
    let id = app.admin_post("/api/admin/connections", &new).await["id"].as_str().unwrap().to_owned();
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let connection = format!("/console/connections/{id}");
    for page in [
        "/console/connectors",
        "/console/connectors?q=%22%3E%3Cscript%3E",
        "/console/connectors/crm",
        "/console/connectors/crm/install",
        "/console/connectors/crm/install/environment?name=%22%3E%3Cscript%3E",
        "/console/connectors/crm/install/settings?name=%22%3E%3Cscript%3E",
        connection.as_str(),
        &format!("{connection}/actions"),
        &format!("{connection}/actions/get_account"),
        &format!("{connection}/mapping"),
        &format!("{connection}/settings"),
        &format!("{connection}/setup/test"),
        &format!("{connection}/danger"),
    ] {
        let html = admin.page(page).await;
        assert!(!html.contains("<script>"), "{page}: {html}");
    }
}

#[tokio::test]
async fn many_connections_come_page_by_page() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    app.admin_post("/api/admin/connectors", &definition(&service)).await;
    for n in 0..60 {
        let new = json!({"connector": "crm", "name": format!("Number {n:02}."), "environment": "sandbox"});
        app.admin_post("/api/admin/connections", &new).await;
    }
    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    let first = viewer.page("/console/connectors").await;
    assert_eq!((first.matches("Number ").count(), first.contains("Number 59.")), (50, true));
    let (_, rest) = first.split_once("/console/connectors?before=").unwrap();
    let next = format!("/console/connectors?before={}", rest.split('"').next().unwrap());
    let second = viewer.page(&next).await;
    assert_eq!((second.matches("Number ").count(), second.contains("Older")), (10, false));
    let found = viewer.page("/console/connectors?q=number+07").await;
    assert_eq!(found.matches("Number 07.").count(), 1, "{found}");
    assert!(!found.contains("Number 08."));
}
