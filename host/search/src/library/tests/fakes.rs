//! A store and an embedder in memory, and libraries over them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use resly_core::{
    error::EmbedError,
    id::RevisionId,
    knowledge::{AddSourceError, NewPassage, NewSource, PassageText, RevisionSize, Source, StoredVector},
    meter::{LimitLevel, LimitReached, LimitWindow, Meter},
    testing::{ManualClock, SequenceRandom},
    time::Timestamp,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::super::*;

/// Keeps sources in memory, and counts what it is asked.
pub struct Fake {
    pub sources: Mutex<Vec<NewSource>>,
    pub versions: Mutex<BTreeMap<OrganizationId, u64>>,
    pub synonyms: Mutex<Synonyms>,
    pub asked: [AtomicUsize; 4],
    pub full: AtomicBool,
    pub down: AtomicBool,
    /// Whether texts and vectors are left out, as by a reader that doesn't see the newest rows.
    pub behind: AtomicBool,
    /// Closed when it has no permits: texts are loaded when it opens.
    pub gate: Semaphore,
}

impl Default for Fake {
    fn default() -> Self {
        let gate = Semaphore::new(1);
        Self {
            sources: Mutex::default(),
            versions: Mutex::default(),
            synonyms: Mutex::default(),
            asked: Default::default(),
            full: AtomicBool::new(false),
            down: AtomicBool::new(false),
            behind: AtomicBool::new(false),
            gate,
        }
    }
}

pub const VERSION: usize = 0;
pub const TEXTS: usize = 1;
pub const VECTORS: usize = 2;
pub const PASSAGES: usize = 3;

impl Fake {
    pub fn count(&self, what: usize) {
        self.asked[what].fetch_add(1, Ordering::Relaxed);
    }

    pub fn counts(&self) -> [usize; 4] {
        self.asked.each_ref().map(|count| count.swap(0, Ordering::Relaxed))
    }

    pub fn bump(&self, organization: OrganizationId) {
        *self.versions.lock().unwrap().entry(organization).or_default() += 1;
    }

    pub fn passages(&self, organization: OrganizationId) -> Vec<(NewSource, NewPassage)> {
        let sources = self.sources.lock().unwrap();
        let own = sources.iter().filter(|source| source.organization == organization);
        own.flat_map(|source| source.passages.iter().map(|passage| (source.clone(), passage.clone()))).collect()
    }
}

#[async_trait]
impl KnowledgeStore for Fake {
    async fn add_sources(&self, sources: Vec<NewSource>) -> Result<(), AddSourceError> {
        if self.full.load(Ordering::Relaxed) {
            let resets_at = Timestamp::from_micros(0);
            return Err(LimitReached {
                of: LimitLevel::Plan,
                per: LimitWindow::Month,
                meter: Meter::Embeddings,
                limit: 1,
                used: 1,
                resets_at,
            }
            .into());
        }
        sources.iter().for_each(|source| self.bump(source.organization));
        self.sources.lock().unwrap().extend(sources);
        Ok(())
    }

    async fn list_sources(&self, _: OrganizationId) -> Result<Vec<Source>, StoreError> {
        Ok(Vec::new())
    }

    async fn delete_sources(&self, organization: OrganizationId, ids: &[SourceId]) -> Result<u64, StoreError> {
        let mut sources = self.sources.lock().unwrap();
        let before = sources.len();
        sources.retain(|source| source.organization != organization || !ids.contains(&source.id));
        self.bump(organization);
        Ok((before - sources.len()) as u64)
    }

    async fn synonyms(&self, _: OrganizationId) -> Result<Synonyms, StoreError> {
        Ok(self.synonyms.lock().unwrap().clone())
    }

    async fn set_synonyms(&self, organization: OrganizationId, synonyms: Synonyms) -> Result<(), StoreError> {
        *self.synonyms.lock().unwrap() = synonyms;
        self.bump(organization);
        Ok(())
    }

    async fn knowledge_version(&self, organization: OrganizationId) -> Result<u64, StoreError> {
        self.count(VERSION);
        Ok(self.versions.lock().unwrap().get(&organization).copied().unwrap_or(0))
    }

    async fn revisions(&self, organization: OrganizationId) -> Result<Vec<RevisionSize>, StoreError> {
        let sources = self.sources.lock().unwrap();
        let own = sources.iter().filter(|source| source.organization == organization);
        let size =
            |source: &NewSource| RevisionSize { id: RevisionId(source.id.0), passages: source.passages.len() as u32 };
        let mut sizes: Vec<_> = own.map(size).collect();
        sizes.sort_by_key(|size| size.id);
        Ok(sizes)
    }

    async fn load_texts(
        &self,
        organization: OrganizationId,
        revisions: &[RevisionId],
    ) -> Result<Vec<PassageText>, StoreError> {
        self.count(TEXTS);
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable { doing: "load", detail: "down".to_owned() });
        }
        drop(self.gate.acquire().await.unwrap());
        let mut own = self.passages(organization);
        own.retain(|_| !self.behind.load(Ordering::Relaxed));
        own.retain(|(source, _)| revisions.contains(&RevisionId(source.id.0)));
        own.sort_by_key(|(source, passage)| (source.id, passage.id));
        let text = |(position, (source, passage)): (u64, (NewSource, NewPassage))| PassageText {
            id: passage.id,
            revision: RevisionId(source.id.0),
            position,
            title: source.title,
            section: passage.section,
            text: passage.text,
        };
        Ok((0..).zip(own).map(text).collect())
    }

    async fn load_vectors(
        &self,
        organization: OrganizationId,
        embedder: &str,
        revisions: &[RevisionId],
    ) -> Result<Vec<StoredVector>, StoreError> {
        self.count(VECTORS);
        let mut own = self.passages(organization);
        own.retain(|_| !self.behind.load(Ordering::Relaxed));
        own.retain(|(source, _)| source.embedder == embedder && revisions.contains(&RevisionId(source.id.0)));
        own.sort_by_key(|(source, passage)| (source.id, passage.id));
        let vector = |(source, passage): (NewSource, NewPassage)| StoredVector {
            revision: RevisionId(source.id.0),
            passage: passage.id,
            vector: passage.vector,
        };
        Ok(own.into_iter().map(vector).collect())
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
pub struct Topics {
    pub down: AtomicBool,
    pub lexical: AtomicBool,
    pub batches: Mutex<Vec<usize>>,
}

#[async_trait]
impl Embedder for Topics {
    fn name(&self) -> &str {
        "topics"
    }

    fn floor(&self) -> Option<f32> {
        Some(0.5)
    }

    fn is_lexical(&self) -> bool {
        self.lexical.load(Ordering::Relaxed)
    }

    async fn embed(&self, texts: &[String], _: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(EmbedError::Unavailable { at: "here".into(), detail: "down".into() });
        }
        self.batches.lock().unwrap().push(texts.len());
        let topics = [["pay", "money"], ["ship", "parcel"], ["login", "password"]];
        let vector = |text: &String| {
            let hit = topics.iter().position(|words| words.iter().any(|word| text.to_lowercase().contains(word)));
            (0..3).map(|n| if Some(n) == hit { 1.0 } else { 0.0 }).collect()
        };
        Ok(texts.iter().map(vector).collect())
    }
}

pub fn now() -> Timestamp {
    Timestamp::from_micros(1_000_000)
}
pub const ORG: OrganizationId = OrganizationId(Uuid::from_u128(1));
pub const OTHER: OrganizationId = OrganizationId(Uuid::from_u128(2));

pub struct Setup {
    pub library: Library,
    pub store: Arc<Fake>,
    pub embedder: Arc<Topics>,
    pub random: Arc<SequenceRandom>,
    pub clock: Arc<ManualClock>,
    pub folder: tempfile::TempDir,
}

impl Setup {
    pub fn new() -> Self {
        Self::with_snapshot_bytes(SNAPSHOT_BYTES)
    }

    pub fn with_snapshot_bytes(bytes: u64) -> Self {
        let (store, embedder) = (Arc::<Fake>::default(), Arc::<Topics>::default());
        let (random, folder) = (Arc::<SequenceRandom>::default(), tempfile::tempdir().unwrap());
        let clock = Arc::new(ManualClock::at(now()));
        let library = open_at(&store, &embedder, &random, Arc::clone(&clock), folder.path(), bytes);
        Self { library, store, embedder, random, clock, folder }
    }

    /// Another process or a later start, with the same store and folder.
    pub fn again(&self) -> Library {
        open(&self.store, &self.embedder, &self.random, self.folder.path(), SNAPSHOT_BYTES)
    }

    pub fn files(&self) -> PathBuf {
        self.folder.path().join(ORG.0.to_string())
    }
}

pub fn open(
    store: &Arc<Fake>,
    embedder: &Arc<Topics>,
    random: &Arc<SequenceRandom>,
    folder: &Path,
    bytes: u64,
) -> Library {
    open_at(store, embedder, random, Arc::new(ManualClock::at(now())), folder, bytes)
}

fn open_at(
    store: &Arc<Fake>,
    embedder: &Arc<Topics>,
    random: &Arc<SequenceRandom>,
    clock: Arc<ManualClock>,
    folder: &Path,
    bytes: u64,
) -> Library {
    Library::with_snapshot_bytes(
        Arc::clone(store) as _,
        Arc::clone(embedder) as _,
        folder.to_owned(),
        clock,
        Arc::clone(random) as _,
        bytes,
    )
}

pub fn text(title: &str, text: &str) -> NewText {
    NewText { title: title.into(), text: text.into(), content_type: "text/markdown".into(), url: None, identity: None }
}

pub async fn titles(library: &Library, organization: OrganizationId, query: &str) -> Vec<String> {
    let found = library.retrieve(organization, query, 5).await.unwrap();
    found.into_iter().map(|passage| format!("{}:{}", passage.title, passage.section)).collect()
}

/// Into the store, past every library.
pub fn store_only(setup: &Setup, title: &str, words: &str) {
    let passage = NewPassage {
        id: PassageId(setup.random.uuid(now())),
        section: String::new(),
        text: words.to_owned(),
        vector: Vec::new(),
    };
    let source = NewSource {
        id: SourceId(setup.random.uuid(now())),
        organization: ORG,
        title: title.to_owned(),
        url: None,
        identity: None,
        content_type: "text/plain".to_owned(),
        text: words.to_owned(),
        language: "und",
        embedder: "topics".to_owned(),
        passages: vec![passage],
        created_at: now(),
    };
    setup.store.sources.lock().unwrap().push(source);
    setup.store.bump(ORG);
}
