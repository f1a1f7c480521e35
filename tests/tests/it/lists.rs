//! Crawls of a connector's list: every item is a source once, whatever the service, the connection and the host's end do.

use std::{sync::Arc, time::Duration};

use resly_core::testing::ScriptedExtractor;
use resly_service::crawls;
use resly_tests::{
    app::TestApp,
    helpdesk::{MAPPING, definition, page},
    postgres,
    site::{Site, SitePage},
};
use serde_json::{Value, json};

use crate::sources::{found, told};

const CRAWLS: &str = "/api/admin/crawls";
const CONNECTORS: &str = "/api/admin/connectors";
const DAY: Duration = Duration::from_secs(86_400);

async fn start(site: Option<&Site>, postgres: bool) -> (TestApp, Arc<ScriptedExtractor>) {
    let extractor = Arc::<ScriptedExtractor>::default();
    let url = if postgres { Some(postgres::database().await) } else { None };
    let app = TestApp::reading(Arc::clone(&extractor) as _, site.map(|site| site.address), url).await;
    (app, extractor)
}

/// Defines the connector, and installs, tests and enables a connection.
async fn connect(app: &TestApp, definition: &Value, environment: &str) -> String {
    app.admin_post(CONNECTORS, definition).await;
    let body = json!({"connector": "helpdesk", "environment": environment});
    let id = app.admin_post("/api/admin/connections", &body).await["id"].as_str().unwrap().to_owned();
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert_eq!(tested["ok"], true, "{tested}");
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    id
}

fn list(connection: &str) -> Value {
    json!({"list": {"connection": connection, "action": "list_articles", "mapping": MAPPING, "cursor_input": "after"},
        "refresh_every_s": 86400})
}

async fn run(app: &TestApp, made: &Value) -> Value {
    while crawls::crawl_due(&app.api().app).await.unwrap() > 0 {}
    let path = format!("{CRAWLS}/{}", made["id"].as_str().unwrap());
    told(app.send_as(&app.admin, "GET", &path).await).await.1
}

/// The sources' titles, in order, with their URLs.
async fn sources(app: &TestApp) -> Vec<(String, String)> {
    let (_, listed) = told(app.send_as(&app.admin, "GET", "/api/admin/sources").await).await;
    let text = |source: &Value, name: &str| source[name].as_str().unwrap_or_default().to_owned();
    let mut sources: Vec<_> = listed["sources"]
        .as_array()
        .unwrap()
        .iter()
        .inspect(|source| assert_eq!((&source["kind"], &source["status"]), (&json!("list_item"), &json!("ready"))))
        .map(|source| (text(source, "title"), text(source, "url")))
        .collect();
    sources.sort();
    sources
}

async fn titles(app: &TestApp) -> Vec<String> {
    sources(app).await.into_iter().map(|(title, _)| title).collect()
}

/// Moves the connection to another version of the connector, whose fixtures are these pages.
async fn now_answers(app: &TestApp, connection: &str, version: &str, pages: &[Value]) {
    app.admin_post(CONNECTORS, &definition("help.example", version, pages)).await;
    let path = format!("/api/admin/connections/{connection}");
    let (status, moved) = told(app.admin_send("PATCH", &path, &json!({"version": version})).await).await;
    assert_eq!((status, &moved["status"]), (200, &json!("enabled")), "{moved}");
}

async fn the_items_of_a_list_are_sources(postgres: bool) {
    let (app, extractor) = start(None, postgres).await;
    let pages = [page(&[(1, "A zebra."), (2, "A lion.")], Some(2)), page(&[(3, "A tiger."), (4, "\n")], None)];
    let connection = connect(&app, &definition("help.example", "1.0.0", &pages), "sandbox").await;
    // A mapping that trims the output for models doesn't trim the list.
    let path = format!("/api/admin/connections/{connection}");
    app.admin_send("PATCH", &path, &json!({"mappings": {"list_articles": "[.articles[].name]"}})).await;
    let made = app.admin_post(CRAWLS, &list(&connection)).await;
    assert_eq!((&made["status"], &made["url"]), (&json!("queued"), &Value::Null), "{made}");
    assert_eq!((&made["list"]["input"], &made["list"]["most_calls"]), (&json!({}), &json!(100)), "{made}");
    let (fuel, calls) = (app.used("fuel").await, sandbox_calls(&app).await);
    let done = run(&app, &made).await;
    assert_eq!((&done["status"], &done["failure"]), (&json!("done"), &Value::Null), "{done}");
    let expected = json!({"found": 4, "read": 4, "ready": 3, "failed": 0, "skipped": 1, "left_out": 0});
    assert_eq!(done["pages"], expected, "{done}");
    assert_eq!((&done["omitted"][0]["url"], &done["omitted"][0]["state"]), (&json!("4"), &json!("skipped")), "{done}");
    let expected = [1, 2, 3].map(|id| (format!("Article {id}"), format!("https://help.example/{id}")));
    assert_eq!(sources(&app).await, expected);
    assert_eq!((found(&app, "tiger").await, app.used("embeddings").await), (vec!["Article 3".to_owned()], 3));
    assert_eq!(app.used("fuel").await - fuel, 4000, "each item is a reading");
    assert_eq!(sandbox_calls(&app).await - calls, 2, "each page is a call");
    assert!(app.logs().await[..2].iter().all(|call| call["caller"] == "crawl" && call["status"] == "ok"));

    // The next run embeds what changed, and deletes what the list doesn't have any more.
    extractor.take_read();
    let pages = [page(&[(1, "A zebra."), (2, "A leopard.")], Some(2)), page(&[(5, "A tiger.")], None)];
    now_answers(&app, &connection, "1.0.1", &pages).await;
    assert_eq!(crawls::crawl_due(&app.api().app).await.unwrap(), 0, "not yet");
    app.later(DAY);
    let done = run(&app, &made).await;
    assert_eq!((&done["run"], &done["pages"]["ready"], &done["pages"]["found"]), (&json!(2), &json!(3), &json!(3)));
    assert_eq!(titles(&app).await, ["Article 1", "Article 2", "Article 5"]);
    assert_eq!((app.used("embeddings").await, extractor.take_read().len()), (5, 2), "two are new");
    assert!(found(&app, "lion").await.is_empty());

    // A list that can't be read changes nothing, and the crawl says why.
    now_answers(&app, &connection, "1.0.2", &[page(&[], Some(2))]).await;
    app.admin_send("PATCH", &path, &json!({"mappings": {}})).await;
    let stays = async |part: &str| {
        app.later(DAY);
        let failed = run(&app, &made).await;
        let told = failed["failure"].as_str().unwrap_or_default();
        assert!(failed["status"] == "failed" && told.contains(part), "{part}: {failed}");
        assert_eq!((titles(&app).await.len(), &failed["next_run_at"].is_string()), (3, &true), "{failed}");
    };
    let mut wrong = list(&connection);
    wrong["list"]["mapping"] = json!(".articles");
    let (status, changed) = told(app.post_as(&app.admin, CRAWLS, &wrong).await).await;
    assert_eq!((status, &changed["id"]), (200, &made["id"]), "the same list");
    stays("the mapping has to give").await;
    wrong["list"]["mapping"] = json!(".articles.x");
    app.admin_post(CRAWLS, &wrong).await;
    stays("the crawl's mapping for `list_articles` failed").await;
    app.admin_post(CRAWLS, &list(&connection)).await;
    app.admin_post(&format!("{path}/disable"), &json!({})).await;
    stays("not enabled").await;
    app.admin_post(&format!("{path}/enable"), &json!({})).await;

    // Nor does one that is cut.
    let mut short = list(&connection);
    short["list"]["most_calls"] = json!(1);
    app.admin_post(CRAWLS, &short).await;
    let done = run(&app, &made).await;
    assert_eq!((&done["status"], titles(&app).await.len()), (&json!("done"), 3), "{done}");
    let cut = &done["omitted"][0];
    assert!(cut["url"] == "page 1 of the list" && cut["reason"].as_str().unwrap().contains("most_calls"), "{done}");

    let stranger = app.stranger_admin().await;
    let theirs = told(app.post_as(&stranger, CRAWLS, &list(&connection)).await).await;
    assert_eq!((theirs.0, &theirs.1["errors"][0]["path"]), (422, &json!("list.connection")), "{}", theirs.1);
    let path = format!("{CRAWLS}/{}", made["id"].as_str().unwrap());
    assert_eq!(app.send_as(&app.admin, "DELETE", &path).await.status(), 204);
    assert!(titles(&app).await.is_empty() && found(&app, "zebra").await.is_empty());
}

async fn sandbox_calls(app: &TestApp) -> u64 {
    let usage: Value = app.send_as(&app.admin, "GET", "/api/admin/usage").await.json().await.unwrap();
    usage["sandbox"]["connector_calls"].as_u64().unwrap()
}

#[tokio::test]
async fn the_items_of_a_list_are_sources_on_sqlite() {
    the_items_of_a_list_are_sources(false).await;
}

#[tokio::test]
async fn the_items_of_a_list_are_sources_on_postgres() {
    the_items_of_a_list_are_sources(true).await;
}

#[tokio::test]
async fn every_mistake_of_a_list_is_told_at_once() {
    let (app, _) = start(None, false).await;
    let connection = connect(&app, &definition("help.example", "1.0.0", &[page(&[], None)]), "sandbox").await;
    let refused = async |body: Value| {
        let (status, problem) = told(app.post_as(&app.admin, CRAWLS, &body).await).await;
        assert_eq!(status, 422, "{problem}");
        let errors = problem["errors"].as_array().unwrap().clone();
        errors.iter().map(|error| error["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let change = |name: &str, value: Value| {
        let mut body = list(&connection);
        body["list"][name] = value;
        body
    };
    assert_eq!(refused(json!({})).await, ["$"]);
    let mut both = list(&connection);
    both["url"] = json!("https://a.example/");
    assert_eq!(refused(both).await, ["$"]);
    let mut many = change("mapping", json!("["));
    (many["depth"], many["most_pages"], many["refresh_every_s"]) = (json!(1), json!(0), json!(1));
    (many["list"]["most_calls"], many["list"]["cursor_input"]) = (json!(0), json!("nope"));
    let expected = ["depth", "most_pages", "list.most_calls", "list.mapping", "list.cursor_input", "refresh_every_s"];
    assert_eq!(refused(many).await, expected);
    for (name, value, path) in [
        ("connection", json!("x"), "list.connection"),
        ("connection", json!("01890000-0000-7000-8000-000000000000"), "list.connection"),
        ("action", json!("nope"), "list.action"),
        ("action", json!("add_article"), "list.connection"),
        ("input", json!([]), "list.input"),
        ("input", json!({"after": []}), "list.input"),
    ] {
        assert_eq!(refused(change(name, value)).await, [path]);
    }
}

/// A page of the help desk on a site.
fn answer(site: &Site, path: &str, status: u16, page: &Value) {
    let headers = vec![("content-type", "application/json".to_owned())];
    site.answers_with(path, SitePage { status, headers, body: page.to_string() });
}

#[tokio::test]
async fn a_service_that_fails_for_a_moment_is_asked_again() {
    let site = Site::start().await.unwrap();
    let (app, _) = start(Some(&site), false).await;
    answer(&site, "/articles", 200, &page(&[(1, "A zebra.")], Some(2)));
    let connection = connect(&app, &definition(&site.address.to_string(), "1.0.0", &[]), "production").await;
    answer(&site, "/articles?after=2", 503, &json!({}));
    let made = app.admin_post(CRAWLS, &list(&connection)).await;
    let waits = run(&app, &made).await;
    assert_eq!((&waits["status"], titles(&app).await.len()), (&json!("running"), 1), "{waits}");
    assert!(waits["failure"].as_str().unwrap().contains("upstream"), "{waits}");
    answer(&site, "/articles?after=2", 200, &page(&[(2, "A lion.")], None));
    app.later(Duration::from_secs(600));
    let done = run(&app, &made).await;
    assert_eq!((&done["status"], &done["failure"], &done["run"]), (&json!("done"), &Value::Null, &json!(1)), "{done}");
    assert_eq!(titles(&app).await, ["Article 1", "Article 2"]);
    assert_eq!(app.used("embeddings").await, 2);

    // It is given up after some tries, and the run ends at a limit of the plan. What is known stays.
    answer(&site, "/articles", 503, &json!({}));
    app.later(DAY);
    let mut failed = run(&app, &made).await;
    for _ in 0..6 {
        app.later(Duration::from_secs(3600));
        failed = run(&app, &made).await;
    }
    assert_eq!((&failed["status"], titles(&app).await.len()), (&json!("failed"), 2), "{failed}");
    assert!(failed["failure"].as_str().unwrap().contains("it was tried 5 times"), "{failed}");
    app.limit(json!({"connector_calls": 1})).await;
    app.admin_post(&format!("{CRAWLS}/{}/run", made["id"].as_str().unwrap()), &json!({})).await;
    let failed = run(&app, &made).await;
    assert!(failed["failure"].as_str().unwrap().contains("connector_calls"), "{failed}");
    assert_eq!((&failed["status"], titles(&app).await.len()), (&json!("failed"), 2), "{failed}");
}
