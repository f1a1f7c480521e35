//! Loaded connectors by their digest. The bytes of their code are bounded.

use std::sync::Arc;

use bytes::Bytes;
use moka::{future::Cache, policy::EvictionPolicy};
use resly_core::id::OrganizationId;
use resly_manifest::Digest;
use tokio::task::JoinHandle;

use crate::{
    error::ComponentError,
    loader::{Loaded, Loader},
};

pub struct Registry {
    loader: Arc<Loader>,
    cache: Cache<Digest, Arc<Loaded>>,
}

impl Registry {
    pub fn new(loader: Arc<Loader>, bytes: u64) -> Self {
        // The least recently used one is evicted. A policy by frequency would load a new connector from disk at every
        // call.
        let cache = Cache::builder()
            .max_capacity(bytes)
            .weigher(|_, loaded: &Arc<Loaded>| u32::try_from(loaded.bytes).unwrap_or(u32::MAX))
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { loader, cache }
    }

    /// A loaded connector. It is loaded, and if necessary compiled, once for all callers that wait for it.
    pub async fn get(
        &self,
        organization: OrganizationId,
        digest: Digest,
        bytes: Option<Bytes>,
    ) -> Result<Arc<Loaded>, ComponentError> {
        if let Some(loaded) = self.cache.get(&digest).await {
            return Ok(loaded);
        }
        let loading = self.load(organization, digest, bytes);
        let loaded = loading.await.map_err(|error| ComponentError::Host(error.to_string()))?;
        loaded.map_err(|error: Arc<ComponentError>| (*error).clone())
    }

    /// A task of its own loads it, so that a caller who gives up doesn't stop it for the others, or for a repeat.
    fn load(
        &self,
        organization: OrganizationId,
        digest: Digest,
        bytes: Option<Bytes>,
    ) -> JoinHandle<Result<Arc<Loaded>, Arc<ComponentError>>> {
        let loader = Arc::clone(&self.loader);
        let cache = self.cache.clone();
        tokio::spawn(async move {
            let load = async move { loader.connector(organization, digest, bytes).await.map(Arc::new) };
            cache.try_get_with(digest, load).await
        })
    }

    /// Bytes of compiled code in memory.
    pub fn bytes(&self) -> u64 {
        self.cache.iter().map(|(_, loaded)| loaded.bytes as u64).sum()
    }
}
