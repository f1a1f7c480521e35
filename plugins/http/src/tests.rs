//! The runner with a scripted service and without a sandbox.

use std::{cell::RefCell, collections::VecDeque};

use resly_core::connector::manifest::{Manifest, check};
use resly_plugin_mapping::jq;
use resly_sdk::{
    Call, Fault, FaultKind, Result,
    http::{Failure, Reason, Request, Response},
    mapping,
};
use serde_json::{Value, json};

use super::{Outside, run};
use resly_sdk::serde::Deserialize as _;

fn json_response(status: u16, body: &Value) -> Response {
    let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
    Response { status, headers, body: body.to_string().into_bytes(), truncated: false }
}

fn response(status: u16, kind: &str, body: &str) -> Response {
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    Response { status, headers, body: body.into(), truncated: false }
}

/// What came of a call.
struct Played {
    output: Result<String>,
    requests: Vec<Request>,
    log: Vec<String>,
}

impl Played {
    fn value(&self) -> Value {
        serde_json::from_str(self.output.as_ref().unwrap()).unwrap()
    }

    fn fault(&self) -> &Fault {
        self.output.as_ref().unwrap_err()
    }
}

/// Runs a definition against a service that gives these responses.
fn play(definition: &Value, input: Value, settings: Value, responses: Vec<Response>) -> Played {
    let responses = RefCell::new(VecDeque::from(responses));
    let requests = RefCell::new(Vec::new());
    let log = RefCell::new(Vec::new());
    let send = |request: Request| {
        requests.borrow_mut().push(request);
        let gone = || Failure {
            reason: Reason::Network,
            message: "the service is gone".to_owned(),
            retry_after_ms: None,
            sent: false,
        };
        responses.borrow_mut().pop_front().ok_or_else(gone)
    };
    let map = |filter: &str, input: &str| {
        jq::apply(filter, input.to_owned()).map_err(|failure| mapping::Failure {
            message: failure.message,
            offset: failure.offset.and_then(|offset| u32::try_from(offset).ok()),
        })
    };
    let warn = |line: &str| log.borrow_mut().push(line.to_owned());
    let call = Call::for_test("a", &input, &settings).with_definition(definition.clone());
    let output = run(&call, &Outside { send: &send, map: &map, warn: &warn });
    Played { output, requests: requests.into_inner(), log: log.into_inner() }
}

/// One response to a definition of one URL.
fn answer(rule: Value, response: Response) -> Played {
    play(&json!({"request": {"url": "https://a.example/x"}, "response": rule}), json!({}), json!({}), vec![response])
}

fn get(url: &str, input: Value) -> Played {
    let response = json_response(200, &json!({"ok": true}));
    play(&json!({"request": {"url": url}}), input, json!({"shop": "acme"}), vec![response])
}

#[test]
fn the_design_s_example() {
    let definition = json!({
        "request": {"method": "GET", "url": "https://crm.example.com/{{ settings.region }}/api/accounts/{{ input.id }}",
            "headers": {"accept": "application/json"}, "query": {"expand": "plan"}, "body": null},
        "response": {"mapping": ".data | {id, name, plan: .plan.name}", "errors": [{"status": 404, "fault": "not-found"}]},
        "pagination": null,
    });
    let account = json!({"data": {"id": "1", "name": "Acme", "plan": {"name": "Pro"}, "secret": 1}});
    let asked = |response| play(&definition, json!({"id": "1"}), json!({"region": "eu"}), vec![response]);
    let played = asked(json_response(200, &account));
    assert_eq!(played.value(), json!({"id": "1", "name": "Acme", "plan": "Pro"}));
    let [request] = played.requests.as_slice() else { panic!("one request") };
    assert_eq!((request.method.as_str(), &request.body), ("GET", &None));
    assert_eq!(request.url, "https://crm.example.com/eu/api/accounts/1?expand=plan");
    assert_eq!(request.headers, [("accept".to_owned(), "application/json".to_owned())]);
    assert_eq!(asked(json_response(404, &json!({}))).fault().kind, FaultKind::NotFound);
}

#[test]
fn values_are_encoded_for_their_place() {
    let url = "https://{{ settings.shop }}.example.com/a/{{ input.id }}/b-{{ input.n }}?q={{ input.q }}&r=%20";
    let played = get(url, json!({"id": "a/b?c#d%2e", "q": "x&y=\u{fc} +", "n": 1.5}));
    assert_eq!(played.value(), json!({"ok": true}));
    let expected = "https://acme.example.com/a/a%2Fb%3Fc%23d%252e/b-1.5?q=x%26y%3D%C3%BC%20%2B&r=%20";
    assert_eq!(played.requests[0].url, expected);
}

#[test]
fn a_request_can_carry_the_call_s_own_id() {
    let definition = json!({"request": {"method": "POST", "url": "https://a.example/x",
        "headers": {"Idempotency-Key": "{{ call.id }}"}, "body": {"half": 0.5}}});
    let played = play(&definition, json!({}), json!({}), vec![json_response(200, &json!({}))]);
    let key = "01893b2e-7c00-7abc-8def-0123456789ab".to_owned();
    assert!(played.requests[0].headers.contains(&("Idempotency-Key".to_owned(), key)));
}

#[test]
fn a_value_cannot_climb_the_path_or_choose_the_host() {
    for id in ["..", ".", "", "..."] {
        let played = get("https://a.example/x/{{ input.id }}", json!({"id": id}));
        assert_eq!(played.fault().kind, FaultKind::InvalidInput);
        assert!(played.requests.is_empty());
    }
    for url in ["https://a.example/{{ input.x }}{{ input.x }}/y", "https://a.example/.{{ input.x }}/y"] {
        assert!(get(url, json!({"x": "."})).output.is_err(), "{url}");
    }
    assert!(get("https://{{ input.host }}.example/", json!({"host": "evil"})).output.is_err());
    assert!(get("{{ input.url }}", json!({"url": "https://evil.example/"})).output.is_err());
    let definition = json!({"request": {"url": "https://{{ settings.shop }}.example/"}});
    for shop in ["evil.com/", "a.b", "-a", "a@b", "", "a:1"] {
        assert!(play(&definition, json!({}), json!({"shop": shop}), vec![]).output.is_err(), "{shop}");
    }
    for value in [json!(null), json!([1]), json!({"a": 1})] {
        let played = get("https://a.example/{{ input.x }}", json!({"x": value}));
        assert_eq!(played.fault().kind, FaultKind::InvalidInput);
    }
}

#[test]
fn a_whole_value_keeps_its_type_and_is_left_out_when_undefined() {
    let definition = json!({"request": {"method": "post", "url": "https://a.example/",
        "query": {"limit": "{{ input.limit }}", "after": "{{ input.after }}", "tag": "{{ input.tags }}", "on": true},
        "headers": {"x-note": "{{ input.note }}"},
        "body": {"count": "{{ input.count }}", "name": "Hi {{ input.name }}", "none": "{{ input.none }}",
            "deep": ["{{ input.flag }}", "{{ input.none }}"], "null": null, "given": "{{ input.given }}",
            "object": "{{ input.object }}", "fallback": "{{ input.none | default(7) }}", "member": "{{ input.none.x }}",
            "sum": "{{ input.count + 1 }}", "quoted": "{{ '}}' ~ input.name }}"}}});
    let input = json!({"limit": 5, "tags": ["a", "b"], "count": 3, "name": "Ada", "flag": true, "given": null,
        "object": {"a": [1, "x"]}});
    let played = play(&definition, input, json!({}), vec![json_response(204, &json!({}))]);
    played.output.as_ref().unwrap();
    let request = &played.requests[0];
    assert_eq!(request.url, "https://a.example/?limit=5&on=true&tag=a&tag=b");
    assert_eq!(request.method, "POST");
    let body: Value = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
    let expected = json!({"count": 3, "name": "Hi Ada", "deep": [true], "null": null, "given": null,
        "object": {"a": [1, "x"]}, "fallback": 7, "sum": 4, "quoted": "}}Ada"});
    assert_eq!(body, expected);
    let headers = [("accept", "application/json"), ("content-type", "application/json")];
    assert_eq!(request.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn what_is_undefined_within_a_text_is_the_caller_s_mistake() {
    let played = get("https://a.example/{{ input.nothing }}", json!({}));
    assert_eq!(played.fault().kind, FaultKind::InvalidInput);
    assert!(played.fault().message.contains("input.nothing"));
    assert_eq!(get("https://a.example/{{ input.a b }}", json!({"a": 1})).fault().kind, FaultKind::Internal);
    assert_eq!(get("https://a.example/{{ input.a", json!({"a": 1})).fault().kind, FaultKind::Internal);
}

#[test]
fn a_header_holds_no_line_break() {
    let definition = json!({"request": {"url": "https://a.example/", "headers": {"x-a": "{{ input.a }}"}}});
    for value in ["x\r\nhost: evil", "x\0", "\u{e4}"] {
        let played = play(&definition, json!({"a": value}), json!({}), vec![]);
        assert!(played.fault().kind == FaultKind::InvalidInput && played.requests.is_empty());
    }
}

#[test]
fn forms_and_texts() {
    let body = |rule: Value| {
        let responses = vec![json_response(200, &json!(1))];
        let played = play(&json!({"request": rule}), json!({"x": "a b&c"}), json!({}), responses);
        let kind = played.requests[0].headers.iter().find(|(name, _)| name == "content-type").unwrap().1.clone();
        (String::from_utf8(played.requests[0].body.clone().unwrap()).unwrap(), kind)
    };
    let form = json!({"method": "POST", "url": "https://a.example/", "body_type": "form",
        "body": {"a": "{{ input.x }}", "m": {"n": [1, 2]}, "none": "{{ input.none }}", "null": null}});
    let (text, kind) = body(form);
    assert_eq!(text, "a=a%20b%26c&m%5Bn%5D%5B%5D=1&m%5Bn%5D%5B%5D=2");
    assert_eq!(kind, "application/x-www-form-urlencoded");
    let text = json!({"method": "POST", "url": "https://a.example/", "body_type": "text", "body": "say {{ input.x }}"});
    let (text, kind) = body(text);
    assert_eq!((text.as_str(), kind.as_str()), ("say a b&c", "text/plain; charset=utf-8"));
    // A form out of one expression; lists of objects have numbers, and the others repeat their name where that is asked.
    let played = |request: Value, input: Value| {
        play(&json!({"request": request}), input, json!({}), vec![json_response(200, &json!({}))])
    };
    let whole = json!({"method": "POST", "url": "https://a.example/", "body_type": "form", "body": "{{ input.body }}", "list_style": "repeat"});
    let sent = played(
        whole.clone(),
        json!({"body": {"items": [{"price": "p1"}, {"price": "p2", "tags": [1, 2]}], "to": ["a", "b"]}}),
    );
    assert_eq!(
        String::from_utf8(sent.requests[0].body.clone().unwrap()).unwrap(),
        "items%5B0%5D%5Bprice%5D=p1&items%5B1%5D%5Bprice%5D=p2&items%5B1%5D%5Btags%5D=1&items%5B1%5D%5Btags%5D=2&to=a&to=b"
    );
    assert_eq!(played(whole, json!({"body": "text"})).fault().kind, FaultKind::InvalidInput);
}

#[test]
fn a_body_becomes_json() {
    let value = |response| answer(Value::Null, response).value();
    assert_eq!(value(response(200, "text/html", "<p>hi</p>")), json!({"text": "<p>hi</p>"}));
    assert_eq!(value(response(200, "text/plain", "7")), json!({"text": "7"}));
    assert_eq!(value(response(200, "text/javascript", " {\"a\": 1}")), json!({"a": 1}));
    assert_eq!(value(response(200, "application/problem+json", "\u{feff}[1]")), json!([1]));
    assert_eq!(value(response(200, "application/json", "{oops")), json!({"text": "{oops"}));
    assert_eq!(value(response(204, "application/json", "")), Value::Null);
    let binary = Response { body: vec![0xff, 0xfe], ..response(200, "image/png", "") };
    assert_eq!(value(binary), json!({"text": "\u{fffd}\u{fffd}"}));
    let exact = answer(Value::Null, response(200, "application/json", r#"{"n": 12345678901234567890123, "d": 1.10}"#));
    assert_eq!(exact.output.unwrap(), r#"{"n": 12345678901234567890123, "d": 1.10}"#);
    let cut = Response { truncated: true, ..json_response(200, &json!({})) };
    assert!(answer(Value::Null, cut).fault().message.contains("larger"));
}

#[test]
fn a_mapping_s_mistake_is_told_with_its_place() {
    let fault =
        |mapping: &str| answer(json!({"mapping": mapping}), json_response(200, &json!({"a": 1}))).fault().clone();
    assert_eq!(answer(json!({"mapping": ".a + 1"}), json_response(200, &json!({"a": 1}))).value(), json!(2));
    assert_eq!(fault(".a |").kind, FaultKind::Internal);
    assert!(fault("nosuch").message.contains("at byte 0"));
    assert!(fault(".a.b").message.contains("the mapping failed"));
}

#[test]
fn statuses_say_what_a_response_means() {
    let fault = |status, body| answer(Value::Null, json_response(status, &body)).fault().clone();
    for (status, kind) in [
        (400, FaultKind::InvalidInput),
        (401, FaultKind::NeedsAuth),
        (403, FaultKind::NeedsAuth),
        (404, FaultKind::NotFound),
        (418, FaultKind::Upstream),
        (429, FaultKind::RateLimited),
        (302, FaultKind::Upstream),
        (500, FaultKind::Upstream),
    ] {
        assert_eq!(fault(status, json!({})).kind, kind, "{status}");
    }
    assert!(fault(500, json!({})).retryable && !fault(418, json!({})).retryable);
    assert!(fault(400, json!({"error": {"message": "no such\nplan"}})).message.ends_with("It said: no such plan"));
    let mut limited = json_response(429, &json!({}));
    limited.headers.push(("retry-after".to_owned(), "30".to_owned()));
    let played = answer(Value::Null, limited);
    assert!(played.fault().message.contains("30 seconds"), "{}", played.fault().message);
    assert!(played.log[0].contains("429"), "{:?}", played.log);
    let played = play(&json!({"request": {"url": "https://a.example/"}}), json!({}), json!({}), vec![]);
    assert_eq!((played.fault().kind, played.fault().retryable), (FaultKind::Upstream, true));
}

#[test]
fn rules_say_what_a_response_means() {
    let fault = |rules: Value, status: u16, body: Value| -> Fault {
        answer(json!({"errors": rules}), json_response(status, &body)).fault().clone()
    };
    assert_eq!(fault(json!([{"status": 500, "fault": "not-found"}]), 500, json!({})).kind, FaultKind::NotFound);
    let classes = json!([{"status": ["4xx", 503], "fault": "internal", "retryable": true}]);
    assert_eq!((fault(classes.clone(), 499, json!({})).kind, true), (FaultKind::Internal, true));
    assert!(fault(classes.clone(), 503, json!({})).retryable);
    assert_eq!(fault(classes, 500, json!({})).kind, FaultKind::Upstream);
    let rules = json!([
        {"when": ".errors | length > 9", "fault": "internal"},
        {"when": ".expired", "status": 404, "fault": "internal"},
        {"when": ".expired", "fault": "needs-auth", "message": "renew it ({{ status }}, {{ body.why }})"},
    ]);
    let told = fault(rules.clone(), 200, json!({"expired": true, "why": "old"}));
    assert_eq!((told.kind, told.message.as_str()), (FaultKind::NeedsAuth, "renew it (200, old)"));
    // What the message asks for isn't there.
    assert_eq!(fault(rules.clone(), 200, json!({"expired": 1})).message, "the service reported an error");
    // Neither null nor false fits, and a filter that fails on this body doesn't either.
    let played = answer(json!({"errors": rules}), json_response(200, &json!({"expired": false, "errors": true})));
    assert_eq!(played.value(), json!({"expired": false, "errors": true}));
    assert!(played.log[0].contains("could not look"), "{:?}", played.log);
    let broken = json!([{"when": ".a |", "fault": "internal"}]);
    assert!(fault(broken, 200, json!({})).message.contains("mapping failed"));
}

fn page(items: &[u8], next: Option<&str>) -> Response {
    json_response(200, &json!({"items": items, "next": next}))
}

#[test]
fn pages_become_one_list() {
    let paged = |pagination: Value, responses| {
        let definition = json!({"request": {"url": "https://a.example/x"}, "pagination": pagination,
            "response": {"mapping": "{all: ., sum: add}"}});
        let played = play(&definition, json!({}), json!({}), responses);
        let urls: Vec<String> = played.requests.iter().map(|request| request.url.clone()).collect();
        (played, urls)
    };
    let cursor = json!({"type": "cursor", "cursor": ".next", "param": "after", "items": ".items"});
    let (played, urls) = paged(cursor.clone(), vec![page(&[1, 2], Some("c/1")), page(&[3], None)]);
    assert_eq!(played.value(), json!({"all": [1, 2, 3], "sum": 6}));
    assert_eq!(urls, ["https://a.example/x", "https://a.example/x?after=c%2F1"]);
    // A cursor that leads to where it has been.
    let (played, urls) = paged(cursor, vec![page(&[1], Some("a")), page(&[2], Some("a")), page(&[3], None)]);
    assert!(played.fault().message.contains("already"));
    assert_eq!(urls.len(), 2);

    let offset = json!({"type": "offset", "param": "skip", "items": ".items", "max_pages": 2});
    let (played, urls) = paged(offset, vec![page(&[1, 2], None), page(&[3], None)]);
    assert_eq!(played.value()["all"], json!([1, 2, 3]));
    assert_eq!(urls, ["https://a.example/x?skip=0", "https://a.example/x?skip=2"]);
    assert!(played.log[0].contains("more pages"));

    let numbered = json!({"type": "page", "param": "p", "start": 0, "items": ".items"});
    let (played, urls) = paged(numbered, vec![page(&[1], None), page(&[], None)]);
    assert_eq!(played.value()["all"], json!([1]));
    assert_eq!(urls, ["https://a.example/x?p=0", "https://a.example/x?p=1"]);

    let (played, _) = paged(json!({"type": "page", "param": "p"}), vec![page(&[1], None)]);
    assert!(played.fault().message.contains("`items`"));
    let bad = json!({"type": "page", "param": "p", "items": ".items"});
    let (played, _) = paged(bad, vec![page(&[1], None), json_response(500, &json!({}))]);
    assert_eq!(played.fault().kind, FaultKind::Upstream);
}

#[test]
fn a_linked_page_stays_on_its_host() {
    let definition = json!({"request": {"url": "https://a.example/x"}, "pagination": {"type": "link"}});
    let page = |link: &str| Response {
        headers: vec![("link".to_owned(), "</first>; rel=first".to_owned()), ("link".to_owned(), link.to_owned())],
        ..json_response(200, &json!([1]))
    };
    let asked = |link: &str| play(&definition, json!({}), json!({}), vec![page(link), json_response(200, &json!([2]))]);
    let played = asked("<https://a.example/x?page=1>; rel=\"prev\", <https://a.example/x?page=2>; rel=\"next\"");
    assert_eq!((played.value(), played.requests[1].url.as_str()), (json!([1, 2]), "https://a.example/x?page=2"));
    assert_eq!(asked("<https://evil.example/>; rel=next").fault().kind, FaultKind::Upstream);
}

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
        let runs = super::Definition::deserialize(&definition);
        let mistakes = check(&manifest);
        assert_eq!(mistakes.is_empty(), runs.is_ok(), "{definition}: {mistakes:?} {runs:?}");
        mistakes.is_empty()
    };
    let url = json!({"url": "https://a.example/"});
    assert!(passes(url.clone(), Value::Null, Value::Null));
    assert!(passes(
        json!({"method": "PUT", "url": "https://a.example/", "headers": null, "query": null, "body": [1],
        "body_type": "json", "list_style": "repeat", "timeout_ms": 5000}),
        json!({"mapping": null, "errors": null}),
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
