//! Writes wait for a person: what decides, what doesn't, and that each is made once.

mod verdicts;

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use super::{
    assert_sent_whole, call_as,
    fakes::{Harness, ScriptStep},
    finish, text,
};
use crate::{
    approval::{Approval, ApprovalState, ChatClient, LIFETIME, Outcome, Verdict},
    connector::{
        connection::{ConnectionStatus, Environment, Owner, Policy},
        fault::FaultKind,
    },
    id::{ApprovalId, ConversationId},
    model::{FinishReason, ModelMessage, Role},
    time::Timestamp,
    turn::{
        Delivery, Start, TurnRequest,
        live::TurnEvent,
        store::{BeginTurnError, ConversationRef},
    },
};

fn refund(input: Value) -> ScriptStep {
    refund_as("c1", input)
}

fn refund_as(id: &str, input: Value) -> ScriptStep {
    call_as(id, "call_connector", json!({"connection": "shop", "action": "refund", "input": input}))
}

/// A model that asks for a refund, and then says so.
fn harness() -> Harness {
    let ask = vec![text("I will."), refund(json!({"order": "7"})), finish(FinishReason::ToolCalls)];
    Harness::with_shop(Policy::default(), vec![ask, vec![text("Then."), finish(FinishReason::Stop)]])
}

async fn run(harness: &Harness, request: TurnRequest) -> Vec<TurnEvent> {
    let Ok(Start::Running(started)) = harness.turns.start(request.into()).await else { panic!("not accepted") };
    let events: Vec<TurnEvent> = started.live.follow().collect().await;
    assert_sent_whole(&events);
    events
}

async fn says(harness: &Harness, words: &str) -> Vec<TurnEvent> {
    let mut request = harness.request(Delivery::Events);
    request.messages[0].text = words.to_owned();
    let events = run(harness, request).await;
    harness.store.remember(words);
    events
}

fn answer(events: &[TurnEvent]) -> &str {
    match events.last() {
        Some(TurnEvent::Finished(ending)) => &ending.text,
        other => panic!("{other:?}"),
    }
}

/// What the model was told in its last round about its calls.
fn render_result(harness: &Harness) -> String {
    let asked = harness.model.asked();
    let results = asked.last().unwrap().messages.iter().filter_map(|message| match message {
        ModelMessage::ToolResult { content, .. } => Some(content.as_str()),
        _ => None,
    });
    results.collect()
}

fn only(harness: &Harness) -> Approval {
    let approvals = harness.store.approvals();
    assert_eq!(approvals.len(), 1);
    approvals[0].clone()
}

fn person(harness: &Harness) -> ChatClient {
    ChatClient::new(&harness.request(Delivery::Events).principal, None)
}

#[tokio::test]
async fn a_write_is_asked_for_and_made_after_a_yes_with_the_input_that_was_shown() {
    let harness = harness();
    let events = says(&harness, "Refund order 7").await;
    assert_eq!(
        answer(&events),
        "I will.\n\nBefore I do this, please confirm:\n\n`Our shop: Refund (sandbox)`\n- `order: \"7\"`\n\nReply `yes` to go ahead or `no` \
         to leave it. Unanswered, it lapses after 15 minutes."
    );
    assert!(harness.sandbox.calls().is_empty() && harness.store.records().is_empty());
    assert!(events.iter().any(|event| matches!(event, TurnEvent::ApprovalAsked(a) if a.id == only(&harness).id)));
    assert_eq!(harness.model.asked().len(), 1, "the turn ends with the question");

    let events = says(&harness, "Yes, please!").await;
    assert_eq!(answer(&events), "Then.");
    assert_eq!(harness.sandbox.calls(), [("refund".to_owned(), r#"{"order":"7"}"#.to_owned())]);
    assert_eq!(only(&harness).state, ApprovalState::Executed);
    assert!(render_result(&harness).contains("shipped"), "{}", render_result(&harness));
    let last = harness.model.asked().pop().unwrap().messages;
    assert!(matches!(last[2], ModelMessage::Text { role: Role::User, .. }), "the result comes after the yes: {last:?}");
    assert!(events.iter().any(|event| matches!(event, TurnEvent::ToolFinished { ok: true, .. })));
    assert_eq!(harness.store.finished().steps[0]["approval"], json!(only(&harness).id));
    assert_eq!(harness.store.records(), ["ok"]);
}

#[tokio::test]
async fn no_words_of_the_model_s_hide_the_question() {
    let ask = vec![text("Look:\n\n```"), refund(json!({"order": "7"})), finish(FinishReason::ToolCalls)];
    let harness = Harness::with_shop(Policy::default(), vec![ask]);
    let events = says(&harness, "Refund order 7").await;
    assert!(answer(&events).starts_with("Look:\n\n```\n```\n\nBefore I do this"), "{}", answer(&events));
    let texts: Vec<&str> = super::texts(&events);
    assert_eq!(texts[..2], ["Look:\n\n```", "\n```"], "it ends in the part that opened it");
    let at = |wanted: fn(&TurnEvent) -> bool| events.iter().position(wanted);
    let ended = at(|event| matches!(event, TurnEvent::Text(text) if text == "\n```"));
    assert!(ended < at(|event| matches!(event, TurnEvent::RoundEnded)));
}

#[tokio::test]
async fn anything_but_a_clear_yes_leaves_it_undone() {
    let cases =
        [("no", ApprovalState::Declined, None), ("yes but half", ApprovalState::Declined, Some("not confirmed"))];
    for (words, state, reason) in cases {
        let harness = harness();
        says(&harness, "Refund order 7").await;
        says(&harness, words).await;
        assert!(harness.sandbox.calls().is_empty());
        assert_eq!((only(&harness).state, only(&harness).reason.as_deref()), (state, reason));
        assert!(render_result(&harness).contains("declined"));
        // It can't be brought back.
        let again = harness.turns.approvals.decide(&person(&harness), only(&harness).id, Verdict::Approve).await;
        assert_eq!(again.unwrap().unwrap().state, ApprovalState::Declined);
        assert!(harness.sandbox.calls().is_empty());
    }
}

#[tokio::test]
async fn a_yes_after_its_time_is_none() {
    let harness = harness();
    says(&harness, "Refund order 7").await;
    harness.clock.advance(LIFETIME);
    let found = harness.turns.approvals.find(&person(&harness), only(&harness).id).await.unwrap().unwrap();
    assert_eq!(found.state, ApprovalState::Expired);
    says(&harness, "yes").await;
    assert!(harness.sandbox.calls().is_empty());
    assert!(render_result(&harness).contains("expired"));
}

#[tokio::test]
async fn a_yes_counts_for_the_question_right_before_it_only() {
    let mut rounds = vec![vec![refund(json!({"order": "7"})), finish(FinishReason::ToolCalls)]];
    rounds.extend(vec![vec![text("Fine."), finish(FinishReason::Stop)]; 3]);
    let harness = Harness::with_shop(Policy::default(), rounds);
    says(&harness, "Refund order 7").await;
    says(&harness, "What was that?").await;
    says(&harness, "yes").await;
    assert!(harness.sandbox.calls().is_empty());
}

#[tokio::test]
async fn another_visitor_s_yes_is_none() {
    for (says, made) in [(Some("eve"), 0), (Some("ada"), 1), (None, 0)] {
        let harness = harness();
        let visitor = |visitor: Option<&str>| visitor.map(str::to_owned);
        run(&harness, TurnRequest { visitor: visitor(Some("ada")), ..harness.request(Delivery::Events) }).await;
        harness.store.remember("Why?");
        let mut yes = TurnRequest { visitor: visitor(says), ..harness.request(Delivery::Events) };
        yes.messages[0].text = "yes".to_owned();
        run(&harness, yes).await;
        assert_eq!(harness.sandbox.calls().len(), made, "{says:?}");
    }
}

#[tokio::test]
async fn what_was_changed_since_it_was_shown_is_not_done() {
    type Change = fn(&mut crate::connector::connection::Connection);
    let changes: [(Change, &str); 4] = [
        (|connection| connection.revision += 1, "changed"),
        (|connection| connection.policy.deny_writes = true, "doesn't allow"),
        (|connection| connection.status = ConnectionStatus::Disabled, "not enabled"),
        (|connection| connection.id = crate::id::ConnectionId(uuid::Uuid::nil()), "any more"),
    ];
    for (change, why) in changes {
        let harness = harness();
        says(&harness, "Refund order 7").await;
        harness.store.change(change);
        says(&harness, "yes").await;
        assert!(harness.sandbox.calls().is_empty());
        let approval = only(&harness);
        assert_eq!(approval.state, ApprovalState::Failed);
        let Some(Outcome::Error { kind, message, .. }) = approval.outcome else { panic!("{approval:?}") };
        assert!(kind == FaultKind::Denied && message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn another_account_than_the_one_it_was_asked_for_is_not_written_to() {
    let connected = |seconds: i64| Some(Timestamp::from_micros(seconds * 1_000_000));
    for owner in [Owner::Organization, Owner::Visitor] {
        for (now, made, why) in
            [(connected(1), 1, "shipped"), (connected(2), 0, "its account changed"), (None, 0, "needs_auth")]
        {
            let harness = harness();
            harness.store.change(|connection| {
                (connection.owner, connection.environment) = (owner, Environment::Production);
            });
            *harness.store.authorized_at.lock().unwrap() = connected(1);
            let say = async |words: &str| {
                let mut request = TurnRequest { visitor: Some("ada".to_owned()), ..harness.request(Delivery::Events) };
                request.messages[0].text = words.to_owned();
                run(&harness, request).await;
                harness.store.remember(words);
            };
            say("Refund order 7").await;
            *harness.store.authorized_at.lock().unwrap() = now;
            say("yes").await;
            assert_eq!(harness.sandbox.calls().len(), made, "{owner:?} {now:?}");
            assert!(render_result(&harness).contains(why), "{owner:?} {now:?}: {}", render_result(&harness));
        }
    }
}

#[tokio::test]
async fn one_yes_is_for_all_that_was_shown_and_a_repeated_wish_is_one() {
    let wishes = vec![
        refund_as("c1", json!({"order": "7"})),
        refund_as("c2", json!({"order": "8", "approved": true})),
        refund_as("c3", json!({"order": "7"})),
        finish(FinishReason::ToolCalls),
    ];
    let harness = Harness::with_shop(Policy::default(), vec![wishes, vec![text("Both."), finish(FinishReason::Stop)]]);
    let events = says(&harness, "Refund 7 and 8").await;
    let asked = answer(&events);
    assert!(
        asked.contains("these 2 things") && asked.contains("(1) `Our shop") && asked.contains("(2) `Our shop"),
        "{asked}"
    );
    assert!(asked.contains("- `approved: true`"), "what the model adds is shown, and grants nothing: {asked}");
    says(&harness, "ja").await;
    let calls = harness.sandbox.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls[0].1.contains('7') && calls[1].1.contains('8'));
}

/// What the model reads of its calls in its last round: the calls, and the results with whose they are.
fn dialogue(harness: &Harness) -> (Vec<String>, Vec<(String, String)>) {
    let messages = harness.model.asked().pop().unwrap().messages;
    let at = messages.iter().position(|message| matches!(message, ModelMessage::ToolCalls { .. })).unwrap();
    let ModelMessage::ToolCalls { calls, .. } = &messages[at] else { unreachable!() };
    let results = messages[at + 1..].iter().map_while(|message| match message {
        ModelMessage::ToolResult { call_id, content, .. } => Some((call_id.clone(), content.clone())),
        _ => None,
    });
    let told = messages.iter().filter(|message| matches!(message, ModelMessage::ToolResult { .. })).count();
    let (calls, results): (Vec<_>, Vec<_>) = (calls.iter().map(|call| call.id.clone()).collect(), results.collect());
    assert_eq!(told, results.len(), "all results follow their calls");
    (calls, results)
}

#[tokio::test]
async fn all_that_the_round_gave_reaches_the_model_when_the_turn_goes_on() {
    let find = |id: &str, number: &str| {
        call_as(id, "call_connector", json!({"connection": "shop", "action": "find", "input": {"id": number}}))
    };
    let calls = ["read", "write", "search", "unknown", "again"];
    let round = || {
        vec![
            find(calls[0], "7"),
            refund_as(calls[1], json!({"order": "7"})),
            call_as(calls[2], "search_knowledge", json!({"query": "sky"})),
            call_as(calls[3], "rm", json!({})),
            refund_as(calls[4], json!({"order": "8"})),
            finish(FinishReason::ToolCalls),
        ]
    };
    // A yes, a no, something else, and a client's verdict on the second alone.
    for (words, made) in
        [(Some("yes"), [true, true]), (Some("no"), [false; 2]), (Some("Why?"), [false; 2]), (None, [false, true])]
    {
        let harness =
            Harness::with_shop(Policy::default(), vec![round(), vec![text("Found [2]."), finish(FinishReason::Stop)]]);
        says(&harness, "Refund 7 and 8").await;
        let asked = harness.store.approvals();
        assert_eq!(harness.sandbox.calls().len(), 1, "the read alone");
        let events = match words {
            Some(words) => says(&harness, words).await,
            None => {
                let verdicts = vec![(asked[1].id, Verdict::Approve)];
                run(&harness, TurnRequest { verdicts, ..harness.request(Delivery::Events) }).await
            }
        };
        let (made_calls, results) = dialogue(&harness);
        assert_eq!(made_calls, calls);
        assert_eq!(results.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), calls);
        assert!(results[0].1.contains("shipped") && results[0].1.contains("n=\"2\""), "{}", results[0].1);
        assert!(results[2].1.contains("The sky is blue.") && results[3].1.contains("unknown_tool"));
        for (at, made) in [(1, made[0]), (4, made[1])] {
            assert_eq!(results[at].1.contains("shipped"), made, "{words:?}: {}", results[at].1);
            assert_eq!(results[at].1.contains("declined"), !made);
        }
        // What the read gave may still be cited, by the number that it says.
        let Some(TurnEvent::Finished(ending)) = events.last() else { panic!() };
        assert_eq!(ending.citations.len(), 1);
        assert_eq!((ending.citations[0].n, ending.citations[0].title.as_str()), (2, "Our shop: Find (sandbox)"));
        assert_eq!(harness.sandbox.calls().len(), 1 + made.iter().filter(|made| **made).count());
    }
}

#[tokio::test]
async fn a_plain_answer_to_the_question_finds_no_passages() {
    for (words, passages) in [("yes", 0), ("no", 0), ("Why is the sky blue?", 1)] {
        let harness = harness();
        says(&harness, "Refund order 7").await;
        says(&harness, words).await;
        assert_eq!(harness.model.asked()[1].passages.len(), passages, "{words}");
    }
}

#[tokio::test]
async fn two_who_say_yes_at_once_are_one_execution() {
    let mut rounds = vec![vec![refund(json!({"order": "7"})), finish(FinishReason::ToolCalls)]];
    rounds.extend(vec![vec![text("Fine."), finish(FinishReason::Stop)]; 8]);
    let harness = Harness::with_shop(Policy::default(), rounds);
    says(&harness, "Refund order 7").await;
    let yes = || {
        let mut request = harness.request(Delivery::Events);
        request.messages[0].text = "yes".to_owned();
        run(&harness, request)
    };
    futures::future::join_all((0..8).map(|_| yes())).await;
    assert_eq!(harness.sandbox.calls().len(), 1);
}

#[tokio::test]
async fn a_fault_of_a_confirmed_call_is_its_end() {
    let harness = harness();
    says(&harness, "Refund order 7").await;
    harness.sandbox.fail_next();
    says(&harness, "yes").await;
    assert_eq!(only(&harness).state, ApprovalState::Failed);
    assert!(render_result(&harness).contains("upstream"));
    let again = harness.turns.approvals.decide(&person(&harness), only(&harness).id, Verdict::Approve).await.unwrap();
    assert_eq!((again.unwrap().state, harness.sandbox.calls().len()), (ApprovalState::Failed, 1));
}

#[tokio::test]
async fn bad_input_and_what_nobody_can_look_through_go_back_to_the_model() {
    let many: Vec<u32> = (0..200).collect();
    let rounds = vec![
        vec![refund(json!({"orders": many})), finish(FinishReason::ToolCalls)],
        vec![text("No."), finish(FinishReason::Stop)],
    ];
    let harness = Harness::with_shop(Policy::default(), rounds);
    assert_eq!(answer(&says(&harness, "Refund all").await), "No.");
    assert!(harness.store.approvals().is_empty() && render_result(&harness).contains("more than 100 values"));
}

#[tokio::test]
async fn what_a_turn_cuts_it_says() {
    let harness = Harness::new(vec![vec![text("Half an ans"), finish(FinishReason::Length)]]);
    assert!(answer(&says(&harness, "Why?").await).ends_with("[The answer is cut here: it reached the model's limit.]"));

    let mut calls: Vec<ScriptStep> = (0..9).map(|_| super::lookup()).collect();
    calls.push(finish(FinishReason::ToolCalls));
    let harness = Harness::with_shop(Policy::default(), vec![calls, vec![text("Ok."), finish(FinishReason::Stop)]]);
    says(&harness, "Why?").await;
    assert_eq!(harness.sandbox.calls().len(), 8);
    assert!(render_result(&harness).contains("too_many_calls"));

    let mut harness = Harness::new(vec![vec![text("0123456789"), text("more"), finish(FinishReason::Stop)]]);
    harness.turns.limits.answer_bytes = 8;
    harness.turns.limits.deadline = Duration::from_secs(5);
    assert!(answer(&says(&harness, "Why?").await).ends_with("longer than this host allows.]"));
}
