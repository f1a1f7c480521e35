use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    conversation::MessageStatus,
    id::{ConversationId, MessageId},
    model::ToolCall,
    time::Timestamp,
};

use Role::{Assistant, User};

fn said(lines: &[(Role, &str)]) -> Vec<Message> {
    lines
        .iter()
        .map(|(role, text)| Message {
            id: MessageId(Uuid::nil()),
            conversation_id: ConversationId(Uuid::nil()),
            client_id: None,
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

fn text(role: Role, text: &str) -> ModelMessage {
    ModelMessage::Text { role, text: text.to_owned() }
}

fn calls(text: &str, ids: &[&str]) -> ModelMessage {
    let call = |id: &&str| ToolCall {
        id: (*id).to_owned(),
        name: "t".to_owned(),
        arguments: "{}".to_owned(),
        data: Default::default(),
    };
    ModelMessage::ToolCalls { text: text.to_owned(), calls: ids.iter().map(call).collect(), data: Default::default() }
}

fn result(id: &str) -> ModelMessage {
    ModelMessage::ToolResult { call_id: id.to_owned(), name: "t".to_owned(), content: format!("result of {id}") }
}

/// One line for each message.
fn lines(messages: &[ModelMessage]) -> Vec<String> {
    let line = |message: &ModelMessage| match message {
        ModelMessage::Text { role, text } => format!("{}: {text}", role.name()),
        ModelMessage::ToolCalls { text, calls, .. } => {
            let ids: Vec<_> = calls.iter().map(|call| call.id.as_str()).collect();
            format!("calls: {text} {}", ids.join(","))
        }
        ModelMessage::ToolResult { call_id, content, .. } => format!("{call_id}: {content}"),
    };
    messages.iter().map(line).collect()
}

#[test]
fn questions_without_an_answer_are_one_message() {
    let said = said(&[(User, "a"), (Assistant, ""), (User, "b"), (Assistant, "  "), (User, "b")]);
    let (messages, omitted) = history(&said, 1000);
    assert_eq!((lines(&well_formed(messages)), omitted), (vec!["user: a\n\nb".to_owned()], None));
}

#[test]
fn a_client_s_greeting_is_no_first_message() {
    let messages = well_formed([text(Assistant, "Welcome!"), text(User, "hi")]);
    assert_eq!(lines(&messages), [&format!("user: {OPENED}"), "assistant: Welcome!", "user: hi"]);
}

#[test]
fn what_was_asked_to_confirm_stands_before_what_the_customer_said_to_it() {
    let messages = [text(User, "close it"), calls("Sure?", &["c1", "c2"]), result("c2"), text(User, "why?")];
    let told = well_formed(messages);
    let expected = [
        "user: close it",
        "calls:  c1,c2",
        "c2: result of c2",
        &format!("c1: {NO_RESULT}"),
        "assistant: Sure?",
        "user: why?",
    ];
    assert_eq!(lines(&told), expected);
}

#[test]
fn rounds_of_one_turn_stay_as_they_are() {
    let messages = [text(User, "x"), calls("I look.", &["a"]), result("a"), calls("", &["a"]), result("a")];
    assert_eq!(lines(&well_formed(messages.clone())), lines(&messages));
}

#[test]
fn the_newest_exchanges_are_kept_whole() {
    // 4 tokens for each message and 1 for its text.
    let all = said(&[
        (User, "q1"),
        (Assistant, "a1"),
        (User, "q2"),
        (Assistant, "a2"),
        (User, "q3"),
        (Assistant, "a3"),
        (User, "q4"),
    ]);
    let sent = |budget| {
        let (messages, omitted) = history(&all, budget);
        (messages.len(), omitted.map(|Omitted { messages, tokens }| (messages, tokens)))
    };
    assert_eq!(sent(35), (7, None));
    assert_eq!(sent(34), (5, Some((2, 10))));
    assert_eq!(sent(24), (3, Some((4, 20))));
    assert_eq!(sent(0), (1, Some((6, 30))), "the question is always sent");
    let kept = history(&all, 24).0;
    assert_eq!(lines(&kept), ["user: q3", "assistant: a3", "user: q4"]);
}

#[test]
fn an_exchange_that_is_too_long_takes_those_before_it_along() {
    let long = "x".repeat(400);
    let all = said(&[(User, "q1"), (Assistant, "a1"), (User, "q2"), (Assistant, &long), (User, "q3")]);
    let (messages, omitted) = history(&all, 20);
    assert_eq!((messages.len(), omitted), (1, Some(Omitted { messages: 4, tokens: 119 })));
    assert_eq!(tokens("日本語"), 3 + TOKENS_PER_MESSAGE);
}

/// Holds a dialogue against the strictest chat templates.
fn check(messages: &[ModelMessage]) -> Result<(), String> {
    let mut waiting: Vec<String> = Vec::new();
    // What may come: the user at first, then after each message.
    let mut last = "start";
    for (at, message) in messages.iter().enumerate() {
        let fail = |why: &str| Err(format!("{why} at {at}: {:#?}", lines(messages)));
        match message {
            ModelMessage::ToolResult { call_id, .. } => {
                let Some(at) = waiting.iter().position(|id| id == call_id) else { return fail("a result of no call") };
                waiting.remove(at);
                last = "result";
                continue;
            }
            _ if !waiting.is_empty() => return fail("a call without its result"),
            ModelMessage::Text { text, .. } if text.trim().is_empty() => return fail("an empty text"),
            ModelMessage::Text { role: User, .. } if last == "start" || last == "assistant" => last = "user",
            ModelMessage::Text { role: Assistant, .. } if last == "user" || last == "result" => last = "assistant",
            ModelMessage::ToolCalls { calls, .. } if last == "user" || last == "result" => {
                if calls.is_empty() {
                    return fail("no calls");
                }
                waiting = calls.iter().map(|call| call.id.clone()).collect();
                last = "calls";
            }
            _ => return fail("a message out of turn"),
        }
    }
    match (waiting.is_empty(), last) {
        (true, "start" | "user" | "result") => Ok(()),
        _ => Err(format!("an end that asks nothing: {:#?}", lines(messages))),
    }
}

fn id() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["c1", "c2", "c3"])
}

fn message() -> impl Strategy<Value = ModelMessage> {
    let words = || prop::sample::select(vec!["", " ", "hi", "my order is 7", "it is broken"]);
    prop_oneof![
        (any::<bool>(), words()).prop_map(|(user, words)| text(if user { User } else { Assistant }, words)),
        (words(), prop::collection::vec(id(), 0..3)).prop_map(|(words, ids)| calls(words, &ids)),
        id().prop_map(result),
    ]
}

proptest! {
    #[test]
    fn any_dialogue_alternates(messages in prop::collection::vec(message(), 0..16)) {
        let told = well_formed(messages.clone());
        prop_assert!(check(&told).is_ok(), "{}", check(&told).unwrap_err());
        // Nobody's words are lost.
        let all = lines(&told).join("\n");
        for message in &messages {
            if let ModelMessage::Text { text, .. } | ModelMessage::ToolCalls { text, .. } = message {
                prop_assert!(all.contains(text.trim()));
            }
        }
        // What alternates already stays as it is.
        prop_assert_eq!(lines(&well_formed(told.clone())), lines(&told));
    }

    #[test]
    fn any_stored_history_alternates_within_its_budget(
        stored in prop::collection::vec((any::<bool>(), "[a-z é]{0,40}"), 0..20),
        budget in 0..200_u64,
    ) {
        let stored: Vec<_> = stored.iter().map(|(user, text)| (if *user { User } else { Assistant }, &**text)).collect();
        let stored = said(&stored);
        let (messages, omitted) = history(&stored, budget);
        let filled = stored.iter().filter(|message| !message.content.trim().is_empty()).count();
        prop_assert_eq!(messages.len() + omitted.map_or(0, |omitted| omitted.messages), filled);
        if omitted.is_some() {
            let first = messages.first();
            let whole = matches!(first, Some(ModelMessage::Text { role: User, .. }));
            prop_assert!(whole, "an exchange is kept whole: {first:?}");
        }
        let told = well_formed(messages);
        prop_assert!(check(&told).is_ok(), "{}", check(&told).unwrap_err());
    }
}
