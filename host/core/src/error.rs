//! The errors that ports share. They know nothing of HTTP; the server turns them into problems in one place.

/// An operation of the store failed. Its text is for the operator's log, never for a client.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached or is overloaded. A repeat may succeed.
    #[error("the database is unavailable while trying to {doing}: {detail}")]
    Unavailable { doing: &'static str, detail: String },
    /// The disk of the database is full. Reads still work.
    #[error("the database's disk is full while trying to {doing}: {detail}")]
    Full { doing: &'static str, detail: String },
    /// This host was told to write nothing. Reads work.
    #[error("this host is read-only (RESLY_READ_ONLY), so it can't {doing}")]
    ReadOnly { doing: &'static str },
    /// A row or a statement isn't what the code expects.
    #[error("the database refused to {doing}: {detail}")]
    Broken { doing: &'static str, detail: String },
}

impl StoreError {
    /// Whether a repeat may succeed later.
    pub fn is_passing(&self) -> bool {
        !matches!(self, Self::Broken { .. })
    }
}

/// A reranker failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RerankError {
    #[error("the reranker at {at} could not be reached: {detail}")]
    Unavailable { at: String, detail: String },
    #[error("the reranker at {at} answered with something else than scores: {detail}")]
    Invalid { at: String, detail: String },
    /// A model in this process.
    #[error("the reranker {model} failed: {detail}")]
    Failed { model: String, detail: String },
}

/// An embedder failed. Its text is for the operator's log, because it names the server; tenants read
/// [`EmbedError::for_tenants`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum EmbedError {
    #[error("the embedder at {at} could not be reached: {detail}")]
    Unavailable { at: String, detail: String },
    #[error("the embedder at {at} answered with something else than vectors: {detail}")]
    Invalid { at: String, detail: String },
    #[error(
        "the embedder at {at} gives vectors of {found} numbers after ones of {expected}: another model answers under the same \
         name. Bring the other one back, or give this one a name of its own (RESLY_EMBEDDER) and start the host again"
    )]
    OtherModel { at: String, expected: usize, found: usize },
    /// A model in this process.
    #[error("the embedder {model} failed: {detail}")]
    Failed { model: String, detail: String },
}

impl EmbedError {
    /// What happened, for those who don't operate the host.
    pub fn for_tenants(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "the embedder can't be reached; the operator's log has more",
            Self::Failed { .. } => "the embedder failed; the operator's log has more",
            Self::Invalid { .. } => "the embedder gave no vectors that can be used; the operator's log has more",
            Self::OtherModel { .. } => {
                "the embedder gives vectors of another length than before, so it runs another model, and trying again doesn't \
                 help: ask the operator, whose log says what to do, then send this again"
            }
        }
    }
}
