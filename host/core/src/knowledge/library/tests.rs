//! The library over a store in memory.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use uuid::Uuid;

use super::*;
use crate::{
    knowledge::{Source, StoredVector},
    meter::{LimitLevel, LimitReached, Meter},
    testing::{ManualClock, SequenceRandom},
    time::Timestamp,
};

/// Finds what holds the query's words, and counts what it is asked.
#[derive(Default)]
struct Fake {
    sources: Mutex<Vec<NewSource>>,
    versions: Mutex<BTreeMap<OrganizationId, u64>>,
    asked: [AtomicUsize; 4],
    full: AtomicBool,
}

const VERSION: usize = 0;
const TEXT: usize = 1;
const VECTORS: usize = 2;
const PASSAGES: usize = 3;

impl Fake {
    fn count(&self, what: usize) {
        self.asked[what].fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> [usize; 4] {
        self.asked.each_ref().map(|count| count.swap(0, Ordering::Relaxed))
    }

    fn bump(&self, organization: OrganizationId) {
        *self.versions.lock().unwrap().entry(organization).or_default() += 1;
    }

    fn passages(&self, organization: OrganizationId) -> Vec<(NewSource, NewPassage)> {
        let sources = self.sources.lock().unwrap();
        let own = sources.iter().filter(|source| source.organization == organization);
        own.flat_map(|source| source.passages.iter().map(|passage| (source.clone(), passage.clone()))).collect()
    }
}

#[async_trait]
impl KnowledgeStore for Fake {
    async fn add_source(&self, source: NewSource) -> Result<(), AddSourceError> {
        if self.full.load(Ordering::Relaxed) {
            let resets_at = Timestamp::from_micros(0);
            return Err(
                LimitReached { of: LimitLevel::Plan, meter: Meter::Embeddings, limit: 1, used: 1, resets_at }.into()
            );
        }
        self.bump(source.organization);
        self.sources.lock().unwrap().push(source);
        Ok(())
    }

    async fn list_sources(&self, _: OrganizationId) -> Result<Vec<Source>, StoreError> {
        Ok(Vec::new())
    }

    async fn delete_source(
        &self,
        organization: OrganizationId,
        id: SourceId,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut sources = self.sources.lock().unwrap();
        let before = sources.len();
        sources.retain(|source| source.organization != organization || source.id != id);
        self.bump(organization);
        Ok(sources.len() < before)
    }

    async fn match_text(
        &self,
        organization: OrganizationId,
        query: &str,
        limit: usize,
    ) -> Result<Vec<PassageId>, StoreError> {
        self.count(TEXT);
        let found = self
            .passages(organization)
            .into_iter()
            .filter(|(_, passage)| query.split_whitespace().any(|word| passage.text.contains(word)));
        Ok(found.map(|(_, passage)| passage.id).take(limit).collect())
    }

    async fn knowledge_version(&self, organization: OrganizationId) -> Result<u64, StoreError> {
        self.count(VERSION);
        Ok(self.versions.lock().unwrap().get(&organization).copied().unwrap_or(0))
    }

    async fn load_vectors(
        &self,
        organization: OrganizationId,
        embedder: &str,
    ) -> Result<Vec<StoredVector>, StoreError> {
        self.count(VECTORS);
        let own = self.passages(organization).into_iter().filter(|(source, _)| source.embedder == embedder);
        Ok(own.map(|(_, passage)| StoredVector { passage: passage.id, vector: passage.vector }).collect())
    }

    async fn load_passages(&self, organization: OrganizationId, ids: &[PassageId]) -> Result<Vec<Passage>, StoreError> {
        self.count(PASSAGES);
        let own = self.passages(organization).into_iter().filter(|(_, passage)| ids.contains(&passage.id));
        let loaded = own.map(|(source, passage)| Passage {
            id: passage.id,
            source_id: source.id,
            title: source.title,
            section: passage.section,
            url: source.url,
            text: passage.text,
            score: 0.0,
        });
        // In any order: here the wrong one.
        let mut loaded: Vec<_> = loaded.collect();
        loaded.reverse();
        Ok(loaded)
    }
}

/// Knows three topics, and money for pay.
#[derive(Default)]
struct Topics {
    down: AtomicBool,
    batches: Mutex<Vec<usize>>,
}

#[async_trait]
impl Embedder for Topics {
    fn name(&self) -> &str {
        "topics"
    }

    fn floor(&self) -> f32 {
        0.5
    }

    async fn embed(&self, texts: &[String], _: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(EmbedError::Unavailable { at: "here".into(), detail: "down".into() });
        }
        self.batches.lock().unwrap().push(texts.len());
        let topics = [["pay", "money"], ["ship", "parcel"], ["login", "password"]];
        let vector = |text: &String| {
            let hit = topics.iter().position(|words| words.iter().any(|word| text.to_lowercase().contains(word)));
            (0..4).map(|n| if n == hit.unwrap_or(3) { 1.0 } else { 0.0 }).collect()
        };
        Ok(texts.iter().map(vector).collect())
    }
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_000_000)
}
const ORG: OrganizationId = OrganizationId(Uuid::from_u128(1));
const OTHER: OrganizationId = OrganizationId(Uuid::from_u128(2));

fn library() -> (Library, Arc<Fake>, Arc<Topics>) {
    let (store, embedder) = (Arc::new(Fake::default()), Arc::new(Topics::default()));
    let library = Library::new(
        Arc::clone(&store) as _,
        Arc::clone(&embedder) as _,
        Arc::new(ManualClock::at(now())),
        Arc::new(SequenceRandom::default()),
    );
    (library, store, embedder)
}

fn text(title: &str, text: &str) -> NewText {
    NewText { title: title.into(), text: text.into(), content_type: "text/markdown".into(), url: None }
}

async fn titles(library: &Library, organization: OrganizationId, query: &str) -> Vec<String> {
    let found = library.retrieve(organization, query, 5).await.unwrap();
    found.into_iter().map(|passage| format!("{}:{}", passage.title, passage.section)).collect()
}

#[tokio::test]
async fn what_both_ways_find_comes_first_and_what_none_finds_stays_away() {
    let (library, _, _) = library();
    library.add(ORG, text("A", "Some words about a parcel.")).await.unwrap();
    library.add(ORG, text("B", "You pay at the end.")).await.unwrap();
    library.add(ORG, text("C", "# Cards\n\nWe take cards; you pay by card.")).await.unwrap();
    assert_eq!(titles(&library, ORG, "pay card").await, ["B:", "C:Cards"]);
    assert_eq!(titles(&library, ORG, "card for money").await, ["C:Cards", "B:"]);
    assert_eq!(titles(&library, ORG, "money").await, ["B:", "C:Cards"]);
    assert!(titles(&library, ORG, "weather").await.is_empty());
    let scores: Vec<f32> = library.retrieve(ORG, "pay card", 5).await.unwrap().iter().map(|p| p.score).collect();
    assert!(scores[0] >= scores[1] && scores[1] > 0.0);
}

#[tokio::test]
async fn a_question_costs_two_store_calls_once_all_is_known() {
    let (library, store, _) = library();
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    titles(&library, ORG, "pay").await;
    assert_eq!(store.counts(), [1, 1, 1, 1]);
    titles(&library, ORG, "pay").await;
    assert_eq!(store.counts(), [0, 1, 0, 1]);
}

#[tokio::test]
async fn nothing_known_costs_next_to_nothing() {
    let (library, store, embedder) = library();
    assert!(titles(&library, ORG, "pay").await.is_empty());
    assert!(titles(&library, ORG, "pay").await.is_empty());
    assert!(titles(&library, ORG, "  ").await.is_empty());
    let counts = store.counts();
    assert_eq!(counts[TEXT] + counts[VECTORS] + counts[PASSAGES], 0);
    assert!(embedder.batches.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_added_or_removed_counts_for_the_next_question() {
    let (library, _, _) = library();
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    assert_eq!(titles(&library, ORG, "money").await, ["A:"]);
    let added = library.add(ORG, text("B", "Money back.")).await.unwrap();
    assert_eq!(titles(&library, ORG, "money").await.len(), 2);
    assert!(library.remove(ORG, added.id).await.unwrap());
    assert!(!library.remove(ORG, added.id).await.unwrap());
    assert_eq!(titles(&library, ORG, "money").await, ["A:"]);
}

#[tokio::test]
async fn a_source_that_was_deleted_behind_its_back_is_not_found() {
    let (library, store, _) = library();
    let added = library.add(ORG, text("A", "You pay.")).await.unwrap();
    assert_eq!(titles(&library, ORG, "money").await.len(), 1);
    store.delete_source(ORG, added.id, now()).await.unwrap();
    assert!(titles(&library, ORG, "money").await.is_empty());
}

#[tokio::test]
async fn organizations_do_not_meet() {
    let (library, _, _) = library();
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    library.add(OTHER, text("B", "They pay.")).await.unwrap();
    assert_eq!(titles(&library, ORG, "pay money").await, ["A:"]);
    assert_eq!(titles(&library, OTHER, "pay money").await, ["B:"]);
}

#[tokio::test]
async fn an_embedder_that_is_down_leaves_the_full_text() {
    let (library, store, embedder) = library();
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    embedder.down.store(true, Ordering::Relaxed);
    assert_eq!(titles(&library, ORG, "pay").await, ["A:"]);
    assert!(matches!(library.add(ORG, text("B", "x")).await, Err(AddError::Embed(_))));
    assert_eq!(store.sources.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_source_is_cut_embedded_in_batches_and_stored_whole() {
    let (library, store, embedder) = library();
    let long: String = (0..150).map(|n| format!("# H{n}\n\nText {n}.\n\n")).collect();
    let added = library.add(ORG, text("Long", &long)).await.unwrap();
    assert_eq!(added.chunks, 150);
    assert_eq!(*embedder.batches.lock().unwrap(), [64, 64, 22]);
    let sources = store.sources.lock().unwrap();
    assert_eq!(sources[0].text, long);
    assert_eq!(sources[0].embedder, "topics");
    assert_eq!(sources[0].passages[149].section, "H149");
    let ids: std::collections::HashSet<_> = sources[0].passages.iter().map(|passage| passage.id).collect();
    assert_eq!(ids.len(), 150);
}

#[tokio::test]
async fn refusals_have_their_names() {
    let (library, store, _) = library();
    assert!(matches!(library.add(ORG, text("A", " \n ")).await, Err(AddError::Empty)));
    store.full.store(true, Ordering::Relaxed);
    assert!(matches!(library.add(ORG, text("A", "x")).await, Err(AddError::Limit(_))));
}

#[tokio::test]
async fn many_questions_at_once_load_the_vectors_once() {
    let (library, store, _) = library();
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    let all = (0..20).map(|_| titles(&library, ORG, "money"));
    assert!(futures::future::join_all(all).await.iter().all(|found| found.len() == 1));
    let counts = store.counts();
    assert_eq!((counts[VERSION], counts[VECTORS]), (1, 1));
}

#[tokio::test]
async fn a_title_is_not_repeated_as_a_section() {
    let (library, _, _) = library();
    let pages = "# Pay\n\nHow to pay.\n\n## Cards\n\nYou pay by card.\n\n# Payday\n\nWe pay.";
    library.add(ORG, text("Pay", pages)).await.unwrap();
    assert_eq!(titles(&library, ORG, "pay").await, ["Pay:", "Pay:Cards", "Pay:Payday"]);
}
