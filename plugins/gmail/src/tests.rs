//! The connector on its own fixtures and on Google's errors, without a sandbox; what it sends, read by a parser.

use std::{cell::RefCell, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use mail_parser::{Address, MessageParser};
use proptest::prelude::*;
use resly_core::connector::fixture;
use resly_manifest::{Auth, Manifest, SideEffect, json_schema::Schema};
use resly_sdk::{
    Call, FaultKind, Result,
    http::{Failure, Reason, Request, Response},
};
use serde_json::{Value, json};

use super::run;

fn gmail() -> Manifest {
    toml::from_str(include_str!("../connector.toml")).unwrap()
}

fn email() -> Value {
    json!({"to": ["Ada Lovelace <ada@example.com>"], "subject": "Your order #1001", "text": "It is on its way."})
}

fn reply() -> Value {
    json!({"to": ["ada@example.com"], "subject": "Your order", "text": "Any news?",
        "thread_id": "18f0a1b2c3d4e5f6", "in_reply_to": "<b@mail.example>", "references": ["<a@mail.example>"]})
}

fn with(mut input: Value, name: &str, value: impl Into<Value>) -> Value {
    input[name] = value.into();
    input
}

/// Runs an action against what `answer` says, and gives the requests that were sent.
fn played(
    action: &str,
    input: &Value,
    settings: &Value,
    answer: &dyn Fn(&Request) -> core::result::Result<Response, Failure>,
) -> (Result<Value>, Vec<Request>) {
    let requests: RefCell<Vec<Request>> = RefCell::default();
    let output = run(&Call::for_test(action, input, settings), &|request| {
        let answered = answer(&request);
        requests.borrow_mut().push(request);
        answered
    });
    (output, requests.into_inner())
}

/// Runs an action against the manifest's fixtures.
fn in_sandbox(action: &str, input: &Value, settings: &Value) -> (Result<Value>, Vec<Request>) {
    let fixtures = fixture::Fixtures::new(Arc::new(gmail()));
    played(action, input, settings, &|request| {
        let body = request.body.as_deref().unwrap_or_default();
        let answer = fixtures.answer(&request.method, &request.url, body).expect("a fixture for every request");
        Ok(Response { status: answer.status, headers: answer.headers, body: answer.body.to_vec(), truncated: false })
    })
}

/// The message of a request, as text.
fn raw(request: &Request) -> String {
    let body: Value = serde_json::from_slice(request.body.as_deref().unwrap()).unwrap();
    String::from_utf8(URL_SAFE.decode(body["raw"].as_str().unwrap()).unwrap()).unwrap()
}

/// What is sent for an input that has to be good.
fn sent(action: &str, input: &Value, settings: &Value) -> String {
    let (output, requests) = in_sandbox(action, input, settings);
    output.unwrap();
    raw(&requests[0])
}

/// The addresses of a field: name and address of each.
fn addresses(address: Option<&Address>) -> Vec<(String, String)> {
    let one = |one: &mail_parser::Addr| {
        (one.name().unwrap_or_default().to_owned(), one.address().unwrap_or_default().to_owned())
    };
    address.map_or(Vec::new(), |address| address.iter().map(one).collect())
}

#[test]
fn the_manifest_has_no_mistakes_and_asks_for_sending_alone() {
    let manifest = gmail();
    assert_eq!(resly_manifest::check(&manifest), []);
    let Auth::Oauth2(oauth) = &manifest.auth else { panic!("Gmail knows OAuth 2.0 only") };
    assert_eq!(oauth.scopes, ["https://www.googleapis.com/auth/gmail.send"]);
    assert!(oauth.pkce && manifest.auth_alternatives.is_empty());
    for action in &manifest.actions {
        assert_eq!(action.side_effect == SideEffect::Read, action.id == "check_access");
        assert!(!action.idempotent || action.id == "check_access", "a mail sent twice is two mails");
    }
}

#[test]
fn inputs_and_outputs_are_what_the_manifest_says() {
    let manifest = gmail();
    for (action, input) in [("send_email", email()), ("reply", reply()), ("check_access", json!({}))] {
        let declared = manifest.action(action).unwrap();
        assert!(Schema::new(&declared.input).unwrap().check(&input).is_ok(), "{action}");
        let output = in_sandbox(action, &input, &json!({})).0.unwrap();
        assert!(Schema::new(declared.output.as_ref().unwrap()).unwrap().check(&output).is_ok(), "{action}: {output}");
    }
    let elsewhere = with(reply(), "thread_id", "ffff");
    assert_eq!(in_sandbox("reply", &elsewhere, &json!({})).0.unwrap_err().kind, FaultKind::NotFound);
}

#[test]
fn a_plain_mail_is_what_the_standard_says() {
    let (output, requests) =
        in_sandbox("send_email", &email(), &json!({"from": "Acme Support <support@acme.example>"}));
    let [request] = requests.as_slice() else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", super::api::SEND));
    assert!(
        !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("idempotency-key")),
        "sent once, never again"
    );
    assert_eq!(
        raw(request),
        "From: \"Acme Support\" <support@acme.example>\r\n\
         To: \"Ada Lovelace\" <ada@example.com>\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n\
         Message-ID: <01893b2e-7c00-7abc-8def-0123456789ab@acme.example>\r\n\
         Subject: Your order #1001\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=\"utf-8\"\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         \r\n\
         It is on its way."
    );
    let expected = json!({"id": "18f0a1b2c3d4e5f6", "thread_id": "18f0a1b2c3d4e5f6",
        "message_id": "<01893b2e-7c00-7abc-8def-0123456789ab@acme.example>"});
    assert_eq!(output.unwrap(), expected);
}

#[test]
fn a_parser_reads_back_what_was_given() {
    let input = json!({
        "to": ["\"Lovelace, Ada\" <ada@example.com>", "grace@example.com"],
        "cc": ["Zoë Ω <zoe@xn--bcher-kva.example>"],
        "bcc": ["audit@acme.example"],
        "reply_to": "Help “desk” <help@acme.example>",
        "subject": "Größe 42 — 在庫あり ✔ and a subject that is long enough to be folded more than once",
        "text": "Liebe Ada,\n\n.\nFrom here = fine \n日本語\t\n--=_x\n",
        "html": "<p>Liebe <b>Ada</b> &ndash; 日本語</p>",
    });
    let raw = sent("send_email", &input, &json!({"from": "Ümit <support@acme.example>"}));
    assert!(raw.is_ascii() && raw.split("\r\n").all(|line| line.len() <= 78 && !line.contains(['\r', '\n'])), "{raw}");
    let mail = MessageParser::default().parse(raw.as_bytes()).unwrap();
    let pair = |name: &str, address: &str| (name.to_owned(), address.to_owned());
    assert_eq!(addresses(mail.from()), [pair("Ümit", "support@acme.example")]);
    assert_eq!(addresses(mail.to()), [pair("Lovelace, Ada", "ada@example.com"), pair("", "grace@example.com")]);
    assert_eq!(addresses(mail.cc()), [pair("Zoë Ω", "zoe@xn--bcher-kva.example")]);
    assert_eq!(addresses(mail.bcc()), [pair("", "audit@acme.example")]);
    assert_eq!(addresses(mail.reply_to()), [pair("Help “desk”", "help@acme.example")]);
    assert_eq!(mail.subject(), input["subject"].as_str());
    assert_eq!(mail.date().unwrap().to_rfc3339(), "2026-01-01T00:00:00Z");
    assert_eq!(mail.body_text(0).unwrap().replace("\r\n", "\n"), input["text"].as_str().unwrap());
    assert_eq!(mail.body_html(0).unwrap().trim_end(), input["html"].as_str().unwrap());
    assert_eq!(mail.parts.len(), 3, "the alternative, and its two parts");
}

#[test]
fn a_reply_stays_in_its_thread() {
    let (output, requests) = in_sandbox("reply", &reply(), &json!({}));
    assert_eq!(output.unwrap()["thread_id"], "18f0a1b2c3d4e5f6");
    let body: Value = serde_json::from_slice(requests[0].body.as_deref().unwrap()).unwrap();
    assert_eq!(body["threadId"], "18f0a1b2c3d4e5f6");
    let raw = raw(&requests[0]);
    let mail = MessageParser::default().parse(raw.as_bytes()).unwrap();
    assert_eq!(mail.subject(), Some("Re: Your order"));
    assert_eq!(mail.in_reply_to().as_text(), Some("b@mail.example"));
    assert_eq!(mail.references().as_text_list().unwrap(), ["a@mail.example", "b@mail.example"]);
    assert!(mail.from().is_none(), "Gmail writes the account's own address");
    for (subject, becomes) in [("RE: x", "RE: x"), ("re:x", "re:x"), ("Rex", "Re: Rex"), ("ré: x", "Re: ré: x")] {
        let raw = sent("reply", &with(reply(), "subject", subject), &json!({}));
        assert_eq!(MessageParser::default().parse(raw.as_bytes()).unwrap().subject(), Some(becomes));
    }
    // Brackets may have got lost, and the answered mail is named last and once.
    let copied =
        with(with(reply(), "in_reply_to", "b@mail.example"), "references", json!(["<b@mail.example>", "a@x", "a@x"]));
    assert!(sent("reply", &copied, &json!({})).contains("References: <a@x> <b@mail.example>\r\n"));
    for id in ["<b>", "b", "<a b@c>", "<a@b>\r\nBcc: eve@example.com", "<a@b><c@d>", "@", "<a@>"] {
        let fault = in_sandbox("reply", &with(reply(), "in_reply_to", id), &json!({})).0.unwrap_err();
        assert_eq!(fault.kind, FaultKind::InvalidInput, "{id}");
    }
}

#[test]
fn nothing_breaks_out_of_a_header() {
    let evil = "x\r\nBcc: eve@example.com";
    for (action, input) in [
        ("send_email", with(email(), "subject", evil)),
        ("send_email", with(email(), "subject", "a\nb")),
        ("send_email", with(email(), "subject", "a\rb")),
        ("send_email", with(email(), "subject", "a\u{2028}b")),
        ("send_email", with(email(), "subject", "a\0b")),
        ("send_email", with(email(), "subject", "  ")),
        ("send_email", with(email(), "reply_to", format!("{evil} <a@b.example>"))),
        ("send_email", with(email(), "text", "a\0b")),
        ("send_email", with(email(), "html", "a\u{7f}b")),
        ("send_email", with(email(), "to", json!([format!("{evil} <a@b.example>")]))),
        ("send_email", with(email(), "cc", json!(["a@b.example\r\n", " a@b.example\r\nX: y"]))),
        ("send_email", with(email(), "bcc", json!(["a@b.example, eve@example.com"]))),
        ("reply", with(reply(), "references", json!(["<a@b>\r\n\r\nbody"]))),
    ] {
        let (output, requests) = in_sandbox(action, &input, &json!({}));
        assert_eq!(output.unwrap_err().kind, FaultKind::InvalidInput, "{input}");
        assert!(requests.is_empty());
    }
    for (name, value) in [("from", "Acme\r\nBcc: e@example.com <a@b.example>"), ("reply_to", "nobody")] {
        let fault = in_sandbox("check_access", &json!({}), &json!({name: value})).0.unwrap_err();
        assert!(fault.message.contains(&format!("setting `{name}`")), "{}", fault.message);
    }
}

#[test]
fn a_connection_may_say_who_gets_mail() {
    let settings = json!({"allowed_recipients": ["example.com", "grace@elsewhere.example"]});
    let to = |to: &str| in_sandbox("send_email", &with(email(), "to", json!([to])), &settings).0;
    assert!(to("ada@EXAMPLE.com").is_ok() && to("Grace <grace@elsewhere.example>").is_ok());
    for other in ["ada@sub.example.com", "eve@elsewhere.example", "\"a@example.com\" <eve@evil.example>"] {
        assert_eq!(to(other).unwrap_err().kind, FaultKind::InvalidInput, "{other}");
    }
    for copies in ["cc", "bcc"] {
        assert!(in_sandbox("send_email", &with(email(), copies, json!(["eve@evil.example"])), &settings).0.is_err());
    }
    let nobody = in_sandbox("send_email", &email(), &json!({"allowed_recipients": []}));
    assert!(nobody.0.is_err() && nobody.1.is_empty());
}

#[test]
fn a_mail_that_is_too_large_is_refused_before_it_is_sent() {
    let largest = with(with(email(), "text", "日".repeat(90_000)), "html", "日".repeat(90_000));
    let (output, requests) = in_sandbox("send_email", &largest, &json!({}));
    assert_eq!(output.unwrap_err().kind, FaultKind::InvalidInput);
    assert!(requests.is_empty());
    // What the schema allows at most in text and HTML of three-byte characters is beyond it; of Latin text it isn't.
    let large = with(with(email(), "text", "x".repeat(50_000)), "html", "ü".repeat(90_000));
    assert!(in_sandbox("send_email", &large, &json!({})).0.is_ok());
}

fn answered(action: &str, input: &Value, status: u16, body: &Value) -> Result<Value> {
    let headers = vec![("retry-after".to_owned(), "30".to_owned())];
    let response = Response { status, headers, body: body.to_string().into_bytes(), truncated: false };
    played(action, input, &json!({}), &|_| Ok(response.clone())).0
}

/// Google's error document (Gmail API, "Resolve errors").
fn error(code: u16, reason: &str) -> Value {
    json!({"error": {"code": code, "message": "m", "errors": [{"domain": "global", "reason": reason, "message": "m"}]}})
}

#[test]
fn errors_of_google_have_kinds() {
    for (status, reason, kind) in [
        (400, "invalidArgument", FaultKind::InvalidInput),
        (400, "failedPrecondition", FaultKind::Upstream),
        (401, "authError", FaultKind::NeedsAuth),
        (403, "insufficientPermissions", FaultKind::NeedsAuth),
        (403, "accessNotConfigured", FaultKind::NeedsAuth),
        (403, "domainPolicy", FaultKind::NeedsAuth),
        (403, "rateLimitExceeded", FaultKind::RateLimited),
        (403, "userRateLimitExceeded", FaultKind::RateLimited),
        (403, "dailyLimitExceeded", FaultKind::RateLimited),
        (404, "notFound", FaultKind::NotFound),
        (413, "uploadTooLarge", FaultKind::InvalidInput),
        (429, "rateLimitExceeded", FaultKind::RateLimited),
        (500, "backendError", FaultKind::Upstream),
        (503, "backendError", FaultKind::Upstream),
    ] {
        let fault = answered("send_email", &email(), status, &error(status, reason)).unwrap_err();
        assert_eq!(fault.kind, kind, "{status} {reason}");
        let unsure = fault.message.contains("may have been sent");
        assert_eq!(unsure, status >= 500, "{status}: {}", fault.message);
        assert!(!unsure || !fault.retryable, "what may have been sent is not for sending again");
    }
    // The newer form of the same (google.rpc.ErrorInfo).
    let scope = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "m", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}});
    assert!(answered("send_email", &email(), 403, &scope).unwrap_err().message.contains("`gmail.send`"));
    let waits = answered("send_email", &email(), 429, &error(429, "rateLimitExceeded")).unwrap_err();
    assert!(waits.message.contains("30 seconds"), "{}", waits.message);
    for body in [json!(null), json!("text"), json!({"error": "text"}), json!({"error": {"message": "x".repeat(9_000)}})]
    {
        let fault = answered("send_email", &email(), 400, &body).unwrap_err();
        assert!(fault.kind == FaultKind::InvalidInput && fault.message.len() < 400);
    }
    let odd = answered("send_email", &email(), 200, &json!({"id": 5})).unwrap_err();
    assert!(odd.message.contains("took the mail") && !odd.retryable);
}

#[test]
fn access_is_there_when_gmail_misses_only_the_mail() {
    let (output, requests) = in_sandbox("check_access", &json!({}), &json!({}));
    assert_eq!(output.unwrap(), json!({"can_send": true}));
    assert_eq!(requests[0].body.as_deref(), Some(b"{}".as_slice()), "there is nothing in it that could be sent");
    for (status, reason, kind) in [
        (401, "authError", FaultKind::NeedsAuth),
        (403, "insufficientPermissions", FaultKind::NeedsAuth),
        (400, "failedPrecondition", FaultKind::Upstream),
        (503, "backendError", FaultKind::Upstream),
        (200, "", FaultKind::Upstream),
    ] {
        let fault = answered("check_access", &json!({}), status, &error(status, reason)).unwrap_err();
        assert_eq!(fault.kind, kind, "{status} {reason}");
    }
}

#[test]
fn a_mail_without_an_answer_says_whether_it_may_have_been_sent() {
    for sent in [true, false] {
        let failure =
            Failure { reason: Reason::Timeout, message: "it took too long".to_owned(), retry_after_ms: None, sent };
        let fault = played("send_email", &email(), &json!({}), &|_| Err(failure.clone())).0.unwrap_err();
        assert_eq!((fault.message.contains("may have been sent"), fault.retryable), (sent, !sent));
        let check = played("check_access", &json!({}), &json!({}), &|_| Err(failure.clone())).0.unwrap_err();
        assert!(!check.message.contains("may have been sent"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is given, either it is refused or a parser finds exactly that in the mail, and nobody else in it.
    #[test]
    fn any_text_stays_where_it_belongs(
        name in "\\PC{0,60}|[ -~]{0,60}|.{0,40}",
        subject in "\\PC{1,120}|[ -~\r\n]{1,80}|.{1,60}",
        text in "(\\PC|[\n\t =.]){1,200}",
    ) {
        let input = json!({"to": [format!("{name} <ada@example.com>")], "subject": subject, "text": text});
        let (output, requests) = in_sandbox("send_email", &input, &json!({}));
        if output.is_err() {
            prop_assert!(requests.is_empty());
            return Ok(());
        }
        let raw = raw(&requests[0]);
        prop_assert!(raw.is_ascii());
        for line in raw.split("\r\n") {
            prop_assert!(line.len() <= 998 && !line.contains(['\r', '\n']));
        }
        let mail = MessageParser::default().parse(raw.as_bytes()).unwrap();
        let to = addresses(mail.to());
        prop_assert_eq!(to.len(), 1);
        prop_assert_eq!(&to[0].1, "ada@example.com");
        prop_assert!(mail.cc().is_none() && mail.bcc().is_none() && mail.from().is_none());
        prop_assert_eq!(mail.subject().unwrap_or_default(), subject.trim());
        let body = mail.body_text(0).unwrap().replace("\r\n", "\n");
        prop_assert_eq!(body.trim_end_matches('\n'), text.trim_end_matches('\n'));
    }
}
