//! The library: adds sources, and finds passages by words and by vectors, fused by rank.
//!
//! A search needs one store call when nothing has changed: loading the passages. The knowledge version tells whether the
//! snapshot that is searched is current. It is read at most once a second for each organization. A source is in the
//! snapshot of this host when the request that adds it ends, and in those of other hosts a second later. A deleted source
//! is never found, because its passages can't be loaded.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use moka::future::Cache;
use resly_core::{
    boxed,
    error::{EmbedError, StoreError},
    id::{OrganizationId, PassageId, SourceId},
    knowledge::{
        EmbedAs, Embedder, KnowledgeStore, NewPassage, NewSource, Passage, Reranker, RetrieveError, Retriever, Synonyms,
    },
    time::{Clock, Random},
};

use crate::{
    anchor::section_url,
    chunk::{Chunk, chunk},
    fuse::fuse,
    rerank::{MOST_RERANKED, rerank},
    snapshots::{Snapshot, Snapshots},
    source::{AddError, Added, NewText},
    words::{Typing, WordsError},
};

/// How long a knowledge version is used without asking the store.
const FRESH: Duration = Duration::from_secs(1);
/// How long a question waits for its vector. Without it, the answer relies on words alone.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of snapshots in memory for all organizations, unless the host sets another bound.
const SNAPSHOT_BYTES: u64 = 256 << 20;
/// The most bytes of a question that are searched for. The rest seldom says what it is about.
const LONGEST_QUERY: usize = 2000;
/// Ranked candidates of each kind for each requested passage.
const CANDIDATES: usize = 4;
/// What the ranking of an embedder that only compares words counts beside that of the words themselves. It knows word
/// forms of one language and no rarity. Measured with `make bench retrieval`: 1 finds fewer answers first.
const LEXICAL: f32 = 0.5;
/// A scan with more multiplications than this runs on a blocking thread, because it would delay the answers that stream
/// on this one.
const LONG_SCAN: usize = 8_000_000;
/// The words of more passages than this are searched on a blocking thread, for the same reason.
const MANY_PASSAGES: usize = 5_000;
/// After so long without a search, the pages of an index may have left memory, and reading them blocks.
const COLD: Duration = Duration::from_secs(300);
/// Texts that the embedder gets at once.
const BATCH: usize = 64;
/// The most chunks of one source.
const MOST_CHUNKS: usize = 20_000;

/// The knowledge of organizations, in one store and with one embedder. It is cheap to clone.
#[derive(Clone)]
pub struct Library {
    store: Arc<dyn KnowledgeStore>,
    embedder: Arc<dyn Embedder>,
    reranker: Option<Arc<dyn Reranker>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    versions: Cache<OrganizationId, u64>,
    snapshots: Snapshots,
}

impl Library {
    /// `folder` is for the indexes, one folder for each organization. They are made anew when they are lost.
    pub fn new(
        store: Arc<dyn KnowledgeStore>,
        embedder: Arc<dyn Embedder>,
        folder: PathBuf,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self::with_snapshot_bytes(store, embedder, folder, clock, random, SNAPSHOT_BYTES)
    }

    /// A library with its own bound on the snapshots in memory.
    pub fn with_snapshot_bytes(
        store: Arc<dyn KnowledgeStore>,
        embedder: Arc<dyn Embedder>,
        folder: PathBuf,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        bytes: u64,
    ) -> Self {
        Self {
            snapshots: Snapshots::new(Arc::clone(&store), Arc::clone(&embedder), folder, bytes),
            store,
            embedder,
            reranker: None,
            clock,
            random,
            versions: Cache::builder().max_capacity(100_000).time_to_live(FRESH).build(),
        }
    }

    /// Has the best passages of every whole question ordered by a reranker.
    pub fn with_reranker(self, reranker: Option<Arc<dyn Reranker>>) -> Self {
        Self { reranker, ..self }
    }

    /// Cuts a text into passages, embeds and stores them.
    #[boxed]
    pub async fn add(&self, organization: OrganizationId, new: NewText) -> Result<Added, AddError> {
        let chunks = Self::cut(&new);
        self.add_cut(organization, new, chunks).await
    }

    /// Cuts a text into passages. For a large text, call it on a thread that may block.
    pub fn cut(new: &NewText) -> Vec<Chunk> {
        let mut chunks = chunk(&new.text, &new.content_type);
        for chunk in &mut chunks {
            chunk.section = below(&new.title, &chunk.section).to_owned();
        }
        chunks
    }

    /// Embeds and stores the passages that [`Library::cut`] made of a text.
    #[boxed]
    pub async fn add_cut(
        &self,
        organization: OrganizationId,
        new: NewText,
        chunks: Vec<Chunk>,
    ) -> Result<Added, AddError> {
        if chunks.is_empty() {
            return Err(AddError::Empty);
        }
        let most = MOST_CHUNKS;
        let count = u32::try_from(chunks.len()).ok().filter(|count| *count as usize <= most);
        let count = count.ok_or(AddError::TooLarge { chunks: chunks.len(), most })?;
        let vectors = self.embed_all(&new.title, &chunks).await?;
        let now = self.clock.now();
        let passages = chunks.into_iter().zip(vectors).map(|(Chunk { section, text }, vector)| NewPassage {
            id: PassageId(self.random.uuid(now)),
            section,
            text,
            vector,
        });
        let id = SourceId(self.random.uuid(now));
        let source = NewSource {
            id,
            organization,
            title: new.title.replace('\0', ""),
            url: new.url,
            content_type: new.content_type,
            text: new.text.replace('\0', ""),
            embedder: self.embedder.name().to_owned(),
            passages: passages.collect(),
            created_at: now,
        };
        self.store.add_source(source).await?;
        self.changed(organization).await;
        Ok(Added { id, chunks: count })
    }

    /// Deletes a source. False when the organization has none with that id.
    #[boxed]
    pub async fn remove(&self, organization: OrganizationId, id: SourceId) -> Result<bool, StoreError> {
        let removed = self.store.delete_source(organization, id, self.clock.now()).await?;
        self.versions.invalidate(&organization).await;
        Ok(removed)
    }

    /// Replaces the organization's synonyms.
    #[boxed]
    pub async fn set_synonyms(&self, organization: OrganizationId, synonyms: Synonyms) -> Result<(), StoreError> {
        self.store.set_synonyms(organization, synonyms).await?;
        self.versions.invalidate(&organization).await;
        Ok(())
    }

    /// Brings the index up to date after a source was added. The source is stored, so a failure here is no failure of
    /// the request: the next search tries again.
    async fn changed(&self, organization: OrganizationId) {
        self.versions.invalidate(&organization).await;
        let updated = async {
            let version = self.version(organization).await?;
            self.snapshots.update(organization, version).await
        };
        if let Err(error) = updated.await {
            tracing::warn!(%organization, %error, "a new source isn't indexed yet");
        }
    }

    /// Embeds passages with their title and section, which often contain the word that people search for.
    async fn embed_all(&self, title: &str, chunks: &[Chunk]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = Vec::with_capacity(chunks.len());
        for batch in chunks.chunks(BATCH) {
            let texts: Vec<String> = batch
                .iter()
                .map(|Chunk { section, text }| match section.as_str() {
                    "" => format!("{title}\n{text}"),
                    section => format!("{title} › {section}\n{text}"),
                })
                .collect();
            let made = self.embedder.embed(&texts, EmbedAs::Document).await?;
            if made.len() != texts.len() {
                return Err(EmbedError::Invalid {
                    at: self.embedder.name().to_owned(),
                    detail: format!("{} vectors for {} texts", made.len(), texts.len()),
                });
            }
            vectors.extend(made);
            // The built-in embedder never yields by itself, and a large source has hundreds of batches.
            tokio::task::yield_now().await;
        }
        Ok(vectors)
    }

    /// The organization's knowledge version. The store is asked at most once a second.
    async fn version(&self, organization: OrganizationId) -> Result<u64, StoreError> {
        if let Some(version) = self.versions.get(&organization).await {
            return Ok(version);
        }
        let asked = self.versions.try_get_with(organization, self.store.knowledge_version(organization)).await;
        asked.map_err(|error| (*error).clone())
    }

    /// As [`Retriever::retrieve`] for a question that is being typed: its last word may be the beginning of one.
    pub async fn retrieve_as_you_type(
        &self,
        organization: OrganizationId,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Passage>, RetrieveError> {
        self.find(organization, query.trim_start(), limit, Typing::Unfinished).await
    }

    async fn find(
        &self,
        organization: OrganizationId,
        query: &str,
        limit: usize,
        typing: Typing,
    ) -> Result<Vec<Passage>, RetrieveError> {
        let query = &query[..query.floor_char_boundary(LONGEST_QUERY)];
        if query.trim().is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        // An organization whose knowledge never changed has no sources.
        let version = self.version(organization).await?;
        if version == 0 {
            return Ok(Vec::new());
        }
        let Some(snapshot) = self.snapshots.get(organization, version).await? else {
            tracing::warn!(%organization, "the knowledge is still being indexed; nothing is found meanwhile");
            return Ok(Vec::new());
        };
        let reranker = self.reranker.as_deref().filter(|_| typing == Typing::Finished);
        let candidates = limit.saturating_mul(CANDIDATES);
        let (by_words, mut by_vector) = futures::join!(
            self.match_words(organization, &snapshot, query, typing, candidates),
            self.match_vectors(&snapshot, query, candidates),
        );
        if self.embedder.is_lexical() && by_words.as_ref().is_some_and(Vec::is_empty) {
            by_vector.clear();
        }
        let weight = if self.embedder.is_lexical() { LEXICAL } else { 1.0 };
        let mut fused = fuse(&[(by_words.as_deref().unwrap_or_default(), 1.0), (by_vector.as_slice(), weight)]);
        fused.truncate(if reranker.is_some() { limit.max(MOST_RERANKED) } else { limit });
        if fused.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<PassageId> = fused.iter().map(|(id, _)| *id).collect();
        let mut passages = self.store.load_passages(organization, &ids).await?;
        let rank = |id: PassageId| ids.iter().position(|other| *other == id).unwrap_or(usize::MAX);
        passages.retain(|passage| ids.contains(&passage.id));
        passages.sort_by_key(|passage| rank(passage.id));
        for passage in &mut passages {
            passage.score = fused.get(rank(passage.id)).map_or(0.0, |(_, score)| *score);
            passage.url = passage.url.take().map(|url| section_url(&url, &passage.section));
        }
        if let Some(reranker) = reranker {
            rerank(reranker, query, &mut passages).await;
            passages.truncate(limit);
        }
        Ok(passages)
    }

    /// The passages that have the question's words, best first. `None` when there is no index to search.
    async fn match_words(
        &self,
        organization: OrganizationId,
        snapshot: &Arc<Snapshot>,
        query: &str,
        typing: Typing,
        limit: usize,
    ) -> Option<Vec<PassageId>> {
        let words = snapshot.words.clone()?;
        let now = self.clock.now().micros();
        let before = snapshot.searched_at.swap(now, Ordering::Relaxed);
        let cold = now.saturating_sub(before) > i64::try_from(COLD.as_micros()).unwrap_or(i64::MAX);
        let found = if cold || words.passages() > MANY_PASSAGES {
            let (query, synonyms) = (query.to_owned(), Arc::clone(&snapshot.synonyms));
            let search = tokio::task::spawn_blocking(move || words.search(&query, typing, &synonyms, limit));
            search.await.unwrap_or_else(|error| Err(WordsError::Index(error.to_string())))
        } else {
            words.search(query, typing, &snapshot.synonyms, limit)
        };
        match found {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::warn!(%organization, %error, "the search index is broken and is made anew; searching vectors alone");
                self.snapshots.discard(organization, snapshot).await;
                None
            }
        }
    }

    /// The passages whose vectors are nearest to the question's.
    async fn match_vectors(&self, snapshot: &Arc<Snapshot>, query: &str, limit: usize) -> Vec<PassageId> {
        if snapshot.vectors.is_empty() {
            return Vec::new();
        }
        let Some(vector) = self.embed_query(query).await else { return Vec::new() };
        let floor = self.embedder.floor();
        if snapshot.vectors.work() < LONG_SCAN {
            return snapshot.vectors.nearest(&vector, floor, limit);
        }
        let snapshot = Arc::clone(snapshot);
        let scan = tokio::task::spawn_blocking(move || snapshot.vectors.nearest(&vector, floor, limit));
        scan.await.unwrap_or_default()
    }

    async fn embed_query(&self, query: &str) -> Option<Vec<f32>> {
        let query = [query.to_owned()];
        let made = tokio::time::timeout(PATIENCE, self.embedder.embed(&query, EmbedAs::Query)).await;
        match made {
            Ok(Ok(vectors)) => vectors.into_iter().next(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "searching by words alone");
                None
            }
            Err(_) => {
                tracing::warn!(embedder = self.embedder.name(), "searching by words alone: the embedder is slow");
                None
            }
        }
    }
}

#[async_trait]
impl Retriever for Library {
    async fn retrieve(
        &self,
        organization: OrganizationId,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Passage>, RetrieveError> {
        self.find(organization, query.trim(), limit, Typing::Finished).await
    }
}

/// A section without the title at its start. Most Markdown repeats the title as its first heading.
fn below<'a>(title: &str, section: &'a str) -> &'a str {
    match section.strip_prefix(title.trim()) {
        Some("") => "",
        Some(rest) => rest.strip_prefix(" › ").unwrap_or(section),
        None => section,
    }
}

#[cfg(test)]
mod tests;
