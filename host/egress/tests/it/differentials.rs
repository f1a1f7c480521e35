//! URLs that parsers read differently: the one parse that policy judged is what DNS, SNI, `Host` and the request line
//! are made of, and what has two readings is refused.

use std::sync::Arc;

use resly_core::connector::outbound::OutboundReason;

use crate::{
    support::{Names, Wire, egress_with, get, manifest, none, once, spec, text},
    tls,
};

/// `{}` stands for the port. What is asked for with the granted `good.test` is either what is named here, or refused.
const URLS: [(&str, Option<&str>); 46] = [
    // taken, each in one way
    ("http://good.test:{}/x", Some("/x")),
    ("http://GOOD.Test:{}/x", Some("/x")),
    ("http://good.test:{}", Some("/")),
    ("http://good.test:{}?q", Some("/?q")),
    ("http://good.test:{}#@evil.test/", Some("/")),
    ("http://good.test:{}#\u{2044}@evil.test/", Some("/")),
    ("http://good.test:{}?@evil.test:80/", Some("/?@evil.test:80/")),
    ("http://good.test:{}/@evil.test/", Some("/@evil.test/")),
    ("http://good.test:{}//evil.test/", Some("//evil.test/")),
    ("http://good.test:{}/http://evil.test/", Some("/http://evil.test/")),
    ("http://good.test:{}/a/../../b", Some("/b")),
    ("http://good.test:{}/a/%2e%2E/b", Some("/b")),
    ("http://good.test:{}/;@evil.test", Some("/;@evil.test")),
    ("http://good%2etest:{}/", Some("/")),
    ("http://%67%6F%6fd.test:{}/", Some("/")),
    ("http://ｇｏｏｄ．ｔｅｓｔ:{}/", Some("/")),
    ("http://good。test:{}/", Some("/")),
    ("http://go\u{ad}od.test:{}/", Some("/")),
    ("http://go\u{200b}od.test:{}/", Some("/")),
    ("http://good.test:0{}/", Some("/")),
    ("http://good.test:{}/\u{e9}", Some("/%C3%A9")),
    // users, as the host of other parsers
    ("http://good.test@evil.test:{}/", None),
    ("http://good.test:{}@evil.test:{}/", None),
    ("http://evil.test@good.test:{}/", None),
    ("http://good.test:{}\\@evil.test:{}/", None),
    ("http://evil.test:{}\\@good.test:{}/", None),
    ("http://evil.test#@good.test:{}/", None),
    ("http://evil.test?@good.test:{}/", None),
    ("http://evil.test;@good.test:{}/", None),
    ("http://evil.test%40good.test:{}/", None),
    ("http://evil.test&@good.test:{}/", None),
    // slashes and white space
    ("http:/good.test:{}/", None),
    ("http:good.test:{}/", None),
    ("http:///good.test:{}/", None),
    ("http:////good.test:{}/", None),
    ("http:\\\\good.test:{}/", None),
    ("http://good.test:{}\\.evil.test/", None),
    ("http://evil.test:{}\t@good.test:{}/", None),
    ("http://good.test :{}/", None),
    ("ht\ntp://good.test:{}/", None),
    ("\u{1}http://good.test:{}/", None),
    ("HTTP://good.test:{}/", None),
    // names that are another's
    ("http://good.test.:{}/", None),
    ("http://good.test.evil.test:{}/", None),
    ("http://evil.test/good.test:{}/", None),
    ("http://good.test,evil.test:{}/", None),
];

#[tokio::test]
async fn policy_dns_and_the_wire_have_one_reading() {
    let wire = Wire::start().await;
    let host = format!("good.test:{}", wire.port);
    // The operator would let a request through to either; only one is granted.
    let allow = format!("{host},evil.test");
    for (url, expected) in URLS {
        let url = url.replace("{}", &wire.port.to_string());
        let names = Arc::new(Names::default());
        let egress = egress_with(&allow, "", Arc::clone(&names), |_| {});
        let result = once(&egress, spec(manifest(&[&host], none())), get(&url)).await;
        let arrived = wire.take();
        match (result, expected) {
            (Ok(_), Some(target)) => {
                assert_eq!(names.asked(), ["good.test"], "{url:?}");
                let [request] = arrived.as_slice() else { panic!("{url:?}: {arrived:?}") };
                let head = String::from_utf8(request.clone()).unwrap();
                let lines: Vec<&str> = head.split("\r\n").collect();
                assert_eq!(lines[0], format!("GET {target} HTTP/1.1"), "{url:?}");
                let hosts: Vec<&&str> = lines.iter().filter(|line| line.starts_with("host:")).collect();
                assert_eq!(hosts, [&format!("host: {host}")], "{url:?}");
            }
            (Err(failure), None) => {
                assert!(matches!(failure.reason, OutboundReason::Invalid | OutboundReason::Denied), "{url:?}");
                assert!(!failure.sent && arrived.is_empty(), "{url:?}");
                assert_eq!(names.asked(), [""; 0], "{url:?}");
            }
            (result, _) => panic!("{url:?}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn sni_and_the_certificate_have_it_too() {
    let (port, handshakes) = tls::serve().await;
    let host = format!("tls.test:{port}");
    for url in [
        "https://TLS.Test:{}/",
        "https://tls.test:{}?@evil.test",
        "https://tls.test:{}#@evil.test/",
        "https://tls.test:{}//evil.test/..",
        "https://ｔｌｓ%2etest:{}/",
        "https://tls\u{3002}test:{}/evil.test",
        "https://evil.test@tls.test:{}/",
        "https://tls.test:{}\\@evil.test/",
        "https://evil.test:{}/",
    ] {
        let url = url.replace("{}", &port.to_string());
        let names = Arc::new(Names::default());
        let egress = egress_with(&host, "", Arc::clone(&names), |config| config.extra_ca_pem = tls::CA.to_vec());
        let result = once(&egress, spec(manifest(&[&host], none())), get(&url)).await;
        let asked: Vec<String> = std::mem::take(&mut *handshakes.lock().unwrap());
        assert_eq!(
            result.is_ok(),
            !url.contains("evil.test:") && !url.contains('\\') && !url.contains("@tls"),
            "{url}"
        );
        match result {
            Ok(response) => {
                assert!(text(&response).contains(&format!("\r\nhost: {host}\r\n")), "{url:?}: {}", text(&response));
                assert_eq!((asked, names.asked()), (vec!["tls.test".to_owned()], vec!["tls.test".to_owned()]));
            }
            Err(failure) => {
                assert!(!failure.sent, "{url:?}");
                assert!(asked.is_empty() && names.asked().is_empty(), "{url:?}");
            }
        }
    }
}
