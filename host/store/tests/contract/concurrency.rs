//! Many at once: limits hold, keys are taken once, and one operation's failure is its own.

use futures::future::join_all;
use resly_core::{
    connector::{
        call::{BeginCallError, ConnectionStore},
        connection::Environment,
    },
    id::{CallId, KeyId, MessageId},
    meter::Meter,
    turn::store::{BeginTurn, BeginTurnError, ConversationRef, NewTurn, TurnStore},
};
use tokio::task::spawn;

use crate::{
    backend::{Backend, accept, answer, at, idempotency, question, texts, used, user, uuid},
    both,
};

both! {
    async fn two_hundred_questions_find_exactly_the_room_there_is(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Messages, 57)]).await;
        let key = KeyId(uuid());
        let asking = (0..200).map(|_| {
            let store = store.clone();
            spawn(async move {
                let turn = NewTurn { key_cap: Some(100), ..question(org, key, vec![user("?")]) };
                let id = turn.answer;
                match store.begin_turn(turn).await {
                    Ok(BeginTurn::Accepted(_)) => {
                        store.finish_turn(answer(org, id, "!")).await.unwrap();
                        true
                    }
                    Err(BeginTurnError::Limit(limit)) => {
                        assert_eq!((limit.limit, limit.used), (57, 57));
                        false
                    }
                    other => panic!("{other:?}"),
                }
            })
        });
        let accepted = join_all(asking).await.into_iter().filter(|result| *result.as_ref().unwrap()).count();
        assert_eq!(accepted, 57);
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.meters[&Meter::Messages].used, 57);
        assert_eq!(backend.number("SELECT used FROM key_usage").await, 57);
        assert_eq!(backend.number("SELECT COUNT(*) FROM turns WHERE status = 'complete'").await, 57);
        backend.assert_billed(&report).await;
    }

    async fn one_of_many_equal_requests_is_accepted(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let asking = (0..20).map(|_| {
            let store = store.clone();
            let turn = NewTurn { idempotency: idempotency("same", 1), ..question(org, key, vec![user("?")]) };
            spawn(async move { store.begin_turn(turn).await })
        });
        let mut accepted = 0;
        for outcome in join_all(asking).await {
            match outcome.unwrap() {
                Ok(BeginTurn::Accepted(_)) => accepted += 1,
                Err(BeginTurnError::InFlight { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(accepted, 1);
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
        assert_eq!(backend.number("SELECT COUNT(*) FROM conversations").await, 1);
    }

    async fn a_name_is_one_conversation_however_many_ask_at_once(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let asking = (0..20).map(|n| {
            let store = store.clone();
            let conversation = ConversationRef::Named("chat".to_owned());
            let turn = NewTurn { conversation, ..question(org, key, vec![user(&format!("q{n}"))]) };
            spawn(async move {
                let accepted = accept(&store, turn).await;
                store.finish_turn(answer(org, accepted.answer, "!")).await.unwrap();
                accepted.conversation
            })
        });
        let conversations = join_all(asking).await;
        let first = *conversations[0].as_ref().unwrap();
        assert!(conversations.iter().all(|id| *id.as_ref().unwrap() == first));
        assert_eq!(texts(&store, org, first).await.len(), 40);
    }

    async fn calls_share_out_the_fuel_and_no_more(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Fuel, 1000), (Meter::ConnectorCalls, 100)]).await;
        let calling = (0..50).map(|_| {
            let store = store.clone();
            spawn(async move {
                let begun = store.begin_call(CallId(uuid()), org, Environment::Production, 90, at(0), at(60)).await;
                match begun {
                    Ok(grant) => grant.fuel,
                    Err(BeginCallError::LimitReserved(rest)) => {
                        assert_eq!((rest.meter, rest.limit, rest.used, rest.reserved), (Meter::Fuel, 1000, 0, 990));
                        0
                    }
                    Err(error) => panic!("{error}"),
                }
            })
        });
        let mut granted: Vec<_> = join_all(calling).await.into_iter().map(Result::unwrap).collect();
        granted.sort_unstable();
        assert_eq!(granted.iter().sum::<u64>(), 990, "whole ones; the rest waits for what they give back");
        assert_eq!(granted.iter().filter(|fuel| **fuel > 0).count(), 11);
        assert_eq!(used(&store, org, Meter::ConnectorCalls).await, 11, "what is refused is not counted");
    }

    /// In SQLite they share a commit; each is undone alone.
    async fn an_operation_that_fails_spoils_nobody_elses(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let taken = accept(&store, question(org, key, vec![user("first")])).await.answer;
        let asking = (0..60).map(|n| {
            let store = store.clone();
            spawn(async move {
                let mut turn = question(org, key, vec![user("?")]);
                match n % 3 {
                    0 => {}
                    // A primary key that is there already: a database error after rows were written.
                    1 => turn.answer = taken,
                    _ => turn.message_ids = Vec::new(),
                }
                (n % 3, turn.answer, store.begin_turn(turn).await.is_ok())
            })
        });
        let mut good: Vec<MessageId> = Vec::new();
        for outcome in join_all(asking).await {
            let (kind, id, accepted) = outcome.unwrap();
            assert_eq!(accepted, kind == 0);
            if accepted {
                good.push(id);
            }
        }
        assert_eq!(good.len(), 20);
        for id in good {
            assert!(store.message(org, id).await.unwrap().is_some());
        }
        assert_eq!(used(&store, org, Meter::Messages).await, 21);
        assert_eq!(backend.number("SELECT COUNT(*) FROM conversations").await, 21);
    }
}
