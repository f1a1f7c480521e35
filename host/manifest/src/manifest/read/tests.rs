//! All mistakes of a document in one answer, whatever its shape.

use serde_json::{Value, json};

use super::{super::Manifest, SCHEMA, from_toml, from_value};

fn example() -> Value {
    json!({"id": "crm", "name": "CRM", "version": "1.0.0", "author": "A", "description": "D",
        "hosts": ["crm.example.com"],
        "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key", "prefix": "Key "},
        "auth_alternatives": [{"type": "oauth2", "authorize_url": "https://a.example/a", "token_url": "https://a.example/t",
            "scopes": ["a"], "callback_hmac": "shopify", "grant": "authorization_code", "authorize_params": {"access_type": "offline"},
            "expired_when": [{"status": 403, "pointer": "/error", "equals": "expired"}]}, {"type": "basic"}],
        "auth_hosts": ["crm.example.com"],
        "settings": {"type": "object", "properties": {"region": {"type": "string"}}},
        "actions": [{"id": "get", "title": "Get", "description": "Gets.", "side_effect": "read", "idempotent": true,
            "cache_s": 60, "input": {"type": "object", "properties": {"id": {"type": "string"}}},
            "output": {"type": "object"},
            "request": {"method": "GET", "url": "https://crm.example.com/{{ settings.region }}/{{ input.id }}"},
            "response": {"mapping": ".data", "errors": [{"status": 404, "fault": "not-found"}]}}],
        "test": {"action": "get", "input": {"id": "1"}},
        "fixtures": [{"match": {"method": "GET", "host": "crm.example.com", "path": "/eu/1", "query": {"a": "b"}},
            "response": {"status": 200, "headers": {"a": "b"}, "json": {"data": 1}}}],
        "redirects": true,
        "limits": {"fuel": 1000, "timeout_ms": 1000, "http_calls": 2}})
}

fn paths(document: Value) -> Vec<String> {
    from_value(document).violations.into_iter().map(|violation| violation.path).collect()
}

#[test]
fn the_schema_is_one_and_the_example_fits() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    let mut document = example();
    document["$schema"] = json!("https://resly.example/schemas/connector.json");
    let manifest = from_value(document).into_manifest().unwrap();
    // What a manifest is written as can be read again.
    from_value(serde_json::to_value(&manifest).unwrap()).into_manifest().unwrap();
}

#[test]
fn every_mistake_is_told_at_once_at_its_place() {
    let mut document = example();
    document["nmae"] = json!("x");
    document["name"] = json!(7);
    document["version"] = json!("one");
    document["hosts"] = json!(["crm.example.com", 5, "https://x"]);
    document["auth"] = json!({"type": "api_key", "nam": "X"});
    document["limits"]["fuel"] = json!("much");
    document["fixtures"][0]["response"]["status"] = json!(99);
    let action = &mut document["actions"][0];
    action["side_effect"] = json!("none");
    action["title"] = json!("");
    action["request"]["url"] = json!("https://crm.example.com/{{ input.it }}");
    action["request"]["boddy"] = json!(1);
    action.as_object_mut().unwrap().remove("description");
    let violations = from_value(document).violations;
    let mut paths: Vec<&str> = violations.iter().map(|violation| violation.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "/actions/0/description",
            "/actions/0/request/boddy",
            "/actions/0/request/url",
            "/actions/0/side_effect",
            "/actions/0/title",
            "/auth/nam",
            "/auth/name",
            "/fixtures/0/response/status",
            "/hosts/1",
            "/hosts/2",
            "/limits/fuel",
            "/name",
            "/nmae",
            "/version",
        ],
        "{violations:#?}"
    );
    let message = |path: &str| violations.iter().find(|violation| violation.path == path).unwrap().message.clone();
    assert_eq!(message("/name"), "this has to be a string");
    assert!(message("/nmae").contains("known: id, name, version"), "{}", message("/nmae"));
    assert!(message("/auth/nam").contains("known: type, in, name, prefix"), "{}", message("/auth/nam"));
    assert_eq!(message("/actions/0/description"), "`description` is missing");
    assert_eq!(message("/actions/0/side_effect"), "this is one of read, write");
}

#[test]
fn what_follows_from_a_mended_place_is_no_mistake_of_its_own() {
    let with = |pointer: &str, value: Value| {
        let mut document = example();
        *document.pointer_mut(pointer).unwrap() = value;
        paths(document)
    };
    for (pointer, value, told) in [
        ("/hosts", json!("crm.example.com"), "/hosts"),
        ("/auth", json!("none"), "/auth"),
        ("/auth/type", json!("digest"), "/auth/type"),
        ("/auth_alternatives/0", json!([]), "/auth_alternatives/0"),
        ("/actions/0", json!("get"), "/actions/0"),
        ("/actions/0/id", json!(1), "/actions/0/id"),
        ("/test", json!([]), "/test"),
        ("/test/action", json!(1), "/test/action"),
        ("/fixtures/0/match", json!(null), "/fixtures/0/match"),
        ("/fixtures/0", json!(true), "/fixtures/0"),
        ("/auth_alternatives/0/expired_when/0/status", json!("x"), "/auth_alternatives/0/expired_when/0/status"),
        ("/settings", json!(null), "/settings"),
    ] {
        assert_eq!(with(pointer, value), [told], "{pointer}");
    }
    assert_eq!(paths(json!([])), [""]);
    assert_eq!(paths(json!({})), ["/id", "/name", "/version", "/actions"]);
}

#[test]
fn any_number_of_mistakes_is_told_in_few_words() {
    let long = "x".repeat(2_000);
    let many = |make: &dyn Fn(usize) -> (String, Value)| Value::Object((0..3_000).map(make).collect());
    let mut unknown = example();
    unknown["limits"] = many(&|n| (format!("{long}{n}"), json!(1)));
    let mut sound_shape = example();
    sound_shape["fixtures"] =
        (0..900).map(|n| json!({"match": {"path": format!("{n}{long}")}, "response": {}})).collect();
    let mut action = example();
    action["actions"][0]["request"]["query"] = many(&|n| (format!("{n}"), json!(format!("{{{{ input.{long} }}}}"))));
    for document in [unknown, sound_shape, action, json!({"id": long}), json!(long)] {
        let violations = from_value(document).violations;
        assert!((1..=201).contains(&violations.len()), "{}", violations.len());
        let longest = violations.iter().map(|one| one.path.chars().count().max(one.message.chars().count())).max();
        assert!(longest <= Some(501), "{longest:?}");
    }
    let violations = from_toml(&format!("{long} = {long}")).violations;
    assert!(violations[0].message.chars().count() <= 501, "{}", violations[0].message.len());
}

/// Whatever a manifest can't be read from, the schema finds; and where it finds nothing, the manifest can be read.
#[test]
fn the_schema_and_the_type_agree() {
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| places(member, &super::step(at, name), found));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| places(item, &format!("{at}/{n}"), found));
            }
            _ => {}
        }
    }
    let whole = example();
    let mut found = Vec::new();
    places(&whole, "", &mut found);
    for place in found.iter().filter(|place| !place.is_empty()) {
        for other in [
            json!(null),
            json!(-1),
            json!(7),
            json!(true),
            json!("text"),
            json!([]),
            json!([7]),
            json!({}),
            json!({"x": 1}),
        ] {
            let mut document = whole.clone();
            *document.pointer_mut(place).unwrap() = other.clone();
            let reads = serde_json::from_value::<Manifest>(document.clone()).is_ok();
            let shaped = super::schema_violations(&document).is_empty();
            // The schema is the stricter one in `auth`, where unknown members would go unread, and where a list would do
            // for an object.
            let stricter = place.starts_with("/auth") || other.is_array();
            assert!(reads || !shaped, "{place} = {other} can't be read, and the schema doesn't say so");
            assert!(shaped || !reads || stricter, "{place} = {other} can be read, and the schema refuses it");
        }
    }
}

#[test]
fn toml_is_told_in_the_same_way() {
    let violations = from_toml("id = \"x\"\nname = 1\nversion = 2026-01-01\n[[actions]]\nid = \"a\"\n").violations;
    let paths: Vec<&str> = violations.iter().map(|violation| violation.path.as_str()).collect();
    assert_eq!(paths, ["/name", "/actions/0/title", "/actions/0/description", "/version"]);
    let violations = from_toml("id = ").violations;
    assert_eq!((violations.len(), violations[0].path.as_str()), (1, ""));
    assert!(violations[0].message.contains("line 1"), "{}", violations[0].message);
}
