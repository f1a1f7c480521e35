//! API keys. Only hashes of their secrets are stored.
//!
//! An organization always keeps a key that may administer it and doesn't expire: a change that would remove the last
//! such key is refused. Such changes of one organization run one after the other. Otherwise two of them could each rely
//! on the key that the other one removes.

mod changes;
mod locked;
mod rows;

use resly_core::{
    boxed,
    error::StoreError,
    id::{KeyId, OrganizationId},
    plan::Features,
    principal::{KeyKind, Principal, Scope},
    rate::RateLimits,
    time::Timestamp,
};

use self::rows::{IdentityRow, KeyRow};
use crate::{
    RowScope, Store,
    audit::Author,
    columns::select,
    error::failed,
    sql::{execute, row, rows},
    types::{Id, Time},
};

#[derive(Clone, Debug)]
pub struct NewKey {
    pub id: KeyId,
    pub organization: OrganizationId,
    pub name: String,
    pub kind: KeyKind,
    pub scopes: Vec<Scope>,
    pub origins: Vec<String>,
    pub message_cap: Option<u64>,
    pub visitor_message_cap: Option<u64>,
    /// The defaults of the key's kind when `None`.
    pub rate_limits: Option<RateLimits>,
    pub expires_at: Option<Timestamp>,
    pub secret_hash: [u8; 32],
    pub now: Timestamp,
}

/// The key that replaces an old one. It differs from the old one only in id and secret.
#[derive(Clone, Debug)]
pub struct Successor {
    pub id: KeyId,
    pub secret_hash: [u8; 32],
    pub now: Timestamp,
}

/// A change of a key. `None` leaves a member as it is, `Some(None)` removes it.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    pub name: Option<String>,
    pub scopes: Option<Vec<Scope>>,
    pub origins: Option<Vec<String>>,
    pub message_cap: Option<Option<u64>>,
    pub visitor_message_cap: Option<Option<u64>>,
    pub rate_limits: Option<Option<RateLimits>>,
    pub expires_at: Option<Option<Timestamp>>,
}

/// Why a key can't be changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyChangeError {
    #[error("there is no such key")]
    Missing,
    #[error("the key has expired; make a new one")]
    Expired,
    #[error(
        "it is the organization's last key with the scope `admin` that doesn't expire; make another one first, or nobody \
         could administer the organization"
    )]
    LastAdmin,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key as authentication needs it.
#[derive(Clone, Debug)]
pub struct StoredKey {
    pub principal: Principal,
    pub name: String,
    /// The first key of a chain of rotations.
    pub lineage: KeyId,
    pub secret_hash: [u8; 32],
    /// The defaults of the key's kind when `None`.
    pub rate_limits: Option<RateLimits>,
    /// Those of the organization's plan.
    pub features: Features,
    /// The key is refused from then on. The caller compares.
    pub expires_at: Option<Timestamp>,
}

/// A key as admins see it.
#[derive(Clone, Debug)]
pub struct KeySummary {
    pub id: KeyId,
    /// The first key of a chain of rotations.
    pub lineage: KeyId,
    pub name: String,
    pub kind: KeyKind,
    pub scopes: Vec<Scope>,
    pub origins: Vec<String>,
    pub message_cap: Option<u64>,
    pub visitor_message_cap: Option<u64>,
    pub rate_limits: Option<RateLimits>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

impl Store {
    /// Whether any organization has a key.
    #[boxed]
    pub async fn has_keys(&self) -> Result<bool, StoreError> {
        let doing = "see whether there are API keys";
        let mut db = self.reader(RowScope::Host, doing).await?;
        row!(db, (i32,), "SELECT 1 FROM api_keys LIMIT 1").map(|found| found.is_some()).map_err(failed(doing))
    }

    #[boxed]
    pub async fn create_key(&self, new: NewKey) -> Result<(), StoreError> {
        let by = Author::current();
        self.write(new.organization, "create a key", move |mut db| {
            Box::pin(async move { Ok(changes::insert(&mut db, &by, &new).await?) })
        })
        .await
    }

    /// A key that is not deleted, whether it has expired or not.
    #[boxed]
    pub async fn key_by_id(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        let doing = "find a key";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = row!(
            db,
            IdentityRow,
            select!(
                key,
                ", (SELECT o.features FROM organizations o WHERE o.id = organization_id) AS features
                 FROM api_keys WHERE id = $1 AND deleted_at IS NULL"
            ),
            Id(id.0)
        )
        .map_err(failed(doing))?;
        let stored = |IdentityRow { key, features }| key.stored(Features::from_names(features.map(|names| names.0)));
        found.map(stored).transpose().map_err(failed(doing))
    }

    /// One key of the organization that isn't deleted.
    #[boxed]
    pub async fn key(&self, organization: OrganizationId, id: KeyId) -> Result<Option<KeySummary>, StoreError> {
        let doing = "find a key";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            KeyRow,
            select!(key, "FROM api_keys WHERE id = $1 AND organization_id = $2 AND deleted_at IS NULL"),
            Id(id.0),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.map(KeyRow::summary).transpose().map_err(failed(doing))
    }

    /// The keys that aren't deleted, newest first.
    #[boxed]
    pub async fn list_keys(&self, organization: OrganizationId) -> Result<Vec<KeySummary>, StoreError> {
        let doing = "list the keys";
        let mut db = self.reader(organization, doing).await?;
        let found = rows!(
            db,
            KeyRow,
            select!(
                key,
                "FROM api_keys WHERE organization_id = $1 AND deleted_at IS NULL ORDER BY created_at DESC, id DESC"
            ),
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(KeyRow::summary).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// Changes a key that still works.
    #[boxed]
    pub async fn change_key(
        &self,
        organization: OrganizationId,
        id: KeyId,
        what: KeyChange,
        now: Timestamp,
    ) -> Result<KeySummary, KeyChangeError> {
        let by = Author::current();
        self.write(organization, "change a key", move |mut db| {
            Box::pin(async move { changes::change(&mut db, &by, organization, id, &what, now).await })
        })
        .await
    }

    /// Deletes a key. [`Store::key_by_id`] doesn't find it any more.
    #[boxed]
    pub async fn delete_key(
        &self,
        organization: OrganizationId,
        id: KeyId,
        now: Timestamp,
    ) -> Result<(), KeyChangeError> {
        let by = Author::current();
        self.write(organization, "delete a key", move |mut db| {
            Box::pin(async move { changes::delete(&mut db, &by, organization, id, now).await })
        })
        .await
    }

    /// Creates a new key and sets the end of the old one, in one transaction. The new key differs only in id and
    /// secret. It has the same lineage, so what the old key spent of its cap stays spent, and clients find their
    /// conversations. An expired key can't be rotated.
    #[boxed]
    pub async fn rotate_key(
        &self,
        organization: OrganizationId,
        old: KeyId,
        new: Successor,
        old_expires_at: Timestamp,
    ) -> Result<(), KeyChangeError> {
        let by = Author::current();
        self.write(organization, "rotate a key", move |mut db| {
            Box::pin(async move { changes::rotate(&mut db, &by, organization, old, &new, old_expires_at).await })
        })
        .await
    }

    /// Stores when keys were last used. Callers gather the times and send them now and then.
    #[boxed]
    pub async fn keys_used(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), StoreError> {
        self.write_passing(RowScope::Host, "note that keys were used", move |mut db| {
            Box::pin(async move {
                for (key, at) in used {
                    execute!(
                        db,
                        "UPDATE api_keys SET last_used_at = $2
                         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
                        Id(key.0),
                        Time(at)
                    )?;
                }
                Ok(())
            })
        })
        .await
    }
}
