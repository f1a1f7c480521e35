//! Retries and the breaker.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use resly_core::connector::outbound::{Outbound, OutboundReason};
use resly_egress::SessionSpec;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Service, egress, get, manifest, none, ok, once, post, spec, status};

/// Fails `times` times, then answers.
async fn flaky(times: usize, code: u16, retry_after: Option<&'static str>) -> Service {
    let n = Arc::new(AtomicUsize::new(0));
    Service::start(move |_| {
        if n.fetch_add(1, Ordering::SeqCst) >= times {
            return ok("at last");
        }
        let mut response = status(code);
        if let Some(after) = retry_after {
            response.headers_mut().insert("retry-after", after.parse().unwrap());
        }
        response
    })
    .await
}

#[tokio::test]
async fn a_read_is_tried_again_and_twice_at_most() {
    for (times, code, expected, requests) in
        [(1, 503, 200, 2), (2, 502, 200, 3), (3, 503, 503, 3), (2, 429, 200, 3), (1, 500, 500, 1), (1, 404, 404, 1)]
    {
        let service = flaky(times, code, None).await;
        let host = format!("a.test:{}", service.port());
        let session = egress(&host, "").session(spec(manifest(&[&host], none())));
        let response = session.send(get(format!("http://{host}/"))).await.unwrap();
        assert_eq!((response.status, service.received().len()), (expected, requests), "{times} times {code}");
        assert_eq!(session.requests().len(), requests);
    }
}

#[tokio::test]
async fn a_write_is_tried_again_only_with_a_key() {
    let service = flaky(1, 503, None).await;
    let host = format!("a.test:{}", service.port());
    let egress = egress(&host, "");
    let response = once(&egress, spec(manifest(&[&host], none())), post(format!("http://{host}/"), "x")).await.unwrap();
    assert_eq!((response.status, service.received().len()), (503, 1));

    let service = flaky(1, 503, None).await;
    let host = format!("a.test:{}", service.port());
    let mut request = post(format!("http://{host}/"), "x");
    request.headers.push(("Idempotency-Key".into(), "k1".into()));
    let egress = self::egress(&host, "");
    let response = once(&egress, spec(manifest(&[&host], none())), request).await.unwrap();
    assert_eq!((response.status, service.received().len()), (200, 2));
    assert!(service.received().iter().all(|seen| seen.body == b"x" && seen.header("idempotency-key") == Some("k1")));
}

#[tokio::test]
async fn retry_after_is_honoured_or_left_to_the_guest() {
    let service = flaky(1, 429, Some("0")).await;
    let host = format!("a.test:{}", service.port());
    let response = once(&egress(&host, ""), spec(manifest(&[&host], none())), get(format!("http://{host}/"))).await;
    assert_eq!(response.unwrap().status, 200);

    let service = flaky(1, 429, Some("3600")).await;
    let host = format!("a.test:{}", service.port());
    let response = once(&egress(&host, ""), spec(manifest(&[&host], none())), get(format!("http://{host}/"))).await;
    let response = response.unwrap();
    assert_eq!((response.status, service.received().len()), (429, 1));
    assert!(response.headers.contains(&("retry-after".into(), "3600".into())));
}

#[tokio::test]
async fn retries_count_toward_the_calls_requests() {
    let service = flaky(5, 503, None).await;
    let host = format!("a.test:{}", service.port());
    let mut spec = spec(manifest(&[&host], none()));
    spec.http_calls = 2;
    let response = once(&egress(&host, ""), spec, get(format!("http://{host}/"))).await.unwrap();
    assert_eq!((response.status, service.received().len()), (503, 2));
}

#[tokio::test]
async fn a_run_of_failures_opens_the_connections_breaker_and_nobody_elses() {
    let service = flaky(5, 503, None).await;
    let host = format!("a.test:{}", service.port());
    let egress = egress(&host, "");
    let write = || post(format!("http://{host}/"), "x");
    for _ in 0..5 {
        assert_eq!(once(&egress, spec(manifest(&[&host], none())), write()).await.unwrap().status, 503);
    }
    let failure = once(&egress, spec(manifest(&[&host], none())), write()).await.unwrap_err();
    assert_eq!((failure.reason, failure.sent), (OutboundReason::CircuitOpen, false));
    assert!(failure.retry_after.is_some());
    assert_eq!(service.received().len(), 5);

    let mut other = spec(manifest(&[&host], none()));
    other.connection.0 = Uuid::from_u128(77);
    assert_eq!(once(&egress, other, write()).await.unwrap().status, 200);
}

#[tokio::test]
async fn refusals_of_policy_do_not_open_it() {
    let service = Service::start(|_| ok("")).await;
    let host = format!("a.test:{}", service.port());
    let egress = egress(&host, "");
    let hosts = [host.as_str(), "b.test"];
    for _ in 0..10 {
        once(&egress, spec(manifest(&hosts, none())), get("https://b.test/")).await.unwrap_err();
    }
    once(&egress, spec(manifest(&hosts, none())), get(format!("http://{host}/"))).await.unwrap();
}

#[tokio::test]
async fn an_idempotent_action_may_repeat_its_writes() {
    let service = flaky(1, 503, None).await;
    let host = format!("a.test:{}", service.port());
    let spec = SessionSpec { idempotent: true, ..spec(manifest(&[&host], none())) };
    let response = once(&egress(&host, ""), spec, post(format!("http://{host}/"), "x")).await.unwrap();
    assert_eq!((response.status, service.received().len()), (200, 2));
}

#[tokio::test]
async fn a_manifest_says_how_often_and_after_what() {
    for (times, code, expected, requests) in [(1, 500, 200, 2), (2, 500, 500, 2), (1, 503, 503, 1)] {
        let service = flaky(times, code, None).await;
        let host = format!("a.test:{}", service.port());
        let mut manifest = manifest(&[&host], none());
        manifest["retry"] = json!({"retries": 1, "statuses": [500]});
        let response = once(&egress(&host, ""), spec(manifest), get(format!("http://{host}/"))).await.unwrap();
        assert_eq!((response.status, service.received().len()), (expected, requests), "{times} times {code}");
    }
}
