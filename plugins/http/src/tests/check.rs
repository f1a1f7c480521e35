//! The check of a definition agrees with what runs.

use resly_manifest::{Manifest, check};
use resly_sdk::serde::Deserialize as _;

use super::*;
use crate::Definition;

#[test]
fn templates_are_read_without_running() {
    let definition = json!({"check": true,
        "request": {"url": "https://a.example/{{ input.a | }}", "query": {"a/b": ["{{ 1 }}", "{{ (1 }}"], "c": 7},
            "headers": {"x": "{{ input.y | default('}}') }}"}, "body": {"a": [{"b": "{{ + }}"}]}},
        "response": {"errors": [{"status": 404, "fault": "not-found", "message": "{{ status"}]}});
    let played = play(&definition, json!({}), json!({}), vec![]);
    assert!(played.requests.is_empty());
    let told = played.value();
    let paths: Vec<&str> = told.as_array().unwrap().iter().map(|told| told["path"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        ["/request/url", "/request/query/a~1b/1", "/request/body/a/0/b", "/response/errors/0/message"],
        "{told}"
    );
    assert!(told[0]["message"].as_str().unwrap().contains("{{ input.a | }}"), "{told}");
    // What is merely undefined can be read.
    let fine = json!({"check": true, "request": {"url": "https://a.example/{{ nothing.there }}"}});
    assert_eq!(play(&fine, json!({}), json!({}), vec![]).value(), json!([]));
}

/// The host's check and the runner agree on what a definition is.
#[test]
fn the_check_passes_what_runs_and_refuses_what_does_not() {
    let passes = |request: Value, response: Value, pagination: Value| {
        let manifest: Manifest = serde_json::from_value(json!({"id": "x", "name": "X", "version": "1.0.0",
            "hosts": ["a.example"], "actions": [{"id": "a", "title": "A", "description": "A.",
                "request": request, "response": response, "pagination": pagination}]}))
        .unwrap();
        let definition = json!({"request": request, "response": response, "pagination": pagination});
        let runs = Definition::deserialize(&definition);
        let mistakes = check(&manifest);
        assert_eq!(mistakes.is_empty(), runs.is_ok(), "{definition}: {mistakes:?} {runs:?}");
        mistakes.is_empty()
    };
    let url = json!({"url": "https://a.example/"});
    assert!(passes(url.clone(), Value::Null, Value::Null));
    assert!(passes(
        json!({"method": "PUT", "url": "https://a.example/", "headers": null, "query": null, "body": [1],
        "body_type": "json", "list_style": "repeat", "timeout_ms": 5000}),
        json!({"mapping": null, "expect": null, "errors": null}),
        Value::Null
    ));
    let form = |body: Value| json!({"method": "PUT", "url": "https://a.example/", "body": body, "body_type": "form", "list_style": null});
    assert!(passes(form(json!("{{ now }}")), Value::Null, Value::Null));
    assert!(passes(json!({"url": "https://a.example/", "body_type": null}), Value::Null, Value::Null));
    for rule in [
        json!({"status": 404, "fault": "not-found", "message": "x", "retryable": false}),
        json!({"status": [404, "5xx"], "when": ".x", "fault": "internal"}),
        json!({"status": null, "when": ".x", "fault": "rate-limited", "message": null, "retryable": null}),
    ] {
        assert!(passes(url.clone(), json!({"errors": [rule]}), Value::Null));
    }
    for pagination in [
        json!({"type": "link", "items": ".x", "max_pages": 20}),
        json!({"type": "link", "next": ".meta.next"}),
        json!({"type": "cursor", "cursor": ".x", "param": "p"}),
        json!({"type": "page", "param": "p", "start": 0, "items": null, "max_pages": null}),
        json!({"type": "offset", "param": "p"}),
    ] {
        assert!(passes(url.clone(), Value::Null, pagination));
    }
    for (request, response, pagination) in [
        (json!({}), Value::Null, Value::Null),
        (json!({"url": 1}), Value::Null, Value::Null),
        (json!({"url": "https://a.example/", "quary": {}}), Value::Null, Value::Null),
        (json!({"url": "https://a.example/", "query": []}), Value::Null, Value::Null),
        (json!({"url": "https://a.example/", "body_type": "xml"}), Value::Null, Value::Null),
        (json!({"url": "https://a.example/", "list_style": "commas"}), Value::Null, Value::Null),
        (url.clone(), json!({"map": "."}), Value::Null),
        (url.clone(), json!({"mapping": 1}), Value::Null),
        (url.clone(), json!({"expect": "html"}), Value::Null),
        (url.clone(), json!({"errors": {}}), Value::Null),
        (url.clone(), json!({"errors": [{"status": "7xx", "fault": "internal"}]}), Value::Null),
        (url.clone(), json!({"errors": [{"status": 404}]}), Value::Null),
        (url.clone(), json!({"errors": [{"status": 404, "fault": "gone"}]}), Value::Null),
        (url.clone(), Value::Null, json!({"type": "scroll"})),
        (url.clone(), Value::Null, json!({"type": "link", "more": 1})),
        (url.clone(), Value::Null, json!({"type": "link", "max_pages": "3"})),
    ] {
        assert!(!passes(request, response, pagination));
    }
}
