//! The vault, on a store in memory.

use std::{collections::BTreeMap, sync::Mutex};

use resly_core::testing::SequenceRandom;
use resly_manifest::Auth;
use uuid::Uuid;

use super::*;

#[derive(Default)]
struct Memory {
    keys: Mutex<BTreeMap<OrganizationId, Vec<u8>>>,
    secrets: Mutex<BTreeMap<String, Vec<u8>>>,
}

#[async_trait]
impl VaultStore for Memory {
    async fn vault_key(&self, organization: OrganizationId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.keys.lock().unwrap().get(&organization).cloned())
    }

    async fn put_vault_key(&self, organization: OrganizationId, key: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        Ok(self.keys.lock().unwrap().entry(organization).or_insert(key).clone())
    }
}

#[async_trait]
impl WrappedStore for Memory {
    async fn host_secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.secrets.lock().unwrap().get(name).cloned())
    }

    async fn put_host_secret(&self, name: &str, wrapped: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        Ok(self.secrets.lock().unwrap().entry(name.to_owned()).or_insert(wrapped).clone())
    }

    async fn host_secrets(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(self.secrets.lock().unwrap().clone().into_iter().collect())
    }

    async fn vault_keys(
        &self,
        after: Option<OrganizationId>,
        most: u32,
    ) -> Result<Vec<(OrganizationId, Vec<u8>)>, StoreError> {
        let keys = self.keys.lock().unwrap().clone().into_iter();
        let later = keys.filter(|(id, _)| after.is_none_or(|after| *id > after));
        Ok(later.take(usize::try_from(most).unwrap()).collect())
    }

    async fn rewrap(&self, rewrapped: Vec<Rewrapped>) -> Result<u64, StoreError> {
        let (mut keys, mut secrets) = (self.keys.lock().unwrap(), self.secrets.lock().unwrap());
        let mut moved = 0;
        for Rewrapped { holder, old, new } in rewrapped {
            let kept = match &holder {
                SecretOwner::Organization(organization) => keys.get_mut(organization).unwrap(),
                SecretOwner::Host(name) => secrets.get_mut(name).unwrap(),
            };
            if *kept == old {
                *kept = new;
                moved += 1;
            }
        }
        Ok(moved)
    }
}

const OLD: &str = "old:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA";
const NEW: &str = "new:AgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICE";

fn vault(keys: &str, store: &Arc<Memory>) -> Vault {
    Vault::new(master(keys), Arc::clone(store) as _, Arc::new(SequenceRandom::default()))
}

fn wrapping(keys: &str, store: &Arc<Memory>) -> Wrapping {
    Wrapping::new(master(keys), Arc::clone(store) as _, Arc::new(SequenceRandom::default()))
}

fn master(keys: &str) -> Arc<MasterKeys> {
    Arc::new(MasterKeys::parse(keys).unwrap())
}

fn context(organization: u128, connection: u128) -> EncryptionContext {
    EncryptionContext {
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
    let sealed = vault(OLD, &store).seal(&context(1, 2), &token("s3cret-token")).await.unwrap();
    assert!(!sealed.0.windows(6).any(|window| window == b"s3cret"));
    let opened = vault(OLD, &store).open(&context(1, 2), &sealed).await.unwrap();
    assert_eq!(opened.get("token"), Some("s3cret-token"));
    assert!(opened.check(&Auth::Bearer).is_ok());
}

#[tokio::test]
async fn a_record_opens_only_where_it_belongs() {
    let store = Arc::new(Memory::default());
    let vault = vault(OLD, &store);
    let sealed = vault.seal(&context(1, 2), &token("t")).await.unwrap();
    let elsewhere = [
        context(1, 3),
        context(2, 2),
        EncryptionContext { field: "other".into(), ..context(1, 2) },
        EncryptionContext { version: 2, ..context(1, 2) },
    ];
    for context in elsewhere {
        assert!(matches!(vault.open(&context, &sealed).await, Err(VaultError::DoesNotOpen)), "{context:?}");
    }
    for at in 0..sealed.0.len() {
        let mut changed = sealed.clone();
        changed.0[at] ^= 1;
        assert!(vault.open(&context(1, 2), &changed).await.is_err(), "byte {at}");
        assert!(vault.open(&context(1, 2), &SealedCredentials(sealed.0[..at].to_vec())).await.is_err());
    }
}

#[tokio::test]
async fn an_organizations_wrapped_key_is_of_no_use_to_another() {
    let store = Arc::new(Memory::default());
    vault(OLD, &store).seal(&context(1, 2), &token("t")).await.unwrap();
    let stolen = store.keys.lock().unwrap()[&context(1, 2).organization].clone();
    store.keys.lock().unwrap().insert(context(9, 2).organization, stolen);
    let result = vault(OLD, &store).seal(&context(9, 2), &token("t")).await;
    assert!(matches!(result, Err(VaultError::DoesNotOpen)));
}

#[tokio::test]
async fn everything_moves_to_the_newest_master_key_and_the_old_one_can_go() {
    let store = Arc::new(Memory::default());
    let old = vault(OLD, &store);
    let count = 450; // More than two pages.
    let mut sealed = Vec::new();
    for organization in 1..=count {
        sealed.push(old.seal(&context(organization, 2), &token("t")).await.unwrap());
    }
    let secret = wrapping(OLD, &store).host_secret("peppers", b"what keys are hashed with").await.unwrap();
    let missing = vault(NEW, &store).open(&context(1, 2), &sealed[0]).await.err().unwrap();
    assert!(matches!(&missing, VaultError::NoMasterKey(id) if id == "old"), "{missing}");
    assert!(missing.to_string().contains("`old`"));

    let both = wrapping(&format!("{NEW},{OLD}"), &store);
    let before = both.status().await.unwrap();
    assert_eq!((before.in_use, before.moved), ([("old".to_owned(), 451)].into(), 0));
    let rotated = both.rotate().await.unwrap();
    assert!(rotated.is_done());
    assert_eq!((rotated.moved, &rotated.in_use), (451, &[("new".to_owned(), 451)].into()));
    assert_eq!(
        (rotated.newest.as_str(), &rotated.removable, &rotated.missing),
        ("new", &vec!["old".to_owned()], &vec![])
    );
    assert_eq!(both.rotate().await.unwrap().moved, 0, "there is nothing left to do");

    let new = vault(NEW, &store);
    for (organization, sealed) in (1..).zip(&sealed) {
        assert_eq!(new.open(&context(organization, 2), sealed).await.unwrap().get("token"), Some("t"));
    }
    assert_eq!(wrapping(NEW, &store).host_secret("peppers", b"another").await.unwrap(), secret);
    assert!(wrapping(NEW, &store).status().await.unwrap().is_done());
}

#[tokio::test]
async fn a_rotation_says_what_it_could_not_move() {
    let store = Arc::new(Memory::default());
    vault(OLD, &store).seal(&context(1, 2), &token("t")).await.unwrap();
    vault(NEW, &store).seal(&context(2, 2), &token("t")).await.unwrap();
    let third = "third:AwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISI";
    let rotated = wrapping(&format!("{third},{NEW}"), &store).rotate().await.unwrap();
    assert!(!rotated.is_done());
    assert_eq!(
        (rotated.moved, rotated.missing, rotated.removable),
        (1, vec!["old".to_owned()], vec!["new".to_owned()])
    );
    assert_eq!(rotated.in_use, [("old".to_owned(), 1), ("third".to_owned(), 1)].into());

    // Moved to another organization's row, or damaged: still counted, never overwritten.
    let organization = |id| context(id, 2).organization;
    let moved = store.keys.lock().unwrap()[&organization(1)].clone();
    store.keys.lock().unwrap().insert(organization(3), moved.clone());
    store.keys.lock().unwrap().insert(organization(4), vec![9, 9]);
    let rotated = wrapping(&format!("{third},{NEW},{OLD}"), &store).rotate().await.unwrap();
    assert_eq!((rotated.moved, rotated.unreadable, rotated.is_done()), (1, 2, false));
    assert_eq!((&store.keys.lock().unwrap()[&organization(3)], rotated.in_use["old"]), (&moved, 1));
}

#[tokio::test]
async fn what_changed_meanwhile_is_left_alone() {
    let store = Arc::new(Memory::default());
    vault(OLD, &store).seal(&context(1, 2), &token("t")).await.unwrap();
    let both = format!("{NEW},{OLD}");
    let (one, two) = (wrapping(&both, &store), wrapping(&both, &store));
    let (one, two) = tokio::join!(one.rotate(), two.rotate());
    assert_eq!(one.unwrap().moved + two.unwrap().moved, 1);
    assert!(vault(NEW, &store).seal(&context(1, 2), &token("t")).await.is_ok());
}

#[tokio::test]
async fn a_host_secret_is_the_first_and_belongs_to_its_name() {
    let store = Arc::new(Memory::default());
    let (one, two) = (wrapping(OLD, &store), wrapping(OLD, &store));
    let (first, second) = tokio::join!(one.host_secret("a", b"one"), two.host_secret("a", b"two"));
    assert_eq!(first.unwrap(), second.unwrap());
    let moved = store.secrets.lock().unwrap()["a"].clone();
    assert!(!moved.windows(3).any(|window| window == b"one"));
    store.secrets.lock().unwrap().insert("b".to_owned(), moved);
    assert!(matches!(one.host_secret("b", b"x").await, Err(VaultError::DoesNotOpen)));
    let mut keys = BTreeMap::new();
    std::mem::swap(&mut keys, &mut *store.secrets.lock().unwrap());
    store.keys.lock().unwrap().insert(context(1, 2).organization, keys["a"].clone());
    let result = vault(OLD, &store).seal(&context(1, 2), &token("t")).await;
    assert!(matches!(result, Err(VaultError::DoesNotOpen)), "a host's secret is no organization's key");
}

/// Any bytes at all, as a fuzzer would give them.
#[tokio::test]
async fn bytes_that_nobody_sealed_are_an_error_and_nothing_worse() {
    let store = Arc::new(Memory::default());
    let vault = vault(OLD, &store);
    let sealed = vault.seal(&context(1, 2), &token("t")).await.unwrap();
    let wrapped = store.keys.lock().unwrap()[&context(1, 2).organization].clone();
    for length in 0..80 {
        for first in [0, 1, 2, 255] {
            let bytes = [vec![first], vec![length; usize::from(length)]].concat();
            assert!(vault.open(&context(1, 2), &SealedCredentials(bytes.clone())).await.is_err());
            store.keys.lock().unwrap().insert(context(7, 7).organization, bytes);
            assert!(vault.seal(&context(7, 7), &token("t")).await.is_err());
        }
    }
    // A record is no wrapped key and a wrapped key is no record.
    assert!(vault.open(&context(1, 2), &SealedCredentials(wrapped)).await.is_err());
    store.keys.lock().unwrap().insert(context(8, 8).organization, sealed.0);
    assert!(vault.seal(&context(8, 8), &token("t")).await.is_err());
}

/// Every key that is written down in this repository is one that production refuses.
#[test]
fn production_refuses_every_key_of_ours() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders: Vec<_> = ["docs", "host", "tests", "sdk"].map(|folder| root.join(folder)).into();
    let mut found = 0;
    let mut look = |text: &str| {
        let plain = |byte: char| byte.is_ascii_alphanumeric() || "+/-_:=".contains(byte);
        for word in text.split(|byte| !plain(byte)).filter(|word| word.contains(':')) {
            if let Ok(keys) = MasterKeys::parse(word.trim_start_matches('=')) {
                assert!(keys.check_strength(false).is_err(), "production would take the key `{}`", keys.newest().0);
                found += 1;
            }
        }
    };
    look(&std::fs::read_to_string(root.join("README.md")).unwrap());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let skipped = path.ends_with("target") || path.ends_with("node_modules");
            if path.is_dir() && !skipped {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|end| ["md", "rs", "toml", "mjs", "sh"].map(Some).contains(&end.to_str()))
            {
                look(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    assert!(found >= 3, "the keys of this file at least: {found}");
}

#[tokio::test]
async fn two_hosts_that_start_together_share_one_key() {
    let store = Arc::new(Memory::default());
    let (one, two) = (vault(OLD, &store), vault(OLD, &store));
    let sealed =
        [one.seal(&context(1, 2), &token("a")).await.unwrap(), two.seal(&context(1, 2), &token("b")).await.unwrap()];
    assert!(two.open(&context(1, 2), &sealed[0]).await.is_ok());
    assert!(one.open(&context(1, 2), &sealed[1]).await.is_ok());
}
