//! Creates API keys, and identifies callers by them.
//!
//! An identity is remembered for less than a second. A deleted key therefore stops working within a second on every
//! host, and at once on the host that deleted it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use moka::future::Cache;
use resly_core::{
    boxed,
    error::StoreError,
    id::{KeyId, OrganizationId},
    plan::Features,
    principal::{KeyKind, Principal, Scope},
    rate::RateLimits,
    time::{Clock, Random, Timestamp},
};
use resly_store::{KeyChange, KeyChangeError, KeySummary, NewKey, Store, StoredKey, Successor};

use crate::{
    cluster::changes::Changes,
    key::{self, MalformedKey, NewSecret, Pepper},
    origins::Origins,
};

/// A deletion may take a second. The rest of it is for the read itself.
const REMEMBERED: Duration = Duration::from_millis(800);

/// The properties of a new key.
#[derive(Clone, Debug)]
pub struct KeySpec {
    pub organization: OrganizationId,
    pub name: String,
    pub kind: KeyKind,
    pub scopes: Vec<Scope>,
    pub origins: Vec<String>,
    pub message_cap: Option<u64>,
    /// The most messages of each visitor in a day.
    pub visitor_message_cap: Option<u64>,
    /// The defaults of the key's kind when `None`.
    pub rate_limits: Option<RateLimits>,
    pub expires_at: Option<Timestamp>,
}

impl KeySpec {
    /// A secret key without a cap or an end.
    pub fn secret(organization: OrganizationId, name: &str, scopes: &[Scope]) -> Self {
        Self {
            organization,
            name: name.to_owned(),
            kind: KeyKind::Secret,
            scopes: scopes.to_vec(),
            origins: Vec::new(),
            message_cap: None,
            visitor_message_cap: None,
            rate_limits: None,
            expires_at: None,
        }
    }
}

/// A caller, the rate limits of the caller's key, and the features of the organization's plan.
#[derive(Clone, Debug)]
pub struct Identity {
    pub principal: Arc<Principal>,
    /// The key's name.
    pub name: String,
    /// The first key of a chain of rotations.
    pub lineage: KeyId,
    pub rate_limits: RateLimits,
    pub features: Features,
}

/// Why a key identifies nobody.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    #[error("the API key can't be right: {0}")]
    Malformed(#[from] MalformedKey),
    #[error("the API key is not known: it was deleted, has expired, or belongs to another host")]
    NoSuchKey,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A remembered key.
struct Remembered {
    identity: Arc<Identity>,
    secret_hash: [u8; 32],
    expires_at: Option<Timestamp>,
}

pub struct Keyring {
    store: Store,
    pepper: Pepper,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    remembered: Cache<KeyId, Option<Arc<Remembered>>>,
    origins: Origins,
    /// What other hosts have to hear of.
    changes: Changes,
    /// When keys were last used, gathered for [`Keyring::flush`].
    used: Mutex<HashMap<KeyId, Timestamp>>,
}

impl Keyring {
    pub fn new(store: Store, pepper: Pepper, changes: Changes, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let remembered = Cache::builder().max_capacity(100_000).time_to_live(REMEMBERED).build();
        let origins = Origins::new(store.clone());
        Self { store, pepper, clock, random, remembered, origins, changes, used: Mutex::default() }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The origins that publishable keys allow.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Reads a key from the store. `None` when there is no such key.
    pub(crate) async fn stored(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        self.store.key_by_id(id).await
    }

    /// Identifies the caller who presents this key.
    #[boxed]
    pub async fn identify(&self, presented: &str) -> Result<Arc<Identity>, AuthenticationError> {
        let parsed = key::parse(presented)?;
        let found = self
            .remembered
            .try_get_with(parsed.id, async {
                let stored = self.store.key_by_id(parsed.id).await?;
                if stored.is_some() {
                    // About once a second for a key in use, because admins need no exact time.
                    self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(parsed.id, self.clock.now());
                }
                Ok::<_, StoreError>(stored.map(|stored| Arc::new(Remembered::from(stored))))
            })
            .await
            .map_err(|error| (*error).clone())?
            .ok_or(AuthenticationError::NoSuchKey)?;
        let proven = self.pepper.verifies(&parsed, &found.secret_hash) && found.identity.principal.kind == parsed.kind;
        let expired = found.expires_at.is_some_and(|at| at <= self.clock.now());
        if proven && !expired { Ok(Arc::clone(&found.identity)) } else { Err(AuthenticationError::NoSuchKey) }
    }

    /// Creates a key. Only the returned value holds its secret.
    #[boxed]
    pub async fn create(&self, spec: KeySpec) -> Result<NewSecret, StoreError> {
        let (secret, new) = self.mint(spec);
        self.store.create_key(new).await?;
        self.origins.forget();
        self.changes.note();
        Ok(secret)
    }

    /// Replaces a key by a new one. The old one works until `overlap` has passed.
    #[boxed]
    pub async fn rotate(
        &self,
        organization: OrganizationId,
        old: KeyId,
        kind: KeyKind,
        overlap: Duration,
    ) -> Result<NewSecret, KeyChangeError> {
        let now = self.clock.now();
        let secret = self.pepper.mint(KeyId(self.random.uuid(now)), kind, &*self.random);
        let new = Successor { id: secret.id, secret_hash: secret.hash, now };
        self.store.rotate_key(organization, old, new, now.plus(overlap)).await?;
        self.forget(&old).await;
        Ok(secret)
    }

    #[boxed]
    pub async fn change(
        &self,
        organization: OrganizationId,
        id: KeyId,
        change: KeyChange,
    ) -> Result<KeySummary, KeyChangeError> {
        let changed = self.store.change_key(organization, id, change, self.clock.now()).await?;
        self.forget(&id).await;
        Ok(changed)
    }

    #[boxed]
    pub async fn delete(&self, organization: OrganizationId, id: KeyId) -> Result<(), KeyChangeError> {
        self.store.delete_key(organization, id, self.clock.now()).await?;
        self.forget(&id).await;
        Ok(())
    }

    /// Stores when keys were last used.
    #[boxed]
    pub async fn flush(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.store.keys_used(used.into_iter().collect()).await {
            tracing::warn!(%error, "when keys were last used could not be stored");
        }
    }

    /// Makes this host ask the store the next time, both for the key and for the origins that keys allow.
    async fn forget(&self, key: &KeyId) {
        self.remembered.invalidate(key).await;
        self.origins.forget();
        self.changes.note();
    }

    /// Makes this host ask the store for every key and origin the next time, after a change on another host.
    pub fn forget_all(&self) {
        self.remembered.invalidate_all();
        self.origins.forget();
    }

    fn mint(&self, spec: KeySpec) -> (NewSecret, NewKey) {
        let KeySpec { organization, name, kind, scopes, origins, .. } = spec;
        let KeySpec { message_cap, visitor_message_cap, rate_limits, expires_at, .. } = spec;
        let now = self.clock.now();
        let secret = self.pepper.mint(KeyId(self.random.uuid(now)), kind, &*self.random);
        let (id, secret_hash) = (secret.id, secret.hash);
        let new = NewKey {
            id,
            organization,
            name,
            kind,
            scopes,
            origins,
            message_cap,
            visitor_message_cap,
            rate_limits,
            expires_at,
            secret_hash,
            now,
        };
        (secret, new)
    }
}

impl From<StoredKey> for Remembered {
    fn from(stored: StoredKey) -> Self {
        let StoredKey { principal, name, lineage, rate_limits, features, secret_hash, expires_at, .. } = stored;
        let rate_limits = rate_limits.unwrap_or_else(|| RateLimits::usual(principal.kind));
        let identity = Identity { principal: Arc::new(principal), name, lineage, rate_limits, features };
        Self { identity: Arc::new(identity), secret_hash, expires_at }
    }
}
