//! The versions of an upload: an admin's decision about each, whose signatures count, and how a connection moves from one
//! to another while calls are running.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::State, http::Uri};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use resly_manifest::{Auth, Manifest, SideEffect, package::pack, signature::SigningKey};
use resly_tests::{app::TestApp, guest};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::uploads::{approve, packed, settled, shopify, upload, uploaded};

async fn send(app: &TestApp, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let method: Method = method.parse().unwrap();
    let request = app.client.request(method, app.url(path)).bearer_auth(&app.admin).json(body);
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap_or_default())
}

fn install(version: Option<&str>) -> Value {
    json!({"connector": "our-shop", "version": version, "name": "Ours", "environment": "sandbox",
        "settings": {"shop": "acme-demo", "verify_email": false}})
}

/// Is refused, and the problem's type.
async fn problem(app: &TestApp, method: &str, path: &str, body: &Value) -> String {
    let (status, problem) = send(app, method, path, body).await;
    assert!(status.is_client_error(), "{status}: {problem}");
    problem["type"].as_str().unwrap().trim_start_matches("/docs/problems/").to_owned()
}

/// Asks for another host, another kind of credential and a write.
fn widen(manifest: &mut Manifest) {
    manifest.hosts.push("api.elsewhere.example".to_owned());
    manifest.auth_alternatives.push(Auth::Basic);
    manifest.actions[0].side_effect = SideEffect::Write;
    manifest.actions[0].cache_s = 0;
    manifest.test = None;
}

#[tokio::test]
async fn a_wider_manifest_waits_and_shows_the_difference() {
    let app = TestApp::start().await;
    let first = uploaded(&app, "1.0.0", |_| ()).await;
    assert_eq!((&first["approval"], &first["changes"]), (&json!("pending"), &Value::Null));
    approve(&app, "our-shop", "1.0.0").await;

    let narrower = uploaded(&app, "1.1.0", |manifest| manifest.description = Some("Better.".to_owned())).await;
    assert_eq!(narrower["approval"], "not_needed", "{narrower}");
    assert_eq!(narrower["changes"]["wider"], json!([]));
    let (_, made) = send(&app, "POST", "/api/admin/connections", &install(None)).await;
    assert_eq!(made["version"], "1.1.0");
    let connection = format!("/api/admin/connections/{}", made["id"].as_str().unwrap());

    let wider = uploaded(&app, "2.0.0", widen).await;
    assert_eq!((&wider["state"], &wider["approval"]), (&json!("ready"), &json!("pending")));
    assert_eq!(wider["changes"]["against"], "1.1.0");
    let paths: Vec<&str> =
        wider["changes"]["wider"].as_array().unwrap().iter().map(|change| change["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"/hosts/1") && paths.contains(&"/actions/0/side_effect"), "{paths:?}");
    assert!(paths.iter().any(|path| path.starts_with("/auth")), "{paths:?}");
    let host =
        &wider["changes"]["wider"].as_array().unwrap().iter().find(|change| change["path"] == "/hosts/1").unwrap();
    assert_eq!((&host["before"], &host["after"]), (&Value::Null, &json!("api.elsewhere.example")));

    let to_2 = json!({"version": "2.0.0"});
    assert_eq!(problem(&app, "PATCH", &connection, &to_2).await, "connector-unapproved");
    assert_eq!(problem(&app, "POST", "/api/admin/connections", &install(Some("2.0.0"))).await, "connector-unapproved");
    let (_, newest) = send(&app, "GET", "/api/admin/connectors/our-shop", &json!({})).await;
    assert_eq!(newest["version"], "1.1.0", "the newest is the newest that can be installed");

    let decide = "/api/admin/connectors/our-shop/versions/2.0.0";
    let other_file = json!({"sha256": "00"});
    assert_eq!(problem(&app, "POST", &format!("{decide}/approve"), &other_file).await, "conflict");
    let why = json!({"reason": "what is elsewhere.example?"});
    let (_, rejected) = send(&app, "POST", &format!("{decide}/reject"), &why).await;
    assert_eq!((&rejected["approval"], &rejected["decision"]["reason"]), (&json!("rejected"), &why["reason"]));
    assert_eq!(problem(&app, "PATCH", &connection, &to_2).await, "connector-unapproved");
    let stranger = app.stranger_admin().await;
    let theirs = app.post_as(&stranger, &format!("{decide}/approve"), &json!({})).await;
    assert_eq!(theirs.status(), StatusCode::NOT_FOUND);

    let looked_at = json!({"sha256": wider["sha256"]});
    assert_eq!(send(&app, "POST", &format!("{decide}/approve"), &looked_at).await.0, StatusCode::OK);
    let (status, moved) = send(&app, "PATCH", &connection, &to_2).await;
    assert_eq!((status, &moved["version"]), (StatusCode::OK, &json!("2.0.0")));
    assert_eq!(problem(&app, "POST", &format!("{decide}/reject"), &why).await, "connector-in-use");
    let again = uploaded(&app, "2.0.1", widen).await;
    assert_eq!(again["approval"], "not_needed", "no more than 2.0.0: {again}");
}

#[tokio::test]
async fn a_version_is_deleted_when_nobody_uses_it() {
    let app = TestApp::start().await;
    for version in ["1.0.0", "1.1.0"] {
        uploaded(&app, version, |_| ()).await;
        approve(&app, "our-shop", version).await;
    }
    let (_, made) = send(&app, "POST", "/api/admin/connections", &install(Some("1.0.0"))).await;
    let connection = format!("/api/admin/connections/{}", made["id"].as_str().unwrap());
    let version = "/api/admin/connectors/our-shop/versions/1.0.0";
    let (status, used) = send(&app, "DELETE", version, &json!({})).await;
    assert_eq!((status, &used["type"]), (StatusCode::CONFLICT, &json!("/docs/problems/connector-in-use")));
    assert_eq!(used["connections"], json!([{"id": made["id"], "name": "Ours"}]));
    send(&app, "PATCH", &connection, &json!({"version": "1.1.0"})).await;
    assert_eq!(send(&app, "DELETE", version, &json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(send(&app, "DELETE", version, &json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(problem(&app, "PATCH", &connection, &json!({"version": "1.0.0"})).await, "invalid-request");
    let other = packed(|manifest| manifest.description = Some("Something else.".to_owned()));
    assert_eq!(upload(&app, other).await.status(), StatusCode::CONFLICT, "its number stays taken");
    let bundled = format!("/api/admin/connectors/shopify/versions/{}", shopify().version);
    assert_eq!(problem(&app, "DELETE", &bundled, &json!({})).await, "conflict");
    assert_eq!(problem(&app, "POST", &format!("{bundled}/approve"), &json!({})).await, "conflict");
}

#[tokio::test]
async fn a_signature_counts_when_its_publisher_is_trusted() {
    let app = TestApp::start().await;
    let (ours, theirs) = (SigningKey::from_seed(&[1; 32]).unwrap(), SigningKey::from_seed(&[2; 32]).unwrap());
    let version = |version: &str| packed(|manifest| version.clone_into(&mut manifest.version));
    let take = async |wasm: Vec<u8>, version: &str| {
        let response = upload(&app, wasm).await;
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        settled(&app, "our-shop", version).await
    };
    let signed = take(ours.sign(&version("1.0.0")), "1.0.0").await;
    assert_eq!(signed["signature"], json!({"state": "untrusted", "public_key": ours.public()}));
    approve(&app, "our-shop", "1.0.0").await;

    let publisher = json!({"name": "Acme", "public_key": ours.public()});
    let (status, added) = send(&app, "POST", "/api/admin/publishers", &publisher).await;
    assert_eq!((status, &added["name"]), (StatusCode::CREATED, &json!("Acme")), "{added}");
    assert_eq!(problem(&app, "POST", "/api/admin/publishers", &publisher).await, "conflict");
    let weak = json!({"name": "Anybody", "public_key": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="});
    assert_eq!(problem(&app, "POST", "/api/admin/publishers", &weak).await, "invalid-request");
    let (_, shown) = send(&app, "GET", "/api/admin/connectors/our-shop", &json!({})).await;
    assert_eq!(shown["signature"], json!({"state": "valid", "publisher": "Acme", "public_key": ours.public()}));

    // A changed file is refused whoever is trusted; another signer than the approved one's is looked at again.
    let mut forged = ours.sign(&version("1.1.0"));
    let at = forged.windows(5).position(|window| window == b"1.1.0").unwrap();
    forged[at + 2] = b'9';
    let response = upload(&app, forged).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(response.text().await.unwrap().contains("signature"));
    assert_eq!(take(ours.sign(&version("1.1.0")), "1.1.0").await["approval"], "not_needed");
    let other_signer = take(theirs.sign(&version("1.2.0")), "1.2.0").await;
    assert_eq!(other_signer["approval"], "pending");
    assert_eq!(other_signer["changes"]["wider"][0]["after"], json!(theirs.public()));
    approve(&app, "our-shop", "1.2.0").await;

    let (_, made) = send(&app, "POST", "/api/admin/connections", &install(Some("1.2.0"))).await;
    let connection = format!("/api/admin/connections/{}", made["id"].as_str().unwrap());
    let (_, required) = send(&app, "PATCH", "/api/admin/publishers", &json!({"required": true})).await;
    assert_eq!((&required["required"], &required["publishers"][0]["id"]), (&json!(true), &added["id"]));
    for wasm in [version("1.3.0"), theirs.sign(&version("1.3.0"))] {
        let response = upload(&app, wasm).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.json::<Value>().await.unwrap()["type"], "/docs/problems/untrusted-publisher");
    }
    // What came before the rule is held to it as well.
    assert_eq!(problem(&app, "POST", "/api/admin/connections", &install(Some("1.2.0"))).await, "untrusted-publisher");
    assert_eq!(problem(&app, "POST", &format!("{connection}/enable"), &json!({})).await, "untrusted-publisher");
    let (status, _) = send(&app, "PATCH", &connection, &json!({"version": "1.1.0"})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(send(&app, "POST", &format!("{connection}/enable"), &json!({})).await.0, StatusCode::OK);
    assert_eq!(problem(&app, "PATCH", &connection, &json!({"version": "1.2.0"})).await, "untrusted-publisher");

    let gone = format!("/api/admin/publishers/{}", added["id"].as_str().unwrap());
    assert_eq!(send(&app, "DELETE", &gone, &json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(problem(&app, "POST", &format!("{connection}/enable"), &json!({})).await, "untrusted-publisher");
}

#[tokio::test]
async fn a_host_tells_what_does_not_fit() {
    let app = TestApp::start().await;
    let shown = uploaded(&app, "1.0.0", |manifest| {
        manifest.hosts.clear();
        manifest.auth = Auth::None;
        manifest.auth_alternatives.clear();
        manifest.auth_hosts.clear();
    })
    .await;
    assert!(shown["remarks"][0].as_str().unwrap().contains("no `hosts`"), "{shown}");
    assert_eq!(uploaded(&app, "1.0.1", |_| ()).await["remarks"], json!([]));
}

/// A service that takes requests and answers none until it is told to.
struct Holding {
    arrived: Semaphore,
    released: Semaphore,
}

impl Holding {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let holding = Arc::new(Self { arrived: Semaphore::new(0), released: Semaphore::new(0) });
        let answer = async |State(holding): State<Arc<Self>>, uri: Uri| {
            holding.arrived.add_permits(1);
            holding.released.acquire().await.unwrap().forget();
            json!({"path": uri.path()}).to_string()
        };
        let router = Router::new().fallback(answer).with_state(Arc::clone(&holding));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (holding, address)
    }

    /// Waits until so many more requests are held.
    async fn holds(&self, count: u32) {
        self.arrived.acquire_many(count).await.unwrap().forget();
    }

    /// Answers so many.
    fn release(&self, count: usize) {
        self.released.add_permits(count);
    }
}

/// The runner of declarative connectors, packed as an upload that asks for `/VERSION`.
fn asking_for(version: &str, address: SocketAddr) -> Vec<u8> {
    let manifest: Manifest = serde_json::from_value(json!({
        "id": "held", "name": "Held", "version": version, "hosts": [address.to_string()],
        "actions": [{"id": "get", "title": "Get", "description": "Gets.",
            "request": {"method": "GET", "url": format!("http://{address}/{version}")},
            "response": {"mapping": ".path"}}],
    }))
    .unwrap();
    pack(&guest::component("http").unwrap(), &manifest).unwrap()
}

#[tokio::test]
async fn an_upgrade_and_a_roll_back_drop_no_call() {
    // An organization has 48 instances at most; all of these are held at once.
    const OLD: usize = 32;
    const NEW: usize = 8;
    let (service, address) = Holding::start().await;
    let app = TestApp::reaching(address).await;
    for version in ["1.0.0", "1.1.0"] {
        upload(&app, asking_for(version, address)).await;
        assert_eq!(settled(&app, "held", version).await["state"], "ready");
        approve(&app, "held", version).await;
    }
    let install = json!({"connector": "held", "version": "1.0.0", "name": "Held", "environment": "production"});
    let made = app.admin_post("/api/admin/connections", &install).await;
    let connection = format!("/api/admin/connections/{}", made["id"].as_str().unwrap());
    let calls = |count: usize| {
        let call = async |app: &TestApp, path: String| app.admin_post(&path, &json!({})).await["output"].clone();
        join_all((0..count).map(|_| call(&app, format!("{connection}/actions/get"))))
    };

    for (from, to) in [("1.0.0", "1.1.0"), ("1.1.0", "1.0.0")] {
        let move_on = async {
            service.holds(OLD as u32).await;
            let (status, moved) = send(&app, "PATCH", &connection, &json!({"version": to})).await;
            assert_eq!((status, &moved["version"]), (StatusCode::OK, &json!(to)));
            let release = async {
                service.holds(NEW as u32).await;
                service.release(OLD + NEW);
            };
            tokio::join!(calls(NEW), release).0
        };
        let (old, new) = tokio::join!(calls(OLD), move_on);
        assert_eq!(old, vec![json!(format!("/{from}")); OLD], "what was running ends as it began");
        assert_eq!(new, vec![json!(format!("/{to}")); NEW], "what begins then is the other version");
    }
}
