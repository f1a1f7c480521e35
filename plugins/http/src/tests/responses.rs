//! What a response means: its status, its rules, its body.

use super::*;

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
