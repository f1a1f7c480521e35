//! Upstreams that mean harm: answers that never end, that trickle, that are two at once, that unpack to more than memory.

use std::{io::Write, sync::Arc, time::Duration};

use resly_core::connector::outbound::{Outbound, OutboundFailure, OutboundReason, OutboundResponse};
use resly_egress::{EgressConfig, SessionSpec};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Names, egress, egress_with, get, manifest, none, once, raw, say, spec, text};

/// What an upstream says: once, and then over and over until nobody listens.
#[derive(Clone, Copy)]
struct Script {
    once: &'static str,
    again: &'static str,
    /// Between two repetitions; without one they follow each other as fast as they are read.
    pause: Option<Duration>,
}

async fn play(script: Script) -> u16 {
    let (port, _) = raw(move |mut stream: TcpStream| async move {
        say(&mut stream, script.once).await?;
        let block = if script.pause.is_none() { script.again.repeat(64) } else { script.again.to_owned() };
        let mut ticks = script.pause.map(tokio::time::interval);
        loop {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            if block.is_empty() {
                // What is silent waits for the other to go.
                return stream.read(&mut [0; 1]).await.map(drop);
            }
            say(&mut stream, &block).await?;
        }
    })
    .await;
    port
}

fn impatient(config: &mut EgressConfig) {
    config.first_byte_timeout = Duration::from_millis(300);
    config.idle_timeout = Duration::from_millis(300);
    config.retry.retries = 0;
}

async fn call(port: u16, deadline: Duration) -> Result<OutboundResponse, OutboundFailure> {
    let host = format!("a.test:{port}");
    let egress = egress_with(&host, "", Arc::new(Names::default()), impatient);
    let spec = SessionSpec { deadline, response_bytes: 10_000, ..spec(manifest(&[&host], none())) };
    once(&egress, spec, get(format!("http://{host}/"))).await
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(600);
const TICK: Option<Duration> = Some(Duration::from_millis(5));

#[tokio::test]
async fn what_has_no_end_ends_with_a_reason() {
    use OutboundReason::{Network, Timeout, TooLarge};
    let head = "HTTP/1.1 200 OK\r\n";
    let cases: [(&str, Script, Duration, &[OutboundReason]); 12] = [
        ("no head", Script { once: "", again: "", pause: None }, LONG, &[Timeout]),
        ("half a status line", Script { once: "HTTP/1.1 2", again: "", pause: None }, LONG, &[Timeout]),
        ("a trickling status line", Script { once: "HTTP/1.1 200 ", again: "O", pause: TICK }, LONG, &[Timeout]),
        ("a trickling header", Script { once: "HTTP/1.1 200 OK\r\nx: ", again: "y", pause: TICK }, LONG, &[Timeout]),
        ("trickling headers", Script { once: head, again: "x: y\r\n", pause: TICK }, LONG, &[Timeout, Network]),
        ("endless headers", Script { once: head, again: "x: y\r\n", pause: None }, LONG, &[Network]),
        (
            "an endless header",
            Script { once: "HTTP/1.1 200 OK\r\nx: ", again: "yyyyyyyy", pause: None },
            LONG,
            &[Network],
        ),
        ("an endless status line", Script { once: "HTTP/1.1 200 ", again: "OOOOOOOO", pause: None }, LONG, &[Network]),
        (
            "endless interim answers",
            Script { once: "", again: "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", pause: None },
            LONG,
            &[Timeout],
        ),
        (
            "a trickling body",
            Script { once: "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", again: "x", pause: TICK },
            SHORT,
            &[Timeout],
        ),
        (
            "an endless chunk extension",
            Script {
                once: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=",
                again: "yyyyyyyy",
                pause: None,
            },
            LONG,
            &[Network],
        ),
        (
            "endless trailers",
            Script {
                once: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
                again: "x: y\r\n",
                pause: None,
            },
            LONG,
            &[Network],
        ),
    ];
    for (what, script, deadline, reasons) in cases {
        let failure = call(play(script).await, deadline).await.unwrap_err();
        assert!(reasons.contains(&failure.reason) || (failure.reason == TooLarge), "{what}: {failure:?}");
        assert!(failure.sent, "{what}: {failure:?}");
    }
    // Until here an answer failed; these are cut.
    for (what, script) in [
        (
            "endless chunks",
            Script { once: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", again: "1\r\nx\r\n", pause: None },
        ),
        ("no length at all", Script { once: "HTTP/1.1 200 OK\r\n\r\n", again: "xxxxxxxx", pause: None }),
        (
            "a length beyond all",
            Script {
                once: "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551613\r\n\r\n",
                again: "xxxxxxxx",
                pause: None,
            },
        ),
    ] {
        let response = call(play(script).await, LONG).await.unwrap_or_else(|failure| panic!("{what}: {failure:?}"));
        assert_eq!((response.body.len(), response.truncated), (10_000, true), "{what}");
    }
}

/// Answers each connection's first request with these bytes, keeps it open, and answers all others in order.
async fn smuggler(first: &'static str) -> (u16, Arc<std::sync::atomic::AtomicUsize>) {
    raw(move |mut stream: TcpStream| async move {
        say(&mut stream, first).await?;
        let mut request = [0; 4096];
        while stream.read(&mut request).await? > 0 {
            say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecond").await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_answer_that_is_two_answers_only_its_own_request() {
    let smuggled = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled";
    let wholes: [(&'static str, &str); 4] = [
        // Everything beyond the length is nobody's answer.
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst", "first"),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n", "first"),
    ];
    for (first, expected) in wholes {
        let (port, _) = smuggler(Box::leak(format!("{first}{smuggled}").into_boxed_str())).await;
        let host = format!("a.test:{port}");
        let egress = egress(&host, "");
        let session = egress.session(spec(manifest(&[&host], none())));
        assert_eq!(text(&session.send(get(format!("http://{host}/1"))).await.unwrap()), expected, "{first:?}");
        for at in 2..5 {
            let answer = session.send(get(format!("http://{host}/{at}"))).await;
            // On a connection of its own it gets that one's first answer.
            if let Ok(answer) = answer {
                assert_ne!(text(&answer), "smuggled", "{first:?}");
            }
        }
    }
}

#[tokio::test]
async fn framing_that_contradicts_itself_is_refused_or_read_in_the_one_safe_way() {
    let refused = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 50\r\n\r\nfirst",
        "HTTP/1.1 200 OK\r\ncontent-length: 5, 50\r\n\r\nfirst",
        "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nfirst",
        "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nfirst",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x5\r\n\r\nfirst",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nfirst",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nfirst",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nfirst\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirstX\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding : chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y\r\n folded: z\r\ncontent-length: 5\r\n\r\nfirst",
        "HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 5\r\n\r\nfirst",
        "HTTP/1.1 200 OK\r\n\0: y\r\ncontent-length: 5\r\n\r\nfirst",
        "HTTP/9.9 200 OK\r\ncontent-length: 5\r\n\r\nfirst",
        "HTTP/1.1 2000 OK\r\ncontent-length: 5\r\n\r\nfirst",
        "ICY 200 OK\r\ncontent-length: 5\r\n\r\nfirst",
        "first",
    ];
    for answer in refused {
        let (port, _) = smuggler(answer).await;
        let failure = call(port, SHORT).await.map(|response| text(&response)).unwrap_err();
        assert!(failure.sent, "{answer:?}: {failure:?}");
        assert!(matches!(failure.reason, OutboundReason::Network | OutboundReason::Timeout), "{answer:?}: {failure:?}");
    }
    // A length beside chunks is ignored (RFC 9112, section 6.3): what is read is the chunks and nothing after.
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n";
    let (port, _) = smuggler(both).await;
    assert_eq!(text(&call(port, LONG).await.unwrap()), "first");
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for_leads_nowhere() {
    let (port, connections) =
        smuggler("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n").await;
    let host = format!("a.test:{port}");
    let egress = egress_with(&host, "", Arc::new(Names::default()), impatient);
    let session = egress.session(spec(manifest(&[&host], none())));
    for _ in 0..2 {
        let answer = session.send(get(format!("http://{host}/"))).await;
        assert!(answer.as_ref().is_err() || answer.as_ref().is_ok_and(|answer| answer.body.is_empty()), "{answer:?}");
    }
    // The connection that switched carries no further request.
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 2);
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A body in these codings, as one answer.
async fn coded(codings: &[&str], body: &[u8]) -> Result<OutboundResponse, OutboundFailure> {
    let lines: String = codings.iter().map(|coding| format!("content-encoding: {coding}\r\n")).collect();
    let head = format!("HTTP/1.1 200 OK\r\n{lines}content-length: {}\r\n\r\n", body.len());
    let answer: &'static [u8] = Box::leak([head.as_bytes(), body].concat().into_boxed_slice());
    let (port, _) = raw(move |mut stream: TcpStream| async move { stream.write_all(answer).await }).await;
    call(port, LONG).await
}

#[tokio::test]
async fn bombs_are_cut_at_the_cap_and_bombs_in_bombs_refused() {
    let zeros = vec![0; 64 << 20];
    let bombs =
        [("gzip", gzip(&zeros)), ("deflate", zlib(&zeros)), ("br", include_bytes!("../data/zeros-64m.br").to_vec())];
    for (coding, bomb) in &bombs {
        assert!(bomb.len() * 500 < zeros.len(), "{coding} is no bomb: {}", bomb.len());
        let response = coded(&[coding], bomb).await.unwrap();
        assert_eq!((response.body.len(), response.truncated), (10_000, true), "{coding}");
    }
    let nested = gzip(&gzip(&zeros));
    for codings in [vec!["gzip, gzip"], vec!["gzip", "gzip"], vec!["gzip,br"], vec!["identity, gzip"], vec!["gzip;q=1"]]
    {
        let failure = coded(&codings, &nested).await.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Network, true), "{codings:?}: {failure:?}");
    }
    // Named once, a bomb in a bomb is unpacked once.
    let response = coded(&["gzip"], &nested).await.unwrap();
    assert_eq!(response.body[..2], [0x1f, 0x8b]);
}

#[tokio::test]
async fn what_asks_for_much_memory_or_brings_nothing_is_refused() {
    // Brotli with its extension to a window of a gigabyte.
    let failure = coded(&["br"], &[0x11, 0xde]).await.unwrap_err();
    assert_eq!(failure.reason, OutboundReason::Network, "{failure:?}");
    assert!(failure.message.contains("not the"), "{failure:?}");
    // Members without content, and a name in the header that goes on and on.
    let mut named = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0xff];
    named.resize(200_000, b'n');
    for body in [gzip(b"").repeat(20_000), named] {
        let failure = coded(&["gzip"], &body).await.unwrap_err();
        assert!(matches!(failure.reason, OutboundReason::TooLarge | OutboundReason::Network), "{failure:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_never_resolved_ends_with_the_connect_timeout() {
    struct Never;
    #[async_trait::async_trait]
    impl resly_egress::Resolve for Never {
        async fn resolve(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            std::future::pending().await
        }
    }
    let mut config = EgressConfig { connect_timeout: Duration::from_millis(100), ..EgressConfig::default() };
    config.retry.retries = 0;
    let egress =
        resly_egress::Egress::new(config, Arc::new(Never), Arc::new(resly_core::testing::ConstantRandom(0))).unwrap();
    let failure = once(&egress, spec(manifest(&["slow.example"], none())), get("https://slow.example/")).await;
    let failure = failure.unwrap_err();
    assert_eq!((failure.reason, failure.sent), (OutboundReason::Timeout, false), "{failure:?}");
}
