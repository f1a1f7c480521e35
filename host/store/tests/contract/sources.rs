//! Sources that change, and sources that wait to be read.

use resly_core::{
    connector::call::{BeginCallError, ConnectionStore},
    id::{CallId, CrawlId, LeaseId, OrganizationId, PassageId, RevisionId, SourceId},
    knowledge::{
        AddSourceError, FailureKind, KnowledgeStore, NewRevision, NewSource, ReadProgress, RevisedPassage,
        RevisionSize, SourceFailure, SourceKind, SourceStatus,
    },
    meter::Meter,
    time::Timestamp,
};
use resly_store::{
    BurntFuel, ChangedBy, Cursor, DueSource, EnqueueError, Enqueued, Exclusions, FAILURES_MOST, FinishedRead,
    NewDocument, PageVersion, ReadQueue, ReadResult, SourceChange, SourceMove, SourceQuery, SourceWrite, Store,
    StoredDocument, WaitingLimits,
};

use crate::{
    backend::{Backend, at, organization, used, uuid},
    both,
    knowledge::{passage, source},
};

const ROOM: WaitingLimits = WaitingLimits { sources: 10, bytes: 100 };

fn revision(base: u128, kept: &[PassageId], new: &[&str]) -> NewRevision {
    let kept = kept.iter().map(|id| RevisedPassage::Kept(*id));
    NewRevision {
        id: RevisionId(uuid()),
        base: RevisionId(uuid::Uuid::from_u128(base)),
        title: "Changed".to_owned(),
        content_type: "text/markdown".to_owned(),
        text: new.join(" "),
        language: "en",
        embedder: "test".to_owned(),
        passages: new.iter().map(|text| RevisedPassage::New(passage(text))).chain(kept).collect(),
    }
}

fn by_request(of: &NewSource, revision: NewRevision, identity: Option<&str>) -> SourceChange {
    let content = ChangedBy::Request { url: of.url.clone(), identity: identity.map(str::to_owned) };
    SourceChange { organization: of.organization, source: of.id, revision, content, now: at(5) }
}

pub(crate) fn file(organization: OrganizationId, key: Option<&str>, bytes: &'static [u8]) -> NewDocument {
    let mut hash = [0; 32];
    hash[..bytes.len().min(32)].copy_from_slice(&bytes[..bytes.len().min(32)]);
    NewDocument {
        id: SourceId(uuid()),
        organization,
        kind: SourceKind::File,
        identity: key.map(|key| format!("key:{key}")),
        given_title: None,
        title: "a.txt".to_owned(),
        url: None,
        site: None,
        file: Some(StoredDocument { content_type: None, name: Some("a.txt".to_owned()), bytes: bytes.into(), hash }),
        refresh_every_s: None,
        lease: None,
        lease_until: at(60),
        now: at(0),
    }
}

pub(crate) async fn enqueue(store: &Store, new: NewDocument) -> Result<Enqueued, EnqueueError> {
    store.enqueue_source(new, ROOM, "test".to_owned(), at(3600)).await
}

pub(crate) async fn take_besides(
    store: &Store,
    queue: ReadQueue,
    now: Timestamp,
    excluded: &Exclusions,
) -> Option<DueSource> {
    let until = now.plus(std::time::Duration::from_secs(60));
    store.take_due_source(queue, LeaseId(uuid()), excluded.clone(), now, until, at(3600)).await.unwrap()
}

async fn take(store: &Store, now: Timestamp) -> Option<DueSource> {
    match take_besides(store, ReadQueue::Files, now, &Exclusions::default()).await {
        None => take_besides(store, ReadQueue::Pages, now, &Exclusions::default()).await,
        file => file,
    }
}

fn finished(due: &DueSource) -> ChangedBy {
    ChangedBy::Read(FinishedRead {
        lease: due.lease,
        content_hash: [7; 32],
        note: Some("page 2 is a picture".to_owned()),
        version: PageVersion { etag: Some("\"1\"".to_owned()), last_modified: None },
        next_at: None,
    })
}

fn finish(due: &DueSource, texts: &[&str]) -> SourceChange {
    let revision = revision(due.revision.0.as_u128(), &[], texts);
    SourceChange { organization: due.organization, source: due.id, revision, content: finished(due), now: at(9) }
}

both! {
    async fn a_change_keeps_the_id_and_the_passages_that_stay(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Embeddings, 4)]).await;
        let new = source(org, "Refunds", &["Stays.", "Goes."]);
        store.add_source(new.clone()).await.unwrap();
        let base = new.id.0.as_u128();
        let kept = new.passages[0].id;
        let next = revision(base, &[kept], &["New."]);
        let id = next.id;
        store.revise_source(by_request(&new, next, Some("url:a"))).await.unwrap();
        assert_eq!(used(&store, org, Meter::Embeddings).await, 3, "what stays isn't counted again");
        assert_eq!(store.knowledge_version(org).await.unwrap(), 2);
        assert_eq!(store.revisions(org).await.unwrap(), [RevisionSize { id, passages: 2 }]);
        let texts = store.load_texts(org, &[id]).await.unwrap();
        let texts: Vec<_> = texts.iter().map(|text| (text.text.as_str(), text.position)).collect();
        assert_eq!(texts, [("New.", 0), ("Stays.", 1)]);
        assert_eq!(store.load_vectors(org, "test", &[id]).await.unwrap().len(), 2);
        assert!(store.load_texts(org, &[RevisionId(new.id.0)]).await.unwrap().is_empty());
        let found = store.find_source(org, new.id).await.unwrap().unwrap();
        assert_eq!((found.source.title.as_str(), found.text.as_str(), found.source.updated_at), ("Changed", "New.", at(5)));
        assert_eq!((found.source.created_at, found.source.revision), (at(0), id));

        // A change of an older state, and one over the limit, change nothing.
        let old = store.revise_source(by_request(&new, revision(base, &[], &["x"]), None)).await;
        assert!(matches!(old, Err(AddSourceError::Changed)), "{old:?}");
        let over = store.revise_source(by_request(&new, revision(id.0.as_u128(), &[], &["x", "y"]), None)).await;
        assert!(matches!(over, Err(AddSourceError::Limit(_))), "{over:?}");
        assert_eq!(store.revisions(org).await.unwrap(), [RevisionSize { id, passages: 2 }]);
        assert_eq!(store.load_passages(org, &[kept]).await.unwrap().len(), 1);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;

        // One source has an identity.
        let mut other = source(org, "Other", &[]);
        other.identity = Some("url:a".to_owned());
        assert!(matches!(store.add_source(other.clone()).await, Err(AddSourceError::Exists)));
        other.identity = Some("url:b".to_owned());
        store.add_source(other.clone()).await.unwrap();
        let moved = |organization, identity: Option<&str>| {
            let identity = identity.map(str::to_owned);
            let to = SourceMove { organization, source: other.id, url: None, identity, now: at(6) };
            store.write_sources(vec![SourceWrite::Move(to)])
        };
        let stranger = organization(&store, &[]).await;
        assert!(matches!(moved(stranger, None).await, Err(AddSourceError::Changed)));
        let moved = moved(org, Some("url:a")).await;
        assert!(matches!(moved, Err(AddSourceError::Exists)), "{moved:?}");
        let taken = store.revise_source(by_request(&other, revision(other.id.0.as_u128(), &[], &[]), Some("url:a"))).await;
        assert!(matches!(taken, Err(AddSourceError::Exists)), "{taken:?}");
        assert_eq!(store.identify_source(org, "url:b", "").await.unwrap(), Some(other.id));
        assert_eq!(store.identify_source(stranger, "url:b", "").await.unwrap(), None);
        store.add_source(source(org, "Plain", &[])).await.unwrap();
        let by_url = store.identify_source(org, "url:c", "https://docs.example/a").await.unwrap();
        assert!(by_url.is_some_and(|id| id != new.id && id != other.id), "one without an identity");
    }

    async fn a_file_waits_is_taken_once_and_is_read(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = file(org, Some("a"), b"one");
        let id = new.id;
        assert!(matches!(enqueue(&store, new.clone()).await.unwrap(), Enqueued::New(new) if new == id));
        assert!(matches!(enqueue(&store, new).await.unwrap(), Enqueued::Unchanged(same) if same == id));
        let listed = store.list_sources(org).await.unwrap();
        assert_eq!((listed[0].status, listed[0].kind, listed[0].chunks), (SourceStatus::Queued, SourceKind::File, 0));
        let due = take(&store, at(1)).await.unwrap();
        assert_eq!((due.id, due.tries, due.deadline_at), (id, 1, at(3600)));
        assert!(take(&store, at(2)).await.is_none(), "one host has it");
        let document = store.source_document(org, id).await.unwrap().unwrap();
        assert_eq!((document.bytes.as_ref(), document.name.as_deref()), (b"one".as_slice(), Some("a.txt")));
        let progress = ReadProgress { embedded: 1, passages: 2 };
        assert!(store.renew_source(&due, progress, at(100)).await.unwrap());
        let found = store.find_source(org, id).await.unwrap().unwrap().source;
        assert_eq!((found.status, found.progress), (SourceStatus::Reading, progress));
        assert!(take(&store, at(99)).await.is_none());

        // Its host dies; another one takes it, and the first one's result is too late.
        let again = take(&store, at(100)).await.unwrap();
        assert_eq!((again.id, again.tries), (id, 2));
        assert!(!store.renew_source(&due, progress, at(200)).await.unwrap());
        assert!(matches!(store.revise_source(finish(&due, &["late"])).await, Err(AddSourceError::Changed)));
        store.revise_source(finish(&again, &["One.", "Two."])).await.unwrap();
        assert_eq!(used(&store, org, Meter::Embeddings).await, 2);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
        let found = store.find_source(org, id).await.unwrap().unwrap();
        assert_eq!((found.source.status, found.source.chunks, found.source.due_at), (SourceStatus::Ready, 2, None));
        assert_eq!(found.source.note.as_deref(), Some("page 2 is a picture"));
        assert!(store.source_document(org, id).await.unwrap().is_none(), "its bytes are gone");
        assert!(take(&store, at(9999)).await.is_none());

        // Other bytes under the same key are read again, and what is known stays until then.
        let changed = enqueue(&store, file(org, Some("a"), b"two")).await.unwrap();
        assert!(matches!(changed, Enqueued::Replaced(same) if same == id), "{changed:?}");
        assert_eq!(store.find_source(org, id).await.unwrap().unwrap().source.chunks, 2);
        let due = take(&store, at(1)).await.unwrap();
        let failure = SourceFailure::new(FailureKind::Damaged, "it is cut");
        let failed = ReadResult::Failed { failure: failure.clone(), forget: None, misses: 0, next_at: None };
        assert!(store.settle_source(due.clone(), failed.clone(), at(2)).await.unwrap());
        assert!(!store.settle_source(due, failed, at(2)).await.unwrap(), "once");
        let found = store.find_source(org, id).await.unwrap().unwrap().source;
        assert_eq!((found.status, found.failure, found.chunks), (SourceStatus::Failed, Some(failure), 2));
        // The same bytes are read again after a failure.
        assert!(matches!(enqueue(&store, file(org, Some("a"), b"two")).await.unwrap(), Enqueued::Replaced(_)));
        let identified = async |prefix: &str| {
            let query = SourceQuery { identity_prefix: Some(prefix.to_owned()), limit: 9, ..SourceQuery::default() };
            store.sources(org, query).await.unwrap().len()
        };
        assert_eq!((identified("key:").await, identified("key:b").await), (1, 0));
    }

    async fn what_waits_has_bounds_and_organizations_take_turns(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Fuel, 10)]).await;
        let other = organization(&store, &[]).await;
        for _ in 0..4 {
            enqueue(&store, file(org, None, b"0123456789")).await.unwrap();
        }
        let large = vec![0; 61].leak();
        let mut late = file(other, None, b"x");
        late.now = at(1);
        enqueue(&store, late).await.unwrap();
        assert!(matches!(enqueue(&store, file(org, None, large)).await, Err(EnqueueError::Full)));
        for _ in 0..6 {
            enqueue(&store, file(org, None, b"0123456789")).await.unwrap();
        }
        assert!(matches!(enqueue(&store, file(org, None, b"")).await, Err(EnqueueError::Full)), "ten wait");

        let first = take(&store, at(2)).await.unwrap();
        let second = take(&store, at(3)).await.unwrap();
        assert_eq!((first.organization, second.organization), (org, other), "though it came later");
        assert_eq!(take(&store, at(4)).await.unwrap().organization, org);
        // An organization that has its share of a host's places waits, and nobody else does.
        let full = Exclusions { organizations: vec![org], ..Exclusions::default() };
        let none = take_besides(&store, ReadQueue::Files, at(4), &full).await;
        assert!(none.is_none(), "{none:?}");
        enqueue(&store, file(other, None, b"y")).await.unwrap();
        let theirs = take_besides(&store, ReadQueue::Files, at(4), &full).await;
        assert_eq!(theirs.unwrap().organization, other);

        // Fuel is counted up to the limit, and no further.
        let burnt = |organization, fuel| BurntFuel { organization, subject: first.id, fuel, now: at(4) };
        store.count_reading(burnt(org, 4)).await.unwrap();
        let (left, reached) = store.fuel_left(org, at(4)).await.unwrap().unwrap();
        assert_eq!((left, reached.used), (6, 4));
        store.count_reading(burnt(org, 11)).await.unwrap();
        let (left, reached) = store.fuel_left(org, at(4)).await.unwrap().unwrap();
        assert_eq!((left, reached.used), (0, 10));
        assert!(store.fuel_left(other, at(4)).await.unwrap().is_none());
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    async fn a_reading_burns_what_was_reserved_for_it(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Fuel, 100)]).await;
        let (first, second) = (CallId(uuid()), CallId(uuid()));
        let subject = SourceId(uuid());
        let reserve = async |reading, fuel| store.reserve_reading(reading, org, fuel, at(0), at(60)).await;
        assert_eq!(reserve(first, 60).await.unwrap().fuel, 60);
        let more = reserve(second, 60).await;
        assert!(matches!(more, Err(BeginCallError::LimitReserved(_))), "{more:?}");
        assert_eq!(reserve(second, 30).await.unwrap().fuel, 30);
        assert_eq!(store.extend_call(second, org, 10, at(1)).await.unwrap(), 10);
        let burnt = |fuel| BurntFuel { organization: org, subject, fuel, now: at(2) };
        store.settle_reading(second, burnt(40)).await.unwrap();
        assert_eq!(used(&store, org, Meter::Fuel).await, 40);
        // The host of the first one dies. Its fuel is free again, and no call is billed.
        store.recover(at(61)).await.unwrap();
        let third = CallId(uuid());
        assert_eq!(reserve(third, 1000).await.unwrap().fuel, 60, "the rest, since nothing else is reserved");
        store.settle_reading(third, burnt(0)).await.unwrap();
        // It was only slow: what it burnt is counted, once.
        store.settle_reading(first, burnt(5)).await.unwrap();
        assert_eq!((used(&store, org, Meter::Fuel).await, used(&store, org, Meter::ConnectorCalls).await), (45, 0));
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.meters[&Meter::Fuel].reserved, Some(0));
        backend.assert_billed(&report).await;
    }

    async fn sources_that_failed_have_a_bound(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let fail = async |key: &str, seconds: u64, next_at: Option<Timestamp>| {
            let new = NewDocument { now: at(seconds), ..file(org, Some(key), b"x") };
            let id = enqueue(&store, new).await.unwrap().id();
            let due = take(&store, at(seconds)).await.unwrap();
            assert_eq!(due.id, id);
            let failure = SourceFailure::new(FailureKind::Damaged, "it is cut");
            let failed = ReadResult::Failed { failure, forget: None, misses: 0, next_at };
            assert!(store.settle_source(due, failed, at(seconds)).await.unwrap());
            id
        };
        // One that is tried again stays, however old it is.
        let waits = fail("waits", 0, Some(at(9999))).await;
        let oldest = fail("oldest", 1, None).await;
        let copied = fail("copied", 2, None).await;
        let new_id = if store.kind() == "sqlite" { "lower(hex(randomblob(16)))" } else { "gen_random_uuid()" };
        let sql = format!(
            "INSERT INTO knowledge_sources (id, organization_id, title, content_type, text, embedder, chunks, created_at,
                 revision, updated_at, kind, status)
             SELECT {new_id}, organization_id, title, content_type, text, embedder, chunks, created_at, id, updated_at, kind,
                 status
             FROM knowledge_sources, (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
                                      SELECT i FROM n) AS copies
             WHERE id = '{copied}'",
            FAILURES_MOST - 2
        );
        backend.execute(sql.leak()).await;
        let there = async |id| store.find_source(org, id).await.unwrap().is_some();
        let last = fail("last", 3, None).await;
        assert_eq!((there(waits).await, there(oldest).await, there(last).await), (true, false, true));
        assert_eq!(store.list_sources(org).await.unwrap().len() as u64, FAILURES_MOST + 1);
    }

    async fn a_page_is_tried_again_and_forgotten_when_it_is_gone(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let page = || NewDocument {
            kind: SourceKind::Page,
            url: Some("https://a.example/".to_owned()),
            file: None,
            refresh_every_s: Some(600),
            ..file(org, Some("page"), b"")
        };
        enqueue(&store, page()).await.unwrap();
        let due = take(&store, at(0)).await.unwrap();
        assert_eq!((due.refresh_every_s, due.url.as_deref()), (Some(600), Some("https://a.example/")));
        let failure = SourceFailure::new(FailureKind::Unreachable, "503");
        let retry = ReadResult::Retry { failure, at: at(20) };
        store.settle_source(due.clone(), retry.clone(), at(1)).await.unwrap();
        assert!(take(&store, at(19)).await.is_none());
        let due = take(&store, at(20)).await.unwrap();
        assert_eq!(due.tries, 2);
        let mut change = finish(&due, &["Known."]);
        let ChangedBy::Read(read) = &mut change.content else { panic!() };
        read.next_at = Some(at(620));
        store.revise_source(change).await.unwrap();
        let due = take(&store, at(620)).await.unwrap();
        assert_eq!((due.tries, due.version.etag.as_deref(), due.content_hash), (1, Some("\"1\""), Some([7; 32])));
        store.settle_source(due.clone(), retry, at(621)).await.unwrap();
        let found = store.find_source(org, due.id).await.unwrap().unwrap().source;
        assert_eq!((found.status, found.chunks), (SourceStatus::Ready, 1), "it is still found");
        assert!(found.failure.is_some());

        let due = take(&store, at(700)).await.unwrap();
        let unchanged =
            ReadResult::Unchanged { content_hash: [8; 32], version: PageVersion::default(), next_at: Some(at(1300)) };
        store.settle_source(due, unchanged, at(701)).await.unwrap();
        let due = take(&store, at(1300)).await.unwrap();
        assert_eq!((due.tries, due.content_hash, &due.version), (1, Some([8; 32]), &PageVersion::default()));
        let version = store.knowledge_version(org).await.unwrap();
        let failure = SourceFailure::new(FailureKind::Gone, "404");
        let forget = RevisionId(uuid());
        let gone = ReadResult::Failed { failure, forget: Some(forget), misses: 2, next_at: Some(at(2000)) };
        store.settle_source(due.clone(), gone, at(1301)).await.unwrap();
        assert_eq!(store.revisions(org).await.unwrap(), [RevisionSize { id: forget, passages: 0 }]);
        assert_eq!(store.knowledge_version(org).await.unwrap(), version + 1);
        let found = store.find_source(org, due.id).await.unwrap().unwrap();
        assert_eq!((found.source.status, found.text.as_str()), (SourceStatus::Failed, ""));
        assert_eq!(take(&store, at(2000)).await.unwrap().misses, 2);
    }

    async fn the_list_of_sources_has_pages_and_filters(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let mut made = Vec::new();
        for n in 0..5 {
            // Some of the same moment.
            let new = NewSource { created_at: at(n / 2), ..source(org, "A", &["x"]) };
            made.push((new.created_at, new.id));
            store.add_source(new).await.unwrap();
        }
        made.sort();
        made.reverse();
        let (mut before, mut listed) = (None, Vec::new());
        loop {
            let query = SourceQuery { before, limit: 2, ..SourceQuery::default() };
            let page = store.sources(org, query).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(Cursor { at: last.created_at, id: last.id.0 });
            listed.extend(page.iter().map(|source| (source.created_at, source.id)));
        }
        assert_eq!(listed, made);
        let waits = enqueue(&store, file(org, Some("a"), b"x")).await.unwrap().id();
        let by_status = async |status| {
            let query = SourceQuery { status: Some(status), limit: 9, ..SourceQuery::default() };
            store.sources(org, query).await.unwrap().iter().map(|source| source.id).collect::<Vec<_>>()
        };
        assert_eq!((by_status(SourceStatus::Queued).await, by_status(SourceStatus::Ready).await.len()), (vec![waits], 5));
        let crawl: CrawlId = "01890000-0000-7000-8000-000000000000".parse().unwrap();
        let other = SourceQuery { crawl: Some(crawl), limit: 9, ..SourceQuery::default() };
        assert!(store.sources(org, other.clone()).await.unwrap().is_empty());
        let sql = "UPDATE knowledge_sources SET crawl_id = '01890000-0000-7000-8000-000000000000' WHERE status = 'queued'";
        backend.execute(sql).await;
        let found = store.sources(org, other).await.unwrap();
        assert_eq!((found.len(), found[0].crawl), (1, Some(crawl)));
        let stranger = organization(&store, &[]).await;
        assert!(store.sources(stranger, SourceQuery { limit: 9, ..SourceQuery::default() }).await.unwrap().is_empty());
    }
}
