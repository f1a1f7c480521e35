//! Knowledge: a company's sources, their passages and citations, and the ports that store and find them. The crate
//! `search` cuts sources into passages and finds them.

pub mod crawl;
pub mod document;
mod source;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    error::{EmbedError, RerankError, StoreError},
    id::{OrganizationId, PassageId, RevisionId, SourceId},
    meter::LimitReached,
    time::Timestamp,
};

pub use self::source::{
    FailureKind, NewRevision, ReadProgress, RevisedPassage, Source, SourceFailure, SourceKind, SourceStatus,
};

/// A passage that retrieval found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    pub id: PassageId,
    pub source_id: SourceId,
    pub title: String,
    /// The heading path within the source, such as `Billing › Refunds`; empty at the top.
    pub section: String,
    pub url: Option<String>,
    pub text: String,
    /// The reranker's score, or the sum of reciprocal rank fusion. It can be compared within one result only.
    pub score: f32,
}

/// A source of an answer, as clients get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// The number that the answer's text uses, as in `[1]`.
    pub n: u32,
    pub title: String,
    pub url: Option<String>,
    /// The knowledge source, or the connection whose action was called.
    pub source_id: String,
    pub snippet: String,
}

/// A source to add, already cut into passages and embedded.
#[derive(Clone, Debug)]
pub struct NewSource {
    pub id: SourceId,
    pub organization: OrganizationId,
    pub title: String,
    pub url: Option<String>,
    /// What makes a source the same one when it is sent again: its URL, or the sender's own key for it. One source of an
    /// organization has it.
    pub identity: Option<String>,
    pub content_type: String,
    /// The original text, from which the passages can be cut and embedded again.
    pub text: String,
    /// What its passages are written in, by the BCP-47 code; `und` where that isn't known.
    pub language: &'static str,
    /// The embedder that made the vectors. Only vectors of one embedder are comparable.
    pub embedder: String,
    pub passages: Vec<NewPassage>,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct NewPassage {
    pub id: PassageId,
    pub section: String,
    pub text: String,
    /// Unit length.
    pub vector: Vec<f32>,
}

/// A passage from the store, for the index of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassageText {
    pub id: PassageId,
    pub revision: RevisionId,
    /// Its place within the source, from 0.
    pub position: u64,
    pub title: String,
    pub section: String,
    pub text: String,
}

/// A vector from the store, for the index of vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVector {
    pub revision: RevisionId,
    pub passage: PassageId,
    pub vector: Vec<f32>,
}

/// Words and phrases that an organization's customers use for one another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synonyms {
    /// Each set's members mean the same.
    pub sets: Vec<Vec<String>>,
    pub one_way: Vec<OneWay>,
}

/// A question with `from` is also one with any of `to`, and not the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneWay {
    pub from: String,
    pub to: Vec<String>,
}

/// How many passages the revision of a source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionSize {
    pub id: RevisionId,
    pub passages: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum AddSourceError {
    /// Another source has this identity.
    #[error("there is another source of this URL or key")]
    Exists,
    /// The source was deleted, or has another revision than the change is based on.
    #[error("the source has been changed meanwhile")]
    Changed,
    #[error(transparent)]
    Limit(#[from] LimitReached),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The port that stores sources and passages.
#[async_trait]
pub trait KnowledgeStore: Send + Sync + 'static {
    /// Stores a source with its passages and counts the passages as embeddings, all or nothing. Increases the
    /// organization's knowledge version.
    async fn add_source(&self, source: NewSource) -> Result<(), AddSourceError> {
        self.add_sources(vec![source]).await
    }
    /// Stores sources of one organization as [`KnowledgeStore::add_source`] does, all of them or none. A search finds all of
    /// them at once.
    async fn add_sources(&self, sources: Vec<NewSource>) -> Result<(), AddSourceError>;
    /// Newest first.
    async fn list_sources(&self, organization: OrganizationId) -> Result<Vec<Source>, StoreError>;
    /// Deletes a source and increases the knowledge version. False when the organization has no such source.
    async fn delete_source(
        &self,
        organization: OrganizationId,
        id: SourceId,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.delete_sources(organization, &[id]).await? > 0)
    }
    /// Deletes sources and increases the knowledge version: no read shows them any more, and no search finds them. Returns
    /// how many of them the organization had.
    async fn delete_sources(&self, organization: OrganizationId, ids: &[SourceId]) -> Result<u64, StoreError>;
    async fn synonyms(&self, organization: OrganizationId) -> Result<Synonyms, StoreError>;
    /// Replaces the synonyms and increases the knowledge version.
    async fn set_synonyms(&self, organization: OrganizationId, synonyms: Synonyms) -> Result<(), StoreError>;
    /// A number that increases with every change of an organization's sources or synonyms.
    async fn knowledge_version(&self, organization: OrganizationId) -> Result<u64, StoreError>;
    /// The current revision of every source of the organization, in order of the ids. The first revision of a source has
    /// the source's id.
    async fn revisions(&self, organization: OrganizationId) -> Result<Vec<RevisionSize>, StoreError>;
    /// The passages of these revisions, in order of revision and position. Revisions that are gone are left out.
    async fn load_texts(
        &self,
        organization: OrganizationId,
        revisions: &[RevisionId],
    ) -> Result<Vec<PassageText>, StoreError>;
    /// The vectors that `embedder` made of these revisions, in order of revision and position.
    async fn load_vectors(
        &self,
        organization: OrganizationId,
        embedder: &str,
        revisions: &[RevisionId],
    ) -> Result<Vec<StoredVector>, StoreError>;
    /// The passages with these ids, in any order. Ids of other organizations are left out.
    async fn load_passages(&self, organization: OrganizationId, ids: &[PassageId]) -> Result<Vec<Passage>, StoreError>;
}

/// The purpose of an embedding. Some models embed queries and documents differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedAs {
    Query,
    Document,
}

/// Turns texts into vectors of unit length.
#[async_trait]
pub trait Embedder: Send + Sync + 'static {
    /// Names the model and its settings. Only vectors under the same name are comparable.
    fn name(&self) -> &str;
    /// The cosine below which two texts are unrelated, where it is known. It differs between models and languages, and is
    /// measured where it isn't known.
    fn floor(&self) -> Option<f32> {
        None
    }
    /// Whether its vectors say only which words two texts share. Such vectors find nothing where no word does.
    fn is_lexical(&self) -> bool {
        false
    }
    /// One vector for each text, in order.
    async fn embed(&self, texts: &[String], embed_as: EmbedAs) -> Result<Vec<Vec<f32>>, EmbedError>;
}

/// Reads a question together with each of some documents, which tells better than words or vectors alone how well they
/// answer it.
#[async_trait]
pub trait Reranker: Send + Sync + 'static {
    /// Documents by their places in the list, best first, each with its score. A document may be left out.
    async fn rerank(&self, query: &str, documents: &[String]) -> Result<Vec<(usize, f32)>, RerankError>;
}

/// Finds passages.
#[async_trait]
pub trait Retriever: Send + Sync + 'static {
    /// The best passages for a question, best first; empty when nothing fits.
    async fn retrieve(
        &self,
        organization: OrganizationId,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Passage>, RetrieveError>;
}

#[derive(Debug, thiserror::Error)]
pub enum RetrieveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
}

impl RetrieveError {
    /// The kind, as traces name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Store(_) => "store",
            Self::Embed(_) => "embedder",
        }
    }
}
