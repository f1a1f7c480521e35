//! Crawls: one host has one, and a step is stored whole and once.

use resly_core::{
    id::{CrawlId, LeaseId, PassageId, RevisionId, SourceId},
    knowledge::{
        AddSourceError, KnowledgeStore, NewPassage, NewRevision, RevisedPassage, SourceKind,
        crawl::{CrawlRules, CrawlSettings, CrawlStatus, ItemContent},
        document::{Robots, RobotsRule},
    },
    meter::Meter,
};
use resly_store::{
    AddCrawlError, CRAWLS_MOST, CrawlBegin, CrawlStep, DueCrawl, Exclusions, FinishedRead, FoundLink, PageKind,
    PageResult, PageSource, PageVersion, StepError, Store,
};

use crate::{
    backend::{Backend, at, organization, used, uuid},
    both,
};

pub(crate) const START: &str = "https://a.example/";

pub(crate) fn settings(most_pages: u32) -> CrawlSettings {
    CrawlSettings {
        depth: 2,
        most_pages,
        most_bytes: 1000,
        include: vec!["/".to_owned()],
        exclude: Vec::new(),
        sitemap: None,
        refresh_every_s: Some(600),
        list: None,
    }
}

pub(crate) fn link(url: &str, skip: Option<&'static str>) -> FoundLink {
    FoundLink { url: url.to_owned(), kind: PageKind::Page, depth: 0, skip, content: None }
}

pub(crate) fn begin() -> CrawlBegin {
    let rules = vec![RobotsRule { allow: false, path: "/x".to_owned() }];
    let rules = CrawlRules::from(Robots { rules, ..Robots::default() });
    let map = FoundLink { kind: PageKind::Sitemap, ..link("https://a.example/map", None) };
    CrawlBegin { rules, links: vec![link(START, None), map] }
}

pub(crate) fn step(url: &str, result: PageResult, links: &[&str]) -> CrawlStep {
    CrawlStep {
        url: url.to_owned(),
        kind: PageKind::Page,
        source: PageSource { kind: SourceKind::CrawledPage, identity: format!("url:{url}"), url: Some(url.to_owned()) },
        result,
        own_links: Some(links.iter().map(|link| (*link).to_owned()).collect()),
        links: links.iter().map(|url| link(url, None)).collect(),
        bytes: 10,
        now: at(1),
        lease_until: at(300),
    }
}

pub(crate) fn read(crawl: &DueCrawl, text: &str) -> (SourceId, PageResult) {
    let id = uuid();
    let passage =
        NewPassage { id: PassageId(uuid()), section: String::new(), text: text.to_owned(), vector: vec![1.0] };
    let revision = NewRevision {
        id: RevisionId(uuid()),
        base: RevisionId(id),
        title: text.to_owned(),
        content_type: "text/markdown".to_owned(),
        text: text.to_owned(),
        language: "en",
        embedder: "test".to_owned(),
        passages: vec![RevisedPassage::New(passage)],
    };
    let read = FinishedRead {
        lease: crawl.lease,
        content_hash: [1; 32],
        note: None,
        version: PageVersion { etag: Some("e".to_owned()), last_modified: None },
        next_at: None,
    };
    (SourceId(id), PageResult::Read { source: SourceId(id), is_new: true, revision: Box::new(revision), read })
}

pub(crate) async fn take(store: &Store, seconds: u64) -> Option<DueCrawl> {
    store.take_due_crawl(LeaseId(uuid()), Exclusions::default(), at(seconds), at(seconds + 300)).await.unwrap()
}

pub(crate) fn skipped(gone: bool) -> PageResult {
    PageResult::Skipped { reason: "why".to_owned(), gone }
}

both! {
    async fn a_run_reads_each_page_once_and_deletes_what_is_gone(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let id = CrawlId(uuid());
        let put = store.put_crawl(org, id, START.to_owned(), settings(3), at(0)).await.unwrap();
        assert_eq!(put, (id, true));
        let crawl = take(&store, 0).await.unwrap();
        assert_eq!((crawl.id, crawl.run, &crawl.rules), (id, 1, &None));
        assert!(take(&store, 299).await.is_none(), "one host has it");
        store.begin_crawl(&crawl, begin(), at(300), at(0)).await.unwrap();
        let map = store.next_crawl_page(&crawl).await.unwrap().unwrap();
        assert_eq!((map.kind, map.url.as_str()), (PageKind::Sitemap, "https://a.example/map"));
        let done = CrawlStep { kind: PageKind::Sitemap, ..step(&map.url, skipped(false), &["https://a.example/b"]) };
        store.step_crawl(&crawl, done).await.unwrap();
        let first = store.next_crawl_page(&crawl).await.unwrap().unwrap();
        assert_eq!((first.url.as_str(), first.source.is_none()), (START, true));
        let (home, result) = read(&crawl, "home");
        // Four links, of which two are new and one is over the bound.
        let links = [START, "https://a.example/b", "https://a.example/c", "https://a.example/d"];
        store.step_crawl(&crawl, step(START, result, &links)).await.unwrap();
        let found = store.find_source(org, home).await.unwrap().unwrap();
        assert_eq!((found.source.kind, found.text.as_str()), (SourceKind::CrawledPage, "home"));
        let seen = store.crawl(org, id).await.unwrap().unwrap();
        assert_eq!((seen.counts.found, seen.counts.ready, seen.counts.left_out, seen.bytes), (3, 1, 1, 20));

        // Its host dies. What it stores later is refused, and the next one goes on.
        let next = take(&store, 300).await.unwrap();
        assert_eq!((next.run, next.rules.as_ref().map(|rules| rules.allow("/x"))), (1, Some(false)));
        let (_, late) = read(&crawl, "late");
        assert!(matches!(store.step_crawl(&crawl, step("https://a.example/b", late, &[])).await, Err(StepError::Lost)));
        assert!(matches!(store.begin_crawl(&crawl, begin(), at(300), at(0)).await, Err(StepError::Lost)));
        assert!(matches!(store.end_crawl(&crawl, None, at(0)).await, Err(StepError::Lost)));
        let page = store.next_crawl_page(&next).await.unwrap().unwrap();
        assert_eq!(page.url, "https://a.example/b");
        let (b, result) = read(&next, "b");
        store.step_crawl(&next, step(&page.url, result, &[])).await.unwrap();
        let later = PageResult::Later { until: at(400), reason: "503".to_owned() };
        store.step_crawl(&next, step("https://a.example/c", later, &[])).await.unwrap();
        store.release_crawl(&next, None, false, Some(at(400)), at(1)).await.unwrap();
        assert!(take(&store, 399).await.is_none());
        let next = take(&store, 400).await.unwrap();
        assert_eq!(store.next_crawl_page(&next).await.unwrap().unwrap().tries, 1);
        store.step_crawl(&next, step("https://a.example/c", skipped(true), &[])).await.unwrap();
        assert!(store.next_crawl_page(&next).await.unwrap().is_none());
        assert!(!store.end_crawl(&next, Some(at(1000)), at(401)).await.unwrap(), "nothing to delete");
        assert_eq!(used(&store, org, Meter::Embeddings).await, 2);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
        let omitted = store.omitted_pages(org, id, 9).await.unwrap();
        let omitted: Vec<_> = omitted.iter().map(|page| (page.url.as_str(), page.reason.as_str())).collect();
        assert_eq!(omitted, [("https://a.example/c", "why"), ("https://a.example/map", "why")]);

        // The next run knows its pages. One is gone, one is another source now, and one isn't found any more.
        let again = take(&store, 1000).await.unwrap();
        assert_eq!((again.run, &again.rules, again.bytes), (2, &None, 0));
        store.begin_crawl(&again, CrawlBegin { links: vec![link(START, None)], ..begin() }, at(1300), at(1000)).await.unwrap();
        let page = store.next_crawl_page(&again).await.unwrap().unwrap();
        assert_eq!(page.links, links);
        let known = page.source.unwrap();
        assert_eq!((known.id, known.text.as_str(), known.version.etag.as_deref()), (home, "home", Some("e")));
        let unchanged =
            PageResult::Unchanged { source: home, content_hash: [2; 32], version: PageVersion::default() };
        let mut same = step(START, unchanged, &["https://a.example/e"]);
        same.own_links = None;
        store.step_crawl(&again, same).await.unwrap();
        let (_, taken) = read(&again, "e");
        let mut other = crate::knowledge::source(org, "Own", &[]);
        other.identity = Some("url:https://a.example/e".to_owned());
        store.add_source(other).await.unwrap();
        let refused = store.step_crawl(&again, step("https://a.example/e", taken, &[])).await;
        assert!(matches!(refused, Err(StepError::Source(AddSourceError::Exists))), "{refused:?}");
        store.step_crawl(&again, step("https://a.example/e", skipped(false), &[])).await.unwrap();
        let version = store.knowledge_version(org).await.unwrap();
        assert!(store.end_crawl(&again, None, at(1001)).await.unwrap());
        assert_eq!(store.knowledge_version(org).await.unwrap(), version + 1);
        assert!(store.find_source(org, b).await.unwrap().is_none(), "nothing leads to it");
        assert!(store.find_source(org, home).await.unwrap().is_some());
        assert!(take(&store, 99_999).await.is_none());

        let stranger = organization(&store, &[]).await;
        assert!(store.crawl(stranger, id).await.unwrap().is_none() && store.crawls(stranger).await.unwrap().is_empty());
        assert!(!store.run_crawl(stranger, id, at(0)).await.unwrap());
        assert!(!store.delete_crawl(stranger, id).await.unwrap());
        assert!(store.run_crawl(org, id, at(2000)).await.unwrap());
        assert_eq!(store.crawls(org).await.unwrap()[0].status, CrawlStatus::Queued);
        assert!(store.delete_crawl(org, id).await.unwrap());
        assert_eq!(store.list_sources(org).await.unwrap().len(), 1, "its pages are gone, and no other source");
    }

    async fn the_items_of_a_page_come_before_the_next_page_of_a_list(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let id = CrawlId(uuid());
        store.put_crawl(org, id, "list:x".to_owned(), settings(2), at(0)).await.unwrap();
        let crawl = take(&store, 0).await.unwrap();
        let page = |url: &str| FoundLink { kind: PageKind::List, ..link(url, None) };
        let item = |id: &str, text: &str| {
            let content = ItemContent {
                title: Some(id.to_owned()),
                content_type: "text/plain".to_owned(),
                text: text.to_owned(),
                url: Some(format!("https://a.example/{id}")),
            };
            FoundLink { content: Some(content), ..link(id, None) }
        };
        let listed = |url: &str, links: Vec<FoundLink>| {
            CrawlStep { kind: PageKind::List, links, own_links: None, ..step(url, PageResult::Listed, &[]) }
        };
        store.begin_crawl(&crawl, CrawlBegin { links: vec![page("")], ..begin() }, at(300), at(0)).await.unwrap();
        store.step_crawl(&crawl, listed("", vec![item("1", "one"), page("2")])).await.unwrap();
        let found = store.next_crawl_page(&crawl).await.unwrap().unwrap();
        assert_eq!((found.url.as_str(), found.content.as_ref().map(|content| content.text.as_str())), ("1", Some("one")));
        let later = PageResult::Later { until: at(1), reason: "busy".to_owned() };
        store.step_crawl(&crawl, step("1", later, &[])).await.unwrap();
        assert!(store.next_crawl_page(&crawl).await.unwrap().unwrap().content.is_some(), "it is read again");
        let (source, result) = read(&crawl, "one");
        let mut done = step("1", result, &[]);
        done.source = PageSource { kind: SourceKind::ListItem, identity: "item:1".to_owned(), url: None };
        store.step_crawl(&crawl, done).await.unwrap();
        let stored = store.find_source(org, source).await.unwrap().unwrap().source;
        assert_eq!((stored.kind, stored.url, stored.identity.as_deref()), (SourceKind::ListItem, None, Some("item:1")));

        // The next page names what is known, an item that is new, and one beyond the bound. It isn't the last page.
        let found = store.next_crawl_page(&crawl).await.unwrap().unwrap();
        assert_eq!((found.kind, found.url.as_str()), (PageKind::List, "2"));
        let links = vec![item("1", "again"), item("2", "two"), item("3", "three"), page("3")];
        store.step_crawl(&crawl, listed("2", links)).await.unwrap();
        let found = store.next_crawl_page(&crawl).await.unwrap().unwrap();
        assert_eq!((found.url.as_str(), found.source.is_none()), ("2", true));
        let unchanged = PageResult::Unchanged { source, content_hash: [3; 32], version: PageVersion::default() };
        let mut moved = step("1", unchanged, &[]);
        moved.source.url = Some("https://a.example/moved".to_owned());
        store.step_crawl(&crawl, moved).await.unwrap();
        let stored = store.find_source(org, source).await.unwrap().unwrap().source;
        assert_eq!(stored.url.as_deref(), Some("https://a.example/moved"));
        let counts = store.crawl(org, id).await.unwrap().unwrap().counts;
        assert_eq!((counts.found, counts.ready, counts.left_out), (2, 1, 2), "{counts:?}");

        // What a run gives up stays, and so does what the rest of the list may have named.
        store.fail_crawl_rest(&crawl, "enough").await.unwrap();
        assert!(!store.end_crawl(&crawl, Some(at(10)), at(2)).await.unwrap());
        let again = take(&store, 10).await.unwrap();
        store.begin_crawl(&again, CrawlBegin { links: vec![page("")], ..begin() }, at(300), at(10)).await.unwrap();
        let cut = CrawlStep { result: PageResult::Failed { reason: "cut".to_owned() }, ..listed("", Vec::new()) };
        store.step_crawl(&again, cut).await.unwrap();
        assert!(!store.end_crawl(&again, Some(at(20)), at(11)).await.unwrap());
        let omitted = store.omitted_pages(org, id, 9).await.unwrap();
        assert_eq!((omitted[0].url.as_str(), omitted[0].reason.as_str()), ("page 1 of the list", "cut"));
        let last = take(&store, 20).await.unwrap();
        store.begin_crawl(&last, CrawlBegin { links: vec![page("")], ..begin() }, at(300), at(20)).await.unwrap();
        store.step_crawl(&last, listed("", Vec::new())).await.unwrap();
        assert!(store.end_crawl(&last, None, at(21)).await.unwrap());
        assert!(store.find_source(org, source).await.unwrap().is_none(), "the whole list doesn't have it");
    }

    async fn an_organization_has_so_many_crawls(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        for n in 0..CRAWLS_MOST {
            store.put_crawl(org, CrawlId(uuid()), format!("{START}{n}"), settings(1), at(n)).await.unwrap();
        }
        let over = store.put_crawl(org, CrawlId(uuid()), "https://b.example/".to_owned(), settings(1), at(0)).await;
        assert!(matches!(over, Err(AddCrawlError::Full)), "{over:?}");
        let (_, is_new) = store.put_crawl(org, CrawlId(uuid()), format!("{START}0"), settings(9), at(0)).await.unwrap();
        assert!(!is_new);
        let listed = store.crawls(org).await.unwrap();
        assert_eq!(listed.last().unwrap().settings, settings(9));
        // Organizations take turns.
        let other = organization(&store, &[]).await;
        store.put_crawl(other, CrawlId(uuid()), START.to_owned(), settings(1), at(100)).await.unwrap();
        assert_eq!(take(&store, 200).await.unwrap().organization, org);
        assert_eq!(take(&store, 201).await.unwrap().organization, other);
        let full = Exclusions { organizations: vec![org], ..Exclusions::default() };
        let besides = store.take_due_crawl(LeaseId(uuid()), full, at(202), at(502)).await.unwrap();
        assert!(besides.is_none(), "the other organization has no further one");
    }
}
