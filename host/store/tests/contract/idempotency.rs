//! Idempotency keys: the same request is answered once and counted once.

use resly_core::{
    conversation::MessageStatus,
    id::{KeyId, OrganizationId},
    meter::Meter,
    turn::store::{BeginTurn, BeginTurnError, ConversationRef, FinishOutcome, FinishedTurn, NewTurn, TurnStore},
};

use crate::{
    backend::{
        Backend, accept, answer, assistant, at, idempotency, question, refund, refusal, texts, used, user, uuid,
    },
    both,
};

fn asked(org: OrganizationId, key: KeyId) -> NewTurn {
    NewTurn { idempotency: idempotency("k\0ey", 1), ..question(org, key, vec![user("hi")]) }
}

both! {
    async fn an_answered_request_is_replayed(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        for (name, status) in [("a", MessageStatus::Complete), ("b", MessageStatus::Cancelled)] {
            let ask = || NewTurn { idempotency: idempotency(name, 1), ..question(org, key, vec![user("hi")]) };
            let turn = accept(&store, ask()).await;
            let BeginTurnError::InFlight { answer: writing, lease_left } = refusal(&store, ask()).await else {
                panic!("it isn't answered yet")
            };
            assert_eq!((writing, lease_left), (Some(turn.answer), at(120).since(at(0))));
            store.finish_turn(FinishedTurn { status, ..answer(org, turn.answer, "hello") }).await.unwrap();
            let BeginTurn::Replay(message) = store.begin_turn(ask()).await.unwrap() else { panic!("no replay") };
            assert_eq!((message.id, message.content.as_str()), (turn.answer, "hello"));
            assert_eq!((message.status, message.conversation_id), (status, turn.conversation));
        }
        assert_eq!(used(&store, org, Meter::Messages).await, 2);
        assert_eq!(backend.number("SELECT COUNT(*) FROM messages").await, 4);
    }

    async fn a_key_for_another_request_is_refused(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let turn = accept(&store, asked(org, key)).await;
        let other = || NewTurn { idempotency: idempotency("k\0ey", 2), ..question(org, key, vec![user("bye")]) };
        assert!(matches!(refusal(&store, other()).await, BeginTurnError::KeyReused));
        store.finish_turn(answer(org, turn.answer, "hello")).await.unwrap();
        assert!(matches!(refusal(&store, other()).await, BeginTurnError::KeyReused));
        // Another API key has keys of its own.
        accept(&store, NewTurn { key: KeyId(uuid()), ..other() }).await;
    }

    async fn a_failed_request_is_run_again(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let first = accept(&store, asked(org, key)).await;
        store.finish_turn(refund(org, first.answer)).await.unwrap();
        assert_eq!(used(&store, org, Meter::Messages).await, 0);

        let second = accept(&store, asked(org, key)).await;
        assert_eq!(second.conversation, first.conversation, "the conversation it made is there already");
        assert_eq!(second.history.len(), 1);
        assert_eq!(texts(&store, org, first.conversation).await, ["hi", ""]);
        assert_eq!(used(&store, org, Meter::Messages).await, 1, "what was given back is counted anew");

        // It fails half-way, which is not given back, and so not counted again.
        let failed = FinishedTurn { status: MessageStatus::Failed, ..answer(org, second.answer, "hel") };
        store.finish_turn(failed).await.unwrap();
        let third = accept(&store, asked(org, key)).await;
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
        assert!(matches!(refusal(&store, asked(org, key)).await, BeginTurnError::InFlight { .. }));
        store.finish_turn(answer(org, third.answer, "hello")).await.unwrap();
        assert!(matches!(store.begin_turn(asked(org, key)).await.unwrap(), BeginTurn::Replay(_)));
        assert_eq!(texts(&store, org, first.conversation).await, ["hi", "hello"]);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    async fn an_interrupted_request_is_run_again_and_counted_once(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Messages, 5)]).await;
        let key = KeyId(uuid());
        let cap = |turn: NewTurn| NewTurn { key_cap: Some(3), ..turn };
        let first = accept(&store, cap(asked(org, key))).await;
        assert_eq!(store.recover(at(120)).await.unwrap().turns, 1);
        assert_eq!(store.message(org, first.answer).await.unwrap().unwrap().status, MessageStatus::Interrupted);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;

        let second = accept(&store, cap(asked(org, key))).await;
        assert_eq!(second.remaining.unwrap().remaining, 2);
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
        // The host of the first comes back late, and finds its place taken.
        let late = store.finish_turn(answer(org, first.answer, "late")).await.unwrap();
        assert_eq!(late, FinishOutcome::Superseded);
        assert_eq!(texts(&store, org, first.conversation).await, ["hi", ""]);
        // An attempt of which the host doesn't know what came is made again.
        for _ in 0..2 {
            let stored = store.finish_turn(answer(org, second.answer, "hello")).await.unwrap();
            assert_eq!(stored, FinishOutcome::Stored);
        }
        assert_eq!(texts(&store, org, first.conversation).await, ["hi", "hello"]);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    /// The host died and nobody has settled its turn yet.
    async fn a_lease_that_is_over_is_as_good_as_interrupted(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let first = accept(&store, asked(org, key)).await;
        let later = NewTurn { now: at(120), lease_until: at(240), ..asked(org, key) };
        let second = accept(&store, later).await;
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
        assert_eq!(store.recover(at(121)).await.unwrap().turns, 0);
        store.finish_turn(refund(org, second.answer)).await.unwrap();
        assert_eq!(used(&store, org, Meter::Messages).await, 0);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
        assert!(store.message(org, first.answer).await.unwrap().unwrap().superseded_at.is_some());
    }

    async fn it_is_run_again_in_a_conversation_that_went_on(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let first = accept(&store, asked(org, key)).await;
        store.recover(at(120)).await.unwrap();
        let on = |messages| NewTurn { conversation: ConversationRef::Id(first.conversation), ..question(org, key, messages) };
        let other = accept(&store, on(vec![user("more")])).await;
        store.finish_turn(answer(org, other.answer, "sure")).await.unwrap();
        let again = accept(&store, asked(org, key)).await;
        assert_eq!(again.history.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), ["hi"]);
        store.finish_turn(answer(org, again.answer, "hello")).await.unwrap();
        assert_eq!(texts(&store, org, first.conversation).await, ["hi", "hello", "more", "sure"]);
    }

    async fn it_is_asked_anew_when_its_question_was_replaced(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let start = accept(&store, question(org, key, vec![user("a")])).await;
        store.finish_turn(answer(org, start.answer, "A")).await.unwrap();
        let on = |messages| NewTurn { conversation: ConversationRef::Id(start.conversation), ..question(org, key, messages) };
        let b = || NewTurn { idempotency: idempotency("b", 1), ..on(vec![user("a"), assistant("A"), user("b")]) };
        accept(&store, b()).await;
        store.recover(at(120)).await.unwrap();
        let edited = accept(&store, on(vec![user("a"), assistant("A"), user("c")])).await;
        store.finish_turn(answer(org, edited.answer, "C")).await.unwrap();
        let again = accept(&store, b()).await;
        assert_eq!(again.history.last().unwrap().content, "b");
        assert_eq!(texts(&store, org, start.conversation).await, ["a", "A", "b", ""]);
    }
}
