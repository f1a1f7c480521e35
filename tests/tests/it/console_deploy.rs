//! Admin → Deploy in the console: keys are generated, copied, used, rotated without downtime and deleted, and what the
//! pages give to paste works.

use std::time::Duration;

use http::StatusCode;
use resly_core::member::Role;
use resly_tests::{app::TestApp, console::ConsoleClient, model::Reply, service::ScriptedService};
use serde_json::json;
use tokio::process::Command;

const API: &str = "/console/deploy/api";

/// The key that a page shows.
fn key_in(html: &str) -> String {
    let at = html.find("rsk_live_").or_else(|| html.find("rpk_live_")).unwrap_or_else(|| panic!("no key in {html}"));
    html[at..].chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}

/// The address of the key of this name, in a list.
fn page_of(html: &str, name: &str) -> String {
    let (before, _) = html.split_once(&format!(">{name}</a>")).unwrap_or_else(|| panic!("no {name} in {html}"));
    before.rsplit_once("href=\"").unwrap().1.trim_end_matches('"').to_owned()
}

/// The texts to paste, as a person copies them.
fn snippets(html: &str) -> Vec<String> {
    let codes =
        html.split("<pre").skip(1).map(|rest| rest.split_once("<code>").unwrap().1.split_once("</code>").unwrap().0);
    codes
        .map(|code| code.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
        .collect()
}

async fn search(app: &TestApp, key: &str) -> u16 {
    app.post_as(key, "/api/search", &json!({"query": "x"})).await.status().as_u16()
}

async fn generate(browser: &mut ConsoleClient<'_>, name: &str) -> String {
    browser.page("/console/deploy/api/new").await;
    let fields = [("name", name), ("scopes", "chat"), ("scopes", "search"), ("expires", ""), ("message_cap", "1,000")];
    let made = browser.post("/console/deploy/api/new", &fields).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.html);
    assert!(made.html.contains("data-copy=\"rsk_live_") && made.html.contains("shown again"), "{}", made.html);
    key_in(&made.html)
}

#[tokio::test]
async fn deploy_api_generate_new_key_copy_it_and_use_it() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::built_in(&service).await;
    app.knows("Passwords", "To reset your password, open the menu and choose Reset. Then follow the mail.").await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Admin).await;
    let page = browser.page(API).await;
    assert!(page.contains("API keys") && page.contains("Generate New Key") && page.contains("Install &amp; Integrate"));
    let key = generate(&mut browser, "web shop").await;
    let secret = key.rsplit('_').nth(1).unwrap().to_owned();

    // What the page gives to paste is run with the key.
    let page = browser.page(API).await;
    assert!(!page.contains(&secret), "a key is shown once");
    let snippets = snippets(&page);
    let folder = tempfile::tempdir().unwrap();
    for (at, program, file) in [(0, "sh", "ask.sh"), (1, "node", "ask.mjs"), (3, "python3", "ask.py")] {
        assert!(snippets[at].contains(&app.url("/api/chat")), "{}", snippets[at]);
        let path = folder.path().join(file);
        std::fs::write(&path, &snippets[at]).unwrap();
        let output = Command::new(program).arg(&path).env("RESLY_API_KEY", &key).output().await.expect(program);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{program}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("choose Reset"), "{program}: {said}");
    }
    for (at, part) in [(2, "useChat"), (4, "URLSession.shared.bytes")] {
        assert!(snippets[at].contains(part) && snippets[at].contains(&app.url("/api/chat")), "{}", snippets[at]);
    }

    app.host().keyring.flush().await;
    let path = page_of(&browser.page(API).await, "web shop");
    let page = browser.page(&path).await;
    for part in ["Ask questions, Search the knowledge", "1,000", "Messages", "<dd>3</dd>"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("Last used</dt><dd>never"), "{page}");
}

#[tokio::test]
async fn key_rotation_both_keys_work_during_the_transition() {
    let app = TestApp::start().await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Admin).await;
    let old = generate(&mut browser, "mobile app").await;
    let old_page = page_of(&browser.page(API).await, "mobile app");
    browser.page(&old_page).await;
    let rotated = browser.post(&format!("{old_page}/rotate"), &[("overlap", "3600")]).await;
    assert!(rotated.html.contains("Both keys work for") && rotated.html.contains("1 h 0 min"), "{}", rotated.html);
    let new = key_in(&rotated.html);
    assert_eq!((search(&app, &old).await, search(&app, &new).await), (200, 200), "no downtime");
    let page = browser.page(&old_page).await;
    assert!(page.contains("Replaced") && page.contains("data-until="), "{page}");
    let new_page = page_of(&page, "The new key");
    assert!(browser.page(&new_page).await.contains("replaces another one"));

    app.later(Duration::from_secs(3601));
    assert_eq!((search(&app, &old).await, search(&app, &new).await), (401, 200), "the old one ends by itself");
    assert!(browser.page(API).await.contains("Expired"));
    let page = browser.page(&new_page).await;
    assert!(page.contains("In the last 7 days it asked 3 messages"), "what it was used for: {page}");
    let list = browser.submit(&format!("{new_page}/delete"), &[]).await;
    assert!(list.contains("The key is deleted"), "{list}");
    assert_eq!(search(&app, &new).await, 401);
    assert_eq!(browser.get(&new_page).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_member_makes_no_operators_and_a_viewer_no_keys() {
    let app = TestApp::start().await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Owner).await;
    browser.page("/console/deploy/api/new").await;
    let refused = browser.post("/console/deploy/api/new", &[("name", "root"), ("scopes", "operator")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.html.contains("At least one of"), "{}", refused.html);
    let wrong = [("name", "x"), ("scopes", "chat"), ("message_cap", "many")];
    let refused = browser.post("/console/deploy/api/new", &wrong).await;
    assert!(
        refused.html.contains("A whole number is expected") && refused.html.contains("value=\"many\""),
        "{}",
        refused.html
    );

    // The kit's own admin key is an operator's.
    let listed: serde_json::Value = app.send_as(&app.admin, "GET", "/api/admin/keys").await.json().await.unwrap();
    let operator = listed["keys"].as_array().unwrap().iter().find(|key| key["scopes"].to_string().contains("operator"));
    let path = format!("{API}/{}", operator.unwrap()["id"].as_str().unwrap());
    let page = browser.page(&path).await;
    assert!(page.contains("operates the host") && !page.contains("Delete the key"), "{page}");
    for action in ["", "/rotate", "/delete"] {
        let answer =
            browser.post(&format!("{path}{action}"), &[("name", "x"), ("scopes", "chat"), ("overlap", "0")]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{action}: {}", answer.html);
    }
    assert_eq!(app.send_as(&app.admin, "GET", "/api/admin/plan").await.status(), 200);

    let mut viewer = ConsoleClient::signed_in(&app, Role::Viewer).await;
    assert!(!viewer.page(API).await.contains("Generate New Key"));
    assert!(!viewer.page(&path).await.contains("Rotate"));
    for (path, fields) in [
        ("/console/deploy/api/new".to_owned(), &[("name", "x"), ("scopes", "chat")][..]),
        ("/console/deploy/widget".to_owned(), &[("name", "x"), ("origins", "https://a.example")]),
        (format!("{path}/delete"), &[]),
    ] {
        assert_eq!(viewer.post(&path, fields).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(viewer.get("/console/deploy/api/new").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn deploy_widget_and_search_publishable_keys_with_their_origins() {
    let app = TestApp::start().await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Admin).await;
    for (path, scopes) in [("/console/deploy/widget", (200, 200)), ("/console/deploy/search", (403, 200))] {
        let page = browser.page(path).await;
        assert!(page.contains("part of this release") && page.contains(&app.url("/api/")), "{page}");
        let wild = browser.post(path, &[("name", "shop"), ("origins", "https://*.shop.example")]).await;
        assert_eq!(wild.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(wild.html.contains("aria-invalid") && wild.html.contains("https://*.shop.example"), "{}", wild.html);
        let made =
            browser.post(path, &[("name", "shop"), ("origins", "https://shop.example\nhttps://b.example/")]).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.html);
        let key = key_in(&made.html);
        assert!(key.starts_with("rpk_live_") && snippets(&made.html)[0].contains(&key));
        let ask = async |path: &str, body: serde_json::Value, origin: &str| {
            let request = app.client.post(app.url(path)).bearer_auth(&key).header("origin", origin).json(&body);
            request.send().await.unwrap().status().as_u16()
        };
        app.model.says([Reply::text("Hello.")]);
        let chat = json!({"messages": [{"role": "user", "content": "Hi"}]});
        assert_eq!(ask("/api/chat", chat, "https://shop.example").await, scopes.0, "{path}");
        assert_eq!(ask("/api/search", json!({"query": "x"}), "https://b.example").await, scopes.1, "{path}");
        assert_eq!(ask("/api/search", json!({"query": "x"}), "https://evil.example").await, 403, "{path}");
        assert!(browser.page(path).await.contains("<code>https://b.example</code>"));
    }
    let listed = browser.page(API).await;
    let path = page_of(&listed, "shop");
    let fields = [("name", "shop"), ("scopes", "search"), ("origins", "https://new.example")];
    let page = browser.submit(&path, &fields).await;
    assert!(page.contains("https://new.example") && !page.contains("https://b.example"), "{page}");
}

#[tokio::test]
async fn what_people_type_is_text_on_every_page_of_a_key() {
    let app = TestApp::start().await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Admin).await;
    let hostile = r#""><script>alert(1)</script><img src=x onerror=alert(1)>"#;
    browser.page("/console/deploy/api/new").await;
    let made = browser.post("/console/deploy/api/new", &[("name", hostile), ("scopes", "chat")]).await;
    let listed = browser.page(API).await;
    let at = listed.find("script&gt;alert").unwrap();
    let path = listed[..at].rsplit_once("href=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    for html in [made.html, listed, browser.page(&path).await] {
        assert!(!html.contains("<script>alert") && !html.contains("<img src=x"), "{html}");
    }
}
