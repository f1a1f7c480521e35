//! Hand-over: while a person has a conversation, no answer is stored in it, whatever runs at once.

use futures::future::join_all;
use resly_core::{
    conversation::{
        MessageStatus,
        handover::{ConversationState, HandOver, HandoverSource},
    },
    id::{ConversationId, KeyId, MessageId, OrganizationId},
    meter::Meter,
    model::{Role, TokenUsage},
    turn::store::{BeginTurn, ConversationRef, FinishOutcome, FinishedTurn, NewTurn, TurnStore},
};
use resly_store::{AgentReply, Assigned, Assignment, ConversationQuery, HandoverError, Store};
use tokio::task::spawn;
use uuid::Uuid;

use crate::{
    backend::{Backend, accept, answer, at, idempotency, organization, question, used, user, uuid},
    both,
};

pub fn request(organization: OrganizationId, conversation: ConversationId, by: HandoverSource) -> HandOver {
    HandOver { organization, conversation, by, summary: None, answer: None, now: at(10) }
}

fn assignment(organization: OrganizationId, conversation: ConversationId, assignee: Uuid) -> Assignment {
    Assignment { organization, conversation, assignee: Some(assignee), from: None, now: at(20) }
}

fn reply(organization: OrganizationId, conversation: ConversationId, author: Uuid, content: &str) -> AgentReply {
    let (id, author, content) = (MessageId(uuid()), Some(author), content.to_owned());
    AgentReply { organization, conversation, id, author, content, now: at(30) }
}

fn more(organization: OrganizationId, key: KeyId, conversation: ConversationId, text: &str) -> NewTurn {
    NewTurn { conversation: ConversationRef::Id(conversation), ..question(organization, key, vec![user(text)]) }
}

async fn state(store: &Store, organization: OrganizationId, id: ConversationId) -> ConversationState {
    store.conversation(organization, id).await.unwrap().unwrap().handling.state
}

/// The role, the status and the text of each message.
async fn said(store: &Store, organization: OrganizationId, id: ConversationId) -> Vec<(Role, MessageStatus, String)> {
    let record = store.conversation(organization, id).await.unwrap().unwrap();
    record.messages.into_iter().map(|message| (message.role, message.status, message.content)).collect()
}

async fn notice(store: &Store, turn: NewTurn) -> (String, ConversationState) {
    match store.begin_turn(turn).await.unwrap() {
        BeginTurn::HandedOver { notice, state, .. } => {
            assert_eq!((notice.status, notice.role), (MessageStatus::HandedOver, Role::Assistant));
            (notice.content, state)
        }
        other => panic!("a person has it: {other:?}"),
    }
}

both! {
    async fn a_person_answers_from_the_hand_over_until_it_is_given_back(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (key, anna) = (KeyId(uuid()), uuid());
        let turn = accept(&store, question(org, key, vec![user("Where is my parcel?")])).await;
        store.finish_turn(answer(org, turn.answer, "On its way.")).await.unwrap();
        let id = turn.conversation;
        let handed = store.hand_over(request(org, id, HandoverSource::Visitor)).await.unwrap();
        assert_eq!(handed.map(|handed| handed.state), Some(ConversationState::Waiting));
        let again = store.hand_over(request(org, id, HandoverSource::Rule)).await.unwrap();
        assert_eq!(again.map(|handed| handed.state), Some(ConversationState::Waiting));
        let handling = store.conversation(org, id).await.unwrap().unwrap().handling;
        assert_eq!(handling.handed_over, Some((HandoverSource::Visitor, at(10))), "the first request counts");
        assert_eq!(handling.summary.as_deref(), Some("Visitor: Where is my parcel?\nAssistant: On its way."));

        let (text, waits) = notice(&store, more(org, key, id, "Hello?")).await;
        assert_eq!((text.as_str(), waits), (ConversationState::Waiting.notice(), ConversationState::Waiting));
        let early = store.reply_as_agent(reply(org, id, anna, "Hi")).await.unwrap_err();
        assert!(matches!(early, HandoverError::NotTaken { state: ConversationState::Waiting }), "{early:?}");
        store.assign_conversation(assignment(org, id, anna)).await.unwrap();
        let handling = store.conversation(org, id).await.unwrap().unwrap().handling;
        assert_eq!((handling.state, handling.assignee), (ConversationState::Agent, Some(anna)));
        assert_eq!(handling.handed_over, Some((HandoverSource::Visitor, at(10))));
        let message = store.reply_as_agent(reply(org, id, anna, "I look.\0")).await.unwrap();
        assert_eq!((message.role, message.author), (Role::Agent, Some(anna)));
        let (text, _) = notice(&store, more(org, key, id, "Thanks")).await;
        assert_eq!(text, ConversationState::Agent.notice());
        assert_eq!(used(&store, org, Meter::Messages).await, 3, "each message of the visitor counts");
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;

        store.return_conversation(org, id, at(40)).await.unwrap();
        let back = store.return_conversation(org, id, at(41)).await.unwrap_err();
        assert!(matches!(back, HandoverError::NotTaken { state: ConversationState::Ai }), "{back:?}");
        let turn = accept(&store, more(org, key, id, "And now?")).await;
        let history: Vec<_> = turn.history.iter().map(|message| (message.role, message.content.as_str())).collect();
        assert_eq!(history[4], (Role::Agent, "I look.\u{fffd}"), "{history:?}");
        assert_eq!(history[7], (Role::User, "And now?"));
        assert_eq!(store.finish_turn(answer(org, turn.answer, "It came.")).await.unwrap(), FinishOutcome::Stored);

        let after = store.messages_after(org, id, Some(message.id), 10).await.unwrap().unwrap();
        let texts: Vec<_> = after.1.iter().map(|message| message.content.as_str()).collect();
        assert_eq!(texts, ["Thanks", ConversationState::Agent.notice(), "And now?", "It came."]);
        let stranger = organization(&store, &[]).await;
        assert!(store.messages_after(stranger, id, None, 10).await.unwrap().is_none());
    }

    async fn an_answer_in_progress_is_cut_off_and_never_stored_as_one(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (key, anna) = (KeyId(uuid()), uuid());
        let asked = || NewTurn { idempotency: idempotency("k", 1), ..question(org, key, vec![user("hi")]) };
        let turn = accept(&store, asked()).await;
        let id = turn.conversation;
        store.assign_conversation(assignment(org, id, anna)).await.unwrap();
        assert_eq!(store.cancel_requests().await.unwrap(), [turn.answer], "its host hears of it");
        assert!(store.answer_in_progress(org, id, at(0)).await.unwrap().is_none());
        let usage = TokenUsage { input: 7, cached_input: 0, output: 3, estimated: false };
        let late = FinishedTurn { usage, ..answer(org, turn.answer, "Half an ans") };
        for _ in 0..2 {
            assert_eq!(store.finish_turn(late.clone()).await.unwrap(), FinishOutcome::HandedOver);
        }
        assert_eq!(store.cancel_requests().await.unwrap(), []);
        let expected = [
            (Role::User, MessageStatus::Complete, "hi".to_owned()),
            (Role::Assistant, MessageStatus::Interrupted, "Half an ans".to_owned()),
        ];
        assert_eq!(said(&store, org, id).await, expected, "what the visitor has seen is kept");
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
        assert_eq!(used(&store, org, Meter::ModelInputTokens).await, 7);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
        // A repeat of the request finds that a person has it.
        let (_, state) = notice(&store, NewTurn { now: at(50), lease_until: at(170), ..asked() }).await;
        assert_eq!(state, ConversationState::Agent);
        let again = store.begin_turn(asked()).await.unwrap();
        assert!(matches!(again, BeginTurn::Replay(message) if message.status == MessageStatus::HandedOver));
        assert_eq!(used(&store, org, Meter::Messages).await, 1);
    }

    async fn a_slow_host_stores_no_answer_either(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        store.recover(at(500)).await.unwrap();
        store.hand_over(request(org, turn.conversation, HandoverSource::Visitor)).await.unwrap();
        let outcome = store.finish_turn(answer(org, turn.answer, "too late")).await.unwrap();
        assert_eq!(outcome, FinishOutcome::HandedOver);
        assert_eq!(store.message(org, turn.answer).await.unwrap().unwrap().status, MessageStatus::Interrupted);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    async fn the_answer_that_asks_for_a_person_is_finished(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("A person, please")])).await;
        let summary = Some("The customer wants a person.".to_owned());
        let request = HandOver { summary, answer: Some(turn.answer), ..request(org, turn.conversation, HandoverSource::Model) };
        store.hand_over(request).await.unwrap();
        let handed = FinishedTurn { status: MessageStatus::HandedOver, ..answer(org, turn.answer, "Somebody comes.") };
        assert_eq!(store.finish_turn(handed).await.unwrap(), FinishOutcome::Stored);
        let handling = store.conversation(org, turn.conversation).await.unwrap().unwrap().handling;
        assert_eq!(handling.summary.as_deref(), Some("The customer wants a person."));
        assert_eq!(said(&store, org, turn.conversation).await[1].1, MessageStatus::HandedOver);
    }

    async fn of_many_agents_who_take_it_at_once_one_gets_it(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let turn = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        let id = turn.conversation;
        store.hand_over(request(org, id, HandoverSource::Visitor)).await.unwrap();
        let agents: Vec<Uuid> = (0..8).map(|_| uuid()).collect();
        let taking = agents.iter().map(|agent| {
            let (store, assignment) = (store.clone(), assignment(org, id, *agent));
            spawn(async move { store.assign_conversation(assignment).await })
        });
        let taken: Vec<_> = join_all(taking).await.into_iter().map(Result::unwrap).collect();
        let holder = store.conversation(org, id).await.unwrap().unwrap().handling.assignee.unwrap();
        for (agent, outcome) in agents.iter().zip(taken) {
            match outcome {
                Ok(()) => assert_eq!(*agent, holder),
                Err(HandoverError::Taken { by }) => assert!(by == holder && *agent != holder),
                Err(other) => panic!("{other:?}"),
            }
        }
        let other = agents.iter().find(|agent| **agent != holder).copied().unwrap();
        let refused = store.reply_as_agent(reply(org, id, other, "Me too")).await.unwrap_err();
        assert!(matches!(refused, HandoverError::Taken { by } if by == holder), "{refused:?}");
        let from = Assignment { from: Some(holder), ..assignment(org, id, other) };
        store.assign_conversation(from).await.unwrap();
        store.reply_as_agent(reply(org, id, other, "Now me")).await.unwrap();
    }

    async fn an_answer_is_stored_before_a_person_takes_over_or_not_at_all(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let runs = (0..30).map(|n| {
            let store = store.clone();
            spawn(async move {
                let turn = accept(&store, question(org, key, vec![user("hi")])).await;
                let (first, second) = (store.clone(), store.clone());
                let finishing = spawn(async move { first.finish_turn(answer(org, turn.answer, "yes")).await.unwrap() });
                if n % 2 == 0 {
                    tokio::task::yield_now().await;
                }
                let taking = assignment(org, turn.conversation, uuid());
                let taking = spawn(async move { second.assign_conversation(taking).await.unwrap() });
                let outcome = finishing.await.unwrap();
                taking.await.unwrap();
                let stored = store.message(org, turn.answer).await.unwrap().unwrap();
                match outcome {
                    FinishOutcome::Stored => assert_eq!(stored.status, MessageStatus::Complete),
                    FinishOutcome::HandedOver => assert_eq!(stored.status, MessageStatus::Interrupted),
                    FinishOutcome::Superseded => panic!("nobody repeated it"),
                }
                // Whatever begins now is the person's.
                notice(&store, more(org, key, turn.conversation, "more")).await;
            })
        });
        for run in join_all(runs).await {
            run.unwrap();
        }
        assert_eq!(backend.number("SELECT COUNT(*) FROM turns WHERE status = 'streaming'").await, 0);
        backend.assert_billed(&store.usage(org, at(0)).await.unwrap()).await;
    }

    async fn a_message_opens_a_closed_conversation_again(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let (key, anna) = (KeyId(uuid()), uuid());
        let turn = accept(&store, question(org, key, vec![user("hi")])).await;
        store.finish_turn(answer(org, turn.answer, "hello")).await.unwrap();
        let id = turn.conversation;
        store.assign_conversation(assignment(org, id, anna)).await.unwrap();
        let wanted = |state| ConversationQuery { state: Some(state), assigned: Some(Assigned::To(anna)), limit: 9, ..ConversationQuery::default() };
        let listed = async |state| store.find_conversations(org, wanted(state)).await.unwrap().len();
        assert_eq!((listed(ConversationState::Agent).await, listed(ConversationState::Closed).await), (1, 0));
        store.close_conversation(org, id, at(50)).await.unwrap();
        store.close_conversation(org, id, at(60)).await.unwrap();
        assert_eq!((listed(ConversationState::Agent).await, listed(ConversationState::Closed).await), (0, 1));
        assert_eq!(store.conversation(org, id).await.unwrap().unwrap().handling.closed_at, Some(at(50)));
        accept(&store, more(org, key, id, "One more thing")).await;
        assert_eq!(state(&store, org, id).await, ConversationState::Ai);

        let stranger = organization(&store, &[]).await;
        assert_eq!(store.hand_over(request(stranger, id, HandoverSource::Visitor)).await.unwrap(), None);
        for outcome in [
            store.assign_conversation(assignment(stranger, id, anna)).await,
            store.return_conversation(stranger, id, at(0)).await,
            store.close_conversation(stranger, id, at(0)).await,
            store.reply_as_agent(reply(stranger, id, anna, "x")).await.map(drop),
        ] {
            assert!(matches!(outcome, Err(HandoverError::Missing)), "{outcome:?}");
        }
    }

    async fn conversations_are_found_by_what_is_known_of_them(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let mut ids = vec![];
        for visitor in ["anna", "ben"] {
            let turn = NewTurn { visitor: Some(visitor.to_owned()), ..question(org, key, vec![user("hi")]) };
            ids.push(accept(&store, turn).await.conversation);
        }
        let tags = if backend.is_sqlite() { "'[\"vip\"]'" } else { "'{vip}'" };
        backend.script(&format!("UPDATE conversations SET tags = {tags} WHERE id = '{}'", ids[1])).await;
        let find = async |wanted: ConversationQuery| {
            let found = store.find_conversations(org, ConversationQuery { limit: 9, ..wanted }).await.unwrap();
            found.into_iter().map(|found| (found.id, found.tags)).collect::<Vec<_>>()
        };
        let all = ConversationQuery::default;
        assert_eq!(find(ConversationQuery { visitor: Some("anna".to_owned()), ..all() }).await, [(ids[0], vec![])]);
        assert_eq!(find(ConversationQuery { tag: Some("vip".to_owned()), ..all() }).await, [(ids[1], vec!["vip".to_owned()])]);
        assert!(find(ConversationQuery { connector: Some("shop".to_owned()), ..all() }).await.is_empty());
        assert_eq!(find(ConversationQuery { since: Some(at(0)), until: Some(at(1)), ..all() }).await.len(), 2);
        assert!(find(ConversationQuery { since: Some(at(1)), ..all() }).await.is_empty());
    }
}
