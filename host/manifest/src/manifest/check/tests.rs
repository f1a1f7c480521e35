//! The design's own example passes; each mistake is told at its place.

use serde_json::{Value, json};

use crate::manifest::from_value;

/// DESIGN's wire example.
fn example() -> Value {
    json!({"id": "crm", "name": "Acme CRM", "version": "1.0.0",
        "hosts": ["crm.example.com"],
        "auth": {"type": "api_key", "in": "header", "name": "X-Api-Key"},
        "settings": {"type": "object", "properties": {"region": {"type": "string", "default": "eu"}}},
        "actions": [{"id": "get_account", "title": "Look up an account",
            "description": "Finds a customer's account by its id.",
            "side_effect": "read", "cache_s": 60,
            "input": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
            "request": {"method": "GET",
                "url": "https://crm.example.com/{{ settings.region }}/api/accounts/{{ input.id }}",
                "headers": {"accept": "application/json"}, "query": {"expand": "plan"}, "body": null},
            "response": {"mapping": ".data | {id, name, plan: .plan.name}",
                "errors": [{"status": 404, "fault": "not-found"}]}}],
        "test": {"action": "get_account", "input": {"id": "1"}},
        "fixtures": [{"match": {"method": "GET", "path": "/eu/api/accounts/1"},
            "response": {"status": 200, "json": {"data": {"id": "1", "name": "Acme", "plan": {"name": "Pro"}}}}}]})
}

fn violations(value: Value) -> Vec<(String, String)> {
    from_value(value).violations.into_iter().map(|violation| (violation.path, violation.message)).collect()
}

/// The example with one member changed; null takes a member away.
fn with(pointer: &str, value: Value) -> Vec<(String, String)> {
    let mut changed = example();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = changed.pointer_mut(parent).unwrap();
    match parent {
        Value::Object(members) if value.is_null() => drop(members.remove(name)),
        Value::Object(members) => drop(members.insert(name.to_owned(), value)),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer}"),
    }
    violations(changed)
}

#[track_caller]
fn into_list(pointer: &str, value: Value, at: &str, part: &str) {
    let found = with(pointer, value);
    let [(path, message)] = found.as_slice() else { panic!("one mistake was expected at {at}: {found:?}") };
    assert_eq!(path, at, "{message}");
    assert!(message.contains(part), "{message}");
}

#[test]
fn the_example_has_no_mistake() {
    assert_eq!(violations(example()), []);
    for (pointer, value) in [
        ("/hosts/0", json!("crm.example.com/eu")),
        (
            "/auth",
            json!({"type": "oauth2", "authorize_url": "https://a.example/authorize", "token_url": "https://a.example/token", "scopes": ["a.read"]}),
        ),
        ("/test", Value::Null),
        (
            "/actions/0/response/errors",
            json!([{"status": ["4xx", 503], "when": ".error", "fault": "upstream", "message": "no", "retryable": true}]),
        ),
        (
            "/actions/0/pagination",
            json!({"type": "cursor", "cursor": ".next", "param": "after", "items": ".items", "max_pages": 3}),
        ),
        ("/actions/0/pagination", json!({"type": "page", "param": "page", "start": 0})),
        ("/actions/0/request/separators", json!({"query": {"expand": ","}, "headers": {"accept": "|"}, "form": null})),
        ("/actions/0/request/query", json!({"a": ["{{ input.id }}", 1], "b": null, "c": true})),
    ] {
        assert_eq!(with(pointer, value.clone()), [], "{pointer}: {value}");
    }
}

#[test]
fn the_head() {
    into_list("/id", json!("Acme CRM"), "/id", "lower-case");
    into_list("/id", json!("dry-run"), "/id", "word of the API");
    into_list("/name", json!("  "), "/name", "printable");
    into_list("/version", json!("1.0"), "/version", "semantic");
    into_list("/hosts/0", json!("https://crm.example.com"), "/hosts/0", "scheme");
    into_list("/auth_hosts", json!(["other.example.com"]), "/auth_hosts/0", "among `hosts`");
    into_list(
        "/settings",
        json!({"type": "object", "properties": {"region": {"type": "strin"}}}),
        "/settings",
        "schema",
    );
    into_list("/limits", json!({"fuel": 0}), "/limits/fuel", "leave it out");
    into_list("/retry", json!({"retries": 9}), "/retry/retries", "at most 5");
    into_list("/retry", json!({"statuses": [503, 401]}), "/retry/statuses/1", "may pass");
}

#[test]
fn credentials_go_where_they_can() {
    into_list("/auth/name", json!("X Key"), "/auth/name", "header name");
    into_list("/auth/name", json!("Host"), "/auth/name", "sets itself");
    into_list("/auth/prefix", json!("a\r\nb"), "/auth/prefix", "printable");
    let oauth = |url: &str| json!({"type": "oauth2", "authorize_url": "https://a.example/a", "token_url": url});
    into_list("/auth", oauth("http://a.example/t"), "/auth/token_url", "https");
    into_list("/auth", oauth("https://{{ settings.shop }}.a.example/t"), "/auth/token_url", "no setting `shop`");
    into_list("/auth", json!({"type": "oauth2", "token_url": "https://a.example/t"}), "/auth/authorize_url", "agrees");
    let signs = |signs: Value| {
        let mut auth = oauth("https://a.example/t");
        auth["expired_when"] = signs;
        auth
    };
    let sign = json!({"body_contains": "expired"});
    into_list("/auth", signs(json!(vec![sign; 17])), "/auth/expired_when", "at most 16");
    into_list("/auth", signs(json!([{"body_contains": "a".repeat(201)}])), "/auth/expired_when/0", "200 bytes");
    into_list(
        "/auth",
        json!({"type": "oauth2", "token_url": "https://a.example/t", "grant": "password"}),
        "/auth/grant",
        "client_credentials",
    );
}

#[test]
fn actions_are_whole() {
    let action = example()["actions"][0].clone();
    let found = with("/actions", json!([action, action]));
    assert_eq!(found[0].0, "/actions/1/id");
    assert_eq!(with("/actions", json!([]))[0].0, "/actions");
    into_list("/actions/0/title", json!(""), "/actions/0/title", "title");
    into_list("/actions/0/description", json!(" "), "/actions/0/description", "model");
    into_list("/actions/0/output", json!({"type": 7}), "/actions/0/output", "schema");
    into_list("/actions/0/cache_s", json!(1_000_000), "/actions/0/cache_s", "86400");
    into_list("/test/action", json!("nothing"), "/test/action", "no action `nothing`");
    into_list("/test/input", json!({}), "/test/input", "id");
    let found = with("/actions/0/side_effect", json!("write"));
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/actions/0/cache_s", "/test/action"]);
}

#[test]
fn a_schema_reaches_no_network() {
    into_list("/settings", json!({"type": "object", "$ref": "https://example.com/schema"}), "/settings", "schema");
}

#[test]
fn declarative_is_all_or_nothing() {
    let mut compiled = example();
    let action = compiled["actions"][0].as_object_mut().unwrap();
    action.remove("request");
    action.remove("response");
    assert_eq!(violations(compiled.clone()), []);
    let mut second = example()["actions"][0].clone();
    second["id"] = json!("second");
    compiled["actions"].as_array_mut().unwrap().push(second);
    assert_eq!(violations(compiled)[0].0, "/actions/0/request");
    let mut stray = example();
    stray["actions"][0].as_object_mut().unwrap().remove("request");
    assert_eq!(violations(stray)[0].0, "/actions/0/response");
}

#[test]
fn requests_are_checked_as_far_as_they_can_be_read() {
    let at = |name: &str| format!("/actions/0/request/{name}");
    let url = at("url");
    for (value, part) in [
        ("https://evil.example/{{ input.id }}", "none of `hosts`"),
        ("https://crm.example.com:8443/{{ input.id }}", "none of `hosts`"),
        ("{{ input.id }}", "absolute"),
        ("ftp://crm.example.com/", "absolute"),
        ("https://{{ input.id }}.example.com/", "whole label"),
        ("https://crm.example.com/{{ input.emial }}", "`input.emial` is not declared"),
        ("https://crm.example.com/{{ settings.regon }}", "`settings.regon` is not declared"),
        ("https://crm.example.com/{{ call.key }}", "`call.key` is not declared"),
        ("https://crm.example.com/{{ connection.credentials }}", "`connection.credentials` is not declared"),
        ("https://crm.example.com/{{ now.year }}", "`now.year` is not declared"),
        ("https://crm.example.com/{{ cal.id }}", "there is no `cal`"),
        ("https://crm.example.com/{{ input.id", "without its"),
        ("https://crm.example.com/{% if 1 %}x{% endif %}", "no statements"),
        ("https://u:p@crm.example.com/", "user name"),
        ("https://crm.example.com/#x", "fragment"),
    ] {
        let found = with(&url, json!(value));
        assert!(found.iter().any(|(path, message)| *path == url && message.contains(part)), "{value}: {found:?}");
    }
    assert_eq!(with(&url, json!("https://crm.example.com/a?b={{ input.id | default('}} input.x') }}")), []);
    into_list(&at("method"), json!("FETCH"), &at("method"), "one of GET");
    into_list(&at("headers"), json!({"x-api-key": "k"}), &at("headers/x-api-key"), "credential");
    into_list(&at("headers"), json!({"content-length": 1}), &at("headers/content-length"), "host sets");
    into_list(&at("headers"), json!({"x-a": "a\r\nb: c"}), &at("headers/x-a"), "printable");
    into_list(&at("query"), json!({"a/b": {"c": 1}}), &at("query/a~1b"), "a list of them");
    into_list(&at("body"), json!({"a": 1}), &at("body"), "GET request has no body");
    into_list(&at("boddy"), json!(1), &at("boddy"), "unknown");
    into_list(&at("timeout_ms"), json!(0), &at("timeout_ms"), "from 1");
    into_list(&at("body_type"), json!("xml"), &at("body_type"), "form");
}

#[test]
fn responses_and_pages_are_checked() {
    let errors = "/actions/0/response/errors";
    let rule = |rule: Value, at: &str, part: &str| into_list(errors, json!([rule]), &format!("{errors}/0{at}"), part);
    rule(json!({"status": 404, "fault": "gone"}), "/fault", "not-found");
    rule(json!({"fault": "upstream"}), "", "needs `status`");
    rule(json!({"status": 7, "fault": "upstream"}), "/status", "100 to 599");
    rule(json!({"status": "6xx", "fault": "upstream"}), "/status", "5xx");
    rule(json!({"when": "", "fault": "upstream"}), "/when", "jq");
    rule(json!({"status": 404, "fault": "upstream", "message": 1}), "/message", "text");
    rule(json!({"status": 404, "falt": "x", "fault": "upstream"}), "/falt", "unknown");
    let pages = "/actions/0/pagination";
    into_list(pages, json!({"type": "scroll"}), "/actions/0/pagination/type", "cursor");
    into_list(pages, json!({"type": "cursor", "cursor": ".n"}), "/actions/0/pagination/param", "needs `param`");
    into_list(pages, json!({"type": "link", "max_pages": 21}), "/actions/0/pagination/max_pages", "20");
    into_list(pages, json!({"type": "link", "param": "x"}), "/actions/0/pagination/param", "unknown");
}

#[test]
fn fixtures_are_sane() {
    into_list("/fixtures/0/match/path", json!("eu?x=1"), "/fixtures/0/match/path", "query");
    into_list("/fixtures/0/response/status", json!(99), "/fixtures/0/response/status", "200");
    into_list("/fixtures/0/response/text", json!("x"), "/fixtures/0/response", "either");
}

#[test]
fn a_manifest_that_costs_too_much_is_not_looked_at_closely() {
    let many = |count: usize| -> Value { (0..count).map(|at| json!(format!("h{at}.example.com"))).collect() };
    into_list("/hosts", many(65), "/hosts", "at most 64");
    into_list("/auth_hosts", many(100_000), "/auth_hosts", "at most 64");
    let patterns: serde_json::Map<String, Value> =
        (0..1_001).map(|at| (format!("p{at}"), json!({"type": "string", "pattern": "(a|b)+"}))).collect();
    into_list("/settings", json!({"type": "object", "properties": patterns}), "", "at most 1000 patterns");
    let mut costly = example()["settings"].clone();
    costly["properties"]["p"] = json!({"type": "string", "pattern": "(\\w{100}){100}"});
    into_list("/settings", costly, "/settings", "not valid");
    // Each level refers to the next one twice: thirty lines, and a check of one value would take hours.
    let mut endless = json!({"type": "object", "allOf": [{"$ref": "#/$defs/0"}], "$defs": {"30": {"type": "object"}}});
    for level in 0..30 {
        let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
        endless["$defs"][level.to_string()] = json!({"allOf": [next, next]});
    }
    into_list("/settings", endless, "/settings", "10000 places");
}

#[test]
fn separators_are_known_and_of_lists_that_there_are() {
    let at = "/actions/0/request/separators";
    into_list(at, json!([]), at, "an object");
    into_list(at, json!({"path": {}}), &format!("{at}/path"), "unknown");
    into_list(at, json!({"query": [","]}), &format!("{at}/query"), "an object");
    into_list(at, json!({"query": {"expand": ";"}}), &format!("{at}/query/expand"), "a comma");
    into_list(at, json!({"query": {"ids": ","}}), &format!("{at}/query/ids"), "no `ids`");
    into_list(at, json!({"form": {"ids": ","}}), &format!("{at}/form/ids"), "no `ids`");
}
