//! Sites that are slow to answer, and who waits for them: neither files, nor other sites, nor for long another organization.

use std::{sync::Arc, time::Duration};

use resly_core::testing::ScriptedExtractor;
use resly_service::{crawls, sources};
use resly_tests::{app::TestApp, site::Site};
use serde_json::{Value, json};

use crate::sources::{found, told};

const PAGES: &str = "/api/admin/sources/pages";
const CRAWLS: &str = "/api/admin/crawls";

async fn start(sites: &[&Site]) -> TestApp {
    let extractor = Arc::<ScriptedExtractor>::default();
    TestApp::reading(extractor, sites.iter().map(|site| site.address), None).await
}

/// Adds pages at the same time, of which none can be read now.
async fn add_waiting(app: &TestApp, key: &str, urls: impl IntoIterator<Item = String>) {
    let bodies: Vec<Value> = urls.into_iter().map(|url| json!({"url": url})).collect();
    let added = bodies.iter().map(|body| app.post_as(key, PAGES, body));
    for response in futures::future::join_all(added).await {
        assert_eq!(response.status(), 202);
    }
}

#[tokio::test]
async fn a_slow_site_holds_up_no_file_and_no_other_site_of_its_organization() {
    let (slow, fast) = (Site::start().await.unwrap(), Site::start().await.unwrap());
    let app = start(&[&slow, &fast]).await;
    slow.hold_after(0);
    add_waiting(&app, &app.admin, (0..20).map(|n| slow.url(&format!("/{n}")))).await;
    let host = Arc::clone(&app.api().app);
    let reading = tokio::spawn(async move { sources::read_pages(&host).await });
    slow.holding().await;
    let file = app.client.post(app.url("/api/admin/sources/files?filename=a.txt")).bearer_auth(&app.admin);
    let (status, read) = told(file.body("A zebra.").send().await.unwrap()).await;
    assert_eq!((status, &read["status"]), (201, &json!("ready")), "{read}");
    fast.has("/", "title: Home\nA lion.");
    let (status, read) = told(app.post_as(&app.admin, PAGES, &json!({"url": fast.url("/")})).await).await;
    assert_eq!((status, &read["status"]), (201, &json!("ready")), "{read}");
    slow.release();
    reading.abort();
}

#[tokio::test]
async fn organizations_take_turns_at_a_site() {
    let site = Site::start().await.unwrap();
    let app = start(&[&site]).await;
    let neighbour = app.stranger_admin().await;
    site.hold_after(0);
    add_waiting(&app, &app.admin, (0..9).map(|n| site.url(&format!("/many/{n}")))).await;
    for n in 0..2 {
        app.admin_post(CRAWLS, &json!({"url": site.url(&format!("/crawl/{n}"))})).await;
    }
    let host = Arc::clone(&app.api().app);
    let crawling = tokio::spawn(async move { crawls::crawl_due(&host).await });
    site.holding().await;
    add_waiting(&app, &neighbour, [site.url("/one")]).await;
    site.release();
    let mut asked = site.asked();
    while !asked.iter().any(|path| path.starts_with("/one")) {
        tokio::task::yield_now().await;
        asked.extend(site.asked());
    }
    let at = asked.iter().position(|path| path.starts_with("/one")).unwrap();
    // The request that was on its way comes first, and one of the other organization that waited before.
    assert!(at <= 2, "{asked:?}");
    assert_eq!(site.most_at_once(), 1);
    crawling.abort();
}

#[tokio::test]
async fn a_crawled_page_is_found_when_it_says_that_it_is_ready() {
    let site = Site::start().await.unwrap();
    let app = start(&[&site]).await;
    site.has("/", &format!("title: Home\nlink: {}\nA zebra.", site.url("/slow")));
    // It answers for the rules and the first page, and lets the crawl wait for the second.
    site.hold_after(2);
    app.admin_post(CRAWLS, &json!({"url": site.url("/")})).await;
    // The host remembers for a moment that there is nothing to know.
    assert!(found(&app, "zebra").await.is_empty());
    let host = Arc::clone(&app.api().app);
    let crawling = tokio::spawn(async move { crawls::crawl_due(&host).await });
    tokio::time::timeout(Duration::from_secs(20), site.holding()).await.expect("the crawl asks for the second page");
    let (_, listed) = told(app.send_as(&app.admin, "GET", "/api/admin/sources").await).await;
    assert_eq!(listed["sources"][0]["status"], "ready", "{listed}");
    assert_eq!(found(&app, "zebra").await, ["Home"]);
    site.release();
    crawling.abort();
}
