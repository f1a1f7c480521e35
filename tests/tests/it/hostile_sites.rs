//! Sites that want a crawl to cost the host, or its neighbours, more than it may.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use resly_core::{
    error::EmbedError,
    id::LeaseId,
    knowledge::{EmbedAs, Embedder},
    testing::ScriptedExtractor,
};
use resly_service::crawls;
use resly_store::Exclusions;
use resly_tests::{app::TestApp, site::Site};
use serde_json::{Value, json};

use crate::sources::told;

const CRAWLS: &str = "/api/admin/crawls";

async fn start() -> (TestApp, Site, Arc<ScriptedExtractor>) {
    let (site, extractor) = (Site::start().await.unwrap(), Arc::<ScriptedExtractor>::default());
    let app = TestApp::reading(Arc::clone(&extractor) as _, Some(site.address), None).await;
    (app, site, extractor)
}

async fn crawl(app: &TestApp, made: &Value) -> Value {
    crawl_as(app, &app.admin, made).await
}

async fn crawl_as(app: &TestApp, key: &str, made: &Value) -> Value {
    let path = format!("{CRAWLS}/{}", made["id"].as_str().unwrap());
    told(app.send_as(key, "GET", &path).await).await.1
}

/// A future, and the longest time for which it held its thread.
struct Timed<F>(Pin<Box<F>>, Duration);

impl<F: Future> Future for Timed<F> {
    type Output = (F::Output, Duration);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let started = Instant::now();
        let polled = self.0.as_mut().poll(context);
        self.1 = self.1.max(started.elapsed());
        polled.map(|output| (output, self.1))
    }
}

/// Rules that are dear to match, and a sitemap of many URLs: before rules had bounds this held a thread for a minute.
#[tokio::test]
async fn rules_that_are_dear_to_match_hold_no_thread() {
    let (app, site, _) = start().await;
    let rules: String = (0..1000).map(|n| format!("disallow: /{}{n}\n", "*a".repeat(1000))).collect();
    site.has("/robots.txt", &format!("{rules}sitemap: {}\n", site.url("/map.xml")));
    let urls: String = (0..400).map(|n| format!("{}\n", site.url(&format!("/{}{n:03}", "a".repeat(1900))))).collect();
    site.has("/map.xml", &urls);
    let made = app.admin_post(CRAWLS, &json!({"url": site.url("/")})).await;
    site.has("/", "title: Home\nHome.");
    let mut longest = Duration::ZERO;
    loop {
        let (taken, held) = Timed(Box::pin(crawls::crawl_one(&app.api().app)), Duration::ZERO).await;
        longest = longest.max(held);
        if !taken.unwrap() {
            break;
        }
    }
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    let done = crawl(&app, &made).await;
    let expected = json!({"found": 401, "read": 401, "ready": 1, "failed": 0, "skipped": 400, "left_out": 0});
    assert_eq!(done["pages"], expected, "rules that are cut forbid more: {done}");
    assert_eq!(site.asked(), ["/robots.txt 200", "/map.xml 200", "/ 200"]);
}

/// An organization whose sites never answer, and a neighbour whose file and site are read meanwhile.
#[tokio::test]
async fn sites_that_never_answer_hold_no_neighbour_up() {
    let (slow, fast) = (Site::start().await.unwrap(), Site::start().await.unwrap());
    let extractor = Arc::<ScriptedExtractor>::default();
    let app = TestApp::reading(Arc::clone(&extractor) as _, [slow.address, fast.address], None).await;
    let neighbour = app.stranger_admin().await;
    slow.hold_after(0);
    let pages: Vec<Value> = (0..8).map(|n| json!({"url": slow.url(&format!("/{n}"))})).collect();
    let added = pages.iter().map(|page| app.post_as(&app.admin, "/api/admin/sources/pages", page));
    for response in futures::future::join_all(added).await {
        assert_eq!(response.status(), 202);
    }
    let file = app.client.post(app.url("/api/admin/sources/files?filename=a.txt")).bearer_auth(&neighbour);
    let (status, read) = told(file.body("A zebra.").send().await.unwrap()).await;
    assert_eq!((status, &read["status"]), (201, &json!("ready")), "{read}");

    for n in 0..4 {
        app.admin_post(CRAWLS, &json!({"url": slow.url(&format!("/{n}"))})).await;
    }
    let host = Arc::clone(&app.api().app);
    let crawling = tokio::spawn(async move { crawls::crawl_due(&host).await });
    slow.holding().await;
    fast.has("/", "title: Home\nHome.");
    let (_, made) = told(app.post_as(&neighbour, CRAWLS, &json!({"url": fast.url("/")})).await).await;
    let done = async {
        while crawl_as(&app, &neighbour, &made).await["status"] != "done" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), done).await.expect("the neighbour's crawl ends meanwhile");
    slow.release();
    crawling.abort();
}

/// An embedder that can't be reached, and says where it is.
struct Unreachable;

#[async_trait]
impl Embedder for Unreachable {
    fn name(&self) -> &str {
        "unreachable"
    }

    async fn embed(&self, _: &[String], _: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        Err(EmbedError::Unavailable { at: "http://10.1.2.3:9000/v1".to_owned(), detail: "refused by gpu-7".to_owned() })
    }
}

#[tokio::test]
async fn tenants_read_nothing_of_the_embedder_and_pay_for_what_was_read() {
    let (site, extractor) = (Site::start().await.unwrap(), Arc::<ScriptedExtractor>::default());
    let app = TestApp::embedding(Arc::clone(&extractor) as _, site.address, Arc::new(Unreachable)).await;
    let plain = |failure: &Value| {
        let text = failure.as_str().unwrap_or_default();
        assert!(text.contains("operator's log") && !text.contains("10.1.2.3") && !text.contains("gpu-7"), "{failure}");
    };
    let file = app.client.post(app.url("/api/admin/sources/files?filename=a.txt")).bearer_auth(&app.admin);
    let (status, waits) = told(file.body("A zebra.").send().await.unwrap()).await;
    assert_eq!(status, 202, "{waits}");
    plain(&waits["failure"]["message"]);
    assert_eq!(app.used("fuel").await, 1000);
    site.has("/", "title: Home\nHome.");
    let made = app.admin_post(CRAWLS, &json!({"url": site.url("/")})).await;
    assert!(crawls::crawl_one(&app.api().app).await.unwrap());
    plain(&crawl(&app, &made).await["failure"]);
    assert_eq!(app.used("fuel").await, 2000, "the page is read, though nothing came of it");
}

/// An embedder behind whose name another model answers now.
struct Replaced;

#[async_trait]
impl Embedder for Replaced {
    fn name(&self) -> &str {
        "replaced"
    }

    async fn embed(&self, _: &[String], _: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        Err(EmbedError::OtherModel { at: "http://10.1.2.3:9000/v1".to_owned(), expected: 384, found: 768 })
    }
}

#[tokio::test]
async fn nobody_is_told_to_try_again_when_another_model_answers() {
    let (site, extractor) = (Site::start().await.unwrap(), Arc::<ScriptedExtractor>::default());
    let app = TestApp::embedding(extractor, site.address, Arc::new(Replaced)).await;
    let told_what_to_do = |text: &Value| {
        let text = text.as_str().unwrap();
        assert!(text.contains("trying again doesn't help") && text.contains("operator"), "{text}");
        assert!(!text.contains("10.1.2.3"), "{text}");
    };
    let (status, problem) =
        told(app.post_as(&app.admin, "/api/admin/sources", &json!({"title": "A", "text": "A zebra."})).await).await;
    assert_eq!((status, &problem["type"]), (502, &json!("/docs/problems/embedder-unavailable")), "{problem}");
    told_what_to_do(&problem["detail"]);
    let file = app.client.post(app.url("/api/admin/sources/files?filename=a.txt")).bearer_auth(&app.admin);
    let (_, waits) = told(file.body("A zebra.").send().await.unwrap()).await;
    told_what_to_do(&waits["failure"]["message"]);
}

/// A page that ends its host each time is given up, and the crawl goes on after it.
#[tokio::test]
async fn a_page_that_kills_its_hosts_is_given_up() {
    let (app, site, _) = start().await;
    // With a delay, a host makes one step and gives the crawl back.
    site.has("/robots.txt", "crawl-delay: 1\n");
    site.has("/", &format!("title: Home\nlink: {}\nlink: {}\nHome.", site.url("/a"), site.url("/b")));
    site.has("/b", "title: B\nB.");
    let made = app.admin_post(CRAWLS, &json!({"url": site.url("/")})).await;
    let later = Duration::from_secs(301);
    assert!(crawls::crawl_one(&app.api().app).await.unwrap());
    for _ in 0..5 {
        app.later(later);
        let now = app.host().clock.now();
        let lease = LeaseId(app.host().random.uuid(now));
        let taken = app
            .host()
            .store
            .take_due_crawl(lease, Exclusions::default(), now, now.plus(Duration::from_secs(300)))
            .await;
        assert!(taken.unwrap().is_some());
    }
    app.later(later);
    while crawls::crawl_one(&app.api().app).await.unwrap() {
        app.later(Duration::from_secs(2));
    }
    let done = crawl(&app, &made).await;
    let expected = json!({"found": 3, "read": 3, "ready": 2, "failed": 1, "skipped": 0, "left_out": 0});
    assert_eq!((&done["status"], &done["pages"]), (&json!("done"), &expected), "{done}");
    let omitted = &done["omitted"][0];
    assert!(omitted["url"] == site.url("/a") && omitted["reason"].as_str().unwrap().contains("ended with its host"));
    assert_eq!(site.asked(), ["/robots.txt 200", "/ 200", "/b 200"]);
}
