//! Calls of one organization that begin at the same time: each is counted and reserved as if it had begun alone.

use futures::future::join_all;
use resly_core::{
    connector::{
        call::{BeginCallError, CallRecord, CallStatus, ConnectionStore, FuelGrant},
        connection::Environment,
        fault::FaultKind,
    },
    error::StoreError,
    id::{CallId, OrganizationId},
    meter::{LimitWindow, Meter},
    plan::Overrides,
};
use resly_store::Store;

use crate::{
    backend::{Backend, at, organization, used, uuid},
    both,
    calls::record,
};

async fn begin(store: &Store, org: OrganizationId, id: CallId) -> Result<FuelGrant, BeginCallError> {
    store.begin_call(id, org, Environment::Production, 10, at(0), at(60)).await
}

async fn reserved(store: &Store, org: OrganizationId) -> u64 {
    store.usage(org, at(0)).await.unwrap().meters[&Meter::Fuel].reserved.unwrap()
}

both! {
    async fn each_has_its_own_fuel_and_lease(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let limited = organization(&store, &[(Meter::Fuel, 1 << 40)]).await;
        let calls: Vec<_> = (1..=60).map(|n| (CallId(uuid()), if n % 2 == 0 { org } else { limited }, n)).collect();
        let begun = join_all(calls.iter().map(|(id, org, n)| {
            // Two minutes, and leases that end at two times.
            let (now, until) = if n % 3 == 0 { (at(1), at(61)) } else { (at(100), at(300)) };
            store.begin_call(*id, *org, Environment::Production, *n, now, until)
        }))
        .await;
        for (grant, (_, org, fuel)) in begun.into_iter().zip(&calls) {
            assert_eq!(grant.unwrap(), FuelGrant { fuel: *fuel, limited: *org == limited });
        }
        let sum = |org: OrganizationId, ended: bool| -> u64 {
            let of = calls.iter().filter(|(_, of, n)| *of == org && !(ended && n % 3 == 0));
            of.map(|(_, _, n)| n).sum()
        };
        for org in [org, limited] {
            assert_eq!(used(&store, org, Meter::ConnectorCalls).await, 30);
            assert_eq!(reserved(&store, org).await, sum(org, false));
        }
        store.recover(at(61)).await.unwrap();
        for org in [org, limited] {
            assert_eq!(reserved(&store, org).await, sum(org, true), "those whose lease ended are free");
        }
        for (id, org, n) in &calls {
            store.finish_call(record(*org, *id, n / 2)).await.unwrap();
        }
        let report = store.usage(limited, at(0)).await.unwrap();
        assert_eq!(report.meters[&Meter::Fuel].reserved, Some(0));
        assert_eq!(report.meters[&Meter::Fuel].used, (1..=60_u64).step_by(2).map(|n| n / 2).sum::<u64>());
    }

    /// A count may be larger than its minute's limit, when it is the only one. Calls that begin together are several.
    async fn a_minute_lets_as_many_pass_as_it_has(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let minute = Overrides { per_minute: [(Meter::ConnectorCalls, Some(5))].into(), ..Overrides::default() };
        store.change_plan(org, minute, at(0)).await.unwrap();
        let begun = join_all((0..30).map(|_| begin(&store, org, CallId(uuid())))).await;
        let mut passed = 0;
        for call in begun {
            match call {
                Ok(_) => passed += 1,
                Err(BeginCallError::Limit(limit)) => {
                    assert_eq!((limit.per, limit.limit, limit.used), (LimitWindow::Minute, 5, 5));
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((passed, reserved(&store, org).await), (5, 50));
    }

    async fn one_that_fails_spoils_none_of_the_others(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let taken = CallId(uuid());
        begin(&store, org, taken).await.unwrap();
        let ids: Vec<_> = (0..20).map(|n| if n == 7 { taken } else { CallId(uuid()) }).collect();
        let begun = join_all(ids.iter().map(|id| begin(&store, org, *id))).await;
        for (n, call) in begun.into_iter().enumerate() {
            match call {
                Ok(grant) => assert_eq!((grant.fuel, n == 7), (10, false)),
                Err(error) => assert!(n == 7 && matches!(error, BeginCallError::Store(StoreError::Broken { .. }))),
            }
        }
        assert_eq!((used(&store, org, Meter::ConnectorCalls).await, reserved(&store, org).await), (20, 200));
    }

    /// PostgreSQL has three hosts, SQLite one.
    async fn a_cap_is_hard_on_three_hosts(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::ConnectorCalls, 150)]).await;
        let mut stores = vec![store];
        while !backend.is_sqlite() && stores.len() < 3 {
            stores.push(backend.open().await);
        }
        let clients = (0..64).map(|client| {
            let store = stores[client % stores.len()].clone();
            tokio::spawn(async move {
                let mut passed = 0;
                for _ in 0..5 {
                    match begin(&store, org, CallId(uuid())).await {
                        Ok(_) => passed += 1,
                        Err(BeginCallError::Limit(limit)) => assert_eq!((limit.limit, limit.used), (150, 150)),
                        Err(error) => panic!("{error}"),
                    }
                }
                passed
            })
        });
        let passed: u32 = join_all(clients).await.into_iter().map(Result::unwrap).sum();
        assert_eq!((passed, reserved(&stores[0], org).await), (150, 1500));
        let told = "SELECT COUNT(*) FROM billing_events WHERE kind = 'usage_threshold'";
        assert_eq!(backend.number(told).await, 3, "each threshold once");
    }

    /// Both change the count of calls and that of fuel.
    async fn calls_that_begin_and_calls_that_are_given_back_do_not_deadlock(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let clients = (0..16).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    let id = CallId(uuid());
                    begin(&store, org, id).await.unwrap();
                    let busy = CallStatus::Failed(FaultKind::Busy);
                    store.give_back_call(CallRecord { status: busy, ..record(org, id, 0) }).await.unwrap();
                }
            })
        });
        for client in join_all(clients).await {
            client.unwrap();
        }
        assert_eq!((used(&store, org, Meter::ConnectorCalls).await, reserved(&store, org).await), (0, 0));
    }
}
