//! Routes: dialled elsewhere, judged by the name as asked.

use resly_core::connector::outbound::{Outbound, OutboundReason};
use resly_egress::SessionSpec;
use serde_json::json;

use crate::support::{Service, egress, get, manifest, none, ok, once, plain, redirect, spec, text};

#[tokio::test]
async fn a_routed_host_is_asked_for_by_its_own_name() {
    let service = Service::start(|seen| ok(format!("{:?}", seen.header("authorization")))).await;
    let egress = egress("", &format!("api.stripe.com=http://{}", service.address));
    let spec = SessionSpec {
        credentials: plain(json!({"token": "tok-12345"})),
        ..spec(manifest(&["api.stripe.com/v1"], json!({"type": "bearer"})))
    };
    let session = egress.session(spec);
    let response = session.send(get("https://api.stripe.com/v1/charges?limit=1")).await.unwrap();
    assert_eq!(text(&response), "Some(\"Bearer [redacted]\")");
    let seen = service.only();
    assert_eq!((seen.header("host"), seen.target.as_str()), (Some("api.stripe.com"), "/v1/charges?limit=1"));
    assert_eq!(seen.header("authorization"), Some("Bearer tok-12345"));
    assert_eq!(session.requests()[0]["host"], "api.stripe.com");
    let failure = session.send(get("https://api.stripe.com/v2")).await.unwrap_err();
    assert_eq!(failure.reason, OutboundReason::Denied);
}

#[tokio::test]
async fn a_route_grants_nothing() {
    let service = Service::start(|_| ok("")).await;
    let egress = egress("", &format!("api.stripe.com=http://{}", service.address));
    for (hosts, url) in [
        (vec!["other.example"], "https://api.stripe.com/".to_owned()),
        (vec!["api.stripe.com"], "http://api.stripe.com/".to_owned()),
        (vec!["127.0.0.1"], format!("https://{}/", service.address)),
        (vec!["api.stripe.com:8443"], "https://api.stripe.com/".to_owned()),
    ] {
        let failure = once(&egress, spec(manifest(&hosts, none())), get(url.clone())).await.unwrap_err();
        assert_eq!(failure.reason, OutboundReason::Denied, "{url}");
    }
    assert!(service.received().is_empty());
}

#[tokio::test]
async fn a_redirect_within_the_name_as_asked_keeps_to_the_route() {
    let service = Service::start(|seen| match seen.target.as_str() {
        "/1" => redirect(302, "https://api.stripe.com/2"),
        _ => ok("there"),
    })
    .await;
    let egress = egress("", &format!("api.stripe.com=http://{}", service.address));
    let mut manifest = manifest(&["api.stripe.com"], json!({"type": "bearer"}));
    manifest["redirects"] = true.into();
    let spec = SessionSpec { credentials: plain(json!({"token": "tok-12345"})), ..spec(manifest) };
    assert_eq!(text(&once(&egress, spec, get("https://api.stripe.com/1")).await.unwrap()), "there");
    assert!(service.received().iter().all(|seen| seen.header("authorization") == Some("Bearer tok-12345")));
}
