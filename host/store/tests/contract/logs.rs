//! The log of calls: searched, kept for as long as the plan says, bounded in bytes.

use resly_core::{
    connector::{
        call::{CallRecord, CallStatus, ConnectionStore},
        connection::{CallerKind, Environment},
        failure_reason::FailureReason,
        fault::FaultKind,
        sandbox::{LogLevel, LogLine},
    },
    id::{CallId, ConnectionId},
    meter::Meter,
    plan::Overrides,
    turn::store::TurnStore,
};
use resly_store::{Cursor, LogQuery};
use serde_json::json;

use crate::{
    backend::{Backend, accept, answer, at, key, organization, question, user, uuid},
    both,
    calls::{all, begin, record},
    connections::connection,
};

/// Makes 5,000 calls of the newest one, each a second later: in SQLite and in PostgreSQL.
const MANY: (&str, &str) = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
     INSERT INTO connector_logs (id, organization_id, connection_id, connector, action, environment, status, fuel, http_calls,
         response_bytes, duration_us, log, requests, created_at, updated_at)
     SELECT printf('00000000-0000-7000-8000-%012x', i), organization_id, connection_id, connector, action, environment, status,
         fuel, http_calls, response_bytes, duration_us, log, requests,
         strftime('%Y-%m-%dT%H:%M:%f', created_at, '+' || i || ' seconds') || '000Z', updated_at
     FROM n, (SELECT * FROM connector_logs ORDER BY created_at DESC LIMIT 1)",
    "INSERT INTO connector_logs (id, organization_id, connection_id, connector, action, environment, status, fuel, http_calls,
         response_bytes, duration_us, log, requests, created_at, updated_at)
     SELECT gen_random_uuid(), organization_id, connection_id, connector, action, environment, status, fuel, http_calls,
         response_bytes, duration_us, log, requests, created_at + make_interval(secs => i), updated_at
     FROM generate_series(1, 5000) i, (SELECT * FROM connector_logs ORDER BY created_at DESC LIMIT 1) l",
);

both! {
    async fn logs_are_filtered_and_an_organizations_own(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let connection = ConnectionId(uuid());
        for n in 0..4_u64 {
            let id = CallId(uuid());
            begin(&store, org, id, 1).await.unwrap();
            let mut record = CallRecord { created_at: at(n), ..record(org, id, 1) };
            if n == 1 {
                record.connection = connection;
                record.status = CallStatus::Failed(FaultKind::Upstream);
                record.message = Some("the service said no".to_owned());
            }
            store.finish_call(record).await.unwrap();
        }
        let count = async |query: LogQuery| store.logs(org, query).await.unwrap().calls.len();
        assert_eq!(count(all()).await, 4);
        assert_eq!(count(LogQuery { limit: 2, ..all() }).await, 2);
        assert_eq!(count(LogQuery { connection: Some(connection), ..all() }).await, 1);
        assert_eq!(count(LogQuery { status: Some(CallStatus::Failed(FaultKind::Upstream)), ..all() }).await, 1);
        assert_eq!(count(LogQuery { to: Some(at(2)), ..all() }).await, 2);
        assert_eq!(store.logs(org, all()).await.unwrap().calls[0].call.created_at, at(3), "newest first");
        let stranger = organization(&store, &[]).await;
        assert!(store.logs(stranger, all()).await.unwrap().calls.is_empty());
    }

    async fn each_connection_tells_its_last_call(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (called, idle) = (connection(org), connection(org));
        for new in [&called, &idle] {
            store.create_connection(new.clone(), None).await.unwrap();
        }
        for n in [3, 5, 4] {
            let record = CallRecord { connection: called.id, created_at: at(n), ..record(org, CallId(uuid()), 0) };
            store.log_call(record).await.unwrap();
        }
        assert_eq!(store.last_calls(org, &[called.id, idle.id]).await.unwrap(), [(called.id, at(5))]);
        let stranger = organization(&store, &[]).await;
        assert!(store.last_calls(stranger, &[called.id]).await.unwrap().is_empty());
        assert!(store.last_calls(org, &[]).await.unwrap().is_empty());
    }

    async fn logs_are_found_by_each_thing_they_tell(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let new = key(org);
        store.create_key(new.clone()).await.unwrap();
        let asked = accept(&store, question(org, new.id, vec![user("Which one?")])).await;
        store.finish_turn(answer(org, asked.answer, "That one.")).await.unwrap();
        let plain = CallRecord { conversation: Some(asked.conversation), ..record(org, CallId(uuid()), 0) };
        store.log_call(plain.clone()).await.unwrap();
        let odd = CallRecord {
            connector: "shop".to_owned(),
            action: "put".to_owned(),
            environment: Environment::Sandbox,
            caller: CallerKind::Admin,
            key: Some(new.id),
            conversation: None,
            status: CallStatus::Failed(FaultKind::NotFound),
            reason: Some(FailureReason::RequestConfiguration),
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
            LogQuery { status: Some(CallStatus::Failed(FaultKind::NotFound)), ..all() },
            LogQuery { reason: Some(FailureReason::RequestConfiguration), ..all() },
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
        assert_eq!(store.plan(org).await.unwrap().terms.log_days, 30);
        let days = Overrides { log_days: Some(60), ..Overrides::default() };
        store.change_plan(longer, days, at(0)).await.unwrap();
        assert_eq!(store.plan(longer).await.unwrap().terms.log_days, 60);
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
        let bytes = |most| Overrides { log_bytes_per_day: Some(most), ..Overrides::default() };
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

    async fn a_search_looks_at_some_thousand_calls_and_says_where_it_ended(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let message = Some("the needle".to_owned());
        let old = CallRecord { message, created_at: at(0), ..record(org, CallId(uuid()), 0) };
        store.log_call(old.clone()).await.unwrap();
        store.log_call(CallRecord { created_at: at(1), ..record(org, CallId(uuid()), 0) }).await.unwrap();
        backend.script(if backend.url().is_some() { MANY.1 } else { MANY.0 }).await;

        let sought = LogQuery { text: Some("Needle".to_owned()), limit: 50, ..LogQuery::default() };
        let page = store.logs(org, sought.clone()).await.unwrap();
        assert!(page.calls.is_empty() && !page.more, "only newer calls were looked at");
        let next = page.next().unwrap();
        assert!(next.at > at(1));
        let rest = store.logs(org, LogQuery { before: Some(next), ..sought.clone() }).await.unwrap();
        assert_eq!(rest.calls.iter().map(|logged| logged.call.id).collect::<Vec<_>>(), [old.id]);
        assert_eq!(rest.next(), None, "nothing is left to look at");
        // A span that has fewer calls is looked at whole.
        let whole = LogQuery { to: Some(at(100)), ..sought };
        let page = store.logs(org, whole).await.unwrap();
        assert_eq!((page.calls.len(), page.next()), (1, None));
    }

    /// As when a newer version of the host has written the row.
    async fn a_status_that_this_version_does_not_know_is_an_error(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        store.log_call(record(org, CallId(uuid()), 0)).await.unwrap();
        backend.execute("UPDATE connector_logs SET status = 'of_tomorrow'").await;
        let error = store.logs(org, all()).await.unwrap_err();
        assert!(error.to_string().contains("`of_tomorrow` is no status of a call"), "{error}");
    }
}
