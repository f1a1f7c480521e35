//! A source: where it comes from, whether it is read, and the revision of its content.

use serde::{Deserialize, Serialize};

use super::NewPassage;
use crate::{
    id::{CrawlId, PassageId, RevisionId, SourceId},
    time::Timestamp,
};

/// Where a source comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A text that was sent.
    Text,
    /// A file that was uploaded.
    File,
    /// A page of the web.
    Page,
    /// A page that a crawl found.
    CrawledPage,
    /// An item of a connector's list.
    ListItem,
}

/// Whether a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceStatus {
    /// It waits for a host to read it. What was known of it before is still found.
    Queued,
    /// A host is reading it.
    Reading,
    /// Its text is found.
    Ready,
    /// It could not be read. What was known of it before is still found.
    Failed,
}

impl SourceStatus {
    pub const ALL: [Self; 4] = [Self::Queued, Self::Reading, Self::Ready, Self::Failed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Reading => "reading",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// Why a source could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFailure {
    pub kind: FailureKind,
    /// What happened and what to do.
    pub message: String,
}

impl SourceFailure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// No parser knows the format.
    UnsupportedFormat,
    /// The file is broken or cut.
    Damaged,
    /// The file needs a password.
    Encrypted,
    /// It has no text.
    Empty,
    /// It is over a bound.
    TooLarge,
    /// The plan's embeddings or fuel are used up.
    LimitReached,
    /// The page could not be fetched.
    Unreachable,
    /// The page isn't there any more.
    Gone,
    /// The page asks not to be indexed.
    NotIndexable,
    /// Every try took too long, or ended with its host.
    Interrupted,
    /// The embedder could not answer.
    Embedder,
    /// The host's own fault.
    Internal,
}

/// How far the reading of a source is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadProgress {
    /// Passages that have a vector.
    pub embedded: u32,
    /// Passages that need one; 0 before the text is known.
    pub passages: u32,
}

/// A source in an admin's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub id: SourceId,
    pub kind: SourceKind,
    /// The crawl that keeps it.
    pub crawl: Option<CrawlId>,
    pub status: SourceStatus,
    /// Why the newest reading failed, or why the next try waits.
    pub failure: Option<SourceFailure>,
    /// What was left out of the text.
    pub note: Option<String>,
    pub progress: ReadProgress,
    pub title: String,
    pub url: Option<String>,
    pub identity: Option<String>,
    pub content_type: String,
    /// SHA-256 of what was sent or fetched.
    pub content_hash: Option<[u8; 32]>,
    pub embedder: String,
    pub revision: RevisionId,
    pub chunks: u32,
    pub refresh_every_s: Option<u32>,
    pub created_at: Timestamp,
    /// When anything of it changed, also that it was compared with where it comes from.
    pub updated_at: Timestamp,
    /// When it was last compared with where it comes from.
    pub checked_at: Option<Timestamp>,
    /// When it is read next.
    pub due_at: Option<Timestamp>,
}

/// The new content of a source.
#[derive(Clone, Debug)]
pub struct NewRevision {
    pub id: RevisionId,
    /// The revision whose passages are kept where they didn't change. The change is refused when it is no longer current.
    pub base: RevisionId,
    pub title: String,
    pub content_type: String,
    pub text: String,
    /// What its new passages are written in: see [`NewSource::language`](super::NewSource::language).
    pub language: &'static str,
    /// The embedder that made the vectors.
    pub embedder: String,
    pub passages: Vec<RevisedPassage>,
}

impl NewRevision {
    /// How many passages were embedded for it.
    pub fn embedded(&self) -> u64 {
        self.passages.iter().filter(|passage| matches!(passage, RevisedPassage::New(_))).count() as u64
    }
}

/// A passage of a new revision.
#[derive(Clone, Debug)]
pub enum RevisedPassage {
    /// A passage of the base, maybe at another place.
    Kept(PassageId),
    New(NewPassage),
}
