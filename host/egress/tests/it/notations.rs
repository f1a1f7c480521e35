//! Addresses that aren't public: however they are written, and whichever name leads there, nothing is dialled.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
};

use resly_core::connector::outbound::OutboundReason;

use crate::support::{Names, egress_with, get, manifest, none, once, raw, spec};

/// What an address is, in the words of the refusal, and the ways to write one that a URL's parser takes for it.
const LITERALS: [(&str, &[&str]); 15] = [
    (
        "a loopback address",
        &[
            "127.0.0.1",
            "127.255.255.254",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0X7F.0x0.00.1",
            "0x7f.1",
            "017700000001",
            "0177.0.0.1",
            "0000177.0.0.01",
            "127.0.0.0x1",
            "%31%32%37.0.0.1",
            "127%2e0%2E0.1",
            "127.0.0.%31",
            "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
            "127\u{3002}0\u{ff0e}0\u{ff61}1",
            "①②⑦.0.0.①",
            "127.0.0.1.",
            "127.1\u{3002}",
            "127.0.0.1\u{ad}",
            "127.0\u{200b}.0.1",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[0000:0000:0000:0000:0000:0000:0000:0001]",
            "[::0.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[64:FF9B::7F00:1]",
        ],
    ),
    ("an unspecified address", &["0.0.0.0", "0", "0x0", "00.0x0", "[::]", "[0::0]"]),
    (
        "a private address",
        &[
            "10.0.0.1",
            "10.1",
            "012.0.0.1",
            "167772161",
            "172.16.0.1",
            "172.31.255.255",
            "0xac.0x10.0.1",
            "192.168.0.1",
            "192.168.1",
            "0xc0a80001",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[fd20:ce::254]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b::c0a8:1]",
        ],
    ),
    ("a shared (carrier-grade NAT) address", &["100.64.0.1", "100.127.255.254", "100.4194305", "0x64400001"]),
    (
        "a link-local address",
        &["169.254.0.1", "169.254.169.253", "169.254.1", "[fe80::1]", "[FE80::A9FE:A9FE]", "[febf::1]", "[fec0::1]"],
    ),
    (
        "a cloud's metadata service",
        &[
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0xA9.0xFE.0xA9.0xFE",
            "0251.0376.0251.0376",
            "169.254.43518",
            "169.16689662",
            "\u{ff11}69.254.169.254",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b::a9fe:a9fe]",
            "100.100.100.200",
            "168.63.129.16",
        ],
    ),
    (
        "an IPv6 address that stands for an IPv4 address",
        &[
            // mapped, compatible, translated
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::FFFF:A9FE:A9FE]",
            "[0:0:0:0:0:ffff:7f00:1]",
            "[::ffff:8.8.8.8]",
            "[::127.0.0.1]",
            "[::a9fe:a9fe]",
            "[::ffff:0:127.0.0.1]",
            "[::ffff:0:a00:1]",
            // NAT64 with a prefix of its own, Teredo, 6to4, ISATAP
            "[64:ff9b:1::127.0.0.1]",
            "[64:ff9b:1:fffe::a00:1]",
            "[2001::1]",
            "[2001:0:7f00:1::]",
            "[2001:0000:4136:e378:8000:63bf:80ff:fffe]",
            "[2002:7f00:1::]",
            "[2002:a9fe:a9fe::1]",
            "[2002:c0a8:101:1::1]",
            "[2606:4700::5efe:127.0.0.1]",
            "[2606:4700::200:5efe:192.168.0.1]",
        ],
    ),
    ("an address for benchmarks", &["198.18.0.1", "198.19.255.255", "198.1179649", "[2001:2::1]", "[2001:2:0:ffff::]"]),
    (
        "an address for documentation",
        &[
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.255",
            "0xc0000201",
            "[2001:db8::1]",
            "[2001:DB8:ffff::]",
            "[3fff::1]",
        ],
    ),
    ("a multicast address", &["224.0.0.1", "239.255.255.250", "0xe0000001", "[ff02::1]", "[ff0e::1]"]),
    ("the broadcast address", &["255.255.255.255", "4294967295", "0xffffffff", "255.16777215"]),
    (
        "a reserved address",
        &["0.1.2.3", "192.0.0.1", "192.0.0.192", "192.0.0.170", "192.88.99.1", "240.0.0.1", "255.0.0.1"],
    ),
    ("a reserved address", &["[100::1]", "[100:0:0:1::1]", "[2001:10::1]", "[2001:20::1]", "[5f00::1]", "[4000::1]"]),
    ("a reserved address", &["[64:ff9b:0:0:1::]", "[::1:0:0:1]", "[::1:2:3:4]", "[0:1::]", "[e000::1]", "[1000::1]"]),
    ("a reserved address", &["[64:ff9b::240.0.0.1]", "[64:ff9b::192.0.0.1]", "[64:ff9b::0.0.0.9]"]),
];

/// What isn't read as a host at all, whatever other parsers make of it.
const NO_HOSTS: [&str; 33] = [
    // users and passwords
    "public.example@127.0.0.1",
    "public.example:443@127.0.0.1",
    "@127.0.0.1",
    ":@127.0.0.1",
    "127.0.0.1@public.example",
    "a@b@127.0.0.1",
    "public.example%40127.0.0.1",
    // zones
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[::1%25lo]",
    // dots at the end
    "localhost.",
    "metadata.google.internal.",
    "public.example\u{3002}",
    "public.example%2e",
    // slashes, white space and control characters
    "public.example\\@127.0.0.1",
    "127.0.0.1\\.public.example",
    "\\127.0.0.1",
    "/127.0.0.1",
    "127.0.0.1\t",
    "127.\t0.0.1",
    "127.0.0.1\n",
    "127\r\n.0.0.1",
    " 127.0.0.1",
    "127.0.0.1\u{a0}",
    "127.0.0.1\u{2028}",
    "127.0.0.1\0",
    "127.0.0.1%00",
    "public.example%0a.127.0.0.1",
    // numbers that are no address
    "127.0.0.256",
    "4294967296",
    "0x100000000",
    "1.2.3.4.5",
    "127.0.0.0x100",
];

fn no_dialling() -> (Arc<Names>, Arc<resly_egress::Egress>) {
    let names = Arc::new(Names::default());
    (Arc::clone(&names), egress_with("", "", names, |_| {}))
}

#[tokio::test]
async fn a_literal_is_refused_for_what_it_is_in_every_notation() {
    let (port, connections) = raw(|_| async { Ok(()) }).await;
    let (names, egress) = no_dialling();
    for (kind, notations) in LITERALS {
        for notation in notations {
            let url = format!("https://{notation}:{port}/latest/meta-data/");
            // It is granted, so that it is the guard that refuses.
            let granted = url::Url::parse(&url).unwrap_or_else(|error| panic!("{notation}: {error}"));
            let granted = format!("{}:{port}", granted.host_str().unwrap());
            let failure = once(&egress, spec(manifest(&[&granted], none())), get(&url)).await.unwrap_err();
            assert_eq!((failure.reason, failure.sent), (OutboundReason::Denied, false), "{notation}: {failure:?}");
            assert!(failure.message.contains(kind), "{notation}: {}", failure.message);
            // Plain http fares no better.
            let failure =
                once(&egress, spec(manifest(&[&granted], none())), get(url.replacen("https", "http", 1))).await;
            assert_eq!(failure.unwrap_err().reason, OutboundReason::Denied, "{notation}");
        }
    }
    assert_eq!(names.asked(), [""; 0], "a literal is not looked up");
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_could_be_read_as_another_host_is_no_host() {
    let (port, connections) = raw(|_| async { Ok(()) }).await;
    let (names, egress) = no_dialling();
    let hosts = ["127.0.0.1", "public.example", "[::1]"].map(|host| format!("{host}:{port}"));
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    for host in NO_HOSTS {
        for url in [format!("https://{host}:{port}/"), format!("https://{host}/"), format!("http://{host}:{port}")] {
            let failure = once(&egress, spec(manifest(&hosts, none())), get(&url)).await.unwrap_err();
            assert_eq!((failure.reason, failure.sent), (OutboundReason::Invalid, false), "{url:?}: {failure:?}");
        }
    }
    for url in [
        "https:/127.0.0.1/",
        "https:127.0.0.1",
        "https:\\\\127.0.0.1",
        "https:///127.0.0.1/",
        "//127.0.0.1/",
        "HTTPS://127.0.0.1/",
        "file://127.0.0.1/etc/passwd",
        "gopher://127.0.0.1/",
        "jar:https://127.0.0.1!/",
        "data:text/plain,x",
        "unix:/run/docker.sock",
        "https://",
        "https://:443/",
        "https://?127.0.0.1",
        "https://#127.0.0.1",
        "https://[::1/",
        "https://::1/",
        "https://[127.0.0.1]/",
        "https://127.0.0.1:0/",
        "https://127.0.0.1:65536/",
        "https://127.0.0.1:44 3/",
        "https://127.0.0.1:-1/",
        "https://127.0.0.1:443:80/",
        "",
        "127.0.0.1",
    ] {
        let failure = once(&egress, spec(manifest(&hosts, none())), get(url)).await.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Invalid, false), "{url:?}: {failure:?}");
    }
    assert_eq!(names.asked(), [""; 0]);
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

/// Names as they are found in the wild for what connectors have no business with.
const NAMES: [(&str, &[&str]); 12] = [
    ("localhost", &["127.0.0.1", "::1"]),
    ("a.localhost", &["127.0.0.1"]),
    ("ip6-localhost", &["::1"]),
    ("metadata", &["169.254.169.254"]),
    ("metadata.google.internal", &["169.254.169.254"]),
    ("metadata.azure.internal", &["169.254.169.254"]),
    ("instance-data.ec2.internal", &["fd00:ec2::254"]),
    ("kubernetes.default.svc", &["10.96.0.1"]),
    ("host.docker.internal", &["172.17.0.1"]),
    ("169.254.169.254.nip.io", &["169.254.169.254"]),
    ("7f000001.rbndr.example", &["127.0.0.1"]),
    ("xn--bcher-kva.example", &["192.168.1.1"]),
];

#[tokio::test]
async fn a_name_is_refused_for_any_of_its_addresses() {
    let (port, connections) = raw(|_| async { Ok(()) }).await;
    let mut cases: Vec<(&str, Vec<&str>)> = NAMES.iter().map(|(name, addresses)| (*name, addresses.to_vec())).collect();
    // What a URL may not say, a DNS answer may not either: alone, and before, after and among public addresses.
    let literals = LITERALS.iter().flat_map(|(_, notations)| *notations);
    let addresses: Vec<&str> =
        literals.map(|text| text.trim_matches(['[', ']'])).filter(|text| text.parse::<IpAddr>().is_ok()).collect();
    assert!(addresses.len() > 70, "{}", addresses.len());
    for address in addresses {
        cases.push(("alone.example", vec![address]));
        cases.push(("first.example", vec![address, "1.1.1.1"]));
        cases.push(("last.example", vec!["1.1.1.1", "2606:4700::1111", address]));
        cases.push(("among.example", vec!["1.1.1.1", address, "8.8.8.8"]));
    }
    for (name, addresses) in cases {
        let names = Arc::new(Names::of([(name, addresses.clone())]));
        let egress = egress_with("", "", Arc::clone(&names), |config| config.retry.retries = 2);
        let host = format!("{name}:{port}");
        let failure = once(&egress, spec(manifest(&[&host], none())), get(format!("https://{host}/"))).await;
        let failure = failure.unwrap_err();
        assert_eq!(
            (failure.reason, failure.sent),
            (OutboundReason::Denied, false),
            "{name} {addresses:?}: {failure:?}"
        );
        assert_eq!(names.asked(), [name], "asked once: a refusal is not tried again");
        // Where it leads is the operator's to know.
        for address in addresses {
            assert!(name.contains(address) || !failure.message.contains(address), "{}", failure.message);
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_without_an_answer_is_no_way_in() {
    for known in [vec![], vec![("empty.example", vec![])]] {
        let names = Arc::new(Names::of(known));
        let egress = egress_with("", "", names, |config| config.retry.retries = 0);
        let failure = once(&egress, spec(manifest(&["empty.example"], none())), get("https://empty.example/")).await;
        let failure = failure.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Network, false));
        assert!(failure.message.contains("could not be resolved"), "{}", failure.message);
    }
}
