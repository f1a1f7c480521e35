//! Crashes: what a dead process left is settled once, and nothing that was accepted is lost.

use resly_core::{
    connector::{call::ConnectionStore, connection::Environment},
    conversation::MessageStatus,
    id::{CallId, KeyId},
    meter::Meter,
    turn::store::{FinishedTurn, NewTurn, TurnStore},
};
use resly_store::{OpenError, Recovered, Store};

use crate::{
    backend::{Backend, accept, answer, at, organization, question, refund, texts, user, uuid},
    both,
};

/// Opens what a crash left, and has it settled: SQLite does so by itself.
async fn reopen(backend: &Backend) -> Store {
    let store = backend.open().await;
    let recovered = store.recover(at(1000)).await.unwrap();
    let expected = if backend.is_sqlite() { Recovered::default() } else { Recovered { turns: 1, calls: 1 } };
    assert_eq!(recovered, expected);
    store
}

both! {
    async fn what_a_crash_left_is_settled(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Fuel, 100)]).await;
        let key = KeyId(uuid());
        let done = accept(&store, question(org, key, vec![user("done?")])).await;
        store.finish_turn(answer(org, done.answer, "done")).await.unwrap();
        let turn = accept(&store, question(org, key, vec![user("hi")])).await;
        store.begin_call(CallId(uuid()), org, Environment::Production, 100, at(0), at(60)).await.unwrap();
        drop(store);

        let store = reopen(&backend).await;
        assert_eq!(texts(&store, org, done.conversation).await, ["done?", "done"]);
        let message = store.message(org, turn.answer).await.unwrap().unwrap();
        assert_eq!(message.status, MessageStatus::Interrupted);
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.meters[&Meter::Messages].used, 2);
        assert_eq!(report.meters[&Meter::ConnectorCalls].used, 1);
        assert_eq!(report.meters[&Meter::Fuel].used, 0);
        backend.assert_billed(&report).await;
        let again = store.begin_call(CallId(uuid()), org, Environment::Production, 100, at(0), at(60)).await;
        assert_eq!(again.unwrap().fuel, 100, "its fuel is free again");
        store.close().await;
        assert!(store.schema().await.is_err());
    }

    async fn a_turn_that_was_given_up_too_early_can_still_end(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let turn = accept(&store, question(org, key, vec![user("hi")])).await;
        let failing = accept(&store, question(org, key, vec![user("ho")])).await;
        let alive = NewTurn { lease_until: at(999), ..question(org, key, vec![user("alive")]) };
        let alive = accept(&store, alive).await;
        assert_eq!(store.recover(at(500)).await.unwrap().turns, 2);
        assert_eq!(store.message(org, alive.answer).await.unwrap().unwrap().status, MessageStatus::Streaming);

        store.finish_turn(answer(org, turn.answer, "here it is")).await.unwrap();
        assert_eq!(texts(&store, org, turn.conversation).await, ["hi", "here it is"]);
        store.finish_turn(refund(org, failing.answer)).await.unwrap();
        store.finish_turn(answer(org, alive.answer, "yes")).await.unwrap();
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.meters[&Meter::Messages].used, 2);
        backend.assert_billed(&report).await;
    }

    async fn a_turn_over_the_months_end_belongs_to_the_month_it_began_in(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let last = "2026-10-31T23:59:59Z".parse().unwrap();
        let first = "2026-11-01T00:00:05Z".parse().unwrap();
        for refund in [false, true] {
            let turn = NewTurn { now: last, ..question(org, KeyId(uuid()), vec![user("?")]) };
            let turn = accept(&store, turn).await;
            store.finish_turn(FinishedTurn { now: first, refund, ..answer(org, turn.answer, "!") }).await.unwrap();
        }
        let october = store.usage(org, last).await.unwrap();
        assert_eq!(october.meters[&Meter::Messages].used, 1);
        backend.assert_billed(&october).await;
        assert_eq!(store.usage(org, first).await.unwrap().meters[&Meter::Messages].used, 0);
        let billed = "SELECT COUNT(*) FROM billing_events WHERE period_start < '2026-10-02T00:00:00.000000Z'";
        assert_eq!(backend.number(billed).await, 1);
    }

    async fn many_may_recover_at_once(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        for _ in 0..30 {
            accept(&store, question(org, key, vec![user("?")])).await;
            store.begin_call(CallId(uuid()), org, Environment::Production, 5, at(0), at(60)).await.unwrap();
        }
        let hosts = (0..6).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.recover(at(200)).await.unwrap() })
        });
        let mut total = Recovered::default();
        for recovered in futures::future::join_all(hosts).await {
            let recovered = recovered.unwrap();
            total.turns += recovered.turns;
            total.calls += recovered.calls;
        }
        assert_eq!(total, Recovered { turns: 30, calls: 30 });
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.meters[&Meter::Messages].used, 30);
        backend.assert_billed(&report).await;
        assert_eq!(backend.number("SELECT reserved FROM usage WHERE meter = 'fuel'").await, 0);
    }

    async fn what_is_older_than_two_days_is_forgotten(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("?")])).await;
        store.finish_turn(answer(org, turn.answer, "!")).await.unwrap();
        store.recover(at(86_400)).await.unwrap();
        assert_eq!(backend.number("SELECT COUNT(*) FROM turns").await, 1);
        store.recover(at(3 * 86_400)).await.unwrap();
        assert_eq!(backend.number("SELECT COUNT(*) FROM turns").await, 0);
        assert_eq!(texts(&store, org, turn.conversation).await, ["?", "!"]);
    }
}

/// With a direct URL the other one is taken to lead through a pooler: nothing may outlive a transaction on its server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_without_statements_that_outlive_a_transaction() {
    let backend = Backend::postgres().await;
    let config = backend.config();
    let config = resly_store::StoreConfig { direct_url: config.database_url.clone(), ..config };
    let store = Store::open(&config).await.unwrap();
    let org = organization(&store, &[]).await;
    for _ in 0..3 {
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        store.finish_turn(answer(org, turn.answer, "hello")).await.unwrap();
        assert_eq!(texts(&store, org, turn.conversation).await, ["hi", "hello"]);
    }
    store.schema().await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_let_go_when_the_store_is_closed() {
    let backend = Backend::sqlite();
    for _ in 0..3 {
        let store = backend.open().await;
        store.schema().await.unwrap();
        store.close().await;
    }
    assert!(!backend.config().data_dir.join("resly.db-wal").exists(), "the last one out tidies up");
}

#[tokio::test]
async fn a_url_that_is_not_postgres_is_refused() {
    let backend = Backend::sqlite();
    for url in ["mysql://localhost/x", "postgres"] {
        let config = resly_store::StoreConfig { database_url: Some(url.to_owned()), ..backend.config() };
        assert!(matches!(Store::open(&config).await.err(), Some(OpenError::UnknownUrl)));
    }
    let config = resly_store::StoreConfig {
        database_url: Some("postgres://nobody@127.0.0.1:1/x".to_owned()),
        ..backend.config()
    };
    let error = Store::open(&config).await.err().unwrap();
    assert!(matches!(error, OpenError::Connect(_)));
    assert!(std::error::Error::source(&error).is_none(), "whoever prints the chain says each thing once: {error}");
}

#[tokio::test]
async fn a_data_folder_that_is_a_file_is_told_so() {
    let backend = Backend::sqlite();
    let file = backend.config().data_dir.join("notes.txt");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&resly_store::StoreConfig { data_dir: file, ..backend.config() }).await.err().unwrap();
    assert!(matches!(error, OpenError::NoFolder { .. }), "{error}");
}
