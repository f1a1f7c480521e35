//! What the biller says, what is summed for reports, and caps of visitors.

use std::collections::BTreeMap;

use futures::future::join_all;
use resly_core::{
    connector::{
        call::{BeginCallError, ConnectionStore},
        connection::Environment,
    },
    conversation::MessageStatus,
    id::{CallId, KeyId, MessageId, OrganizationId},
    meter::{LimitLevel, LimitWindow, Meter},
    plan::{GRACE, Overrides, PlanId, SubscriptionChange, SubscriptionStatus, Terms},
    time::Timestamp,
    turn::store::{BeginTurnError, FinishedTurn, NewTurn, TurnStore},
};
use resly_store::{
    BillerEvent, BillerNews, BillerOutcome, Cursor, KeyUsageQuery, NewPlan, Store, SubscribeError, UsageGrouping,
    UsageHistoryQuery, UsageSum,
};
use tokio::task::spawn;

use crate::{
    backend::{
        Backend, accept, answer, at, idempotency, key, organization, question, refund, refusal, successor, user, uuid,
    },
    both,
};

fn event(id: &str, created: u64, organization: OrganizationId, status: SubscriptionStatus) -> BillerEvent {
    BillerEvent {
        id: id.to_owned(),
        created_at: at(created),
        organization,
        subscription: "sub_1".to_owned(),
        news: news(0, "pro", status),
    }
}

/// What an event says of a subscription that was made at `made`.
fn news(made: u64, plan: &str, status: SubscriptionStatus) -> BillerNews {
    BillerNews::Subscription {
        created_at: at(made),
        plan: PlanId::parse(plan).ok(),
        state: SubscriptionChange { status: Some(status), ..SubscriptionChange::default() },
        deleted: false,
    }
}

fn deleted(made: u64, plan: &str) -> BillerNews {
    let news = news(made, plan, SubscriptionStatus::Expired);
    let BillerNews::Subscription { created_at, plan, state, .. } = news else { return news };
    BillerNews::Subscription { created_at, plan, state, deleted: true }
}

/// Every order of `count` things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let insert = |order: Vec<usize>| {
        (0..=order.len()).map(move |at| [&order[..at], &[last], &order[at..]].concat()).collect::<Vec<_>>()
    };
    orders(last).into_iter().flat_map(insert).collect()
}

/// In whatever order the events come, each about a subscription, the organization ends in one state: its plan, its status,
/// and the subscription that it is served by.
async fn assert_every_order(
    backend: &Backend,
    store: &Store,
    events: &[(u64, &str, BillerNews)],
    expected: (&str, SubscriptionStatus, &str),
) {
    for order in orders(events.len()) {
        let org = organization(store, &[]).await;
        for index in &order {
            let (created, subscription, news) = events[*index].clone();
            let id = format!("evt_{org}_{index}");
            let event = BillerEvent {
                id,
                created_at: at(created),
                organization: org,
                subscription: subscription.to_owned(),
                news,
            };
            store.apply_biller_event(event, at(100)).await.unwrap();
        }
        let plan = store.plan(org).await.unwrap();
        let sql = format!("SELECT biller_subscription FROM organizations WHERE id = '{org}'");
        let serving = backend.texts(&sql).await;
        let state = (plan.id.as_str(), plan.subscription.status_at(at(100)), serving[0].as_str());
        assert_eq!(state, expected, "{order:?}");
    }
}

async fn with_plan(backend: &Backend) -> (Store, OrganizationId) {
    let (store, org) = backend.with(&[]).await;
    for id in ["basic", "pro"] {
        let id = PlanId::parse(id).unwrap();
        let new = NewPlan { id, title: "Plan".to_owned(), terms: Terms::default(), now: at(0) };
        store.create_plan(new).await.unwrap();
    }
    (store, org)
}

async fn status(store: &Store, organization: OrganizationId) -> SubscriptionStatus {
    store.plan(organization).await.unwrap().subscription.status_at(at(100))
}

fn history(by: UsageGrouping, before: Option<String>, limit: u32) -> UsageHistoryQuery {
    let to: Timestamp = "2026-10-12T00:00:00Z".parse().unwrap();
    UsageHistoryQuery { by, from: "2026-10-10T00:00:00Z".parse().unwrap(), to, before, limit }
}

both! {
    async fn an_event_is_applied_once_and_none_that_is_older(backend: Backend) {
        use SubscriptionStatus::{Active, Expired, PastDue};

        let (store, org) = with_plan(&backend).await;
        let apply = async |event| store.apply_biller_event(event, at(100)).await.unwrap();
        assert_eq!(apply(event("evt_2", 20, org, PastDue)).await, BillerOutcome::Applied);
        assert_eq!(store.plan(org).await.unwrap().id, PlanId::parse("pro").unwrap());
        assert_eq!(store.plan(org).await.unwrap().subscription.past_due_until, Some(at(100).plus(GRACE)));
        assert_eq!(apply(event("evt_1", 10, org, Active)).await, BillerOutcome::Outdated);
        assert_eq!(apply(event("evt_2", 20, org, PastDue)).await, BillerOutcome::Replayed);
        assert_eq!(status(&store, org).await, PastDue);
        assert_eq!(apply(event("evt_3", 20, org, Active)).await, BillerOutcome::Applied, "of the same second");

        let other = |id, created, status| BillerEvent {
            subscription: "sub_2".to_owned(),
            news: news(30, "pro", status),
            ..event(id, created, org, status)
        };
        assert_eq!(apply(other("evt_4", 30, Expired)).await, BillerOutcome::Superseded);
        assert_eq!(apply(other("evt_5", 30, Active)).await, BillerOutcome::Applied);
        assert_eq!(apply(event("evt_6", 40, org, Expired)).await, BillerOutcome::Superseded);
        assert_eq!(status(&store, org).await, Active);
        assert_eq!(apply(other("evt_7", 50, Expired)).await, BillerOutcome::Applied);
        let failed = BillerEvent { news: BillerNews::PaymentFailed, ..other("evt_8", 60, PastDue) };
        assert_eq!(apply(failed).await, BillerOutcome::Superseded, "that brings nobody back");
        assert_eq!(status(&store, org).await, Expired);
        let changes = "SELECT COUNT(*) FROM billing_events WHERE kind = 'subscription_changed' AND quantity = 0";
        assert_eq!(backend.number(changes).await, 3);
    }

    async fn an_upgrade_to_another_subscription_ends_alike_in_every_order_of_its_events(backend: Backend) {
        use SubscriptionStatus::{Active, PastDue};

        let (store, _) = with_plan(&backend).await;
        let mut upgrade = vec![
            (1, "sub_a", news(1, "basic", Active)),
            (10, "sub_b", news(10, "pro", Active)),
            (11, "sub_a", news(1, "basic", Active)),
            (12, "sub_a", deleted(1, "basic")),
        ];
        assert_every_order(&backend, &store, &upgrade, ("pro", Active, "sub_b")).await;
        // Without the replaced one's first event, and with a payment that fails.
        upgrade[0] = (13, "sub_b", BillerNews::PaymentFailed);
        assert_every_order(&backend, &store, &upgrade, ("pro", PastDue, "sub_b")).await;
        // The newer one is given up, so the older one is served on.
        let given_up = [
            (1, "sub_a", news(1, "basic", Active)),
            (10, "sub_b", news(10, "pro", Active)),
            (11, "sub_a", news(1, "basic", Active)),
            (12, "sub_b", deleted(10, "pro")),
        ];
        assert_every_order(&backend, &store, &given_up, ("basic", Active, "sub_a")).await;
    }

    async fn a_payment_that_fails_says_nothing_of_a_subscription_that_never_began(backend: Backend) {
        let (store, org) = with_plan(&backend).await;
        let news = BillerNews::PaymentFailed;
        let failed = BillerEvent { news, ..event("evt_1", 10, org, SubscriptionStatus::PastDue) };
        assert_eq!(store.apply_biller_event(failed, at(100)).await.unwrap(), BillerOutcome::Superseded);
        assert_eq!(status(&store, org).await, SubscriptionStatus::Active);
    }

    async fn an_event_that_can_not_be_applied_is_taken_when_it_comes_again(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let refused = store.apply_biller_event(event("evt_1", 10, org, SubscriptionStatus::Active), at(100)).await;
        assert!(matches!(refused, Err(SubscribeError::NoPlan(_))));
        let new = NewPlan {
            id: PlanId::parse("pro").unwrap(),
            title: "Pro".to_owned(),
            terms: Terms::default(),
            now: at(0),
        };
        store.create_plan(new).await.unwrap();
        let again = store.apply_biller_event(event("evt_1", 10, org, SubscriptionStatus::Active), at(101)).await;
        assert_eq!(again.unwrap(), BillerOutcome::Applied);
        let nobody = event("evt_2", 10, OrganizationId(uuid()), SubscriptionStatus::Active);
        let refused = store.apply_biller_event(nobody, at(100)).await;
        assert!(matches!(refused, Err(SubscribeError::NoOrganization)));
    }

    async fn the_newest_of_many_events_at_once_holds(backend: Backend) {
        let (store, org) = with_plan(&backend).await;
        let sending = (0..40).map(|n: u64| {
            let store = store.clone();
            let status = if n == 39 { SubscriptionStatus::Active } else { SubscriptionStatus::PastDue };
            let event = event(&format!("evt_{n}"), n, org, status);
            spawn(async move {
                store.apply_biller_event(event.clone(), at(100)).await.unwrap();
                store.apply_biller_event(event, at(100)).await.unwrap()
            })
        });
        for outcome in join_all(sending).await {
            assert_eq!(outcome.unwrap(), BillerOutcome::Replayed);
        }
        assert_eq!(status(&store, org).await, SubscriptionStatus::Active);
    }

    async fn usage_is_summed_by_whose_it_is(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let old = key(org);
        store.create_key(old.clone()).await.unwrap();
        let new = key(org);
        store.rotate_key(org, old.id, successor(&new), at(3600)).await.unwrap();
        let mut conversations = Vec::new();
        for (key, day) in [(old.id, 0), (new.id, 0), (new.id, 24 * 3600)] {
            let turn = NewTurn { now: at(day), ..question(org, key, vec![user("?")]) };
            conversations.push(turn.new_conversation);
            let id = accept(&store, turn).await.answer;
            let finished = answer(org, id, "!");
            store.finish_turn(FinishedTurn { now: at(day), ..finished }).await.unwrap();
        }
        store.count_search(org, new.id, None, at(1)).await.unwrap();
        // Neither another organization's nor another time's.
        let other = organization(&store, &[]).await;
        store.count_search(other, KeyId(uuid()), None, at(1)).await.unwrap();
        store.count_search(org, new.id, None, "2026-10-12T00:00:00Z".parse().unwrap()).await.unwrap();

        let messages = |sums: &[UsageSum]| -> Vec<(String, i64)> {
            sums.iter().map(|sum| (sum.group.clone(), sum.meters[&Meter::Messages])).collect()
        };
        let days = store.usage_history(org, history(UsageGrouping::Day, None, 9)).await.unwrap();
        assert_eq!(messages(&days), [("2026-10-11".to_owned(), 1), ("2026-10-10".to_owned(), 3)]);
        let keys = store.usage_history(org, history(UsageGrouping::Key, None, 9)).await.unwrap();
        assert_eq!(messages(&keys), [(old.id.to_string(), 4)], "the keys of a rotation are one");
        assert_eq!(keys[0].name.as_deref(), Some("web"));
        let since = |day: u64| KeyUsageQuery { lineage: old.id, from: at(day * 24 * 3600) };
        let used = store.key_usage(org, since(0)).await.unwrap();
        assert_eq!(used[&Meter::Messages], 5, "of the whole chain, and without an end");
        assert_eq!(store.key_usage(org, since(1)).await.unwrap()[&Meter::Messages], 2);
        assert!(store.key_usage(other, since(0)).await.unwrap().is_empty());
        let mut page = store.usage_history(org, history(UsageGrouping::Conversation, None, 2)).await.unwrap();
        let next = page.last().map(|last| last.group.clone());
        page.extend(store.usage_history(org, history(UsageGrouping::Conversation, next, 9)).await.unwrap());
        let mut expected: Vec<_> = conversations.iter().map(|id| (id.to_string(), 1)).collect();
        expected.reverse();
        expected.push((String::new(), 1));
        assert_eq!(messages(&page), expected);
        let none = store.usage_history(org, history(UsageGrouping::Connection, None, 9)).await.unwrap();
        assert_eq!((none.len(), none[0].group.as_str()), (1, ""));
        let totals: BTreeMap<_, _> = none[0].meters.clone();
        assert_eq!(totals, [(Meter::Messages, 4)].into());

        let newest = store.billing_events(org, None, 2).await.unwrap();
        let last = Cursor { at: newest[1].created_at, id: newest[1].id };
        let rest = store.billing_events(org, Some(last), 9).await.unwrap();
        let kinds: Vec<&str> = newest.iter().chain(&rest).map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, ["search", "chat", "search", "chat", "chat"], "newest first");
        assert_eq!((newest[0].meter, newest[0].quantity, &newest[0].detail), (Some(Meter::Messages), 1, &None));
        assert_eq!(store.billing_events(other, None, 9).await.unwrap().len(), 1, "its own");
    }

    async fn a_visitor_s_day_is_counted_by_the_key(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let web = KeyId(uuid());
        let ask = |visitor: &str, now: u64| NewTurn {
            visitor: Some(visitor.to_owned()),
            visitor_cap: Some(2),
            key_cap: Some(10),
            now: at(now),
            ..question(org, web, vec![user("?")])
        };
        let first = accept(&store, ask("ada", 0)).await;
        let left = first.remaining.unwrap();
        assert_eq!((left.limit, left.remaining, left.per), (2, 1, LimitWindow::Day));
        accept(&store, ask("ada", 1)).await;
        let BeginTurnError::Limit(limit) = refusal(&store, ask("ada", 2)).await else { panic!("no limit") };
        assert_eq!((limit.of, limit.per, limit.limit, limit.used), (LimitLevel::Visitor, LimitWindow::Day, 2, 2));
        assert_eq!(limit.resets_at, "2026-10-11T00:00:00Z".parse().unwrap());
        assert_eq!(backend.number("SELECT used FROM key_usage").await, 2, "what is refused is not counted");
        // What failed before its first byte is given back.
        store.finish_turn(refund(org, first.answer)).await.unwrap();
        assert_eq!(backend.number("SELECT used FROM visitor_usage").await, 1);
        accept(&store, ask("ada", 3)).await;
        accept(&store, ask("bob", 3)).await;
        accept(&store, ask("ada", 12 * 3600)).await;

        // A repeat is counted once for the visitor, too.
        let repeated = NewTurn { idempotency: idempotency("k", 1), ..ask("eve", 0) };
        let failed = accept(&store, repeated.clone()).await;
        store.finish_turn(refund(org, failed.answer)).await.unwrap();
        for _ in 0..2 {
            let again = NewTurn { answer: MessageId(uuid()), ..repeated.clone() };
            let accepted = accept(&store, again).await;
            store.finish_turn(refund(org, accepted.answer)).await.unwrap();
        }
        assert_eq!(backend.number("SELECT used FROM visitor_usage WHERE visitor = 'eve'").await, 0);

        // A repeat on the next day was counted on the first one, so nothing is given back to the next.
        let next_day = 24 * 3600;
        let broken = accept(&store, NewTurn { idempotency: idempotency("l", 1), ..ask("ida", 0) }).await;
        let interrupted = MessageStatus::Interrupted;
        store.finish_turn(FinishedTurn { status: interrupted, ..answer(org, broken.answer, "") }).await.unwrap();
        accept(&store, ask("ida", next_day)).await;
        let again = NewTurn { idempotency: idempotency("l", 1), ..ask("ida", next_day + 1) };
        let again = accept(&store, again).await;
        store.finish_turn(FinishedTurn { now: at(next_day + 2), ..refund(org, again.answer) }).await.unwrap();
        assert_eq!(backend.number("SELECT MIN(used) FROM visitor_usage WHERE visitor = 'ida'").await, 1);
        store.recover(at(5 * 24 * 3600)).await.unwrap();
        assert_eq!(backend.number("SELECT COUNT(*) FROM visitor_usage").await, 0);
    }

    async fn a_minute_s_fuel_decides_which_calls_begin(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let minute = Overrides {
            per_minute: [(Meter::Fuel, Some(50))].into(),
            ..Overrides::default()
        };
        store.change_plan(org, minute, at(0)).await.unwrap();
        let call = async |now| store.begin_call(CallId(uuid()), org, Environment::Production, 40, at(now), at(900)).await;
        call(0).await.unwrap();
        call(0).await.unwrap();
        backend.execute("UPDATE usage SET minute_used = 50 WHERE meter = 'fuel'").await;
        let refused = call(1).await;
        let Err(BeginCallError::Limit(limit)) = refused else { panic!("{refused:?}") };
        assert_eq!((limit.meter, limit.per, limit.limit, limit.used), (Meter::Fuel, LimitWindow::Minute, 50, 50));
        call(60).await.unwrap();
    }
}
