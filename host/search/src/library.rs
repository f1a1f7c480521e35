//! The library: finds passages by words and by vectors, fused by rank. `library/add.rs` adds them.
//!
//! The knowledge version tells whether the snapshot that is searched is current. It is read at most once a second for each
//! organization. A source is in the snapshot of this host when the request that adds it ends, and in those of other hosts a
//! second later. A deleted source isn't found any more by this host when the request that deletes it ends, and by other
//! hosts a second later. A snapshot keeps the passages that were found in it, so that the same questions need no store
//! call; an older snapshot's are loaded each time, and what was deleted can't be.

use std::{
    collections::HashMap,
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
    knowledge::{EmbedAs, Embedder, KnowledgeStore, Passage, Reranker, RetrieveError, Retriever, Synonyms},
    time::{Clock, Random},
    trace::{Tracer, gen_ai},
};

mod add;
mod alike;
mod explain;

pub use self::{
    add::{AddError, Added, NewText, Progress},
    alike::telling_words,
    explain::{ExplainedPassage, Explanation},
};
use crate::{
    anchor::section_url,
    calibration::{Calibrator, Meaning},
    fuse::fuse,
    passages::Passages,
    relevance::{Rankings, judge, judge_lexical},
    rerank::{MOST_RERANKED, rerank},
    snapshots::{Snapshot, Snapshots},
    terms::Language,
    words::{Effort, Matches, Typing, WordsError},
};

/// How long a knowledge version is used without asking the store. A change is in force within a second; the rest of it is
/// for the read itself.
const FRESH: Duration = Duration::from_millis(800);
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
    calibrator: Calibrator,
    reranker: Option<Arc<dyn Reranker>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    versions: Cache<OrganizationId, u64>,
    snapshots: Snapshots,
    tracer: Tracer,
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
            snapshots: Snapshots::new(Arc::clone(&store), Arc::clone(&embedder), Arc::clone(&clock), folder, bytes),
            store,
            calibrator: Calibrator::new(Arc::clone(&embedder)),
            embedder,
            reranker: None,
            clock,
            random,
            versions: Cache::builder().max_capacity(100_000).time_to_live(FRESH).build(),
            tracer: Tracer::default(),
        }
    }

    /// Has searches traced.
    #[must_use]
    pub fn traced_by(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Has the best passages of every whole question ordered by a reranker.
    pub fn with_reranker(self, reranker: Option<Arc<dyn Reranker>>) -> Self {
        Self { reranker, ..self }
    }

    /// Begins to measure what the embedder's cosines mean, which the first question would do otherwise.
    pub fn calibrate(&self) {
        self.calibrator.start();
    }

    /// Asks for every organization's knowledge version anew the next time, after a change on another host.
    pub fn forget_all(&self) {
        self.versions.invalidate_all();
    }

    /// Has the next search find what has just changed of the organization's sources. It brings the index up to date itself.
    #[boxed]
    pub async fn forget(&self, organization: OrganizationId) {
        self.versions.invalidate(&organization).await;
    }

    /// Deletes a source. False when the organization has none with that id.
    #[boxed]
    pub async fn remove(&self, organization: OrganizationId, id: SourceId) -> Result<bool, StoreError> {
        Ok(self.remove_all(organization, &[id]).await? > 0)
    }

    /// Deletes sources. Returns how many of them the organization had.
    #[boxed]
    pub async fn remove_all(&self, organization: OrganizationId, ids: &[SourceId]) -> Result<u64, StoreError> {
        let removed = self.store.delete_sources(organization, ids).await?;
        self.forget(organization).await;
        Ok(removed)
    }

    /// Replaces the organization's synonyms.
    #[boxed]
    pub async fn set_synonyms(&self, organization: OrganizationId, synonyms: Synonyms) -> Result<(), StoreError> {
        self.store.set_synonyms(organization, synonyms).await?;
        self.forget(organization).await;
        Ok(())
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
        self.traced_find(organization, query.trim_start(), limit, Typing::Unfinished).await
    }

    #[boxed]
    async fn traced_find(
        &self,
        organization: OrganizationId,
        query: &str,
        limit: usize,
        typing: Typing,
    ) -> Result<Vec<Passage>, RetrieveError> {
        let mut span = gen_ai::retrieval(&self.tracer, organization);
        let found = self.find(organization, query, limit, typing).await;
        match &found {
            Ok(passages) => span.set("resly.retrieval.passages", passages.len() as u64),
            Err(error) => span.fail(error.kind()),
        }
        found
    }

    async fn find(
        &self,
        organization: OrganizationId,
        query: &str,
        limit: usize,
        typing: Typing,
    ) -> Result<Vec<Passage>, RetrieveError> {
        let ranked = self.rank(organization, query, limit, typing).await?;
        Ok(ranked.map(|ranked| ranked.passages).unwrap_or_default())
    }

    /// Finds the best passages. `None` when there is nothing to search in.
    async fn rank(
        &self,
        organization: OrganizationId,
        query: &str,
        limit: usize,
        typing: Typing,
    ) -> Result<Option<Ranked>, RetrieveError> {
        let query = &query[..query.floor_char_boundary(LONGEST_QUERY)];
        if query.trim().is_empty() || limit == 0 {
            return Ok(None);
        }
        // An organization whose knowledge never changed has no sources.
        let version = self.version(organization).await?;
        if version == 0 {
            return Ok(None);
        }
        let Some(snapshot) = self.snapshots.get(organization, version).await? else {
            tracing::warn!(%organization, "the knowledge is still being indexed; nothing is found meanwhile");
            return Ok(None);
        };
        let reranker = self.reranker.as_deref().filter(|_| typing == Typing::Finished);
        let candidates = limit.saturating_mul(CANDIDATES);
        let (mut matches, near) = futures::join!(
            self.match_words(organization, &snapshot, query, typing, candidates),
            self.match_vectors(&snapshot, query, candidates),
        );
        let language = matches.as_ref().map_or(Language::Unknown, |matches| matches.language);
        let meaning = match near.is_empty() {
            true => Meaning::Nothing,
            false => self.calibrator.meaning(language, PATIENCE).await,
        };
        let judge = if self.embedder.is_lexical() { judge_lexical } else { judge };
        let coverage = matches.as_ref().map(|matches| matches.coverage);
        let word_scores = matches.as_mut().map(|matches| std::mem::take(&mut matches.scores)).unwrap_or_default();
        tracing::debug!(
            coverage,
            nearest = near.first().map(|(_, cosine)| *cosine),
            ?meaning,
            "what words and vectors say of a question"
        );
        let rankings = judge(matches, &near, meaning);
        let Rankings { by_words, by_vector, vector_weight } = &rankings;
        let mut fused = fuse(&[(by_words.as_slice(), 1.0), (by_vector.as_slice(), *vector_weight)]);
        fused.truncate(if reranker.is_some() { limit.max(MOST_RERANKED) } else { limit });
        let ids: Vec<PassageId> = fused.iter().map(|(id, _)| *id).collect();
        // An older snapshot may have passages that were deleted since.
        let passages = if snapshot.version >= version { &snapshot.passages } else { &Passages::default() };
        let mut passages = passages.load(&*self.store, organization, &ids).await?;
        let scores: HashMap<PassageId, f32> = fused.into_iter().collect();
        for passage in &mut passages {
            passage.score = scores.get(&passage.id).copied().unwrap_or_default();
            passage.url = passage.url.take().map(|url| section_url(&url, &passage.section));
        }
        if let Some(reranker) = reranker {
            rerank(reranker, query, &mut passages).await;
            passages.truncate(limit);
        }
        Ok(Some(Ranked { passages, rankings, fused: ids, word_scores, near, coverage, language, snapshot }))
    }

    /// The passages that have the question's words. `None` when there is no index to search.
    async fn match_words(
        &self,
        organization: OrganizationId,
        snapshot: &Arc<Snapshot>,
        query: &str,
        typing: Typing,
        limit: usize,
    ) -> Option<Matches> {
        let words = snapshot.words.clone()?;
        let now = self.clock.now().micros();
        let before = snapshot.searched_at.swap(now, Ordering::Relaxed);
        let cold = now.saturating_sub(before) > i64::try_from(COLD.as_micros()).unwrap_or(i64::MAX);
        let few = !cold && words.passages() <= MANY_PASSAGES;
        let found = match few.then(|| words.search(query, typing, &snapshot.synonyms, limit, Effort::Short)) {
            None | Some(Err(WordsError::TooLong)) => {
                let (query, synonyms) = (query.to_owned(), Arc::clone(&snapshot.synonyms));
                let search = move || words.search(&query, typing, &synonyms, limit, Effort::Whole);
                let found = tokio::task::spawn_blocking(search).await;
                found.unwrap_or_else(|error| Err(WordsError::Index(error.to_string())))
            }
            Some(found) => found,
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

    /// The passages whose vectors are nearest to the question's, with their cosines.
    async fn match_vectors(&self, snapshot: &Arc<Snapshot>, query: &str, limit: usize) -> Vec<(PassageId, f32)> {
        if snapshot.vectors.is_empty() {
            return Vec::new();
        }
        let Some(vector) = self.embed_query(query).await else { return Vec::new() };
        if snapshot.vectors.work() < LONG_SCAN {
            return snapshot.vectors.nearest(&vector, limit);
        }
        let snapshot = Arc::clone(snapshot);
        let scan = tokio::task::spawn_blocking(move || snapshot.vectors.nearest(&vector, limit));
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

/// What was found for a question, and what each way of finding said of it.
struct Ranked {
    passages: Vec<Passage>,
    rankings: Rankings,
    /// The passages in the order of the fused rankings.
    fused: Vec<PassageId>,
    /// What the passages that words found scored, best first.
    word_scores: Vec<f32>,
    near: Vec<(PassageId, f32)>,
    coverage: Option<f32>,
    language: Language,
    snapshot: Arc<Snapshot>,
}

#[async_trait]
impl Retriever for Library {
    async fn retrieve(
        &self,
        organization: OrganizationId,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Passage>, RetrieveError> {
        self.traced_find(organization, query.trim(), limit, Typing::Finished).await
    }
}

#[cfg(test)]
mod tests;
