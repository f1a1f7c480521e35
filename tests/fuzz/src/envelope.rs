//! The vault's envelopes, wrapped keys and sealed records alike: what nobody sealed never opens.

use std::sync::Arc;

use async_trait::async_trait;
use resly_core::{
    connector::account::SealedCredentials,
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    testing::ConstantRandom,
};
use resly_vault::{EncryptionContext, MasterKeys, Vault, VaultStore};
use uuid::Uuid;

/// 32 bytes that are nobody's: 1, 2, 3 and so on.
const MASTER: &str = "fuzz:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA";

/// A store in which the input is the organization's wrapped key; without one, it keeps none.
struct Kept(Option<Vec<u8>>);

#[async_trait]
impl VaultStore for Kept {
    async fn vault_key(&self, _: OrganizationId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.clone())
    }

    async fn put_vault_key(&self, _: OrganizationId, key: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        Ok(key)
    }
}

/// The first byte is the length of a wrapped key; the rest, a sealed record. Both also as texts of master keys.
pub fn envelope(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = MasterKeys::parse(text);
    }
    let Some((length, rest)) = data.split_first() else { return };
    let (wrapped, sealed) = rest.split_at(usize::from(*length).min(rest.len()));
    let organization = OrganizationId(Uuid::from_u128(1));
    let binding = EncryptionContext {
        organization,
        connection: ConnectionId(Uuid::from_u128(2)),
        field: "credentials".into(),
        version: 1,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    for kept in [Some(wrapped.to_vec()), None] {
        let keys = MasterKeys::parse(MASTER).expect("the key is sound");
        let vault = Vault::new(Arc::new(keys), Arc::new(Kept(kept)), Arc::new(ConstantRandom(7)));
        let opened = runtime.block_on(vault.open(&binding, &SealedCredentials(sealed.to_vec())));
        assert!(opened.is_err(), "what nobody sealed has opened");
    }
}
