//! The words of one organization's passages, on disk and mapped into memory, and the search in them.
//!
//! An index is derived from the store: when it is lost, broken or of another format, it is made anew. Its contents are
//! read once, when a [`WordIndex`] is made, and don't change under a search. A [`WordsUpdate`] writes beside it.

mod alternative;
mod directory;
mod expand;
mod explain;
mod rank;
mod schema;
mod segment;
mod typos;
mod update;
mod work;

use std::{collections::HashSet, path::PathBuf};

use resly_core::{
    error::StoreError,
    id::{PassageId, RevisionId},
};

use self::work::Work;
use crate::{
    synonyms::SynonymIndex,
    terms::{Language, Question},
};

pub use self::{
    explain::{Form, WordMatch},
    segment::WordIndex,
    update::WordsUpdate,
    work::Effort,
};

/// The least share of a question that the best passage has to cover. A question about something else has a word in
/// common with any knowledge base; one word in four, or a good part of a long one, is no accident. Measured on twelve
/// languages; see `tests/retrieval`.
pub const LEAST_COVERAGE: f32 = 0.22;

/// What words found.
#[derive(Clone, Debug)]
pub struct Matches {
    /// Best first; none when the best one covers less than [`LEAST_COVERAGE`].
    pub passages: Vec<PassageId>,
    /// What each of them scored.
    pub scores: Vec<f32>,
    /// The share of the question that the best passage covers, more for a title's words; infinite where there is nothing
    /// to judge by.
    pub coverage: f32,
    /// The question's language, of those that the passages have.
    pub language: Language,
}

/// Where an index is.
#[derive(Clone, Debug)]
pub enum Place {
    Folder(PathBuf),
    /// For a folder that can't be used. It is gone with its [`WordIndex`].
    Memory,
}

/// Whether a question is whole, or its last word may be the beginning of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typing {
    Finished,
    Unfinished,
}

/// Why an index can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    #[error("another process is writing {}", .0.display())]
    Busy(PathBuf),
    #[error("it has the format {found} instead of {expected}")]
    Format { found: String, expected: &'static str },
    #[error("these files are damaged: {0}")]
    Damaged(String),
    #[error("it doesn't hold what was written to it")]
    Incomplete,
    #[error("its folder can't be used: {0}")]
    Folder(#[from] std::io::Error),
    #[error("{0}")]
    Index(String),
    /// For an [`Effort::Short`].
    #[error("the search takes long")]
    TooLong,
    #[error(transparent)]
    Store(StoreError),
}

impl From<tantivy::TantivyError> for WordsError {
    fn from(error: tantivy::TantivyError) -> Self {
        // A file that can't be read may be somebody else's, and its content is nobody's business.
        let told = error.to_string();
        Self::Index(told.split(" Content:").next().unwrap_or_default().to_owned())
    }
}

impl WordIndex {
    /// Whether it holds these sources and no others.
    pub fn has_exactly(&self, sources: &HashSet<RevisionId>) -> bool {
        self.sources.len() == sources.len() && self.sources.iter().all(|source| sources.contains(source))
    }

    /// Whether it is lost with the process, since its folder couldn't be used.
    pub fn is_in_memory(&self) -> bool {
        self.memory > 0
    }

    /// The languages of its passages, the most frequent first.
    pub fn languages(&self) -> &[Language] {
        &self.languages
    }

    /// How many passages it holds.
    pub fn passages(&self) -> usize {
        self.passages
    }

    /// The passages that have words of the question.
    pub fn search(
        &self,
        question: &str,
        typing: Typing,
        synonyms: &SynonymIndex,
        limit: usize,
        effort: Effort,
    ) -> Result<Matches, WordsError> {
        guarded(|| {
            let mut asked = Question::with_synonyms(question, &self.languages, |words| synonyms.apply(words));
            if typing == Typing::Unfinished {
                asked.leave_unfinished(question);
            }
            rank::search(self, &asked, limit, &mut Work::new(effort))
        })
    }
}

/// Files that are broken in a way that no checksum tells may make their reader panic.
fn guarded<T>(search: impl FnOnce() -> Result<T, WordsError>) -> Result<T, WordsError> {
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(search));
    found.unwrap_or_else(|_| Err(WordsError::Index("the search panicked".to_owned())))
}

#[cfg(test)]
mod tests;
