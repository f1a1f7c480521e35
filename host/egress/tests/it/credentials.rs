//! Credentials: where they go, what a guest can't do about it, and that they don't come back.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use resly_core::{
    connector::{
        account::SealedCredentials,
        outbound::{Outbound, OutboundReason},
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    testing::ConstantRandom,
};
use resly_egress::{CredentialSource, SessionSpec};
use resly_vault::{Credentials, EncryptionContext, MasterKeys, Vault, VaultStore};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Received, Service, egress, get, manifest, none, ok, once, plain, spec, text};

const SECRET: &str = "s3cr3t/+&=\"value of-the_key";

fn with(hosts: &[&str], auth: Value, credentials: Value) -> SessionSpec {
    SessionSpec { credentials: plain(credentials), ..spec(manifest(hosts, auth)) }
}

#[tokio::test]
async fn each_kind_arrives_where_it_should() {
    let service = Service::start(|_| ok("")).await;
    let host = format!("a.test:{}", service.port());
    let egress = egress(&host, "");
    let cases = [
        (json!({"type": "bearer"}), json!({"token": "tok-1"}), "authorization", "Bearer tok-1"),
        (json!({"type": "basic"}), json!({"username": "u", "password": "p"}), "authorization", "Basic dTpw"),
        (json!({"type": "api_key", "name": "X-Key", "prefix": "Key "}), json!({"api_key": "k-1"}), "x-key", "Key k-1"),
        (
            json!({"type": "oauth2", "token_url": "https://a.test/token"}),
            json!({"client_id": "c", "client_secret": "s", "access_token": "at-1"}),
            "authorization",
            "Bearer at-1",
        ),
    ];
    for (auth, credentials, header, value) in cases {
        let before = service.received().len();
        once(&egress, with(&[&host], auth, credentials), get(format!("http://{host}/"))).await.unwrap();
        assert_eq!(service.received()[before].header(header), Some(value));
    }
    let query = json!({"type": "api_key", "in": "query", "name": "api_key"});
    once(&egress, with(&[&host], query, json!({"api_key": "a b&c"})), get(format!("http://{host}/x?q=1")))
        .await
        .unwrap();
    assert_eq!(service.received().last().unwrap().target, "/x?q=1&api_key=a+b%26c");
}

#[tokio::test]
async fn only_the_auth_hosts_get_it() {
    let (api, files) = (Service::start(|_| ok("")).await, Service::start(|_| ok("")).await);
    let hosts = [format!("api.test:{}", api.port()), format!("files.test:{}", files.port())];
    let mut manifest = manifest(&[&hosts[0], &hosts[1]], json!({"type": "bearer"}));
    manifest["auth_hosts"] = json!([format!("{}/v1", hosts[0])]);
    let spec = SessionSpec { credentials: plain(json!({"token": "tok-1"})), ..spec(manifest) };
    let session = egress(&hosts.join(","), "").session(spec);
    for url in [format!("http://{}/v1/x", hosts[0]), format!("http://{}/v2", hosts[0]), format!("http://{}/", hosts[1])]
    {
        session.send(get(url)).await.unwrap();
    }
    let auth = |seen: &Received| seen.header("authorization").map(str::to_owned);
    assert_eq!(api.received().iter().map(auth).collect::<Vec<_>>(), [Some("Bearer tok-1".to_owned()), None]);
    assert_eq!(auth(&files.only()), None);
}

#[tokio::test]
async fn without_one_that_works_nothing_is_sent() {
    let service = Service::start(|_| ok("")).await;
    let host = format!("a.test:{}", service.port());
    let egress = egress(&host, "");
    let oauth = json!({"type": "oauth2", "token_url": "https://a.test/token"});
    let cases = [
        spec(manifest(&[&host], json!({"type": "bearer"}))),
        with(&[&host], json!({"type": "bearer"}), json!({"api_key": "other"})),
        with(&[&host], json!({"type": "bearer"}), json!({"token": "a\r\nb"})),
        with(&[&host], oauth, json!({"client_id": "c", "client_secret": "s"})),
    ];
    for spec in cases {
        let failure = once(&egress, spec, get(format!("http://{host}/"))).await.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::NeedsAuth, false), "{}", failure.message);
        assert!(failure.message.contains("admin"), "{}", failure.message);
    }
    assert!(service.received().is_empty());
}

#[tokio::test]
async fn a_guest_cannot_write_where_it_goes() {
    let egress = egress("a.test", "");
    let query = json!({"type": "api_key", "in": "query", "name": "api_key"});
    for url in ["http://a.test/?api_key=mine", "http://a.test/?API_KEY=mine", "http://a.test/?x=1&%61pi_key=mine"] {
        let failure = once(&egress, with(&["a.test"], query.clone(), json!({"api_key": "k"})), get(url)).await;
        assert_eq!(failure.unwrap_err().reason, OutboundReason::Invalid, "{url}");
    }
}

/// Everything that a service could say of what it got.
fn echo(seen: &Received) -> axum::response::Response {
    let raw = seen.header("authorization").unwrap().to_owned();
    let key = raw.strip_prefix("Bearer ").unwrap_or(&raw).to_owned();
    let percent: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    let body = json!({
        "raw": raw,
        "nested": json!({"again": raw}).to_string(),
        "base64": STANDARD.encode(&raw),
        "base64_of_headers": STANDARD.encode(format!("x{raw}\r\nnext: 1")),
        "base64url": URL_SAFE_NO_PAD.encode(format!("{{\"t\":\"{key}\"}}")),
        "hex": data_encoding::HEXUPPER.encode(raw.as_bytes()),
        "percent": percent,
        "percent_lower": percent.to_lowercase(),
        "percent_twice": percent.replace('%', "%25"),
        "html": key.replace('&', "&amp;").replace('"', "&quot;"),
        "upper": key.to_uppercase(),
    });
    let mut response = ok(body.to_string());
    response.headers_mut().insert("x-echo", raw.parse().unwrap());
    response.headers_mut().insert("location", format!("https://x.test/?k={percent}").parse().unwrap());
    response
}

#[tokio::test]
async fn no_echo_of_it_reaches_the_guest() {
    let service = Service::start(echo).await;
    let host = format!("a.test:{}", service.port());
    let egress = egress(&host, "");
    let session = egress.session(with(&[&host], json!({"type": "bearer"}), json!({"token": SECRET})));
    let response = session.send(get(format!("http://{host}/"))).await.unwrap();
    assert_eq!(service.only().header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    let body = text(&response);
    let fields: BTreeMap<String, String> = serde_json::from_str(&body).unwrap();
    for (name, value) in &fields {
        assert!(value.contains("[redacted]"), "{name}: {value}");
        for leak in ["s3cr3t", "S3CR3T", "of-the_key", "7333637233"] {
            assert!(!value.contains(leak), "{name}: {value}");
        }
        for engine in [&STANDARD, &URL_SAFE_NO_PAD] {
            let pieces = value.split(|c: char| !c.is_ascii_alphanumeric() && !"+/-_=".contains(c));
            let decoded = pieces.flat_map(|piece| engine.decode(piece)).flatten().collect::<Vec<u8>>();
            let decoded = String::from_utf8_lossy(&decoded).into_owned();
            assert!(!decoded.contains("s3c") && !decoded.contains("_key"), "{name}: {decoded}");
        }
    }
    for (name, value) in &response.headers {
        assert!(!value.contains("s3cr3t"), "{name}: {value}");
    }
    assert_eq!(session.redact(&format!("log line with {SECRET}")), "log line with [redacted]");
}

#[tokio::test]
async fn a_coding_that_quotes_it_is_quoted_whole_or_not_at_all() {
    for before in 0..45 {
        let service = Service::start(move |seen| {
            let token = seen.header("authorization").unwrap().trim_start_matches("Bearer ").to_owned();
            let mut response = ok("x");
            let coding = format!("{}{token}", "x".repeat(before));
            response.headers_mut().insert("content-encoding", coding.parse().unwrap());
            response
        })
        .await;
        let host = format!("a.test:{}", service.port());
        let spec = with(&[&host], json!({"type": "bearer"}), json!({"token": "0123456789abcdef"}));
        let failure = once(&egress(&host, ""), spec, get(format!("http://{host}/"))).await.unwrap_err();
        assert!(!failure.message.contains("01"), "{before}: {}", failure.message);
    }
}

#[tokio::test]
async fn a_basic_pair_is_not_echoed_either() {
    let service = Service::start(|seen| ok(seen.header("authorization").unwrap().to_owned())).await;
    let host = format!("a.test:{}", service.port());
    let credentials = json!({"username": "anna", "password": "correct horse"});
    let spec = with(&[&host], json!({"type": "basic"}), credentials);
    let response = once(&egress(&host, ""), spec, get(format!("http://{host}/"))).await.unwrap();
    assert_eq!(text(&response), "Basic [redacted]");
}

#[tokio::test]
async fn a_key_in_the_query_is_in_no_failure_and_no_log() {
    let host = {
        // A port that nobody listens on any more.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("a.test:{}", listener.local_addr().unwrap().port())
    };
    let query = json!({"type": "api_key", "in": "query", "name": "api_key"});
    let session = egress(&host, "").session(with(&[&host], query, json!({"api_key": SECRET})));
    let failure = session.send(get(format!("http://{host}/p?x=1"))).await.unwrap_err();
    assert_eq!((failure.reason, failure.sent), (OutboundReason::Network, false));
    let said = format!("{failure:?} {:?}", session.requests());
    assert!(!said.contains("s3cr3t") && !said.contains("x=1") && !said.contains("127.0.0.1"), "{said}");
}

#[tokio::test]
async fn what_lies_across_the_cap_is_redacted_too() {
    let service = Service::start(|seen| {
        let token = seen.header("authorization").unwrap().trim_start_matches("Bearer ").to_owned();
        ok(format!("{}{token}{}", "x".repeat(90), "y".repeat(1000)))
    })
    .await;
    let host = format!("a.test:{}", service.port());
    for most in 85..130 {
        let mut spec = with(&[&host], json!({"type": "bearer"}), json!({"token": "0123456789abcdef0123"}));
        spec.response_bytes = most;
        let response = once(&egress(&host, ""), spec, get(format!("http://{host}/"))).await.unwrap();
        assert!(response.truncated && response.body.len() <= most);
        assert!(!text(&response).contains('0'), "{most}: {}", text(&response));
    }
}

/// A vault whose store is never full.
#[derive(Default)]
pub struct MemoryVaultStore(std::sync::Mutex<Option<Vec<u8>>>);

#[async_trait]
impl VaultStore for MemoryVaultStore {
    async fn vault_key(&self, _: OrganizationId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn put_vault_key(&self, _: OrganizationId, key: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        Ok(self.0.lock().unwrap().get_or_insert(key).clone())
    }
}

#[tokio::test]
async fn a_sealed_credential_is_opened_for_its_own_connection_only() {
    let service = Service::start(|_| ok("")).await;
    let host = format!("a.test:{}", service.port());
    let keys = MasterKeys::parse("k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap();
    let vault =
        Arc::new(Vault::new(Arc::new(keys), Arc::new(MemoryVaultStore::default()), Arc::new(ConstantRandom(0))));
    let context = |connection| EncryptionContext {
        organization: OrganizationId(Uuid::from_u128(1)),
        connection: ConnectionId(Uuid::from_u128(connection)),
        field: "credentials".into(),
        version: 1,
    };
    let credentials = Credentials::new([("token".to_owned(), "tok-1".to_owned())].into());
    let sealed = vault.seal(&context(2), &credentials).await.unwrap();
    let source = |context, sealed: &SealedCredentials| CredentialSource::Sealed {
        vault: Arc::clone(&vault),
        sealed: sealed.clone(),
        context,
    };
    let egress = egress(&host, "");
    let bearer = || spec(manifest(&[&host], json!({"type": "bearer"})));
    let own = SessionSpec { credentials: source(context(2), &sealed), ..bearer() };
    once(&egress, own, get(format!("http://{host}/"))).await.unwrap();
    assert_eq!(service.only().header("authorization"), Some("Bearer tok-1"));
    let other = SessionSpec { credentials: source(context(3), &sealed), ..bearer() };
    let failure = once(&egress, other, get(format!("http://{host}/"))).await.unwrap_err();
    assert_eq!(failure.reason, OutboundReason::NeedsAuth);
    // A connector without authentication never has it opened.
    let unused = SessionSpec { credentials: source(context(3), &sealed), ..spec(manifest(&[&host], none())) };
    once(&egress, unused, get(format!("http://{host}/"))).await.unwrap();
}
