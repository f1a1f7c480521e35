//! Connector calls: reserved before, settled after, logged once.

use resly_core::{
    connector::{
        call::{BeginCallError, CallRecord, ConnectionStore},
        connection::{CallerKind, Environment},
        reason::Reason,
        sandbox::{Cost, LogLevel, LogLine},
    },
    id::{CallId, ConnectionId, ConversationId, KeyId, OrganizationId},
    meter::{LimitReached, LimitReserved, Meter},
};
use resly_store::{Cursor, LogQuery, PlanChange, Store};
use serde_json::json;

use crate::{
    backend::{Backend, at, change_limits, key, organization, used, uuid},
    both,
};

fn record(organization: OrganizationId, id: CallId, fuel: u64) -> CallRecord {
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
        conversation: Some(ConversationId(uuid())),
        status: "ok".to_owned(),
        reason: None,
        cached: false,
        message: None,
        cost: Cost { fuel, http_calls: 2, response_bytes: 300, duration_us: 4000 },
        log: vec![LogLine { level: LogLevel::Warn, message: "careful\0".to_owned() }],
        requests: vec![json!({"method": "GET", "host": "crm.example.com", "path": "/", "status": 200})],
        created_at: at(0),
    }
}

async fn begin(store: &Store, org: OrganizationId, id: CallId, fuel: u64) -> Result<u64, BeginCallError> {
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

fn all() -> LogQuery {
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

        let done = record(org, id, 123);
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

    async fn a_call_that_never_ran_is_given_back(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::ConnectorCalls, 1), (Meter::Fuel, 1000)]).await;
        let id = CallId(uuid());
        let busy = CallRecord { status: "busy".to_owned(), ..record(org, id, 0) };
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

    async fn logs_are_filtered_and_an_organizations_own(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let connection = ConnectionId(uuid());
        for n in 0..4_u64 {
            let id = CallId(uuid());
            begin(&store, org, id, 1).await.unwrap();
            let mut record = CallRecord { created_at: at(n), ..record(org, id, 1) };
            if n == 1 {
                record.connection = connection;
                "upstream".clone_into(&mut record.status);
                record.message = Some("the service said no".to_owned());
            }
            store.finish_call(record).await.unwrap();
        }
        let count = async |query: LogQuery| store.logs(org, query).await.unwrap().calls.len();
        assert_eq!(count(all()).await, 4);
        assert_eq!(count(LogQuery { limit: 2, ..all() }).await, 2);
        assert_eq!(count(LogQuery { connection: Some(connection), ..all() }).await, 1);
        assert_eq!(count(LogQuery { status: Some("upstream".to_owned()), ..all() }).await, 1);
        assert_eq!(count(LogQuery { to: Some(at(2)), ..all() }).await, 2);
        assert_eq!(store.logs(org, all()).await.unwrap().calls[0].call.created_at, at(3), "newest first");
        let stranger = organization(&store, &[]).await;
        assert!(store.logs(stranger, all()).await.unwrap().calls.is_empty());
    }

    async fn logs_are_found_by_each_thing_they_tell(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = key(org);
        store.create_key(new.clone()).await.unwrap();
        let plain = record(org, CallId(uuid()), 0);
        store.log_call(plain.clone()).await.unwrap();
        let odd = CallRecord {
            connector: "shop".to_owned(),
            action: "put".to_owned(),
            environment: Environment::Sandbox,
            caller: CallerKind::Admin,
            key: Some(new.id),
            conversation: None,
            status: "not_found".to_owned(),
            reason: Some(Reason::RequestConfiguration),
            message: Some("No order 100%_a".to_owned()),
            log: vec![LogLine { level: LogLevel::Info, message: "Größe L \"x\"".to_owned() }],
            requests: vec![json!({"method": "GET", "host": "shop.example.com", "path": "/Orders/7", "status": 404})],
            cached: true,
            created_at: at(50),
            ..record(org, CallId(uuid()), 0)
        };
        store.log_call(odd.clone()).await.unwrap();
        let found = async |query: LogQuery| {
            let calls = store.logs(org, query).await.unwrap().calls;
            assert_eq!(calls.len(), 1);
            calls[0].call.id
        };
        let text = |text: &str| Some(text.to_owned());
        for query in [
            LogQuery { connection: Some(odd.connection), ..all() },
            LogQuery { connector: text("shop"), ..all() },
            LogQuery { action: text("put"), ..all() },
            LogQuery { status: text("not_found"), ..all() },
            LogQuery { reason: Some(Reason::RequestConfiguration), ..all() },
            LogQuery { environment: Some(Environment::Sandbox), ..all() },
            LogQuery { caller: Some(CallerKind::Admin), ..all() },
            LogQuery { key: Some(new.id), ..all() },
            LogQuery { from: Some(at(50)), ..all() },
            LogQuery { text: text("no ORDER"), ..all() },
            LogQuery { text: text("100%_a"), ..all() },
            LogQuery { text: text("größe l \"X"), ..all() },
            LogQuery { text: text("shop.example.com/orders"), ..all() },
        ] {
            assert_eq!(found(query.clone()).await, odd.id, "{query:?}");
        }
        assert_eq!(found(LogQuery { conversation: plain.conversation, ..all() }).await, plain.id);
        assert_eq!(found(LogQuery { to: Some(at(50)), ..all() }).await, plain.id);
        for nothing in ["100xxa", "level", "method", "x_y"] {
            let query = LogQuery { text: text(nothing), ..all() };
            assert!(store.logs(org, query).await.unwrap().calls.is_empty(), "{nothing} is nobody's word");
        }
        let logged = &store.logs(org, all()).await.unwrap().calls[0];
        assert_eq!(logged.key_name.as_deref(), Some("web"));
        assert_eq!((logged.call.reason, logged.call.cached, logged.call.caller), (odd.reason, true, CallerKind::Admin));
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.meters[&Meter::ConnectorCalls].used, 0, "what is only logged is not counted");
        backend.assert_billed(&report).await;
    }

    async fn logs_are_kept_for_as_long_as_the_plan_says(backend: Backend) {
        const DAY: u64 = 86_400;
        let (store, org) = backend.with(&[]).await;
        let longer = organization(&store, &[]).await;
        assert_eq!(store.plan(org).await.unwrap().log_days, 30);
        let days = PlanChange { log_days: Some(60), ..PlanChange::default() };
        store.change_plan(longer, days, at(0)).await.unwrap();
        assert_eq!(store.plan(longer).await.unwrap().log_days, 60);
        for of in [org, longer] {
            for day in [0, 20] {
                let call = CallRecord { created_at: at(day * DAY), ..record(of, CallId(uuid()), 0) };
                store.log_call(call).await.unwrap();
            }
        }
        assert_eq!(store.expire_logs(at(30 * DAY - 1)).await.unwrap(), 0);
        assert_eq!(store.expire_logs(at(30 * DAY + 1)).await.unwrap(), 1);
        assert_eq!(store.logs(org, all()).await.unwrap().calls[0].call.created_at, at(20 * DAY));
        assert_eq!(store.logs(longer, all()).await.unwrap().calls.len(), 2);
        assert_eq!(store.expire_logs(at(61 * DAY)).await.unwrap(), 2);
        assert_eq!(store.logs(longer, all()).await.unwrap().calls.len(), 1);
    }

    /// However much connectors write, a day's log has a bound, what is counted keeps a row, and the log says so.
    async fn a_day_of_the_log_is_bounded_in_bytes(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let bytes = |most| PlanChange { log_bytes_per_day: Some(most), ..PlanChange::default() };
        store.change_plan(org, bytes(500_000), at(0)).await.unwrap();
        let loud = |environment, second| CallRecord {
            environment,
            log: vec![LogLine { level: LogLevel::Info, message: "x".repeat(60_000) }],
            created_at: at(second),
            ..record(org, CallId(uuid()), 1)
        };
        for n in 0..600 {
            store.finish_call(loud(Environment::Sandbox, n / 10)).await.unwrap();
            store.log_call(loud(Environment::Sandbox, n / 10)).await.unwrap();
        }
        let [sandbox, production] = store.log_today(org, at(0)).await.unwrap();
        assert!((900_000..1_000_001).contains(&sandbox.bytes), "{sandbox:?}");
        assert_eq!((sandbox.limit, production.bytes), (500_000, 0));
        assert_eq!(sandbox.left_out, 1_200 - 8 - 1, "eight fit, and one is the sample");
        let rows = backend.number("SELECT COUNT(*) FROM connector_logs").await;
        assert!(rows < 900, "{rows}");
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.sandbox[&Meter::Fuel], 600, "what isn't logged is counted all the same");
        assert_eq!((report.stored_bytes.sandbox, report.stored_bytes.production), (sandbox.bytes, 0));

        // A minute later one is whole again, and tells how many weren't.
        store.finish_call(loud(Environment::Sandbox, 300)).await.unwrap();
        let newest = store.logs(org, all()).await.unwrap().calls.remove(0).call;
        assert_eq!((newest.log.len(), newest.log[0].message.len()), (2, 60_000));
        assert!(newest.log[1].message.contains("left out or shortened"), "{}", newest.log[1].message);

        // Another environment has a day of its own, and what is counted has a row, however little of it.
        for n in 0..100 {
            let call = loud(Environment::Production, n / 10);
            store.begin_call(call.id, org, Environment::Production, 10, at(0), at(60)).await.unwrap();
            store.finish_call(call).await.unwrap();
        }
        let query = LogQuery { environment: Some(Environment::Production), limit: 200, ..LogQuery::default() };
        let mut kept = store.logs(org, query.clone()).await.unwrap().calls;
        assert_eq!(kept.len(), 100);
        assert_eq!(kept.iter().filter(|logged| logged.call.log[0].message.len() == 60_000).count(), 9);
        let short = kept.remove(0).call;
        assert!(short.log[0].message.starts_with("left out") && short.requests.is_empty(), "{short:?}");

        // A new day begins, a host that starts anew knows what the day has, and a higher limit holds at once.
        let tomorrow = CallRecord { created_at: at(24 * 3600 + 1), ..loud(Environment::Production, 0) };
        store.log_call(tomorrow.clone()).await.unwrap();
        assert_eq!(store.logs(org, query.clone()).await.unwrap().calls[0].call.log[0].message.len(), 60_000);
        store.change_plan(org, bytes(100_000_000), at(0)).await.unwrap();
        store.log_call(CallRecord { id: CallId(uuid()), ..tomorrow }).await.unwrap();
        assert_eq!(store.logs(org, query).await.unwrap().calls[1].call.log[0].message.len(), 60_000);
    }

    async fn a_page_of_the_log_is_bounded_in_bytes_and_loses_no_row(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let mut made: Vec<CallId> = Vec::new();
        for n in 0..90_u64 {
            let log = vec![LogLine { level: LogLevel::Info, message: "x".repeat(60_000) }];
            // Many are of one moment.
            let call = CallRecord { log, created_at: at(n / 40), ..record(org, CallId(uuid()), 0) };
            made.push(call.id);
            store.log_call(call).await.unwrap();
        }
        let (mut seen, mut before, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = store.logs(org, LogQuery { before, limit: 50, ..LogQuery::default() }).await.unwrap();
            let bytes: usize = page.calls.iter().map(|logged| logged.call.log[0].message.len()).sum();
            assert!(bytes < (2 << 20) + 70_000, "{bytes}");
            seen.extend(page.calls.iter().map(|logged| logged.call.id));
            pages += 1;
            let Some(last) = page.calls.last().filter(|_| page.more) else { break };
            before = Some(Cursor { at: last.call.created_at, id: last.call.id.0 });
        }
        assert_eq!((seen.len(), pages), (90, 3));
        seen.sort_unstable_by_key(|id| id.0);
        made.sort_unstable_by_key(|id| id.0);
        assert_eq!(seen, made);
        let whole = store.logs(org, LogQuery { limit: 10, to: Some(at(1)), ..LogQuery::default() }).await.unwrap();
        assert!(whole.calls.len() == 10 && whole.more);
    }
}
