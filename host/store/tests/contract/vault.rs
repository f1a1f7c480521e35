//! What the master keys wrap: kept once, read in pages, replaced where it still is what was read.

use resly_core::{id::OrganizationId, principal::Scope};
use resly_store::{NewKey, NewWrapping, WrappedFor};

use crate::{
    backend::{Backend, key, organization},
    both,
};

fn new(of: WrappedFor, old: &[u8], new: &[u8]) -> NewWrapping {
    NewWrapping { of, old: old.to_vec(), new: new.to_vec() }
}

both! {
    async fn a_vault_key_is_the_first_that_was_kept(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        assert_eq!(store.vault_key(org).await.unwrap(), None);
        assert_eq!(store.put_vault_key(org, b"one").await.unwrap(), b"one");
        assert_eq!(store.put_vault_key(org, b"two").await.unwrap(), b"one");
        assert_eq!(store.vault_key(org).await.unwrap().as_deref(), Some(b"one".as_slice()));
        assert_eq!(store.vault_key(stranger).await.unwrap(), None);
    }

    async fn a_host_secret_is_the_first_that_was_kept(backend: Backend) {
        let store = backend.open().await;
        assert_eq!(store.host_secret("a").await.unwrap(), None);
        let (one, two) = tokio::join!(store.put_host_secret("a", b"one"), store.put_host_secret("a", b"two"));
        assert_eq!(one.unwrap(), two.unwrap());
        store.put_host_secret("b", b"three").await.unwrap();
        let all = store.host_secrets().await.unwrap();
        assert_eq!(all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(store.host_secret("b").await.unwrap().as_deref(), Some(b"three".as_slice()));
    }

    async fn wrapped_keys_are_paged_and_replaced_where_they_did_not_change(backend: Backend) {
        let store = backend.open().await;
        let mut orgs: Vec<OrganizationId> = Vec::new();
        for _ in 0..5 {
            let org = organization(&store, &[]).await;
            store.put_vault_key(org, b"old").await.unwrap();
            orgs.push(org);
        }
        orgs.sort();
        let page = async |after| -> Vec<OrganizationId> {
            store.vault_keys(after, 2).await.unwrap().into_iter().map(|(of, _)| of).collect()
        };
        assert_eq!(page(None).await, orgs[..2]);
        assert_eq!(page(Some(orgs[1])).await, orgs[2..4]);
        assert_eq!(page(Some(orgs[3])).await, orgs[4..]);
        assert!(page(Some(orgs[4])).await.is_empty());

        store.put_host_secret("a", b"old").await.unwrap();
        let of = WrappedFor::Organization;
        let moved = store.rewrap(vec![
            new(WrappedFor::Host("a".to_owned()), b"old", b"new"),
            new(of(orgs[0]), b"old", b"new"),
            new(of(orgs[1]), b"something else", b"new"),
        ]).await.unwrap();
        assert_eq!(moved, 2);
        assert_eq!(store.vault_key(orgs[0]).await.unwrap().unwrap(), b"new");
        assert_eq!(store.vault_key(orgs[1]).await.unwrap().unwrap(), b"old");
        assert_eq!(store.host_secret("a").await.unwrap().unwrap(), b"new");

        // Two rotations at once: each key is moved by one of them.
        let all = || orgs[1..].iter().map(|org| new(of(*org), b"old", b"newer")).collect::<Vec<_>>();
        let (one, two) = tokio::join!(store.rewrap(all()), store.rewrap(all()));
        assert_eq!(one.unwrap() + two.unwrap(), 4);
    }

    async fn it_is_known_whether_there_are_api_keys(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        assert!(!store.has_keys().await.unwrap());
        store.create_key(NewKey { scopes: vec![Scope::Chat], ..key(org) }).await.unwrap();
        assert!(store.has_keys().await.unwrap());
    }
}
