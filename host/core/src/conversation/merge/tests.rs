use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    conversation::MessageStatus,
    id::{ConversationId, MessageId},
    time::Timestamp,
};

use Role::{Assistant as A, User as U};

type Line<'a> = (Role, &'a str, Option<&'a str>);

fn stored(lines: &[Line]) -> Vec<Message> {
    lines
        .iter()
        .enumerate()
        .map(|(at, (role, text, id))| Message {
            id: MessageId(Uuid::from_u128(at as u128 + 1)),
            conversation_id: ConversationId(Uuid::nil()),
            client_id: id.map(str::to_owned),
            role: *role,
            content: (*text).to_owned(),
            status: MessageStatus::Complete,
            finish: None,
            citations: vec![],
            steps: vec![],
            usage: None,
            created_at: Timestamp::from_micros(0),
            superseded_at: None,
            author: None,
        })
        .collect()
}

fn sent(lines: &[Line]) -> Vec<ClientMessage> {
    lines
        .iter()
        .map(|(role, text, id)| ClientMessage { id: id.map(str::to_owned), role: *role, text: (*text).to_owned() })
        .collect()
}

/// Lines without ids; `>` begins an answer.
fn lines<'a>(texts: &[&'a str]) -> Vec<Line<'a>> {
    texts
        .iter()
        .map(|text| match text.strip_prefix('>') {
            Some(answer) => (A, answer, None),
            None => (U, *text, None),
        })
        .collect()
}

fn merged(have: &[&str], body: &[&str]) -> (usize, usize) {
    let Merge { keep, new_from } = merge(&stored(&lines(have)), &sent(&lines(body)));
    (keep, new_from)
}

#[test]
fn a_repeated_history_brings_only_what_is_new() {
    assert_eq!(merged(&["hi", ">hello"], &["hi", ">hello", "more"]), (2, 2));
    assert_eq!(merged(&["hi", ">hello\n"], &["hi", ">hello", "more"]), (2, 2), "ends of texts are often trimmed");
}

#[test]
fn a_lone_question_is_appended_even_when_it_was_asked_before() {
    assert_eq!(merged(&["hi", ">hello"], &["more"]), (2, 0));
    let have = ["hi", ">a", "my order is 7", ">b", "it is broken", ">c"];
    assert_eq!(merged(&have, &["hi"]), (6, 0));
    assert_eq!(merged(&have, &["it is broken"]), (6, 0));
}

#[test]
fn bodies_of_a_user_s_messages_are_appended_after_what_is_known_of_them() {
    let have = ["hi", ">a", "order 7", ">b"];
    assert_eq!(merged(&have, &["hi", "order 7", "broken"]), (4, 2));
    assert_eq!(merged(&have, &["order 7", "broken"]), (4, 1));
    assert_eq!(merged(&have, &["hi", "broken"]), (4, 0), "they don't end with what is stored");
    assert_eq!(merged(&have, &["hi", "hi"]), (4, 0));
}

#[test]
fn the_last_messages_of_a_history_replace_nothing() {
    let have = ["hi", ">a", "order 7", ">b", "broken", ">c"];
    assert_eq!(merged(&have, &[">b", "broken", ">c", "now?"]), (6, 3));
    assert_eq!(merged(&have, &["broken", ">c", "now?"]), (6, 2));
    assert_eq!(merged(&have, &[">b", "edited", ">d", "now?"]), (6, 0), "an edit in the middle of a window is a doubt");
    // The window begins with the words that the conversation begins with.
    assert_eq!(merged(&["hi", ">a", "order 7", ">b", "hi", ">c"], &["hi", ">c", "now?"]), (6, 2));
}

#[test]
fn an_edited_history_replaces_what_follows_the_match() {
    let have = ["hi", ">hello", "a", ">b"];
    assert_eq!(merged(&have, &["hi", ">hello", "edited"]), (2, 2));
    assert_eq!(merged(&have, &["hi", ">hello", "a"]), (3, 3), "the same question again wants a new answer");
    assert_eq!(merged(&have, &["hi!", ">hello", "a", ">b", "c"]), (4, 0), "it doesn't begin where this one begins");
}

#[test]
fn an_answer_that_a_client_left_out_stays() {
    assert_eq!(merged(&["hi", ">hello", "a", ">"], &["hi", ">hello", "a", "b"]), (4, 3));
    assert_eq!(merged(&["hi", ">"], &["hi", ">I made this up", "b"]), (1, 1));
}

#[test]
fn ids_win_over_words() {
    let have = stored(&[(U, "hi", Some("m1")), (A, "hello", None)]);
    let answer = have[1].id.to_string();
    let again = sent(&[(U, "hi", Some("m1")), (A, "hello (as shown)", Some(&answer)), (U, "x", Some("m3"))]);
    assert_eq!(merge(&have, &again), Merge { keep: 2, new_from: 2 });
    let edit = sent(&[(U, "hi there", Some("m1"))]);
    assert_eq!(merge(&have, &edit), Merge { keep: 0, new_from: 0 });
    let other = sent(&[(U, "hi", Some("m2"))]);
    assert_eq!(merge(&have, &other), Merge { keep: 2, new_from: 0 });
    let both = sent(&[(U, "hi", Some("m1")), (U, "hi", Some("m2"))]);
    assert_eq!(merge(&have, &both), Merge { keep: 2, new_from: 1 }, "an answer that isn't sent is no edit");
    let unknown = sent(&[(U, "hi", Some("x1")), (A, "hello", Some("x2")), (U, "more", Some("x3"))]);
    assert_eq!(merge(&have, &unknown), Merge { keep: 2, new_from: 0 });
}

#[test]
fn windows_with_ids_replace_nothing() {
    let have = stored(&[(U, "a", Some("m1")), (A, "b", None), (U, "c", Some("m2")), (A, "d", None)]);
    let (b, d) = (have[1].id.to_string(), have[3].id.to_string());
    let window = sent(&[(A, "d", Some(&d)), (U, "e", Some("m3"))]);
    assert_eq!(merge(&have, &window), Merge { keep: 4, new_from: 1 });
    let stale = sent(&[(A, "b", Some(&b)), (U, "e", Some("m3"))]);
    assert_eq!(merge(&have, &stale), Merge { keep: 4, new_from: 1 });
    let users = sent(&[(U, "a", Some("m1")), (U, "e", Some("m3"))]);
    assert_eq!(merge(&have, &users), Merge { keep: 4, new_from: 1 });
    let branch = sent(&[(U, "a", Some("m1")), (A, "b", Some(&b)), (U, "e", Some("m3"))]);
    assert_eq!(merge(&have, &branch), Merge { keep: 2, new_from: 2 }, "a whole history is an edit where it differs");
}

#[test]
fn a_client_s_own_ids_for_answers_are_no_second_answers() {
    let have = stored(&[(U, "a", Some("m1")), (A, "b", None)]);
    let body = sent(&[(U, "a", Some("m1")), (A, "b as shown", Some("theirs")), (U, "c", Some("m2"))]);
    assert_eq!(merge(&have, &body), Merge { keep: 2, new_from: 2 });
}

#[test]
fn an_answer_that_went_on_is_one_message_to_its_client() {
    let mut have = stored(&[(U, "hi", Some("m1")), (A, "sure?", None), (A, "done", None)]);
    have[2].client_id = Some(have[1].client_name());
    let known = have[1].client_name();
    let again = sent(&[(U, "hi", Some("m1")), (A, "sure?done", Some(&known)), (U, "thanks", Some("m2"))]);
    assert_eq!(merge(&have, &again), Merge { keep: 3, new_from: 2 });
}

#[test]
fn a_regenerated_answer_keeps_the_question() {
    let have = stored(&[(U, "hi", Some("m1")), (A, "hello", None)]);
    assert_eq!(merge(&have, &sent(&[(U, "hi", Some("m1"))])), Merge { keep: 1, new_from: 1 });
}

fn text() -> impl Strategy<Value = &'static str> {
    // Few words, so that they repeat.
    prop::sample::select(vec!["hi", "ok", "my order", "why", ""])
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![U, A])
}

/// A history of any shape: with ids of both sides, or none.
fn history() -> impl Strategy<Value = Vec<(Role, &'static str, Option<&'static str>)>> {
    let id = prop::option::of(prop::sample::select(vec!["m1", "m2", "m3", "m4", "m5"]));
    prop::collection::vec((role(), text(), id), 0..8)
}

proptest! {
    #[test]
    fn only_a_known_id_or_a_whole_history_replaces_anything(have in history(), body in history()) {
        let (have, body) = (stored(&have), sent(&body));
        let Merge { keep, new_from } = merge(&have, &body);
        prop_assert!(keep <= have.len() && new_from <= body.len());
        let known = last_known(&have, &body).is_some();
        if !known && !is_whole(&have, &body) {
            prop_assert_eq!(keep, have.len());
        }
        // What is said to be stored already is there.
        if keep < have.len() && !known {
            prop_assert!(body.iter().any(|message| message.role == A));
        }
        // A question that isn't stored is never dropped.
        if new_from == body.len() && let Some(last) = body.last() {
            let is_there = have[..keep].iter().any(|message| message.role == last.role);
            prop_assert!(is_there);
        }
    }

    #[test]
    fn a_user_s_messages_without_ids_replace_nothing(
        have in history(),
        body in prop::collection::vec(text(), 1..8),
    ) {
        let have = stored(&have);
        let body: Vec<_> = body.into_iter().map(|text| (U, text, None)).collect();
        let Merge { keep, new_from } = merge(&have, &sent(&body));
        prop_assert_eq!(keep, have.len());
        prop_assert!(new_from < body.len(), "the question itself is new");
    }

    /// A client that sends the last messages of what it shows, with a new question, however many those are.
    #[test]
    fn windows_bring_their_question_alone(
        turns in prop::collection::vec((text(), text()), 1..6),
        window in 1..12_usize,
        with_ids in any::<bool>(),
    ) {
        let ids: Vec<String> = (0..turns.len()).map(|turn| format!("u{turn}")).collect();
        let mut have = Vec::new();
        for (at, (question, answer)) in turns.iter().enumerate() {
            have.push((U, *question, with_ids.then(|| ids[at].as_str())));
            have.push((A, *answer, None));
        }
        let have = stored(&have);
        let mut body: Vec<ClientMessage> = have
            .iter()
            .map(|message| ClientMessage {
                id: with_ids.then(|| message.client_name()),
                role: message.role,
                text: message.content.clone(),
            })
            .collect();
        body.push(ClientMessage { id: with_ids.then(|| "new".to_owned()), role: U, text: "a new question".to_owned() });
        let body = body.split_off(body.len().saturating_sub(window));
        prop_assert_eq!(merge(&have, &body), Merge { keep: have.len(), new_from: body.len() - 1 });
    }
}
