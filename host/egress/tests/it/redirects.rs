//! Redirects: followed only when asked for, each through the whole policy, and never with a credential elsewhere.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use resly_core::connector::outbound::{Outbound, OutboundReason, OutboundRequest};
use resly_egress::{EgressConfig, SessionSpec};
use serde_json::{Map, Value, json};

use crate::{
    support::{
        Names, Service, Wire, egress, egress_with, get, log, manifest, ok, once, plain, post, redirect, spec, text,
    },
    tls,
};

const KEY: &str = "k3y-0123456789";

fn following(hosts: &[&str]) -> SessionSpec {
    let mut manifest = manifest(hosts, json!({"type": "api_key", "name": "X-Api-Key"}));
    manifest["redirects"] = true.into();
    SessionSpec { credentials: plain(json!({"api_key": KEY})), ..spec(manifest) }
}

#[tokio::test]
async fn they_are_shown_and_not_followed_unless_the_manifest_asks() {
    let service = Service::start(|_| redirect(302, "/next")).await;
    let host = format!("a.test:{}", service.port());
    let spec = SessionSpec {
        credentials: plain(json!({"token": KEY})),
        ..spec(manifest(&[&host], json!({"type": "bearer"})))
    };
    let response = once(&egress(&host, ""), spec, get(format!("http://{host}/"))).await.unwrap();
    assert_eq!(response.status, 302);
    assert!(response.headers.contains(&("location".into(), "/next".into())));
    assert_eq!(service.received().len(), 1);
}

#[tokio::test]
async fn within_the_origin_they_are_followed_with_the_credential() {
    let service = Service::start(|seen| match seen.target.as_str() {
        "/1" => redirect(302, "/2"),
        "/2" => redirect(307, "3?x=1"),
        _ => ok("there"),
    })
    .await;
    let host = format!("a.test:{}", service.port());
    let session = egress(&host, "").session(following(&[&host]));
    assert_eq!(text(&session.send(post(format!("http://{host}/1"), "body")).await.unwrap()), "there");
    let seen = service.received();
    assert_eq!(seen.iter().map(|seen| seen.method.as_str()).collect::<Vec<_>>(), ["POST", "GET", "GET"]);
    assert_eq!(seen[2].target, "/3?x=1");
    assert!(seen[1].body.is_empty());
    assert!(seen.iter().all(|seen| seen.header("x-api-key") == Some(KEY)));
    assert_eq!(log(&session).as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn elsewhere_they_go_without_the_credential_and_it_does_not_come_back() {
    let last = Service::start(|seen| match seen.target.as_str() {
        "/back" => ok("back"),
        _ => ok("never"),
    })
    .await;
    let back = format!("http://a.test:{}/back", last.port());
    let middle = Service::start(move |_| redirect(307, &back)).await;
    let away = format!("http://b.test:{}/", middle.port());
    let first = Service::start(move |_| redirect(307, &away)).await;
    let hosts =
        [format!("a.test:{}", first.port()), format!("b.test:{}", middle.port()), format!("a.test:{}", last.port())];
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let mut request: OutboundRequest = post(format!("http://{}/", hosts[0]), "body");
    request.headers = vec![("authorization".into(), "guest's own".into()), ("x-other".into(), "kept".into())];
    let response = once(&egress(&hosts.join(","), ""), following(&hosts), request).await.unwrap();
    assert_eq!(text(&response), "back");
    assert_eq!(first.only().header("x-api-key"), Some(KEY));
    assert_eq!(first.only().header("authorization"), Some("guest's own"));
    for service in [&middle, &last] {
        let seen = service.only();
        assert_eq!((seen.header("x-api-key"), seen.header("authorization")), (None, None));
        assert_eq!((seen.header("x-other"), seen.body.as_slice()), (Some("kept"), &b"body"[..]));
    }
}

#[tokio::test]
async fn each_hop_goes_through_the_whole_policy() {
    let victim = Service::start(|_| ok("secret")).await;
    let port = victim.port();
    for location in [
        format!("http://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("https://c.test:{port}/"),
        format!("//c.test:{port}/"),
        format!("http://user:pass@c.test:{port}/"),
        "file:///etc/passwd".to_owned(),
        "\\\\c.test\\x".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let sent = location.clone();
        let first = Service::start(move |_| redirect(302, &sent)).await;
        let host = format!("a.test:{}", first.port());
        // Granted by the manifest, so that it is the guard that stops it; the operator has listed the first host alone.
        let hosts = [host.as_str(), "169.254.169.254", &format!("127.0.0.1:{port}"), &format!("c.test:{port}")];
        let failure = once(&egress(&host, ""), following(&hosts), get(format!("http://{host}/"))).await.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Denied, true), "{location}: {}", failure.message);
        assert_eq!(first.received().len(), 1);
    }
    assert!(victim.received().is_empty());
}

#[tokio::test]
async fn a_location_that_carries_the_key_elsewhere_is_not_followed() {
    let other = Service::start(|_| ok("")).await;
    let port = other.port();
    let first = Service::start(move |seen| redirect(302, &format!("http://b.test:{port}{}", seen.target))).await;
    let hosts = [format!("a.test:{}", first.port()), format!("b.test:{port}")];
    let mut manifest = manifest(&[&hosts[0], &hosts[1]], json!({"type": "api_key", "in": "query", "name": "key"}));
    manifest["redirects"] = true.into();
    let spec = SessionSpec { credentials: plain(json!({"api_key": KEY})), ..spec(manifest) };
    let failure = once(&egress(&hosts.join(","), ""), spec, get(format!("http://{}/x", hosts[0]))).await.unwrap_err();
    assert_eq!((failure.reason, failure.sent), (OutboundReason::Denied, true));
    assert!(!failure.message.contains(KEY), "{}", failure.message);
    assert!(other.received().is_empty());
}

#[tokio::test]
async fn a_circle_ends() {
    let service = Service::start(|_| redirect(302, "/again")).await;
    let host = format!("a.test:{}", service.port());
    let failure = once(&egress(&host, ""), following(&[&host]), get(format!("http://{host}/"))).await.unwrap_err();
    assert_eq!((failure.reason, failure.sent), (OutboundReason::Denied, true));
    assert_eq!(service.received().len(), 6);
}

/// How a manifest may have it authenticate, and what of the credential no other origin may see, in any coding.
fn kinds() -> [(Value, Value, Vec<String>); 5] {
    let fields = |names: &[&str]| names.iter().map(|name| (name.to_string(), KEY.into())).collect::<Map<_, _>>().into();
    let forms = |text: &str| {
        let hex = data_encoding::HEXLOWER.encode(text.as_bytes());
        vec![text.to_owned(), STANDARD.encode(text).trim_end_matches('=').to_owned(), hex]
    };
    let oauth = json!({"type": "oauth2", "token_url": "https://a.test/token"});
    [
        (json!({"type": "bearer"}), fields(&["token"]), forms(KEY)),
        (
            json!({"type": "basic"}),
            json!({"username": "u", "password": KEY}),
            [forms(KEY), forms(&format!("u:{KEY}"))].concat(),
        ),
        (json!({"type": "api_key", "name": "x-key"}), fields(&["api_key"]), forms(KEY)),
        (json!({"type": "api_key", "in": "query", "name": "key"}), fields(&["api_key"]), forms(KEY)),
        (oauth, fields(&["client_id", "client_secret", "access_token"]), forms(KEY)),
    ]
}

#[tokio::test]
async fn whatever_changes_of_the_origin_the_credential_stays() {
    let wire = Wire::start().await;
    let (tls_port, _) = tls::serve().await;
    for status in [301, 302, 303, 307, 308] {
        for (auth, credentials, forms) in kinds() {
            // Another port, another host, and another scheme, each with and without a port of the scheme's own.
            for away in [
                format!("http://a.test:{}/to", wire.port),
                format!("http://b.test:{}/to", wire.port),
                format!("//b.test:{}/to", wire.port),
                format!("https://tls.test:{tls_port}/to"),
            ] {
                let location = away.clone();
                let first = Service::start(move |_| redirect(status, &location)).await;
                let hosts = [
                    format!("a.test:{}", first.port()),
                    format!("a.test:{}", wire.port),
                    format!("b.test:{}", wire.port),
                    format!("tls.test:{tls_port}"),
                ];
                let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
                let mut manifest = manifest(&hosts, auth.clone());
                manifest["redirects"] = true.into();
                let spec = SessionSpec { credentials: plain(credentials.clone()), ..spec(manifest) };
                let names = Arc::new(Names::default());
                let trust = |config: &mut EgressConfig| config.extra_ca_pem = tls::CA.to_vec();
                let egress = egress_with(&hosts.join(","), "", names, trust);
                let response = once(&egress, spec, get(format!("http://{}/from", hosts[0]))).await.unwrap();
                assert_eq!(response.status, 200, "{auth} {status} {away}");
                let seen = first.only();
                let shown = format!("{seen:?}");
                assert!(
                    forms.iter().any(|form| shown.contains(form.as_str())),
                    "{auth}: the first never had it: {shown}"
                );
                let arrived = if away.starts_with("https") { vec![response.body.to_vec()] } else { wire.take() };
                assert_eq!(arrived.len(), 1, "{auth} {status} {away}");
                let arrived = String::from_utf8_lossy(&arrived[0]).to_lowercase();
                for form in &forms {
                    assert!(!arrived.contains(&form.to_lowercase()), "{auth} {status} {away}: {arrived}");
                }
                assert!(!arrived.contains("authorization") && !arrived.contains("x-key") && !arrived.contains("key="));
            }
        }
    }
}

#[tokio::test]
async fn a_location_that_names_a_user_or_goes_down_to_http_is_not_followed() {
    let wire = Wire::start().await;
    for location in [
        format!("http://user@b.test:{}/", wire.port),
        format!("http://{KEY}:x@a.test:{}/", wire.port),
        format!("http://plain.test:{}/", wire.port),
        format!("http://b.test:{}\\@a.test/", wire.port),
        format!("http://b.test.:{}/", wire.port),
        format!("http://2130706433:{}/", wire.port),
        format!("https://[::ffff:127.0.0.1]:{}/", wire.port),
    ] {
        let sent = location.clone();
        let first = Service::start(move |_| redirect(307, &sent)).await;
        let listed = [format!("a.test:{}", first.port()), format!("b.test:{}", wire.port)];
        let plain_host = format!("plain.test:{}", wire.port);
        let numbers = [format!("127.0.0.1:{}", wire.port), format!("[::ffff:7f00:1]:{}", wire.port)];
        let hosts = [&listed[0], &listed[1], &plain_host, &numbers[0], &numbers[1]].map(String::as_str);
        let failure =
            once(&egress(&listed.join(","), ""), following(&hosts), get(format!("http://{}/", listed[0]))).await;
        let failure = failure.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Denied, true), "{location}: {}", failure.message);
        assert!(!failure.message.contains(KEY), "{}", failure.message);
    }
    assert!(wire.take().is_empty());
}

#[tokio::test]
async fn a_key_across_the_end_of_what_is_logged_is_not_cut_in_two() {
    for before in 500..515 {
        let service = Service::start(move |seen| match seen.target.as_str() {
            "/" => redirect(302, &format!("/{}{KEY}/x", "x".repeat(before))),
            _ => redirect(302, &format!("http://elsewhere.test/{}{KEY}/x", "x".repeat(before))),
        })
        .await;
        let host = format!("a.test:{}", service.port());
        let session = egress(&host, "").session(following(&[&host]));
        let failure = session.send(get(format!("http://{host}/"))).await.unwrap_err();
        let said = format!("{} {}", log(&session), failure.message);
        assert!(said.contains("xxxx") && !said.contains("k3y"), "{before}: {said}");
    }
}
