//! What is added to a library, and why it may not be.

use resly_core::{
    error::{EmbedError, StoreError},
    id::SourceId,
    knowledge::AddSourceError,
    meter::LimitReached,
};

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
