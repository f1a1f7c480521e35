//! The runner with a scripted service and without a sandbox.

use std::{cell::RefCell, collections::VecDeque};

use resly_manifest::{Manifest, check};
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

#[test]
fn a_body_becomes_json() {
    let value = |response| answer(Value::Null, response).value();
    assert_eq!(value(response(200, "text/plain", "7")), json!({"text": "7"}));
    assert_eq!(value(response(200, "text/javascript", " {\"a\": 1}")), json!({"a": 1}));
    assert_eq!(value(response(200, "application/problem+json", "\u{feff}[1]")), json!([1]));
    assert_eq!(value(response(204, "application/json", "")), Value::Null);
    let binary = Response { body: vec![0x89, 0xff], ..response(200, "image/png", "") };
    assert_eq!(value(binary), json!({"text": "\u{fffd}\u{fffd}"}));
    let exact = answer(Value::Null, response(200, "application/json", r#"{"n": 12345678901234567890123, "d": 1.10}"#));
    assert_eq!(exact.output.unwrap(), r#"{"n": 12345678901234567890123, "d": 1.10}"#);
    let cut = Response { truncated: true, ..json_response(200, &json!({})) };
    assert!(answer(Value::Null, cut).fault().message.contains("larger"));
}

#[test]
fn what_the_action_does_not_expect_is_a_fault() {
    let page = || response(200, "text/html; charset=utf-8", "<!DOCTYPE html><title>Sign in</title>");
    let mapped = |response| answer(json!({"mapping": "{id: .id, name}"}), response);
    for broken in [
        page(),
        response(200, "application/json", "<html>down</html>"),
        response(200, "", "<HTML>"),
        response(200, "text/plain", "down for maintenance"),
        response(200, "application/json", "{oops"),
        response(200, "text/csv", "id;name"),
        json_response(200, &json!({"error": "maintenance"})),
        json_response(200, &json!({"data": {"id": 1, "name": "x"}})),
        json_response(200, &json!({})),
        response(200, "application/json", ""),
    ] {
        let played = mapped(broken);
        assert_eq!(
            (played.fault().kind, played.fault().retryable),
            (FaultKind::Upstream, false),
            "{:?}",
            played.fault()
        );
    }
    let null = json!({"id": null, "name": null});
    // The service itself says that there is nothing.
    assert_eq!(mapped(json_response(200, &json!({"id": null}))).value(), null);
    let empty = answer(json!({"mapping": ".items[0] | {id, name}"}), json_response(200, &json!({"items": []})));
    assert_eq!(empty.value(), null);
    let lists = answer(json!({"mapping": "map({id})"}), json_response(200, &json!([{"uid": 1}, {"uid": 2}])));
    assert_eq!(lists.fault().kind, FaultKind::Upstream);
    assert_eq!(mapped(json_response(200, &json!({"name": false}))).value(), json!({"id": null, "name": false}));
    // Without a mapping too, a page is no answer.
    assert_eq!(answer(Value::Null, page()).fault().kind, FaultKind::Upstream);
    assert_eq!(answer(Value::Null, response(200, "application/json", "{oops")).fault().kind, FaultKind::Upstream);
    // A text is, for a mapping that reads one; a page when the request asks for one.
    assert_eq!(answer(json!({"mapping": ".text | length"}), response(200, "text/csv", "a;b")).value(), json!(3));
    let asks = json!({"request": {"url": "https://a.example/x", "headers": {"accept": "text/html"}}});
    let text = "<!DOCTYPE html><title>Sign in</title>";
    assert_eq!(play(&asks, json!({}), json!({}), vec![page()]).value(), json!({"text": text}));
    // What the definition says.
    let rule = |expect: &str| json!({"mapping": "{id, text}", "expect": expect});
    assert_eq!(answer(rule("text"), page()).value(), json!({"id": null, "text": text}));
    assert_eq!(
        answer(rule("text"), json_response(200, &json!({"id": 1}))).value(),
        json!({"id": null, "text": "{\"id\":1}"})
    );
    assert_eq!(answer(rule("any"), json_response(200, &json!({"uid": 1}))).value(), json!({"id": null, "text": null}));
    assert_eq!(answer(json!({"expect": "json"}), response(200, "text/plain", "x")).fault().kind, FaultKind::Upstream);
    assert_eq!(answer(json!({"expect": "json"}), response(200, "", "")).fault().kind, FaultKind::Upstream);
    let nullable =
        json!({"request": {"url": "https://a.example/x"}, "response": {"mapping": "{id}"}, "nullable": true});
    assert_eq!(
        play(&nullable, json!({}), json!({}), vec![json_response(200, &json!({}))]).value(),
        json!({"id": null})
    );
}

#[test]
fn charsets_are_honoured() {
    let bytes =
        |kind: &str, body: &[u8]| answer(Value::Null, Response { body: body.to_vec(), ..response(200, kind, "") });
    assert_eq!(
        bytes("application/json; charset=ISO-8859-1", b"{\"name\": \"M\xfcller\"}").value(),
        json!({"name": "Müller"})
    );
    assert_eq!(bytes("text/csv; charset=windows-1252", b"\x80 5").value(), json!({"text": "€ 5"}));
    assert_eq!(bytes("application/json", b"\xff\xfe[\x001\x00]\x00").value(), json!([1]));
    assert_eq!(bytes("text/plain", "\u{feff}a".as_bytes()).value(), json!({"text": "a"}));
    let doubted = bytes("application/json", b"\"M\xfcller\"");
    assert_eq!(doubted.value(), json!("M\u{fffd}ller"));
    assert!(doubted.log[0].contains("characters of the service's answer are lost"), "{:?}", doubted.log);
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
    // A cursor that leads to where it has been ends the list, which says so.
    let (played, urls) = paged(cursor, vec![page(&[1], Some("a")), page(&[2], Some("a")), page(&[3], None)]);
    assert_eq!(played.value()["all"], json!([1, 2]));
    assert!(played.log[0].contains("already"), "{:?}", played.log);
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
    // The first page's fault is the call's; a later one's ends the list.
    let (played, _) = paged(bad.clone(), vec![json_response(500, &json!({}))]);
    assert_eq!(played.fault().kind, FaultKind::Upstream);
    for broken in [
        vec![json_response(500, &json!({}))],
        vec![json_response(401, &json!({}))],
        vec![json_response(200, &json!({"items": null}))],
        vec![response(200, "text/html", "<html>")],
        vec![Response { truncated: true, ..page(&[2], None) }],
        vec![],
    ] {
        let (played, _) = paged(bad.clone(), [vec![page(&[1], None)], broken].concat());
        assert_eq!(played.value()["all"], json!([1]));
        assert!(
            played.log.last().unwrap().contains("the list ends after page 1, and there may be more"),
            "{:?}",
            played.log
        );
    }
    // Nothing is there after the last page.
    for status in [404, 410] {
        let (played, _) =
            paged(bad.clone(), vec![page(&[1], None), page(&[2], None), json_response(status, &json!({}))]);
        assert_eq!((played.value()["all"].clone(), played.log), (json!([1, 2]), vec![]));
    }
    let (played, _) = paged(bad, vec![json_response(404, &json!({}))]);
    assert_eq!(played.fault().kind, FaultKind::NotFound);
}

#[test]
fn a_page_s_parameter_has_one_value() {
    let asked = |url: &str, query: Value, pagination: Value| {
        let definition = json!({"request": {"url": url, "query": query}, "pagination": pagination});
        let responses =
            vec![json_response(200, &json!([1])), json_response(200, &json!([2])), json_response(200, &json!([]))];
        let played = play(&definition, json!({}), json!({}), responses);
        played.requests.iter().map(|request| request.url.clone()).collect::<Vec<_>>()
    };
    let page = json!({"type": "page", "param": "page"});
    assert_eq!(
        asked("https://a.example/x?page=9&size=2&page=3#top", json!({}), page.clone())[..2],
        ["https://a.example/x?page=1&size=2#top", "https://a.example/x?page=2&size=2#top"]
    );
    assert_eq!(asked("https://a.example/x", json!({"page": 1, "q": "a"}), page)[1], "https://a.example/x?page=2&q=a");
    let offset = json!({"type": "offset", "param": "page[offset]"});
    assert_eq!(
        asked("https://a.example/x?page%5Boffset%5D=7&pages=1", json!({}), offset)[1],
        "https://a.example/x?page%5Boffset%5D=1&pages=1"
    );
}

#[test]
fn a_service_that_repeats_a_page_ends_the_list() {
    let ignores = |pagination: Value| {
        let definition = json!({"request": {"url": "https://a.example/x"}, "pagination": pagination});
        let same = || json_response(200, &json!({"items": [{"id": 1}, {"id": 2}], "next": "b"}));
        play(&definition, json!({}), json!({}), vec![same(), same(), same()])
    };
    for pagination in [
        json!({"type": "page", "param": "p", "items": ".items"}),
        json!({"type": "offset", "param": "p", "items": ".items"}),
        json!({"type": "cursor", "cursor": ".next", "param": "p", "items": ".items"}),
    ] {
        let played = ignores(pagination);
        assert_eq!(played.value(), json!([{"id": 1}, {"id": 2}]));
        assert_eq!(played.requests.len(), 2);
        assert!(played.log[0].contains("the same page twice and may ignore `p`"), "{:?}", played.log);
    }
}

#[test]
fn the_next_page_s_address_may_be_in_the_body() {
    let urls = |pagination: Value, first: Value| {
        let definition = json!({"request": {"url": "https://a.example/v1/x?a=1"}, "pagination": pagination});
        let responses = vec![json_response(200, &first), json_response(200, &json!({"value": [2]}))];
        let played = play(&definition, json!({}), json!({}), responses);
        assert_eq!((played.value(), played.log), (json!([1, 2]), vec![]), "{first}");
        played.requests[1].url.clone()
    };
    let link = json!({"type": "link", "items": ".value"});
    let next = "https://a.example/v1/x?$skiptoken=a%2Bb";
    assert_eq!(urls(link.clone(), json!({"value": [1], "@odata.nextLink": next})), next);
    assert_eq!(urls(link.clone(), json!({"value": [1], "next": next})), next);
    assert_eq!(
        urls(link.clone(), json!({"value": [1], "next": "http://a.example:80/v1/x?p=2"})),
        "https://a.example/v1/x?p=2"
    );
    assert_eq!(urls(link.clone(), json!({"value": [1], "links": {"next": "/v1/x?p=2"}})), "https://a.example/v1/x?p=2");
    let filter = json!({"type": "link", "items": ".value", "next": ".meta.more"});
    assert_eq!(urls(filter, json!({"value": [1], "meta": {"more": "?p=2"}})), "https://a.example/v1/x?p=2");
    // Where a cursor was to be expected.
    let cursor = json!({"type": "cursor", "items": ".value", "cursor": ".next", "param": "c"});
    assert_eq!(
        urls(cursor.clone(), json!({"value": [1], "next": "https://a.example/v1/x?c=9&a=1"})),
        "https://a.example/v1/x?c=9&a=1"
    );
    assert_eq!(urls(cursor, json!({"value": [1], "next": "/a?b"})), "https://a.example/v1/x?a=1&c=%2Fa%3Fb");
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
    let played = asked("<https://evil.example/>; rel=next");
    assert_eq!((played.value(), played.requests.len()), (json!([1]), 1));
    assert!(played.log[0].contains("another host"), "{:?}", played.log);
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
