//! Keys.

use resly_core::{
    id::KeyId,
    principal::{KeyKind, Scope},
};
use resly_store::NewKey;

use crate::{
    backend::{Backend, at, key, organization, uuid},
    both,
};

both! {
    async fn a_key_is_found_listed_and_deleted(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = NewKey {
            kind: KeyKind::Publishable,
            scopes: vec![Scope::Chat, Scope::Operator],
            origins: vec!["https://shop.example".to_owned()],
            message_cap: Some(9),
            secret_hash: std::array::from_fn(|n| u8::try_from(n).unwrap()),
            ..key(org)
        };
        store.create_key(new.clone()).await.unwrap();
        let found = store.key_by_id(new.id).await.unwrap().unwrap();
        assert_eq!(found.secret_hash, new.secret_hash);
        assert_eq!((found.principal.organization, found.principal.key), (org, new.id));
        assert_eq!((found.principal.kind, found.principal.message_cap), (KeyKind::Publishable, Some(9)));
        assert_eq!((found.principal.scopes, found.principal.origins), (new.scopes.clone(), new.origins.clone()));
        assert_eq!((found.name.as_str(), found.expires_at, found.last_used_at), ("web", None, None));
        assert_eq!(found.created_at, at(0));

        store.keys_used(vec![(new.id, at(9)), (new.id, at(5))]).await.unwrap();
        let listed = store.list_keys(org).await.unwrap();
        assert_eq!((listed.len(), listed[0].id, listed[0].last_used_at), (1, new.id, Some(at(9))));

        let stranger = organization(&store, &[]).await;
        assert!(store.list_keys(stranger).await.unwrap().is_empty());
        assert!(!store.delete_key(stranger, new.id, at(10)).await.unwrap());
        assert!(store.delete_key(org, new.id, at(10)).await.unwrap());
        assert!(!store.delete_key(org, new.id, at(11)).await.unwrap());
        assert!(store.key_by_id(new.id).await.unwrap().is_none());
        assert!(store.list_keys(org).await.unwrap().is_empty());
        assert!(store.key_by_id(KeyId(uuid())).await.unwrap().is_none());
    }

    async fn a_rotated_key_ends_and_another_begins(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (old, new, newer) = (key(org), key(org), key(org));
        store.create_key(old.clone()).await.unwrap();
        let stranger = organization(&store, &[]).await;
        assert!(!store.rotate_key(stranger, old.id, new.clone(), at(60)).await.unwrap());
        assert!(store.key_by_id(new.id).await.unwrap().is_none(), "one transaction");
        assert!(store.rotate_key(org, old.id, new.clone(), at(60)).await.unwrap());
        assert_eq!(store.key_by_id(old.id).await.unwrap().unwrap().expires_at, Some(at(60)));
        assert_eq!(store.key_by_id(new.id).await.unwrap().unwrap().expires_at, None);
        // A second rotation never lengthens what the first one set.
        assert!(store.rotate_key(org, old.id, newer, at(600)).await.unwrap());
        assert_eq!(store.key_by_id(old.id).await.unwrap().unwrap().expires_at, Some(at(60)));
        assert!(store.delete_key(org, old.id, at(1)).await.unwrap());
        assert!(!store.rotate_key(org, old.id, key(org), at(60)).await.unwrap(), "a deleted key is gone");
    }
}
