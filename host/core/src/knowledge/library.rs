//! The library: adds sources, and finds passages by full text and by vectors, fused by rank.
//!
//! A search needs two store calls when nothing has changed: the full-text match, and loading the passages. The
//! knowledge version tells whether the vectors in memory are current. It is read at most once a second for each
//! organization. So a source that was added on this host is found by the next question, and one that was added on
//! another host within a second. A deleted source is never found, because its passages can't be loaded.

use crate::boxed;
use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::{
    future::Cache,
    ops::compute::{CompResult, Op},
};

use super::{
    AddSourceError, EmbedAs, Embedder, KnowledgeStore, NewPassage, NewSource, Passage, RetrieveError, Retriever,
    anchor::section_url,
    chunk::{Chunk, chunk},
    fuse::fuse,
    index::VectorIndex,
};
use crate::{
    error::{EmbedError, StoreError},
    id::{OrganizationId, PassageId, SourceId},
    meter::LimitReached,
    time::{Clock, Random},
};

/// How long a knowledge version is used without asking the store.
const FRESH: Duration = Duration::from_secs(1);
/// How long a question waits for its vector. Without it, the answer relies on full text alone.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of vectors in memory for all organizations, unless the host sets another bound.
const INDEX_BYTES: u64 = 256 << 20;
/// How long an organization's vectors stay in memory after their last use.
const INDEX_IDLE: Duration = Duration::from_secs(1800);
/// The most bytes of a question that are searched for. The rest seldom says what it is about.
const LONGEST_QUERY: usize = 2000;
/// Ranked candidates of each kind for each requested passage.
const CANDIDATES: usize = 4;
/// A scan with more multiplications than this runs on a blocking thread, because it would delay the answers that stream
/// on this one.
const LONG_SCAN: usize = 8_000_000;
/// Texts that the embedder gets at once.
const BATCH: usize = 64;
/// The most chunks of one source.
const MOST_CHUNKS: usize = 20_000;

/// A text to add.
#[derive(Clone, Debug)]
pub struct NewText {
    pub title: String,
    pub text: String,
    /// `text/markdown` or `text/plain`.
    pub content_type: String,
    pub url: Option<String>,
}

/// The source that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    pub id: SourceId,
    pub chunks: u32,
}

/// Why a source was not added. Nothing was stored or counted.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    #[error("the source has no text")]
    Empty,
    #[error("the source makes {chunks} passages, and {most} are the most; split it")]
    TooLarge { chunks: usize, most: usize },
    #[error(transparent)]
    Limit(#[from] LimitReached),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AddSourceError> for AddError {
    fn from(error: AddSourceError) -> Self {
        match error {
            AddSourceError::Limit(limit) => Self::Limit(limit),
            AddSourceError::Store(error) => Self::Store(error),
        }
    }
}

/// The knowledge of organizations, in one store and with one embedder. It is cheap to clone.
#[derive(Clone)]
pub struct Library {
    store: Arc<dyn KnowledgeStore>,
    embedder: Arc<dyn Embedder>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    versions: Cache<OrganizationId, u64>,
    indexes: Cache<OrganizationId, Arc<VectorIndex>>,
}

impl Library {
    pub fn new(
        store: Arc<dyn KnowledgeStore>,
        embedder: Arc<dyn Embedder>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self::with_index_bytes(store, embedder, clock, random, INDEX_BYTES)
    }

    /// A library with its own bound on the vectors in memory.
    pub fn with_index_bytes(
        store: Arc<dyn KnowledgeStore>,
        embedder: Arc<dyn Embedder>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        index_bytes: u64,
    ) -> Self {
        let weight = |_: &OrganizationId, index: &Arc<VectorIndex>| u32::try_from(index.bytes()).unwrap_or(u32::MAX);
        Self {
            store,
            embedder,
            clock,
            random,
            versions: Cache::builder().max_capacity(100_000).time_to_live(FRESH).build(),
            indexes: Cache::builder().max_capacity(index_bytes).weigher(weight).time_to_idle(INDEX_IDLE).build(),
        }
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
        self.versions.invalidate(&organization).await;
        Ok(Added { id, chunks: count })
    }

    /// Deletes a source. False when the organization has none with that id.
    #[boxed]
    pub async fn remove(&self, organization: OrganizationId, id: SourceId) -> Result<bool, StoreError> {
        let removed = self.store.delete_source(organization, id, self.clock.now()).await?;
        self.versions.invalidate(&organization).await;
        Ok(removed)
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

    /// The vectors of `version` or later. They are loaded once for all callers.
    async fn index(&self, organization: OrganizationId, version: u64) -> Result<Arc<VectorIndex>, StoreError> {
        if let Some(index) = self.indexes.get(&organization).await
            && index.version == version
        {
            return Ok(index);
        }
        let load = |entry: Option<moka::Entry<OrganizationId, Arc<VectorIndex>>>| async move {
            if entry.is_some_and(|entry| entry.value().version >= version) {
                return Ok(Op::Nop);
            }
            let vectors = self.store.load_vectors(organization, self.embedder.name()).await?;
            Ok::<_, StoreError>(Op::Put(Arc::new(VectorIndex::new(version, vectors))))
        };
        match self.indexes.entry(organization).and_try_compute_with(load).await? {
            CompResult::Unchanged(entry) | CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) => {
                Ok(entry.into_value())
            }
            // Unreachable: the closure never removes an entry.
            CompResult::StillNone(_) | CompResult::Removed(_) => Ok(Arc::new(VectorIndex::new(version, Vec::new()))),
        }
    }

    /// The passages whose vectors are nearest to the question's.
    async fn match_vectors(
        &self,
        organization: OrganizationId,
        version: u64,
        query: &str,
        limit: usize,
    ) -> Result<Vec<PassageId>, StoreError> {
        let index = self.index(organization, version).await?;
        if index.is_empty() {
            return Ok(Vec::new());
        }
        let Some(vector) = self.embed_query(query).await else { return Ok(Vec::new()) };
        let floor = self.embedder.floor();
        if index.work() < LONG_SCAN {
            return Ok(index.nearest(&vector, floor, limit));
        }
        let scan = tokio::task::spawn_blocking(move || index.nearest(&vector, floor, limit));
        Ok(scan.await.unwrap_or_default())
    }

    async fn embed_query(&self, query: &str) -> Option<Vec<f32>> {
        let query = [query.to_owned()];
        let made = tokio::time::timeout(PATIENCE, self.embedder.embed(&query, EmbedAs::Query)).await;
        match made {
            Ok(Ok(vectors)) => vectors.into_iter().next(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "searching by full text alone");
                None
            }
            Err(_) => {
                tracing::warn!(embedder = self.embedder.name(), "searching by full text alone: the embedder is slow");
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
        let query = query.trim();
        let query = &query[..query.floor_char_boundary(LONGEST_QUERY)];
        if query.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        // An organization whose knowledge never changed has no sources.
        let version = self.version(organization).await?;
        if version == 0 {
            return Ok(Vec::new());
        }
        let candidates = limit.saturating_mul(CANDIDATES);
        let (by_text, by_vector) = futures::try_join!(
            self.store.match_text(organization, query, candidates),
            self.match_vectors(organization, version, query, candidates),
        )?;
        let mut fused = fuse(&[&by_text, &by_vector]);
        fused.truncate(limit);
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
        Ok(passages)
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
