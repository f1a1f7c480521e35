//! The wrapped key of each organization's vault.

use resly_core::{error::StoreError, id::OrganizationId};

use crate::{
    Store,
    error::{failed, unexpected},
    sql::{execute, row},
    types::Id,
};

const FIND: &str = "SELECT wrapped FROM vault_keys WHERE organization_id = $1";

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
}
