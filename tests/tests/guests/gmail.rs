//! The Gmail connector.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use mail_parser::{Address, MessageParser};
use resly_core::{
    connector::{fault::FaultKind, fixture::Fixtures, outbound::Outbound, sandbox::Outcome},
    id::ConnectionId,
};
use resly_egress::{CredentialSource, Egress, EgressConfig, SessionSpec, SystemResolver, parse_routes};
use resly_manifest::Manifest;
use resly_service::random::OsRandom;
use resly_tests::{
    guest::{GuestCall, Guests, ORGANIZATION, Says},
    service::{Received, ScriptedService},
};
use resly_vault::Credentials;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{BRACKETS, nested};

const PATH: &str = "/gmail/v1/users/me/messages/send";
const TOKEN: &str = "ya29.canary-7f3a9c1e5b";

fn manifest() -> Arc<Manifest> {
    Arc::new(toml::from_str(include_str!("../../../plugins/gmail/connector.toml")).unwrap())
}

async fn call(guests: &Guests, action: &str, input: Value, outbound: Arc<dyn Outbound>) -> Outcome {
    let settings = json!({"from": "Acme <support@acme.example>"});
    guests.call("gmail", GuestCall { action, input, settings, definition: Value::Null, outbound }).await
}

fn email() -> Value {
    json!({"to": ["Zoë <zoe@example.com>"], "subject": "Größe", "text": "Grüße", "html": "<p>Grüße</p>"})
}

/// The way out as a connection has it, with Google's host led to a service on loopback.
fn session(service: &ScriptedService) -> Arc<dyn Outbound> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let routes = parse_routes(&format!("gmail.googleapis.com=http://{}", service.address)).unwrap();
    let config = EgressConfig { routes, ..EgressConfig::default() };
    let egress = Egress::new(config, Arc::new(SystemResolver), Arc::new(OsRandom)).unwrap();
    let manifest = manifest();
    let token = BTreeMap::from([("access_token".to_owned(), TOKEN.to_owned())]);
    egress.session(SessionSpec {
        organization: ORGANIZATION,
        connection: ConnectionId(Uuid::nil()),
        auth: manifest.auth.clone(),
        manifest,
        settings: json!({}),
        credentials: CredentialSource::Plain(Credentials::new(token)),
        idempotent: false,
        http_calls: 8,
        response_bytes: 1 << 20,
        deadline: Duration::from_secs(20),
    })
}

/// The message of a request.
fn raw(request: &Received) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    String::from_utf8(URL_SAFE.decode(body["raw"].as_str().unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn it_answers_from_its_fixtures() {
    let guests = Guests::load().unwrap();
    let fixtures = Arc::new(Fixtures::new(manifest()));
    let outcome = call(&guests, "send_email", email(), Arc::clone(&fixtures) as Arc<dyn Outbound>).await;
    let output: Value = serde_json::from_str(&outcome.result.unwrap()).unwrap();
    assert_eq!(output["thread_id"], "18f0a1b2c3d4e5f6");
    assert_eq!(output["message_id"], format!("<{}@acme.example>", Uuid::nil()));
    assert_eq!(outcome.cost.http_calls, 1);
    assert!(outcome.cost.fuel < 1_000_000, "{}", outcome.cost.fuel);
    let checked = call(&guests, "check_access", json!({}), fixtures).await;
    assert_eq!(checked.result.unwrap(), r#"{"can_send":true}"#);
}

#[tokio::test]
async fn a_mail_leaves_with_a_credential_that_the_connector_never_sees() {
    let guests = Guests::load().unwrap();
    let service = ScriptedService::start().await.unwrap();
    service.answers(PATH, 200, json!({"id": "1f", "threadId": "1e", "labelIds": ["SENT"], "echo": TOKEN}));
    let outcome = call(&guests, "send_email", email(), session(&service)).await;
    assert!(outcome.result.unwrap().contains(r#""thread_id":"1e""#));
    let received = service.received();
    let [request] = received.as_slice() else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", PATH));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(request.header("host"), Some("gmail.googleapis.com"));
    let raw = raw(request);
    assert!(raw.is_ascii(), "{raw}");
    let mail = MessageParser::default().parse(&raw).unwrap();
    let one = |of: Option<&Address>| {
        let one = of.and_then(Address::first).unwrap();
        format!("{} <{}>", one.name().unwrap(), one.address().unwrap())
    };
    assert_eq!(
        (one(mail.from()), one(mail.to())),
        ("Acme <support@acme.example>".into(), "Zoë <zoe@example.com>".into())
    );
    assert_eq!((mail.subject(), mail.body_text(0).as_deref().map(str::trim)), (Some("Größe"), Some("Grüße")), "{raw}");
}

#[tokio::test]
async fn a_mail_is_sent_once_whatever_becomes_of_it() {
    let guests = Guests::load().unwrap();
    let service = ScriptedService::start().await.unwrap();
    for status in [503, 429, 502] {
        service.answers_once(PATH, status, json!({"error": {"code": status, "message": "later", "errors": []}}));
        let before = service.received().len();
        let outcome = call(&guests, "send_email", email(), session(&service)).await;
        assert_eq!(service.received().len(), before + 1, "{status}");
        let fault = outcome.result.unwrap_err();
        assert_eq!(fault.message.contains("may have been sent"), status >= 500, "{status}: {}", fault.message);
        assert_eq!(fault.retryable, status == 429);
    }
}

#[tokio::test]
async fn the_test_of_a_connection_sends_nothing_and_needs_the_scope_alone() {
    let guests = Guests::load().unwrap();
    let service = ScriptedService::start().await.unwrap();
    let error = |code: u16, reason: &str| json!({"error": {"code": code, "message": "m", "errors": [{"domain": "global", "reason": reason, "message": "m"}]}});
    for (status, reason, fault) in [
        (400, "invalidArgument", None),
        (401, "authError", Some(FaultKind::NeedsAuth)),
        (403, "insufficientPermissions", Some(FaultKind::NeedsAuth)),
        (403, "userRateLimitExceeded", Some(FaultKind::RateLimited)),
    ] {
        service.answers_once(PATH, status, error(status, reason));
        let outcome = call(&guests, "check_access", json!({}), session(&service)).await;
        assert_eq!(outcome.result.err().map(|fault| fault.kind), fault, "{status} {reason}");
    }
    for request in service.received() {
        assert_eq!(request.body, b"{}");
    }
}

#[tokio::test]
async fn the_deepest_answer_and_the_longest_mail_fit_its_stack() {
    let guests = Guests::load().unwrap();
    for (open, close) in BRACKETS {
        let says = |levels| {
            let extra = nested(levels, open, close);
            Arc::new(Says(format!(r#"{{"id":"1","threadId":"2","error":{extra}}}"#)))
        };
        let fits = call(&guests, "send_email", email(), says(126)).await;
        assert!(fits.result.is_ok());
        let deeper = call(&guests, "send_email", email(), says(9_000)).await;
        assert_ne!(deeper.result.err().map(|fault| fault.kind), Some(FaultKind::Trap));
    }
    let mut longest = email();
    longest["text"] = "x".repeat(50_000).into();
    longest["html"] = "ü".repeat(90_000).into();
    let outcome = call(&guests, "send_email", longest, Arc::new(Fixtures::new(manifest()))).await;
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
}
