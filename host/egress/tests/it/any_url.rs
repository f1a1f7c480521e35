//! URLs made of the pieces that parsers quarrel about: what is taken has one reading, and the guard sees where it leads.

use std::{net::IpAddr, sync::Arc};

use proptest::prelude::*;
use resly_core::connector::outbound::OutboundReason;
use resly_egress::{Target, guard};
use url::Url;

use crate::support::{Names, egress_with, get, manifest, none, once, spec};

fn url() -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(vec!["https://", "http://", "https:", "https:/", "HTTPS://", "//", "ftp://", ""]);
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "a.test", "public.example", "127.0.0.1", "127.1", "0x7f", "2130706433", "169.254.169.254", "[::1]", "::1",
            "[::ffff:10.0.0.1]", "[64:ff9b::1]", "[2606:4700::1111]", "1.1.1.1", "localhost", "xn--bcher-kva", "\u{fc}",
        ]),
        4 => prop::sample::select(vec![
            ".", "..", "@", ":", "::", "/", "//", "\\", "?", "#", "%", "%2e", "%40", "%2f", "%00", "%25", "[", "]", ";",
            ",", "&", "-", "_", "*", "~", "|", "^", "{", "}", "<", "\"", "'", " ", "\t", "\r\n", "\0", "\u{7f}",
        ]),
        2 => prop::sample::select(vec!["\u{3002}", "\u{ff0e}", "\u{ad}", "\u{200b}", "\u{2044}", "\u{ff11}", "①", "\u{212a}"]),
        2 => prop::sample::select(vec![":443", ":80", ":0", ":65535", ":65536", ":08", "/x", "/../y", "?q=1", "#f"]),
        1 => "\\PC{1,3}".prop_map(|text| &*Box::leak(text.into_boxed_str())),
    ];
    (scheme, prop::collection::vec(piece, 0..7)).prop_map(|(scheme, pieces)| format!("{scheme}{}", pieces.concat()))
}

/// Of `host` or `host:port`, as RFC 3986 has them, without the brackets of an address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_taken_reads_the_same_to_every_parser(text in url()) {
        let Ok(target) = Target::parse(&text) else { return Ok(()) };
        // The URL Standard's parser.
        let parsed = Url::parse(&text).unwrap();
        prop_assert_eq!(target.url().host(), parsed.host());
        prop_assert_eq!(Some(target.port()), parsed.port_or_known_default());
        prop_assert_eq!((parsed.username(), parsed.password()), ("", None));
        // The client's parser.
        let sent: http::Uri = target.url().as_str().parse().unwrap();
        prop_assert_eq!(sent.host(), Some(target.host_text()));
        prop_assert_eq!(sent.port_u16().unwrap_or(if target.is_https() { 443 } else { 80 }), target.port());
        prop_assert!(!sent.authority().unwrap().as_str().contains('@'));
        // A reader of RFC 3986's generic syntax, where what was written is plain ASCII.
        let written = text.split_once("://").unwrap().1.split(['/', '?', '#']).next().unwrap();
        let host = written.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(written, |(host, _)| host);
        if host.bytes().all(|byte| byte.is_ascii_lowercase() || b".-".contains(&byte)) {
            prop_assert_eq!(host, target.host_text());
        }
        // What a dialler would take for an address is one, to the guard too.
        prop_assert_eq!(bare(target.host_text()).parse::<IpAddr>().ok(), target.literal());
        // Once read, it stays what it is.
        prop_assert_eq!(Target::parse(target.url().as_str()), Ok(target.clone()));
    }

    #[test]
    fn what_is_dialled_is_what_was_read(text in url()) {
        let Ok(target) = Target::parse(&text) else { return Ok(()) };
        let public = target.literal().is_some_and(|address| guard::check(address).is_ok());
        if public {
            // It would be dialled.
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let granted = format!("{}:{}", target.host_text(), target.port());
        let names = Arc::new(Names::anywhere("127.0.0.1"));
        let egress = egress_with("", "", Arc::clone(&names), |_| {});
        let outcome = runtime.block_on(once(&egress, spec(manifest(&[&granted], none())), get(&text)));
        let failure = outcome.unwrap_err();
        prop_assert_eq!((failure.reason, failure.sent), (OutboundReason::Denied, false), "{}", failure.message);
        // Plain http and literals aren't looked up; what is, is the name as it was read.
        match failure.message.contains("plain http") || failure.message.contains("host `") || target.literal().is_some() {
            true => prop_assert_eq!(names.asked(), [""; 0]),
            false => prop_assert_eq!(names.asked(), [target.host_text()]),
        }
    }
}
