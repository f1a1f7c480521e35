//! What may be reached, and what may be sent there.

use std::sync::Arc;

use resly_core::connector::outbound::{Outbound, OutboundReason, OutboundRequest};
use serde_json::json;

use crate::support::{Names, Service, egress, egress_with, get, manifest, none, ok, once, post, spec, text};

#[tokio::test]
async fn a_granted_request_arrives_as_it_was_written() {
    let service = Service::start(|_| {
        let mut response = ok("{\"a\":1}");
        response.headers_mut().insert("X-Thing", "yes".parse().unwrap());
        response.headers_mut().append("set-cookie", "session=1".parse().unwrap());
        response
    })
    .await;
    let host = format!("crm.test:{}", service.port());
    let session = egress(&host, "").session(spec(manifest(&[&host], none())));
    let mut request = post(format!("http://{host}/a%20b/../c?q=1#frag"), "{}");
    request.headers = vec![("Content-Type".into(), "application/json".into()), ("X-A".into(), "1".into())];
    let response = session.send(request).await.unwrap();
    assert_eq!((response.status, text(&response).as_str(), response.truncated), (200, "{\"a\":1}", false));
    assert!(response.headers.contains(&("x-thing".into(), "yes".into())));
    assert!(!response.headers.iter().any(|(name, _)| name == "set-cookie" || name == "content-length"));

    let seen = service.only();
    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.body.as_slice()), ("POST", "/c?q=1", &b"{}"[..]));
    assert_eq!(seen.header("host"), Some(host.as_str()));
    assert_eq!(seen.header("content-length"), Some("2"));
    assert_eq!(seen.header("x-a"), Some("1"));
    assert_eq!(seen.header("accept-encoding"), Some("gzip, br"));
    assert!(seen.header("user-agent").unwrap().starts_with("Resly/"));
    let entry = json!({"method": "POST", "host": "crm.test", "path": "/c", "status": 200, "bytes": 7});
    assert_eq!(session.requests(), [entry]);
}

#[tokio::test]
async fn ungranted_hosts_ports_paths_and_schemes_are_denied() {
    let service = Service::start(|_| ok("")).await;
    let port = service.port();
    let listed = format!("crm.test:{port},other.test:{port}");
    let egress = egress(&listed, "");
    let granted = format!("crm.test:{port}/api");
    for url in [
        format!("http://other.test:{port}/api"),
        format!("http://crm.test:{port}/"),
        format!("http://crm.test:{port}/apix"),
        format!("http://crm.test:{port}/api/..%2f..%2fadmin"),
        format!("http://crm.test:{}/api", port ^ 1),
        "http://crm.test/api".to_owned(),
    ] {
        let failure = once(&egress, spec(manifest(&[&granted], none())), get(url.clone())).await.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Denied, false), "{url}: {}", failure.message);
    }
    // Granted, but plain http on a port that the operator has not listed.
    let elsewhere = format!("crm.test:{}", port ^ 1);
    let failure = once(&egress, spec(manifest(&[&elsewhere], none())), get(format!("http://{elsewhere}/"))).await;
    assert!(failure.unwrap_err().message.contains("plain http"));
    assert!(service.received().is_empty());
}

#[tokio::test]
async fn headers_methods_and_sizes_are_checked() {
    let service = Service::start(|_| ok("")).await;
    let host = format!("crm.test:{}", service.port());
    let egress = egress(&host, "");
    let send = |change: &dyn Fn(&mut OutboundRequest)| {
        let mut request = get(format!("http://{host}/"));
        change(&mut request);
        once(&egress, spec(manifest(&[&host], json!({"type": "bearer"}))), request)
    };
    for (name, value) in [
        ("Host", "evil.test"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Proxy-Authorization", "x"),
        ("Authorization", "mine"),
        ("X", "a\r\nX-Injected: 1"),
        ("X", "a\0"),
        ("X\r\nY", "a"),
        ("X Y", "a"),
        ("X:", "a"),
    ] {
        let failure = send(&|request| request.headers.push((name.into(), value.into()))).await.unwrap_err();
        assert_eq!(failure.reason, OutboundReason::Invalid, "{name:?}: {value:?}");
    }
    for method in ["TRACE", "CONNECT", "get", "GET /x HTTP/1.1\r\n", "", "G\0T"] {
        let failure = send(&|request| request.method = method.into()).await.unwrap_err();
        assert_eq!(failure.reason, OutboundReason::Invalid, "{method:?}");
    }
    for method in ["GET", "HEAD"] {
        let with_body = |request: &mut OutboundRequest| {
            request.method = method.into();
            request.body = Some("GET /other HTTP/1.1\r\nhost: crm.test\r\n\r\n".into());
        };
        let failure = send(&with_body).await.unwrap_err();
        assert_eq!(failure.reason, OutboundReason::Invalid, "{}", failure.message);
    }
    let large = |request: &mut OutboundRequest| {
        request.method = "POST".into();
        request.body = Some(vec![0; (1 << 20) + 1].into());
    };
    assert_eq!(send(&large).await.unwrap_err().reason, OutboundReason::TooLarge);
    assert!(service.received().is_empty());
}

#[tokio::test]
async fn a_setting_chooses_the_host_and_a_bad_one_is_denied() {
    let service = Service::start(|_| ok("")).await;
    let port = service.port();
    let egress = egress(&format!("acme.shop.test:{port}"), "");
    let pattern = format!("{{{{ settings.shop }}}}.shop.test:{port}");
    let with = |shop: &str| {
        let mut spec = spec(manifest(&[&pattern], none()));
        spec.settings = json!({ "shop": shop });
        spec
    };
    once(&egress, with("acme"), get(format!("http://acme.shop.test:{port}/"))).await.unwrap();
    let failure = once(&egress, with("other"), get(format!("http://acme.shop.test:{port}/"))).await.unwrap_err();
    assert_eq!(failure.reason, OutboundReason::Denied);
    let failure = once(&egress, with("acme.shop.test/#"), get(format!("http://acme.shop.test:{port}/"))).await;
    assert!(failure.unwrap_err().message.contains("setting `shop`"));
    assert_eq!(service.received().len(), 1);
}

#[tokio::test]
async fn a_name_is_resolved_once_for_a_connection_and_not_at_all_for_a_warm_one() {
    let service = Service::start(|_| ok("x")).await;
    let host = format!("crm.test:{}", service.port());
    let names = Arc::new(Names::default());
    let egress = egress_with(&host, "", Arc::clone(&names), |_| {});
    for _ in 0..5 {
        once(&egress, spec(manifest(&[&host], none())), get(format!("http://{host}/"))).await.unwrap();
    }
    assert_eq!(names.asked(), ["crm.test"]);
    assert_eq!(service.received().len(), 5);
}

#[tokio::test]
async fn a_call_has_so_many_requests_and_no_more() {
    let service = Service::start(|_| ok("x")).await;
    let host = format!("crm.test:{}", service.port());
    let mut spec = spec(manifest(&[&host], none()));
    spec.http_calls = 2;
    let session = egress(&host, "").session(spec);
    for _ in 0..2 {
        session.send(get(format!("http://{host}/"))).await.unwrap();
    }
    let failure = session.send(get(format!("http://{host}/"))).await.unwrap_err();
    assert_eq!((failure.reason, failure.sent), (OutboundReason::Quota, false));
    assert_eq!(service.received().len(), 2);
}
