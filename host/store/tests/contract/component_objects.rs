//! Components whose code is an object: which object counts, and which may be deleted.

use bytes::Bytes;
use resly_core::{
    connector::approval::Approval,
    id::OrganizationId,
    object::{ComponentObject, ObjectContent},
};
use resly_manifest::{Digest, Manifest};
use resly_store::{NewConnectorVersion, SavedVersion, Store, VersionRemoval, VersionState};
use uuid::Uuid;

use crate::{
    backend::{Backend, at, organization},
    both,
    catalogue::{kept, upload, version},
};

const CODE: &[u8] = b"the code";

fn manifest(of: &str) -> Manifest {
    version(of, &["a.example"])
}

fn object(organization: OrganizationId, id: u128) -> ComponentObject {
    ComponentObject { id: Uuid::from_u128(id), organization, content: ObjectContent::of(CODE) }
}

/// A version whose code is this object, which has been written.
async fn written(store: &Store, of: &str, object: ComponentObject) -> NewConnectorVersion {
    store.begin_component_object(object, at(0)).await.unwrap();
    let new = upload(object.organization, manifest(of), CODE, VersionState::Ready);
    NewConnectorVersion { wasm: None, object: Some(object), ..new }
}

async fn stored(store: &Store) -> Vec<ComponentObject> {
    store.component_objects(Digest::of(CODE)).await.unwrap()
}

async fn due(store: &Store) -> Vec<ComponentObject> {
    let mut due = store.due_component_objects(at(60)).await.unwrap();
    due.sort_by_key(|object| object.id);
    due
}

async fn delete(store: &Store, organization: OrganizationId, version: &str) {
    let gone = store.delete_connector(organization, "crm".to_owned(), version.to_owned()).await.unwrap();
    assert_eq!(gone, VersionRemoval::Gone);
}

both! {
    async fn an_object_counts_from_its_version_on_and_until_the_version_is_deleted(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let first = object(org, 1);
        let new = written(&store, "1.0.0", first).await;
        assert!(stored(&store).await.is_empty(), "no version has it");
        assert_eq!(store.put_connector(new).await.unwrap(), kept(VersionState::Ready, Approval::Pending));
        assert_eq!(stored(&store).await, [first]);
        assert_eq!(store.wasm(first.content.digest).await.unwrap(), None, "the database has no copy");
        let second = written(&store, "1.0.1", object(org, 2)).await;
        store.put_connector(second).await.unwrap();
        assert_eq!(stored(&store).await, [object(org, 2)], "the newest counts");
        assert_eq!(due(&store).await, [first]);
        store.forget_component_object(first).await.unwrap();
        // One that still counts is never forgotten.
        store.forget_component_object(object(org, 2)).await.unwrap();
        delete(&store, org, "1.0.0").await;
        assert_eq!((stored(&store).await, due(&store).await), (vec![object(org, 2)], vec![]), "the other version has it");
        delete(&store, org, "1.0.1").await;
        assert_eq!((stored(&store).await, due(&store).await), (vec![], vec![object(org, 2)]));
        store.forget_component_object(object(org, 2)).await.unwrap();
        assert!(due(&store).await.is_empty());
    }

    async fn what_comes_to_nothing_is_due(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let kept = written(&store, "1.0.0", object(org, 1)).await;
        store.put_connector(kept).await.unwrap();
        let other = written(&store, "1.0.0", object(org, 2)).await;
        let other = NewConnectorVersion { asking: upload(org, version("1.0.0", &["b.example"]), CODE, VersionState::Ready).asking, ..other };
        assert_eq!(store.put_connector(other).await.unwrap(), SavedVersion::Different);
        assert_eq!((stored(&store).await, due(&store).await), (vec![object(org, 1)], vec![object(org, 2)]));

        // A host has died between writing this one and storing its version.
        let lost = written(&store, "2.0.0", object(org, 3)).await;
        let hour = 3600;
        assert!(!store.due_component_objects(at(hour)).await.unwrap().contains(&object(org, 3)), "it may be in progress");
        assert!(store.due_component_objects(at(hour + 1)).await.unwrap().contains(&object(org, 3)));
        let late = store.put_connector(lost).await.unwrap_err();
        assert!(late.to_string().contains("upload it again"), "{late}");
        assert!(store.connector(org, "crm", "2.0.0").await.unwrap().is_none(), "a version has its code or isn't there");
    }

    async fn each_organization_has_its_own_object_of_the_same_code(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        for object in [object(org, 1), object(stranger, 2)] {
            let new = written(&store, "1.0.0", object).await;
            store.put_connector(new).await.unwrap();
        }
        assert_eq!(stored(&store).await.len(), 2);
        delete(&store, org, "1.0.0").await;
        assert_eq!((stored(&store).await, due(&store).await), (vec![object(stranger, 2)], vec![object(org, 1)]));
        // A third one has it in the database, from before an object store was configured.
        let third = organization(&store, &[]).await;
        store.put_connector(upload(third, manifest("1.0.0"), CODE, VersionState::Ready)).await.unwrap();
        assert_eq!(store.wasm(Digest::of(CODE)).await.unwrap().unwrap(), CODE);
        delete(&store, stranger, "1.0.0").await;
        assert_eq!(store.wasm(Digest::of(CODE)).await.unwrap().unwrap(), CODE);
        delete(&store, third, "1.0.0").await;
        assert_eq!(store.wasm(Digest::of(CODE)).await.unwrap(), None);
    }

    async fn a_component_moves_between_the_database_and_the_object_store(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        for organization in [org, stranger] {
            store.put_connector(upload(organization, manifest("1.0.0"), CODE, VersionState::Ready)).await.unwrap();
        }
        let mut there = store.components_in_database().await.unwrap();
        there.sort_by_key(|(organization, _)| organization.0);
        let mut both = vec![(org, Digest::of(CODE)), (stranger, Digest::of(CODE))];
        both.sort_by_key(|(organization, _)| organization.0);
        assert_eq!(there, both);
        for (object, left) in [(object(org, 1), true), (object(stranger, 2), false)] {
            store.begin_component_object(object, at(0)).await.unwrap();
            store.move_component_to_object(object).await.unwrap();
            assert_eq!(store.wasm(Digest::of(CODE)).await.unwrap().is_some(), left, "the last one takes it along");
        }
        assert!(store.components_in_database().await.unwrap().is_empty());
        assert_eq!(store.stored_component_objects().await.unwrap().len(), 2);
        // A version that is deleted during the move leaves no object.
        store.begin_component_object(object(org, 3), at(0)).await.unwrap();
        delete(&store, org, "1.0.0").await;
        store.move_component_to_object(object(org, 3)).await.unwrap();
        assert_eq!((stored(&store).await, due(&store).await.len()), (vec![object(stranger, 2)], 2));

        store.move_component_to_database(object(stranger, 2), Bytes::from_static(CODE), at(0)).await.unwrap();
        assert_eq!(store.wasm(Digest::of(CODE)).await.unwrap().unwrap(), CODE);
        assert!(stored(&store).await.is_empty());
        assert_eq!(due(&store).await.len(), 3);
        // And one that was deleted leaves no code.
        delete(&store, stranger, "1.0.0").await;
        store.move_component_to_database(object(stranger, 2), Bytes::from_static(CODE), at(0)).await.unwrap();
        assert_eq!(store.wasm(Digest::of(CODE)).await.unwrap(), None);
    }

    async fn an_upload_and_a_deletion_of_the_same_code_lose_nothing(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        for round in 0..12 {
            let (old, new) = (object(org, round * 2 + 1), object(org, round * 2 + 2));
            let before = written(&store, &format!("1.0.{round}"), old).await;
            store.put_connector(before).await.unwrap();
            let after = written(&store, &format!("2.0.{round}"), new).await;
            let deleted = store.delete_connector(org, "crm".to_owned(), format!("1.0.{round}"));
            let (saved, deleted) = tokio::join!(store.put_connector(after), deleted);
            assert!(matches!(saved.unwrap(), SavedVersion::As { .. }));
            assert_eq!(deleted.unwrap(), VersionRemoval::Gone);
            assert_eq!(stored(&store).await, [new], "the version that is there has its object");
            delete(&store, org, &format!("2.0.{round}")).await;
            assert!(stored(&store).await.is_empty());
        }
        assert_eq!(due(&store).await.len(), 24, "and nothing else is left");
    }
}
