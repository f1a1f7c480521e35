use serde_json::json;

use super::*;

fn base() -> Value {
    json!({
        "id": "crm", "name": "CRM", "version": "1.0.0", "author": "Acme", "description": "A CRM.",
        "hosts": ["api.example.com/v1", "{{ settings.shop }}.example.com"], "auth_hosts": ["api.example.com/v1"],
        "auth": {"type": "oauth2", "authorize_url": "https://a.example.com/auth",
            "token_url": "https://a.example.com/token", "scopes": ["read", "list"]},
        "auth_alternatives": [{"type": "api_key", "name": "X-Key"}],
        "settings": {"type": "object", "properties":
            {"shop": {"type": "string", "pattern": "^[a-z]+$"}, "page": {"type": "integer"}}},
        "actions": [
            {"id": "get", "title": "Get", "description": "Gets.", "input": {"type": "object"}, "cache_s": 5},
            {"id": "put", "title": "Put", "description": "Puts.", "side_effect": "write", "idempotent": true}],
        "test": {"action": "get"},
        "fixtures": [{"match": {"path": "/v1"}, "response": {"status": 200}}],
        "redirects": true,
        "limits": {"fuel": 300_000_000_u64, "http_calls": 20},
    })
}

/// The paths of what is wider and of what is other after a change.
fn changed(change: impl FnOnce(&mut Value)) -> (Vec<String>, Vec<String>) {
    let before: Manifest = serde_json::from_value(base()).unwrap();
    let mut after = base();
    change(&mut after);
    let after: Manifest = serde_json::from_value(after).unwrap();
    let Changes { wider, other } = compare(&before, &after);
    let paths = |changes: Vec<Change>| changes.into_iter().map(|change| change.path).collect();
    (paths(wider), paths(other))
}

fn wider(change: impl FnOnce(&mut Value)) -> Vec<String> {
    changed(change).0
}

/// Something differs, and nothing of it is wider.
#[track_caller]
fn narrower(change: impl FnOnce(&mut Value)) {
    let (wider, other) = changed(change);
    assert!(wider.is_empty() && !other.is_empty(), "wider {wider:?}, other {other:?}");
}

#[test]
fn the_same_is_no_change() {
    assert_eq!(changed(|_| ()), (vec![], vec![]));
}

#[test]
fn texts_tests_and_fixtures_give_nothing() {
    for name in ["name", "version", "author", "description"] {
        narrower(|manifest| manifest[name] = json!("2.0.0"));
    }
    narrower(|manifest| manifest["fixtures"] = json!([]));
    narrower(|manifest| manifest["test"] = json!({"action": "get", "input": {"id": 1}}));
    narrower(|manifest| manifest["test"] = Value::Null);
}

#[test]
fn another_host_or_a_shorter_path_is_wider() {
    assert_eq!(wider(|m| m["hosts"] = json!(["api.example.com/v1", "evil.example"])), ["/hosts/1"]);
    assert_eq!(wider(|m| m["hosts"] = json!(["api.example.com"])), ["/hosts/0"]);
    assert_eq!(wider(|m| m["hosts"] = json!(["api.example.com/v10"])), ["/hosts/0"]);
    assert_eq!(wider(|m| m["hosts"] = json!(["api.example.com:8443/v1"])), ["/hosts/0"]);
    assert_eq!(wider(|m| m["hosts"][1] = json!("{{ settings.page }}.example.com")), ["/hosts/1"]);
    narrower(|m| m["hosts"] = json!(["api.example.com/v1"]));
    narrower(|m| m["hosts"][0] = json!("api.example.com/v1/accounts"));
}

#[test]
fn where_the_credential_goes_is_compared_as_it_is_meant() {
    assert_eq!(wider(|m| m["auth_hosts"] = json!([])), ["/auth_hosts"], "none named means all");
    assert_eq!(wider(|m| m["auth_hosts"] = json!(["{{ settings.shop }}.example.com"])), ["/auth_hosts"]);
    narrower(|m| m["auth_hosts"] = json!(["api.example.com/v1/accounts"]));
}

#[test]
fn another_way_to_authenticate_is_wider_and_one_less_is_not() {
    assert_eq!(wider(|m| m["auth"]["scopes"] = json!(["read", "list", "write"])), ["/auth/scopes"]);
    narrower(|m| m["auth"]["scopes"] = json!(["read"]));
    for (name, value) in [
        ("token_url", json!("https://evil.example/token")),
        ("authorize_url", json!("https://evil.example/auth")),
        ("revoke_url", json!("https://evil.example/revoke")),
        ("pkce", json!(false)),
        ("grant", json!("client_credentials")),
        ("header", json!("X-Token")),
        ("issuer", json!("https://evil.example")),
        ("authorize_params", json!({"access_type": "offline"})),
        ("callback_hmac", json!("shopify")),
    ] {
        assert_eq!(wider(|m| m["auth"][name] = value), [format!("/auth/{name}")]);
    }
    narrower(|m| m["auth"]["expired_when"] = json!([{"status": 403}]));
    assert_eq!(wider(|m| m["auth_alternatives"] = json!([{"type": "basic"}])), ["/auth_alternatives/0"]);
    assert_eq!(wider(|m| m["auth_alternatives"][0]["name"] = json!("X-Other")), ["/auth_alternatives/0/name"]);
    narrower(|m| m["auth_alternatives"] = json!([]));
    narrower(|m| {
        let usual = m["auth"].take();
        m["auth"] = m["auth_alternatives"][0].take();
        m["auth_alternatives"][0] = usual;
    });
    narrower(|m| m["auth"] = json!({"type": "none"}));
}

#[test]
fn a_setting_that_makes_a_host_is_wider_and_another_is_not() {
    assert_eq!(wider(|m| m["settings"]["properties"]["shop"]["pattern"] = json!(".*")), ["/settings/properties/shop"]);
    assert_eq!(wider(|m| m["settings"]["properties"]["shop"]["default"] = json!("x")), ["/settings/properties/shop"]);
    assert_eq!(wider(|m| m["settings"]["$defs"] = json!({})), ["/settings/$defs"]);
    narrower(|m| m["settings"]["properties"]["page"] = json!({"type": "integer", "maximum": 9}));
    narrower(|m| m["settings"]["properties"]["color"] = json!({"type": "string"}));
    narrower(|m| m["settings"]["required"] = json!(["shop"]));
}

#[test]
fn what_changes_something_is_wider() {
    let action = |side_effect| json!({"id": "new", "title": "N", "description": "N.", "side_effect": side_effect});
    let with = |m: &mut Value, action| m["actions"].as_array_mut().unwrap().push(action);
    assert_eq!(wider(|m| with(m, action("write"))), ["/actions/2"]);
    narrower(|m| with(m, action("read")));
    narrower(|m| drop(m["actions"].as_array_mut().unwrap().remove(1)));
    assert_eq!(wider(|m| m["actions"][0]["side_effect"] = json!("write")), ["/actions/0/side_effect"]);
    assert_eq!(
        wider(|m| m["actions"][1]["side_effect"] = json!("read")),
        ["/actions/1/side_effect"],
        "no person is asked any more"
    );
    // A write that comes back as a read of another name.
    assert_eq!(
        wider(|m| {
            m["actions"][1] = json!({"id": "store", "title": "Store", "description": "Stores.", "side_effect": "read"});
        }),
        ["/actions/1"]
    );
    assert_eq!(wider(|m| m["actions"][0]["idempotent"] = json!(true)), ["/actions/0/idempotent"]);
    narrower(|m| m["actions"][1]["idempotent"] = json!(false));
    assert_eq!(wider(|m| m["actions"][0]["request"] = json!({"method": "DELETE"})), ["/actions/0/request"]);
    assert_eq!(wider(|m| m["actions"][1]["title"] = json!("Look up an order")), ["/actions/1/title"]);
    narrower(|m| m["actions"][1]["description"] = json!("Other."));
    narrower(|m| m["actions"][0]["title"] = json!("Other."));
    narrower(|m| m["actions"][0]["input"] = json!({"type": "object", "maxProperties": 1}));
    narrower(|m| {
        m["actions"].as_array_mut().unwrap().reverse();
        m["actions"][1]["title"] = json!("Other");
    });
}

#[test]
fn limits_are_compared_as_a_call_gets_them() {
    assert_eq!(wider(|m| m["limits"]["fuel"] = json!(400_000_000)), ["/limits/fuel"]);
    assert_eq!(wider(|m| m["limits"]["timeout_ms"] = json!(30_000)), ["/limits/timeout_ms"]);
    narrower(|m| m["limits"]["timeout_ms"] = json!(1_000));
    narrower(|m| m["limits"] = json!({}));
    narrower(|m| m["limits"]["memory_bytes"] = json!(u64::MAX));
    narrower(|m| m["redirects"] = json!(false));
    assert_eq!(wider(|m| m["limits"]["http_calls"] = json!(64)), ["/limits/http_calls"]);
}

#[test]
fn every_member_is_known_or_wider() {
    // A member of which the comparison knows nothing is wider: `id` is never compared, so it stands for one.
    assert_eq!(wider(|m| m["id"] = json!("other")), ["/id"]);
}
