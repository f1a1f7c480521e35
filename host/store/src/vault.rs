//! What the master keys wrap: each organization's vault key, and the host's own secrets.

use resly_core::{boxed, error::StoreError, id::OrganizationId};
use uuid::Uuid;

use crate::{
    RowScope, Store,
    error::{failed, unexpected},
    sql::{execute, row, rows},
    types::{Count, Id, Text},
};

const FIND: &str = "SELECT wrapped FROM vault_keys WHERE organization_id = $1";
const FIND_SECRET: &str = "SELECT wrapped FROM host_secrets WHERE name = $1";

/// Newly wrapped bytes, and the old ones that they replace.
#[derive(Clone, PartialEq, Eq)]
pub struct NewWrapping {
    pub of: WrappedFor,
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}

/// The owner of wrapped bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum WrappedFor {
    Organization(OrganizationId),
    /// A secret of the host, by its name.
    Host(String),
}

impl Store {
    #[boxed]
    pub async fn vault_key(&self, organization: OrganizationId) -> Result<Option<Vec<u8>>, StoreError> {
        let doing = "read an organization's vault key";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(db, (Vec<u8>,), FIND, Id(organization.0)).map_err(failed(doing))?;
        Ok(found.map(|(wrapped,)| wrapped))
    }

    /// Stores a key unless there is one. Returns the stored one, so the first writer wins.
    #[boxed]
    pub async fn put_vault_key(&self, organization: OrganizationId, wrapped: &[u8]) -> Result<Vec<u8>, StoreError> {
        let wrapped = wrapped.to_vec();
        self.write(organization, "keep an organization's vault key", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "INSERT INTO vault_keys (organization_id, wrapped) VALUES ($1, $2)
                     ON CONFLICT (organization_id) DO NOTHING",
                    Id(organization.0),
                    wrapped.as_slice()
                )?;
                let kept = row!(db, (Vec<u8>,), FIND, Id(organization.0))?;
                let (kept,) = kept.ok_or_else(|| unexpected("a vault key that was just kept is gone"))?;
                Ok(kept)
            })
        })
        .await
    }

    /// At most `most` wrapped keys that follow `after`, in the order of their organizations.
    #[boxed]
    pub async fn vault_keys(
        &self,
        after: Option<OrganizationId>,
        most: u32,
    ) -> Result<Vec<(OrganizationId, Vec<u8>)>, StoreError> {
        let doing = "read wrapped keys";
        // No organization has the nil id.
        let after = after.map_or(Uuid::nil(), |after| after.0);
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = rows!(
            db,
            (Id, Vec<u8>),
            "SELECT organization_id, wrapped FROM vault_keys WHERE organization_id > $1
             ORDER BY organization_id LIMIT $2",
            Id(after),
            Count(most.into())
        );
        let found = found.map_err(failed(doing))?;
        Ok(found.into_iter().map(|(id, wrapped)| (OrganizationId(id.0), wrapped)).collect())
    }

    #[boxed]
    pub async fn host_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let doing = "read a secret of the host's own";
        let mut db = self.reader(RowScope::Host, doing).await?;
        let found = row!(db, (Vec<u8>,), FIND_SECRET, Text(name)).map_err(failed(doing))?;
        Ok(found.map(|(wrapped,)| wrapped))
    }

    /// Every secret of the host, wrapped, by its name.
    #[boxed]
    pub async fn host_secrets(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let doing = "read the host's own secrets";
        let mut db = self.reader(RowScope::Host, doing).await?;
        rows!(db, (String, Vec<u8>), "SELECT name, wrapped FROM host_secrets ORDER BY name").map_err(failed(doing))
    }

    /// Stores a secret of the host unless there is one with its name. Returns the stored one, so the first host wins.
    #[boxed]
    pub async fn put_host_secret(&self, name: &str, wrapped: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (name, wrapped) = (name.to_owned(), wrapped.to_vec());
        self.write(RowScope::Host, "keep a secret of the host's own", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "INSERT INTO host_secrets (name, wrapped) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
                    Text(&name),
                    wrapped.as_slice()
                )?;
                let kept = row!(db, (Vec<u8>,), FIND_SECRET, Text(&name))?;
                let (kept,) = kept.ok_or_else(|| unexpected("a secret that was just kept is gone"))?;
                Ok(kept)
            })
        })
        .await
    }

    /// Replaces wrapped bytes that haven't changed since they were read. Returns their number. Callers give them in the
    /// order of [`Self::vault_keys`], so that two calls at once can't deadlock.
    #[boxed]
    pub async fn rewrap(&self, new: Vec<NewWrapping>) -> Result<u64, StoreError> {
        self.write(RowScope::Host, "move wrapped keys to another master key", move |mut db| {
            Box::pin(async move {
                let mut moved = 0;
                for NewWrapping { of, old, new } in &new {
                    moved += match of {
                        WrappedFor::Organization(organization) => execute!(
                            db,
                            "UPDATE vault_keys SET wrapped = $1 WHERE organization_id = $2 AND wrapped = $3",
                            new.as_slice(),
                            Id(organization.0),
                            old.as_slice()
                        )?,
                        WrappedFor::Host(name) => execute!(
                            db,
                            "UPDATE host_secrets SET wrapped = $1 WHERE name = $2 AND wrapped = $3",
                            new.as_slice(),
                            Text(name),
                            old.as_slice()
                        )?,
                    };
                }
                Ok(moved)
            })
        })
        .await
    }
}
