//! The vault stores credentials sealed. A master key wraps one key for each organization, and that key seals records.
//!
//! Both steps use XChaCha20-Poly1305 with a random nonce. A record's owner (organization, connection, field, version)
//! is associated data, so a record that was moved to another row can't be opened there. A wrapped key names its master
//! key, so master keys can be rotated: new ones wrap, and old ones still unwrap. [`Wrapping::rotate`] wraps existing
//! keys under the newest master key and changes no record.

mod credentials;
mod file;
mod master;
mod seal;
mod strength;
mod wrapping;

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::future::Cache;
use resly_core::{
    connector::account::SealedCredentials,
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    time::Random,
};
use secrecy::SecretBox;
use zeroize::Zeroizing;

pub use credentials::{Credentials, CredentialsError, SHORTEST_SECRET};
pub use file::{MASTER_KEY_FILE, MasterKeyError, MasterKeySource};
pub use master::{MasterKeys, ParseKeyError, WeakKeyError};
pub use wrapping::{Rewrapped, Rotation, SecretOwner, WrappedStore, Wrapping};

/// How long an opened organization key is kept in memory.
const REMEMBERED: Duration = Duration::from_secs(60);
const REMEMBERED_KEYS: u64 = 1024;

/// 32 bytes that are zeroized when dropped.
pub(crate) type Key = SecretBox<[u8; 32]>;

/// Whose record it is, and which one. It is the associated data of the encryption, so a record opens only in the context
/// that it was sealed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionContext {
    pub organization: OrganizationId,
    pub connection: ConnectionId,
    pub field: Cow<'static, str>,
    /// The version of the field's format.
    pub version: u32,
}

/// The port that stores the wrapped keys, one for each organization.
#[async_trait]
pub trait VaultStore: Send + Sync + 'static {
    async fn vault_key(&self, organization: OrganizationId) -> Result<Option<Vec<u8>>, StoreError>;
    /// Stores a key unless there is one. Returns the stored one, so the first writer wins.
    async fn put_vault_key(&self, organization: OrganizationId, key: Vec<u8>) -> Result<Vec<u8>, StoreError>;
}

/// Why something can't be sealed or opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VaultError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the vault needs master key `{0}`, which this host was not given: add it to the host's master keys, the newest \
         first, and start it again"
    )]
    NoMasterKey(String),
    #[error(
        "a stored secret does not open: it was changed, belongs elsewhere, or was sealed under another master key of \
         the same name"
    )]
    DoesNotOpen,
    #[error("a stored secret has a form that this version doesn't know")]
    UnknownForm,
}

/// Seals and opens credentials.
pub struct Vault {
    keys: Arc<MasterKeys>,
    store: Arc<dyn VaultStore>,
    random: Arc<dyn Random>,
    opened: Cache<OrganizationId, Arc<Key>>,
}

impl Vault {
    pub fn new(keys: Arc<MasterKeys>, store: Arc<dyn VaultStore>, random: Arc<dyn Random>) -> Self {
        let opened = Cache::builder().max_capacity(REMEMBERED_KEYS).time_to_live(REMEMBERED).build();
        Self { keys, store, random, opened }
    }

    pub async fn seal(
        &self,
        context: &EncryptionContext,
        credentials: &Credentials,
    ) -> Result<SealedCredentials, VaultError> {
        let key = self.organization_key(context.organization).await?;
        let plain = credentials.to_plain();
        Ok(SealedCredentials(seal::record(&key, &context.associated_data(), &plain, &*self.random)?))
    }

    pub async fn open(
        &self,
        context: &EncryptionContext,
        sealed: &SealedCredentials,
    ) -> Result<Credentials, VaultError> {
        let key = self.organization_key(context.organization).await?;
        let plain = seal::open_record(&key, &context.associated_data(), &sealed.0)?;
        Credentials::from_plain(&plain).ok_or(VaultError::UnknownForm)
    }

    async fn organization_key(&self, organization: OrganizationId) -> Result<Arc<Key>, VaultError> {
        let holder = SecretOwner::Organization(organization);
        let key = self.opened.try_get_with(organization, async {
            let wrapped = match self.store.vault_key(organization).await? {
                Some(wrapped) => wrapped,
                None => {
                    let mut fresh = Zeroizing::new([0; 32]);
                    self.random.fill(&mut *fresh);
                    let wrapped = seal::wrap(&self.keys, &holder, &*fresh, &*self.random)?;
                    // Another host may have stored one first, so the stored key is used.
                    self.store.put_vault_key(organization, wrapped).await?
                }
            };
            let plain = seal::unwrap(&self.keys, &holder, &wrapped)?;
            let bytes: [u8; 32] = plain.as_slice().try_into().map_err(|_| VaultError::UnknownForm)?;
            Ok(Arc::new(Key::new(Box::new(bytes))))
        });
        key.await.map_err(|error: Arc<VaultError>| (*error).clone())
    }
}

impl EncryptionContext {
    /// Everything but the field has a fixed width, and the field comes last, so no two contexts have the same bytes.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = b"resly credentials v1\0".to_vec();
        data.extend_from_slice(self.organization.0.as_bytes());
        data.extend_from_slice(self.connection.0.as_bytes());
        data.extend_from_slice(&self.version.to_be_bytes());
        data.extend_from_slice(self.field.as_bytes());
        data
    }
}

#[cfg(test)]
mod tests;
