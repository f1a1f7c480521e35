//! Redirects: followed only when asked for, each through the whole policy, and never with a credential elsewhere.

use resly_core::outbound::{Outbound, OutboundReason, OutboundRequest};
use resly_egress::SessionSpec;
use serde_json::json;

use crate::support::{Service, egress, get, log, manifest, ok, once, plain, post, redirect, spec, text};

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
