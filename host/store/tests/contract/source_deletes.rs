//! Deleting sources and crawls: they are hidden at once, and what is left of them is deleted in small parts by any host.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use resly_core::{
    id::{CrawlId, OrganizationId, PassageId, RevisionId},
    knowledge::KnowledgeStore,
};
use resly_store::{CrawlBegin, Store};

use crate::{
    backend::{Backend, at, uuid},
    both,
    crawls::{START, begin, link, read, settings, step, take},
    knowledge::source,
};

/// Passages that one transaction may delete.
const PASSAGES: i64 = 32;
/// Rows of any other table that one transaction may delete.
const ROWS: i64 = 64;

/// Polls a future so often, then drops it, as a host that is killed does. Whether it had ended.
struct Killed<'f> {
    future: Pin<Box<dyn Future<Output = ()> + 'f>>,
    left: usize,
}

impl Future for Killed<'_> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        if self.future.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 { Poll::Ready(false) } else { Poll::Pending }
    }
}

/// Waits for what a dead host had begun.
async fn settled(backend: &Backend) {
    backend.execute("UPDATE crawls SET failure = NULL").await;
    backend.execute("UPDATE knowledge_sources SET note = NULL").await;
}

async fn sweep(store: &Store) {
    while store.delete_hidden().await.unwrap() {}
}

/// A crawl whose run has read so many pages.
async fn crawled(store: &Store, org: OrganizationId, pages: usize) -> CrawlId {
    let id = CrawlId(uuid());
    store.put_crawl(org, id, START.to_owned(), settings(1000), at(0)).await.unwrap();
    let crawl = take(store, 0).await.unwrap();
    let links = (0..pages).map(|n| link(&format!("{START}{n:03}"), None)).collect();
    store.begin_crawl(&crawl, CrawlBegin { links, ..begin() }, at(300), at(0)).await.unwrap();
    while let Some(page) = store.next_crawl_page(&crawl).await.unwrap() {
        let (_, result) = read(&crawl, "page");
        store.step_crawl(&crawl, step(&page.url, result, &[])).await.unwrap();
    }
    id
}

both! {
    async fn a_deleted_source_is_hidden_at_once_and_goes_in_small_parts(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stays = source(org, "Stays", &["Here."]);
        store.add_source(stays.clone()).await.unwrap();
        let large = source(org, "Large", &vec!["Passage."; 300]);
        let (id, ids) = (large.id, large.passages.iter().map(|passage| passage.id).collect::<Vec<PassageId>>());
        store.add_source(large).await.unwrap();
        let version = store.knowledge_version(org).await.unwrap();
        assert!(store.delete_source(org, id, at(0)).await.unwrap());
        assert_eq!(store.knowledge_version(org).await.unwrap(), version + 1);
        assert!(store.load_passages(org, &ids).await.unwrap().is_empty());
        assert!(store.load_texts(org, &[RevisionId(id.0)]).await.unwrap().is_empty());
        let titles: Vec<_> = store.list_sources(org).await.unwrap().into_iter().map(|source| source.title).collect();
        assert_eq!(titles, ["Stays"]);
        let count = async || backend.number("SELECT COUNT(*) FROM passages").await;
        let mut left = count().await;
        assert_eq!(left, 301, "the request waits for none of them");
        while store.delete_hidden().await.unwrap() {
            let now = count().await;
            assert!(left - now <= PASSAGES, "{left} to {now} in one transaction");
            left = now;
        }
        assert_eq!((left, backend.number("SELECT COUNT(*) FROM knowledge_sources").await), (1, 1));
        assert_eq!(store.load_passages(org, &[stays.passages[0].id]).await.unwrap().len(), 1);
    }

    async fn a_delete_whose_host_dies_is_finished_by_another(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let texts = vec!["Passage."; 80];
        let (mut left, mut hidden) = (1, 0);
        loop {
            let large = source(org, "Large", &texts);
            let id = large.id;
            store.add_source(large).await.unwrap();
            let deleting = async {
                store.delete_source(org, id, at(0)).await.unwrap();
                sweep(&store).await;
            };
            let ended = Killed { future: Box::pin(deleting), left }.await;
            left += 1;
            settled(&backend).await;
            let listed = store.list_sources(org).await.unwrap();
            assert!(listed.iter().all(|source| source.chunks == 80), "{listed:?}");
            hidden += usize::from(!ended && listed.is_empty());
            assert_eq!(store.find_source(org, id).await.unwrap().is_some(), !listed.is_empty());
            sweep(&store).await;
            let passages = backend.number("SELECT COUNT(*) FROM passages").await;
            assert_eq!(passages, if listed.is_empty() { 0 } else { 80 });
            if !listed.is_empty() {
                assert!(store.delete_source(org, id, at(0)).await.unwrap());
                sweep(&store).await;
            }
            assert_eq!(backend.number("SELECT COUNT(*) FROM knowledge_sources").await, 0);
            if ended {
                break;
            }
        }
        assert!(hidden > 0, "no host died midway");
    }

    async fn a_deleted_crawl_is_hidden_at_once_and_goes_in_small_parts(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let id = crawled(&store, org, 100).await;
        assert_eq!(store.list_sources(org).await.unwrap().len(), 100);
        assert!(store.delete_crawl(org, id).await.unwrap());
        assert!(!store.delete_crawl(org, id).await.unwrap(), "once");
        assert!(store.crawl(org, id).await.unwrap().is_none() && store.crawls(org).await.unwrap().is_empty());
        assert!(!store.run_crawl(org, id, at(1)).await.unwrap() && take(&store, 9999).await.is_none());
        assert!(store.list_sources(org).await.unwrap().is_empty());
        assert!(store.revisions(org).await.unwrap().is_empty());
        // The same site may be crawled again at once.
        let next = crawled(&store, org, 3).await;
        let tables = ["passages", "knowledge_sources", "crawl_pages", "crawls"];
        let count = async || {
            let mut counts = Vec::new();
            for table in tables {
                counts.push(backend.number(format!("SELECT COUNT(*) FROM {table}").leak()).await);
            }
            counts
        };
        let mut left = count().await;
        assert_eq!(left, [103, 103, 103, 2], "the request waits for none of them");
        while store.delete_hidden().await.unwrap() {
            let now = count().await;
            let gone: Vec<i64> = left.iter().zip(&now).map(|(before, after)| before - after).collect();
            assert!(gone[0] <= PASSAGES && gone.iter().all(|rows| *rows <= ROWS), "{gone:?} in one transaction");
            left = now;
        }
        assert_eq!(left, [3, 3, 3, 1]);
        assert_eq!(store.crawl(org, next).await.unwrap().unwrap().counts.ready, 3);
    }

    async fn a_crawl_whose_delete_dies_midway_is_deleted_by_another_host(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (mut left, mut hidden) = (1, 0);
        loop {
            let id = crawled(&store, org, 2).await;
            let deleting = async {
                store.delete_crawl(org, id).await.unwrap();
                sweep(&store).await;
            };
            let ended = Killed { future: Box::pin(deleting), left }.await;
            left += 1;
            settled(&backend).await;
            let there = store.crawl(org, id).await.unwrap().is_some();
            hidden += usize::from(!ended && !there);
            sweep(&store).await;
            assert_eq!(store.list_sources(org).await.unwrap().len(), if there { 2 } else { 0 });
            if there {
                assert!(store.delete_crawl(org, id).await.unwrap());
                sweep(&store).await;
            }
            for table in ["passages", "knowledge_sources", "crawl_pages", "crawls"] {
                let rows = backend.number(format!("SELECT COUNT(*) FROM {table}").leak()).await;
                assert_eq!(rows, 0, "{table}");
            }
            if ended {
                break;
            }
        }
        assert!(hidden > 1, "no host died midway");
    }
}
