//! Bodies: bounded on the wire, decoded, and in time.

use std::{io::Write, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use resly_core::connector::outbound::{OutboundFailure, OutboundReason, OutboundResponse};
use resly_egress::{EgressConfig, SessionSpec};

use crate::support::{Names, Service, egress, egress_with, get, manifest, none, once, raw, say, spec, text};

async fn coded(coding: &'static str, body: Vec<u8>, most: usize) -> Result<OutboundResponse, OutboundFailure> {
    let body = Bytes::from(body);
    let service = Service::start(move |_| {
        let builder = Response::builder().header("content-encoding", coding).header("content-type", "text/plain");
        builder.body(Body::from(body.clone())).unwrap()
    })
    .await;
    let host = format!("a.test:{}", service.port());
    let spec = SessionSpec { response_bytes: most, ..spec(manifest(&[&host], none())) };
    once(&egress(&host, ""), spec, get(format!("http://{host}/"))).await
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn encoded_bodies_arrive_decoded() {
    for (coding, body) in [("gzip", gzip(b"hello")), ("identity", b"hello".to_vec())] {
        let response = coded(coding, body, 1000).await.unwrap();
        assert_eq!(text(&response), "hello");
        assert!(!response.headers.iter().any(|(name, _)| name == "content-encoding"), "{coding}");
    }
}

#[tokio::test]
async fn bombs_are_cut_at_the_cap() {
    let zeros = vec![0; 32 << 20];
    let bombs =
        [("gzip", gzip(&zeros)), ("br", include_bytes!("../data/zeros-64m.br").to_vec()), ("identity", zeros.clone())];
    for (coding, bomb) in bombs {
        let response = coded(coding, bomb, 100_000).await.unwrap();
        assert_eq!((response.body.len(), response.truncated), (100_000, true), "{coding}");
    }
    let exact = coded("identity", vec![b'x'; 1000], 1000).await.unwrap();
    assert_eq!((exact.body.len(), exact.truncated), (1000, false));
}

#[tokio::test]
async fn what_cannot_be_decoded_is_a_failure() {
    for (coding, body) in [("gzip", b"not gzip at all".to_vec()), ("gzip, br", b"x".to_vec()), ("zstd", b"x".to_vec())]
    {
        let failure = coded(coding, body, 1000).await.unwrap_err();
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Network, true), "{coding}: {}", failure.message);
    }
    // Members without content: nothing decoded ever reaches the cap, so the wire's own does.
    let empty = gzip(b"").repeat(20_000);
    let failure = coded("gzip", empty, 1000).await.unwrap_err();
    assert_eq!(failure.reason, OutboundReason::TooLarge);
}

#[tokio::test]
async fn the_bytes_are_the_whole_calls() {
    let service = Service::start(|_| crate::support::ok("x".repeat(600))).await;
    let host = format!("a.test:{}", service.port());
    let session = egress(&host, "").session(SessionSpec { response_bytes: 1000, ..spec(manifest(&[&host], none())) });
    let send = || {
        let session = Arc::clone(&session);
        let request = get(format!("http://{host}/"));
        async move { resly_core::connector::outbound::Outbound::send(&*session, request).await }
    };
    assert!(!send().await.unwrap().truncated);
    let second = send().await.unwrap();
    assert_eq!((second.body.len(), second.truncated), (400, true));
    assert_eq!(send().await.unwrap_err().reason, OutboundReason::Quota);
}

fn impatient(config: &mut EgressConfig) {
    config.first_byte_timeout = Duration::from_millis(200);
    config.idle_timeout = Duration::from_millis(200);
    config.retry.retries = 0;
}

async fn against(port: u16, deadline: Duration) -> OutboundFailure {
    let host = format!("a.test:{port}");
    let egress = egress_with(&host, "", Arc::new(Names::default()), impatient);
    let spec = SessionSpec { deadline, ..spec(manifest(&[&host], none())) };
    once(&egress, spec, get(format!("http://{host}/"))).await.unwrap_err()
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn silence_ends_wherever_it_falls() {
    let (mute, _) = raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
        Ok(())
    })
    .await;
    let failure = against(mute, LONG).await;
    assert_eq!((failure.reason, failure.sent), (OutboundReason::Timeout, true), "{}", failure.message);
    assert!(failure.message.contains("did not answer"), "{}", failure.message);

    let (stuck, _) = raw(|mut stream| async move {
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await?;
        std::future::pending().await
    })
    .await;
    let failure = against(stuck, LONG).await;
    assert!(failure.message.contains("fell silent"), "{}", failure.message);
    assert_eq!(failure.reason, OutboundReason::Timeout);
}

#[tokio::test]
async fn a_trickle_ends_with_the_calls_time_and_an_endless_body_at_the_cap() {
    let (trickle, _) = raw(|mut stream| async move {
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await?;
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        loop {
            ticks.tick().await;
            say(&mut stream, "x").await?;
        }
    })
    .await;
    let failure = against(trickle, Duration::from_millis(400)).await;
    assert!(failure.message.contains("did not end"), "{}", failure.message);
    assert_eq!((failure.reason, failure.sent), (OutboundReason::Timeout, true));

    let (endless, _) = raw(|mut stream| async move {
        say(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
        loop {
            say(&mut stream, "a\r\n0123456789\r\n").await?;
        }
    })
    .await;
    let host = format!("a.test:{endless}");
    let spec = SessionSpec { response_bytes: 5000, ..spec(manifest(&[&host], none())) };
    let response = once(&egress(&host, ""), spec, get(format!("http://{host}/"))).await.unwrap();
    assert_eq!((response.body.len(), response.truncated), (5000, true));
}

#[tokio::test]
async fn the_guests_own_timeout_counts_too() {
    let (mute, _) = raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
        Ok(())
    })
    .await;
    let host = format!("a.test:{mute}");
    let mut request = get(format!("http://{host}/"));
    request.timeout = Some(Duration::from_millis(50));
    let failure = once(&egress(&host, ""), spec(manifest(&[&host], none())), request).await.unwrap_err();
    assert_eq!(failure.reason, OutboundReason::Timeout);
    assert!(failure.message.contains("time was over"), "{}", failure.message);
}

#[tokio::test]
async fn a_broken_or_malformed_answer_is_a_failure_that_was_sent() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "SSH-2.0-OpenSSH_9\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
    ] {
        let (port, _) = raw(move |mut stream| async move { say(&mut stream, answer).await }).await;
        let failure = against(port, LONG).await;
        assert_eq!((failure.reason, failure.sent), (OutboundReason::Network, true), "{answer:?}: {}", failure.message);
        assert!(!failure.message.contains("127.0.0.1"), "{}", failure.message);
    }
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(100_000));
    let (port, _) = raw(move |mut stream| {
        let huge = huge.clone();
        async move { say(&mut stream, &huge).await }
    })
    .await;
    assert_eq!(against(port, LONG).await.reason, OutboundReason::TooLarge);
}
