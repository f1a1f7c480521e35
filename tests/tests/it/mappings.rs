//! A connection's mappings: tried on the last output of an action, and applied to what models are shown.

use resly_tests::{app::TestApp, model::Reply, service::ScriptedService};
use serde_json::{Value, json};

use crate::declarative::{connect, definition, problem};

#[tokio::test]
async fn a_mapping_is_tried_on_the_last_output() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    app.admin_post("/api/admin/connectors", &definition(&service.address.to_string())).await;
    let id = connect(&app, "sandbox").await;
    let action = format!("/api/admin/connections/{id}/actions/list");
    let preview = format!("{action}/mapping/preview");
    assert_eq!(problem(&app, &preview, &json!({"filter": "."})).await.0, 404, "there is no output yet");
    app.admin_post(&action, &json!({})).await;
    let sample: Value = app.send_as(&app.admin, "GET", &format!("{action}/sample")).await.json().await.unwrap();
    assert_eq!(sample["output"], json!([{"id": 1, "text": "one"}, {"id": 2, "text": "two"}]));
    assert_eq!((&sample["cut"], &sample["bytes"]), (&json!(false), &json!(45)));

    let shown = app.admin_post(&preview, &json!({"filter": "map(.id)"})).await;
    assert_eq!((&shown["output"], &shown["input"]), (&json!([1, 2]), &sample["output"]));
    assert_eq!((&shown["bytes_before"], &shown["bytes_after"]), (&json!(45), &json!(5)));
    assert!(shown["fuel"].as_u64().unwrap() > 0);
    let shown = app.admin_post(&preview, &json!({"filter": ".n", "sample": {"n": 1.50}})).await;
    assert_eq!(shown["output"], json!(1.5));

    // jq's own words, and where; a filter that doesn't fit this input has no place.
    let (status, told) = problem(&app, &preview, &json!({"filter": "map(.id"})).await;
    assert_eq!((status, &told["type"]), (422, &json!("/docs/problems/mapping-failed")), "{told}");
    assert!(told["offset"].is_u64() && !told["detail"].as_str().unwrap().is_empty(), "{told}");
    let (_, told) = problem(&app, &preview, &json!({"filter": ".id"})).await;
    assert_eq!((&told["type"], &told["offset"]), (&json!("/docs/problems/mapping-failed"), &Value::Null), "{told}");
    assert_eq!(problem(&app, &preview, &json!({})).await.1["errors"][0]["path"], "filter");

    // A filter that can't be read isn't kept; one that can trims what comes of a call, and the preview takes it up.
    let change = async |filter: &str| {
        let request = app.client.patch(app.url(&format!("/api/admin/connections/{id}"))).bearer_auth(&app.admin);
        let response = request.json(&json!({"mappings": {"list": filter}})).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, told) = change("map(.id").await;
    assert_eq!((status, &told["errors"][0]["path"]), (422, &json!("mappings.list")), "{told}");
    assert_eq!(change("map(.text)").await.0, 200);
    assert_eq!(app.admin_post(&preview, &json!({})).await["output"], json!(["one", "two"]));
    assert_eq!(app.admin_post(&action, &json!({})).await["output"], json!(["one", "two"]));
    let sample: Value = app.send_as(&app.admin, "GET", &format!("{action}/sample")).await.json().await.unwrap();
    assert_eq!(sample["output"][0]["id"], 1, "what is kept is the output before the mapping");

    // A mapping that fails is a fault of that kind, which says whose it is.
    assert_eq!(change(".text").await.0, 200);
    let (status, told) = problem(&app, &action, &json!({})).await;
    assert_eq!((status, &told["fault"]["kind"]), (502, &json!("mapping")), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("mapping/preview"), "{told}");
    let stranger = app.stranger_admin().await;
    assert_eq!(app.send_as(&stranger, "GET", &format!("{action}/sample")).await.status(), 404);
}

#[tokio::test]
async fn what_customers_asked_for_is_not_kept_as_a_sample() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    app.admin_post("/api/admin/connectors", &definition(&service.address.to_string())).await;
    let id = connect(&app, "production").await;
    service.answers("/blue/notes", 200, json!({"notes": ["an admin's"]}));
    let tested = app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    assert_eq!(tested["ok"], true, "{tested}");
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    service.answers("/blue/notes", 200, json!({"notes": ["a customer's"]}));
    app.model.says([Reply::connector("notes", "list", json!({})), Reply::text("One note [1].")]);
    app.answer(json!({"messages": [{"role": "user", "content": "What notes are there?"}]})).await;
    assert!(app.model.asked()[1]["messages"].to_string().contains("a customer's"));
    let path = format!("/api/admin/connections/{id}/actions/list/sample");
    let sample: Value = app.send_as(&app.admin, "GET", &path).await.json().await.unwrap();
    assert_eq!(sample["output"], json!(["an admin's"]));
}

#[tokio::test]
async fn what_was_cut_on_the_way_to_a_model_is_said() {
    let service = ScriptedService::start().await.unwrap();
    let app = TestApp::with_egress_to(&service).await;
    let mut definition = definition(&service.address.to_string());
    definition["actions"][0]["cache_s"] = json!(60);
    definition["actions"][0]["response"] = json!({});
    definition["actions"][0]["pagination"] =
        json!({"type": "cursor", "cursor": ".next", "param": "after", "items": ".notes", "max_pages": 1});
    app.admin_post("/api/admin/connectors", &definition).await;
    let id = connect(&app, "production").await;
    service.answers("/blue/notes", 200, json!({"notes": ["one", "two"], "next": "2"}));
    app.admin_post(&format!("/api/admin/connections/{id}/test"), &json!({})).await;
    app.admin_post(&format!("/api/admin/connections/{id}/enable"), &json!({})).await;
    let ask = async || {
        app.model.says([Reply::connector("notes", "list", json!({})), Reply::text("Two notes and more [1].")]);
        app.answer(json!({"messages": [{"role": "user", "content": "What notes are there?"}]})).await;
        app.model.asked().last().unwrap()["messages"].to_string()
    };
    let told = ask().await;
    assert!(
        told.contains("one") && told.contains("(note: there are more pages than the 1 that were asked for)"),
        "{told}"
    );
    // Nor is it served from memory without the note.
    assert!(ask().await.contains("(note: there are more pages"));
    assert_eq!(service.received().len(), 3);

    // A body beyond what a call may read is no output at all.
    definition["version"] = json!("1.0.1");
    definition["limits"] = json!({"response_bytes": 100});
    app.admin_post("/api/admin/connectors", &definition).await;
    let request = app.client.patch(app.url(&format!("/api/admin/connections/{id}"))).bearer_auth(&app.admin);
    assert!(request.json(&json!({"version": "1.0.1"})).send().await.unwrap().status().is_success());
    service.answers("/blue/notes", 200, json!({"notes": ["x".repeat(200)], "next": null}));
    let (status, told) = problem(&app, &format!("/api/admin/connections/{id}/actions/list"), &json!({})).await;
    assert_eq!((status, &told["fault"]["kind"]), (502, &json!("too_large")), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("larger than a call may read"), "{told}");
}
