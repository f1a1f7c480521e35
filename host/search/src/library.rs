//! The library: finds passages by words and by vectors, fused by rank. `library/add.rs` adds them.
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
    error::StoreError,
    id::{OrganizationId, PassageId, SourceId},
    knowledge::{EmbedAs, Embedder, KnowledgeStore, Passage, RetrieveError, Retriever},
    time::{Clock, Random},
};

mod add;

pub use self::add::{AddError, Added, NewText, Progress};
use crate::{
    anchor::section_url,
    fuse::fuse,
    snapshots::{Snapshot, Snapshots},
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
/// A scan with more multiplications than this runs on a blocking thread, because it would delay the answers that stream
/// on this one.
const LONG_SCAN: usize = 8_000_000;
/// The words of more passages than this are searched on a blocking thread, for the same reason.
const MANY_PASSAGES: usize = 5_000;
/// After so long without a search, the pages of an index may have left memory, and reading them blocks.
const COLD: Duration = Duration::from_secs(300);
/// The knowledge of organizations, in one store and with one embedder. It is cheap to clone.
#[derive(Clone)]
pub struct Library {
    store: Arc<dyn KnowledgeStore>,
    embedder: Arc<dyn Embedder>,
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
            clock,
            random,
            versions: Cache::builder().max_capacity(100_000).time_to_live(FRESH).build(),
        }
    }

    /// Deletes a source. False when the organization has none with that id.
    #[boxed]
    pub async fn remove(&self, organization: OrganizationId, id: SourceId) -> Result<bool, StoreError> {
        let removed = self.store.delete_source(organization, id, self.clock.now()).await?;
        self.versions.invalidate(&organization).await;
        Ok(removed)
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
        let candidates = limit.saturating_mul(CANDIDATES);
        let (by_words, by_vector) = futures::join!(
            self.match_words(organization, &snapshot, query, typing, candidates),
            self.match_vectors(&snapshot, query, candidates),
        );
        let mut fused = fuse(&[&by_words, &by_vector]);
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

    /// The passages that have the question's words, best first.
    async fn match_words(
        &self,
        organization: OrganizationId,
        snapshot: &Arc<Snapshot>,
        query: &str,
        typing: Typing,
        limit: usize,
    ) -> Vec<PassageId> {
        let Some(words) = snapshot.words.clone() else { return Vec::new() };
        let now = self.clock.now().micros();
        let before = snapshot.searched_at.swap(now, Ordering::Relaxed);
        let cold = now.saturating_sub(before) > i64::try_from(COLD.as_micros()).unwrap_or(i64::MAX);
        let found = if cold || words.passages() > MANY_PASSAGES {
            let query = query.to_owned();
            let search = tokio::task::spawn_blocking(move || words.search(&query, typing, limit));
            search.await.unwrap_or_else(|error| Err(WordsError::Index(error.to_string())))
        } else {
            words.search(query, typing, limit)
        };
        match found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%organization, %error, "the search index is broken and is made anew; searching vectors alone");
                self.snapshots.discard(organization, snapshot).await;
                Vec::new()
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

#[cfg(test)]
mod tests;
