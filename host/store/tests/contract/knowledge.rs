//! Sources and passages, and what the search finds of them.

use std::sync::Arc;

use async_trait::async_trait;
use resly_core::{
    error::EmbedError,
    id::{OrganizationId, PassageId, RevisionId, SourceId},
    knowledge::{
        AddSourceError, EmbedAs, Embedder, KnowledgeStore, NewPassage, NewSource, OneWay, Retriever, RevisionSize,
        Synonyms,
    },
    meter::Meter,
    testing::{ManualClock, SequenceRandom},
};
use resly_search::Library;
use uuid::Uuid;

use crate::{
    backend::{Backend, at, organization, used, uuid},
    both,
};

pub fn source(organization: OrganizationId, title: &str, texts: &[&str]) -> NewSource {
    NewSource {
        id: SourceId(uuid()),
        organization,
        title: title.to_owned(),
        url: Some("https://docs.example/a".to_owned()),
        identity: None,
        content_type: "text/markdown".to_owned(),
        text: texts.join("\n\n"),
        language: "en",
        embedder: "test".to_owned(),
        passages: texts.iter().map(|text| passage(text)).collect(),
        created_at: at(0),
    }
}

pub fn passage(text: &str) -> NewPassage {
    let vector = vec![1.0, -0.5, f32::MIN_POSITIVE];
    NewPassage { id: PassageId(uuid()), section: "Billing".to_owned(), text: text.to_owned(), vector }
}

/// Counts letters, so that texts have vectors that differ and some that don't.
struct Letters;

#[async_trait]
impl Embedder for Letters {
    fn name(&self) -> &str {
        "test"
    }

    fn floor(&self) -> Option<f32> {
        Some(0.8)
    }

    async fn embed(&self, texts: &[String], _: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(texts.iter().map(|text| vector(text)).collect())
    }
}

fn vector(text: &str) -> Vec<f32> {
    let count = |letter: char| text.chars().filter(|c| *c == letter).count() as f32;
    let counts: Vec<f32> = ('a'..='z').map(count).collect();
    let length = counts.iter().map(|x| x * x).sum::<f32>().sqrt().max(1.0);
    counts.iter().map(|x| x / length).collect()
}

const KNOWLEDGE: [(&str, &[&str]); 4] = [
    (
        "Handbook",
        &[
            "A parcel may be late when the weather is bad.",
            "Refunds are paid within five days. A refund goes to the card that paid.",
            "The shop opens at nine. Ask for a refund at the desk.",
            "Our offices are in Lisbon.",
        ],
    ),
    ("Copy", &["The shop opens at nine. Ask for a refund at the desk.", "Our offices are in Lisbon."]),
    ("Hilfe", &["Rückgaben sind innerhalb von dreißig Tagen möglich.", "Die Erstattung kommt auf das Konto zurück."]),
    ("帮助", &["订阅费用可以随时退款。", "请联系客服。"]),
];

/// Questions, and the passages that both stores find, best first: thousands are the source, the rest is the position.
const QUESTIONS: [(&str, &[u128]); 9] = [
    ("How do I get REFUNDED?", &[1, 1000, 2]),
    ("refund", &[1, 1000, 2]),
    ("parcels Lisbon", &[1001, 3, 0]),
    ("ofices", &[1001, 3]),
    ("warranty", &[]),
    ("Wie lange habe ich für die Rückgabe?", &[2000, 0]),
    ("erstatung", &[2001]),
    ("退款", &[3000]),
    ("xylophone", &[]),
];

both! {
    async fn synonyms_are_replaced_whole_and_raise_the_version(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        assert_eq!(store.synonyms(org).await.unwrap(), Synonyms::default());
        let synonyms = Synonyms {
            sets: vec![vec!["refund".to_owned(), "money \"back\"".to_owned(), "退款".to_owned()]],
            one_way: vec![OneWay { from: "pass".to_owned(), to: vec!["password".to_owned()] }],
        };
        store.set_synonyms(org, synonyms.clone()).await.unwrap();
        assert_eq!(store.synonyms(org).await.unwrap(), synonyms);
        assert_eq!(store.knowledge_version(org).await.unwrap(), 1);
        assert_eq!(store.synonyms(stranger).await.unwrap(), Synonyms::default());
        assert_eq!(store.knowledge_version(stranger).await.unwrap(), 0);
        store.set_synonyms(org, Synonyms::default()).await.unwrap();
        assert_eq!(store.synonyms(org).await.unwrap(), Synonyms::default());
        assert_eq!(store.knowledge_version(org).await.unwrap(), 2);
    }

    async fn synonyms_are_searched_on_both_stores_alike(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let mut new = source(org, "Hilfe", &["Die Erstattung kommt auf das Konto.", "Eine Rückgabe ist möglich."]);
        new.passages.iter_mut().for_each(|passage| passage.vector = Vec::new());
        store.add_source(new.clone()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (clock, random) = (Arc::new(ManualClock::default()), Arc::new(SequenceRandom::default()));
        let library = Library::new(Arc::new(store), Arc::new(Letters), folder.path().to_owned(), clock, random);
        assert!(library.retrieve(org, "Kohle", 6).await.unwrap().is_empty());
        let one_way = vec![OneWay { from: "Kohle".to_owned(), to: vec!["Erstattungen".to_owned()] }];
        library.set_synonyms(org, Synonyms { sets: Vec::new(), one_way }).await.unwrap();
        let found = library.retrieve(org, "wo ist meine kohle", 6).await.unwrap();
        assert_eq!(found.iter().map(|passage| passage.id).collect::<Vec<_>>(), [new.passages[0].id]);
    }

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

        let vectors = store.load_vectors(org, "test", &[RevisionId(new.id.0)]).await.unwrap();
        assert_eq!(vectors.len(), 2);
        assert_eq!(vectors[0].vector, new.passages[0].vector);
        assert!(store.load_vectors(org, "other", &[RevisionId(new.id.0)]).await.unwrap().is_empty());
        let texts = store.load_texts(org, &[RevisionId(new.id.0)]).await.unwrap();
        let found: Vec<_> = texts.iter().map(|text| (text.id, text.position, text.text.as_str())).collect();
        let ids: Vec<_> = new.passages.iter().map(|passage| passage.id).collect();
        assert_eq!(found, [(ids[0], 0, "Money is returned in five days."), (ids[1], 1, "Shipping is free.\u{fffd}")]);
        assert_eq!((texts[0].title.as_str(), texts[0].section.as_str()), ("Refunds", "Billing"));
        assert_eq!(store.revisions(org).await.unwrap(), [RevisionSize { id: RevisionId(new.id.0), passages: 2 }]);
        let found = store.load_passages(org, &ids).await.unwrap();
        assert_eq!(found.len(), 2);
        let first = found.iter().find(|passage| passage.id == ids[0]).unwrap();
        assert_eq!((first.title.as_str(), first.section.as_str(), first.source_id), ("Refunds", "Billing", new.id));
        assert_eq!((first.text.as_str(), first.url.as_deref()), (new.passages[0].text.as_str(), new.url.as_deref()));
        assert!(store.load_passages(org, &[]).await.unwrap().is_empty());

        assert!(store.load_passages(stranger, &ids).await.unwrap().is_empty());
        assert!(store.load_vectors(stranger, "test", &[RevisionId(new.id.0)]).await.unwrap().is_empty());
        assert!(store.load_texts(stranger, &[RevisionId(new.id.0)]).await.unwrap().is_empty());
        assert!(store.revisions(stranger).await.unwrap().is_empty());
        assert!(store.list_sources(stranger).await.unwrap().is_empty());
        // Neither database's texts hold U+0000.
        let text = new.text.replace('\0', "\u{fffd}");
        assert_eq!(store.find_source(org, new.id).await.unwrap().unwrap().text, text);
        assert!(store.find_source(stranger, new.id).await.unwrap().is_none());
        assert!(!store.delete_source(stranger, new.id, at(1)).await.unwrap());

        assert!(store.delete_source(org, new.id, at(1)).await.unwrap());
        assert!(!store.delete_source(org, new.id, at(1)).await.unwrap());
        assert_eq!(store.knowledge_version(org).await.unwrap(), 2);
        assert!(store.revisions(org).await.unwrap().is_empty());
        assert!(store.load_texts(org, &[RevisionId(new.id.0)]).await.unwrap().is_empty());
        assert!(store.load_passages(org, &ids).await.unwrap().is_empty());
        assert_eq!(used(&store, org, Meter::Embeddings).await, 2, "what was embedded stays counted");
        store.add_source(source(org, "Empty", &[])).await.unwrap();
    }

    async fn a_large_source_is_added_whole_or_not_at_all(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Embeddings, 300)]).await;
        let texts: Vec<String> = (0..200).map(|n| format!("Passage {n}.")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let large = source(org, "Large", &texts);
        let (id, revision) = (large.id, RevisionId(large.id.0));
        store.add_source(large).await.unwrap();
        let loaded = store.load_texts(org, &[revision]).await.unwrap();
        assert!(loaded.iter().map(|passage| &*passage.text).eq(texts.iter().copied()), "in their order");
        assert_eq!(store.list_sources(org).await.unwrap()[0].chunks, 200);
        assert_eq!(store.usage(org, at(0)).await.unwrap().meters[&Meter::Embeddings].used, 200);

        let refused = source(org, "Too much", &texts);
        let gone = RevisionId(refused.id.0);
        assert!(matches!(store.add_source(refused).await, Err(AddSourceError::Limit(_))));
        assert_eq!(store.list_sources(org).await.unwrap().len(), 1);
        assert!(store.load_texts(org, &[gone]).await.unwrap().is_empty());
        assert_eq!(store.usage(org, at(0)).await.unwrap().meters[&Meter::Embeddings].used, 200);

        assert!(store.delete_source(org, id, at(0)).await.unwrap());
        assert!(!store.delete_source(org, id, at(0)).await.unwrap());
        assert!(store.load_texts(org, &[revision]).await.unwrap().is_empty());
        while store.delete_hidden().await.unwrap() {}
        assert_eq!(backend.number("SELECT COUNT(*) FROM passages").await, 0);
    }

    async fn a_source_that_a_dead_host_was_adding_is_deleted_later(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        store.add_source(source(org, "Half", &["One.", "Two."])).await.unwrap();
        store.add_source(source(org, "Whole", &["Three."])).await.unwrap();
        backend.execute("UPDATE knowledge_sources SET status = 'reading', chunks = 0 WHERE title = 'Half'").await;
        assert_eq!(store.forget_unfinished_sources(at(60)).await.unwrap(), 0, "its host may be at it");
        assert_eq!(store.forget_unfinished_sources(at(4_000)).await.unwrap(), 1);
        while store.delete_hidden().await.unwrap() {}
        assert_eq!(store.list_sources(org).await.unwrap().len(), 1);
        assert_eq!(backend.number("SELECT COUNT(*) FROM passages").await, 1);
    }

    async fn sources_and_passages_come_in_order(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let mut given: Vec<_> = (0..3).map(|_| source(org, "A", &["one", "two"])).collect();
        for new in given.iter().rev() {
            store.add_source(new.clone()).await.unwrap();
        }
        given.sort_by_key(|new| new.id);
        let ids: Vec<_> = given.iter().map(|new| RevisionId(new.id.0)).collect();
        let sizes = store.revisions(org).await.unwrap();
        assert_eq!(sizes.iter().map(|size| size.id).collect::<Vec<_>>(), ids);
        let expected: Vec<_> = given.iter().flat_map(|new| new.passages.iter().map(|passage| passage.id)).collect();
        let texts = store.load_texts(org, &ids).await.unwrap();
        assert_eq!(texts.iter().map(|text| text.id).collect::<Vec<_>>(), expected);
        let vectors = store.load_vectors(org, "test", &ids).await.unwrap();
        assert_eq!(vectors.iter().map(|vector| vector.passage).collect::<Vec<_>>(), expected);
        assert_eq!(store.load_texts(org, &ids[1..2]).await.unwrap().len(), 2);
    }

    async fn what_the_search_finds_and_its_order_do_not_depend_on_the_store(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        for (n, (title, texts)) in KNOWLEDGE.iter().enumerate() {
            let mut new = source(org, title, texts);
            // The same ids on both stores; equal passages are told apart by them alone.
            new.id = SourceId(Uuid::from_u128(100 - n as u128));
            for (at, passage) in new.passages.iter_mut().enumerate() {
                passage.id = PassageId(Uuid::from_u128((1000 * n + at) as u128));
                passage.vector = vector(&passage.text);
            }
            store.add_source(new).await.unwrap();
            store.add_source(source(stranger, title, texts)).await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let (clock, random) = (Arc::new(ManualClock::default()), Arc::new(SequenceRandom::default()));
        let library = Library::new(Arc::new(store), Arc::new(Letters), folder.path().to_owned(), clock, random);
        for (question, expected) in QUESTIONS {
            let passages = library.retrieve(org, question, 6).await.unwrap();
            let found: Vec<u128> = passages.iter().map(|passage| passage.id.0.as_u128()).collect();
            assert_eq!(found, expected, "{question}");
        }
    }

    async fn nothing_that_is_typed_is_an_error(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = source(org, "Refunds", &["Don't panic: a refund for you, naïve 東京 user."]);
        store.add_source(new.clone()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (clock, random) = (Arc::new(ManualClock::default()), Arc::new(SequenceRandom::default()));
        let library = Library::new(Arc::new(store), Arc::new(Letters), folder.path().to_owned(), clock, random);
        let long = "refund \" OR (".repeat(10_000);
        let nasty = [
            "", " ", "\"", "'", "\"\"\"", "refund\"", "\"refund", "refund*", "^refund", "refund AND", "NOT refund", "OR",
            "AND OR NOT NEAR", "NEAR(refund, 5)", "title:refund", "{title}: refund", "tenant:x OR refund", "-refund",
            "+refund", "(refund", "refund)", "refund & | ! <-> :*", "a:b:c", "\\", "\0", "refund\0", "🤷‍♀️ refund 💸", "ا",
            "東京", "%_", "$1", "'; DROP TABLE passages; --", "\u{202e}refund", "e\u{301}", "ſ", "İ", "\u{1d7d8}²", long.as_str(),
        ];
        for typed in nasty {
            let found = library.retrieve(org, typed, 5).await.unwrap_or_else(|error| panic!("{typed:.40}: {error}"));
            let words: Vec<_> = typed.split(|c: char| !c.is_alphanumeric()).collect();
            let known = ["refund", "東京", "a"].iter().any(|known| words.contains(known));
            assert_eq!(found.len(), usize::from(known), "{typed:.40}");
        }
    }
}
