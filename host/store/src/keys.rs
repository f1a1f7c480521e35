//! API keys, as hashes: made, found, rotated, deleted.

use resly_core::{
    error::StoreError,
    id::{KeyId, OrganizationId},
    principal::{KeyKind, Principal, Scope},
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    Store,
    error::failed,
    sql::{Conn, execute, row, rows},
    types::{Count, Id, Json, Text, Time, name_of, named},
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
    pub secret_hash: [u8; 32],
    pub now: Timestamp,
}

/// A key as authentication needs it.
#[derive(Clone, Debug)]
pub struct StoredKey {
    pub principal: Principal,
    pub name: String,
    pub secret_hash: [u8; 32],
    /// Set by a rotation: from then on the key is refused. The caller compares.
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// A key as an admin lists it.
#[derive(Clone, Debug)]
pub struct KeySummary {
    pub id: KeyId,
    pub name: String,
    pub kind: KeyKind,
    pub scopes: Vec<Scope>,
    pub origins: Vec<String>,
    pub message_cap: Option<u64>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    id: Id,
    organization_id: Id,
    name: String,
    kind: String,
    scopes: Json<Vec<Scope>>,
    origins: Json<Vec<String>>,
    message_cap: Option<Count>,
    secret_hash: Vec<u8>,
    created_at: Time,
    expires_at: Option<Time>,
    last_used_at: Option<Time>,
}

impl KeyRow {
    fn stored(self) -> Result<StoredKey, sqlx::Error> {
        let secret_hash = self.secret_hash.try_into();
        Ok(StoredKey {
            principal: Principal {
                organization: OrganizationId(self.organization_id.0),
                key: KeyId(self.id.0),
                kind: named(self.kind)?,
                scopes: self.scopes.0,
                origins: self.origins.0,
                message_cap: self.message_cap.map(|cap| cap.0),
            },
            name: self.name,
            secret_hash: secret_hash.map_err(|_| sqlx::Error::Decode("a key's hash has not 32 bytes".into()))?,
            expires_at: self.expires_at.map(|at| at.0),
            created_at: self.created_at.0,
            last_used_at: self.last_used_at.map(|at| at.0),
        })
    }

    fn summary(self) -> Result<KeySummary, sqlx::Error> {
        Ok(KeySummary {
            id: KeyId(self.id.0),
            name: self.name,
            kind: named(self.kind)?,
            scopes: self.scopes.0,
            origins: self.origins.0,
            message_cap: self.message_cap.map(|cap| cap.0),
            created_at: self.created_at.0,
            expires_at: self.expires_at.map(|at| at.0),
            last_used_at: self.last_used_at.map(|at| at.0),
        })
    }
}

async fn insert(db: &mut Conn<'_>, key: &NewKey, lineage: Uuid) -> Result<(), sqlx::Error> {
    execute!(
        db,
        "INSERT INTO api_keys
             (id, organization_id, lineage, name, kind, scopes, origins, message_cap, secret_hash, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        Id(key.id.0),
        Id(key.organization.0),
        Id(lineage),
        Text(&key.name),
        name_of(&key.kind)?,
        Json(&key.scopes),
        Json(&key.origins),
        key.message_cap.map(Count),
        key.secret_hash.as_slice(),
        Time(key.now)
    )
    .map(drop)
}

/// Lets the old key end and puts the new one in its place. False when there is no such key to rotate.
async fn rotate(
    db: &mut Conn<'_>,
    organization: OrganizationId,
    old: KeyId,
    new: &NewKey,
    old_expires_at: Timestamp,
) -> Result<bool, sqlx::Error> {
    let old = row!(
        db,
        (Id,),
        "UPDATE api_keys
         SET expires_at = CASE WHEN expires_at IS NULL OR expires_at > $3 THEN $3 ELSE expires_at END
         WHERE id = $1 AND organization_id = $2 AND deleted_at IS NULL RETURNING lineage",
        Id(old.0),
        Id(organization.0),
        Time(old_expires_at)
    )?;
    let Some((lineage,)) = old else { return Ok(false) };
    insert(db, &NewKey { organization, ..new.clone() }, lineage.0).await?;
    Ok(true)
}

impl Store {
    /// Whether any organization has a key.
    pub async fn has_keys(&self) -> Result<bool, StoreError> {
        let doing = "see whether there are API keys";
        let mut db = self.reader(doing).await?;
        row!(db, (i32,), "SELECT 1 FROM api_keys LIMIT 1").map(|found| found.is_some()).map_err(failed(doing))
    }

    pub async fn create_key(&self, new: NewKey) -> Result<(), StoreError> {
        self.write("create a key", move |mut db| Box::pin(async move { Ok(insert(&mut db, &new, new.id.0).await?) }))
            .await
    }

    /// A key that is not deleted, whether it has expired or not.
    pub async fn key_by_id(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        let doing = "find a key";
        let mut db = self.reader(doing).await?;
        let found = row!(
            db,
            KeyRow,
            "SELECT id, organization_id, name, kind, scopes, origins, message_cap, secret_hash, created_at, expires_at,
                    last_used_at
             FROM api_keys WHERE id = $1 AND deleted_at IS NULL",
            Id(id.0)
        )
        .map_err(failed(doing))?;
        found.map(KeyRow::stored).transpose().map_err(failed(doing))
    }

    /// Newest first, without the deleted ones.
    pub async fn list_keys(&self, organization: OrganizationId) -> Result<Vec<KeySummary>, StoreError> {
        let doing = "list the keys";
        let mut db = self.reader(doing).await?;
        let found = rows!(
            db,
            KeyRow,
            "SELECT id, organization_id, name, kind, scopes, origins, message_cap, secret_hash, created_at, expires_at,
                    last_used_at
             FROM api_keys WHERE organization_id = $1 AND deleted_at IS NULL ORDER BY created_at DESC, id DESC",
            Id(organization.0)
        )
        .map_err(failed(doing))?;
        found.into_iter().map(KeyRow::summary).collect::<Result<_, _>>().map_err(failed(doing))
    }

    /// From now on [`Store::key_by_id`] doesn't find it. False when the organization has no such key.
    pub async fn delete_key(
        &self,
        organization: OrganizationId,
        id: KeyId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write("delete a key", move |mut db| {
            Box::pin(async move {
                let deleted = execute!(
                    db,
                    "UPDATE api_keys SET deleted_at = $3
                     WHERE id = $1 AND organization_id = $2 AND deleted_at IS NULL",
                    Id(id.0),
                    Id(organization.0),
                    Time(now)
                )?;
                Ok(deleted > 0)
            })
        })
        .await
    }

    /// Makes a new key and lets the old one end, in one transaction. The new one is what `new` says, but it is of the
    /// same lineage: what the old one spent of its cap stays spent, and conversations keep their names. False when the
    /// organization has no such key.
    pub async fn rotate_key(
        &self,
        organization: OrganizationId,
        old: KeyId,
        new: NewKey,
        old_expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write("rotate a key", move |mut db| {
            Box::pin(async move { Ok(rotate(&mut db, organization, old, &new, old_expires_at).await?) })
        })
        .await
    }

    /// Notes when keys were last used; for the caller to gather and send now and then.
    pub async fn keys_used(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), StoreError> {
        self.write("note that keys were used", move |mut db| {
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
