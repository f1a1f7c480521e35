//! The errors that ports share. They know nothing of HTTP: the server maps them to problems in one place.

/// The store could not do it. The text is for the operator's log, never for a client.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is out of reach or overloaded; trying again may help.
    #[error("the database is unavailable while trying to {doing}: {detail}")]
    Unavailable { doing: &'static str, detail: String },
    /// The disk under the database is full. What is there can be read.
    #[error("the database's disk is full while trying to {doing}: {detail}")]
    Full { doing: &'static str, detail: String },
    /// A row or a statement is not what the code expects.
    #[error("the database refused to {doing}: {detail}")]
    Broken { doing: &'static str, detail: String },
}

impl StoreError {
    /// Whether the same may go well in a while.
    pub fn is_passing(&self) -> bool {
        !matches!(self, Self::Broken { .. })
    }
}

/// An embedder could not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EmbedError {
    #[error("the embedder at {at} could not be reached: {detail}")]
    Unavailable { at: String, detail: String },
    #[error("the embedder at {at} answered with something else than vectors: {detail}")]
    Invalid { at: String, detail: String },
}
