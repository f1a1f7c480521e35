//! The hosts that share the database: which one writes an answer, and who may end it.

use std::collections::BTreeSet;

use resly_core::{
    conversation::MessageStatus,
    id::{HostId, KeyId},
    meter::Meter,
    time::Timestamp,
    turn::store::{AnswerWriter, FinishedTurn, NewTurn, TurnStore},
};
use resly_store::{HostLease, Store};

use crate::{
    backend::{Backend, accept, answer, at, host, idempotency, organization, question, texts, used, user, uuid},
    both,
};

fn lease(id: HostId, now: Timestamp, lease_until: Timestamp) -> HostLease {
    HostLease { id, url: Some("http://10.0.0.5:8080".to_owned()), version: "1.0.0", now, lease_until }
}

async fn renew(store: &Store, now: Timestamp, lease_until: Timestamp) {
    store.renew_host(lease(host(), now, lease_until)).await.unwrap();
}

both! {
    async fn a_turn_tells_which_host_writes_it(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        let writer = async |now| {
            let found = store.answer_in_progress(org, turn.conversation, now).await.unwrap();
            let writer = store.answer_writer(org, turn.answer, now).await.unwrap();
            assert_eq!(found.map(|found| found.writer), writer);
            writer.unwrap()
        };
        let unknown = AnswerWriter { host: Some(host()), url: None, alive: false };
        assert_eq!(writer(at(0)).await, unknown, "its host isn't listed");

        renew(&store, at(0), at(5)).await;
        let url = Some("http://10.0.0.5:8080".to_owned());
        assert_eq!(writer(at(1)).await, AnswerWriter { host: Some(host()), url: url.clone(), alive: true });
        assert!(!writer(at(5)).await.alive, "its lease is over");
        renew(&store, at(5), at(200)).await;
        assert!(writer(at(119)).await.alive);
        let late = store.answer_writer(org, turn.answer, at(120)).await.unwrap();
        assert!(!late.unwrap().alive, "the turn's own lease is over");

        let stranger = organization(&store, &[]).await;
        assert_eq!(store.answer_writer(stranger, turn.answer, at(1)).await.unwrap(), None);
        store.remove_host(host()).await.unwrap();
        assert_eq!(writer(at(1)).await, unknown);
        store.finish_turn(answer(org, turn.answer, "hello")).await.unwrap();
        assert_eq!(store.answer_writer(org, turn.answer, at(1)).await.unwrap(), None);
    }

    async fn a_turn_of_an_earlier_version_lives_as_long_as_its_own_lease(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        backend.execute("UPDATE turns SET host_id = NULL").await;
        let writer = store.answer_writer(org, turn.answer, at(1)).await.unwrap();
        assert_eq!(writer, Some(AnswerWriter { host: None, url: None, alive: true }));
    }

    async fn a_host_that_comes_back_late_ends_nothing(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let other = HostId(uuid());
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        let stranger = organization(&store, &[]).await;
        store.end_for_gone_host(stranger, turn.answer, host(), other, at(9)).await.unwrap();
        store.end_for_gone_host(org, turn.answer, other, other, at(9)).await.unwrap();
        let status = async || store.message(org, turn.answer).await.unwrap().unwrap().status;
        assert_eq!(status().await, MessageStatus::Streaming, "neither names its host and organization");

        let hosts: Vec<_> = (0..4).map(|_| HostId(uuid())).collect();
        let ends = hosts.iter().map(|by| store.end_for_gone_host(org, turn.answer, host(), *by, at(9)));
        for ended in futures::future::join_all(ends).await {
            ended.unwrap();
        }
        assert_eq!(status().await, MessageStatus::Interrupted);
        store.renew_turn(org, turn.answer, at(900)).await.unwrap();
        store.finish_turn(answer(org, turn.answer, "too late")).await.unwrap();
        let refund = FinishedTurn { refund: true, status: MessageStatus::Failed, ..answer(org, turn.answer, "") };
        store.finish_turn(refund).await.unwrap();
        assert_eq!((status().await, texts(&store, org, turn.conversation).await), (MessageStatus::Interrupted, vec!["hi".to_owned(), String::new()]));
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    async fn a_finished_answer_is_not_ended_for_its_host(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        store.finish_turn(answer(org, turn.answer, "hello")).await.unwrap();
        store.end_for_gone_host(org, turn.answer, host(), HostId(uuid()), at(9)).await.unwrap();
        assert_eq!(texts(&store, org, turn.conversation).await, ["hi", "hello"]);
        assert_eq!(store.message(org, turn.answer).await.unwrap().unwrap().status, MessageStatus::Complete);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    async fn a_repeat_belongs_to_the_host_that_takes_it(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (key, second) = (KeyId(uuid()), HostId(uuid()));
        let asked = || NewTurn { idempotency: idempotency("k", 1), ..question(org, key, vec![user("hi")]) };
        let first = accept(&store, asked()).await;
        let again = NewTurn { host: second, now: at(130), lease_until: at(250), ..asked() };
        let again = accept(&store, again).await;
        assert_ne!(first.answer, again.answer);
        let writer = store.answer_writer(org, again.answer, at(131)).await.unwrap().unwrap();
        assert_eq!(writer.host, Some(second));
        store.finish_turn(answer(org, again.answer, "by the first host")).await.unwrap();
        assert_eq!(store.message(org, again.answer).await.unwrap().unwrap().status, MessageStatus::Streaming);
        store.finish_turn(FinishedTurn { host: second, ..answer(org, again.answer, "hello") }).await.unwrap();
        assert_eq!(store.message(org, again.answer).await.unwrap().unwrap().content, "hello");
    }

    async fn hosts_that_are_long_gone_are_forgotten(backend: Backend) {
        let store = backend.open().await;
        let gone: BTreeSet<HostId> = (0..3).map(|_| HostId(uuid())).collect();
        for id in gone {
            store.renew_host(lease(id, at(0), at(5))).await.unwrap();
        }
        renew(&store, at(3000), at(3005)).await;
        assert_eq!(backend.number("SELECT COUNT(*) FROM hosts").await, 4);
        renew(&store, at(4000), at(4005)).await;
        assert_eq!(backend.number("SELECT COUNT(*) FROM hosts").await, 1);
    }
}
