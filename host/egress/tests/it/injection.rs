//! All 256 byte values, in every place that a guest or an admin can write: refused before anything is sent, or on the
//! wire as the one thing they were written as. What arrives is read off the wire by a server of the test's own.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode;
use resly_core::connector::outbound::OutboundRequest;
use resly_egress::SessionSpec;
use serde_json::{Value, json};

use crate::support::{Wire, egress, get, manifest, none, once, plain, post, spec};

/// Where a character is written.
#[derive(Clone, Copy, Debug)]
enum Place {
    HeaderName,
    HeaderValue,
    HeaderStart,
    HeaderEnd,
    Method,
    Path,
    Query,
    Fragment,
    Host,
    Port,
    Body,
    Token,
    KeyInHeader,
    KeyInQuery,
    OauthToken,
    UserName,
    Password,
}

const PLACES: [Place; 17] = [
    Place::HeaderName,
    Place::HeaderValue,
    Place::HeaderStart,
    Place::HeaderEnd,
    Place::Method,
    Place::Path,
    Place::Query,
    Place::Fragment,
    Place::Host,
    Place::Port,
    Place::Body,
    Place::Token,
    Place::KeyInHeader,
    Place::KeyInQuery,
    Place::OauthToken,
    Place::UserName,
    Place::Password,
];

/// A request that arrived, taken apart as strictly as RFC 9112 has it.
#[derive(Debug)]
struct Arrived {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Arrived {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let (first, headers) = (lines.next().unwrap(), lines);
        for line in head.split("\r\n") {
            assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')), "{line:?}");
        }
        let parts: Vec<&str> = first.split(' ').collect();
        assert!(parts.len() == 3 && parts[2] == "HTTP/1.1", "{first:?}");
        let (method, target) = (parts[0], parts[1]);
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert!(!name.is_empty() && name.bytes().all(token), "{line:?}");
            (name.to_owned(), value.trim().to_owned())
        };
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.map(header).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    /// The one header of this name.
    fn only(&self, name: &str) -> &str {
        let all: Vec<_> = self.headers.iter().filter(|(have, _)| have == name).collect();
        assert_eq!(all.len(), 1, "{name}: {self:?}");
        &all[0].1
    }

    fn path_and_query(&self) -> (Vec<u8>, Vec<u8>) {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        (percent_decode(path.as_bytes()).collect(), percent_decode(query.as_bytes()).collect())
    }
}

struct Case {
    spec: SessionSpec,
    request: OutboundRequest,
}

fn with(host: &str, auth: Value, credentials: Value) -> SessionSpec {
    SessionSpec { credentials: plain(credentials), ..spec(manifest(&[host], auth)) }
}

fn case(place: Place, c: char, host: &str) -> Case {
    let open = || spec(manifest(&[host], none()));
    let root = || get(format!("http://{host}/"));
    let header = |name: String, value: String| OutboundRequest { headers: vec![(name, value)], ..root() };
    let port = host.split_once(':').unwrap().1;
    let (spec, request) = match place {
        Place::HeaderName => (open(), header(format!("x{c}y"), "v".to_owned())),
        Place::HeaderValue => (open(), header("x-test".to_owned(), format!("a{c}b"))),
        Place::HeaderStart => (open(), header("x-test".to_owned(), format!("{c}b"))),
        Place::HeaderEnd => (open(), header("x-test".to_owned(), format!("a{c}"))),
        Place::Method => (open(), OutboundRequest { method: format!("GE{c}"), ..root() }),
        Place::Path => (open(), get(format!("http://{host}/a{c}b"))),
        Place::Query => (open(), get(format!("http://{host}/?a{c}b"))),
        Place::Fragment => (open(), get(format!("http://{host}/#a{c}b"))),
        Place::Host => (open(), get(format!("http://a{c}.test:{port}/"))),
        Place::Port => (open(), get(format!("http://a.test:{port}{c}/"))),
        Place::Body => (open(), post(format!("http://{host}/"), &format!("a{c}b"))),
        Place::Token => (with(host, json!({"type": "bearer"}), json!({"token": format!("k{c}y")})), root()),
        Place::KeyInHeader => {
            let auth = json!({"type": "api_key", "name": "x-key", "prefix": "Key "});
            (with(host, auth, json!({"api_key": format!("k{c}y")})), root())
        }
        Place::KeyInQuery => {
            let auth = json!({"type": "api_key", "in": "query", "name": "key"});
            (with(host, auth, json!({"api_key": format!("k{c}y")})), root())
        }
        Place::OauthToken => {
            let auth = json!({"type": "oauth2", "token_url": "https://a.test/token"});
            (with(host, auth, json!({"client_id": "c", "access_token": format!("k{c}y")})), root())
        }
        Place::UserName => {
            let credentials = json!({"username": format!("u{c}"), "password": "p"});
            (with(host, json!({"type": "basic"}), credentials), root())
        }
        Place::Password => {
            let credentials = json!({"username": "u", "password": format!("p{c}w")});
            (with(host, json!({"type": "basic"}), credentials), root())
        }
    };
    Case { spec, request }
}

/// Whether it may be sent at all.
fn is_sent(place: Place, c: char) -> bool {
    let printable = (' '..='~').contains(&c) || c == '\t';
    // What a URL's parsers disagree about.
    let url = !(c.is_control() || c.is_whitespace() || c == '\\');
    match place {
        Place::HeaderName => c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c),
        Place::HeaderValue | Place::HeaderStart | Place::HeaderEnd => printable,
        Place::Method => c.is_ascii_uppercase() || c == '-',
        Place::Path | Place::Query | Place::Fragment => url,
        // A soft hyphen is nothing in a name, and so it is in DNS, `Host` and the grant.
        Place::Host => c == '\u{ad}',
        // These end the port.
        Place::Port => "/?#".contains(c),
        Place::Token | Place::KeyInHeader | Place::OauthToken => printable,
        Place::Body | Place::KeyInQuery | Place::UserName | Place::Password => true,
    }
}

/// What has to be on the wire of what was written.
fn check(place: Place, c: char, arrived: &Arrived, host: &str) {
    let mut written = format!("a{c}b").into_bytes();
    let mut extra = 0;
    assert_eq!(arrived.only("host"), host);
    match place {
        Place::HeaderName => {
            assert_eq!(arrived.only(&format!("x{c}y").to_ascii_lowercase()), "v");
            extra = 1;
        }
        Place::HeaderValue | Place::HeaderStart | Place::HeaderEnd => {
            let value = match place {
                Place::HeaderValue => format!("a{c}b"),
                Place::HeaderStart => format!("{c}b"),
                _ => format!("a{c}"),
            };
            assert_eq!(arrived.only("x-test"), value.trim());
            extra = 1;
        }
        Place::Method => assert_eq!(arrived.method, format!("GE{c}")),
        Place::Path => {
            let (path, query) = match c {
                '?' => (b"/a".to_vec(), b"b".to_vec()),
                '#' => (b"/a".to_vec(), Vec::new()),
                _ => ([b"/".as_slice(), &written].concat(), Vec::new()),
            };
            assert_eq!(arrived.path_and_query(), (path, query));
        }
        Place::Query => {
            if c == '#' {
                written.truncate(1);
            }
            assert_eq!(arrived.path_and_query(), (b"/".to_vec(), written));
        }
        Place::Port => assert_eq!(arrived.path_and_query().0[0], b'/'),
        Place::Fragment | Place::Host => assert_eq!(arrived.target, "/"),
        Place::Body => {
            assert_eq!(arrived.body, written);
            assert_eq!(arrived.only("content-length"), written.len().to_string());
            extra = 1;
        }
        Place::Token | Place::OauthToken => {
            assert_eq!(arrived.only("authorization"), format!("Bearer k{c}y"));
            extra = 1;
        }
        Place::KeyInHeader => {
            assert_eq!(arrived.only("x-key"), format!("Key k{c}y"));
            extra = 1;
        }
        Place::KeyInQuery => {
            let query = arrived.target.strip_prefix("/?").unwrap();
            let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            assert_eq!(pairs, [("key".to_owned(), format!("k{c}y"))]);
        }
        Place::UserName | Place::Password => {
            let pair = STANDARD.decode(arrived.only("authorization").strip_prefix("Basic ").unwrap()).unwrap();
            let written = if matches!(place, Place::UserName) { format!("u{c}:p") } else { format!("u:p{c}w") };
            assert_eq!(String::from_utf8(pair).unwrap(), written);
            extra = 1;
        }
    }
    // What every request has: accept, accept-encoding, user-agent, host.
    assert_eq!(arrived.headers.len(), 4 + extra, "{arrived:?}");
    assert!(arrived.body.is_empty() || matches!(place, Place::Body));
}

#[tokio::test]
async fn every_byte_in_every_place_is_refused_or_arrives_as_itself() {
    let wire = Wire::start().await;
    let host = format!("a.test:{}", wire.port);
    let egress = egress(&host, "");
    for place in PLACES {
        let mut sent = 0;
        for byte in 0..=255_u8 {
            let c = char::from(byte);
            let Case { spec, request } = case(place, c, &host);
            let result = once(&egress, spec, request).await;
            let arrived = wire.take();
            assert_eq!(result.is_ok(), is_sent(place, c), "{place:?} {byte:#04x}: {result:?}");
            match result {
                Ok(_) => {
                    assert_eq!(arrived.len(), 1, "{place:?} {byte:#04x}");
                    check(place, c, &Arrived::parse(&arrived[0]), &host);
                    sent += 1;
                }
                Err(failure) => {
                    assert!(arrived.is_empty() && !failure.sent, "{place:?} {byte:#04x}: {failure:?}");
                    assert!(!failure.message.contains(|c: char| c.is_control()), "{:?}", failure.message);
                }
            }
        }
        assert!(sent > 0, "{place:?}: nothing was ever sent");
    }
}

#[tokio::test]
async fn whole_lines_and_requests_are_no_better_than_single_bytes() {
    let wire = Wire::start().await;
    let host = format!("a.test:{}", wire.port);
    let egress = egress(&host, "");
    let injected = [
        "\r\nx-injected: 1",
        "\nx-injected: 1",
        "\rx-injected: 1",
        "\r\n\r\nGET /other HTTP/1.1\r\nhost: a.test\r\n\r\n",
        "\u{560d}\u{560a}x-injected: 1",
        "\u{85}x-injected: 1",
        "\r\n transfer-encoding: chunked",
    ];
    for text in injected {
        let header = |name: &str, value: String| OutboundRequest {
            headers: vec![(name.to_owned(), value)],
            ..get(format!("http://{host}/"))
        };
        let requests = [
            header("x-test", format!("a{text}")),
            header(&format!("x-test{text}"), "a".to_owned()),
            OutboundRequest { method: format!("GET{text}"), ..get(format!("http://{host}/")) },
            get(format!("http://{host}/{text}")),
            get(format!("http://{host}/?{text}")),
            get(format!("http://{host}{text}/")),
        ];
        for (at, request) in requests.into_iter().enumerate() {
            let result = once(&egress, spec(manifest(&[&host], none())), request).await;
            let arrived = wire.take();
            // Letters that older servers cut to one byte are letters in a URL, and arrive encoded.
            match result {
                Ok(_) => {
                    let arrived: Vec<_> = arrived.iter().map(|bytes| Arrived::parse(bytes)).collect();
                    assert_eq!((arrived.len(), arrived[0].headers.len()), (1, 4), "{at} {text:?}: {arrived:?}");
                }
                Err(_) => assert!(arrived.is_empty(), "{at} {text:?}"),
            }
        }
        for (auth, field) in [
            (json!({"type": "bearer"}), "token"),
            (json!({"type": "api_key", "name": "x-key"}), "api_key"),
            (json!({"type": "api_key", "name": "x-key", "prefix": text}), "api_key"),
        ] {
            let spec = with(&host, auth, json!({ field: format!("key{text}") }));
            assert!(once(&egress, spec, get(format!("http://{host}/"))).await.is_err(), "{text:?}");
            assert!(wire.take().is_empty());
        }
    }
}
