//! Adds texts: cuts them into passages, embeds what is new of them, and has the index brought up to date.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicU32, Ordering},
};

use resly_core::{
    boxed,
    error::{EmbedError, StoreError},
    id::{OrganizationId, PassageId, RevisionId, SourceId},
    knowledge::{
        AddSourceError, EmbedAs, NewPassage, NewRevision, NewSource, PassageText, ReadProgress, RevisedPassage,
    },
    meter::LimitReached,
};

use super::Library;
use crate::{
    chunk::{Chunk, TooMuchMarkup, chunk},
    terms,
};

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
    /// What makes a later text the same source.
    pub identity: Option<String>,
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
    TooMuchMarkup(#[from] TooMuchMarkup),
    #[error("there is another source of this URL or key")]
    Exists,
    #[error("the source has been changed meanwhile; try again")]
    Changed,
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
            AddSourceError::Exists => Self::Exists,
            AddSourceError::Changed => Self::Changed,
            AddSourceError::Limit(limit) => Self::Limit(limit),
            AddSourceError::Store(error) => Self::Store(error),
        }
    }
}

/// How far an embedding is. It is read while the embedding runs.
#[derive(Debug, Default)]
pub struct Progress {
    embedded: AtomicU32,
    passages: AtomicU32,
}

impl Progress {
    pub fn read(&self) -> ReadProgress {
        let number = |count: &AtomicU32| count.load(Ordering::Relaxed);
        ReadProgress { embedded: number(&self.embedded), passages: number(&self.passages) }
    }

    fn set(&self, embedded: usize, passages: usize) {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        self.embedded.store(number(embedded), Ordering::Relaxed);
        self.passages.store(number(passages), Ordering::Relaxed);
    }
}

impl Library {
    /// The name of the embedder that makes the vectors.
    pub fn embedder(&self) -> &str {
        self.embedder.name()
    }

    /// Cuts a text into passages, embeds and stores them.
    #[boxed]
    pub async fn add(&self, organization: OrganizationId, new: NewText) -> Result<Added, AddError> {
        let chunks = Self::cut(&new)?;
        self.add_cut(organization, new, chunks).await
    }

    /// Cuts a text into passages, no more than a source may have. For a large text, call it on a thread that may block.
    pub fn cut(new: &NewText) -> Result<Vec<Chunk>, AddError> {
        let mut chunks = chunk(&new.text, &new.content_type)?;
        counted(&chunks)?;
        for chunk in &mut chunks {
            chunk.section = below(&new.title, &chunk.section).to_owned();
        }
        Ok(chunks)
    }

    /// Embeds and stores the passages that [`Library::cut`] made of a text.
    #[boxed]
    pub async fn add_cut(
        &self,
        organization: OrganizationId,
        new: NewText,
        chunks: Vec<Chunk>,
    ) -> Result<Added, AddError> {
        let added = self.add_all(organization, vec![(new, chunks)]).await?;
        added.first().copied().ok_or(AddError::Empty)
    }

    /// Embeds and stores the passages that [`Library::cut`] made of texts. All of them are added, or none.
    #[boxed]
    pub async fn add_all(
        &self,
        organization: OrganizationId,
        texts: Vec<(NewText, Vec<Chunk>)>,
    ) -> Result<Vec<Added>, AddError> {
        let mut sources = Vec::with_capacity(texts.len());
        let mut added = Vec::with_capacity(texts.len());
        for (new, chunks) in texts {
            let count = counted(&chunks)?;
            let source = self.embed_source(organization, new, chunks).await?;
            added.push(Added { id: source.id, chunks: count });
            sources.push(source);
        }
        self.store.add_sources(sources).await?;
        self.changed(organization).await;
        Ok(added)
    }

    /// A source with its vectors. Nothing is stored.
    async fn embed_source(
        &self,
        organization: OrganizationId,
        new: NewText,
        chunks: Vec<Chunk>,
    ) -> Result<NewSource, AddError> {
        let vectors = self.embed_all(&new.title, &chunks, &Progress::default()).await?;
        let language = language_of(&new.title, &chunks);
        let now = self.clock.now();
        let passages = chunks.into_iter().zip(vectors).map(|(Chunk { section, text }, vector)| NewPassage {
            id: PassageId(self.random.uuid(now)),
            section,
            text,
            vector,
        });
        let passages = passages.collect();
        Ok(NewSource {
            id: SourceId(self.random.uuid(now)),
            organization,
            title: new.title.replace('\0', ""),
            url: new.url,
            identity: new.identity,
            content_type: new.content_type,
            text: new.text.replace('\0', ""),
            language,
            embedder: self.embedder.name().to_owned(),
            passages,
            created_at: now,
        })
    }

    /// Makes the next revision of a source. Passages of `base` that stay the same are kept; only the others are embedded.
    /// Nothing is stored.
    #[boxed]
    pub async fn revise(
        &self,
        organization: OrganizationId,
        base: RevisionId,
        new: NewText,
        chunks: Vec<Chunk>,
        progress: &Progress,
    ) -> Result<NewRevision, AddError> {
        counted(&chunks)?;
        let mut known = self.known_passages(organization, base, &new.title).await?;
        let mut reuse = |chunk: &Chunk| known.get_mut(&(chunk.section.clone(), chunk.text.clone()))?.pop();
        // A text that is there twice keeps each of its passages once.
        let kept: Vec<Option<PassageId>> = chunks.iter().map(&mut reuse).collect();
        let missing: Vec<Chunk> =
            chunks.iter().zip(&kept).filter(|(_, kept)| kept.is_none()).map(|(chunk, _)| chunk.clone()).collect();
        let mut vectors = self.embed_all(&new.title, &missing, progress).await?.into_iter();
        let language = language_of(&new.title, &chunks);
        let now = self.clock.now();
        let mut passages = Vec::with_capacity(chunks.len());
        for (Chunk { section, text }, kept) in chunks.into_iter().zip(kept) {
            passages.push(match kept {
                Some(id) => RevisedPassage::Kept(id),
                None => RevisedPassage::New(NewPassage {
                    id: PassageId(self.random.uuid(now)),
                    section,
                    text,
                    vector: vectors.next().unwrap_or_default(),
                }),
            });
        }
        Ok(NewRevision {
            id: RevisionId(self.random.uuid(now)),
            base,
            title: new.title.replace('\0', ""),
            content_type: new.content_type,
            text: new.text.replace('\0', ""),
            language,
            embedder: self.embedder.name().to_owned(),
            passages,
        })
    }

    /// The passages of a revision that this embedder embedded under this title, by section and text.
    async fn known_passages(
        &self,
        organization: OrganizationId,
        revision: RevisionId,
        title: &str,
    ) -> Result<HashMap<(String, String), Vec<PassageId>>, StoreError> {
        let texts = self.store.load_texts(organization, &[revision]).await?;
        let mut known: HashMap<_, Vec<PassageId>> = HashMap::new();
        if texts.first().is_none_or(|first| first.title != title) {
            return Ok(known);
        }
        let vectors = self.store.load_vectors(organization, self.embedder.name(), &[revision]).await?;
        let embedded: HashSet<PassageId> = vectors.into_iter().map(|vector| vector.passage).collect();
        for PassageText { id, section, text, .. } in texts.into_iter().rev() {
            if embedded.contains(&id) {
                known.entry((section, text)).or_default().push(id);
            }
        }
        Ok(known)
    }

    /// Brings the index up to date after a source was stored. A failure here is no failure of the request: the next search
    /// tries again.
    #[boxed]
    pub async fn changed(&self, organization: OrganizationId) {
        self.forget(organization).await;
        let updated = async {
            // Not as searches read it: one that began before the change may be reading the version before it.
            let version = self.store.knowledge_version(organization).await?;
            self.versions.insert(organization, version).await;
            self.snapshots.update(organization, version).await
        };
        if let Err(error) = updated.await {
            tracing::warn!(%organization, %error, "a new source isn't indexed yet");
        }
    }

    /// Embeds passages with their title and section, which often contain the word that people search for.
    async fn embed_all(&self, title: &str, chunks: &[Chunk], progress: &Progress) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = Vec::with_capacity(chunks.len());
        for batch in chunks.chunks(BATCH) {
            progress.set(vectors.len(), chunks.len());
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
        progress.set(vectors.len(), chunks.len());
        Ok(vectors)
    }
}

/// The code of the language that a source is written in, as the index of words has it.
fn language_of(title: &str, chunks: &[Chunk]) -> &'static str {
    terms::language(chunks.iter().map(|Chunk { section, text }| [title, section.as_str(), text.as_str()])).code()
}

/// The number of chunks, which has bounds.
fn counted(chunks: &[Chunk]) -> Result<u32, AddError> {
    if chunks.is_empty() {
        return Err(AddError::Empty);
    }
    let most = MOST_CHUNKS;
    let count = u32::try_from(chunks.len()).ok().filter(|count| *count as usize <= most);
    count.ok_or(AddError::TooLarge { chunks: chunks.len(), most })
}

/// A section without the title at its start. Most Markdown repeats the title as its first heading.
fn below<'a>(title: &str, section: &'a str) -> &'a str {
    match section.strip_prefix(title.trim()) {
        Some("") => "",
        Some(rest) => rest.strip_prefix(" › ").unwrap_or(section),
        None => section,
    }
}
