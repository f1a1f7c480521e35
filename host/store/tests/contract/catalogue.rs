//! The catalogue's own connectors: their versions, what becomes of uploads, and whose signatures are trusted.

use std::collections::BTreeMap;

use bytes::Bytes;
use resly_core::{
    connector::{
        approval::{Approval, RequestedGrants},
        connection::{Connection, ConnectionStatus, Environment, Origin, Owner, Policy},
    },
    id::{ConnectionId, KeyId, OrganizationId, PublisherId},
};
use resly_manifest::{Digest, Manifest, signature::PublicKey};
use resly_store::{
    AddPublisherError, COMPILING_MOST, CompileJob, ConnectionChange, Decided, Decision, MANIFESTS_MOST,
    NewConnectorVersion, PUBLISHERS_MOST, Publisher, SavedVersion, Store, UPLOADS_MOST, VersionRemoval, VersionState,
};
use serde_json::json;
use uuid::Uuid;

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

fn asking(manifest: Manifest) -> RequestedGrants {
    RequestedGrants { manifest, signer: None }
}

/// An upload of `code`, as far as `state`.
pub fn upload(org: OrganizationId, manifest: Manifest, code: &[u8], state: VersionState) -> NewConnectorVersion {
    let wasm = Bytes::copy_from_slice(code);
    NewConnectorVersion {
        organization: org,
        asking: asking(manifest),
        origin: Origin::Uploaded,
        component: Digest::of(&wasm),
        wasm: Some(wasm),
        object: None,
        imports: vec!["resly:connector/http@1.0.0".to_owned()],
        state,
        now: at(0),
    }
}

pub fn version(version: &str, hosts: &[&str]) -> Manifest {
    Manifest {
        version: version.to_owned(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        ..manifest("one")
    }
}

fn decision(new: &NewConnectorVersion, approval: Approval) -> Decision {
    Decision {
        organization: new.organization,
        connector: "crm".to_owned(),
        version: new.asking.manifest.version.clone(),
        component: new.component,
        approval,
        reason: (approval == Approval::Rejected).then(|| "too much".to_owned()),
        by: Some(KeyId(Uuid::from_u128(7))),
        now: at(5),
    }
}

pub fn kept(state: VersionState, approval: Approval) -> SavedVersion {
    SavedVersion::As { state, approval }
}

async fn connect(store: &Store, organization: OrganizationId, version: &str) -> ConnectionId {
    let id = ConnectionId(Uuid::from_u128(11));
    let connection = Connection {
        id,
        organization,
        connector: "crm".to_owned(),
        version: version.to_owned(),
        name: "Ours".to_owned(),
        environment: Environment::Sandbox,
        status: ConnectionStatus::Installed,
        settings: json!({}),
        auth: None,
        owner: Owner::Organization,
        credentials: None,
        policy: Policy::default(),
        mappings: BTreeMap::new(),
        tested_at: None,
        created_at: at(0),
        revision: 1,
    };
    store.create_connection(connection, None).await.unwrap();
    id
}

both! {
    async fn a_version_never_changes(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let new = upload(org, manifest("one"), b"\0asm", VersionState::Ready);
        let ready = kept(VersionState::Ready, Approval::Pending);
        assert_eq!(store.put_connector(new.clone()).await.unwrap(), ready);
        let again = NewConnectorVersion { state: VersionState::Compiling, ..new.clone() };
        assert_eq!(store.put_connector(again).await.unwrap(), ready, "the same again is nothing new");
        let other = NewConnectorVersion { asking: asking(manifest("two")), ..new.clone() };
        assert_eq!(store.put_connector(other.clone()).await.unwrap(), SavedVersion::Different);
        let other_code = NewConnectorVersion { component: Digest::of(b"x"), wasm: None, ..new.clone() };
        assert_eq!(store.put_connector(other_code).await.unwrap(), SavedVersion::Different);
        assert_eq!(store.put_connector(NewConnectorVersion { organization: stranger, ..other }).await.unwrap(), ready);

        let found = store.connector(org, "crm", "1.0.0").await.unwrap().unwrap();
        assert_eq!((found.origin, found.component, found.created_at), (Origin::Uploaded, new.component, at(0)));
        assert_eq!(found.imports, new.imports);
        assert_eq!(
            serde_json::to_value(&found.asking.manifest).unwrap(),
            serde_json::to_value(&new.asking.manifest).unwrap()
        );
        assert!(store.connector(org, "crm", "1.0.1").await.unwrap().is_none());
        assert_eq!(store.list_connectors(org).await.unwrap().len(), 1);
        assert_eq!(store.wasm(new.component).await.unwrap(), new.wasm);
        assert_eq!(store.wasm(Digest::of(b"nothing")).await.unwrap(), None);
    }

    async fn an_upload_is_compiled_and_settled_once(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let new = upload(org, manifest("one"), b"\0asm", VersionState::Compiling);
        let component = new.component;
        let settle = |organization, reason: Option<&str>| {
            let version = CompileJob { organization, connector: "crm".into(), version: "1.0.0".into(), component };
            store.settle_connector(version, reason.map(str::to_owned))
        };
        let state = async || {
            let found = store.connector(org, "crm", "1.0.0").await.unwrap().unwrap();
            (found.state, found.reason)
        };
        let compiling = kept(VersionState::Compiling, Approval::Pending);
        assert_eq!(store.put_connector(new.clone()).await.unwrap(), compiling);
        let other = NewConnectorVersion { asking: asking(manifest("two")), ..new.clone() };
        assert_eq!(store.put_connector(other.clone()).await.unwrap(), SavedVersion::Different, "somebody compiles this one");
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
        let found = store.connector(org, "crm", "1.0.0").await.unwrap().unwrap();
        assert_eq!(found.asking.manifest.description.unwrap(), "two");
    }

    async fn a_wider_version_waits_for_approval(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let put = async |manifest: Manifest, code: &[u8]| {
            let new = upload(org, manifest, code, VersionState::Ready);
            let SavedVersion::As { approval, .. } = store.put_connector(new.clone()).await.unwrap() else { panic!("not kept") };
            (new, approval)
        };
        let (first, approval) = put(version("1.0.0", &["a.example"]), b"1").await;
        assert_eq!(approval, Approval::Pending);
        let (_, approval) = put(version("1.0.1", &["a.example"]), b"2").await;
        assert_eq!(approval, Approval::Pending, "nothing was approved yet");
        let approved = decision(&first, Approval::Approved);
        let other_file = Decision { component: Digest::of(b"other"), ..approved.clone() };
        assert_eq!(store.decide_connector(other_file).await.unwrap(), Decided::Missing);
        let stranger = organization(&store, &[]).await;
        let elsewhere = Decision { organization: stranger, ..approved.clone() };
        assert_eq!(store.decide_connector(elsewhere).await.unwrap(), Decided::Missing);
        assert_eq!(store.decide_connector(approved).await.unwrap(), Decided::Done);
        let found = store.connector(org, "crm", "1.0.0").await.unwrap().unwrap();
        assert_eq!(found.approval, Approval::Approved);
        assert_eq!((found.decided_by, found.decided_at), (Some(KeyId(Uuid::from_u128(7))), Some(at(5))));

        assert_eq!(put(version("1.1.0", &["a.example/v1"]), b"3").await.1, Approval::NotNeeded);
        let (wider, approval) = put(version("2.0.0", &["a.example", "b.example"]), b"4").await;
        assert_eq!(approval, Approval::Pending);
        assert_eq!(store.decide_connector(decision(&wider, Approval::Rejected)).await.unwrap(), Decided::Done);
        let found = store.connector(org, "crm", "2.0.0").await.unwrap().unwrap();
        assert_eq!((found.approval, found.approval_reason.as_deref()), (Approval::Rejected, Some("too much")));
        let (_, approval) = put(version("2.0.1", &["b.example"]), b"5").await;
        assert_eq!(approval, Approval::Pending, "what was rejected vouches for nothing");

        let definition = NewConnectorVersion { origin: Origin::Declarative, wasm: None, ..first.clone() };
        let definition = NewConnectorVersion { asking: asking(version("3.0.0", &["c.example"])), ..definition };
        assert_eq!(
            store.put_connector(definition.clone()).await.unwrap(),
            kept(VersionState::Ready, Approval::NotNeeded)
        );
        let (_, approval) = put(version("3.0.1", &["c.example"]), b"6").await;
        assert_eq!(approval, Approval::Pending, "a definition was never approved");
        assert_eq!(
            store.decide_connector(decision(&definition, Approval::Approved)).await.unwrap(),
            Decided::Missing,
            "a definition is not decided about"
        );
    }

    async fn what_is_used_stays(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let new = upload(org, manifest("one"), b"code", VersionState::Ready);
        let theirs = upload(stranger, manifest("one"), b"code", VersionState::Ready);
        for new in [&new, &theirs] {
            store.put_connector(new.clone()).await.unwrap();
        }
        store.decide_connector(decision(&new, Approval::Approved)).await.unwrap();
        let delete = |organization| store.delete_connector(organization, "crm".to_owned(), "1.0.0".to_owned());
        let connection = connect(&store, org, "1.0.0").await;
        let used = vec![(connection, "Ours".to_owned())];
        assert_eq!(delete(org).await.unwrap(), VersionRemoval::InUse(used.clone()));
        let rejected = decision(&new, Approval::Rejected);
        assert_eq!(store.decide_connector(rejected.clone()).await.unwrap(), Decided::InUse(used));
        let change = ConnectionChange { version: Some("1.1.0".to_owned()), ..ConnectionChange::default() };
        store.update_connection(org, connection, change).await.unwrap();
        assert_eq!(delete(org).await.unwrap(), VersionRemoval::Gone);
        assert_eq!(delete(org).await.unwrap(), VersionRemoval::Missing);
        assert_eq!(store.decide_connector(rejected).await.unwrap(), Decided::Missing);
        assert!(store.connector(org, "crm", "1.0.0").await.unwrap().is_none());
        assert!(store.list_connectors(org).await.unwrap().is_empty());
        assert_eq!(store.wasm(new.component).await.unwrap(), new.wasm, "another organization has the same code");
        assert_eq!(delete(stranger).await.unwrap(), VersionRemoval::Gone);
        assert_eq!(store.wasm(new.component).await.unwrap(), None);

        let other = upload(org, manifest("two"), b"code", VersionState::Ready);
        assert_eq!(store.put_connector(other).await.unwrap(), SavedVersion::Different, "its number stays taken");
        let again = store.put_connector(new.clone()).await.unwrap();
        assert_eq!(again, kept(VersionState::Ready, Approval::Pending), "the same may come back, and is looked at again");
        assert_eq!(store.wasm(new.component).await.unwrap(), new.wasm);
    }

    async fn code_of_many_parts_comes_back_whole(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let code: Vec<u8> = (0..400_000_u32).map(|n| (n % 251) as u8).collect();
        let new = upload(org, manifest("one"), &code, VersionState::Ready);
        store.put_connector(new.clone()).await.unwrap();
        assert_eq!(store.wasm(new.component).await.unwrap(), new.wasm);
        // What is refused leaves nothing behind, and takes nothing of what is there.
        let other = upload(org, manifest("two"), &code[1..], VersionState::Ready);
        assert_eq!(store.put_connector(other.clone()).await.unwrap(), SavedVersion::Different);
        assert_eq!(store.wasm(other.component).await.unwrap(), None);
        let same_code = upload(org, manifest("two"), &code, VersionState::Ready);
        assert_eq!(store.put_connector(same_code).await.unwrap(), SavedVersion::Different);
        assert_eq!(store.wasm(new.component).await.unwrap(), new.wasm);
    }

    async fn what_an_upload_left_that_was_cut_off_is_forgotten_once_it_is_old(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let code: Vec<u8> = (0..400_000_u32).map(|n| (n % 251) as u8).collect();
        let lost = upload(org, version("1.0.0", &["a.example"]), &code, VersionState::Ready);
        let whole = upload(org, version("2.0.0", &["a.example"]), b"whole", VersionState::Ready);
        let parts = || backend.number("SELECT CAST(count(*) AS BIGINT) FROM component_parts");
        // As if its host had died before it kept the component of these parts.
        let cut_off = || backend.number("DELETE FROM components RETURNING CAST(1 AS BIGINT)");
        store.put_connector(lost.clone()).await.unwrap();
        cut_off().await;
        store.put_connector(whole.clone()).await.unwrap();
        assert_eq!(parts().await, 5);
        assert_eq!(store.forget_unfinished_uploads(at(3600)).await.unwrap(), 0, "it may be in progress");
        store.put_connector(NewConnectorVersion { now: at(3000), ..lost.clone() }).await.unwrap();
        backend.number("DELETE FROM components WHERE digest = (SELECT component FROM connector_versions
                        WHERE version = '1.0.0') RETURNING CAST(1 AS BIGINT)").await;
        assert_eq!(store.forget_unfinished_uploads(at(4000)).await.unwrap(), 0, "it was sent again");
        assert_eq!(store.forget_unfinished_uploads(at(6601)).await.unwrap(), 1);
        assert_eq!((parts().await, store.wasm(whole.component).await.unwrap()), (1, whole.wasm), "what is kept stays");
        store.put_connector(lost.clone()).await.unwrap();
        assert_eq!(store.wasm(lost.component).await.unwrap(), lost.wasm);
    }

    async fn an_organization_keeps_so_many_versions(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let nth = |organization, n: u64| {
            upload(organization, version(&format!("1.{n}.0"), &["a.example"]), &n.to_le_bytes(), VersionState::Ready)
        };
        for n in 0..UPLOADS_MOST {
            assert!(matches!(store.put_connector(nth(org, n)).await.unwrap(), SavedVersion::As { .. }), "{n}");
        }
        let more = nth(org, 1000);
        let too_many = SavedVersion::TooMany { what: "uploaded versions", most: UPLOADS_MOST };
        assert_eq!(store.put_connector(more.clone()).await.unwrap(), too_many);
        assert_eq!(store.wasm(more.component).await.unwrap(), None, "nothing was stored");
        assert!(matches!(store.put_connector(nth(org, 7)).await.unwrap(), SavedVersion::As { .. }), "it is among them already");
        assert!(matches!(store.put_connector(nth(stranger, 1000)).await.unwrap(), SavedVersion::As { .. }));
        let definition =
            |n| NewConnectorVersion { origin: Origin::Declarative, wasm: None, ..nth(org, n) };
        assert!(matches!(store.put_connector(definition(2000)).await.unwrap(), SavedVersion::As { .. }), "there is room for others");
        store.delete_connector(org, "crm".to_owned(), "1.8.0".to_owned()).await.unwrap();
        assert!(matches!(store.put_connector(more).await.unwrap(), SavedVersion::As { .. }));
        assert_eq!(store.put_connector(nth(org, 8)).await.unwrap(), too_many, "what was deleted comes back as new");

        let mut large = definition(3000);
        let half = usize::try_from(MANIFESTS_MOST / 2).unwrap();
        large.asking.manifest.description = Some("x".repeat(half));
        assert!(matches!(store.put_connector(large.clone()).await.unwrap(), SavedVersion::As { .. }));
        large.asking.manifest.version = "1.3001.0".to_owned();
        let too_large = SavedVersion::TooMany { what: "bytes of definitions and manifests", most: MANIFESTS_MOST };
        assert_eq!(store.put_connector(large).await.unwrap(), too_large);
    }

    async fn compiling_is_taken_up_from_a_dead_host_and_given_up_in_the_end(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = upload(org, manifest("one"), b"code", VersionState::Compiling);
        store.put_connector(new.clone()).await.unwrap();
        let held = CompileJob {
            organization: org,
            connector: "crm".to_owned(),
            version: "1.0.0".to_owned(),
            component: new.component,
        };
        assert_eq!(store.claim_compiling(at(60)).await.unwrap(), [], "its host is at it");
        store.hold_compiling(held.clone(), at(60)).await.unwrap();
        assert_eq!(store.claim_compiling(at(120)).await.unwrap(), [], "and goes on");
        for now in [200, 400] {
            assert_eq!(store.claim_compiling(at(now)).await.unwrap(), std::slice::from_ref(&held));
            assert_eq!(store.claim_compiling(at(now)).await.unwrap(), [], "one host takes it");
        }
        assert_eq!(store.claim_compiling(at(600)).await.unwrap(), []);
        let found = store.connector(org, "crm", "1.0.0").await.unwrap().unwrap();
        assert_eq!(found.state, VersionState::Refused, "it must not end host after host");
        assert!(found.reason.unwrap().contains("cut off"));
    }

    async fn an_organization_compiles_so_many_at_a_time(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let nth = |organization, n: u64| {
            let manifest = Manifest { version: format!("1.{n}.0"), ..manifest("one") };
            upload(organization, manifest, &n.to_le_bytes(), VersionState::Compiling)
        };
        for n in 0..COMPILING_MOST {
            assert!(matches!(store.put_connector(nth(org, n)).await.unwrap(), SavedVersion::As { .. }));
        }
        assert_eq!(store.put_connector(nth(org, 99)).await.unwrap(), SavedVersion::QueueFull);
        assert!(store.connector(org, "crm", "1.99.0").await.unwrap().is_none(), "nothing was stored");
        assert!(matches!(store.put_connector(nth(org, 0)).await.unwrap(), SavedVersion::As { .. }), "it is among them already");
        assert!(matches!(store.put_connector(nth(stranger, 99)).await.unwrap(), SavedVersion::As { .. }));
    }

    async fn an_organization_has_so_many_publishers_however_they_are_added(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let nth = |n: u64| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            let id = PublisherId(Uuid::from_u128(u128::from(n)));
            Publisher { id, name: "Acme".into(), public_key: PublicKey(key), created_at: at(0) }
        };
        for n in 2..PUBLISHERS_MOST {
            store.add_publisher(org, nth(n)).await.unwrap();
        }
        let at_once = (PUBLISHERS_MOST..PUBLISHERS_MOST + 4).map(|n| store.add_publisher(org, nth(n)));
        let added = futures::future::join_all(at_once).await;
        let (added, refused): (Vec<_>, Vec<_>) = added.into_iter().partition(Result::is_ok);
        assert_eq!(added.len(), 2);
        assert!(refused.iter().all(|refused| matches!(refused, Err(AddPublisherError::TooMany))), "{refused:?}");
        assert_eq!(store.trust(org).await.unwrap().publishers.len() as u64, PUBLISHERS_MOST);
        let known = store.add_publisher(org, nth(2)).await;
        assert!(matches!(known, Err(AddPublisherError::Known)), "{known:?}");
        store.delete_publisher(org, nth(2).id).await.unwrap();
        store.add_publisher(org, nth(2)).await.unwrap();
    }

    async fn publishers_are_an_organizations_own(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let key = PublicKey([3; 32]);
        let publisher =
            Publisher { id: PublisherId(Uuid::from_u128(1)), name: "Acme".into(), public_key: key, created_at: at(0) };
        store.add_publisher(org, publisher.clone()).await.unwrap();
        let twice = Publisher { id: PublisherId(Uuid::from_u128(2)), ..publisher.clone() };
        let known = store.add_publisher(org, twice.clone()).await;
        assert!(matches!(known, Err(AddPublisherError::Known)), "{known:?}");
        store.add_publisher(stranger, twice).await.unwrap();
        store.require_publisher(org, true).await.unwrap();
        let trust = store.trust(org).await.unwrap();
        assert!(trust.required && trust.publisher(&key).is_some_and(|publisher| publisher.name == "Acme"));
        assert!(trust.publisher(&PublicKey([4; 32])).is_none());
        assert!(!store.trust(stranger).await.unwrap().required);
        assert!(!store.delete_publisher(stranger, publisher.id).await.unwrap());
        assert!(store.delete_publisher(org, publisher.id).await.unwrap());
        assert!(store.trust(org).await.unwrap().publishers.is_empty());

        let mut new = upload(org, manifest("one"), b"code", VersionState::Ready);
        new.asking.signer = Some(key);
        store.put_connector(new).await.unwrap();
        assert_eq!(store.connector(org, "crm", "1.0.0").await.unwrap().unwrap().asking.signer, Some(key));
    }
}
