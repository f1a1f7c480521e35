//! What hosts do by themselves is done once, however many of them are at it: the services and sites that they ask see each
//! request once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use resly_core::testing::ScriptedExtractor;
use resly_service::{checks, crawls, sources};
use resly_tests::{
    app::TestApp,
    crm::{account, connected, definition},
    service::ScriptedService,
    site::Site,
};
use serde_json::{Value, json};

use crate::{
    health::{get, send, told},
    uploads::{approve, uploaded},
};

const HOSTS: usize = 3;
const CONNECTIONS: usize = 7;

/// How often each of these was seen.
fn times(seen: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for one in seen {
        *times.entry(one).or_default() += 1;
    }
    times
}

/// Has every host do everything that is due, at the same time, until nothing is left.
async fn run_jobs(hosts: &[TestApp]) {
    join_all(hosts.iter().map(async |host| {
        let app = &host.api().app;
        let reads = async { while sources::read_pages(app).await.unwrap() > 0 {} };
        let crawled = async { while crawls::crawl_due(app).await.unwrap() > 0 {} };
        let checked = async { checks::run_due(app).await.unwrap() };
        tokio::join!(reads, crawled, checked);
        app.hooks.deliver_due().await.unwrap();
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_three_hosts_do_at_once_is_done_once() {
    let (service, site) = (ScriptedService::start().await.unwrap(), Site::start().await.unwrap());
    let extractor = Arc::<ScriptedExtractor>::default();
    let hosts = TestApp::hosts_reading(HOSTS, extractor, &[service.address, site.address]).await;
    let first = &hosts[0];

    // Connections whose check is due, and a webhook that is told of each that fails.
    service.answers("/eu/api/accounts/1", 200, account());
    service.answers("/hook", 204, json!({}));
    first.admin_post("/api/admin/connectors", &definition(&service)).await;
    for _ in 0..CONNECTIONS {
        let path = format!("/api/admin/connections/{}", connected(first, "production").await);
        first.admin_post(&format!("{path}/test"), &json!({})).await;
        first.admin_post(&format!("{path}/enable"), &json!({})).await;
    }
    let url = format!("http://{}/hook", service.address);
    assert_eq!(send(first, "PUT", "/api/admin/webhook", &json!({"url": url})).await.0, 201);
    service.answers("/eu/api/accounts/1", 401, json!({}));
    let tested = service.received().len();

    // Pages that wait, and a site to crawl.
    let links: Vec<String> = (0..9).map(|n| format!("/crawled/{n}")).collect();
    let index: String = links.iter().map(|link| format!("link: {}\n", site.url(link))).collect();
    site.has("/crawled/", &format!("title: Index\n{index}The index.\n"));
    for (n, link) in links.iter().enumerate() {
        site.has(link, &format!("title: {n}\nThe page {n}.\n"));
        site.has(&format!("/single/{n}"), &format!("title: {n}\nThe single page {n}.\n"));
    }
    let page = |n: usize| json!({"url": site.url(&format!("/single/{n}"))});
    for n in 0..links.len() {
        let added = first.admin_post("/api/admin/sources/pages", &page(n)).await;
        assert!(added["id"].is_string(), "{added}");
    }
    first.admin_post("/api/admin/crawls", &json!({"url": site.url("/crawled/")})).await;
    let before = times(site.asked());

    for host in &hosts {
        host.later(Duration::from_secs(20 * 60));
    }
    run_jobs(&hosts).await;
    // What failed is told after it failed; a site is asked again after a pause.
    for _ in 0..3 {
        for host in &hosts {
            host.later(Duration::from_secs(2));
        }
        run_jobs(&hosts).await;
    }

    let received = service.received();
    let asked = received[tested..].iter().filter(|received| received.target.starts_with("/eu/")).count();
    assert_eq!(asked, CONNECTIONS, "each connection is checked once");
    let messages = times(told(&service, "/hook").iter().map(|one| one.header("webhook-id").unwrap().to_owned()));
    assert_eq!((messages.len(), messages.values().max()), (CONNECTIONS, Some(&1)), "each message is sent once");
    let mut pages = before;
    for (page, count) in times(site.asked()) {
        *pages.entry(page).or_default() += count;
    }
    for link in &links {
        for path in [link.clone(), link.replace("crawled", "single")] {
            let seen: usize =
                pages.iter().filter(|(asked, _)| asked.starts_with(&format!("{path} "))).map(|(_, n)| n).sum();
            assert_eq!(seen, 1, "{path}: {pages:?}");
        }
    }
    let sources: Value = get(first, "/api/admin/sources").await;
    let ready = sources["sources"].as_array().unwrap().iter().filter(|source| source["status"] == "ready").count();
    assert_eq!(ready, 2 * links.len() + 1, "{sources}");
}

#[tokio::test]
async fn a_component_that_was_uploaded_on_one_host_runs_on_another() {
    let (first, second) = TestApp::pair_reaching("127.0.0.1:9".parse().unwrap()).await;
    second.compiles_by_itself();
    uploaded(&first, "1.0.0", |_| ()).await;
    approve(&first, "our-shop", "1.0.0").await;
    let install = json!({"connector": "our-shop", "environment": "sandbox", "settings": {"shop": "acme-demo", "verify_email": false}});
    let id = first.admin_post("/api/admin/connections", &install).await["id"].as_str().unwrap().to_owned();
    first.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    let path = format!("/api/admin/connections/{id}/actions/find_order");
    let called = second.admin_post(&path, &json!({"number": "#1001"})).await;
    assert!(called.to_string().contains("1001"), "{called}");
}
