//! What may be reached, and what may be sent there.

use std::sync::{Arc, atomic::Ordering};

use resly_core::outbound::{Outbound, OutboundReason, OutboundRequest};
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
    assert_eq!(seen.header("accept-encoding"), Some("gzip, br, zstd"));
    assert!(seen.header("user-agent").unwrap().starts_with("Resly/"));
    let entry = json!({"method": "POST", "host": "crm.test", "path": "/c", "status": 200, "bytes": 7});
    assert_eq!(session.requests(), [entry]);
}

#[tokio::test]
async fn loopback_in_every_notation_is_refused_before_anything_is_dialled() {
    let service = Service::start(|_| ok("secret")).await;
    let port = service.port();
    let notations = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "0x7F.0X0.00.1",
        "%31%32%37.0.0.1",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "127\u{3002}0\u{ff0e}0\u{ff61}1",
        "0.0.0.0",
        "0",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "localhost.test",
        "private.example",
        "mixed.example",
        "mapped.example",
    ];
    let mut names = Names::default();
    names.known.insert("private.example", vec!["10.1.2.3"]);
    names.known.insert("mixed.example", vec!["1.1.1.1", "127.0.0.1"]);
    names.known.insert("mapped.example", vec!["::ffff:127.0.0.1"]);
    let egress = egress_with("", "", Arc::new(names), |_| {});
    for notation in notations {
        let host = format!("{notation}:{port}");
        // The grant is in the way of none of them: it is the guard that refuses.
        let granted = url::Url::parse(&format!("https://{host}")).unwrap();
        let granted = format!("{}:{port}", granted.host_str().unwrap());
        let failure = once(&egress, spec(manifest(&[&granted], none())), get(format!("https://{host}/"))).await;
        let failure = failure.unwrap_err();
        assert_eq!(failure.reason, OutboundReason::Denied, "{notation}: {failure:?}");
        assert!(!failure.sent, "{notation}");
        for address in ["10.1.2.3", "1.1.1.1"] {
            assert!(!failure.message.contains(address), "{}", failure.message);
        }
    }
    assert!(service.received().is_empty());
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
async fn what_parsers_could_read_two_ways_is_invalid() {
    let egress = egress("crm.test,evil.test", "");
    for url in [
        "http://crm.test\\@evil.test/",
        "http://crm.test@evil.test/",
        "http://evil.test\t@crm.test/",
        "http:/crm.test/",
        "http:\\\\crm.test/",
        "http://crm.test/\r\nHost: evil.test",
        "http://crm.test./",
        "http://crm.test\u{3002}/",
        "http://[::1%25lo]/",
        "gopher://crm.test/",
    ] {
        let failure = once(&egress, spec(manifest(&["crm.test", "evil.test"], none())), get(url)).await.unwrap_err();
        assert_eq!(failure.reason, OutboundReason::Invalid, "{url:?}: {}", failure.message);
    }
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
    let failure = send(&|request| request.body = Some(vec![0; (1 << 20) + 1].into())).await.unwrap_err();
    assert_eq!(failure.reason, OutboundReason::TooLarge);
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
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
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
