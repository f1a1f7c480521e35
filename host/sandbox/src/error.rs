//! The errors of components and of the sandbox itself.

use resly_core::{connector::sandbox::ComponentStoreError, error::StoreError, object::ObjectError};
use resly_manifest::{Digest, Violation, signature::SignatureError};

/// Why a component can't be loaded. The texts are for the person who uploads it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ComponentError {
    #[error("there is no component {0}; upload it again")]
    Missing(String),
    #[error("{0}")]
    Malformed(String),
    #[error("the component has {have} {what}, and {limit} are allowed; make it smaller")]
    TooBig { what: &'static str, have: u64, limit: u64 },
    #[error("the component imports `{name}`, which connectors don't have: {advice}")]
    Import { name: String, advice: String },
    #[error(
        "the component doesn't export `{0}`; build it against `wit/connector.wit`, as the SDK's export macro does it"
    )]
    Export(String),
    #[error("the component doesn't compile: {0}")]
    Compile(String),
    #[error("compiling took more than {0}; make the component smaller, above all its largest functions")]
    CompileBudget(String),
    #[error("too many components are being compiled; try again in a minute")]
    CompileQueue,
    #[error("the component can't be loaded: {0}; make it of fewer parts")]
    Load(String),
    #[error("the component can't be linked: {0}; build it with the SDK's current version")]
    Link(String),
    #[error("the host failed while it loaded the component; its log has the details, try again")]
    Host(String),
    #[error("the component could not be read from the store; try again")]
    Store(#[from] StoreError),
    #[error(
        "the component's code can't be read at the moment, because its object store can't be used; try again in a minute"
    )]
    Unreadable,
    #[error("what is stored of the component {0} isn't what was uploaded, so it isn't run; upload the same file again")]
    Damaged(String),
}

impl ComponentError {
    /// Why the bytes of a component can't be read, without the names of the operator's servers.
    pub(crate) fn unreadable(digest: Digest, error: ComponentStoreError) -> Self {
        match error {
            ComponentStoreError::Store(error) => Self::Store(error),
            ComponentStoreError::Object(ObjectError::Missing { .. }) => Self::Missing(digest.to_string()),
            ComponentStoreError::Object(ObjectError::Damaged { .. }) => Self::Damaged(digest.to_string()),
            ComponentStoreError::Object(_) => Self::Unreadable,
        }
    }

    /// Whether a repeat may succeed.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::CompileQueue | Self::Host(_) | Self::Store(_) | Self::Unreadable)
    }
}

/// Why the manifest in a packed component can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error(
        "the file carries no manifest; pack it with `resly connector pack`, which adds `connector.toml` to the compiled component"
    )]
    Missing,
    #[error("the file carries more than one manifest; pack the component as it came out of the compiler")]
    Several,
    #[error("the manifest has {bytes} bytes, and a host takes {most}; leave out fixtures or shorten descriptions")]
    TooBig { bytes: usize, most: usize },
    #[error("{0}")]
    Malformed(String),
    #[error("the manifest is not valid: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the manifest has mistakes: {}", violations(.0))]
    Violations(Vec<Violation>),
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

fn violations(all: &[Violation]) -> String {
    all.iter().map(Violation::to_string).collect::<Vec<_>>().join("; ")
}

/// Why the sandbox can't be built.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the sandbox must be built within a tokio runtime")]
    NoRuntime,
    #[error("wasmtime refused the sandbox's configuration: {0}")]
    Engine(String),
    #[error("the folder for compiled components, {path}, can't be used: {error}")]
    Cache { path: String, error: std::io::Error },
    #[error("a guest thread could not be started: {0}")]
    Threads(std::io::Error),
}
