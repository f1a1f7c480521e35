//! Accounts: tokens are renewed once, by whoever has the claim; who comes late looks again; and none of it comes back.

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

use crate::{
    credentials::OneKey,
    support::{Received, Service, egress, get, manifest, ok, post, spec, text},
};

const CLIENT_SECRET: &str = "app-secret-55aa";

fn at(seconds: i64) -> Timestamp {
    let noon: Timestamp = "2026-10-10T12:00:00Z".parse().unwrap();
    Timestamp::from_micros(noon.micros() + seconds * 1_000_000)
}

/// One account, as a store keeps it.
#[derive(Default)]
struct Memory {
    account: Mutex<Option<(Account, Option<Uuid>)>>,
    /// What another host renews it to, when this one asks for the claim.
    elsewhere: Mutex<Option<Renewed>>,
}

impl Memory {
    fn put(&self, version: u64, renewed: Renewed) {
        let Renewed { sealed, terms } = renewed;
        let account = Account {
            sealed: Some(sealed),
            terms,
            version,
            claimed_until: None,
            failure: None,
            authorized_at: at(-3600),
        };
        *self.account.lock().unwrap() = Some((account, None));
    }

    fn drop(&self) {
        *self.account.lock().unwrap() = None;
    }

    fn version(&self) -> Option<u64> {
        self.account.lock().unwrap().as_ref().map(|(account, _)| account.version)
    }
}

#[async_trait]
impl AccountStore for Memory {
    async fn account(&self, _: &AccountKey) -> Result<Option<Account>, StoreError> {
        Ok(self.account.lock().unwrap().as_ref().map(|(account, _)| account.clone()))
    }

    async fn lease_account(
        &self,
        _: &AccountKey,
        lease: RenewalLease,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        if let Some(renewed) = self.elsewhere.lock().unwrap().take() {
            self.put(lease.version + 1, renewed);
            return Ok(false);
        }
        let mut held = self.account.lock().unwrap();
        let Some((_, by)) = held.as_mut().filter(|(account, by)| account.version == lease.version && by.is_none())
        else {
            return Ok(false);
        };
        *by = Some(lease.id);
        Ok(true)
    }

    async fn renew_account(&self, _: &AccountKey, lease: RenewalLease, renewed: Renewed) -> Result<bool, StoreError> {
        let mine = matches!(&*self.account.lock().unwrap(),
            Some((account, Some(by))) if account.version == lease.version && *by == lease.id);
        if mine {
            self.put(lease.version + 1, renewed);
        }
        Ok(mine)
    }

    async fn release_account(&self, _: &AccountKey, lease: RenewalLease) -> Result<(), StoreError> {
        if let Some((_, by)) = self.account.lock().unwrap().as_mut().filter(|(_, by)| *by == Some(lease.id)) {
            *by = None;
        }
        Ok(())
    }

    async fn fail_account(
        &self,
        _: &AccountKey,
        lease: RenewalLease,
        failure: RenewalFailure,
    ) -> Result<(), StoreError> {
        let mut held = self.account.lock().unwrap();
        if let Some((account, by)) = held.as_mut().filter(|(_, by)| *by == Some(lease.id)) {
            (account.failure, *by) = (Some(failure), None);
        }
        Ok(())
    }

    async fn forget_account(&self, _: &AccountKey, lease: RenewalLease) -> Result<bool, StoreError> {
        let mine = self.account.lock().unwrap().as_ref().is_some_and(|(_, by)| *by == Some(lease.id));
        if mine {
            self.drop();
        }
        Ok(mine)
    }
}

/// A service whose tokens are given at `/token` and taken at `/api`.
struct Harness {
    service: Service,
    memory: Arc<Memory>,
    egress: Arc<Egress>,
    vault: Arc<Vault>,
    keeper: Arc<TokenRefresher>,
    clock: Arc<ManualClock>,
    who: Arc<AccountSpec>,
    host: String,
}

impl Harness {
    async fn new(answer: impl Fn(&Received, &Memory) -> Response + Send + Sync + 'static) -> Self {
        let memory = Arc::new(Memory::default());
        let (shared, answer) = (Arc::clone(&memory), Arc::new(answer));
        let service = Service::start(move |seen| answer(seen, &shared)).await;
        let host = format!("a.test:{}", service.port());
        let egress = egress(&host, "");
        let keys = MasterKeys::parse("k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap();
        let random: Arc<dyn Random> = Arc::new(SequenceRandom::default());
        let vault = Arc::new(Vault::new(Arc::new(keys), Arc::new(OneKey::default()), Arc::clone(&random)));
        let clock = Arc::new(ManualClock::at(at(0)));
        let store = Arc::clone(&memory) as Arc<dyn AccountStore>;
        let keeper = TokenRefresher::new(
            Arc::clone(&egress),
            Arc::clone(&vault),
            store,
            Arc::clone(&clock) as Arc<dyn Clock>,
            random,
        );
        let oauth = json!({"authorize_url": "https://a.test/a", "token_url": format!("http://{host}/token"),
            "revoke_url": format!("http://{host}/revoke"), "expired_when": {"status": 403, "body_contains": "expired"}});
        let client: Value = json!({"client_id": "app", "client_secret": CLIENT_SECRET});
        let who = AccountSpec {
            key: AccountKey {
                organization: OrganizationId(Uuid::from_u128(1)),
                connection: ConnectionId(Uuid::from_u128(2)),
                visitor: None,
            },
            oauth: Some(Box::new(serde_json::from_value(oauth).unwrap())),
            settings: json!({}),
            client: AppClient::Shared(Arc::new(Credentials::new(serde_json::from_value(client).unwrap()))),
        };
        Self { service, memory, egress, vault, keeper: Arc::new(keeper), clock, who: Arc::new(who), host }
    }

    /// Tokens of a number, which are to be renewed `due` seconds from noon and end `end` seconds from it.
    async fn tokens(&self, n: u32, due: i64, end: i64) -> Renewed {
        let fields = [
            ("access_token".to_owned(), format!("access-canary-{n}")),
            ("refresh_token".to_owned(), format!("refresh-canary-{n}")),
        ];
        let sealed = self.vault.seal(&account_context(&self.who.key), &Credentials::new(fields.into())).await.unwrap();
        let terms = AccountTerms {
            expires_at: Some(at(end)),
            renew_at: Some(at(due)),
            refreshable: true,
            ..AccountTerms::default()
        };
        Renewed { sealed, terms }
    }

    fn session(&self) -> Arc<resly_egress::Session> {
        let auth = serde_json::to_value(self.who.oauth.as_deref().unwrap()).unwrap();
        let mut auth = auth.as_object().unwrap().clone();
        auth.insert("type".to_owned(), json!("oauth2"));
        let credentials = CredentialSource::Account { keeper: Arc::clone(&self.keeper), who: Arc::clone(&self.who) };
        self.egress.session(SessionSpec { credentials, ..spec(manifest(&[&self.host], auth.into())) })
    }

    fn api(&self) -> String {
        format!("http://{}/api", self.host)
    }

    /// What was asked of a path: the credential of each request, and its body.
    fn asked(&self, path: &str) -> Vec<(String, String)> {
        let received = self.service.received().into_iter().filter(|seen| seen.target == path);
        let told = |seen: Received| {
            let credential = seen.header("authorization").unwrap_or_default().to_owned();
            (credential, String::from_utf8(seen.body).unwrap())
        };
        received.map(told).collect()
    }
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
