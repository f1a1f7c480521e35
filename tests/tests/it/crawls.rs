//! Crawls: every page of a site is a source once, whatever the site, its rules and the host's end do.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, task::Poll, time::Duration};

use resly_core::{meter::Meter, testing::ScriptedExtractor, time::Timestamp};
use resly_service::crawls;
use resly_tests::{
    app::TestApp,
    postgres,
    site::{Site, SitePage},
};
use serde_json::{Value, json};

use crate::sources::{found, told};

const CRAWLS: &str = "/api/admin/crawls";
const DAY: Duration = Duration::from_secs(86_400);

async fn start(postgres: bool) -> (TestApp, Site, Arc<ScriptedExtractor>) {
    let (site, extractor) = (Site::start().await.unwrap(), Arc::<ScriptedExtractor>::default());
    let url = if postgres { Some(postgres::database().await) } else { None };
    let app = TestApp::reading(Arc::clone(&extractor) as _, Some(site.address), url).await;
    (app, site, extractor)
}

fn page(site: &Site, title: &str, links: &[&str]) -> String {
    let links: String = links.iter().map(|link| format!("link: {}\n", site.url(link))).collect();
    format!("title: {title}\n{links}The {title} page.\n")
}

async fn add(app: &TestApp, body: Value) -> Value {
    app.admin_post(CRAWLS, &body).await
}

async fn crawl(app: &TestApp, made: &Value) -> Value {
    let path = format!("{CRAWLS}/{}", made["id"].as_str().unwrap());
    told(app.send_as(&app.admin, "GET", &path).await).await.1
}

async fn run(app: &TestApp, made: &Value) -> Value {
    while crawls::crawl_due(&app.api().app).await.unwrap() > 0 {}
    crawl(app, made).await
}

/// URLs of the sources, from the root of the site, in order.
async fn pages(app: &TestApp, site: &Site) -> Vec<String> {
    let (_, listed) = told(app.send_as(&app.admin, "GET", "/api/admin/sources").await).await;
    let sources = listed["sources"].as_array().unwrap();
    let path = |source: &Value| source["url"].as_str().unwrap().trim_start_matches(&site.url("")).to_owned();
    let mut paths: Vec<String> = sources.iter().map(path).collect();
    paths.sort();
    paths
}

fn reasons(crawl: &Value, site: &Site) -> Vec<(String, String)> {
    let omitted = crawl["omitted"].as_array().unwrap();
    let text = |page: &Value, name: &str| page[name].as_str().unwrap().replace(&site.url(""), "");
    omitted.iter().map(|page| (text(page, "url"), text(page, "reason"))).collect()
}

async fn a_site_is_read_within_its_rules(postgres: bool) {
    let (app, site, extractor) = start(postgres).await;
    site.has("/robots.txt", &format!("disallow: /private\nsitemap: {}\n", site.url("/map.xml")));
    site.has("/map.xml", &format!("sitemap {}\n{}\n", site.url("/more.xml"), site.url("/only-in-map")));
    site.has("/more.xml", &site.url("/nested#x"));
    site.has(
        "/",
        &page(&site, "Home", &["/a", "/a#part", "/b", "/private/x", "/old", "/moved", "/hidden", "/gone", "/skip/x"]),
    );
    site.has("/a", &page(&site, "Apple", &["/deep"]));
    site.has("/b", &page(&site, "Banana", &["/", "/a"]));
    site.has("/deep", &page(&site, "Deep", &["/deeper"]));
    site.has("/deeper", &page(&site, "Deeper", &["/deepest"]));
    site.has("/old", &format!("canonical: {}\nOld.", site.url("/b")));
    site.answers_with(
        "/moved",
        SitePage { status: 301, headers: vec![("location", "/a".to_owned())], body: String::new() },
    );
    site.has("/hidden", "noindex\nHidden.");
    site.has("/only-in-map", &page(&site, "Cherry", &["http://elsewhere.example/", "/bad"]));
    site.has("/nested", &page(&site, "Nested", &[]));
    site.has("/bad", "%damaged");
    let made =
        add(&app, json!({"url": site.url("/"), "depth": 2, "exclude": ["/skip/"], "refresh_every_s": 86400})).await;
    assert_eq!((&made["status"], &made["run"]), (&json!("queued"), &json!(0)), "{made}");
    let done = run(&app, &made).await;
    assert_eq!((&done["status"], &done["run"], &done["failure"]), (&json!("done"), &json!(1), &Value::Null), "{done}");
    assert_eq!(pages(&app, &site).await, ["/", "/a", "/b", "/deep", "/nested", "/only-in-map"]);
    let expected = json!({"found": 12, "read": 12, "ready": 6, "failed": 0, "skipped": 6, "left_out": 0});
    assert_eq!(done["pages"], expected, "{done}");
    let told = reasons(&done, &site);
    let of =
        |path: &str| told.iter().find(|(url, _)| url == path).map(|(_, reason)| reason.as_str()).unwrap_or_default();
    assert!(
        of("/private/x").contains("robots.txt") && of("/old").contains("/b") && of("/moved").contains("/a"),
        "{told:?}"
    );
    assert!(
        of("/hidden").contains("noindex") && of("/gone").contains("404") && of("/bad").contains("damaged"),
        "{told:?}"
    );
    let asked = site.asked();
    for path in ["/a 200", "/b 200", "/deep 200"] {
        assert_eq!(
            asked.iter().filter(|one| *one == path).count(),
            if path == "/a 200" { 2 } else { 1 },
            "{path}: {asked:?}"
        );
    }
    assert!(!asked.iter().any(|path| path.starts_with("/private") || path.starts_with("/skip")), "{asked:?}");
    assert_eq!(site.most_at_once(), 1);
    assert_eq!(found(&app, "Cherry").await, ["Cherry"]);
    assert_eq!(app.used("embeddings").await, 6);
    // Each page, sitemap and set of rules is a reading: `/moved` and `/gone` and `/private/x` aren't.
    assert_eq!(app.used("fuel").await, 12_000);

    // The next run asks with what it knows. What changed is embedded, what nothing leads to is deleted.
    extractor.take_read();
    assert_eq!(crawls::crawl_due(&app.api().app).await.unwrap(), 0, "not yet");
    site.has("/b", &page(&site, "Blueberry", &[]));
    site.has("/more.xml", "");
    site.loses("/deep");
    app.later(DAY);
    let done = run(&app, &made).await;
    assert_eq!((&done["run"], &done["pages"]["ready"]), (&json!(2), &json!(4)), "{done}");
    assert_eq!(pages(&app, &site).await, ["/", "/a", "/b", "/only-in-map"]);
    assert_eq!(app.used("embeddings").await, 7);
    assert!(site.asked().contains(&"/a 304".to_owned()));
    assert_eq!((found(&app, "Nested").await.len(), found(&app, "Blueberry").await), (0, vec!["Blueberry".to_owned()]));

    // A page that can't be asked for stays, and so does what only it may lead to.
    site.answers("/only-in-map", 503, "");
    site.answers("/", 500, "");
    app.later(DAY);
    let mut done = run(&app, &made).await;
    for _ in 0..6 {
        app.later(Duration::from_secs(10));
        done = run(&app, &made).await;
    }
    assert_eq!((&done["status"], &done["pages"]["failed"]), (&json!("done"), &json!(2)), "{done}");
    assert_eq!(pages(&app, &site).await, ["/", "/a", "/b", "/only-in-map"]);

    // While the rules can't be read nothing is asked for.
    site.answers("/robots.txt", 500, "");
    app.later(DAY);
    site.asked();
    let waits = run(&app, &made).await;
    assert_eq!((&waits["status"], site.asked()), (&json!("running"), vec!["/robots.txt 500".to_owned()]), "{waits}");
    assert!(waits["failure"].as_str().unwrap().contains("robots.txt"), "{waits}");
    site.loses("/robots.txt");
    site.has("/", &page(&site, "Home", &["/private/x"]));
    site.has("/private/x", &page(&site, "Private", &[]));
    app.later(Duration::from_secs(60));
    let done = run(&app, &made).await;
    assert_eq!(
        (&done["status"], pages(&app, &site).await),
        (&json!("done"), vec!["/".to_owned(), "/private/x".to_owned()])
    );

    let path = format!("{CRAWLS}/{}", made["id"].as_str().unwrap());
    assert_eq!(app.send_as(&app.admin, "POST", &format!("{path}/run")).await.status(), 202);
    let stranger = app.stranger_admin().await;
    for (method, path) in [("GET", path.clone()), ("DELETE", path.clone()), ("POST", format!("{path}/run"))] {
        assert_eq!(app.send_as(&stranger, method, &path).await.status(), 404, "{method}");
    }
    assert_eq!(app.send_as(&app.admin, "DELETE", &path).await.status(), 204);
    assert!(pages(&app, &site).await.is_empty() && found(&app, "Private").await.is_empty());
    assert_eq!(crawls::crawl_due(&app.api().app).await.unwrap(), 0);
}

#[tokio::test]
async fn a_site_is_read_within_its_rules_on_sqlite() {
    a_site_is_read_within_its_rules(false).await;
}

#[tokio::test]
async fn a_site_is_read_within_its_rules_on_postgres() {
    a_site_is_read_within_its_rules(true).await;
}

#[tokio::test]
async fn a_crawl_has_bounds_and_tells_every_mistake() {
    let (app, site, _) = start(false).await;
    let wrong = json!({"url": "http://10.0.0.1/", "depth": 11, "most_pages": 0, "most_bytes": 0, "include": ["help"],
        "exclude": ["/a", "b"], "sitemap": "https://elsewhere.example/map.xml", "refresh_every_s": 1});
    let (status, problem) = told(app.post_as(&app.admin, CRAWLS, &wrong).await).await;
    let paths: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["path"].as_str().unwrap()).collect();
    let expected =
        ["url", "depth", "most_pages", "most_bytes", "include[0]", "exclude[1]", "sitemap", "refresh_every_s"];
    assert_eq!((status, paths), (422, expected.to_vec()), "{problem}");

    let links: Vec<String> = (0..20).map(|n| format!("/{n}")).collect();
    let links: Vec<&str> = links.iter().map(String::as_str).collect();
    site.has("/", &page(&site, "Home", &links));
    for link in &links {
        site.has(link, &page(&site, &format!("Page {link}"), &[]));
    }
    let made = add(&app, json!({"url": site.url("/"), "most_pages": 5})).await;
    let done = run(&app, &made).await;
    let expected = json!({"found": 5, "read": 5, "ready": 5, "failed": 0, "skipped": 0, "left_out": 16});
    assert_eq!((&done["pages"], &done["next_run_at"]), (&expected, &Value::Null), "{done}");
    // The same URL changes the crawl, and runs it.
    let (status, again) =
        told(app.post_as(&app.admin, CRAWLS, &json!({"url": site.url("/#x"), "most_bytes": 1})).await).await;
    assert_eq!((status, &again["id"]), (200, &made["id"]));
    site.has("/", &page(&site, "House", &links));
    let done = run(&app, &made).await;
    assert_eq!(
        (&done["run"], &done["pages"]["ready"], &done["pages"]["failed"]),
        (&json!(2), &json!(1), &json!(20)),
        "{done}"
    );
    assert!(reasons(&done, &site)[0].1.contains("bytes"));

    // A page that is a source of its own stays one.
    let own = app.admin_post("/api/admin/sources/pages", &json!({"url": site.url("/own")})).await;
    site.has("/own", "Mine.");
    site.has("/start", &page(&site, "Start", &["/own"]));
    let other = add(&app, json!({"url": site.url("/start"), "include": ["/own"]})).await;
    let done = run(&app, &other).await;
    assert!(
        reasons(&done, &site).iter().any(|(url, reason)| url == "/own" && reason.contains("another source")),
        "{done}"
    );
    let path = format!("/api/admin/sources/{}", own["id"].as_str().unwrap());
    assert_eq!(told(app.send_as(&app.admin, "GET", &path).await).await.1["kind"], "page");

    // Without fuel a run is over, and says why.
    app.limit(json!({"fuel": 1})).await;
    app.admin_post(&format!("{CRAWLS}/{}/run", made["id"].as_str().unwrap()), &json!({})).await;
    let failed = run(&app, &made).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    assert!(failed["failure"].as_str().unwrap().contains("fuel"), "{failed}");
}

/// Polls a future so often, then drops it, as a host that is killed does.
struct Killed<F>(Pin<Box<F>>, usize);

impl<F: Future> Future for Killed<F> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<bool> {
        if self.0.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        self.1 = self.1.saturating_sub(1);
        if self.1 == 0 { Poll::Ready(false) } else { Poll::Pending }
    }
}

/// A meter since a time that may be in the month before.
async fn used_since(app: &TestApp, started: Timestamp, meter: Meter) -> u64 {
    let mut used = BTreeMap::new();
    for at in [started, app.host().clock.now()] {
        let report = app.host().store.usage(app.organization(), at).await.unwrap();
        used.insert(report.period.start, report.meters[&meter].used);
    }
    used.values().sum()
}

async fn a_crawl_survives_its_hosts(postgres: bool) {
    let (app, site, extractor) = start(postgres).await;
    let names: Vec<String> = (0..12).map(|n| format!("/{n}")).collect();
    let links: Vec<&str> = names.iter().map(String::as_str).collect();
    site.has("/", &page(&site, "Home", &links));
    for (n, link) in links.iter().enumerate() {
        let next = links[(n + 1) % links.len()];
        site.has(link, &page(&site, &format!("Zebra {n}"), &["/", next, "/late"]));
    }
    site.has("/late", &page(&site, "Late", &[]));
    // With a delay, a host makes one step and gives the crawl back.
    site.has("/robots.txt", "crawl-delay: 1\n");
    let made = add(&app, json!({"url": site.url("/"), "refresh_every_s": 86400})).await;
    // Each host makes a little more progress before it is killed, and the next one waits for the lease. A page at which five
    // hosts died in a row would be given up, so the fifth lives.
    let started = app.host().clock.now();
    let (mut hosts, mut kills, mut polls) = (0_u64, 0_u64, 1);
    while crawl(&app, &made).await["status"] != "done" {
        hosts += 1;
        if hosts % 5 == 0 {
            crawls::crawl_one(&app.api().app).await.unwrap();
        } else {
            let ended = Killed(Box::pin(crawls::crawl_one(&app.api().app)), polls).await;
            kills += u64::from(!ended);
            polls = if polls > 60 { 1 } else { polls + 2 };
        }
        app.later(Duration::from_secs(301));
        assert!(kills < 2000, "it makes no progress");
    }
    // How many of its steps a kill meets depends on how often the store makes it wait.
    assert!(kills > 2, "{kills}");
    let done = crawl(&app, &made).await;
    let expected = json!({"found": 14, "read": 14, "ready": 14, "failed": 0, "skipped": 0, "left_out": 0});
    assert_eq!(done["pages"], expected, "{done}");
    assert_eq!(pages(&app, &site).await.len(), 14, "nothing is lost, nothing is there twice");
    assert_eq!(used_since(&app, started, Meter::Embeddings).await, 14, "each page is counted once");
    assert_eq!(found(&app, "Late").await[0], "Late");
    // Each reading that ended is counted, whether its host lived to store the page or not. So are those of the rules, of
    // which each host that was killed may have made one.
    let (fuel, readings) = (used_since(&app, started, Meter::Fuel).await, extractor.take_read().len() as u64);
    assert!((15_000..=1000 * (readings + kills + 1)).contains(&fuel), "{fuel} for {readings} readings");
}

#[tokio::test]
async fn a_crawl_survives_its_hosts_on_sqlite() {
    a_crawl_survives_its_hosts(false).await;
}

#[tokio::test]
async fn a_crawl_survives_its_hosts_on_postgres() {
    a_crawl_survives_its_hosts(true).await;
}
