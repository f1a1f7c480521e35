//! Components that were compiled against each released version of `resly:connector`, on this host: packed, checked,
//! compiled, and run through every interface that they import.

use std::{fs, path::PathBuf};

use resly_manifest::{Manifest, package::pack};
use resly_sandbox::{WIT_VERSIONS, precheck};
use resly_tests::app::TestApp;
use serde_json::{Value, json};

use crate::uploads::{approve, settled, upload};

/// What an action answers, and its row in the log.
async fn act(app: &TestApp, connection: &str, action: &str, input: Value) -> (Value, Value) {
    let path = format!("/api/admin/connections/{connection}/actions/{action}");
    let answer: Value = app.post_as(&app.admin, &path, &input).await.json().await.unwrap();
    (answer["output"].clone(), app.logs().await[0].clone())
}

#[tokio::test]
async fn a_component_of_every_released_version_runs() {
    for known in WIT_VERSIONS {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("released").join(known.version);
        let read =
            |name: &str| fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{folder:?}: {name}: {error}"));
        let wasm = read("component.wasm");
        let manifest: Manifest = toml::from_slice(&read("connector.toml")).unwrap();

        let checked = precheck(&wasm).unwrap();
        checked.expect_connector().unwrap();
        for import in known.imports() {
            assert!(checked.imports.contains(&import), "the component of {} doesn't use {import}", known.version);
        }

        let app = TestApp::start().await;
        let response = upload(&app, pack(&wasm, &manifest).unwrap()).await;
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
        let ready = settled(&app, "released", "1.0.0").await;
        assert_eq!(ready["state"], "ready", "{ready}");
        approve(&app, "released", "1.0.0").await;
        let install = json!({"connector": "released", "environment": "sandbox"});
        let id = app.admin_post("/api/admin/connections", &install).await["id"].as_str().unwrap().to_owned();

        let (account, _) = act(&app, &id, "get_account", json!({"id": "1"})).await;
        assert_eq!(account, json!({"name": "Acme", "plan": "Pro"}), "{}", known.version);
        let (mapped, _) = act(&app, &id, "map", json!({"filter": ".a + 1", "json": r#"{"a": 1}"#})).await;
        assert_eq!(mapped, json!({"output": "2"}));
        let (mapped, _) = act(&app, &id, "map", json!({"filter": ".a |", "json": "{}"})).await;
        assert!(mapped["offset"].is_u64(), "{mapped}");
        let (_, row) = act(&app, &id, "log", json!({})).await;
        for (level, line) in [("debug", "one"), ("info", "two"), ("warn", "three"), ("error", "four")] {
            assert!(row.to_string().contains(&json!({"level": level, "message": line}).to_string()), "{row}");
        }
        let (first, _) = act(&app, &id, "remember", json!({"value": "x"})).await;
        let (second, _) = act(&app, &id, "remember", json!({"value": "y"})).await;
        assert_eq!((&first["before"], &first["kept"]), (&Value::Null, &json!(true)));
        assert_eq!((&second["before"], &second["kept"]), (&json!("x"), &json!(true)));
        for kind in ["invalid-input", "not-found", "upstream", "needs-auth", "rate-limited", "internal"] {
            let (_, row) = act(&app, &id, "fail", json!({"kind": kind})).await;
            assert_eq!(row["status"], kind.replace('-', "_"), "{row}");
        }
    }
}
