//! Uploaded components in a bucket: what runs where, what is refused, and what is deleted.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{Response, StatusCode};
use resly_core::object::{ComponentObject, ObjectContent, ObjectError, ObjectStore};
use resly_manifest::Digest;
use resly_tests::{
    app::TestApp,
    host::{Running, make_organization, master_key, share_compiled},
    process::{resly, run},
    s3::S3,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::uploads::{approve, packed, settled, upload};

/// Uploads a component, approves it and installs it. Returns the path of an action.
async fn installed(app: &TestApp, wasm: Vec<u8>) -> String {
    let response = upload(app, wasm).await;
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    assert_eq!(settled(app, "our-shop", "1.0.0").await["state"], "ready");
    approve(app, "our-shop", "1.0.0").await;
    let install = json!({"connector": "our-shop", "name": "Ours", "environment": "sandbox",
        "settings": {"shop": "acme-demo", "verify_email": false}});
    let made = app.admin_post("/api/admin/connections", &install).await;
    format!("/api/admin/connections/{}/actions/find_order", made["id"].as_str().unwrap())
}

async fn call(app: &TestApp, action: &str) -> Response {
    app.post_as(&app.admin, action, &json!({"number": "#1001"})).await
}

async fn problem(response: Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.unwrap())
}

/// The one object that the database tells of.
async fn object(app: &TestApp) -> ComponentObject {
    let all = app.host().store.stored_component_objects().await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
}

async fn is_gone(s3: &S3, object: &ComponentObject) -> bool {
    matches!(s3.bucket().get(&object.key(), object.content).await, Err(ObjectError::Missing { .. }))
}

#[tokio::test]
async fn what_is_uploaded_on_one_host_runs_on_another_by_way_of_the_bucket() {
    let s3 = S3::start().await;
    let (first, second) = TestApp::pair_with_settings(&s3.settings()).await;
    let wasm = packed(|_| ());
    let action = installed(&first, wasm.clone()).await;
    first.nothing_on_disk_contains(s3.settings().last().unwrap().1);
    let object = object(&second).await;
    assert_eq!(object.content, ObjectContent::of(&wasm));
    assert_eq!(first.host().store.wasm(object.content.digest).await.unwrap(), None, "the database has no copy");
    assert_eq!(s3.bucket().get(&object.key(), object.content).await.unwrap(), wasm);

    // While the bucket is away, what isn't compiled waits, and the rest goes on.
    s3.way.close();
    let (status, told) = problem(call(&second, &action).await).await;
    assert_eq!((status, &told["type"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("/docs/problems/connector-busy")));
    assert!(told["detail"].as_str().unwrap().contains("object store"), "{told}");
    assert_eq!(call(&first, &action).await.status(), StatusCode::OK);
    let refused = upload(&first, packed(|manifest| "2.0.0".clone_into(&mut manifest.version))).await;
    assert_eq!(refused.headers()["retry-after"], "30");
    let (status, told) = problem(refused).await;
    assert_eq!(
        (status, &told["type"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("/docs/problems/object-store-unavailable"))
    );
    let ready = second.client.get(second.url("/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK, "a host without its bucket can answer");
    assert_eq!(ready.json::<Value>().await.unwrap()["checks"]["object_store"], "failed");

    s3.way.open();
    let called = call(&second, &action).await;
    assert_eq!(called.status(), StatusCode::OK, "{}", called.text().await.unwrap());
    let again = upload(&first, packed(|manifest| "2.0.0".clone_into(&mut manifest.version))).await;
    assert!(again.status().is_success(), "nothing was stored of what was refused");
    assert_eq!(s3.bucket().check().await.map_err(|error| error.to_string()), Ok(()));
}

#[tokio::test]
async fn an_object_that_was_changed_is_refused_and_mended_by_the_same_upload() {
    let s3 = S3::start().await;
    let (first, second) = TestApp::pair_with_settings(&s3.settings()).await;
    let wasm = packed(|_| ());
    let action = installed(&first, wasm.clone()).await;
    let stored = object(&first).await;
    let mut other = wasm.clone();
    *other.last_mut().unwrap() ^= 1;
    for changed in [other, wasm[..wasm.len() / 2].to_vec(), [wasm.clone(), vec![0]].concat()] {
        let digest = Digest::of(&changed);
        s3.bucket().put(&stored.key(), changed.into(), digest).await.unwrap();
        let (status, told) = problem(call(&second, &action).await).await;
        assert_eq!((status, &told["type"]), (StatusCode::BAD_GATEWAY, &json!("/docs/problems/connector-failed")));
        assert!(told["detail"].as_str().unwrap().contains("isn't what was uploaded"), "{told}");
    }
    s3.bucket().delete(&stored.key()).await.unwrap();
    let (_, told) = problem(call(&second, &action).await).await;
    assert!(told["detail"].as_str().unwrap().contains("upload it again"), "{told}");

    let mended = upload(&first, wasm).await;
    assert_eq!(mended.status(), StatusCode::OK, "the version is what it was");
    assert_ne!(object(&first).await.id, stored.id);
    let called = call(&second, &action).await;
    assert_eq!(called.status(), StatusCode::OK, "{}", called.text().await.unwrap());
}

#[tokio::test]
async fn a_wrong_key_is_told_to_the_operator_and_not_to_tenants() {
    let s3 = S3::start().await;
    let settings: Vec<(&str, &str)> = s3.settings();
    let wrong: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, if *name == "AWS_SECRET_ACCESS_KEY" { "another" } else { *value }))
        .collect();
    let app = TestApp::with_settings(&wrong).await;
    let error = app.host().components.check().await.unwrap_err();
    assert!(matches!(&error, ObjectError::Refused { .. }) && error.to_string().contains("AWS_"), "{error}");
    let (status, told) = problem(upload(&app, packed(|_| ())).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{told}");
    for (name, value) in &settings[1..] {
        assert!(!told.to_string().contains(value), "{name} is in {told}");
    }
}

#[tokio::test]
async fn what_no_version_has_leaves_the_bucket() {
    let s3 = S3::start().await;
    let app = TestApp::with_settings(&s3.settings()).await;
    let components = Arc::clone(&app.host().components);
    let wasm = packed(|_| ());
    assert!(upload(&app, wasm.clone()).await.status().is_success());
    settled(&app, "our-shop", "1.0.0").await;
    let first = object(&app).await;

    // As if the host had died after it wrote an object and before it stored the version.
    let lost = ComponentObject { id: Uuid::from_u128(7), ..first };
    app.host().store.begin_component_object(lost, app.host().clock.now()).await.unwrap();
    s3.bucket().put(&lost.key(), Bytes::from(wasm), lost.content.digest).await.unwrap();
    assert_eq!(components.sweep().await.unwrap(), 0, "an upload may be in progress");
    assert!(!is_gone(&s3, &lost).await);
    app.later(Duration::from_secs(3601));
    // A bucket that is away keeps the row, so that nothing is forgotten.
    s3.way.close();
    assert!(components.sweep().await.is_err());
    s3.way.open();
    assert_eq!(components.sweep().await.unwrap(), 1);
    assert!(is_gone(&s3, &lost).await && !is_gone(&s3, &first).await);
    assert_eq!(components.sweep().await.unwrap(), 0);

    let deleted = app.send_as(&app.admin, "DELETE", "/api/admin/connectors/our-shop/versions/1.0.0").await;
    assert!(deleted.status().is_success());
    assert!(is_gone(&s3, &first).await, "the deletion takes the object along");
    assert!(app.host().store.due_component_objects(app.host().clock.now()).await.unwrap().is_empty());
}

#[tokio::test]
async fn components_move_between_the_database_and_the_bucket() {
    let s3 = S3::start().await;
    let (data, master) = (tempfile::tempdir().unwrap(), master_key());
    share_compiled(data.path());
    let plain = [("RESLY_MASTER_KEY", master.as_str())];
    let with_bucket: Vec<(&str, &str)> = plain.into_iter().chain(s3.settings()).collect();
    let wasm = Bytes::from(packed(|_| ()));
    let digest = Digest::of(&wasm);
    let host = Running::start(data.path(), &plain).await.unwrap();
    let organization = make_organization(&host.app, "moves").await;
    let inspected = resly_service::upload::inspect(&wasm).unwrap();
    resly_service::connectors::upload(&host.app, organization, wasm.clone(), inspected).await.unwrap();
    host.stop().await;

    // With the bucket configured, what is in the database is read there.
    let host = Running::start(data.path(), &with_bucket).await.unwrap();
    assert_eq!(host.app.components.read(digest).await.unwrap(), Some(wasm.clone()));
    let command = |to: &str| {
        let mut command = resly(data.path(), &["db", "components", "--to", to]);
        command.envs(s3.settings());
        command
    };
    let moved = run(command("bucket")).await.unwrap();
    assert_eq!(moved, json!({"moved": 1, "to": "s3://acme-resly/resly"}));
    assert_eq!(host.app.store.wasm(digest).await.unwrap(), None);
    assert_eq!(host.app.components.read(digest).await.unwrap(), Some(wasm.clone()));
    let object = host.app.store.stored_component_objects().await.unwrap()[0];
    assert_eq!(run(command("bucket")).await.unwrap()["moved"], 0, "again is nothing new");
    host.stop().await;

    // Without it, the error names the setting.
    let host = Running::start(data.path(), &plain).await.unwrap();
    let error = host.app.components.read(digest).await.unwrap_err().to_string();
    assert!(error.contains("RESLY_COMPONENT_STORE isn't set"), "{error}");
    assert_eq!(run(command("database")).await.unwrap(), json!({"moved": 1, "to": "database"}));
    assert_eq!(host.app.components.read(digest).await.unwrap(), Some(wasm));
    assert!(is_gone(&s3, &object).await);
    host.stop().await;
}
