//! How runs of crawls end: with many links, with failed pages, with dead hosts, and when they are sent again.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use resly_core::{
    id::{CrawlId, OrganizationId, SourceId},
    knowledge::crawl::CrawlStatus,
};
use resly_store::{CrawlBegin, CrawlStep, DueCrawl, FoundLink, PageKind, PageResult, SITEMAPS_MOST, StepError, Store};

use crate::{
    backend::{Backend, at, uuid},
    both,
    crawls::{START, begin, link, read, settings, skipped, step, take},
};

async fn put(store: &Store, org: OrganizationId, most_pages: u32) -> CrawlId {
    let id = CrawlId(uuid());
    store.put_crawl(org, id, START.to_owned(), settings(most_pages), at(0)).await.unwrap();
    id
}

/// Takes the crawl and begins its run with the start and a sitemap.
async fn begun(store: &Store, seconds: u64) -> DueCrawl {
    let crawl = take(store, seconds).await.unwrap();
    store.begin_crawl(&crawl, begin(), at(seconds + 300), at(seconds)).await.unwrap();
    crawl
}

fn map(count: usize) -> CrawlStep {
    let urls: Vec<String> = (0..count).map(|n| format!("{START}{n:05}")).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let sitemap = |n| FoundLink { kind: PageKind::Sitemap, ..link(&format!("{START}map{n}"), None) };
    let mut map =
        CrawlStep { kind: PageKind::Sitemap, own_links: None, ..step("https://a.example/map", skipped(false), &urls) };
    map.links.extend((0..60).map(sitemap));
    // What is there twice is one page.
    map.links.extend(urls.first().map(|url| link(url, None)));
    map
}

/// Polls a future so often, then drops it, as a host that is killed does.
struct Killed<F>(Pin<Box<F>>, usize);

impl<F: Future> Future for Killed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.0.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        self.1 = self.1.saturating_sub(1);
        if self.1 == 0 { Poll::Ready(None) } else { Poll::Pending }
    }
}

async fn pages_of(store: &Store, org: OrganizationId, id: CrawlId) -> (u64, u64) {
    let counts = store.crawl(org, id).await.unwrap().unwrap().counts;
    (counts.found, counts.left_out)
}

both! {
    async fn many_links_are_added_in_groups_and_survive_their_host(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let id = put(&store, org, 500).await;
        let crawl = begun(&store, 0).await;
        // Its host dies at one moment after the other.
        let mut polls = 0;
        loop {
            polls += 1;
            let stored = Killed(Box::pin(store.step_crawl(&crawl, map(1000))), polls).await;
            // A transaction that it had begun ends before this one.
            store.run_crawl(org, id, at(0)).await.unwrap();
            let next = store.next_crawl_page(&crawl).await.unwrap().unwrap();
            if next.url != "https://a.example/map" {
                break;
            }
            assert!(stored.is_none(), "it counts as read with its last group");
        }
        assert!(polls > 5, "{polls}");
        // The start is one of the 500, and of 61 sitemaps one is there already.
        let left_out = 1000 - 499 + 60 - (SITEMAPS_MOST as u64 - 1);
        assert_eq!(pages_of(&store, org, id).await, (500, left_out), "nothing is there twice");
        store.step_crawl(&crawl, map(10)).await.unwrap();
        assert_eq!(pages_of(&store, org, id).await.0, 500, "what is known is neither new nor left out");
        // A host that lost the crawl adds nothing.
        assert!(take(&store, 999).await.is_some());
        assert!(matches!(store.step_crawl(&crawl, map(2000)).await, Err(StepError::Lost)));
        assert_eq!(pages_of(&store, org, id).await.0, 500);
    }

    async fn neighbours_write_while_many_links_are_added(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        put(&store, org, 10_000).await;
        let crawl = begun(&store, 0).await;
        let adding = store.step_crawl(&crawl, map(10_000));
        tokio::pin!(adding);
        let mut writes = 0;
        let write = || store.run_crawl(org, CrawlId(uuid()), at(0));
        let mut writing = Box::pin(write());
        loop {
            tokio::select! {
                added = &mut adding => break added.unwrap(),
                written = &mut writing => {
                    written.unwrap();
                    writes += 1;
                    writing.set(write());
                }
            }
        }
        assert!(writes > 20, "{writes} writes while ten thousand pages were added");
    }

    async fn a_failed_page_keeps_itself_and_a_failed_sitemap_everything(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let id = put(&store, org, 50).await;
        let crawl = begun(&store, 0).await;
        store.step_crawl(&crawl, CrawlStep { links: vec![], ..map(0) }).await.unwrap();
        let mut sources = Vec::<SourceId>::new();
        for (url, links) in [(START, &["https://a.example/b", "https://a.example/c"][..]), ("https://a.example/b", &[]), ("https://a.example/c", &[])] {
            let (source, result) = read(&crawl, url);
            store.step_crawl(&crawl, step(url, result, links)).await.unwrap();
            sources.push(source);
        }
        assert!(!store.end_crawl(&crawl, Some(at(10)), at(1)).await.unwrap());
        let there = async || {
            let mut there = Vec::new();
            for source in &sources {
                there.push(store.find_source(org, *source).await.unwrap().is_some());
            }
            there
        };
        let failed = || PageResult::Failed { reason: "503".to_owned() };
        // The sitemap can't be read: it may have named what nothing else leads to.
        let crawl = begun(&store, 10).await;
        store.step_crawl(&crawl, CrawlStep { links: vec![], result: failed(), ..map(0) }).await.unwrap();
        store.step_crawl(&crawl, step(START, skipped(false), &[])).await.unwrap();
        assert!(!store.end_crawl(&crawl, Some(at(20)), at(11)).await.unwrap());
        assert_eq!(there().await, [true, true, true]);
        // Nor is anything forgotten when the run gave pages up that it didn't ask for.
        let crawl = begun(&store, 20).await;
        store.fail_crawl_rest(&crawl, "enough").await.unwrap();
        assert!(!store.end_crawl(&crawl, Some(at(30)), at(21)).await.unwrap());
        // A page that can't be read keeps itself, and no page that nothing leads to.
        let crawl = begun(&store, 30).await;
        store.step_crawl(&crawl, CrawlStep { links: vec![], ..map(0) }).await.unwrap();
        store.step_crawl(&crawl, step(START, skipped(false), &["https://a.example/b"])).await.unwrap();
        store.step_crawl(&crawl, step("https://a.example/b", failed(), &[])).await.unwrap();
        assert!(store.end_crawl(&crawl, None, at(31)).await.unwrap());
        assert_eq!(there().await, [true, true, false]);
        assert_eq!(store.crawl(org, id).await.unwrap().unwrap().status, CrawlStatus::Done);
    }

    async fn a_crawl_that_is_sent_again_while_it_runs_runs_again(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let id = put(&store, org, 5).await;
        let crawl = begun(&store, 0).await;
        let later = PageResult::Later { until: at(400), reason: "503".to_owned() };
        store.step_crawl(&crawl, step(START, later, &[])).await.unwrap();
        store.release_crawl(&crawl, None, false, Some(at(400)), at(1)).await.unwrap();
        // Neither makes the site wait less than it asked for.
        assert!(store.run_crawl(org, id, at(2)).await.unwrap());
        let (same, is_new) =
            store.put_crawl(org, CrawlId(uuid()), START.to_owned(), settings(9), at(3)).await.unwrap();
        assert_eq!((same, is_new), (id, false));
        assert!(take(&store, 399).await.is_none());
        let crawl = take(&store, 400).await.unwrap();
        assert_eq!((crawl.run, crawl.settings.most_pages), (1, 9));
        store.end_crawl(&crawl, None, at(401)).await.unwrap();
        assert_eq!(store.crawl(org, id).await.unwrap().unwrap().status, CrawlStatus::Queued);
        let again = begun(&store, 401).await;
        assert_eq!(again.run, 2);
        // The same when its run fails.
        store.put_crawl(org, CrawlId(uuid()), START.to_owned(), settings(9), at(402)).await.unwrap();
        store.release_crawl(&again, Some("no fuel".to_owned()), true, None, at(403)).await.unwrap();
        let last = begun(&store, 403).await;
        assert_eq!(last.run, 3);
        store.end_crawl(&last, None, at(404)).await.unwrap();
        assert!(take(&store, 99_999).await.is_none(), "once");
    }

    async fn dead_hosts_are_counted_until_a_step_is_stored(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        put(&store, org, 5).await;
        assert_eq!(take(&store, 0).await.unwrap().deaths, 0);
        let crawl = take(&store, 300).await.unwrap();
        assert_eq!(crawl.deaths, 1);
        store.begin_crawl(&crawl, CrawlBegin { links: vec![link(START, None)], ..begin() }, at(600), at(300)).await.unwrap();
        assert_eq!(take(&store, 600).await.unwrap().deaths, 0, "what it killed before was read");
        let crawl = take(&store, 900).await.unwrap();
        assert_eq!(crawl.deaths, 1);
        store.step_crawl(&crawl, step(START, skipped(false), &["https://a.example/b"])).await.unwrap();
        let crawl = take(&store, 1201).await.unwrap();
        assert_eq!(crawl.deaths, 0);
        store.release_crawl(&crawl, None, false, Some(at(1202)), at(1202)).await.unwrap();
        assert_eq!(take(&store, 1202).await.unwrap().deaths, 0, "it was given back");
    }
}
