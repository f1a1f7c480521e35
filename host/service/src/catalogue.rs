//! The catalogue: the bundled connectors, then the organization's own; and which versions may be installed.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use resly_core::{
    boxed,
    connector::{
        approval::{Approval, GrantChanges, RequestedGrants, grant_changes},
        connection::{Catalogue, Installable, Origin},
        sandbox::{ComponentSource, ComponentStoreError},
    },
    error::StoreError,
    id::{KeyId, OrganizationId},
    time::Timestamp,
};
use resly_manifest::{Digest, Manifest, signature::PublicKey};
use resly_store::{Store, StoredConnector, Trust, VersionState};
use semver::Version;

use crate::{bundled::Bundle, component_store::ComponentStore};

/// A version in the catalogue, whether or not it can be installed.
#[derive(Clone)]
pub struct CatalogEntry {
    pub installable: Installable,
    pub state: VersionState,
    /// Why it was refused.
    pub reason: Option<String>,
    pub approval: Approval,
    /// Why it was rejected.
    pub approval_reason: Option<String>,
    pub decided_by: Option<KeyId>,
    pub decided_at: Option<Timestamp>,
    /// Whose valid signature the file carries.
    pub signer: Option<PublicKey>,
    /// What an uploaded component imports.
    pub imports: Vec<String>,
    /// `None` for a bundled connector.
    pub created_at: Option<Timestamp>,
}

/// Why a version can't be installed.
#[derive(Debug, thiserror::Error)]
pub enum NotInstallable {
    #[error("there is no such connector in the catalogue; `GET /api/admin/connectors` lists those there are")]
    Missing,
    #[error("there is no such version of this connector; there are: {}", .0.join(", "))]
    NoVersion(Vec<String>),
    #[error("version {0} is being compiled; `GET /api/admin/connectors/{{id}}?version={0}` tells when it is ready")]
    Compiling(String),
    #[error("version {version} was refused: {reason}")]
    Refused { version: String, reason: String },
    #[error(
        "an admin has to approve what version {0} asks for, with `POST \
         /api/admin/connectors/{{id}}/versions/{0}/approve`; `changes` of the connector shows what is new"
    )]
    Pending(String),
    #[error("version {0} was rejected; an admin can still approve it")]
    Rejected(String),
    #[error(
        "version {0} is not signed by a publisher that this organization trusts, which it requires; add the publisher \
         at `/api/admin/publishers`, or have one of them sign it"
    )]
    Untrusted(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Every connector that an organization can install.
pub struct ConnectorCatalog {
    bundle: Bundle,
    store: Store,
    components: Arc<ComponentStore>,
}

impl ConnectorCatalog {
    pub fn new(bundle: Bundle, store: Store, components: Arc<ComponentStore>) -> Self {
        Self { bundle, store, components }
    }

    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The component that runs declarative connectors.
    pub fn runner(&self) -> Digest {
        self.bundle.runner()
    }

    pub fn is_bundled(&self, id: &str) -> bool {
        self.bundle.installable(id).is_some()
    }

    /// All versions of all connectors: the bundled ones first.
    #[boxed]
    pub async fn all(&self, organization: OrganizationId) -> Result<Vec<CatalogEntry>, StoreError> {
        let own = self.store.list_connectors(organization).await?;
        let bundled = self.bundle.installables().map(CatalogEntry::bundled);
        Ok(bundled.chain(own.into_iter().map(|stored| self.entry(stored))).collect())
    }

    /// All versions of one connector, the newest first.
    #[boxed]
    pub async fn versions(&self, organization: OrganizationId, id: &str) -> Result<Vec<CatalogEntry>, StoreError> {
        let bundled = self.bundle.installable(id).map(CatalogEntry::bundled);
        let own = self.store.connector_versions(organization, id).await?;
        let own = own.into_iter().map(|stored| self.entry(stored));
        let mut versions: Vec<CatalogEntry> = bundled.into_iter().chain(own).collect();
        newest_first(&mut versions);
        Ok(versions)
    }

    /// All versions of each connector, the newest first: the bundled connectors, then the organization's own by id.
    #[boxed]
    pub async fn by_connector(&self, organization: OrganizationId) -> Result<Vec<Vec<CatalogEntry>>, StoreError> {
        let mut own: BTreeMap<String, Vec<CatalogEntry>> = BTreeMap::new();
        for stored in self.store.list_connectors(organization).await? {
            let entry = self.entry(stored);
            own.entry(entry.installable.manifest.id.clone()).or_default().push(entry);
        }
        for versions in own.values_mut() {
            newest_first(versions);
        }
        let bundled = self.bundle.installables().map(|bundled| vec![CatalogEntry::bundled(bundled)]);
        Ok(bundled.chain(own.into_values()).collect())
    }

    /// Chooses this version, or the newest that may be installed. When none may, the error says why the newest may not.
    #[boxed]
    pub async fn choose(
        &self,
        organization: OrganizationId,
        id: &str,
        version: Option<&str>,
    ) -> Result<Installable, NotInstallable> {
        if let Some(bundled) = self.bundle.installable(id) {
            // The binary carries one version of each.
            return Ok(bundled);
        }
        let mut versions = self.versions(organization, id).await?;
        let have: Vec<String> = versions.iter().map(|listed| listed.installable.manifest.version.clone()).collect();
        versions.retain(|listed| version.is_none_or(|version| listed.installable.manifest.version == version));
        if versions.is_empty() && !have.is_empty() {
            return Err(NotInstallable::NoVersion(have));
        }
        let trust = self.store.trust(organization).await?;
        let mut newest = None;
        for listed in versions {
            match listed.check(&trust) {
                Ok(()) => return Ok(listed.installable),
                Err(unavailable) => newest = newest.or(Some(unavailable)),
            }
        }
        Err(newest.unwrap_or(NotInstallable::Missing))
    }

    fn entry(&self, stored: StoredConnector) -> CatalogEntry {
        let RequestedGrants { manifest, signer } = stored.asking;
        // The runner changes with the host, not with the definition.
        let component = if stored.origin == Origin::Declarative { self.runner() } else { stored.component };
        CatalogEntry {
            installable: Installable { manifest: Arc::new(manifest), component, origin: stored.origin },
            state: stored.state,
            reason: stored.reason,
            approval: stored.approval,
            approval_reason: stored.approval_reason,
            decided_by: stored.decided_by,
            decided_at: stored.decided_at,
            signer,
            imports: stored.imports,
            created_at: Some(stored.created_at),
        }
    }
}

impl CatalogEntry {
    fn bundled(installable: Installable) -> Self {
        Self {
            installable,
            state: VersionState::Ready,
            reason: None,
            approval: Approval::NotNeeded,
            approval_reason: None,
            decided_by: None,
            decided_at: None,
            signer: None,
            imports: Vec::new(),
            created_at: None,
        }
    }

    /// Checks whether the version may be installed.
    pub fn check(&self, trust: &Trust) -> Result<(), NotInstallable> {
        let version = || self.installable.manifest.version.clone();
        let reason = || self.reason.clone().unwrap_or_default();
        match (self.state, self.approval) {
            (VersionState::Deleted, _) => Err(NotInstallable::Missing),
            (VersionState::Compiling, _) => Err(NotInstallable::Compiling(version())),
            (VersionState::Refused, _) => Err(NotInstallable::Refused { version: version(), reason: reason() }),
            (VersionState::Ready, Approval::Pending) => Err(NotInstallable::Pending(version())),
            (VersionState::Ready, Approval::Rejected) => Err(NotInstallable::Rejected(version())),
            _ if !self.is_trusted(trust) => Err(NotInstallable::Untrusted(version())),
            _ => Ok(()),
        }
    }

    fn is_trusted(&self, trust: &Trust) -> bool {
        let vouched = || self.signer.is_some_and(|signer| trust.publisher(&signer).is_some());
        self.installable.origin != Origin::Uploaded || !trust.required || vouched()
    }

    /// What an upload asks for beyond the approved uploads before it. `None` when it is the first.
    pub fn changes(&self, versions: &[Self]) -> Option<GrantChanges> {
        if self.installable.origin != Origin::Uploaded {
            return None;
        }
        let mut before: Vec<&Self> = versions
            .iter()
            .filter(|other| other.installable.origin == Origin::Uploaded && other.approval.allows())
            .filter(|other| other.state != VersionState::Refused && other.created_at < self.created_at)
            .collect();
        before.sort_by_key(|other| Reverse(other.created_at));
        let approved: Vec<RequestedGrants> = before.into_iter().map(Self::asking).collect();
        grant_changes(&approved, &self.asking())
    }

    fn asking(&self) -> RequestedGrants {
        RequestedGrants { manifest: Manifest::clone(&self.installable.manifest), signer: self.signer }
    }
}

fn newest_first(versions: &mut [CatalogEntry]) {
    versions.sort_by_cached_key(|listed| Reverse(version_order(&listed.installable.manifest.version)));
}

/// Orders by precedence (Semantic Versioning 2.0.0, item 11). An invalid version sorts first; a manifest's check
/// refuses it.
fn version_order(version: &str) -> Option<Version> {
    Version::parse(version).ok()
}

#[async_trait]
impl Catalogue for ConnectorCatalog {
    async fn find(
        &self,
        organization: OrganizationId,
        connector: &str,
        version: &str,
    ) -> Result<Option<Installable>, StoreError> {
        if let Some(bundled) = self.bundle.installable(connector) {
            // A connection made by an older host goes on with the version that this one carries.
            return Ok(Some(bundled));
        }
        let stored = self.store.connector(organization, connector, version).await?;
        let stored = stored.filter(|stored| stored.state == VersionState::Ready && stored.approval.allows());
        Ok(stored.map(|stored| self.entry(stored).installable))
    }
}

#[async_trait]
impl ComponentSource for ConnectorCatalog {
    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, ComponentStoreError> {
        match self.bundle.component(digest) {
            Some(bytes) => Ok(Some(bytes)),
            None => self.components.read(digest).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_semver_says() {
        let mut versions = ["1.10.0", "1.9.0", "1.10.0-rc.10", "1.10.0-rc.9", "1.10.0-rc.9.1", "1.10.0-9", "0.1.0"];
        versions.sort_by_key(|version| version_order(version));
        let sorted = ["0.1.0", "1.9.0", "1.10.0-9", "1.10.0-rc.9", "1.10.0-rc.9.1", "1.10.0-rc.10", "1.10.0"];
        assert_eq!(versions, sorted);
    }
}
