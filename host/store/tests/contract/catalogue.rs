//! The catalogue's own connectors.

use bytes::Bytes;
use resly_core::connector::{connection::Origin, manifest::Manifest, sandbox::Digest};
use resly_store::NewConnectorVersion;
use serde_json::json;

use crate::{
    backend::{Backend, at, organization},
    both,
};

fn manifest(description: &str) -> Manifest {
    serde_json::from_value(json!({
        "id": "crm", "name": "CRM", "version": "1.0.0", "description": description, "hosts": ["crm.example.com"],
        "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key"},
        "actions": [{"id": "get", "title": "Get", "description": "Gets.", "input": {"z": 1.50, "a": [1e2, null]}}]
    }))
    .unwrap()
}

both! {
    async fn a_version_never_changes(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let wasm = Bytes::from_static(b"\0asm");
        let new = NewConnectorVersion {
            organization: org,
            manifest: manifest("one"),
            origin: Origin::Uploaded,
            component: Digest::of(&wasm),
            wasm: Some(wasm.clone()),
            now: at(0),
        };
        assert!(store.put_connector(new.clone()).await.unwrap());
        assert!(store.put_connector(new.clone()).await.unwrap(), "the same again is nothing new");
        let other = NewConnectorVersion { manifest: manifest("two"), ..new.clone() };
        assert!(!store.put_connector(other.clone()).await.unwrap());
        let other_code = NewConnectorVersion { component: Digest::of(b"x"), wasm: None, ..new.clone() };
        assert!(!store.put_connector(other_code).await.unwrap());
        assert!(store.put_connector(NewConnectorVersion { organization: stranger, ..other }).await.unwrap());

        let found = store.connector(org, "crm", "1.0.0").await.unwrap().unwrap();
        assert_eq!((found.origin, found.component, found.created_at), (Origin::Uploaded, new.component, at(0)));
        assert_eq!(serde_json::to_value(&found.manifest).unwrap(), serde_json::to_value(&new.manifest).unwrap());
        assert!(store.connector(org, "crm", "1.0.1").await.unwrap().is_none());
        assert_eq!(store.list_connectors(org).await.unwrap().len(), 1);
        assert_eq!(store.wasm(new.component).await.unwrap(), Some(wasm));
        assert_eq!(store.wasm(Digest::of(b"nothing")).await.unwrap(), None);
    }
}
