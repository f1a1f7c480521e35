//! Why a model can't be loaded. Each error names the file to look at.

use std::path::{Path, PathBuf};

/// A folder that isn't a model that this host can run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{} can't be read: {reason}; the folder needs config.json, model.safetensors and tokenizer.json", .file.display())]
    Unreadable { file: PathBuf, reason: String },
    #[error("{} has {bytes} bytes, and {most} are the most", .file.display())]
    TooLarge { file: PathBuf, bytes: u64, most: u64 },
    #[error("{} is malformed: {reason}; copy it anew from where the model is published", .file.display())]
    Malformed { file: PathBuf, reason: String },
    #[error("{}: {what} isn't supported; this host runs BERT and (XLM-)RoBERTa models", .file.display())]
    Unsupported { file: PathBuf, what: String },
    /// A tensor is missing, or has another shape than the configuration says.
    #[error("{} doesn't fit config.json beside it: {reason}", .file.display())]
    Weights { file: PathBuf, reason: String },
    #[error("{} has {tokens} tokens and the model {rows}: they are of different models", .file.display())]
    Vocabulary { file: PathBuf, tokens: usize, rows: usize },
    /// What was loaded doesn't compute.
    #[error("the model in {} doesn't work: {reason}", .folder.display())]
    Broken { folder: PathBuf, reason: String },
}

impl LoadError {
    pub(crate) fn malformed(file: &Path, reason: impl ToString) -> Self {
        Self::Malformed { file: file.to_owned(), reason: reason.to_string() }
    }

    pub(crate) fn unsupported(file: &Path, what: impl Into<String>) -> Self {
        Self::Unsupported { file: file.to_owned(), what: what.into() }
    }
}

/// Why a loaded model gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("{0} questions wait for it already")]
    Busy(usize),
    #[error("the computation broke: {0}")]
    Panicked(String),
    #[error("the text can't be cut into tokens: {0}")]
    Tokens(String),
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    #[error("a result that is no number")]
    NotFinite,
    #[error("its thread has ended")]
    Stopped,
}
