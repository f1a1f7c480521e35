//! Whatever bodies a client sends, one after the other: no message that was stored becomes unreadable.

use std::collections::BTreeMap;

use resly_core::{
    conversation::ClientMessage,
    id::{ConversationId, KeyId, MessageId},
    model::{Role, TokenUsage},
    turn::store::{ConversationRef, FinishedTurn, NewTurn, TurnStore},
};

use crate::{
    backend::{Backend, accept, answer, at, question, texts, user, uuid},
    both,
};

/// The same numbers in each run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn words(&mut self) -> String {
        ["hi", "my order is 7", "it is broken", "ok"][self.below(4)].to_owned()
    }
}

/// The next body of a client of any kind: what it shows (`shown`), or some of it, or an edit of it, with a question.
fn body(numbers: &mut Numbers, shown: &[ClientMessage], turn: usize) -> Vec<ClientMessage> {
    let new = ClientMessage { id: Some(format!("m{turn}")), role: Role::User, text: numbers.words() };
    let mut body = match numbers.below(6) {
        0 => vec![],
        1 => shown.iter().filter(|message| message.role == Role::User).cloned().collect(),
        2 => shown[shown.len() - numbers.below(shown.len() + 1)..].to_vec(),
        3 => shown[..numbers.below(shown.len() + 1)].to_vec(),
        4 => {
            let mut edited = shown[..numbers.below(shown.len() + 1)].to_vec();
            if let Some(last) = edited.iter_mut().rfind(|message| message.role == Role::User) {
                last.text = numbers.words();
            }
            edited
        }
        _ => shown.to_vec(),
    };
    if body.last().is_none_or(|last| last.role != Role::User) || numbers.below(2) == 0 {
        body.push(new);
    }
    if numbers.below(2) == 0 {
        body.iter_mut().for_each(|message| message.id = None);
    }
    body
}

both! {
    async fn nothing_that_was_stored_becomes_unreadable(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        for seed in 0..12 {
            let mut numbers = Numbers(seed);
            let mut conversation: Option<ConversationId> = None;
            let mut known: BTreeMap<MessageId, String> = BTreeMap::new();
            let mut shown: Vec<ClientMessage> = vec![];
            for turn in 0..10 {
                let asked = NewTurn {
                    conversation: conversation.map_or(ConversationRef::New, ConversationRef::Id),
                    ..question(org, key, body(&mut numbers, &shown, turn))
                };
                let (last, id) = (asked.messages.last().unwrap().text.clone(), asked.answer);
                let accepted = accept(&store, asked).await;
                conversation = Some(accepted.conversation);
                assert_eq!(accepted.history.last().unwrap().content, last, "the question is what the model is asked");
                let said = numbers.words();
                store.finish_turn(answer(org, id, &said)).await.unwrap();

                let record = store.conversation(org, accepted.conversation).await.unwrap().unwrap();
                let listed: BTreeMap<_, _> = record.messages.iter().map(|m| (m.id, m.content.clone())).collect();
                for (id, content) in &known {
                    assert_eq!(listed.get(id), Some(content), "seed {seed}, turn {turn}: an admin doesn't find it");
                    let found = store.message(org, *id).await.unwrap().expect("it was stored");
                    assert_eq!(&found.content, content);
                }
                known = listed;
                shown = record.messages.iter().filter(|message| message.superseded_at.is_none()).map(|message| {
                    ClientMessage { id: Some(message.client_name()), role: message.role, text: message.content.clone() }
                }).collect();
            }
        }
    }

    async fn questions_one_at_a_time_are_all_kept(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let key = KeyId(uuid());
        let mut conversation = ConversationRef::New;
        for words in ["hi", "my order is 7", "it is broken", "hi"] {
            let turn = NewTurn { conversation, ..question(org, key, vec![user(words)]) };
            let accepted = accept(&store, turn).await;
            store.finish_turn(answer(org, accepted.answer, "ok")).await.unwrap();
            conversation = ConversationRef::Id(accepted.conversation);
        }
        let ConversationRef::Id(id) = conversation else { unreachable!() };
        let all = ["hi", "ok", "my order is 7", "ok", "it is broken", "ok", "hi", "ok"];
        assert_eq!(texts(&store, org, id).await, all);
    }

    async fn the_tokens_of_an_answer_are_kept(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let accepted = accept(&store, question(org, KeyId(uuid()), vec![user("hi")])).await;
        let usage = TokenUsage { input: 12, cached_input: 8, output: 3, estimated: true };
        assert_eq!(store.message(org, accepted.answer).await.unwrap().unwrap().usage, None);
        store.finish_turn(FinishedTurn { usage, now: at(2), ..answer(org, accepted.answer, "ok") }).await.unwrap();
        assert_eq!(store.message(org, accepted.answer).await.unwrap().unwrap().usage, Some(usage));
        let question = store.message(org, accepted.history[0].id).await.unwrap().unwrap();
        assert_eq!(question.usage, None);
    }
}
