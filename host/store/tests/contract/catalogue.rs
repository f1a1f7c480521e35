//! The catalogue's own connectors.

use bytes::Bytes;
use resly_core::connector::{connection::Origin, manifest::Manifest, sandbox::Digest};
use resly_store::{NewConnectorVersion, VersionState};
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
            state: VersionState::Ready,
            now: at(0),
        };
        let ready = Some(VersionState::Ready);
        assert_eq!(store.put_connector(new.clone()).await.unwrap(), ready);
        let again = NewConnectorVersion { state: VersionState::Compiling, ..new.clone() };
        assert_eq!(store.put_connector(again).await.unwrap(), ready, "the same again is nothing new");
        let other = NewConnectorVersion { manifest: manifest("two"), ..new.clone() };
        assert_eq!(store.put_connector(other.clone()).await.unwrap(), None);
        let other_code = NewConnectorVersion { component: Digest::of(b"x"), wasm: None, ..new.clone() };
        assert_eq!(store.put_connector(other_code).await.unwrap(), None);
        assert_eq!(store.put_connector(NewConnectorVersion { organization: stranger, ..other }).await.unwrap(), ready);

        let found = store.connector(org, "crm", "1.0.0").await.unwrap().unwrap();
        assert_eq!((found.origin, found.component, found.created_at), (Origin::Uploaded, new.component, at(0)));
        assert_eq!(serde_json::to_value(&found.manifest).unwrap(), serde_json::to_value(&new.manifest).unwrap());
        assert!(store.connector(org, "crm", "1.0.1").await.unwrap().is_none());
        assert_eq!(store.list_connectors(org).await.unwrap().len(), 1);
        assert_eq!(store.wasm(new.component).await.unwrap(), Some(wasm));
        assert_eq!(store.wasm(Digest::of(b"nothing")).await.unwrap(), None);
    }

    async fn an_upload_is_compiled_and_settled_once(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let wasm = Bytes::from_static(b"\0asm");
        let component = Digest::of(&wasm);
        let new = NewConnectorVersion {
            organization: org,
            manifest: manifest("one"),
            origin: Origin::Uploaded,
            component,
            wasm: Some(wasm),
            state: VersionState::Compiling,
            now: at(0),
        };
        let settle = |organization, reason: Option<&str>| {
            store.settle_connector(organization, "crm".into(), "1.0.0".into(), component, reason.map(str::to_owned))
        };
        let state = async || {
            let found = store.connector(org, "crm", "1.0.0").await.unwrap().unwrap();
            (found.state, found.reason)
        };
        let compiling = Some(VersionState::Compiling);
        assert_eq!(store.put_connector(new.clone()).await.unwrap(), compiling);
        let other = NewConnectorVersion { manifest: manifest("two"), ..new.clone() };
        assert_eq!(store.put_connector(other.clone()).await.unwrap(), None, "somebody is compiling this one");
        settle(stranger, None).await.unwrap();
        assert_eq!(state().await, (VersionState::Compiling, None));
        settle(org, Some("too many locals")).await.unwrap();
        assert_eq!(state().await, (VersionState::Refused, Some("too many locals".to_owned())));
        settle(org, None).await.unwrap();
        assert_eq!(state().await.0, VersionState::Refused, "only what is being compiled is settled");

        assert_eq!(store.put_connector(new).await.unwrap(), compiling, "the same again is tried again");
        settle(org, Some("no")).await.unwrap();
        assert_eq!(store.put_connector(other).await.unwrap(), compiling, "a refused version can be mended");
        settle(org, None).await.unwrap();
        assert_eq!(state().await, (VersionState::Ready, None));
        assert_eq!(store.connector(org, "crm", "1.0.0").await.unwrap().unwrap().manifest.description.unwrap(), "two");
    }
}
