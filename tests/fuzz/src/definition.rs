//! A declarative connector's action, checked and then made into its first request as the sandbox would make it: the
//! runner gives a request or a fault for whatever `check` lets through, and inputs stay in their place.

use resly_manifest::{Manifest, check};
use resly_plugin_http::first_request;
use resly_sdk::Call;
use serde_json::{Value, json};

/// JSON: `{"request", "response", "pagination", "input", "settings"}`.
pub fn definition(data: &[u8]) {
    let Ok(mut given) = serde_json::from_slice::<Value>(data) else { return };
    if !given.is_object() {
        return;
    }
    let (input, settings) = (given["input"].take(), given["settings"].take());
    let properties = |value: &Value| -> Value {
        value.as_object().map_or(json!({}), |members| members.keys().map(|name| (name.clone(), json!({}))).collect())
    };
    let manifest = json!({
        "id": "fuzz", "name": "Fuzz", "version": "1.0.0", "hosts": ["api.example.com"],
        "settings": {"type": "object", "properties": properties(&settings)},
        "actions": [{"id": "run", "title": "Run", "description": "Runs.",
            "input": {"type": "object", "properties": properties(&input)},
            "request": given["request"], "response": given["response"], "pagination": given["pagination"]}]});
    let Ok(manifest) = serde_json::from_value::<Manifest>(manifest) else { return };
    if !check(&manifest).is_empty() {
        return;
    }
    let Some(action) = manifest.action("run") else { return };
    let definition = json!({"request": action.request, "response": action.response, "pagination": action.pagination});
    let Ok(request) = first_request(&Call::for_test("run", &input, &settings).with_definition(definition)) else {
        return;
    };
    let printable = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    assert!(request.headers.iter().all(|(name, value)| printable(name) && printable(value)));
    // The template's own text may be any URL; only a setting that is one label may add to its host.
    let written = action.request.as_ref().and_then(|request| request["url"].as_str()).unwrap_or_default();
    if !written.contains("{{") {
        let path = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
        assert_eq!(path(&request.url), path(written));
    }
}
