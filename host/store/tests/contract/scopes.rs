//! What belongs to a key and a visitor: names, conversations, idempotency keys, approvals.

use resly_core::{
    approval::ChatClient,
    id::KeyId,
    principal::KeyKind,
    turn::store::{BeginTurn, BeginTurnError, ConversationRef, NewTurn, TurnStore},
};

use crate::{
    backend::{Backend, accept, answer, idempotency, person, question, refusal, user, uuid},
    both,
};

both! {
    async fn a_name_belongs_to_key_and_visitor(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let ask = |visitor: Option<&str>| NewTurn {
            conversation: ConversationRef::Named("chat".to_owned()),
            visitor: visitor.map(str::to_owned),
            ..question(org, key, vec![user("hi")])
        };
        let visitors = [None, Some("alice"), Some("bob")];
        let mut made = vec![];
        for visitor in visitors {
            made.push(accept(&store, ask(visitor)).await.conversation);
        }
        for (at, visitor) in visitors.into_iter().enumerate() {
            assert_eq!(accept(&store, ask(visitor)).await.conversation, made[at]);
            let found = store.find_conversation(&person(org, key, visitor), "chat").await.unwrap();
            assert_eq!(found, Some(made[at]));
        }
        made.dedup();
        assert_eq!(made.len(), 3);
        assert_eq!(store.find_conversation(&person(org, key, Some("eve")), "chat").await.unwrap(), None);
    }

    async fn what_is_a_visitor_s_stays_that_visitor_s(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let ask = |conversation, visitor: Option<&str>| NewTurn {
            conversation,
            visitor: visitor.map(str::to_owned),
            ..question(org, key, vec![user("hi")])
        };
        let theirs = accept(&store, ask(ConversationRef::New, Some("alice"))).await.conversation;
        for other in [None, Some("bob")] {
            let refused = refusal(&store, ask(ConversationRef::Id(theirs), other)).await;
            assert!(matches!(refused, BeginTurnError::NoConversation), "{refused:?}");
            let found = store.find_conversation(&person(org, key, other), &theirs.to_string()).await.unwrap();
            assert_eq!(found, None);
        }
        assert_eq!(accept(&store, ask(ConversationRef::Id(theirs), Some("alice"))).await.conversation, theirs);

        // A conversation of nobody becomes the first visitor's who goes on with it, and its name leads nobody there.
        let named = || ConversationRef::Named("chat".to_owned());
        let open = accept(&store, ask(named(), None)).await.conversation;
        assert_eq!(accept(&store, ask(ConversationRef::Id(open), Some("alice"))).await.conversation, open);
        assert_ne!(accept(&store, ask(named(), None)).await.conversation, open);
        assert_ne!(accept(&store, ask(named(), Some("alice"))).await.conversation, open);
        assert!(matches!(refusal(&store, ask(ConversationRef::Id(open), None)).await, BeginTurnError::NoConversation));
    }

    async fn a_page_s_key_finds_what_runs_under_it(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (server, page) = (KeyId(uuid()), KeyId(uuid()));
        let pages = ChatClient { kind: KeyKind::Publishable, ..person(org, page, None) };
        let first = accept(&store, question(org, server, vec![user("hi")])).await;
        let name = first.conversation.to_string();
        assert_eq!(store.find_conversation(&pages, &name).await.unwrap(), None);
        assert_eq!(store.find_conversation(&person(org, page, None), &name).await.unwrap(), Some(first.conversation));
        let go_on = ConversationRef::Id(first.conversation);
        let turn = NewTurn { conversation: go_on, ..question(org, page, vec![user("more")]) };
        let second = accept(&store, turn).await;
        assert_eq!(store.find_conversation(&pages, &name).await.unwrap(), Some(first.conversation));
        store.finish_turn(answer(org, second.answer, "ok")).await.unwrap();
        assert_eq!(store.find_conversation(&pages, &name).await.unwrap(), None);
    }

    async fn an_idempotency_key_belongs_to_key_and_visitor(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let ask = |visitor: Option<&str>, of| NewTurn {
            visitor: visitor.map(str::to_owned),
            idempotency: idempotency("once", of),
            ..question(org, key, vec![user("hi")])
        };
        for (visitor, of) in [(None, 1), (Some("alice"), 2), (Some("bob"), 3)] {
            let accepted = accept(&store, ask(visitor, of)).await;
            assert!(matches!(refusal(&store, ask(visitor, of)).await, BeginTurnError::InFlight { .. }));
            store.finish_turn(answer(org, accepted.answer, "ok")).await.unwrap();
            let BeginTurn::Replay(again) = store.begin_turn(ask(visitor, of)).await.unwrap() else { panic!() };
            assert_eq!(again.id, accepted.answer);
            assert!(matches!(refusal(&store, ask(visitor, 9)).await, BeginTurnError::KeyReused));
        }
    }
}
