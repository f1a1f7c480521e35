//! Several sources of one request: all of them are written, or none.

use resly_core::{
    id::{OrganizationId, RevisionId, SourceId},
    knowledge::{AddSourceError, KnowledgeStore, NewRevision, NewSource, RevisedPassage},
    meter::Meter,
};
use resly_store::{ChangedBy, SourceChange, SourceMove, SourceWrite, Store};

use crate::{
    backend::{Backend, at, organization, used, uuid},
    both,
    knowledge::{passage, source},
};

fn sources(organization: OrganizationId, passages: &[usize]) -> Vec<NewSource> {
    let new = |count: &usize| source(organization, "Batch", &vec!["Passage."; *count]);
    passages.iter().map(new).collect()
}

async fn titles(store: &Store, organization: OrganizationId) -> Vec<String> {
    let mut titles: Vec<_> =
        store.list_sources(organization).await.unwrap().into_iter().map(|source| source.title).collect();
    titles.sort();
    titles
}

fn revised(organization: OrganizationId, id: SourceId, base: RevisionId, title: &str, texts: &[&str]) -> SourceWrite {
    SourceWrite::Revise(Box::new(SourceChange {
        organization,
        source: id,
        revision: NewRevision {
            id: RevisionId(uuid()),
            base,
            title: title.to_owned(),
            content_type: "text/plain".to_owned(),
            text: texts.concat(),
            language: "en",
            embedder: "test".to_owned(),
            passages: texts.iter().map(|text| RevisedPassage::New(passage(text))).collect(),
        },
        content: ChangedBy::Request { url: None, identity: None },
        now: at(5),
    }))
}

both! {
    async fn sources_are_added_together_or_not_at_all(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Embeddings, 300)]).await;
        for (passages, fits) in [(&[2, 3][..], true), (&[100, 1, 100], true), (&[30, 20, 45], false), (&[90, 1, 3], true), (&[1, 1], false)] {
            let (sources_before, passages_before) = (
                backend.number("SELECT COUNT(*) FROM knowledge_sources").await,
                backend.number("SELECT COUNT(*) FROM passages").await,
            );
            let added = store.add_sources(sources(org, passages)).await;
            assert_eq!(added.is_ok(), fits, "{passages:?}: {added:?}");
            while store.delete_hidden().await.unwrap() {}
            let (more, rows) = if fits { (passages.iter().sum(), passages.len()) } else { (0, 0) };
            assert_eq!(backend.number("SELECT COUNT(*) FROM knowledge_sources").await, sources_before + rows as i64);
            assert_eq!(backend.number("SELECT COUNT(*) FROM passages").await, passages_before + more as i64);
            assert_eq!(used(&store, org, Meter::Embeddings).await, (passages_before + more as i64) as u64);
        }
        assert!(store.list_sources(org).await.unwrap().iter().all(|source| source.status.name() == "ready"));
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;

        let mut same = sources(org, &[0, 0, 0]);
        same[0].identity = Some("url:a".to_owned());
        same[2].identity = Some("url:a".to_owned());
        let before = store.list_sources(org).await.unwrap();
        assert!(matches!(store.add_sources(same).await, Err(AddSourceError::Exists)));
        assert_eq!(store.list_sources(org).await.unwrap().len(), before.len());
        store.add_sources(Vec::new()).await.unwrap();

        let ids: Vec<SourceId> = before.iter().map(|source| source.id).collect();
        let stranger = organization(&store, &[]).await;
        assert_eq!(store.delete_sources(stranger, &ids).await.unwrap(), 0);
        assert_eq!(store.delete_sources(org, &[&ids[..], &ids[..1]].concat()).await.unwrap(), ids.len() as u64);
        while store.delete_hidden().await.unwrap() {}
        assert_eq!(backend.number("SELECT COUNT(*) FROM passages").await, 0);
    }

    async fn sources_are_changed_together_or_not_at_all(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Embeddings, 10)]).await;
        let (one, two) = (source(org, "One", &["a"]), source(org, "Two", &["b"]));
        store.add_sources(vec![one.clone(), two.clone()]).await.unwrap();
        let (first, second) = (RevisionId(one.id.0), RevisionId(two.id.0));
        let version = store.knowledge_version(org).await.unwrap();
        let stale = RevisionId(uuid());
        let write = |title: &'static str, texts: &'static [&'static str], base| {
            store.write_sources(vec![
                revised(org, one.id, first, title, texts),
                revised(org, two.id, base, title, texts),
            ])
        };
        assert!(matches!(write("Stale", &["c"], stale).await, Err(AddSourceError::Changed)));
        assert!(matches!(write("Over", &["c", "d", "e", "f", "g"], second).await, Err(AddSourceError::Limit(_))));
        assert_eq!(titles(&store, org).await, ["One", "Two"]);
        assert_eq!(store.knowledge_version(org).await.unwrap(), version, "no search sees any of it");
        assert_eq!((used(&store, org, Meter::Embeddings).await, backend.number("SELECT COUNT(*) FROM passages").await), (2, 2));

        write("New", &["c"], second).await.unwrap();
        assert_eq!(titles(&store, org).await, ["New", "New"]);
        let to = |source, url: &str| SourceWrite::Move(SourceMove { organization: org, source, url: Some(url.to_owned()), identity: Some(url.to_owned()), now: at(6) });
        let same = store.write_sources(vec![to(one.id, "url:a"), to(two.id, "url:a")]).await;
        assert!(matches!(same, Err(AddSourceError::Exists)), "{same:?}");
        assert!(store.list_sources(org).await.unwrap().iter().all(|source| source.identity.is_none()));
        store.write_sources(vec![to(one.id, "url:a"), to(two.id, "url:b")]).await.unwrap();
        assert!(store.list_sources(org).await.unwrap().iter().all(|source| source.identity.is_some()));
    }
}
