//! Everything that master keys wrap, and its rotation: one key for each organization, and the host's own secrets.
//!
//! A secret of the host is random. The first host to start creates it, and it is stored wrapped. Nothing else that is
//! stored depends on a master key, so an older key can be removed once everything is wrapped under the newest one.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use resly_core::{boxed, error::StoreError, id::OrganizationId, time::Random};
use zeroize::Zeroizing;

use super::{MasterKeys, VaultError, seal};

/// Wrapped keys that are read, and moved in one transaction, at a time.
const PAGE: u32 = 200;

/// The owner of a wrapped secret. It unwraps only for the same owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOwner {
    Organization(OrganizationId),
    /// The host itself, with the secret's name, which has no NUL.
    Host(String),
}

impl fmt::Display for SecretOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organization(organization) => write!(f, "organization {organization}"),
            Self::Host(name) => write!(f, "host secret {name}"),
        }
    }
}

/// New wrapped bytes that replace those that were read.
#[derive(Clone, PartialEq, Eq)]
pub struct Rewrapped {
    pub holder: SecretOwner,
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}

/// The port that stores everything that is wrapped.
#[async_trait]
pub trait WrappedStore: Send + Sync + 'static {
    async fn host_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Stores a secret unless there is one. Returns the stored one, so the first writer wins.
    async fn put_host_secret(&self, name: &str, wrapped: Vec<u8>) -> Result<Vec<u8>, StoreError>;
    /// Every secret of the host, with its name.
    async fn host_secrets(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError>;
    /// Wrapped keys of organizations in the order of their ids: up to `most` of those after `after`.
    async fn vault_keys(
        &self,
        after: Option<OrganizationId>,
        most: u32,
    ) -> Result<Vec<(OrganizationId, Vec<u8>)>, StoreError>;
    /// Replaces those that haven't changed since they were read, in one transaction. Returns how many these were.
    async fn rewrap(&self, rewrapped: Vec<Rewrapped>) -> Result<u64, StoreError>;
}

/// The master keys in use, and the result of a rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The id of the master key that wraps new secrets.
    pub newest: String,
    /// Secrets that this rotation moved to the newest key.
    pub moved: u64,
    /// How many secrets each master key wraps, by its id.
    pub in_use: BTreeMap<String, u64>,
    /// Older keys of this host that no longer wrap anything.
    pub removable: Vec<String>,
    /// Keys in use that this host doesn't have, so it can't move what they wrap.
    pub missing: Vec<String>,
    /// Secrets that don't open although their key is there. The host's log names them.
    pub unreadable: u64,
}

impl Rotation {
    /// Whether only the newest master key is still needed.
    pub fn is_done(&self) -> bool {
        self.unreadable == 0 && self.in_use.keys().all(|id| *id == self.newest)
    }
}

/// Wraps, unwraps and rotates what the master keys protect.
pub struct Wrapping {
    keys: Arc<MasterKeys>,
    store: Arc<dyn WrappedStore>,
    random: Arc<dyn Random>,
}

impl Wrapping {
    pub fn new(keys: Arc<MasterKeys>, store: Arc<dyn WrappedStore>, random: Arc<dyn Random>) -> Self {
        Self { keys, store, random }
    }

    /// A secret of the host, the same on all hosts that share the store. It becomes `fresh` if there is none yet.
    pub async fn host_secret(&self, name: &str, fresh: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let holder = SecretOwner::Host(name.to_owned());
        let wrapped = match self.store.host_secret(name).await? {
            Some(wrapped) => wrapped,
            None => {
                let wrapped = seal::wrap(&self.keys, &holder, fresh, &*self.random)?;
                self.store.put_host_secret(name, wrapped).await?
            }
        };
        seal::unwrap(&self.keys, &holder, &wrapped)
    }

    /// The master keys in use.
    #[boxed]
    pub async fn status(&self) -> Result<Rotation, VaultError> {
        let mut count = Rotation { newest: self.keys.newest().0.to_owned(), ..Rotation::default() };
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&*self.store).await? {
            for (holder, wrapped) in page {
                if let Ok(id) = seal::wrapped_by(&wrapped) {
                    *count.in_use.entry(id.to_owned()).or_default() += 1;
                }
                match seal::unwrap(&self.keys, &holder, &wrapped) {
                    Ok(_) | Err(VaultError::NoMasterKey(_)) => {}
                    Err(error) => {
                        tracing::error!(%holder, %error, "a wrapped key can't be opened");
                        count.unreadable += 1;
                    }
                }
            }
        }
        let unused = |id: &&str| !count.in_use.contains_key(*id);
        count.removable = self.keys.older().filter(unused).map(str::to_owned).collect();
        count.missing = count.in_use.keys().filter(|id| self.keys.find(id).is_none()).cloned().collect();
        Ok(count)
    }

    /// Moves everything that can be moved to the newest master key, and returns the state after that.
    ///
    /// It is safe beside other hosts, and can be repeated after an interruption: the secrets stay the same, a page is
    /// moved completely or not at all, and nothing that changed since it was read is replaced. What another host
    /// without the newest key creates meanwhile is left for the next call.
    pub async fn rotate(&self) -> Result<Rotation, VaultError> {
        let mut moved = 0;
        let mut pages = Pages::default();
        while let Some(page) = pages.next(&*self.store).await? {
            let page = page.into_iter().filter_map(|(holder, old)| self.rewrapped(holder, old));
            let page: Vec<Rewrapped> = page.collect();
            if !page.is_empty() {
                moved += self.store.rewrap(page).await?;
            }
        }
        Ok(Rotation { moved, ..self.status().await? })
    }

    /// The secret wrapped under the newest master key. `None` when it already is, or when it can't be opened here,
    /// which [`Self::status`] reports.
    fn rewrapped(&self, holder: SecretOwner, old: Vec<u8>) -> Option<Rewrapped> {
        if seal::wrapped_by(&old).ok()? == self.keys.newest().0 {
            return None;
        }
        let secret = seal::unwrap(&self.keys, &holder, &old).ok()?;
        let new = seal::wrap(&self.keys, &holder, &secret, &*self.random).ok()?;
        Some(Rewrapped { holder, old, new })
    }
}

/// Reads everything that is wrapped, the host's own secrets first.
#[derive(Default)]
struct Pages {
    began: bool,
    after: Option<OrganizationId>,
}

impl Pages {
    async fn next(&mut self, store: &dyn WrappedStore) -> Result<Option<Vec<(SecretOwner, Vec<u8>)>>, StoreError> {
        if !self.began {
            self.began = true;
            let own = store.host_secrets().await?;
            return Ok(Some(own.into_iter().map(|(name, wrapped)| (SecretOwner::Host(name), wrapped)).collect()));
        }
        let page = store.vault_keys(self.after, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        self.after = Some(*last);
        Ok(Some(page.into_iter().map(|(of, wrapped)| (SecretOwner::Organization(of), wrapped)).collect()))
    }
}
