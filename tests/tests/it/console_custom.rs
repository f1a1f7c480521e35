//! The console's pages of custom connectors, versions, publishers and logs.

use http::StatusCode;
use resly_core::member::Role;
use resly_manifest::Manifest;
use resly_tests::{
    app::TestApp,
    console::ConsoleClient,
    crm::{SECRET, account, installed},
    host::make_organization,
    model::Reply,
    service::ScriptedService,
};
use serde_json::{Value, json};

use crate::uploads::{packed, settled};

const NEW: &str = "/console/connectors/new";

/// What an admin types to describe the request of `crm`.
fn described(service: &ScriptedService) -> Vec<(&'static str, String)> {
    let url = format!("http://{}/{{{{ settings.region }}}}/api/accounts/{{{{ input.id }}}}", service.address);
    let typed = [
        ("name", "Acme CRM"),
        ("version", "1.0.0"),
        ("auth", "api_key"),
        ("key_in", "header"),
        ("key_name", "X-Api-Key"),
        ("s0-name", "region"),
        ("s0-kind", "string"),
        ("s0-default", "eu"),
        ("s1-name", ""),
        ("s1-kind", "string"),
        ("a0-title", "Get account"),
        ("a0-description", "Finds a customer's account by its id."),
        ("a0-side_effect", "read"),
        ("a0-method", "GET"),
        ("a0-query", "expand: plan"),
        ("a0-mapping", ".data | {id, name, plan: .plan.name}"),
        ("a0-p0-name", "id"),
        ("a0-p0-kind", "string"),
        ("a0-p0-required", "on"),
        ("a0-e0-status", "404"),
        ("a0-e0-fault", "not-found"),
        ("test_action", "get_account"),
        ("test_input", r#"{"id": "1"}"#),
        ("f0-method", "GET"),
        ("f0-path", "/eu/api/accounts/1"),
        ("f0-body", r#"{"data": {"id": "1", "name": "Acme", "plan": {"name": "Pro"}}}"#),
        ("try-input", r#"{"id": "1"}"#),
    ];
    typed.into_iter().map(|(name, value)| (name, value.to_owned())).chain([("a0-url", url)]).collect()
}

fn with<'f>(form: &'f [(&'static str, String)], more: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let kept = form.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    kept.map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied()).collect()
}

#[tokio::test]
async fn you_can_create_custom_connectors_by_describing_the_http_request() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    assert!(admin.page(NEW).await.contains("Describe a request"));
    let form = described(&service);

    let tried = admin.post(NEW, &with(&form, &[("do", "try")])).await;
    assert_eq!(tried.status, StatusCode::OK, "{}", tried.html);
    for shown in ["/eu/api/accounts/1?expand=plan", "x-api-key: [masked]", "Answer in the sandbox", "Acme"] {
        assert!(tried.html.contains(shown), "{shown}: {}", tried.html);
    }
    assert!(service.received().is_empty(), "a dry run sends nothing");

    let page = admin.submit(NEW, &with(&form, &[("do", "add")])).await;
    assert!(page.contains("acme-crm 1.0.0 is in the catalogue") && page.contains("Get account"), "{page}");
    let install = json!({"connector": "acme-crm", "environment": "production", "settings": {}, "credentials": {"api_key": SECRET}});
    let id = app.admin_post("/api/admin/connections", &install).await["id"].as_str().unwrap().to_owned();
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert_eq!(tested["ok"], true, "{tested}");
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    app.model.says([Reply::connector("acme-crm", "get_account", json!({"id": "1"})), Reply::text("It is on Pro [1].")]);
    let answer = app.answer(json!({"messages": [{"role": "user", "content": "Which plan is Acme on?"}]})).await;
    assert_eq!(answer["citations"][0]["sourceId"], id.as_str(), "{answer}");
    assert_eq!(service.received().last().unwrap().header("x-api-key"), Some(SECRET));
}

#[tokio::test]
async fn a_wrong_definition_shows_each_mistake_at_its_field() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page(NEW).await;
    let form = described(&service);
    let wrong = [
        ("id", "No Good"),
        ("version", "one"),
        ("a0-url", "crm.example.com/{{ input.nothing }}"),
        ("a0-headers", "no colon"),
        ("a0-mapping", ".data | {"),
        ("test_input", "{oops"),
        ("f0-status", "fine"),
        ("s0-kind", "integer"),
        ("do", "add"),
    ];
    let refused = admin.post(NEW, &with(&form, &wrong)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in ["id", "version", "a0-url", "a0-headers", "a0-mapping", "test_input", "f0-status", "s0-name"] {
        assert!(refused.html.contains(&format!("id=\"f-{field}-error\"")), "{field}: {}", refused.html);
    }
    assert!(refused.html.contains("mistakes, told at the field."), "{}", refused.html);
    assert!(refused.html.contains("{oops"), "what was typed is still there");
    let stored: Value = app.send_as(&app.admin, "GET", "/api/admin/connectors").await.json().await.unwrap();
    assert!(!stored.to_string().contains("Acme CRM"), "nothing is stored");

    let taken = admin.post(NEW, &with(&form, &[("id", "shopify"), ("do", "add")])).await;
    assert!(taken.html.contains("id=\"f-id-error\"") && taken.html.contains("bundled connector"), "{}", taken.html);
    let unknown = admin.post(NEW, &with(&form, &[("try-input", "{}"), ("do", "try")])).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", unknown.html);
}

#[tokio::test]
async fn rows_are_added_without_script_and_a_definition_goes_on_as_text() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page(NEW).await;
    let form = described(&service);
    let more = admin.post(NEW, &with(&form, &[("do", "rows")])).await;
    assert!(more.html.contains("name=\"a0-p1-name\"") && more.html.contains("name=\"f1-path\""), "{}", more.html);
    let second = admin.post(NEW, &with(&form, &[("do", "action")])).await;
    assert!(second.html.contains("name=\"a1-url\"") && second.html.contains("Get account"), "{}", second.html);

    let text = admin.post(NEW, &with(&form, &[("do", "text")])).await;
    assert!(text.html.contains("&quot;id&quot;: &quot;acme-crm&quot;"), "{}", text.html);
    let toml = "id = \"notes\"\nname = \"Notes\"\nversion = \"1.0.0\"\nhosts = [\"notes.example.com\"]\n\n[[actions]]\n\
                id = \"list\"\ntitle = \"List\"\ndescription = \"Lists notes.\"\nrequest = { url = \"https://notes.example.com/\" }\n";
    let path = "/console/connectors/new/text";
    let checked = admin.post(path, &[("definition", toml), ("do", "check")]).await;
    assert!(checked.html.contains("The definition has no mistakes."), "{}", checked.html);
    let page = admin.submit(path, &[("definition", toml), ("do", "add")]).await;
    assert!(page.contains("notes 1.0.0 is in the catalogue"), "{page}");
    let next = admin.page("/console/connectors/new/text?from=notes&version=1.0.0").await;
    assert!(next.contains("&quot;id&quot;: &quot;notes&quot;"), "{next}");
    let changed = toml.replace("Lists notes", "Lists all notes");
    let again = admin.post(path, &[("definition", &changed), ("do", "add")]).await;
    assert!(again.html.contains("/version") && again.html.contains("higher version"), "{}", again.html);
    for broken in ["{", "[]", "a = ", "{\"id\": 1}"] {
        let refused = admin.post(path, &[("definition", broken), ("do", "check")]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{broken}");
    }
    let viewer = ConsoleClient::signed_in(&app, Role::Viewer).await.get(NEW).await;
    assert_eq!(viewer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn operations_of_an_openapi_document_are_ticked() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let document = json!({
        "openapi": "3.0.3", "info": {"title": "Pets <b>", "version": "1.0.0"}, "servers": [{"url": "https://pets.example.com"}],
        "paths": {"/pets/{id}": {"get": {"operationId": "getPet", "summary": "One pet",
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
            "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object"}}}}}}}},
    });
    service.answers("/openapi.json", 200, document.clone());
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let path = "/console/connectors/new/openapi";
    admin.page(path).await;
    let text = document.to_string();
    let listed = admin.post_files(path, &[("document", &text)], &[]).await;
    assert_eq!(listed.status, StatusCode::OK, "{}", listed.html);
    assert!(listed.html.contains("value=\"getPet\"") && listed.html.contains("Pets &lt;b&gt;"), "{}", listed.html);
    let filed = admin.post_files(path, &[], &[("file", text.as_bytes())]).await;
    assert!(filed.html.contains("value=\"getPet\""), "{}", filed.html);
    let url = format!("http://{}/openapi.json", service.address);
    let fetched = admin.post_files(path, &[("url", &url), ("operation", "getPet"), ("name", "Our pets")], &[]).await;
    assert_eq!(fetched.status, StatusCode::OK, "{}", fetched.html);
    assert!(
        fetched.html.contains("&quot;id&quot;: &quot;getpet&quot;") || fetched.html.contains("get_pet"),
        "{}",
        fetched.html
    );
    assert!(fetched.html.contains("Our pets") && fetched.html.contains("Add the connector"), "{}", fetched.html);

    for (fields, field) in [
        (vec![("document", "no document")], "document"),
        (vec![("url", "http://10.0.0.1/openapi.json")], "url"),
        (vec![("url", "https://127.0.0.1:1/x")], "url"),
        (vec![], "document"),
    ] {
        let refused = admin.post_files(path, &fields, &[]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
        assert!(refused.html.contains(&format!("id=\"f-{field}-error\"")), "{fields:?}: {}", refused.html);
    }
}

#[tokio::test]
async fn an_uploaded_component_waits_for_approval_and_shows_its_manifest() {
    let app = TestApp::start().await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let path = "/console/connectors/new/upload";
    admin.page(path).await;
    let refused = admin.post_files(path, &[], &[("component", b"not wasm")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.html);
    let taken = admin.post_files(path, &[], &[("component", &packed(|_| ()))]).await;
    assert_eq!(taken.location, "/console/connectors/our-shop/versions/1.0.0", "{}", taken.html);
    settled(&app, "our-shop", "1.0.0").await;

    let page = admin.page(&taken.location).await;
    for shown in [
        "Waits for approval",
        "myshopify.com/admin/api",
        "resly:connector/http@1.0.0",
        "not signed",
        "Approve what it asks for",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    let seen = viewer.page(&taken.location).await;
    assert!(seen.contains("Waits for approval") && !seen.contains("Approve what it asks for"), "{seen}");
    let forbidden = viewer.post(&format!("{}/approve", taken.location), &[]).await;
    assert_eq!(forbidden.status, StatusCode::FORBIDDEN);

    let other = "0".repeat(64);
    let mistaken = admin.post(&format!("{}/approve", taken.location), &[("sha256", &other)]).await;
    assert!(mistaken.html.contains("another file by now"), "{}", mistaken.html);
    let approved = admin.submit(&format!("{}/approve", taken.location), &[]).await;
    assert!(approved.contains("It can be installed now") && approved.contains("Install it"), "{approved}");
    let install = json!({"connector": "our-shop", "name": "Ours", "environment": "sandbox", "settings": {"shop": "acme-demo", "verify_email": false}});
    app.admin_post("/api/admin/connections", &install).await;
    let used = admin.post(&format!("{}/delete", taken.location), &[]).await;
    assert!(used.status == StatusCode::CONFLICT && used.html.contains("`Ours`"), "{}", used.html);

    let wider = |manifest: &mut Manifest| {
        "1.1.0".clone_into(&mut manifest.version);
        manifest.hosts.push("more.example.com".to_owned());
    };
    let next = admin.post_files(path, &[], &[("component", &packed(wider))]).await;
    settled(&app, "our-shop", "1.1.0").await;
    let page = admin.page(&next.location).await;
    assert!(
        page.contains("Compared with 1.0.0") && page.contains("It asks for more:") && page.contains("more.example.com"),
        "{page}"
    );
    let rejected = admin.submit(&format!("{}/reject", next.location), &[("reason", "too <b>much</b>")]).await;
    assert!(rejected.contains("It was rejected: Too &lt;b&gt;much"), "{rejected}");
    let list = admin.page("/console/connectors/our-shop/versions").await;
    assert!(list.contains("Approved") && list.contains("Rejected"), "{list}");
    let gone = admin.post(&format!("{}/delete", next.location), &[]).await;
    assert_eq!(gone.location, "/console/connectors");
    assert_eq!(admin.get(&next.location).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn publishers_are_trusted_and_may_be_required() {
    let app = TestApp::start().await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let path = "/console/connectors/publishers";
    assert!(admin.page(path).await.contains("No publisher is trusted"));
    let wrong = admin.post(path, &[("name", "Ada"), ("public_key", "short")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.html.contains("id=\"f-public_key-error\"") && wrong.html.contains("short"), "{}", wrong.html);
    let key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    assert!(admin.submit(path, &[("name", "Ada & Co"), ("public_key", key)]).await.contains("Ada &amp; Co is trusted"));
    let twice = admin.post(path, &[("name", "Ada"), ("public_key", key)]).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", twice.html);
    let page = admin.submit(&format!("{path}/require"), &[("required", "on")]).await;
    assert!(page.contains("Uploads have to be signed"), "{page}");
    let upload = "/console/connectors/new/upload";
    let unsigned = admin.post_files(upload, &[], &[("component", &packed(|_| ()))]).await;
    assert!(unsigned.html.contains("is not signed by a publisher"), "{}", unsigned.html);
    let listed: Value = app.send_as(&app.admin, "GET", "/api/admin/publishers").await.json().await.unwrap();
    let id = listed["publishers"][0]["id"].as_str().unwrap();
    assert!(admin.submit(&format!("{path}/{id}/remove"), &[]).await.contains("The publisher is removed"));
    assert_eq!(admin.post(&format!("{path}/{id}/remove"), &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn check_admin_integrations_logs_for_detailed_error_messages() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    service.answers("/eu/api/accounts/1", 200, account());
    service.answers("/eu/api/accounts/9", 500, json!({"message": "<script>no luck</script>"}));
    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    assert!(viewer.page("/console/logs").await.contains("No calls yet"));
    let id = installed(&app, &service, "production").await;
    app.model.says([Reply::connector("crm", "get_account", json!({"id": "9"})), Reply::text("No.")]);
    let question = json!({"messages": [{"role": "user", "content": "Which plan?"}], "visitorId": "anna"});
    let conversation = app.answer(question).await["conversationId"].as_str().unwrap().to_owned();

    let all = viewer.page("/console/logs").await;
    assert!(all.contains("Answered") && all.contains("Service failed") && all.contains("CRM"), "{all}");
    for (filter, answered, failed) in [
        ("result=failed", false, true),
        ("result=ok", true, false),
        ("result=upstream&caller=chat", false, true),
        ("environment=sandbox", false, false),
        ("q=accounts%2F9", false, true),
        ("action=get_account&connector=crm", true, true),
        (&format!("connection={id}"), true, true),
        (&format!("conversation={conversation}"), false, true),
        ("from=2000-01-01T00%3A00&to=2000-01-02T00%3A00", false, false),
    ] {
        let page = viewer.page(&format!("/console/logs?{filter}")).await;
        let rows = page.split_once("<tbody>").map_or("", |(_, rows)| rows);
        assert_eq!((rows.contains(">Answered<"), rows.contains(">Service failed<")), (answered, failed), "{filter}");
    }
    let wrong = viewer.get("/console/logs?from=yesterday&result=bad").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(
        wrong.html.contains("id=\"f-from-error\"") && wrong.html.contains("id=\"f-result-error\""),
        "{}",
        wrong.html
    );

    let path = |row: &Value| format!("/console/logs/{}", row["id"].as_str().unwrap());
    let rows = app.logs().await;
    let story = viewer.page(&path(&rows[0])).await;
    for told in ["anna", &conversation, "accounts/9", "500", "status page", "HTTP calls", "no luck"] {
        assert!(story.contains(told), "{told}: {story}");
    }
    assert!(!story.contains("<script>no luck") && !story.contains(SECRET), "{story}");

    // What came since the page was loaded.
    let newer = |page: &str| {
        let (before, _) = page.split_once("\" class=\"button\" data-newer").unwrap();
        before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&")
    };
    let link = newer(&all);
    assert!(viewer.page(&link).await.contains("Nothing newer"));
    app.post_as(&app.admin, &format!("/api/admin/connections/{id}/actions/get_account"), &json!({"id": "404"})).await;
    let since = viewer.page(&link).await;
    assert!(since.contains("404") || since.contains("Request doesn't fit"), "{since}");
    assert_eq!(since.matches("/console/logs/0").count(), 1, "only what is newer: {since}");

    let stranger = make_organization(app.host(), "abroad").await;
    let mut other = ConsoleClient::member_of(&app, stranger, Role::Owner).await;
    assert!(other.page("/console/logs").await.contains("No calls yet"));
    assert_eq!(other.get(&path(&rows[0])).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn hostile_names_are_text() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    let hostile = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;b&gt;";
    let form = described(&service);
    admin.page(NEW).await;
    let wrong = admin
        .post(
            NEW,
            &with(
                &form,
                &[
                    ("name", hostile),
                    ("id", hostile),
                    ("a0-p0-name", hostile),
                    ("hosts", hostile),
                    ("try-action", hostile),
                    ("do", "try"),
                ],
            ),
        )
        .await;
    let named = [
        ("name", hostile),
        ("id", "hostile"),
        ("description", hostile),
        ("a0-title", hostile),
        ("a0-id", "get"),
        ("test_action", "get"),
        ("a0-description", hostile),
        ("do", "add"),
    ];
    let added = admin.submit(NEW, &with(&form, &named)).await;
    let install = json!({"connector": "hostile", "name": hostile, "environment": "sandbox", "settings": {}});
    let id = app.admin_post("/api/admin/connections", &install).await["id"].as_str().unwrap().to_owned();
    app.post_as(&app.admin, &format!("/api/admin/connections/{id}/actions/get"), &json!({"id": hostile})).await;
    let row = app.logs().await[0]["id"].as_str().unwrap().to_owned();
    let query: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
    let mut pages = vec![wrong.html, added];
    for path in [
        "/console/logs",
        &format!("/console/logs?q={query}&action={query}&conversation={query}"),
        &format!("/console/logs/{row}"),
        "/console/connectors/hostile/versions",
        "/console/connectors/new/text?from=hostile",
    ] {
        pages.push(admin.get(path).await.html);
    }
    for page in pages {
        assert!(!page.contains("<script>alert") && !page.contains("<img"), "{page}");
    }
}
