//! A packed component from upload to an answer, and what is refused on the way; and the author's own tools on the same
//! file.

use std::{path::Path, process::Output};

use reqwest::{Response, StatusCode};
use resly_manifest::{Manifest, package::pack};
use resly_tests::{app::TestApp, guest, host::binary, model::Reply};
use serde_json::{Value, json};
use tokio::process::Command;

/// The manifest of the bundled connector.
pub fn shopify() -> Manifest {
    toml::from_str(include_str!("../../../plugins/shopify/connector.toml")).unwrap()
}

/// The Shopify component under another name, as an author would pack it.
pub fn packed(change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let mut manifest = shopify();
    manifest.id = "our-shop".to_owned();
    manifest.version = "1.0.0".to_owned();
    change(&mut manifest);
    pack(&guest::component("shopify").unwrap(), &manifest).unwrap()
}

pub async fn upload(app: &TestApp, wasm: Vec<u8>) -> Response {
    let request = app.client.post(app.url("/api/admin/connectors")).bearer_auth(&app.admin);
    request.header("content-type", "application/wasm").body(wasm).send().await.unwrap()
}

/// What became of an upload.
pub async fn settled(app: &TestApp, connector: &str, version: &str) -> Value {
    loop {
        let path = format!("/api/admin/connectors/{connector}?version={version}");
        let seen: Value = app.send_as(&app.admin, "GET", &path).await.json().await.unwrap();
        if seen["state"] != "compiling" {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

/// Uploads a version of `our-shop` that is taken in; what the catalogue says once it is compiled.
pub async fn uploaded(app: &TestApp, version: &str, change: impl FnOnce(&mut Manifest)) -> Value {
    let wasm = packed(|manifest| {
        version.clone_into(&mut manifest.version);
        change(manifest);
    });
    let response = upload(app, wasm).await;
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    settled(app, "our-shop", version).await
}

pub async fn approve(app: &TestApp, connector: &str, version: &str) -> Value {
    app.admin_post(&format!("/api/admin/connectors/{connector}/versions/{version}/approve"), &json!({})).await
}

#[tokio::test]
async fn an_uploaded_component_answers_a_customer() {
    let app = TestApp::start().await;
    let wasm = packed(|_| ());
    let response = upload(&app, wasm.clone()).await;
    // How quickly it is compiled is this machine's business.
    match response.status() {
        StatusCode::ACCEPTED => {
            assert_eq!(response.headers()["location"], "/api/admin/connectors/our-shop?version=1.0.0");
        }
        status => assert_eq!(status, StatusCode::CREATED),
    }
    let shown: Value = response.json().await.unwrap();
    assert_eq!(shown["hosts"], json!(["{{ settings.shop }}.myshopify.com/admin/api"]), "{shown}");
    assert_eq!((&shown["approval"], &shown["signature"]["state"]), (&json!("pending"), &json!("none")));
    assert!(shown["imports"].to_string().contains("resly:connector/http@1.0.0"));
    let ready = settled(&app, "our-shop", "1.0.0").await;
    assert_eq!((&ready["state"], &ready["origin"]), (&json!("ready"), &json!("uploaded")), "{ready}");
    assert_eq!(upload(&app, wasm).await.status(), StatusCode::OK, "the same again is nothing new");

    let install = json!({"connector": "our-shop", "name": "Ours", "environment": "sandbox", "settings": {"shop": "acme-demo", "verify_email": false}});
    let response = app.post_as(&app.admin, "/api/admin/connections", &install).await;
    assert_eq!(response.status(), StatusCode::CONFLICT, "an admin has to look at it first");
    assert_eq!(response.json::<Value>().await.unwrap()["type"], "/docs/problems/connector-unapproved");
    let approved = approve(&app, "our-shop", "1.0.0").await;
    assert_eq!(approved["approval"], "approved");
    assert!(approved["decision"]["by"].is_string() && approved["decision"]["at"].is_string(), "{approved}");
    let made = app.admin_post("/api/admin/connections", &install).await;
    let id = made["id"].as_str().unwrap();
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    app.model.says([
        Reply::connector("our-shop", "find_order", json!({"number": "#1001"})),
        Reply::text("It is on its way [1]."),
    ]);
    let answer = app.answer(json!({"messages": [{"role": "user", "content": "Where is order #1001?"}]})).await;
    assert_eq!(answer["citations"][0]["sourceId"], id);
    assert!(app.logs().await.iter().any(|row| row["connector"] == "our-shop" && row["status"] == "ok"));
}

#[tokio::test]
async fn a_missing_fixture_is_named_whatever_the_guest_makes_of_it() {
    let app = TestApp::start().await;
    // Its own fault, a guest takes it for.
    uploaded(&app, "1.0.0", |manifest| manifest.fixtures.clear()).await;
    approve(&app, "our-shop", "1.0.0").await;
    let install = json!({"connector": "our-shop", "environment": "sandbox", "settings": {"shop": "acme-demo", "verify_email": false}});
    let id = app.admin_post("/api/admin/connections", &install).await["id"].as_str().unwrap().to_owned();
    let path = format!("/api/admin/connections/{id}/actions/find_order");
    let refused = app.post_as(&app.admin, &path, &json!({"number": "#1001"})).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["reason"], "request_configuration", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    let asked = "no fixture for POST https://acme-demo.myshopify.com/admin/api/2026-10/graphql.json: add one";
    assert!(detail.contains(asked), "{detail}");
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert_eq!((&tested["ok"], &tested["reason"]), (&json!(false), &json!("request_configuration")), "{tested}");
    let requests = &app.logs().await[0]["requests"];
    let entry = json!({"method": "POST", "host": "acme-demo.myshopify.com", "path": "/admin/api/2026-10/graphql.json",
        "error": "no fixture"});
    assert_eq!(requests, &json!([entry]));
}

#[tokio::test]
async fn versions_live_side_by_side_and_never_change() {
    let app = TestApp::start().await;
    for version in ["1.0.0", "1.1.0"] {
        assert_eq!(uploaded(&app, version, |_| ()).await["state"], "ready");
    }
    let other = packed(|manifest| manifest.description = Some("Something else.".to_owned()));
    assert_eq!(upload(&app, other).await.status(), StatusCode::CONFLICT);
    let newest: Value = app.send_as(&app.admin, "GET", "/api/admin/connectors/our-shop").await.json().await.unwrap();
    assert_eq!((&newest["version"], newest["versions"].as_array().map(Vec::len)), (&json!("1.1.0"), Some(2)));

    let stranger = app.stranger_admin().await;
    let theirs = app.send_as(&stranger, "GET", "/api/admin/connectors/our-shop").await;
    assert_eq!(theirs.status(), StatusCode::NOT_FOUND, "an upload is its organization's own");
    let taken = packed(|manifest| "shopify".clone_into(&mut manifest.id));
    assert_eq!(upload(&app, taken).await.status(), StatusCode::CONFLICT, "a bundled name can't be taken");
}

#[tokio::test]
async fn what_can_not_run_is_refused_with_its_reason() {
    let app = TestApp::start().await;
    let detail = async |wasm: Vec<u8>| {
        let response = upload(&app, wasm).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        response.json::<Value>().await.unwrap()["detail"].to_string()
    };
    assert!(detail(b"\0asm\x01\0\0\0".to_vec()).await.contains("not a component"));
    assert!(detail(b"not wasm at all".to_vec()).await.contains("component"));
    assert!(detail(guest::component("shopify").unwrap().to_vec()).await.contains("resly connector pack"));
    let large = upload(&app, vec![0; (32 << 20) + 1]).await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(large.text().await.unwrap().contains("33554432 bytes"));
    let wide = packed(|manifest| manifest.hosts.push("*".to_owned()));
    assert!(detail(wide).await.contains("hosts"));

    // Its shape is right and its body isn't: only a compiler can tell.
    let manifest: Manifest = serde_json::from_value(json!({
        "id": "our-shop", "name": "N", "version": "2.0.0", "hosts": [],
        "actions": [{"id": "a", "title": "A", "description": "A.", "input": {"type": "object"}}]
    }))
    .unwrap();
    let broken = wat::parse_str(
        r#"(component (core module (func (export "f") (result i32)))
             (instance $i) (export "resly:connector/action@1.0.0" (instance $i)))"#,
    )
    .unwrap();
    let response = upload(&app, pack(&broken, &manifest).unwrap()).await;
    assert!([202, 422].contains(&response.status().as_u16()), "{}", response.text().await.unwrap());
    let refused = settled(&app, "our-shop", "2.0.0").await;
    assert_eq!(refused["state"], "refused", "{refused}");
    assert!(refused["reason"].is_string());
    let install = json!({"connector": "our-shop", "name": "Ours", "environment": "sandbox", "settings": {}});
    let response = app.post_as(&app.admin, "/api/admin/connections", &install).await;
    assert_eq!(response.status(), StatusCode::CONFLICT, "what was refused can't be installed");
    assert_eq!(response.json::<Value>().await.unwrap()["type"], "/docs/problems/connector-not-ready");
    let path = "/api/admin/connectors/our-shop/versions/2.0.0/approve";
    assert_eq!(app.post_as(&app.admin, path, &json!({})).await.status(), StatusCode::CONFLICT, "nor approved");
}

/// One of the author's commands, in a folder.
pub async fn author(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary()).arg("connector").args(arguments).current_dir(folder).output().await.unwrap()
}

#[tokio::test]
async fn an_author_packs_checks_and_runs_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
    file("shop.wasm", &guest::component("shopify").unwrap());
    file("connector.toml", include_bytes!("../../../plugins/shopify/connector.toml"));
    let told = |output: &Output| {
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (ok, file_name, said) = told(&author(folder.path(), &["pack", "shop.wasm"]).await);
    let packed = format!("shopify-{}.wasm", shopify().version);
    assert!(ok && file_name.trim() == packed, "{file_name} {said}");
    let (ok, _, said) = told(&author(folder.path(), &["check", &packed]).await);
    assert!(ok && said.contains("would take"), "{said}");

    let run = ["run", &packed, "find_order", "--settings", r#"{"shop":"acme-demo","verify_email":false}"#, "--input"];
    let (ok, output, said) = told(&author(folder.path(), &[&run[..], &[r##"{"number":"#1001"}"##]].concat()).await);
    assert!(ok && said.contains("fuel"), "{said}");
    let output: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(output["orders"][0]["order"], "#1001");
    let (ok, output, said) = told(&author(folder.path(), &[&run[..], &[r#"{"nothing":1}"#]].concat()).await);
    assert!(!ok && output.is_empty() && said.contains("invalid_input"), "{said}");

    let misspelt = ["run", &packed, "find_order", "--settings", r#"{"shop":"acme-demo","shpo":"x"}"#];
    let (ok, _, said) = told(&author(folder.path(), &misspelt).await);
    assert!(!ok && said.contains("settings.shpo: there is no such setting"), "{said}");

    let (ok, _, said) = told(&author(folder.path(), &["check", "shop.wasm"]).await);
    assert!(!ok && said.contains("resly connector pack"), "{said}");
    let (ok, _, said) = told(&author(folder.path(), &["check", "connector.toml"]).await);
    assert!(!ok && said.contains("needs a component"), "{said}");
}

#[tokio::test]
async fn a_new_connector_is_tested_built_and_run_with_nothing_of_ours_at_hand() {
    let folder = tempfile::tempdir().unwrap();
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let made = author(folder.path(), &["new", "accounts"]).await;
    assert!(made.status.success(), "{}", said(&made));
    assert!(!author(folder.path(), &["new", "accounts"]).await.status.success(), "it never writes over anything");
    assert!(!author(folder.path(), &["new", "../evil"]).await.status.success());
    let home = folder.path().join("accounts");

    // What it builds with is what this workspace builds with: nothing has to be fetched.
    let here = |command: &mut Command| {
        command.current_dir(&home).env_remove("CARGO_TARGET_DIR").env("CARGO_NET_OFFLINE", "true").output()
    };
    let tests = here(Command::new("cargo").args(["test", "--lib"])).await.unwrap();
    assert!(tests.status.success(), "{}", said(&tests));
    let build = here(Command::new(binary()).args(["connector", "build"])).await.unwrap();
    assert!(build.status.success(), "{}", said(&build));
    let run = author(&home, &["run", "accounts-1.0.0.wasm", "get_account", "--input", r#"{"id":"1"}"#]).await;
    assert!(run.status.success(), "{}", said(&run));
    let account = json!({"name": "Acme", "plan": "Pro"});
    assert_eq!(serde_json::from_slice::<Value>(&run.stdout).unwrap(), account);

    // Its README leads on: signed, uploaded, approved, installed, called.
    assert!(std::fs::read_to_string(home.join("README.md")).unwrap().contains("accounts/versions/1.0.0/approve"));
    let keygen = author(&home, &["keygen"]).await;
    assert!(keygen.status.success(), "{}", said(&keygen));
    assert!(!author(&home, &["keygen"]).await.status.success(), "a key is never written over");
    let sign = ["sign", "accounts-1.0.0.wasm", "--key", "publisher.key"];
    assert!(author(&home, &sign).await.status.success());
    assert!(!author(&home, &sign).await.status.success(), "it is signed already");
    let check = author(&home, &["check", "accounts-1.0.0.wasm"]).await;
    let public_key = String::from_utf8(keygen.stdout).unwrap();
    assert!(
        said(&check).contains(&format!("signature: valid, with the key {}", public_key.trim())),
        "{}",
        said(&check)
    );

    let app = TestApp::start().await;
    let publisher = json!({"name": "The author", "public_key": public_key.trim()});
    app.admin_post("/api/admin/publishers", &publisher).await;
    let response = upload(&app, std::fs::read(home.join("accounts-1.0.0.wasm")).unwrap()).await;
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    let ready = settled(&app, "accounts", "1.0.0").await;
    assert_eq!((&ready["state"], &ready["signature"]["publisher"]), (&json!("ready"), &json!("The author")), "{ready}");
    approve(&app, "accounts", "1.0.0").await;
    let made =
        app.admin_post("/api/admin/connections", &json!({"connector": "accounts", "environment": "sandbox"})).await;
    let action = format!("/api/admin/connections/{}/actions/get_account", made["id"].as_str().unwrap());
    assert_eq!(app.admin_post(&action, &json!({"id": "1"})).await["output"], account);
}
