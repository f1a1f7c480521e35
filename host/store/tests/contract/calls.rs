//! Connector calls: reserved before, settled after, logged once.

use resly_core::{
    connector::{
        call::{BeginCallError, CallRecord, CallStatus, ConnectionStore},
        connection::{CallerKind, Environment},
        fault::FaultKind,
        sandbox::{Cost, LogLevel, LogLine},
    },
    id::{CallId, ConnectionId, KeyId, OrganizationId},
    meter::{LimitReached, LimitReserved, Meter},
    turn::store::TurnStore,
};
use resly_store::{Cursor, LogQuery, Store};
use serde_json::json;

use crate::{
    backend::{Backend, accept, answer, at, change_limits, organization, question, used, user, uuid},
    both,
};

pub fn record(organization: OrganizationId, id: CallId, fuel: u64) -> CallRecord {
    CallRecord {
        id,
        organization,
        connection: ConnectionId(uuid()),
        connector: "crm".to_owned(),
        version: "1.0.0".to_owned(),
        action: "get".to_owned(),
        environment: Environment::Production,
        caller: CallerKind::Chat,
        key: Some(KeyId(uuid())),
        conversation: None,
        status: CallStatus::Ok,
        reason: None,
        cached: false,
        message: None,
        cost: Cost { fuel, http_calls: 2, response_bytes: 300, duration_us: 4000 },
        log: vec![LogLine { level: LogLevel::Warn, message: "careful\0".to_owned() }],
        requests: vec![json!({"method": "GET", "host": "crm.example.com", "path": "/", "status": 200})],
        created_at: at(0),
    }
}

pub async fn begin(store: &Store, org: OrganizationId, id: CallId, fuel: u64) -> Result<u64, BeginCallError> {
    store.begin_call(id, org, Environment::Production, fuel, at(0), at(60)).await.map(|grant| grant.fuel)
}

fn set_aside(result: Result<u64, BeginCallError>) -> (u64, u64) {
    match result {
        Err(BeginCallError::LimitReserved(LimitReserved { used, reserved, .. })) => (used, reserved),
        other => panic!("{other:?}"),
    }
}

fn limit(result: Result<u64, BeginCallError>) -> LimitReached {
    match result {
        Err(BeginCallError::Limit(limit)) => limit,
        other => panic!("{other:?}"),
    }
}

pub fn all() -> LogQuery {
    LogQuery { limit: 10, ..LogQuery::default() }
}

both! {
    async fn a_call_is_reserved_settled_and_logged(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Fuel, 1000)]).await;
        let id = CallId(uuid());
        assert_eq!(begin(&store, org, id, 600).await.unwrap(), 600);
        assert_eq!(used(&store, org, Meter::Fuel).await, 0, "what is reserved is not used yet");
        let other = CallId(uuid());
        assert_eq!(set_aside(begin(&store, org, other, 600).await), (0, 600), "the first one will give most of it back");
        assert_eq!(begin(&store, org, other, 400).await.unwrap(), 400);
        assert_eq!(set_aside(begin(&store, org, CallId(uuid()), 1).await), (0, 1000));
        let reading = store.usage(org, at(0)).await.unwrap().meters[&Meter::Fuel];
        assert_eq!((reading.used, reading.reserved), (0, Some(1000)));

        let asked = accept(&store, question(org, KeyId(uuid()), vec![user("Which one?")])).await;
        store.finish_turn(answer(org, asked.answer, "That one.")).await.unwrap();
        let done = CallRecord { conversation: Some(asked.conversation), ..record(org, id, 123) };
        store.finish_call(done.clone()).await.unwrap();
        store.finish_call(done.clone()).await.unwrap();
        store.finish_call(record(org, other, 0)).await.unwrap();
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.meters[&Meter::Fuel].used, 123);
        assert_eq!(report.meters[&Meter::ConnectorCalls].used, 2, "the refused one is not counted");
        assert_eq!(report.sandbox[&Meter::ConnectorCalls], 0);
        backend.assert_billed(&report).await;
        let last = CallId(uuid());
        assert_eq!(begin(&store, org, last, u64::MAX).await.unwrap(), 877, "the rest is free again, and given whole");
        store.finish_call(record(org, last, 877)).await.unwrap();
        let full = limit(begin(&store, org, CallId(uuid()), 1).await);
        assert_eq!((full.meter, full.limit, full.used), (Meter::Fuel, 1000, 1000));
        assert_eq!(full.resets_at, "2026-11-01T00:00:00Z".parse().unwrap());

        let logs = store.logs(org, all()).await.unwrap().calls;
        assert_eq!(logs.len(), 3);
        let logged = &logs.iter().find(|log| log.call.id == id).unwrap().call;
        assert_eq!(logged.cost, done.cost);
        assert_eq!(logged.log[0].message, "careful\u{fffd}");
        assert_eq!(logged.requests, done.requests);
        assert_eq!((logged.key, logged.conversation), (done.key, done.conversation));
        assert_eq!((logged.connection, logged.created_at), (done.connection, at(0)));
    }

    async fn the_log_is_read_on_towards_newer_calls(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let ids: Vec<CallId> = (0..5).map(|_| CallId(uuid())).collect();
        for (second, id) in (0..).zip(&ids) {
            let failed = CallRecord { status: CallStatus::Failed(FaultKind::Upstream), ..record(org, *id, 1) };
            let call = if second == 3 { failed } else { record(org, *id, 1) };
            store.log_call(CallRecord { created_at: at(second), ..call }).await.unwrap();
        }
        let page = async |query: LogQuery| {
            let page = store.logs(org, query).await.unwrap();
            (page.calls.iter().map(|logged| logged.call.id).collect::<Vec<_>>(), page.more)
        };
        let after = |n: usize, limit| {
            let end = Cursor { at: at(n as u64), id: ids[n].0 };
            LogQuery { after: Some(end), limit, ..LogQuery::default() }
        };
        assert_eq!(page(after(0, 2)).await, (vec![ids[2], ids[1]], true), "those that follow it, newest first");
        assert_eq!(page(after(2, 2)).await, (vec![ids[4], ids[3]], false));
        assert_eq!(page(after(4, 2)).await, (vec![], false));
        assert_eq!(page(LogQuery { failed: true, ..all() }).await, (vec![ids[3]], false));

        assert_eq!(store.log(org, ids[1]).await.unwrap().unwrap().call.created_at, at(1));
        let elsewhere = organization(&store, &[]).await;
        assert!(store.log(elsewhere, ids[1]).await.unwrap().is_none());
        assert!(store.log(org, CallId(uuid())).await.unwrap().is_none());
    }

    async fn a_call_that_never_ran_is_given_back(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::ConnectorCalls, 1), (Meter::Fuel, 1000)]).await;
        let id = CallId(uuid());
        let busy = CallRecord { status: CallStatus::Failed(FaultKind::Busy), ..record(org, id, 0) };
        begin(&store, org, id, 600).await.unwrap();
        store.give_back_call(busy.clone()).await.unwrap();
        store.give_back_call(busy).await.unwrap();
        assert_eq!(used(&store, org, Meter::ConnectorCalls).await, 0);
        assert_eq!(store.logs(org, all()).await.unwrap().calls.len(), 1, "but it is logged");
        let other = CallId(uuid());
        assert_eq!(begin(&store, org, other, 1000).await.unwrap(), 1000, "its fuel is free, and so is its place");
        store.finish_call(record(org, other, 5)).await.unwrap();
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;

        let tried = CallId(uuid());
        store.begin_call(tried, org, Environment::Sandbox, 500, at(0), at(60)).await.unwrap();
        let record = CallRecord { environment: Environment::Sandbox, ..record(org, tried, 0) };
        store.give_back_call(record).await.unwrap();
        assert_eq!(store.usage(org, at(0)).await.unwrap().sandbox[&Meter::ConnectorCalls], 0);
    }

    async fn a_call_that_was_billed_for_its_late_end_stays_counted(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let id = CallId(uuid());
        begin(&store, org, id, 600).await.unwrap();
        store.recover(at(61)).await.unwrap();
        store.give_back_call(record(org, id, 0)).await.unwrap();
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.meters[&Meter::ConnectorCalls].used, 1);
        backend.assert_billed(&report).await;
    }

    async fn a_call_limit_is_hard(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::ConnectorCalls, 1)]).await;
        begin(&store, org, CallId(uuid()), 10).await.unwrap();
        let full = limit(begin(&store, org, CallId(uuid()), 10).await);
        assert_eq!((full.meter, full.limit, full.used), (Meter::ConnectorCalls, 1, 1));
        store.change_plan(org, change_limits(&[(Meter::ConnectorCalls, None), (Meter::Fuel, Some(0))]), at(0)).await.unwrap();
        let full = limit(begin(&store, org, CallId(uuid()), 10).await);
        assert_eq!((full.meter, full.limit), (Meter::Fuel, 0));
        assert_eq!(used(&store, org, Meter::ConnectorCalls).await, 1, "both or neither");
        store.change_plan(org, change_limits(&[(Meter::Fuel, None)]), at(0)).await.unwrap();
        assert_eq!(begin(&store, org, CallId(uuid()), 10).await.unwrap(), 10);
    }

    async fn the_sandbox_is_counted_beside_and_limited_by_nothing(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Fuel, 0), (Meter::ConnectorCalls, 0)]).await;
        let id = CallId(uuid());
        let grant = store.begin_call(id, org, Environment::Sandbox, 500, at(0), at(60)).await.unwrap();
        assert_eq!((grant.fuel, grant.limited), (500, false));
        let done = CallRecord { environment: Environment::Sandbox, ..record(org, id, 77) };
        store.finish_call(done.clone()).await.unwrap();
        store.finish_call(done).await.unwrap();
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.sandbox[&Meter::ConnectorCalls], 1);
        assert_eq!(report.sandbox[&Meter::Fuel], 77);
        assert_eq!(report.meters[&Meter::Fuel].used, 0);
        assert_eq!(report.meters[&Meter::ConnectorCalls].used, 0);
        backend.assert_billed(&report).await;
    }

    async fn a_call_whose_host_was_slow_rather_than_dead_is_settled_once(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Fuel, 1000)]).await;
        let id = CallId(uuid());
        begin(&store, org, id, 1000).await.unwrap();
        assert_eq!(store.recover(at(59)).await.unwrap().calls, 0, "its lease goes on");
        assert_eq!(store.recover(at(60)).await.unwrap().calls, 1);
        assert_eq!(store.recover(at(61)).await.unwrap().calls, 0);
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!((report.meters[&Meter::ConnectorCalls].used, report.meters[&Meter::Fuel].used), (1, 0));
        backend.assert_billed(&report).await;

        // Somebody else has used the fuel meanwhile; what was burnt is counted all the same.
        let other = CallId(uuid());
        begin(&store, org, other, 1000).await.unwrap();
        store.finish_call(record(org, other, 900)).await.unwrap();
        store.finish_call(record(org, id, 300)).await.unwrap();
        store.finish_call(record(org, id, 300)).await.unwrap();
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!((report.meters[&Meter::ConnectorCalls].used, report.meters[&Meter::Fuel].used), (2, 1200));
        backend.assert_billed(&report).await;
        assert_eq!(limit(begin(&store, org, CallId(uuid()), 1).await).used, 1200);
    }

    async fn a_call_that_needs_more_takes_more_and_never_past_the_limit(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Fuel, 1000)]).await;
        let (id, other) = (CallId(uuid()), CallId(uuid()));
        begin(&store, org, id, 300).await.unwrap();
        begin(&store, org, other, 300).await.unwrap();
        let extend = async |id, more| store.extend_call(id, org, more, at(1)).await;
        assert_eq!(extend(id, 300).await.unwrap(), 300);
        assert_eq!(set_aside(extend(id, 300).await), (0, 900), "the rest is another's");
        assert_eq!(extend(id, 100).await.unwrap(), 100);
        store.finish_call(record(org, other, 50)).await.unwrap();
        assert_eq!(extend(id, 900).await.unwrap(), 250, "the last of it, when nobody else has any");
        assert_eq!(limit(extend(id, 1).await).limit, 1000, "what is set aside is its own");
        store.finish_call(record(org, id, 950)).await.unwrap();
        let reading = store.usage(org, at(0)).await.unwrap().meters[&Meter::Fuel];
        assert_eq!((reading.used, reading.reserved), (1000, Some(0)));
        assert_eq!(extend(id, 5).await.unwrap(), 0, "it is over");

        // What a dead host's call took is free again, too.
        let late = CallId(uuid());
        store.change_plan(org, change_limits(&[(Meter::Fuel, Some(2000))]), at(0)).await.unwrap();
        begin(&store, org, late, 100).await.unwrap();
        assert_eq!(extend(late, 300).await.unwrap(), 300);
        store.recover(at(61)).await.unwrap();
        assert_eq!(store.usage(org, at(0)).await.unwrap().meters[&Meter::Fuel].reserved, Some(0));
        assert_eq!(extend(late, 5).await.unwrap(), 0, "its lease has ended");
        let free = organization(&store, &[]).await;
        let grant = store.begin_call(CallId(uuid()), free, Environment::Production, 7, at(0), at(60)).await.unwrap();
        assert_eq!((grant.fuel, grant.limited), (7, false));
    }
}
