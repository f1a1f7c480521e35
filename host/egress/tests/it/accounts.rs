//! Accounts: tokens are renewed once, by the host that has the lease; a late one reads the account again; and none of it comes back.

mod harness;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::response::Response;
use http::StatusCode;
use resly_core::{
    connector::{
        account::{Account, AccountKey, AccountStore, AccountTerms, RenewalFailure, RenewalLease, Renewed},
        outbound::{Outbound, OutboundReason},
    },
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    testing::{ManualClock, SequenceRandom},
    time::{Clock, Random, Timestamp},
};
use resly_egress::{AccountSpec, AppClient, CredentialSource, Egress, SessionSpec, TokenRefresher, account_context};
use resly_vault::{Credentials, MasterKeys, Vault};
use serde_json::{Value, json};
use uuid::Uuid;

use self::harness::Harness;
use crate::{
    credentials::MemoryVaultStore,
    support::{Received, Service, egress, get, manifest, ok, post, spec, text},
};

const CLIENT_SECRET: &str = "app-secret-55aa";

fn at(seconds: i64) -> Timestamp {
    let noon: Timestamp = "2026-10-10T12:00:00Z".parse().unwrap();
    Timestamp::from_micros(noon.micros() + seconds * 1_000_000)
}

fn with_status(status: u16, body: impl Into<String>) -> Response {
    let mut response = ok(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn new_tokens(n: u32) -> Response {
    ok(json!({"access_token": format!("access-canary-{n}"), "refresh_token": format!("refresh-canary-{n}"),
        "expires_in": 3600, "token_type": "bearer"})
    .to_string())
}

fn ended() -> Response {
    with_status(400, r#"{"error": "invalid_grant", "error_description": "refresh-canary-1 was used"}"#)
}

#[tokio::test]
async fn who_is_told_that_the_grant_is_over_looks_again_first() {
    let newer: Arc<Mutex<Option<Renewed>>> = Arc::default();
    let put = Arc::clone(&newer);
    let harness = Harness::new(move |seen, memory| match seen.target.as_str() {
        "/token" => {
            if let Some(renewed) = put.lock().unwrap().take() {
                memory.put(2, renewed);
            }
            ended()
        }
        _ => ok(""),
    })
    .await;
    // Somebody authorized it anew while the old refresh token was on its way.
    harness.memory.put(1, harness.tokens(1, -5, 30).await);
    *newer.lock().unwrap() = Some(harness.tokens(2, 3000, 3600).await);
    harness.session().send(get(harness.api())).await.unwrap();
    assert_eq!(harness.asked("/api")[0].0, "Bearer access-canary-2");
    assert_eq!(harness.memory.version(), Some(2));

    // Nobody did.
    harness.memory.put(3, harness.tokens(1, -5, 30).await);
    let session = harness.session();
    let failure = session.send(get(harness.api())).await.unwrap_err();
    assert_eq!((failure.reason, failure.sent, harness.memory.version()), (OutboundReason::NeedsAuth, false, None));
    assert!(failure.message.contains("invalid_grant") && !failure.message.contains("canary"), "{}", failure.message);
}

#[tokio::test]
async fn who_does_not_get_the_claim_waits_for_who_has_it() {
    let harness = Harness::new(|seen, _| if seen.target == "/token" { ended() } else { ok("") }).await;
    harness.memory.put(1, harness.tokens(1, -5, -1).await);
    *harness.memory.elsewhere.lock().unwrap() = Some(harness.tokens(2, 3000, 3600).await);
    harness.session().send(get(harness.api())).await.unwrap();
    assert_eq!(harness.asked("/api")[0].0, "Bearer access-canary-2");
    assert!(harness.asked("/token").is_empty(), "one host renews");
}

#[tokio::test]
async fn what_is_disconnected_while_it_is_renewed_does_not_live_on() {
    let harness = Harness::new(|seen, memory| match seen.target.as_str() {
        "/token" => {
            memory.drop();
            new_tokens(2)
        }
        _ => ok(""),
    })
    .await;
    harness.memory.put(1, harness.tokens(1, -5, -1).await);
    let failure = harness.session().send(get(harness.api())).await.unwrap_err();
    assert_eq!((failure.reason, harness.memory.version()), (OutboundReason::NeedsAuth, None));
    let revoked = &harness.asked("/revoke")[0].1;
    assert!(
        revoked.contains("token=refresh-canary-2") && revoked.contains("token_type_hint=refresh_token"),
        "{revoked}"
    );
    assert!(harness.asked("/api").is_empty());
}

#[tokio::test]
async fn a_token_that_still_works_is_used_while_its_service_gives_no_other() {
    let harness = Harness::new(|seen, _| if seen.target == "/token" { with_status(503, "") } else { ok("") }).await;
    harness.memory.put(1, harness.tokens(1, -5, 30).await);
    harness.session().send(get(harness.api())).await.unwrap();
    assert_eq!((harness.asked("/api")[0].0.as_str(), harness.asked("/token").len()), ("Bearer access-canary-1", 1));
    // Once it has ended, that is a passing failure, and no reason to ask a person.
    harness.memory.put(2, harness.tokens(1, -90, -30).await);
    let failure = harness.session().send(get(harness.api())).await.unwrap_err();
    assert_eq!((failure.reason, harness.memory.version()), (OutboundReason::Network, Some(2)));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_no_token_comes_back() {
    let harness = Harness::new(|seen, _| match seen.target.as_str() {
        "/token" => new_tokens(2),
        _ => {
            let got = seen.header("authorization").unwrap();
            // Everything that it may know of anybody's secrets.
            let all = format!("expired {got} access-canary-1 refresh-canary-1 refresh-canary-2 {CLIENT_SECRET}");
            with_status(403, all)
        }
    })
    .await;
    harness.memory.put(1, harness.tokens(1, 3000, 3600).await);
    let session = harness.session();
    let response = session.send(post(harness.api(), "a write")).await.unwrap();
    let tokens: Vec<String> = harness.asked("/api").into_iter().map(|(token, _)| token).collect();
    assert_eq!(tokens, ["Bearer access-canary-1", "Bearer access-canary-2"], "sent again once, and never a third time");
    assert_eq!((response.status, harness.asked("/token").len()), (403, 1));
    assert_eq!(text(&response), "expired Bearer [redacted] [redacted] [redacted] [redacted] [redacted]");
    assert_eq!(session.redact("access-canary-1 access-canary-2"), "[redacted] [redacted]");
    assert!(harness.asked("/token")[0].1.contains("grant_type=refresh_token&refresh_token=refresh-canary-1"));
    // Another request of the same call doesn't renew again.
    session.send(get(harness.api())).await.unwrap();
    assert_eq!((harness.asked("/api").len(), harness.asked("/token").len()), (3, 1));
    assert_eq!(harness.memory.version(), Some(2));
}

/// So many calls at once; all of them fail, with the reason and the wait of the last.
async fn all_fail(harness: &Harness, calls: usize) -> (OutboundReason, Option<Duration>) {
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..calls {
        let (session, api) = (harness.session(), harness.api());
        sending.spawn(async move { session.send(get(api)).await });
    }
    let mut last = None;
    for failed in sending.join_all().await {
        let failure = failed.unwrap_err();
        assert!(!failure.message.contains("canary") && !failure.sent, "{}", failure.message);
        last = Some((failure.reason, failure.retry_after));
    }
    last.unwrap()
}

#[tokio::test]
async fn a_failed_renewal_is_shared_and_waits_as_long_as_the_service_asks() {
    let harness = Harness::new(|seen, _| {
        if seen.target != "/token" {
            return ok("");
        }
        let mut limited = with_status(429, "");
        limited.headers_mut().insert("retry-after", "120".parse().unwrap());
        limited
    })
    .await;
    harness.memory.put(1, harness.tokens(1, -90, -30).await);
    assert_eq!(all_fail(&harness, 50).await, (OutboundReason::Network, Some(Duration::from_secs(120))));
    assert_eq!(harness.asked("/token").len(), 1, "one request for fifty calls");
    harness.clock.advance(Duration::from_secs(119));
    assert_eq!(all_fail(&harness, 50).await, (OutboundReason::Network, Some(Duration::from_secs(1))));
    assert_eq!(harness.asked("/token").len(), 1, "the service asked for two minutes");
    harness.clock.advance(Duration::from_secs(1));
    all_fail(&harness, 50).await;
    assert_eq!(harness.asked("/token").len(), 2);
    assert!(harness.asked("/api").is_empty());
}

#[tokio::test]
async fn renewals_that_fail_again_wait_longer_and_one_that_works_ends_that() {
    let works = Arc::new(Mutex::new(false));
    let shared = Arc::clone(&works);
    let harness = Harness::new(move |seen, _| match seen.target.as_str() {
        "/token" if *shared.lock().unwrap() => new_tokens(2),
        "/token" => with_status(503, ""),
        _ => ok(""),
    })
    .await;
    harness.memory.put(1, harness.tokens(1, -90, -30).await);
    for (nth, wait) in [5, 10, 20, 40, 80, 160, 300, 300].into_iter().enumerate() {
        let told = all_fail(&harness, 3).await;
        assert_eq!((told.1, harness.asked("/token").len()), (Some(Duration::from_secs(wait)), nth + 1));
        harness.clock.advance(Duration::from_secs(wait));
    }
    *works.lock().unwrap() = true;
    harness.session().send(get(harness.api())).await.unwrap();
    assert_eq!(harness.memory.account.lock().unwrap().as_ref().unwrap().0.failure, None);
}

#[tokio::test]
async fn a_refused_client_is_not_tried_again_at_once_either() {
    let refused = r#"{"error": "invalid_client", "error_description": "refresh-canary-1"}"#;
    let harness =
        Harness::new(move |seen, _| if seen.target == "/token" { with_status(401, refused) } else { ok("") }).await;
    harness.memory.put(1, harness.tokens(1, -90, -30).await);
    for _ in 0..3 {
        assert_eq!(all_fail(&harness, 20).await.0, OutboundReason::NeedsAuth);
    }
    assert_eq!(harness.asked("/token").len(), 1);
}

#[tokio::test]
async fn a_token_that_still_works_is_used_without_asking_in_vain_each_time() {
    let harness = Harness::new(|seen, _| if seen.target == "/token" { with_status(503, "") } else { ok("") }).await;
    harness.memory.put(1, harness.tokens(1, -5, 30).await);
    for _ in 0..10 {
        harness.session().send(get(harness.api())).await.unwrap();
    }
    assert_eq!((harness.asked("/api").len(), harness.asked("/token").len()), (10, 1));
}

#[tokio::test]
async fn one_visitors_tokens_do_not_open_for_another() {
    let harness = Harness::new(|_, _| ok("")).await;
    harness.memory.put(1, harness.tokens(1, 3000, 3600).await);
    let key = AccountKey { visitor: Some("anna".to_owned()), ..harness.who.key.clone() };
    let harness = Harness { who: Arc::new(AccountSpec { key, ..(*harness.who).clone() }), ..harness };
    let failure = harness.session().send(get(harness.api())).await.unwrap_err();
    assert_eq!((failure.reason, failure.sent), (OutboundReason::NeedsAuth, false));
    assert!(harness.service.received().is_empty());
}
