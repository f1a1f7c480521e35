//! What the master keys wrap: the key of each organization's vault, and the host's own secrets.

use resly_core::{error::StoreError, id::OrganizationId};
use uuid::Uuid;

use crate::{
    Store,
    error::{failed, unexpected},
    sql::{execute, row, rows},
    types::{Count, Id, Text},
};

const FIND: &str = "SELECT wrapped FROM vault_keys WHERE organization_id = $1";
const FIND_SECRET: &str = "SELECT wrapped FROM host_secrets WHERE name = $1";

/// Wrapped bytes, to be put in the place of those that were read.
#[derive(Clone, PartialEq, Eq)]
pub struct NewWrapping {
    pub of: WrappedFor,
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}

/// Whose wrapped bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum WrappedFor {
    Organization(OrganizationId),
    /// A secret of the host's own, by its name.
    Host(String),
}

impl Store {
    pub async fn vault_key(&self, organization: OrganizationId) -> Result<Option<Vec<u8>>, StoreError> {
        let doing = "read an organization's vault key";
        let mut db = self.reader(doing).await?;
        let found = row!(db, (Vec<u8>,), FIND, Id(organization.0)).map_err(failed(doing))?;
        Ok(found.map(|(wrapped,)| wrapped))
    }

    /// Keeps a key, unless there is one: the first writer wins, and everyone gets what is kept.
    pub async fn put_vault_key(&self, organization: OrganizationId, wrapped: &[u8]) -> Result<Vec<u8>, StoreError> {
        let wrapped = wrapped.to_vec();
        self.write("keep an organization's vault key", move |mut db| {
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

    /// The wrapped keys in the order of their organizations, those after `after`, `most` of them.
    pub async fn vault_keys(
        &self,
        after: Option<OrganizationId>,
        most: u32,
    ) -> Result<Vec<(OrganizationId, Vec<u8>)>, StoreError> {
        let doing = "read wrapped keys";
        // No organization has the lowest id there is.
        let after = after.map_or(Uuid::nil(), |after| after.0);
        let mut db = self.reader(doing).await?;
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

    pub async fn host_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let doing = "read a secret of the host's own";
        let mut db = self.reader(doing).await?;
        let found = row!(db, (Vec<u8>,), FIND_SECRET, Text(name)).map_err(failed(doing))?;
        Ok(found.map(|(wrapped,)| wrapped))
    }

    /// Every secret of the host's own, wrapped, by its name.
    pub async fn host_secrets(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let doing = "read the host's own secrets";
        let mut db = self.reader(doing).await?;
        rows!(db, (String, Vec<u8>), "SELECT name, wrapped FROM host_secrets ORDER BY name").map_err(failed(doing))
    }

    /// Keeps a secret of the host's own, unless there is one of the name: the first host wins, and all get what is kept.
    pub async fn put_host_secret(&self, name: &str, wrapped: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (name, wrapped) = (name.to_owned(), wrapped.to_vec());
        self.write("keep a secret of the host's own", move |mut db| {
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

    /// Replaces wrapped bytes, each where it still is what was read; how many it were. Callers give them in the order of
    /// [`Self::vault_keys`], so that two who do this at once wait for each other and never in a circle.
    pub async fn rewrap(&self, new: Vec<NewWrapping>) -> Result<u64, StoreError> {
        self.write("move wrapped keys to another master key", move |mut db| {
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
