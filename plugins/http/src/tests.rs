//! The runner with a scripted service and without a sandbox.

use std::{cell::RefCell, collections::VecDeque};

use resly_sdk::{
    Call, Fault, FaultKind, Result,
    http::{Request, Response},
};
use serde_json::{Value, json};

use super::{Outside, run};

fn json_response(status: u16, body: &Value) -> Response {
    Response { status, headers: vec![], body: body.to_string().into_bytes(), truncated: false }
}

/// Runs a definition; gives the output and the requests made. The mapping double takes `.name` and `.` only.
fn play(definition: &Value, input: Value, settings: Value, responses: Vec<Response>) -> (Result<Value>, Vec<Request>) {
    let responses = RefCell::new(VecDeque::from(responses));
    let requests = RefCell::new(Vec::new());
    let send = |request: Request| {
        requests.borrow_mut().push(request);
        Ok(responses.borrow_mut().pop_front().expect("no more responses"))
    };
    let map = |filter: &str, input: &Value| match filter {
        "." => Ok(input.clone()),
        filter => Ok(input[filter.trim_start_matches('.')].clone()),
    };
    let call = Call::for_test("a", &input, &settings).with_definition(definition.clone());
    let output = run(&call, &Outside { send: &send, map: &map });
    (output, requests.into_inner())
}

fn get(url: &str, input: Value) -> (Result<Value>, Vec<Request>) {
    play(
        &json!({"request": {"url": url}}),
        input,
        json!({"shop": "acme"}),
        vec![json_response(200, &json!({"ok": true}))],
    )
}

#[test]
fn values_are_encoded_for_their_place() {
    let (output, requests) = get(
        "https://{{ settings.shop }}.example.com/a/{{ input.id }}?q={{ input.q }}",
        json!({"id": "a/b?c", "q": "x&y=ü"}),
    );
    assert_eq!(output.unwrap(), json!({"ok": true}));
    assert_eq!(requests[0].url, "https://acme.example.com/a/a%2Fb%3Fc?q=x%26y%3D%C3%BC");
}

#[test]
fn a_value_cannot_climb_the_path_or_choose_the_host() {
    for id in ["..", ".", ""] {
        let (output, requests) = get("https://a.example/x/{{ input.id }}", json!({"id": id}));
        assert_eq!(output.unwrap_err().kind, FaultKind::InvalidInput);
        assert!(requests.is_empty());
    }
    assert!(get("https://{{ input.host }}.example/", json!({"host": "evil"})).0.is_err());
    assert!(get("{{ input.url }}", json!({"url": "https://evil.example/"})).0.is_err());
    let definition = json!({"request": {"url": "https://{{ settings.shop }}.example/"}});
    for shop in ["evil.com/", "a.b", "-a", "a@b", ""] {
        assert!(play(&definition, json!({}), json!({"shop": shop}), vec![]).0.is_err(), "{shop}");
    }
}

#[test]
fn a_whole_value_keeps_its_type_and_is_left_out_when_undefined() {
    let definition = json!({"request": {"method": "post", "url": "https://a.example/",
        "query": {"limit": "{{ input.limit }}", "after": "{{ input.after }}", "tag": "{{ input.tags }}"},
        "headers": {"x-note": "{{ input.note }}"},
        "body": {"count": "{{ input.count }}", "name": "Hi {{ input.name }}", "none": "{{ input.none }}", "deep": ["{{ input.flag }}"]}}});
    let input = json!({"limit": 5, "tags": ["a", "b"], "count": 3, "name": "Ada", "flag": true});
    let (output, requests) = play(&definition, input, json!({}), vec![json_response(204, &json!({}))]);
    output.unwrap();
    assert_eq!(requests[0].url, "https://a.example/?limit=5&tag=a&tag=b");
    assert_eq!(requests[0].method, "POST");
    let body: Value = serde_json::from_slice(requests[0].body.as_deref().unwrap()).unwrap();
    assert_eq!(body, json!({"count": 3, "name": "Hi Ada", "deep": [true]}));
    assert_eq!(requests[0].headers, [("content-type".to_owned(), "application/json".to_owned())]);
}

#[test]
fn what_is_undefined_within_a_text_is_the_caller_s_mistake() {
    let (output, _) = get("https://a.example/{{ input.nothing }}", json!({}));
    assert_eq!(output.unwrap_err().kind, FaultKind::InvalidInput);
}

#[test]
fn a_header_holds_no_line_break() {
    let definition = json!({"request": {"url": "https://a.example/", "headers": {"x-a": "{{ input.a }}"}}});
    let (output, requests) = play(&definition, json!({"a": "x\r\nhost: evil"}), json!({}), vec![]);
    assert!(output.is_err() && requests.is_empty());
}

#[test]
fn forms_and_texts() {
    let body = |rule: Value| {
        let (_, requests) =
            play(&json!({"request": rule}), json!({"x": "a b"}), json!({}), vec![json_response(200, &json!(1))]);
        String::from_utf8(requests[0].body.clone().unwrap()).unwrap()
    };
    let form =
        json!({"url": "https://a.example/", "body_type": "form", "body": {"a": "{{ input.x }}", "m": {"n": [1, 2]}}});
    assert_eq!(body(form), "a=a%20b&m%5Bn%5D%5B%5D=1&m%5Bn%5D%5B%5D=2");
    assert_eq!(body(json!({"url": "https://a.example/", "body_type": "text", "body": "say {{ input.x }}"})), "say a b");
}

#[test]
fn statuses_and_rules_say_what_a_response_means() {
    let fault = |rules: Value, status: u16, body: Value| -> Fault {
        let definition = json!({"request": {"url": "https://a.example/"}, "response": {"errors": rules}});
        play(&definition, json!({}), json!({}), vec![json_response(status, &body)]).0.unwrap_err()
    };
    assert_eq!(fault(json!([]), 404, json!({})).kind, FaultKind::NotFound);
    assert_eq!(fault(json!([]), 401, json!({})).kind, FaultKind::NeedsAuth);
    assert_eq!(fault(json!([]), 429, json!({})).kind, FaultKind::RateLimited);
    assert_eq!(fault(json!([]), 500, json!({})).kind, FaultKind::Upstream);
    assert_eq!(fault(json!([{"status": 500, "fault": "not-found"}]), 500, json!({})).kind, FaultKind::NotFound);
    let rules = json!([{"when": ".expired", "fault": "needs-auth", "message": "renew it"}]);
    let told = fault(rules, 200, json!({"expired": true}));
    assert_eq!((told.kind, told.message.as_str()), (FaultKind::NeedsAuth, "renew it"));
}

#[test]
fn pages_become_one_list() {
    let page = |items: &[u8], next: Option<&str>| json_response(200, &json!({"items": items, "next": next}));
    let cursor = json!({"request": {"url": "https://a.example/x"},
        "pagination": {"type": "cursor", "cursor": ".next", "param": "after", "items": ".items"}});
    let (output, requests) = play(&cursor, json!({}), json!({}), vec![page(&[1, 2], Some("c/1")), page(&[3], None)]);
    assert_eq!(output.unwrap(), json!([1, 2, 3]));
    assert_eq!(requests[1].url, "https://a.example/x?after=c%2F1");

    let offset = json!({"request": {"url": "https://a.example/x"},
        "pagination": {"type": "offset", "param": "skip", "items": ".items", "max_pages": 2}});
    let (output, requests) = play(&offset, json!({}), json!({}), vec![page(&[1, 2], None), page(&[3], None)]);
    assert_eq!(output.unwrap(), json!([1, 2, 3]));
    assert_eq!(requests[1].url, "https://a.example/x?skip=2");
}

#[test]
fn a_linked_page_stays_on_its_host() {
    let definition = json!({"request": {"url": "https://a.example/x"}, "pagination": {"type": "link"}});
    let page = |link: &str| Response {
        headers: vec![("link".to_owned(), link.to_owned())],
        ..json_response(200, &json!([1]))
    };
    let last = || json_response(200, &json!([2]));
    let good = "<https://a.example/x?page=1>; rel=\"prev\", <https://a.example/x?page=2>; rel=\"next\"";
    let (output, requests) = play(&definition, json!({}), json!({}), vec![page(good), last()]);
    assert_eq!((output.unwrap(), requests[1].url.as_str()), (json!([1, 2]), "https://a.example/x?page=2"));
    let (output, _) = play(&definition, json!({}), json!({}), vec![page("<https://evil.example/>; rel=next"), last()]);
    assert!(output.is_err());
}
