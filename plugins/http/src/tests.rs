//! The runner with a scripted service and without a sandbox. Here are requests.

mod check;
mod pages;
mod responses;

use std::{cell::RefCell, collections::VecDeque};

use resly_plugin_mapping::jq;
use resly_sdk::{
    Call, Fault, FaultKind, Result,
    http::{Failure, Reason, Request, Response},
    mapping,
};
use serde_json::{Value, json};

use super::{Outside, run};

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
    for value in [json!(null), json!([]), json!([".."]), json!([""]), json!([[1]]), json!({"a": 1})] {
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
    assert_eq!(request.url, "https://a.example/?limit=5&tag=a&tag=b&on=true");
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

/// Sends one request of lists; the request, or the fault.
fn lists(request: Value, items: Value) -> Result<Request> {
    let mut played =
        play(&json!({"request": request}), json!({"ids": items}), json!({}), vec![json_response(200, &json!(1))]);
    played.output.map(|_| played.requests.remove(0))
}

#[test]
fn a_list_s_separator_differs_from_an_item_s_own() {
    let joined = |separator: &str| {
        json!({"url": "https://a.example/x", "query": {"ids": "{{ input.ids }}"},
        "separators": {"query": {"ids": separator}}})
    };
    let url = |separator: &str, items: Value| lists(joined(separator), items).map(|request| request.url);
    assert_eq!(url(",", json!(["a,b", "c d"])).unwrap(), "https://a.example/x?ids=a%2Cb,c%20d");
    assert_eq!(url("|", json!(["a,b", 2])).unwrap(), "https://a.example/x?ids=a%2Cb%7C2");
    assert_eq!(url(" ", json!(["a", "b"])).unwrap(), "https://a.example/x?ids=a%20b");
    assert_eq!(url("\t", json!(["a", "b"])).unwrap(), "https://a.example/x?ids=a%09b");
    // One value is no list, and none is nothing.
    assert_eq!(url(",", json!("a,b")).unwrap(), "https://a.example/x?ids=a%2Cb");
    assert_eq!(url(",", json!([])).unwrap(), "https://a.example/x");
    assert_eq!(url(",", json!(null)).unwrap(), "https://a.example/x");
    for (separator, item) in [(" ", "a b"), ("|", "a|b"), ("\t", "a\tb")] {
        let fault = url(separator, json!([item, "c"])).unwrap_err();
        assert!(fault.kind == FaultKind::InvalidInput && fault.message.contains("`ids`"), "{}", fault.message);
    }
    // In the path, where a list always is one segment.
    let path = json!({"url": "https://a.example/{{ input.ids }}/x"});
    let url = |items: Value| lists(path.clone(), items).map(|request| request.url);
    assert_eq!(url(json!(["a,b", "c/d", "."])).unwrap(), "https://a.example/a%2Cb,c%2Fd,./x");
    // A header has no encoding.
    let header = json!({"url": "https://a.example/", "headers": {"X-Ids": "{{ input.ids }}"}, "separators": {"headers": {"X-Ids": ","}}});
    let sent = lists(header.clone(), json!(["a", "b"])).unwrap();
    assert!(sent.headers.contains(&("X-Ids".to_owned(), "a,b".to_owned())), "{:?}", sent.headers);
    let fault = lists(header, json!(["a,b", "c"])).unwrap_err();
    assert!(fault.kind == FaultKind::InvalidInput && fault.message.contains("`X-Ids`"), "{}", fault.message);
    // A form.
    let form = json!({"method": "POST", "url": "https://a.example/", "body_type": "form", "list_style": "repeat",
        "body": {"ids": "{{ input.ids }}", "all": "{{ input.ids }}"}, "separators": {"form": {"ids": ","}}});
    let sent = lists(form, json!(["a,b", "c"])).unwrap();
    assert_eq!(String::from_utf8(sent.body.unwrap()).unwrap(), "ids=a%2Cb,c&all=a%2Cb&all=c");
}

#[test]
fn a_form_without_a_body_is_a_form() {
    let form = |method: &str, body: Value| json!({"method": method, "url": "https://a.example/", "body_type": "form", "body": body});
    for body in [json!(null), json!("{{ input.none }}"), json!({"a": "{{ input.none }}"}), json!({})] {
        let sent = lists(form("POST", body), json!([])).unwrap();
        assert_eq!(sent.body.as_deref(), Some(&[][..]));
        let kind = ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        assert!(sent.headers.contains(&kind), "{:?}", sent.headers);
    }
    let sent = lists(form("GET", json!(null)), json!([])).unwrap();
    assert_eq!(sent.body, None);
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

/// The text, since comparing values would overlook digits and order.
fn sent(body: Value, input: &str) -> String {
    let definition = json!({"request": {"method": "POST", "url": "https://a.example/", "body": body}});
    let played =
        play(&definition, serde_json::from_str(input).unwrap(), json!({}), vec![json_response(200, &json!({}))]);
    let body = played.requests.first().unwrap_or_else(|| panic!("{:?}", played.output)).body.clone();
    String::from_utf8(body.unwrap()).unwrap()
}

#[test]
fn no_digit_and_no_order_is_lost() {
    let numbers = "[12345678901234567890123456789012345678901234567890, 0.12345678901234567890123, 1.10, 1e400, -0.0, \
                   18446744073709551616, 1234567890123456789012345]";
    let input = format!("{{\"ns\": {numbers}}}");
    let compact = numbers.replace(' ', "");
    // An exponent has its sign, which changes no number.
    let compact = compact.replace("1e400", "1e+400");
    assert_eq!(sent(json!({"b": "{{ input.ns }}"}), &input), format!("{{\"b\":{compact}}}"));
    assert_eq!(sent(json!({"b": "x {{ input.ns }}"}), &input), format!("{{\"b\":\"x {compact}\"}}"));
    // Through the engine: an integer of 128 bits can be counted with, other large numbers pass.
    let at = |n: usize, more: &str| sent(json!([format!("{{{{ input.ns[{n}]{more} }}}}")]), &input);
    assert_eq!(at(0, " | default(1)"), "[12345678901234567890123456789012345678901234567890]");
    assert_eq!(at(1, " | default(1)"), "[0.12345678901234567890123]");
    assert_eq!(at(1, " ~ ''"), "[\"0.12345678901234567890123\"]");
    assert_eq!(at(3, " | default(1)"), "[1e+400]");
    assert_eq!(at(5, " + 1"), "[18446744073709551617]");
    assert_eq!(
        sent(
            json!(["{{ input.ns | join(';') }}"]),
            "{\"ns\": [12345678901234567890123456789012345678901234567890, 1]}"
        ),
        "[\"12345678901234567890123456789012345678901234567890;1\"]"
    );
    // In a URL and a form.
    let definition = json!({"request": {"method": "POST", "url": "https://a.example/{{ input.id }}",
        "query": {"z": "{{ input.id }}", "a": 1, "m": 2}, "body_type": "form", "body": {"z": "{{ input.id }}", "a": "{{ input.a }}"}}});
    let input = serde_json::from_str("{\"id\": 123456789012345678901234567890, \"a\": {\"y\": 1, \"b\": 2}}").unwrap();
    let played = play(&definition, input, json!({}), vec![json_response(200, &json!({}))]);
    let n = "123456789012345678901234567890";
    assert_eq!(played.requests[0].url, format!("https://a.example/{n}?z={n}&a=1&m=2"));
    assert_eq!(
        String::from_utf8(played.requests[0].body.clone().unwrap()).unwrap(),
        format!("z={n}&a%5By%5D=1&a%5Bb%5D=2")
    );
    // Objects, the definition's and the input's, and those that the engine makes.
    let ordered = sent(
        json!({"z": 1, "a": "{{ input.o }}", "m": "{{ input.o | default(1) }}", "b": "{{ {'y': 1, 'c': 2} }}"}),
        "{\"o\": {\"z\": 1, \"a\": {\"q\": 1, \"b\": 2}, \"m\": 3}}",
    );
    let o = r#"{"z":1,"a":{"q":1,"b":2},"m":3}"#;
    assert_eq!(ordered, format!(r#"{{"z":1,"a":{o},"m":{o},"b":{{"y":1,"c":2}}}}"#));
}

#[test]
fn templates_spell_values_as_json_does() {
    let input = r#"{"yes": true, "no": false, "flags": [true, false], "nil": null, "list": [true, null, "a", 1.5, {"b": false}], "name": "Ada", "n": 2.0}"#;
    let text = |template: &str| sent(json!([template]), input);
    for (template, expected) in [
        ("a {{ input.yes }} {{ input.no }}", r#"["a true false"]"#),
        ("a {{ input.list }}", r#"["a [true,null,\"a\",1.5,{\"b\":false}]"]"#),
        ("{{ input.list | join(',') }}", r#"["true,null,a,1.5,{\"b\":false}"]"#),
        ("{{ 'a' ~ input.yes ~ (1 > 2) ~ input.list }}", r#"["atruefalse[true,null,\"a\",1.5,{\"b\":false}]"]"#),
        ("{{ input.yes | string }}", r#"["true"]"#),
        ("{{ input.yes | upper }}{{ input.yes | replace('t', 'T') }}", r#"["TRUETrue"]"#),
        ("{{ '%s and %s' | format(input.yes, input.name) }}", r#"["true and Ada"]"#),
        ("{{ input.flags | map('string') | join }}", r#"["truefalse"]"#),
        ("{{ input.list | tojson }}", r#"["[true,null,\"a\",1.5,{\"b\":false}]"]"#),
        ("x{{ input.nil | default('there') }}", r#"["xthere"]"#),
        ("{{ input.nil | default('there') }}", r#"["there"]"#),
        ("{{ input.nil if input.no else input.name }}", r#"["Ada"]"#),
        ("{{ input.nil is none }}", "[true]"),
        ("{{ input.yes == true and input.n == 2 }}", "[true]"),
        // Null keeps its type as a whole value, and is absent in a text.
        ("{{ input.nil }}", "[null]"),
        ("{{ 'a' ~ input.nil }}", "[]"),
        ("{{ input.nil | upper }}", "[]"),
    ] {
        assert_eq!(text(template), expected, "{template}");
    }
    for template in ["a {{ input.nil }}", "a {{ 'b' ~ input.nil }}", "a {{ input.missing }}"] {
        let definition = json!({"request": {"method": "POST", "url": "https://a.example/", "body": [template]}});
        let played = play(&definition, serde_json::from_str(input).unwrap(), json!({}), vec![]);
        assert_eq!(played.fault().kind, FaultKind::InvalidInput, "{template}");
    }
}
