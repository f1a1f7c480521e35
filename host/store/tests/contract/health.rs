//! Health, alerts and what webhooks are told: seen once, raised once, told in the same transaction.

use std::collections::BTreeSet;

use resly_core::{
    alert::{AlertKind, AlertState, Event},
    connector::{
        connection::{Connection, ConnectionStatus, Environment, Owner},
        failure_reason::FailureReason,
        health::{DueCheck, HealthObservation, HealthSignal, HealthState, HealthStore, Schedule},
    },
    id::{OrganizationId, WebhookId},
};
use resly_store::{AlertQuery, ConnectionChange, CredentialsExpiry, DeliveryAttempt, DeliveryState, Store, Webhook};
use serde_json::Value;

use crate::{
    backend::{Backend, at, organization, uuid},
    both,
    connections::connection,
};

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

async fn enabled(store: &Store, org: OrganizationId) -> Connection {
    let new = Connection { status: ConnectionStatus::Enabled, ..connection(org) };
    store.create_connection(new.clone(), None).await.unwrap();
    new
}

fn seen(connection: &Connection, evidence: HealthSignal, seconds: u64) -> HealthObservation {
    HealthObservation {
        organization: connection.organization,
        connection: connection.id,
        evidence,
        offered: true,
        schedule: Schedule::default(),
        chance: 128,
        now: at(seconds),
    }
}

fn bad(reason: FailureReason) -> HealthSignal {
    HealthSignal::Bad { reason, message: "it said no".to_owned() }
}

fn webhook(events: Option<Vec<Event>>) -> Webhook {
    Webhook {
        id: WebhookId(uuid()),
        url: "https://hooks.example.com/".to_owned(),
        events,
        secret: vec![1, 2, 3],
        previous: None,
        created_at: at(0),
    }
}

fn open() -> AlertQuery {
    AlertQuery { state: Some(AlertState::Open), limit: 10, ..AlertQuery::default() }
}

async fn kinds(store: &Store, org: OrganizationId, query: AlertQuery) -> Vec<AlertKind> {
    store.alerts(org, query).await.unwrap().iter().map(|alert| alert.kind).collect()
}

both! {
    async fn only_what_chats_use_is_checked_and_by_one_host(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let mut watched = BTreeSet::new();
        for _ in 0..20 {
            watched.insert(enabled(&store, org).await.id);
        }
        for odd in [
            Connection { status: ConnectionStatus::Installed, ..connection(org) },
            Connection { status: ConnectionStatus::NeedsAuth, ..connection(org) },
            Connection { status: ConnectionStatus::Enabled, environment: Environment::Sandbox, ..connection(org) },
            Connection { status: ConnectionStatus::Enabled, owner: Owner::Visitor, ..connection(org) },
        ] {
            store.create_connection(odd, None).await.unwrap();
        }
        let hosts = (0..6).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let due = store.take_due_checks(at(10), at(100), 3).await.unwrap();
                    if due.is_empty() {
                        return taken;
                    }
                    taken.extend(due);
                }
            })
        });
        let mut taken: Vec<DueCheck> = Vec::new();
        for host in futures::future::join_all(hosts).await {
            taken.extend(host.unwrap());
        }
        assert_eq!(taken.len(), 20, "each once");
        assert_eq!(taken.iter().map(|check| check.connection).collect::<BTreeSet<_>>(), watched);

        assert!(store.take_due_checks(at(99), at(200), 50).await.unwrap().is_empty(), "their hosts may be at it");
        assert_eq!(store.take_due_checks(at(100), at(200), 50).await.unwrap().len(), 20, "their hosts are dead");
        store.postpone_check(taken[0], at(1000)).await.unwrap();
        assert!(store.take_due_checks(at(150), at(250), 50).await.unwrap().is_empty(), "its lease was over: another has it");
        let taken = store.take_due_checks(at(200), at(300), 50).await.unwrap();
        assert_eq!(taken.len(), 20);
        store.postpone_check(taken[0], at(1000)).await.unwrap();
        assert_eq!(store.take_due_checks(at(300), at(400), 50).await.unwrap().len(), 19);
        assert_eq!(store.take_due_checks(at(1000), at(1100), 50).await.unwrap().len(), 20);
    }

    async fn news_of_a_call_sets_the_next_check(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = enabled(&store, org).await;
        assert!(store.health(org, new.id).await.unwrap().is_none());
        store.observe(seen(&new, HealthSignal::Good, 0)).await.unwrap();
        let health = store.health(org, new.id).await.unwrap().unwrap();
        assert_eq!((health.state, health.checked_at), (HealthState::Healthy, Some(at(0))));
        assert!(store.take_due_checks(at(14 * MINUTE), at(DAY), 9).await.unwrap().is_empty(), "traffic is a check, too");
        store.observe(seen(&new, HealthSignal::Good, 30)).await.unwrap();
        assert_eq!(store.health(org, new.id).await.unwrap().unwrap().checked_at, Some(at(0)), "old news isn't written");
        assert_eq!(store.take_due_checks(at(20 * MINUTE), at(DAY), 9).await.unwrap().len(), 1);
        store.observe(seen(&new, bad(FailureReason::Upstream), 20 * MINUTE)).await.unwrap();
        let health = store.health(org, new.id).await.unwrap().unwrap();
        assert_eq!((health.state, health.failures), (HealthState::Degraded, 1));
        assert_eq!((health.reason, health.message.as_deref()), (Some(FailureReason::Upstream), Some("it said no")));
        assert_eq!(store.take_due_checks(at(22 * MINUTE), at(DAY), 9).await.unwrap().len(), 1, "sooner, and not leased");
        assert_eq!(store.health_states(org).await.unwrap(), [(new.id, HealthState::Degraded)]);

        let stranger = organization(&store, &[]).await;
        assert!(store.health(stranger, new.id).await.unwrap().is_none());
        store.observe(HealthObservation { organization: stranger, ..seen(&new, HealthSignal::Good, 25 * MINUTE) }).await.unwrap();
        assert_eq!(store.health(org, new.id).await.unwrap().unwrap().state, HealthState::Degraded);
        let change = ConnectionChange { credentials: Some(None), ..ConnectionChange::default() };
        store.update_connection(org, new.id, change).await.unwrap();
        assert!(store.health(org, new.id).await.unwrap().is_none(), "another credential is another story");
        store.delete_connection(org, new.id, at(0)).await.unwrap();
        store.observe(seen(&new, HealthSignal::Good, 30 * MINUTE)).await.unwrap();
        assert!(store.health(org, new.id).await.unwrap().is_none());
    }

    async fn many_failures_at_once_are_counted_and_told_once(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        store.put_webhook(org, webhook(None)).await.unwrap();
        let new = enabled(&store, org).await;
        let hosts = (0..8).map(|n| {
            let (store, seen) = (store.clone(), seen(&new, bad(FailureReason::Upstream), n));
            tokio::spawn(async move { store.observe(seen).await.unwrap() })
        });
        futures::future::join_all(hosts).await;
        assert_eq!(store.health(org, new.id).await.unwrap().unwrap().failures, 8);
        assert_eq!(kinds(&store, org, open()).await, [AlertKind::ConnectionFailing]);
        store.observe(seen(&new, bad(FailureReason::NeedsAuth), 20)).await.unwrap();
        assert_eq!(kinds(&store, org, open()).await, [AlertKind::NeedsAuth, AlertKind::ConnectionFailing]);
        let told = store.deliveries(org, None, 10).await.unwrap();
        let events: Vec<Event> = told.iter().map(|delivery| delivery.event).collect();
        assert_eq!(events, [Event::ConnectionNeedsAuth, Event::ConnectionFailing]);

        store.observe(seen(&new, HealthSignal::Good, 30)).await.unwrap();
        assert!(store.alerts(org, open()).await.unwrap().is_empty());
        let all = store.alerts(org, AlertQuery { connection: Some(new.id), limit: 10, ..open() }).await.unwrap();
        assert!(all.is_empty());
        let query = AlertQuery { state: Some(AlertState::Resolved), connection: Some(new.id), ..open() };
        let resolved = store.alerts(org, query).await.unwrap();
        assert_eq!((resolved.len(), resolved[0].resolved_at), (2, Some(at(30))));
        assert_eq!(resolved[0].message.as_deref(), Some("it said no"));
        let due = store.take_due_deliveries(at(40), at(100), 10).await.unwrap();
        assert_eq!(due.len(), 3, "and one recovery for both");
        for due in due {
            assert!(!due.payload.contains("it said no"), "what a service said stays here: {}", due.payload);
            let sent: Value = serde_json::from_str(&due.payload).unwrap();
            assert_eq!(sent["data"]["connection"]["name"], "CRM");
        }
        let stranger = organization(&store, &[]).await;
        assert!(store.alerts(stranger, AlertQuery { limit: 10, ..AlertQuery::default() }).await.unwrap().is_empty());
        assert!(store.resolve_alert(stranger, resolved[0].id, at(50)).await.unwrap().is_none());
        assert!(store.deliveries(stranger, None, 10).await.unwrap().is_empty());
    }

    async fn what_is_being_set_up_raises_nothing_and_what_is_taken_away_is_over(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = enabled(&store, org).await;
        store.observe(HealthObservation { offered: false, ..seen(&new, bad(FailureReason::NeedsAuth), 0) }).await.unwrap();
        assert!(store.alerts(org, open()).await.unwrap().is_empty());
        let other = enabled(&store, org).await;
        store.observe(seen(&other, bad(FailureReason::NeedsAuth), 0)).await.unwrap();
        let raised = store.alerts(org, open()).await.unwrap();
        let resolved = store.resolve_alert(org, raised[0].id, at(1)).await.unwrap().unwrap();
        assert_eq!((resolved.state, resolved.resolved_at), (AlertState::Resolved, Some(at(1))));
        assert_eq!(store.resolve_alert(org, raised[0].id, at(9)).await.unwrap().unwrap().resolved_at, Some(at(1)));
        store.observe(seen(&other, HealthSignal::Good, 2)).await.unwrap();
        store.observe(seen(&other, bad(FailureReason::NeedsAuth), 3)).await.unwrap();
        assert_eq!(store.alerts(org, open()).await.unwrap().len(), 1, "it came back");
        assert!(store.disable_connection(org, other.id, at(4)).await.unwrap());
        assert!(store.alerts(org, open()).await.unwrap().is_empty());
    }

    async fn a_credential_that_ends_is_told_once_for_each_end(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = enabled(&store, org).await;
        let ends = async |day: Option<u64>| {
            let ends = day.map(|day| at(day * DAY));
            let expiry = Some(CredentialsExpiry { ends, now: at(0) });
            let change = ConnectionChange { expiry, ..ConnectionChange::default() };
            store.update_connection(org, new.id, change).await.unwrap().unwrap();
        };
        let warned = async |day: u64| {
            store.warn_of_expiry(at(day * DAY)).await.unwrap();
            store.alerts(org, open()).await.unwrap().len()
        };
        ends(Some(30)).await;
        assert_eq!(store.credential_expiries(org).await.unwrap(), [(new.id, at(30 * DAY))]);
        assert_eq!((warned(15).await, warned(17).await, warned(18).await), (0, 1, 1));
        let alert = store.alerts(org, open()).await.unwrap().remove(0);
        assert_eq!((alert.kind, alert.title.as_str()), (AlertKind::CredentialExpiring, "CRM: the credential ends on 2026-11-09"));
        store.resolve_alert(org, alert.id, at(18 * DAY)).await.unwrap();
        assert_eq!(warned(19).await, 0, "somebody knows");
        ends(Some(40)).await;
        assert_eq!((warned(20).await, warned(27).await), (0, 1));
        ends(None).await;
        assert_eq!(warned(28).await, 0);
        assert!(store.credential_expiries(org).await.unwrap().is_empty());
    }

    async fn a_message_is_sent_by_one_host_and_given_up_visibly(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = enabled(&store, org).await;
        let made = store.put_webhook(org, webhook(Some(vec![Event::ConnectionNeedsAuth]))).await.unwrap();
        for n in 0..3 {
            store.observe(seen(&new, bad(FailureReason::Upstream), n)).await.unwrap();
        }
        assert!(store.deliveries(org, None, 10).await.unwrap().is_empty(), "it didn't ask for that");
        store.observe(seen(&new, bad(FailureReason::NeedsAuth), 5)).await.unwrap();

        let hosts = (0..6).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.take_due_deliveries(at(10), at(100), 5).await.unwrap() })
        });
        let taken = futures::future::join_all(hosts).await.into_iter().flat_map(|host| host.unwrap());
        let taken: Vec<_> = taken.collect();
        assert_eq!((taken.len(), taken[0].webhook.id, taken[0].tries), (1, made.id, 0));
        let failed = |again| DeliveryAttempt { status: Some(500), error: Some("it answered 500".to_owned()), again_at: again };
        store.settle_delivery(&taken[0], failed(Some(at(60))), at(11)).await.unwrap();
        assert!(store.take_due_deliveries(at(59), at(200), 5).await.unwrap().is_empty());
        let again = store.take_due_deliveries(at(60), at(200), 5).await.unwrap().remove(0);
        assert_eq!(again.tries, 1);
        store.settle_delivery(&taken[0], failed(None), at(60)).await.unwrap();
        assert_eq!(store.deliveries(org, None, 10).await.unwrap()[0].state, DeliveryState::Pending, "another host has it");
        store.settle_delivery(&again, failed(None), at(61)).await.unwrap();
        let told = store.deliveries(org, None, 10).await.unwrap().remove(0);
        assert_eq!((told.state, told.tries, told.last_status), (DeliveryState::Failed, 2, Some(500)));
        assert_eq!((told.last_error.as_deref(), told.ended_at, told.next_try_at), (Some("it answered 500"), Some(at(61)), None));
        let late = DeliveryAttempt { status: Some(200), error: None, again_at: None };
        store.settle_delivery(&again, late.clone(), at(70)).await.unwrap();
        assert_eq!(store.deliveries(org, None, 10).await.unwrap()[0].state, DeliveryState::Failed, "what ended has ended");

        let begun = store.begin_delivery(org, Event::WebhookTest, "{}".to_owned(), at(200), at(80)).await.unwrap().unwrap();
        assert!(store.take_due_deliveries(at(90), at(300), 5).await.unwrap().is_empty(), "who asked sends it");
        store.settle_delivery(&begun, late, at(81)).await.unwrap();
        assert_eq!(store.deliveries(org, None, 10).await.unwrap()[0].state, DeliveryState::Delivered);
        assert_eq!(store.expire_deliveries(at(29 * DAY)).await.unwrap(), 0);

        let stranger = organization(&store, &[]).await;
        assert!(!store.replay_delivery(stranger, told.id, at(90)).await.unwrap());
        assert!(store.replay_delivery(org, told.id, at(90)).await.unwrap());
        assert!(!store.replay_delivery(org, told.id, at(91)).await.unwrap(), "it is queued already");
        let again = store.take_due_deliveries(at(91), at(300), 5).await.unwrap().remove(0);
        assert_eq!((again.id, again.tries, &again.payload), (told.id, 0, &taken[0].payload));
        let late = DeliveryAttempt { status: Some(200), error: None, again_at: None };
        store.settle_delivery(&again, late, at(92)).await.unwrap();
        assert_eq!(store.expire_deliveries(at(31 * DAY)).await.unwrap(), 2);
        assert!(!store.replay_delivery(org, told.id, at(31 * DAY)).await.unwrap(), "it is forgotten");
    }

    async fn a_webhook_keeps_its_secret_until_it_is_replaced_and_takes_its_messages_along(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let made = store.put_webhook(org, webhook(None)).await.unwrap();
        let moved = Webhook { url: "https://new.example.com/".to_owned(), secret: vec![9], ..webhook(Some(vec![Event::CredentialExpiring])) };
        let kept = store.put_webhook(org, moved).await.unwrap();
        assert_eq!((kept.id, kept.secret.clone(), kept.url.as_str()), (made.id, vec![1, 2, 3], "https://new.example.com/"));
        assert!(store.rotate_webhook_secret(org, made.id, vec![4], at(100)).await.unwrap());
        let rotated = store.webhook(org).await.unwrap().unwrap();
        assert_eq!((rotated.secret, rotated.previous), (vec![4], Some((vec![1, 2, 3], at(100)))));
        let stranger = organization(&store, &[]).await;
        assert!(store.webhook(stranger).await.unwrap().is_none());
        assert!(!store.rotate_webhook_secret(stranger, made.id, vec![5], at(100)).await.unwrap());
        assert!(!store.delete_webhook(stranger, at(1)).await.unwrap());
        assert!(store.begin_delivery(stranger, Event::WebhookTest, "{}".to_owned(), at(9), at(1)).await.unwrap().is_none());

        store.begin_delivery(org, Event::WebhookTest, "{}".to_owned(), at(9), at(1)).await.unwrap();
        assert!(store.delete_webhook(org, at(2)).await.unwrap());
        assert!(store.take_due_deliveries(at(50), at(99), 5).await.unwrap().is_empty());
        assert_eq!(store.deliveries(org, None, 10).await.unwrap()[0].state, DeliveryState::Failed);
    }
}
