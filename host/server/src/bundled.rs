//! The connectors that the binary carries, and the catalogue they open: the bundled ones, then the organization's own.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use resly_core::{
    connector::{
        connection::{Catalogue, Installable, Origin},
        manifest::{Manifest, check},
        pack::pack,
        sandbox::{ComponentSource, Digest},
    },
    error::StoreError,
    id::OrganizationId,
};
use resly_store::{Store, StoredConnector, VersionState};

static MAPPING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mapping.wasm"));
static HTTP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/http.wasm"));
static SHOPIFY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shopify.wasm"));
static SHOPIFY_MANIFEST: &str = include_str!("../../../plugins/shopify/connector.toml");
static STRIPE_MANIFEST: &str = include_str!("../../../plugins/stripe/connector.toml");

/// A bundled manifest that can't be used: a mistake in this build.
#[derive(Debug, thiserror::Error)]
#[error("the bundled connector `{connector}` can't be used: {detail}")]
pub struct BundleError {
    connector: &'static str,
    detail: String,
}

/// A connector that the binary carries.
struct Bundled {
    manifest: Arc<Manifest>,
    /// What runs it: its own component, packed, or the runner of declarative connectors.
    component: Digest,
    wasm: Option<&'static [u8]>,
}

/// What the binary carries.
pub struct Bundle {
    mapper: Digest,
    runner: Digest,
    connectors: Vec<Bundled>,
}

impl Bundle {
    pub fn open() -> Result<Self, BundleError> {
        Ok(Self {
            mapper: Digest::of(MAPPING),
            runner: Digest::of(HTTP),
            connectors: vec![
                Bundled::read("shopify", SHOPIFY_MANIFEST, Some(SHOPIFY))?,
                Bundled::read("stripe", STRIPE_MANIFEST, None)?,
            ],
        })
    }

    /// The component that runs mappings.
    pub fn mapper(&self) -> Digest {
        self.mapper
    }

    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.connectors.iter().map(|bundled| &*bundled.manifest)
    }

    /// The connectors' components, for compiling them ahead: name, digest, bytes.
    pub fn components(&self) -> Vec<(&str, Digest, Bytes)> {
        let named = self
            .connectors
            .iter()
            .filter_map(|bundled| Some((bundled.manifest.id.as_str(), bundled.component, bundled.packed()?)));
        [("http", self.runner, Bytes::from_static(HTTP))].into_iter().chain(named).collect()
    }

    fn component(&self, digest: Digest) -> Option<Bytes> {
        if digest == self.mapper {
            return Some(Bytes::from_static(MAPPING));
        }
        if digest == self.runner {
            return Some(Bytes::from_static(HTTP));
        }
        self.connectors.iter().find(|bundled| bundled.component == digest)?.packed()
    }
}

impl Bundled {
    fn read(connector: &'static str, manifest: &str, wasm: Option<&'static [u8]>) -> Result<Self, BundleError> {
        let wrong = |detail: String| BundleError { connector, detail };
        let manifest: Manifest = toml::from_str(manifest).map_err(|error| wrong(error.to_string()))?;
        if let Some(mistake) = check(&manifest).first() {
            return Err(wrong(format!("{}: {}", mistake.path, mistake.message)));
        }
        let component = match wasm {
            Some(wasm) => Digest::of(&pack(wasm, &manifest).map_err(|error| wrong(error.to_string()))?),
            None if manifest.is_declarative() => Digest::of(HTTP),
            None => return Err(wrong("an action has neither a `request` nor a component".to_owned())),
        };
        Ok(Self { manifest: Arc::new(manifest), component, wasm })
    }

    /// Packed anew each time it is asked for, which is when it has to be compiled: the host doesn't keep a copy.
    fn packed(&self) -> Option<Bytes> {
        pack(self.wasm?, &self.manifest).map(Bytes::from).ok()
    }

    fn installable(&self) -> Installable {
        Installable { manifest: Arc::clone(&self.manifest), component: self.component, origin: Origin::Bundled }
    }
}

/// A version in the catalogue, ready or not.
pub struct Listed {
    pub installable: Installable,
    pub state: VersionState,
    /// Why it was refused.
    pub reason: Option<String>,
}

/// Every connector that an organization can install.
pub struct Connectables {
    bundle: Bundle,
    store: Store,
}

impl Connectables {
    pub fn new(bundle: Bundle, store: Store) -> Self {
        Self { bundle, store }
    }

    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The component that runs declarative connectors.
    pub fn runner(&self) -> Digest {
        self.bundle.runner
    }

    pub fn is_bundled(&self, id: &str) -> bool {
        self.bundle.connectors.iter().any(|bundled| bundled.manifest.id == id)
    }

    /// All versions of all connectors: the bundled ones first.
    pub async fn all(&self, organization: OrganizationId) -> Result<Vec<Listed>, StoreError> {
        let own = self.store.list_connectors(organization).await?;
        let bundled = self.bundle.connectors.iter().map(Bundled::installable);
        let bundled = bundled.map(|installable| Listed { installable, state: VersionState::Ready, reason: None });
        Ok(bundled.chain(own.into_iter().map(|stored| self.listed(stored))).collect())
    }

    /// The newest version that can be installed.
    pub async fn newest(&self, organization: OrganizationId, id: &str) -> Result<Option<Installable>, StoreError> {
        let all = self.all(organization).await?.into_iter();
        let ready = all.filter(|listed| listed.state == VersionState::Ready).map(|listed| listed.installable);
        Ok(ready
            .filter(|installable| installable.manifest.id == id)
            .max_by_key(|installable| version_order(&installable.manifest.version)))
    }

    /// All versions of one connector, the newest first.
    pub async fn versions(&self, organization: OrganizationId, id: &str) -> Result<Vec<Listed>, StoreError> {
        let mut versions = self.all(organization).await?;
        versions.retain(|listed| listed.installable.manifest.id == id);
        versions.sort_by_cached_key(|listed| std::cmp::Reverse(version_order(&listed.installable.manifest.version)));
        Ok(versions)
    }

    pub async fn version(
        &self,
        organization: OrganizationId,
        id: &str,
        version: &str,
    ) -> Result<Option<Installable>, StoreError> {
        self.find(organization, id, version).await
    }

    fn listed(&self, stored: StoredConnector) -> Listed {
        let StoredConnector { manifest, origin, component, state, reason, .. } = stored;
        // The runner changes with the host, not with the definition.
        let component = if origin == Origin::Declarative { self.bundle.runner } else { component };
        Listed { installable: Installable { manifest: Arc::new(manifest), component, origin }, state, reason }
    }
}

/// Semantic versioning 2.0.0, item 11, without build metadata: numbers first, a pre-release before its release.
fn version_order(version: &str) -> (Vec<u64>, bool, String) {
    let version = version.split('+').next().unwrap_or_default();
    let (numbers, pre) = version.split_once('-').unwrap_or((version, ""));
    let numbers = numbers.split('.').map(|number| number.parse().unwrap_or(0)).collect();
    (numbers, pre.is_empty(), pre.to_owned())
}

#[async_trait]
impl Catalogue for Connectables {
    async fn find(
        &self,
        organization: OrganizationId,
        connector: &str,
        version: &str,
    ) -> Result<Option<Installable>, StoreError> {
        if let Some(bundled) = self.bundle.connectors.iter().find(|bundled| bundled.manifest.id == connector) {
            // The binary carries one version of each: a connection made by an older host goes on with this one.
            return Ok(Some(bundled.installable()));
        }
        let stored = self.store.connector(organization, connector, version).await?;
        let stored = stored.filter(|stored| stored.state == VersionState::Ready);
        Ok(stored.map(|stored| self.listed(stored).installable))
    }
}

#[async_trait]
impl ComponentSource for Connectables {
    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        match self.bundle.component(digest) {
            Some(bytes) => Ok(Some(bytes)),
            None => self.store.wasm(digest).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_semver_says() {
        let mut versions = ["1.10.0", "1.9.0", "1.10.0-rc.1", "0.1.0"];
        versions.sort_by_key(|version| version_order(version));
        assert_eq!(versions, ["0.1.0", "1.9.0", "1.10.0-rc.1", "1.10.0"]);
    }

    #[test]
    fn the_bundle_is_whole() {
        let bundle = Bundle::open().unwrap();
        for (name, digest, bytes) in bundle.components() {
            assert_eq!(Digest::of(&bytes), digest, "{name}");
            assert!(bundle.component(digest).is_some());
        }
    }
}
