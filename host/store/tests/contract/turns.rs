//! Turns: what is stored, what is counted, what is refused.

use resly_core::{
    conversation::MessageStatus,
    id::{ConversationId, KeyId, MessageId, TicketId},
    knowledge::Citation,
    meter::{LimitLevel, LimitReached, LimitWindow, Meter},
    model::{FinishReason, Role},
    plan::{SubscriptionChange, SubscriptionStatus},
    turn::store::{BeginTurnError, ConversationRef, FinishedTurn, NewTicket, NewTurn, TurnStore},
};
use resly_store::{Cursor, Resubscription};
use serde_json::json;

use crate::{
    backend::{
        Backend, accept, answer, assistant, at, change_limits, key, organization, person, question, refund, refusal,
        successor, texts, used, user, uuid,
    },
    both,
};

both! {
    async fn an_accepted_question_and_its_answer_are_stored(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = NewTurn { visitor: Some("v-1".to_owned()), ..question(org, KeyId(uuid()), vec![user("hi?")]) };
        let accepted = accept(&store, turn.clone()).await;
        assert_eq!(accepted.answer, turn.answer);
        assert_eq!(accepted.conversation, turn.new_conversation);
        assert_eq!(accepted.history.len(), 1);
        assert_eq!(accepted.history[0].content, "hi?");
        assert!(accepted.remaining.is_none());

        let writing = store.message(org, turn.answer).await.unwrap().unwrap();
        assert_eq!((writing.status, writing.role), (MessageStatus::Streaming, Role::Assistant));
        store.renew_turn(org, turn.answer, at(500)).await.unwrap();

        let citation = Citation {
            n: 1, title: "Docs".to_owned(), url: None, source_id: "s".to_owned(), snippet: "nul \0 too".to_owned(),
        };
        let steps = vec![json!({"tool": "search_knowledge", "ok": true})];
        let citations = vec![citation];
        let finished = FinishedTurn { citations, steps: steps.clone(), ..answer(org, turn.answer, "hello \u{1f44b}\0") };
        store.finish_turn(finished).await.unwrap();

        let record = store.conversation(org, accepted.conversation).await.unwrap().unwrap();
        assert_eq!(record.visitor.as_deref(), Some("v-1"));
        assert_eq!(record.created_at, at(0));
        let said = &record.messages[1];
        assert_eq!((said.content.as_str(), said.status), ("hello \u{1f44b}\u{fffd}", MessageStatus::Complete));
        assert_eq!(said.citations[0].snippet, "nul \u{fffd} too");
        assert_eq!(said.steps, steps);
        assert_eq!((said.finish, record.messages[0].finish), (Some(FinishReason::Length), None));
        assert_eq!(said.id, turn.answer);

        let listed = store.list_conversations(org, None, 10).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].messages, listed[0].first_question.as_deref()), (2, Some("hi?")));
        assert_eq!(listed[0].visitor.as_deref(), Some("v-1"));
        assert!(store.list_conversations(org, Some(Cursor::before(at(0))), 10).await.unwrap().is_empty());
    }

    async fn the_first_end_counts(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        store.finish_turn(answer(org, turn.answer, "first")).await.unwrap();
        store.finish_turn(answer(org, turn.answer, "second")).await.unwrap();
        store.finish_turn(refund(org, turn.answer)).await.unwrap();
        store.renew_turn(org, turn.answer, at(900)).await.unwrap();
        assert_eq!(texts(&store, org, turn.conversation).await, ["hi", "first"]);
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    async fn an_answer_in_progress_can_be_asked_to_end(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let turn = accept(&store, question(org, key, vec![user("hi")])).await;
        let other = accept(&store, question(org, key, vec![user("hi")])).await;
        let stranger = organization(&store, &[]).await;
        let find = async |org, now| {
            let found = store.answer_in_progress(org, turn.conversation, now).await.unwrap();
            found.map(|found| found.answer)
        };
        assert_eq!(find(org, at(0)).await, Some(turn.answer));
        assert_eq!(find(stranger, at(0)).await, None);
        assert_eq!(find(org, at(9999)).await, None, "its host is gone");

        assert_eq!(store.is_shared(), !backend.is_sqlite(), "where there may be other hosts, a host looks for their requests");
        store.request_cancel(stranger, turn.answer).await.unwrap();
        assert_eq!(store.cancel_requests().await.unwrap(), []);
        store.request_cancel(org, turn.answer).await.unwrap();
        assert_eq!(store.cancel_requests().await.unwrap(), [turn.answer]);

        store.finish_turn(answer(org, turn.answer, "half")).await.unwrap();
        assert_eq!(store.cancel_requests().await.unwrap(), []);
        assert_eq!(find(org, at(0)).await, None);
        store.request_cancel(org, turn.answer).await.unwrap();
        assert_eq!(store.cancel_requests().await.unwrap(), [], "it is over");
        let found = store.answer_in_progress(org, other.conversation, at(0)).await.unwrap();
        assert_eq!(found.unwrap().answer, other.answer);
    }

    async fn a_conversation_goes_on_by_id_and_by_name(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (mine, other) = (key(org), key(org));
        store.create_key(mine.clone()).await.unwrap();
        store.create_key(other.clone()).await.unwrap();
        let named = |key: &resly_store::NewKey, text: &str| NewTurn {
            conversation: ConversationRef::Named("chat-1".to_owned()),
            ..question(org, key.id, vec![user(text)])
        };
        let first = accept(&store, named(&mine, "one")).await;
        store.finish_turn(answer(org, first.answer, "1")).await.unwrap();
        let second = accept(&store, named(&mine, "two")).await;
        assert_eq!(second.conversation, first.conversation);
        let history: Vec<_> = second.history.iter().map(|message| message.content.as_str()).collect();
        assert_eq!(history, ["one", "1", "two"]);
        store.finish_turn(answer(org, second.answer, "2")).await.unwrap();
        let by_id = NewTurn {
            conversation: ConversationRef::Id(first.conversation),
            ..question(org, other.id, vec![user("three")])
        };
        assert_eq!(accept(&store, by_id).await.conversation, first.conversation);

        // Names are a key's own.
        let elsewhere = accept(&store, named(&other, "one")).await;
        assert_ne!(elsewhere.conversation, first.conversation);
        let found = store.find_conversation(&person(org, mine.id, None), "chat-1").await.unwrap();
        assert_eq!(found, Some(first.conversation));
        let found = store.find_conversation(&person(org, other.id, None), &first.conversation.to_string()).await.unwrap();
        assert_eq!(found, Some(first.conversation));
        assert_eq!(store.find_conversation(&person(org, mine.id, None), "chat-2").await.unwrap(), None);

        // ... and of the keys that it is rotated to.
        let new = key(org);
        store.rotate_key(org, mine.id, successor(&new), at(10)).await.unwrap();
        assert_eq!(store.find_conversation(&person(org, new.id, None), "chat-1").await.unwrap(), Some(first.conversation));
        assert_eq!(accept(&store, named(&new, "four")).await.conversation, first.conversation);
    }

    async fn only_what_is_new_is_stored_and_an_edit_replaces_the_rest(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let first = accept(&store, question(org, key, vec![user("a")])).await;
        store.finish_turn(answer(org, first.answer, "A")).await.unwrap();
        let go_on = |messages| NewTurn {
            conversation: ConversationRef::Id(first.conversation),
            ..question(org, key, messages)
        };
        let second = accept(&store, go_on(vec![user("a"), assistant("A"), user("b")])).await;
        store.finish_turn(answer(org, second.answer, "B")).await.unwrap();
        assert_eq!(texts(&store, org, first.conversation).await, ["a", "A", "b", "B"]);

        let edited = accept(&store, go_on(vec![user("a"), assistant("A"), user("c")])).await;
        assert_eq!(edited.history.len(), 3);
        assert_eq!(texts(&store, org, first.conversation).await, ["a", "A", "c", ""]);
        let replaced = store.message(org, second.answer).await.unwrap().unwrap();
        assert!(replaced.superseded_at.is_some() && replaced.content == "B", "what was replaced stays readable");
        assert_eq!(backend.number("SELECT COUNT(*) FROM messages WHERE superseded_at IS NOT NULL").await, 2);

        // The same question again: the question stays, the answer is new.
        store.finish_turn(answer(org, edited.answer, "C")).await.unwrap();
        let again = accept(&store, go_on(vec![user("a"), assistant("A"), user("c")])).await;
        assert_eq!(again.history.len(), 3);
        assert_eq!(texts(&store, org, first.conversation).await, ["a", "A", "c", ""]);

        // A text with U+0000 is the same when it comes again.
        let nul = accept(&store, question(org, key, vec![user("x\0y")])).await;
        store.finish_turn(answer(org, nul.answer, "z")).await.unwrap();
        let turn = NewTurn {
            conversation: ConversationRef::Id(nul.conversation),
            ..question(org, key, vec![user("x\0y"), assistant("z"), user("w")])
        };
        accept(&store, turn).await;
        assert_eq!(texts(&store, org, nul.conversation).await, ["x\u{fffd}y", "z", "w", ""]);
    }

    async fn a_foreign_conversation_and_an_unknown_one_look_the_same(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let stranger = organization(&store, &[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("secret")])).await;
        for id in [turn.conversation, ConversationId(uuid())] {
            let turn =
                NewTurn { conversation: ConversationRef::Id(id), ..question(stranger, KeyId(uuid()), vec![user("?")]) };
            assert!(matches!(refusal(&store, turn).await, BeginTurnError::NoConversation));
            assert!(store.conversation(stranger, id).await.unwrap().is_none());
            assert_eq!(store.find_conversation(&person(stranger, KeyId(uuid()), None), &id.to_string()).await.unwrap(), None);
        }
        assert!(store.message(stranger, turn.answer).await.unwrap().is_none());
        store.finish_turn(answer(stranger, turn.answer, "forged")).await.unwrap();
        store.renew_turn(stranger, turn.answer, at(9999)).await.unwrap();
        assert_eq!(texts(&store, org, turn.conversation).await, ["secret", ""]);
        assert!(store.list_conversations(stranger, None, 10).await.unwrap().is_empty());
        assert_eq!(used(&store, stranger, Meter::Messages).await, 0, "what is refused is not counted");
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
    }

    async fn a_limit_is_hard_and_says_what_it_is(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Messages, 2)]).await;
        let key = KeyId(uuid());
        let first = accept(&store, question(org, key, vec![user("1")])).await;
        let left = first.remaining.unwrap();
        assert_eq!((left.limit, left.remaining, left.meter), (2, 1, Meter::Messages));
        assert_eq!(left.resets_at, "2026-11-01T00:00:00Z".parse().unwrap());
        let left = store.count_search(org, key, None, at(0)).await.unwrap().unwrap();
        assert_eq!(left.remaining, 0);
        let expected =
            LimitReached { of: LimitLevel::Plan, per: LimitWindow::Month, meter: Meter::Messages, limit: 2, used: 2, resets_at: left.resets_at };
        for _ in 0..2 {
            let BeginTurnError::Limit(limit) = refusal(&store, question(org, key, vec![user("3")])).await else {
                panic!("no limit")
            };
            assert_eq!(limit, expected);
        }
        assert!(matches!(store.count_search(org, key, None, at(0)).await, Err(BeginTurnError::Limit(_))));
        assert_eq!(backend.number("SELECT COUNT(*) FROM messages").await, 2, "a refused question is not stored");

        // What failed before its first byte is given back; the next month is another.
        store.finish_turn(refund(org, first.answer)).await.unwrap();
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
        let second = accept(&store, question(org, key, vec![user("3")])).await;
        let november = NewTurn { now: at(30 * 86_400), ..question(org, key, vec![user("4")]) };
        accept(&store, november).await;
        assert_eq!(used(&store, org, Meter::Messages).await, 2);

        // A plan that changes is the plan of the next question.
        store.change_plan(org, change_limits(&[(Meter::Messages, Some(3))]), at(0)).await.unwrap();
        accept(&store, question(org, key, vec![user("5")])).await;
        store.change_plan(org, change_limits(&[(Meter::Messages, Some(0))]), at(0)).await.unwrap();
        assert!(matches!(refusal(&store, question(org, key, vec![user("6")])).await, BeginTurnError::Limit(_)));
        store.change_plan(org, change_limits(&[(Meter::Messages, None)]), at(0)).await.unwrap();
        assert!(accept(&store, question(org, key, vec![user("7")])).await.remaining.is_none());
        store.finish_turn(answer(org, second.answer, "ok")).await.unwrap();
    }

    async fn a_keys_own_cap_is_hard_too(backend: Backend) {
        let (store, org) = backend.with(&[(Meter::Messages, 10)]).await;
        let stored = key(org);
        store.create_key(stored.clone()).await.unwrap();
        let ask = |key, cap| NewTurn { key_cap: Some(cap), ..question(org, key, vec![user("?")]) };
        let first = accept(&store, ask(stored.id, 2)).await;
        let left = first.remaining.unwrap();
        assert_eq!((left.limit, left.remaining), (2, 1), "the tighter limit is told");
        store.count_search(org, stored.id, Some(2), at(0)).await.unwrap();
        let BeginTurnError::Limit(limit) = refusal(&store, ask(stored.id, 2)).await else { panic!("no limit") };
        assert_eq!((limit.limit, limit.used), (2, 2));
        assert_eq!(used(&store, org, Meter::Messages).await, 2, "both or neither");

        // Rotating a key doesn't refill it; a refund does.
        let new = key(org);
        store.rotate_key(org, stored.id, successor(&new), at(60)).await.unwrap();
        assert!(matches!(refusal(&store, ask(new.id, 2)).await, BeginTurnError::Limit(_)));
        store.finish_turn(refund(org, first.answer)).await.unwrap();
        accept(&store, ask(new.id, 2)).await;

        // When the plan says no, the key has spent nothing.
        store.change_plan(org, change_limits(&[(Meter::Messages, Some(2))]), at(0)).await.unwrap();
        assert!(matches!(refusal(&store, ask(new.id, 100)).await, BeginTurnError::Limit(_)));
        assert_eq!(backend.number("SELECT used FROM key_usage").await, 2);
    }

    async fn an_ended_subscription_refuses(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let ends = |at| Resubscription {
            state: SubscriptionChange {
                status: Some(SubscriptionStatus::Trial),
                trial_ends_at: Some(at),
                ..SubscriptionChange::default()
            },
            ..Resubscription::default()
        };
        store.change_subscription(org, ends(Some(at(10))), at(0)).await.unwrap();
        accept(&store, question(org, key, vec![user("1")])).await;
        let late = NewTurn { now: at(10), ..question(org, key, vec![user("2")]) };
        assert!(matches!(refusal(&store, late).await, BeginTurnError::SubscriptionEnded));
        let late = store.count_search(org, key, None, at(11)).await;
        assert!(matches!(late, Err(BeginTurnError::SubscriptionEnded)));
        assert_eq!(store.plan(org).await.unwrap().subscription.ends_at(), Some(at(10)));
        store.change_subscription(org, ends(None), at(11)).await.unwrap();
        store.count_search(org, key, None, at(11)).await.unwrap();
        assert_eq!(used(&store, org, Meter::Messages).await, 2);
    }

    async fn what_is_billed_is_what_is_used(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        for n in 0..5 {
            let turn = accept(&store, question(org, key, vec![user("?")])).await;
            let status = if n == 1 { MessageStatus::Failed } else { MessageStatus::Cancelled };
            match n {
                0 => store.finish_turn(refund(org, turn.answer)).await.unwrap(),
                _ => store.finish_turn(FinishedTurn { status, ..answer(org, turn.answer, "!") }).await.unwrap(),
            };
        }
        store.count_search(org, key, None, at(0)).await.unwrap();
        let report = store.usage(org, at(0)).await.unwrap();
        assert_eq!(report.meters[&Meter::Messages].used, 5);
        backend.assert_billed(&report).await;
    }

    async fn tickets_are_kept(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let ticket = NewTicket {
            id: TicketId(uuid()),
            organization: org,
            conversation: Some(ConversationId(uuid())),
            subject: "Help".to_owned(),
            body: "It broke".to_owned(),
            now: at(3),
        };
        store.create_ticket(ticket.clone()).await.unwrap();
        let listed = store.list_tickets(org, None, 10).await.unwrap().tickets;
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].id, listed[0].fields.status.as_str()), (ticket.id, "open"));
        assert_eq!((listed[0].conversation, listed[0].created_at), (ticket.conversation, at(3)));
        let stranger = organization(&store, &[]).await;
        assert!(store.list_tickets(stranger, None, 10).await.unwrap().tickets.is_empty());
    }

    async fn a_bad_turn_is_an_error_and_leaves_nothing(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let empty = question(org, key, vec![]);
        assert!(matches!(refusal(&store, empty).await, BeginTurnError::Store(_)));
        let few = NewTurn { message_ids: vec![], ..question(org, key, vec![user("a")]) };
        assert!(matches!(refusal(&store, few).await, BeginTurnError::Store(_)));
        let first = accept(&store, question(org, key, vec![user("a")])).await;
        let taken = NewTurn { answer: first.answer, ..question(org, key, vec![user("a")]) };
        assert!(matches!(refusal(&store, taken).await, BeginTurnError::Store(_)));
        let nowhere = question(resly_core::id::OrganizationId(uuid()), key, vec![user("a")]);
        assert!(matches!(refusal(&store, nowhere).await, BeginTurnError::Store(_)));
        assert_eq!(backend.number("SELECT COUNT(*) FROM conversations").await, 1);
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
        assert!(store.message(org, MessageId(uuid())).await.unwrap().is_none());
    }
}
