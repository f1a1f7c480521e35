//! Sources, passages and their search.

use resly_core::{
    id::{OrganizationId, PassageId, SourceId},
    knowledge::{AddSourceError, KnowledgeStore, NewPassage, NewSource},
    meter::Meter,
};

use crate::{
    backend::{Backend, at, organization, used, uuid},
    both,
};

fn source(organization: OrganizationId, title: &str, texts: &[&str]) -> NewSource {
    NewSource {
        id: SourceId(uuid()),
        organization,
        title: title.to_owned(),
        url: Some("https://docs.example/a".to_owned()),
        content_type: "text/markdown".to_owned(),
        text: texts.join("\n\n"),
        embedder: "test".to_owned(),
        passages: texts.iter().map(|text| passage(text)).collect(),
        created_at: at(0),
    }
}

fn passage(text: &str) -> NewPassage {
    let vector = vec![1.0, -0.5, f32::MIN_POSITIVE];
    NewPassage { id: PassageId(uuid()), section: "Billing".to_owned(), text: text.to_owned(), vector }
}

both! {
    async fn a_source_is_stored_counted_found_and_deleted(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Embeddings, 3)]).await;
        let stranger = organization(&store, &[]).await;
        assert_eq!(store.knowledge_version(org).await.unwrap(), 0);
        let new = source(org, "Refunds", &["Money is returned in five days.", "Shipping is free.\0"]);
        store.add_source(new.clone()).await.unwrap();
        assert_eq!(store.knowledge_version(org).await.unwrap(), 1);
        assert_eq!(used(&store, org, Meter::Embeddings).await, 2);

        let AddSourceError::Limit(limit) = store.add_source(source(org, "More", &["a", "b"])).await.unwrap_err() else {
            panic!("no limit")
        };
        assert_eq!((limit.meter, limit.limit, limit.used), (Meter::Embeddings, 3, 2));
        assert_eq!(store.knowledge_version(org).await.unwrap(), 1, "all or nothing");
        let listed = store.list_sources(org).await.unwrap();
        assert_eq!((listed.len(), listed[0].chunks, listed[0].id), (1, 2, new.id));
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;

        let vectors = store.load_vectors(org, "test").await.unwrap();
        assert_eq!(vectors.len(), 2);
        assert_eq!(vectors[0].vector, new.passages[0].vector);
        assert!(store.load_vectors(org, "other").await.unwrap().is_empty());
        let ids: Vec<_> = new.passages.iter().map(|passage| passage.id).collect();
        let found = store.load_passages(org, &ids).await.unwrap();
        assert_eq!(found.len(), 2);
        let first = found.iter().find(|passage| passage.id == ids[0]).unwrap();
        assert_eq!((first.title.as_str(), first.section.as_str(), first.source_id), ("Refunds", "Billing", new.id));
        assert_eq!((first.text.as_str(), first.url.as_deref()), (new.passages[0].text.as_str(), new.url.as_deref()));
        assert!(store.load_passages(org, &[]).await.unwrap().is_empty());

        assert!(store.load_passages(stranger, &ids).await.unwrap().is_empty());
        assert!(store.load_vectors(stranger, "test").await.unwrap().is_empty());
        assert!(store.list_sources(stranger).await.unwrap().is_empty());
        // Neither database's texts hold U+0000.
        let text = new.text.replace('\0', "\u{fffd}");
        assert_eq!(store.source_text(org, new.id).await.unwrap(), Some(text));
        assert_eq!(store.source_text(stranger, new.id).await.unwrap(), None);
        assert!(store.match_text(stranger, "money", 5).await.unwrap().is_empty());
        assert!(!store.delete_source(stranger, new.id, at(1)).await.unwrap());

        assert_eq!(store.match_text(org, "money", 5).await.unwrap(), [ids[0]]);
        assert!(store.delete_source(org, new.id, at(1)).await.unwrap());
        assert!(!store.delete_source(org, new.id, at(1)).await.unwrap());
        assert_eq!(store.knowledge_version(org).await.unwrap(), 2);
        assert!(store.match_text(org, "money", 5).await.unwrap().is_empty());
        assert!(store.load_passages(org, &ids).await.unwrap().is_empty());
        assert_eq!(used(&store, org, Meter::Embeddings).await, 2, "what was embedded stays counted");
        store.add_source(source(org, "Empty", &[])).await.unwrap();
    }

    async fn the_best_match_comes_first(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let texts = [
            "A parcel may be late when the weather is bad.",
            "Refunds are paid within five days. A refund goes to the card that paid.",
            "The shop opens at nine. Ask for a refund at the desk.",
            "Our offices are in Lisbon.",
        ];
        let new = source(org, "Handbook", &texts);
        store.add_source(new.clone()).await.unwrap();
        // Another organization's passages don't come up, nor does their number matter.
        let stranger = organization(&store, &[]).await;
        store.add_source(source(stranger, "Refunds", &["refund refund", "refunds", "refunding"])).await.unwrap();

        let found = store.match_text(org, "How do I get REFUNDED?", 10).await.unwrap();
        assert_eq!(found, [new.passages[1].id, new.passages[2].id], "stems match, and more is better");
        assert_eq!(store.match_text(org, "refund", 1).await.unwrap().len(), 1);
        assert_eq!(store.match_text(org, "parcels Lisbon", 10).await.unwrap().len(), 2, "any word is a match");
        let titled = source(org, "Warranty", &["Two years for everything."]);
        store.add_source(titled.clone()).await.unwrap();
        assert_eq!(store.match_text(org, "warranty", 10).await.unwrap(), [titled.passages[0].id], "titles count");
        assert!(store.match_text(org, "xylophone", 10).await.unwrap().is_empty());
    }

    async fn nothing_that_is_typed_is_an_error(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = source(org, "Refunds", &["Don't panic: a refund for you, naïve 東京 user."]);
        store.add_source(new.clone()).await.unwrap();
        let long = "refund \" OR (".repeat(10_000);
        let nasty = [
            "", " ", "\"", "'", "\"\"\"", "refund\"", "\"refund", "refund*", "^refund", "refund AND", "NOT refund", "OR",
            "AND OR NOT NEAR", "NEAR(refund, 5)", "title:refund", "{title}: refund", "tenant:x OR refund", "-refund",
            "+refund", "(refund", "refund)", "refund & | ! <-> :*", "a:b:c", "\\", "\0", "refund\0", "🤷‍♀️ refund 💸", "ا",
            "東京", "%_", "$1", "'; DROP TABLE passages; --", "\u{202e}refund", "e\u{301}", "ſ", "İ", "\u{1d7d8}²", long.as_str(),
        ];
        for typed in nasty {
            let found = store.match_text(org, typed, 5).await.unwrap_or_else(|error| panic!("{typed:.40}: {error}"));
            let words: Vec<_> = typed.split(|c: char| !c.is_alphanumeric()).collect();
            assert_eq!(found.len(), usize::from(words.contains(&"refund") || words.contains(&"東京")), "{typed:.40}");
        }
    }
}
