//! OAuth end to end: a person agrees in a browser, tokens are kept fresh by one host of many, services say 'expired' in
//! their own ways, and what is disconnected is revoked. The authorization server insists on every rule.

use std::time::Duration;

use resly_core::member::Role;
use resly_tests::{
    app::TestApp,
    browser::{Browser, Page},
    console::ConsoleClient,
    oauth::{CLIENT_ID, CLIENT_SECRET, Expired, OauthService},
};
use serde_json::{Value, json};

/// A host with the service's connector installed, not yet authorized.
pub async fn installed(app: &TestApp, service: &OauthService, grant: &str) -> String {
    service.registers(app.url("/oauth/callback"));
    app.admin_post("/api/admin/connectors", &service.definition(grant)).await;
    let credentials = json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET});
    let new = json!({"connector": "desk", "environment": "production", "credentials": credentials});
    let made = app.admin_post("/api/admin/connections", &new).await;
    assert_eq!(made["authorized"], false);
    made["id"].as_str().unwrap().to_owned()
}

async fn link(app: &TestApp, connection: &str) -> String {
    let started = app.admin_post(&format!("/api/admin/connections/{connection}/oauth/start"), &json!({})).await;
    started["authorize_url"].as_str().unwrap().to_owned()
}

/// Opens the link and agrees; gives the address that the service sends the browser back to.
pub async fn agree(browser: &mut Browser, link: &str) -> String {
    let begun = browser.open(link).await;
    let to_service = begun.location.unwrap_or_else(|| panic!("{}: {}", begun.status, begun.text));
    let agreed = browser.open(to_service.as_str()).await;
    agreed.location.unwrap_or_else(|| panic!("{}: {}", agreed.status, agreed.text)).to_string()
}

/// The whole way; gives the page that the console is asked for.
pub async fn authorize(app: &TestApp, connection: &str) -> Page {
    let mut browser = Browser::new();
    let back = agree(&mut browser, &link(app, connection).await).await;
    browser.open(&back).await
}

pub fn query(page: &Page, name: &str) -> Option<String> {
    let location = page.location.as_ref().unwrap_or_else(|| panic!("{}: {}", page.status, page.text));
    location.query_pairs().find(|(have, _)| have == name).map(|(_, value)| value.into_owned())
}

async fn connected(service: &OauthService) -> (TestApp, String) {
    let app = TestApp::reaching(service.address).await;
    let id = installed(&app, service, "authorization_code").await;
    let page = authorize(&app, &id).await;
    assert_eq!(
        (query(&page, "oauth").as_deref(), query(&page, "test").as_deref()),
        (Some("connected"), Some("passed"))
    );
    (app, id)
}

async fn call(app: &TestApp, id: &str, action: &str) -> (u16, Value) {
    let path = format!("/api/admin/connections/{id}/actions/{action}");
    let response = app.post_as(&app.admin, &path, &json!({})).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn connection(app: &TestApp, id: &str) -> Value {
    app.send_as(&app.admin, "GET", &format!("/api/admin/connections/{id}")).await.json().await.unwrap()
}

#[tokio::test]
async fn a_person_agrees_and_the_connection_works() {
    let service = OauthService::start().await.unwrap();
    let app = TestApp::reaching(service.address).await;
    let id = installed(&app, &service, "authorization_code").await;
    let enabled = app.post_as(&app.admin, &format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    assert_eq!(enabled.status(), 424, "a client alone opens nothing");

    let mut browser = Browser::new();
    let link = link(&app, &id).await;
    assert!(link.starts_with(&app.url("/oauth/begin/")));
    let begun = browser.open(&link).await;
    assert_eq!(begun.status, 303);
    let cookie = begun.headers["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/oauth", "Max-Age=600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(begun.headers["cache-control"], "no-store");
    assert_eq!(begun.headers["referrer-policy"], "no-referrer");
    let back = browser.open(begun.location.unwrap().as_str()).await.location.unwrap();
    let page = browser.open(back.as_str()).await;
    let to = page.location.clone().unwrap();
    assert_eq!((page.status, to.path()), (303, format!("/console/connections/{id}").as_str()));
    assert_eq!(
        (query(&page, "oauth").as_deref(), query(&page, "test").as_deref()),
        (Some("connected"), Some("passed"))
    );
    let mut console = ConsoleClient::signed_in(&app, Role::Viewer).await;
    let shown = console.page(&format!("{}?{}", to.path(), to.query().unwrap())).await;
    assert!(shown.contains("is authorized and its test passed"), "{shown}");

    let view = connection(&app, &id).await;
    assert_eq!((&view["authorized"], &view["scopes"]), (&json!(true), &json!(["orders.read", "profile"])));
    assert_eq!(view["expires_at"], Value::Null, "it is renewed without end");
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    let (status, output) = call(&app, &id, "me").await;
    assert_eq!((status, &output["output"]["account"]), (200, &json!("anna")));

    // Nothing that anybody was sent, and nothing on the disk, holds a code, a token, the verifier or the client's secret.
    let logs = serde_json::to_string(&app.logs().await).unwrap();
    for secret in service.secrets().iter().filter(|secret| !secret.starts_with("code-")) {
        assert!(!format!("{view}{output}{logs}{}", browser.seen).contains(secret.as_str()), "{secret}");
        app.nothing_on_disk_contains(secret);
    }
}

#[tokio::test]
async fn a_state_works_once_and_in_its_own_browser() {
    let service = OauthService::start().await.unwrap();
    let app = TestApp::reaching(service.address).await;
    let id = installed(&app, &service, "authorization_code").await;
    let mut browser = Browser::new();
    let back = agree(&mut browser, &link(&app, &id).await).await;

    let other = Browser::new().open(&back).await;
    assert_eq!((other.status, other.location.is_none()), (400, true), "another browser has no cookie");
    // One with a cookie of its own for the same host is another browser too.
    let mut stranger = Browser::new();
    agree(&mut stranger, &link(&app, &id).await).await;
    assert_eq!(stranger.open(&back).await.status, 400);
    assert_eq!(connection(&app, &id).await["authorized"], false);

    let page = browser.open(&back).await;
    assert_eq!(query(&page, "oauth").as_deref(), Some("connected"), "strangers spoil nothing");
    assert_eq!(browser.open(&back).await.status, 400, "a state is used up");
    let guessed = back.replace("state=", "state=x");
    assert_eq!(browser.open(&guessed).await.status, 400);
    assert_eq!(browser.open(&app.url("/oauth/begin/unknown")).await.status, 400);
    assert_eq!((service.alive(), connection(&app, &id).await["authorized"].clone()), (1, json!(true)));
}

#[tokio::test]
async fn what_is_not_the_services_own_yes_connects_nothing() {
    let service = OauthService::start().await.unwrap();
    let app = TestApp::reaching(service.address).await;
    let id = installed(&app, &service, "authorization_code").await;
    service.claims_to_be("https://evil.example");
    assert_eq!(query(&authorize(&app, &id).await, "reason").as_deref(), Some("issuer"));
    service.claims_to_be(&format!("http://{}", service.address));
    service.denies(true);
    assert_eq!(query(&authorize(&app, &id).await, "reason").as_deref(), Some("access_denied"));
    service.denies(false);
    service.is_down(true);
    assert_eq!(query(&authorize(&app, &id).await, "reason").as_deref(), Some("service_unavailable"));
    service.is_down(false);

    // A connection that was changed meanwhile isn't the one that was agreed to.
    let mut browser = Browser::new();
    let back = agree(&mut browser, &link(&app, &id).await).await;
    let change = app.client.patch(app.url(&format!("/api/admin/connections/{id}"))).bearer_auth(&app.admin);
    change.json(&json!({"name": "Another"})).send().await.unwrap();
    assert_eq!(query(&browser.open(&back).await, "reason").as_deref(), Some("changed"));
    assert_eq!((connection(&app, &id).await["authorized"].clone(), service.alive()), (json!(false), 0));
    let stranger = app.stranger_admin().await;
    let foreign = app.post_as(&stranger, &format!("/api/admin/connections/{id}/oauth/start"), &json!({})).await;
    assert_eq!(foreign.status(), 404);
}

/// So many callers at once on each host; all of them have to be served.
async fn all_are_served(hosts: &[&TestApp], id: &str, callers: usize) {
    let calls = hosts.iter().flat_map(|host| (0..callers).map(|_| call(host, id, "me")));
    for (status, output) in futures::future::join_all(calls).await {
        assert_eq!((status, &output["output"]["account"]), (200, &json!("anna")), "{output}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_callers_on_each_of_two_hosts_renew_a_token_once() {
    let service = OauthService::start().await.unwrap();
    let (first, second) = TestApp::pair_reaching(service.address).await;
    let id = installed(&first, &service, "authorization_code").await;
    let mut browser = Browser::new();
    // Begun on one host, and ended on the other: the world knows both by one address.
    let back = agree(&mut browser, &link(&second, &id).await).await;
    let page = browser.open(&back).await;
    assert_eq!((query(&page, "test").as_deref(), service.refreshes()), (Some("passed"), 0));

    service.expire();
    all_are_served(&[&first, &second], &id, 50).await;
    assert_eq!((service.refreshes(), service.alive()), (1, 1), "after the service said that it had ended");

    let mut browser = Browser::new();
    let back = agree(&mut browser, &link(&first, &id).await).await;
    service.lives(60);
    service.says_expired(Expired::Forbidden);
    assert_eq!(browser.open(&back).await.status, 303);
    service.lives(3600);
    first.later(Duration::from_secs(61));
    second.later(Duration::from_secs(61));
    let before = service.refreshes();
    all_are_served(&[&first, &second], &id, 50).await;
    assert_eq!(service.refreshes(), before + 1, "before it was used");
    all_are_served(&[&first, &second], &id, 5).await;
    assert_eq!(service.refreshes(), before + 1, "what is fresh stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_fifty_callers_renew_once() {
    let service = OauthService::start().await.unwrap();
    let (app, id) = connected(&service).await;
    for round in 1..=3 {
        service.expire();
        all_are_served(&[&app], &id, 50).await;
        assert_eq!((service.refreshes(), service.alive()), (round, 1));
    }
}

#[tokio::test]
async fn expired_is_understood_however_it_is_said_and_a_write_happens_once() {
    let service = OauthService::start().await.unwrap();
    let (app, id) = connected(&service).await;
    for (round, how) in (1..).zip([Expired::Unauthorized, Expired::Ok, Expired::Forbidden]) {
        service.says_expired(how);
        service.expire();
        let (status, output) = call(&app, &id, "note").await;
        assert_eq!((status, &output["output"]["account"]), (200, &json!("anna")), "{how:?}: {output}");
        assert_eq!(
            (service.notes(), service.refreshes(), output["http_calls"].as_u64()),
            (round, round, Some(1)),
            "{how:?}"
        );
        let requests = app.logs().await[0]["requests"].as_array().unwrap().len();
        assert_eq!(requests, 2, "refused, renewed, and sent again");
    }
}

#[tokio::test]
async fn a_dead_grant_needs_a_person_and_trouble_does_not() {
    let service = OauthService::start().await.unwrap();
    let (app, id) = connected(&service).await;
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    service.expire();
    service.is_down(true);
    let (status, problem) = call(&app, &id, "me").await;
    assert_ne!(status, 424, "{problem}");
    assert_eq!(connection(&app, &id).await["status"], "enabled", "the service will be back");
    service.is_down(false);
    assert_eq!(service.token_requests(), 2, "the exchange and one renewal");
    app.later(Duration::from_secs(6));
    assert_eq!(call(&app, &id, "me").await.0, 200);

    service.ends_grants();
    let (status, problem) = call(&app, &id, "me").await;
    assert_eq!(status, 424, "{problem}");
    let view = connection(&app, &id).await;
    assert_eq!((&view["status"], &view["authorized"]), (&json!("needs_auth"), &json!(false)));
    // Authorized again, in place: the same connection, with another person's account.
    service.is_used_by("berta");
    let page = authorize(&app, &id).await;
    assert_eq!(query(&page, "test").as_deref(), Some("passed"));
    assert_eq!(connection(&app, &id).await["status"], "enabled", "chats had it, and it works again");
    assert_eq!(call(&app, &id, "me").await.1["output"]["account"], "berta");
}

#[tokio::test]
async fn authorized_again_it_goes_back_to_chats_when_its_test_passes_and_its_admin_wants_that() {
    let service = OauthService::start().await.unwrap();
    let (app, id) = connected(&service).await;
    let path = format!("/api/admin/connections/{id}");
    let status = async || connection(&app, &id).await["status"].clone();
    let authorized = async |test: &str| assert_eq!(query(&authorize(&app, &id).await, "test").as_deref(), Some(test));
    authorized("passed").await;
    assert_eq!(status().await, "installed", "nobody has enabled it yet");
    app.admin_post(&format!("{path}/enable"), &json!({})).await;

    service.is_used_by("berta");
    authorized("passed").await;
    assert_eq!(status().await, "enabled", "the account was replaced while it was enabled");
    service.is_broken(true);
    authorized("failed").await;
    assert_eq!(status().await, "installed", "nobody knows yet whether another account works");
    service.is_broken(false);
    assert_eq!(app.admin_post(&format!("{path}/test"), &json!({})).await["ok"], true);
    assert_eq!(status().await, "enabled");

    // Another client: nobody has agreed to it yet.
    let client = json!({"credentials": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}});
    let request = app.client.patch(app.url(&path)).bearer_auth(&app.admin);
    let changed: Value = request.json(&client).send().await.unwrap().json().await.unwrap();
    assert_eq!((&changed["status"], &changed["authorized"]), (&json!("needs_auth"), &json!(false)));
    assert_eq!(app.admin_post(&format!("{path}/test"), &json!({})).await["ok"], false);
    authorized("passed").await;
    assert_eq!(status().await, "enabled");

    // What an admin took away comes back by no test, whatever the service says in between.
    app.admin_post(&format!("{path}/disable"), &json!({})).await;
    service.ends_grants();
    assert_eq!(call(&app, &id, "me").await.0, 424);
    assert_eq!(status().await, "disabled");
    authorized("passed").await;
    assert_eq!(app.admin_post(&format!("{path}/test"), &json!({})).await["ok"], true);
    assert_eq!(status().await, "disabled");
}

#[tokio::test]
async fn what_nobody_authorized_says_how_before_anything_runs() {
    let service = OauthService::start().await.unwrap();
    let app = TestApp::reaching(service.address).await;
    let id = installed(&app, &service, "authorization_code").await;
    let start = "POST /api/admin/connections/{id}/oauth/start";
    let enabled = app.post_as(&app.admin, &format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    assert_eq!(enabled.status(), 424);
    let problem: Value = enabled.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains(start), "{problem}");
    let (status, problem) = call(&app, &id, "me").await;
    assert_eq!((status, &problem["fuel"], &problem["http_calls"]), (424, &json!(0), &json!(0)));
    assert!(problem["detail"].as_str().unwrap().contains(start), "{problem}");
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert_eq!((&tested["ok"], &tested["reason"]), (&json!(false), &json!("needs_auth")));
    for told in ["message", "what_to_do"] {
        assert!(tested[told].as_str().unwrap().contains(start), "{tested}");
    }
    assert_eq!(app.used("connector_calls").await, 0, "nothing ran");
    assert_eq!(connection(&app, &id).await["status"], "needs_auth");
    assert_eq!(query(&authorize(&app, &id).await, "test").as_deref(), Some("passed"));
    assert_eq!(connection(&app, &id).await["status"], "installed");
}

#[tokio::test]
async fn what_is_disconnected_is_revoked() {
    let service = OauthService::start().await.unwrap();
    let (app, id) = connected(&service).await;
    let change = |body: Value| {
        let request = app.client.patch(app.url(&format!("/api/admin/connections/{id}"))).bearer_auth(&app.admin);
        async move { request.json(&body).send().await.unwrap().json::<Value>().await.unwrap() }
    };
    // A changed client drops what was authorized for the one before.
    let client = json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET});
    let changed = change(json!({"credentials": client})).await;
    assert_eq!((&changed["authorized"], service.revocations(), service.alive()), (&json!(false), 1, 0));
    authorize(&app, &id).await;
    let forgotten = change(json!({"credentials": null})).await;
    assert_eq!((&forgotten["authorized"], service.revocations(), service.alive()), (&json!(false), 2, 0));
    let start = app.post_as(&app.admin, &format!("/api/admin/connections/{id}/oauth/start"), &json!({})).await;
    assert_eq!(start.status(), 424, "there is no client");

    change(json!({"credentials": client})).await;
    authorize(&app, &id).await;
    service.is_down(true);
    let deleted = app.send_as(&app.admin, "DELETE", &format!("/api/admin/connections/{id}")).await;
    let told: Value = deleted.json().await.unwrap();
    assert_eq!(told["revocation"]["confirmed"], false, "{told}");
    assert!(told["revocation"]["message"].as_str().unwrap().ends_with("at the service yourself"), "{told}");
    assert_eq!((service.revocations(), service.alive()), (2, 1), "the service wasn't there to be told");
    let gone = app.send_as(&app.admin, "GET", &format!("/api/admin/connections/{id}")).await;
    assert_eq!(gone.status(), 404, "here it is gone all the same");
}

#[tokio::test]
async fn a_client_alone_is_enough_where_the_service_has_it() {
    let service = OauthService::start().await.unwrap();
    let app = TestApp::reaching(service.address).await;
    let id = installed(&app, &service, "client_credentials").await;
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert_eq!(tested["ok"], true, "{tested}");
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    let outputs = futures::future::join_all((0..10).map(|_| call(&app, &id, "me"))).await;
    assert!(outputs.iter().all(|(_, output)| output["output"]["account"] == "the app"), "{outputs:?}");
    assert_eq!(service.refreshes(), 1);
    service.expire();
    assert_eq!((call(&app, &id, "me").await.0, service.refreshes()), (200, 2));
    let start = app.post_as(&app.admin, &format!("/api/admin/connections/{id}/oauth/start"), &json!({})).await;
    assert_eq!(start.status(), 422, "nobody has to agree");
}

#[tokio::test]
async fn the_operators_client_serves_bundled_connectors_alone() {
    let service = OauthService::start().await.unwrap();
    let app = TestApp::sharing(service.address, "gmail=operators-app:operators-secret").await;
    let gmail = json!({"connector": "gmail", "environment": "production"});
    let gmail = app.admin_post("/api/admin/connections", &gmail).await["id"].as_str().unwrap().to_owned();
    let begun = Browser::new().open(&link(&app, &gmail).await).await;
    let asked = query(&begun, "client_id");
    assert_eq!(asked.as_deref(), Some("operators-app"));
    assert!(!format!("{:?}{}", begun.headers, begun.text).contains("operators-secret"));

    // A definition names the address that secrets are sent to.
    let mut definition = service.definition("authorization_code");
    assert_eq!(app.post_as(&app.admin, "/api/admin/connectors", &definition).await.status(), 201);
    definition["id"] = json!("gmail");
    assert_eq!(app.post_as(&app.admin, "/api/admin/connectors", &definition).await.status(), 409, "the name is taken");
    let own = json!({"connector": "desk", "environment": "production"});
    let own = app.admin_post("/api/admin/connections", &own).await["id"].as_str().unwrap().to_owned();
    let start = app.post_as(&app.admin, &format!("/api/admin/connections/{own}/oauth/start"), &json!({})).await;
    assert_eq!(start.status(), 424);
}
