//! The vault, on a store in memory.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use resly_core::connector::manifest::Auth;
use uuid::Uuid;

use super::*;

#[derive(Default)]
struct Memory(Mutex<HashMap<OrganizationId, Vec<u8>>>);

#[async_trait]
impl VaultStore for Memory {
    async fn vault_key(&self, organization: OrganizationId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().get(&organization).cloned())
    }

    async fn put_vault_key(&self, organization: OrganizationId, key: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        Ok(self.0.lock().unwrap().entry(organization).or_insert(key).clone())
    }
}

/// Different bytes each time.
#[derive(Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = n.to_le_bytes()[at % 8] ^ u8::try_from(at % 251).unwrap();
        }
    }
}

const OLD: &str = "old:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA";
const NEW: &str = "new:AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICE";

fn vault(keys: &str, store: &Arc<Memory>) -> Vault {
    Vault::new(MasterKeys::parse(keys).unwrap(), Arc::clone(store) as _, Arc::new(Counting::default()))
}

fn binding(organization: u128, connection: u128) -> Binding {
    Binding {
        organization: OrganizationId(Uuid::from_u128(organization)),
        connection: ConnectionId(Uuid::from_u128(connection)),
        field: "credentials".into(),
        version: 1,
    }
}

fn token(value: &str) -> Credentials {
    Credentials::new([("token".to_owned(), value.to_owned())].into())
}

#[tokio::test]
async fn what_was_sealed_opens_on_another_host_with_the_same_keys() {
    let store = Arc::new(Memory::default());
    let sealed = vault(OLD, &store).seal(&binding(1, 2), &token("s3cret-token")).await.unwrap();
    assert!(!sealed.0.windows(6).any(|window| window == b"s3cret"));
    let opened = vault(OLD, &store).open(&binding(1, 2), &sealed).await.unwrap();
    assert_eq!(opened.get("token"), Some("s3cret-token"));
    assert!(opened.check(&Auth::Bearer).is_ok());
}

#[tokio::test]
async fn a_record_opens_only_where_it_belongs() {
    let store = Arc::new(Memory::default());
    let vault = vault(OLD, &store);
    let sealed = vault.seal(&binding(1, 2), &token("t")).await.unwrap();
    let elsewhere = [
        binding(1, 3),
        binding(2, 2),
        Binding { field: "other".into(), ..binding(1, 2) },
        Binding { version: 2, ..binding(1, 2) },
    ];
    for binding in elsewhere {
        assert!(matches!(vault.open(&binding, &sealed).await, Err(VaultError::DoesNotOpen)), "{binding:?}");
    }
    for at in 0..sealed.0.len() {
        let mut changed = sealed.clone();
        changed.0[at] ^= 1;
        assert!(vault.open(&binding(1, 2), &changed).await.is_err(), "byte {at}");
        assert!(vault.open(&binding(1, 2), &SealedCredentials(sealed.0[..at].to_vec())).await.is_err());
    }
}

#[tokio::test]
async fn an_organizations_wrapped_key_is_of_no_use_to_another() {
    let store = Arc::new(Memory::default());
    vault(OLD, &store).seal(&binding(1, 2), &token("t")).await.unwrap();
    let stolen = store.0.lock().unwrap()[&binding(1, 2).organization].clone();
    store.0.lock().unwrap().insert(binding(9, 2).organization, stolen);
    let result = vault(OLD, &store).seal(&binding(9, 2), &token("t")).await;
    assert!(matches!(result, Err(VaultError::DoesNotOpen)));
}

#[tokio::test]
async fn master_keys_rotate() {
    let store = Arc::new(Memory::default());
    let sealed = vault(OLD, &store).seal(&binding(1, 2), &token("t")).await.unwrap();
    let both = vault(&format!("{NEW},{OLD}"), &store);
    assert!(both.open(&binding(1, 2), &sealed).await.is_ok());
    assert!(
        matches!(vault(NEW, &store).open(&binding(1, 2), &sealed).await, Err(VaultError::NoMasterKey(id)) if id == "old")
    );

    let organization = binding(1, 2).organization;
    let wrapped = store.0.lock().unwrap()[&organization].clone();
    let rewrapped = both.rewrap(organization, &wrapped).unwrap().unwrap();
    assert_eq!(both.rewrap(organization, &rewrapped).unwrap(), None);
    store.0.lock().unwrap().insert(organization, rewrapped);
    assert!(vault(NEW, &store).open(&binding(1, 2), &sealed).await.is_ok());
}

#[tokio::test]
async fn two_hosts_that_start_together_share_one_key() {
    let store = Arc::new(Memory::default());
    let (one, two) = (vault(OLD, &store), vault(OLD, &store));
    let sealed =
        [one.seal(&binding(1, 2), &token("a")).await.unwrap(), two.seal(&binding(1, 2), &token("b")).await.unwrap()];
    assert!(two.open(&binding(1, 2), &sealed[0]).await.is_ok());
    assert!(one.open(&binding(1, 2), &sealed[1]).await.is_ok());
}
