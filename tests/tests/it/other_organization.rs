//! What a member and a key of another organization reach: with everything in one organization, none of it, whichever route
//! they ask with its ids.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use resly_core::member::Role;
use resly_tests::{app::TestApp, console::ConsoleClient, model::Reply};
use serde_json::{Value, json};

/// A word of each text of the first organization.
const OURS: &str = "Zaunkoenig";
/// The same as a connector's id.
const CONNECTOR: &str = "zaunkoenig";

/// Something of each kind, with the word in each text that is free.
async fn fill(app: &TestApp) {
    let definition = json!({
        "id": CONNECTOR, "name": OURS, "version": "1.0.0", "hosts": ["shop.example.com"], "auth": {"type": "none"},
        "actions": [{"id": "find", "title": OURS, "description": OURS, "side_effect": "read",
            "input": {"type": "object", "properties": {"id": {"type": "string"}}},
            "request": {"method": "GET", "url": "https://shop.example.com/products", "query": {"id": "{{ input.id }}"}},
            "response": {"mapping": "."}}],
        "fixtures": [{"match": {"method": "GET"}, "response": {"status": 200, "json": {"products": [OURS]}}}],
    });
    app.admin_post("/api/admin/connectors", &definition).await;
    let connection = json!({"connector": CONNECTOR, "name": OURS, "environment": "sandbox"});
    let connection = app.admin_post("/api/admin/connections", &connection).await;
    let connection = format!("/api/admin/connections/{}", connection["id"].as_str().unwrap());
    app.admin_post(&format!("{connection}/enable"), &json!({})).await;
    app.admin_post(&format!("{connection}/actions/find"), &json!({"id": OURS})).await;

    app.knows(OURS, &format!("The {OURS} is a small bird.")).await;
    app.make_key(json!({"name": OURS, "scopes": ["chat"]})).await;
    let invitation = json!({"email": format!("{OURS}@shop.example"), "role": "viewer"});
    let many = [
        ("workflows", json!({"name": OURS, "triggers": [OURS], "instructions": OURS})),
        ("publishers", json!({"name": OURS, "public_key": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="})),
        ("invitations", invitation),
        ("crawls", json!({"url": format!("https://docs.example.com/{OURS}/")})),
    ];
    for (path, body) in many {
        app.admin_post(&format!("/api/admin/{path}"), &body).await;
    }
    let whole = [
        ("synonyms", json!({"sets": [[OURS, "wren"]]})),
        ("webhook", json!({"url": format!("https://hooks.example.com/{OURS}")})),
    ];
    for (path, body) in whole {
        let response = app.admin_send("PUT", &format!("/api/admin/{path}"), &body).await;
        assert!(response.status().is_success(), "{path}: {}", response.text().await.unwrap());
    }
    app.model.says([Reply::text(&format!("A {OURS} is on its way."))]);
    let question =
        json!({"messages": [{"role": "user", "content": format!("Where is my {OURS}?")}], "visitorId": OURS});
    let answer = app.answer(question).await;
    let hand_over = format!("/api/chat/{}/hand-over?visitorId={OURS}", answer["conversationId"].as_str().unwrap());
    assert_eq!(app.post_as(&app.key, &hand_over, &json!({})).await.status(), StatusCode::OK);
}

/// A form of a page: where it is sent, and its fields.
type Form = (String, Vec<(String, String)>);

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    Some(value.split('"').next()?.replace("&amp;", "&").replace("&quot;", "\""))
}

/// The forms of a page that change something.
fn forms(page: &str) -> Vec<Form> {
    let forms = page.split("<form ").skip(1).map(|rest| rest.split("</form>").next().unwrap());
    let changing = forms.filter(|form| form.split('>').next().unwrap().contains("method=\"post\""));
    changing
        .map(|form| {
            let action = attribute(&format!(" {form}"), "action").unwrap();
            let fields = form.split('<').filter_map(|tag| {
                let name = attribute(tag, "name").filter(|name| name != "form_token")?;
                Some((name, attribute(tag, "value").unwrap_or_else(|| "x".to_owned())))
            });
            (action, fields.collect())
        })
        .collect()
}

/// All that can be reached from the menu, by address.
async fn walk(browser: &mut ConsoleClient<'_>) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut open = vec!["/console".to_owned()];
    while let Some(path) = open.pop() {
        let answer = browser.get(&path).await;
        assert!(!answer.status.is_server_error(), "{path}: {}", answer.html);
        for tag in answer.html.split("<a ").skip(1) {
            let Some(link) = attribute(&format!(" {}", tag.split('>').next().unwrap()), "href") else { continue };
            let link = link.split('#').next().unwrap().to_owned();
            if link.starts_with("/console") && !pages.contains_key(&link) && !open.contains(&link) {
                open.push(link);
            }
        }
        pages.insert(path, answer.html);
        assert!(pages.len() < 600, "pages without end: {:?}", pages.keys());
    }
    pages
}

/// The segments of paths that name something: what has a digit or the word.
fn named(path: &str) -> bool {
    path.split(['/', '?']).any(|part| (part.len() == 36 && part.contains('-')) || part == CONNECTOR)
}

#[tokio::test]
async fn a_member_of_another_organization_reaches_no_page_and_no_form() {
    let app = TestApp::start().await;
    fill(&app).await;
    let (other, _) = app.other_organization().await;
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    let mut stranger = ConsoleClient::member_of(&app, other, Role::Owner).await;
    // A member whom the owner's list has before the walk begins.
    ConsoleClient::signed_in(&app, Role::Agent).await;
    let ours = walk(&mut owner).await;
    let shown = ours.values().filter(|page| page.contains(OURS)).count();
    assert!(ours.len() > 50 && shown > 12, "{} pages, {shown} with the word: {:?}", ours.len(), ours.keys());

    for path in ours.keys() {
        let answer = stranger.get(path).await;
        assert!(!answer.html.contains(OURS) || path.contains(OURS), "{path}: {}", answer.html);
        assert!(!named(path) || answer.status == StatusCode::NOT_FOUND, "{path}: {} {}", answer.status, answer.html);
    }
    let sent: BTreeSet<Form> = ours.values().flat_map(|page| forms(page)).collect();
    let all = sent.iter().filter(|(action, _)| named(action)).count();
    assert!(all > 12, "{all} forms of something that is named: {sent:?}");
    for (action, fields) in &sent {
        if action.contains("/sign-out") || (action.ends_with("/sessions") && fields.is_empty()) {
            continue;
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = stranger.post(action, &fields).await;
        assert!(!answer.status.is_server_error(), "{action}: {}", answer.html);
        // A list tells that there is no such row.
        let told = answer.status.is_client_error() || !named(&answer.location);
        assert!(!named(action) || told, "{action}: {} {}", answer.status, answer.location);
    }
    for (path, page) in walk(&mut owner).await {
        // The walk itself runs previews, whose fuel billing shows.
        if !path.starts_with("/console/account/billing") {
            let before = ours.get(&path).unwrap_or_else(|| panic!("{path} is new"));
            let parts = before.split('<').zip(page.split('<'));
            // A form that is sent once has another number each time.
            let changed =
                parts.filter(|(_, after)| !after.ends_with("data-once>")).find(|(before, after)| before != after);
            assert_eq!(changed, None, "{path} has changed");
        }
    }
}

/// The operations of the API below a path: method and path.
async fn operations(app: &TestApp, below: &str) -> Vec<(String, String)> {
    let document: Value = app.client.get(app.url("/openapi.json")).send().await.unwrap().json().await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, methods): (&String, &Value)| {
        let methods: Vec<_> = methods.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        methods.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    let all: Vec<_> = paths.iter().filter(|(path, _)| path.starts_with(below)).flat_map(of).collect();
    assert!(all.len() > 3, "{all:?}");
    all
}

/// The answers of all lists, and the ids in them.
async fn lists(app: &TestApp) -> (BTreeMap<String, Value>, BTreeSet<String>) {
    fn ids_in(value: &Value, ids: &mut BTreeSet<String>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| ids_in(value, ids)),
            Value::Object(members) => {
                for (name, value) in members {
                    if let (Some(id), true) = (value.as_str(), name == "id" || name.ends_with("_id")) {
                        ids.insert(id.to_owned());
                    }
                    ids_in(value, ids);
                }
            }
            _ => {}
        }
    }
    let (mut answers, mut ids) = (BTreeMap::new(), BTreeSet::from([CONNECTOR.to_owned()]));
    for (method, path) in operations(app, "/api/admin/").await {
        if method == "GET" && !path.contains('{') {
            let mut answer: Value = app.send_as(&app.admin, "GET", &path).await.json().await.unwrap();
            if path == "/api/admin/usage/history" {
                // Until now.
                answer["to"].take();
            }
            ids_in(&answer, &mut ids);
            answers.insert(path, answer);
        }
    }
    (answers, ids)
}

#[tokio::test]
async fn a_key_of_another_organization_reaches_nothing_by_any_id() {
    let app = TestApp::start().await;
    fill(&app).await;
    let (_, key) = app.other_organization().await;
    lists(&app).await;
    let (before, ids) = lists(&app).await;
    assert!(ids.len() > 12, "{ids:?}");
    let mut asked = 0;
    for (method, path) in operations(&app, "/api/").await {
        // A visitor's name is the caller's to choose: its own organization has one of that name, or none.
        let own = path.contains("{visitor}") && !path.contains("{id}");
        if !path.contains('{') || own || path.starts_with("/api/operator") {
            continue;
        }
        for id in &ids {
            let path = path.replace("{id}", id).replace("{action}", "find").replace("{version}", "1.0.0");
            let path = path.replace("{visitor}", OURS);
            let request = app.client.request(method.parse().unwrap(), app.url(&path)).bearer_auth(&key);
            let response = request.json(&json!({})).send().await.unwrap();
            let (status, text) = (response.status(), response.text().await.unwrap());
            // Connectors that are bundled are everybody's.
            let everybodys = path.starts_with("/api/admin/connectors/") && method == "GET" && id != CONNECTOR;
            // Nothing is being written: what a client is told that comes back to any conversation.
            let silent = status == StatusCode::NO_CONTENT && path.ends_with("/stream");
            assert!(status.is_client_error() || everybodys || silent, "{method} {path}: {status} {text}");
            assert!(!text.contains(OURS) || path.contains(OURS), "{method} {path}: {text}");
            asked += 1;
        }
    }
    assert!(asked > 500, "{asked}");
    let (after, _) = lists(&app).await;
    for (path, answer) in after {
        assert_eq!(before[&path], answer, "{path}");
    }
}

/// A cookie is sent by every page that a browser shows; only a key opens the API.
#[tokio::test]
async fn no_session_opens_the_api() {
    let app = TestApp::start().await;
    for role in Role::ALL {
        let member = ConsoleClient::signed_in(&app, role).await;
        for (method, path) in operations(&app, "/api/").await.into_iter().chain(operations(&app, "/rest/").await) {
            // The biller signs what it sends.
            if path == "/api/operator/billing/events" {
                continue;
            }
            let path = path.replace("{table}", "tickets").replace("{id}", "01a2297c-3095-7f82-9e7b-6a24928415c7");
            let answer = member.clone().request(&method, &path, r"{}").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{role:?} {method} {path}: {}", answer.html);
        }
    }
}
