//! The models that run in this process, which only a build with the feature `local-models` has.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use resly_core::knowledge::{Embedder, Reranker};

/// Whether this build has them.
pub const BUILT_IN: bool = cfg!(feature = "local-models");
/// How to build a binary that has them.
pub const HOW_TO_BUILD: &str = "`make build FEATURES=local-models`";

/// A model that can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LocalModelError {
    #[error("{}: this build has no local models; build one that has by {HOW_TO_BUILD}", .0.display())]
    NotBuiltIn(PathBuf),
    #[cfg(feature = "local-models")]
    #[error(transparent)]
    Load(#[from] resly_local_models::LoadError),
    #[error("{}: loading ended early: {reason}", .folder.display())]
    Ended { folder: PathBuf, reason: String },
}

/// Loads the embedding model of a folder.
pub async fn embedder(folder: &Path) -> Result<Arc<dyn Embedder>, LocalModelError> {
    let embedder = load(folder, load_embedder).await?;
    tracing::info!(folder = %folder.display(), embedder = embedder.name(), "embedding by a local model");
    Ok(embedder)
}

/// Loads the reranking model of a folder.
pub async fn reranker(folder: &Path) -> Result<Arc<dyn Reranker>, LocalModelError> {
    let reranker = load(folder, load_reranker).await?;
    tracing::info!(folder = %folder.display(), "reranking by a local model");
    Ok(reranker)
}

/// Loading reads hundreds of megabytes and computes, which a thread of the runtime may not.
async fn load<T: Send + 'static>(
    folder: &Path,
    load: fn(&Path) -> Result<T, LocalModelError>,
) -> Result<T, LocalModelError> {
    let own = folder.to_owned();
    let loaded = tokio::task::spawn_blocking(move || load(&own)).await;
    loaded.unwrap_or_else(|error| Err(LocalModelError::Ended { folder: folder.to_owned(), reason: error.to_string() }))
}

#[cfg(feature = "local-models")]
fn load_embedder(folder: &Path) -> Result<Arc<dyn Embedder>, LocalModelError> {
    Ok(Arc::new(resly_local_models::LocalEmbedder::load(folder)?))
}

#[cfg(feature = "local-models")]
fn load_reranker(folder: &Path) -> Result<Arc<dyn Reranker>, LocalModelError> {
    Ok(Arc::new(resly_local_models::LocalReranker::load(folder)?))
}

#[cfg(not(feature = "local-models"))]
fn load_embedder(folder: &Path) -> Result<Arc<dyn Embedder>, LocalModelError> {
    Err(LocalModelError::NotBuiltIn(folder.to_owned()))
}

#[cfg(not(feature = "local-models"))]
fn load_reranker(folder: &Path) -> Result<Arc<dyn Reranker>, LocalModelError> {
    Err(LocalModelError::NotBuiltIn(folder.to_owned()))
}
