//! What connectors remember.

use resly_core::{
    connector::sandbox::{SetStateError, StateStore},
    id::ConnectionId,
};

use crate::{
    backend::{Backend, at, organization, uuid},
    both,
    connections::connection,
};

both! {
    async fn a_value_lives_until_it_expires(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let of = connection(org);
        store.create_connection(of.clone(), None).await.unwrap();
        let set = async |key: &str, value: &[u8], until| {
            store.set_state(org, of.id, "crm", key, value, at(until), at(0)).await
        };
        set("k\0", b"one", 10).await.unwrap();
        set("k\0", b"two", 20).await.unwrap();
        let get = async |org, connector: &str, now| store.get_state(org, of.id, connector, "k\0", at(now)).await.unwrap();
        assert_eq!(get(org, "crm", 19).await.as_deref(), Some(b"two".as_slice()));
        assert_eq!(get(org, "crm", 20).await, None);
        assert_eq!(get(stranger, "crm", 0).await, None);
        assert_eq!(get(org, "shop", 0).await, None, "another connector's");
        set("k\0", b"gone", 0).await.unwrap();
        assert_eq!(get(org, "crm", 0).await, None);

        // Through another's connection, or one that is gone, nothing is kept.
        store.set_state(stranger, of.id, "crm", "k\0", b"forged", at(10), at(0)).await.unwrap();
        assert_eq!(get(org, "crm", 0).await, None);
        let gone = ConnectionId(uuid());
        store.set_state(org, gone, "crm", "k", b"x", at(10), at(0)).await.unwrap();
        set("k\0", b"three", 10).await.unwrap();
        store.delete_connection(org, of.id, at(0)).await.unwrap();
        assert_eq!(get(org, "crm", 0).await, None);
    }

    async fn there_is_a_cap_on_everything(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let of = connection(org);
        store.create_connection(of.clone(), None).await.unwrap();
        let set = async |key: &str, value: &[u8], now| {
            store.set_state(org, of.id, "crm", key, value, at(now + 10), at(now)).await
        };
        let big = vec![7; 64 << 10];
        assert!(matches!(set("k", &[big.as_slice(), &[1]].concat(), 0).await, Err(SetStateError::TooLarge)));
        assert!(matches!(set(&"k".repeat(300), b"", 0).await, Err(SetStateError::TooLarge)));
        for n in 0..15 {
            set(&format!("{n}"), &big, 0).await.unwrap();
        }
        assert!(matches!(set("last", &big, 0).await, Err(SetStateError::TooLarge)), "a key has bytes too");
        set("0", &big, 0).await.unwrap();
        for n in 15..128 {
            set(&format!("{n}"), b"small", 0).await.unwrap();
        }
        assert!(matches!(set("128", b"", 0).await, Err(SetStateError::TooMany)));
        set("127", b"again", 0).await.unwrap();
        let kept = store.get_state(org, of.id, "crm", "127", at(1)).await.unwrap();
        assert_eq!(kept.as_deref(), Some(b"again".as_slice()));
        set("128", b"room", 10).await.unwrap();
    }
}
